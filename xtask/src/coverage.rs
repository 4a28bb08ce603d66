//! Which lines of the crates nothing reaches: neither the oracle nor the workspace's tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::arguments::Arguments;
use crate::programs;

pub(crate) const HELP: &str = "\
coverage [FILE]... [--commands N] [--seed N] [--no-tests]
    Runs the oracle (its transcripts, then random commands) and the workspace's tests with LLVM's counters, and prints
    the lines that none of them has reached: of all files, or of those named by any part of their paths. Builds into
    target/coverage. Lines that run in the compiler alone (`const fn`) do not count. Skipped, and said so, without llvm-tools.
    --commands N   how many random commands (default 20000; 0 for none)
    --seed N       of the random commands (default 1)
    --no-tests     the oracle alone";

pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let commands = arguments.number("--commands", 20_000)?;
    let seed = arguments.number("--seed", 1)?;
    let tests = !arguments.flag("--no-tests");
    let wanted = arguments.finish()?;
    let Some(tools) = tools() else {
        println!("coverage: skipped: no llvm-tools (rustup component add llvm-tools)");
        return Ok(());
    };
    let profiles = folder().join("profiles");
    if profiles.exists() {
        fs::remove_dir_all(&profiles)?;
    }
    let mut programs = build(&["build", "--package", "perigee-server"])?;
    let subject = programs.first().context("no program was built")?.display().to_string();
    let [commands, seed] = [commands, seed].map(|number| number.to_string());
    let examine = ["oracle", "--subject", &subject, "--commands", &commands, "--seed", &seed];
    let agreed = counted(Command::new(std::env::current_exe()?)).args(examine).status()?.success();
    let mut passed = true;
    if tests {
        programs.extend(build(&["test", "--workspace", "--no-run"])?);
        passed = counted(instrumented()).args(["test", "--workspace", "--quiet"]).status()?.success();
    }
    print(&unreached(&tools, &profiles, &programs)?, &wanted)?;
    ensure!(agreed, "the oracle has found differences");
    ensure!(passed, "tests have failed");
    Ok(())
}

/// Where LLVM's tools of the compiler's own version are, if they are installed.
fn tools() -> Option<PathBuf> {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    let targets = Path::new(String::from_utf8_lossy(&sysroot.stdout).trim()).join("lib/rustlib");
    let folders = fs::read_dir(targets).ok()?.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    folders.into_iter().find(|folder| folder.join("llvm-profdata").is_file())
}

fn folder() -> PathBuf {
    programs::target_dir().join("coverage")
}

/// Cargo, whose programs count the lines that they reach.
fn instrumented() -> Command {
    let mut cargo = programs::cargo();
    // Counters in a file that is mapped: a server that is killed has written it.
    cargo.env("RUSTFLAGS", "-C instrument-coverage -C llvm-args=-runtime-counter-relocation");
    cargo.env("CARGO_TARGET_DIR", folder());
    cargo
}

/// A command whose programs write what they have counted.
fn counted(mut command: Command) -> Command {
    command.env("LLVM_PROFILE_FILE", folder().join("profiles").join("%p-%m%c.profraw"));
    command
}

/// Builds, and returns the programs.
fn build(words: &[&str]) -> Result<Vec<PathBuf>> {
    let output = instrumented()
        .args(words)
        .args(["--quiet", "--message-format", "json"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cargo")?;
    ensure!(output.status.success(), "cargo {} fails", words.join(" "));
    let messages = output.stdout.split(|&byte| byte == b'\n');
    let executable = |line| {
        serde_json::from_slice::<serde_json::Value>(line).ok()?["executable"].as_str().map(PathBuf::from)
    };
    Ok(messages.filter_map(executable).collect())
}

/// The lines of each file that code stands on, and whether they were reached.
type Lines = BTreeMap<String, BTreeMap<usize, bool>>;

fn unreached(tools: &Path, profiles: &Path, programs: &[PathBuf]) -> Result<Lines> {
    let merged = profiles.join("all.profdata");
    let mut merge = Command::new(tools.join("llvm-profdata"));
    merge.args(["merge", "--sparse", "--failure-mode=all", "-o"]).arg(&merged);
    for entry in fs::read_dir(profiles).context("nothing was counted")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "profraw") {
            merge.arg(path);
        }
    }
    ensure!(merge.status()?.success(), "llvm-profdata fails");
    let mut export = Command::new(tools.join("llvm-cov"));
    export.args(["export", "--format=lcov", "--instr-profile"]).arg(&merged);
    export.arg(&programs[0]);
    for program in &programs[1..] {
        export.arg("--object").arg(program);
    }
    let output = export.output().context("llvm-cov")?;
    if !output.status.success() {
        bail!("llvm-cov: {}", String::from_utf8_lossy(&output.stderr));
    }
    let crates = format!("{}/", programs::root().join("crates").display());
    Ok(read(&String::from_utf8_lossy(&output.stdout), &crates))
}

/// Reads lcov's form: `SF:` begins a file, `DA:` has a line and how often it was reached.
fn read(text: &str, crates: &str) -> Lines {
    let (mut files, mut file) = (Lines::new(), None);
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            let path = path.strip_prefix(crates).filter(|path| path.contains("/src/"));
            file = path
                .filter(|path| !path.starts_with("testkit/"))
                .map(|path| files.entry(path.to_owned()).or_default());
        } else if let (Some(counts), Some(lines)) = (line.strip_prefix("DA:"), &mut file)
            && let Some((number, count)) = counts.split_once(',')
            && let Ok(number) = number.parse()
        {
            *lines.entry(number).or_default() |= count != "0";
        }
    }
    files
}

fn print(files: &Lines, wanted: &[String]) -> Result<()> {
    let mut totals: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for (path, lines) in files {
        let text = fs::read_to_string(programs::root().join("crates").join(path))?;
        let counts = counting(&text);
        let code = || lines.iter().filter(|(number, _)| counts.contains_key(number));
        let missed: Vec<_> = code().filter(|(_, reached)| !**reached).map(|(number, _)| *number).collect();
        let total = totals.entry(path.split('/').next().unwrap_or_default()).or_default();
        *total = [total[0] + code().count(), total[1] + missed.len()];
        if !missed.is_empty() && (wanted.is_empty() || wanted.iter().any(|part| path.contains(part.as_str())))
        {
            println!("\ncrates/{path}");
            missed.iter().for_each(|number| println!("{number:>5} {}", counts[number]));
        }
    }
    println!();
    for (name, [lines, missed]) in totals {
        let share = 100.0 * (lines - missed) as f64 / lines.max(1) as f64;
        println!("{name:<10} {missed:>5} of {lines:>5} lines are not reached: {share:.2}%");
    }
    Ok(())
}

/// The lines of a source text that a run can reach, by their numbers: not what is alone among braces, nor the bodies of `const fn`,
/// nor the tests that end a file.
fn counting(text: &str) -> BTreeMap<usize, &str> {
    let (mut found, mut end) = (BTreeMap::new(), None);
    for (line, number) in text.lines().zip(1..) {
        let words = line.trim_start();
        let indent = &line[..line.len() - words.len()];
        if line == "mod tests {" {
            break;
        } else if end.is_some() {
            end = end.filter(|end| *end != line);
        } else if is_const_fn(words) {
            end = Some(format!("{indent}}}")).filter(|_| !words.ends_with('}'));
        } else if words.chars().any(char::is_alphanumeric) {
            found.insert(number, line);
        }
    }
    found
}

/// Whether a line begins a `const fn`, whatever stands before.
fn is_const_fn(line: &str) -> bool {
    line.split_once("const fn ").is_some_and(|(before, _)| before.is_empty() || before.starts_with("pub"))
        || line.starts_with("const unsafe fn ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_compiler_runs_does_not_count() {
        let text = "fn a() {\n    b();\n}\n\npub(crate) const fn c() {\n    d();\n}\nconst fn e() {}\nfn f() {\n}\n\n#[cfg(test)]\nmod tests {\n    x\n";
        let lines: Vec<usize> = counting(text).into_keys().collect();
        assert_eq!(lines, [1, 2, 9, 12]);
    }

    #[test]
    fn a_line_is_reached_by_any_of_its_functions() {
        let text = "SF:/w/crates/commands/src/a.rs\nDA:1,0\nDA:2,0\nDA:1,5\nend_of_record\nSF:/w/crates/testkit/src/b.rs\nDA:1,1\nSF:/c.rs\nDA:7,1\n";
        let files = read(text, "/w/crates/");
        assert_eq!(files.len(), 1);
        assert_eq!(files["commands/src/a.rs"], BTreeMap::from([(1, true), (2, false)]));
    }
}
