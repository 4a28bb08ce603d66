//! Unmodified clients against a started server: redis-py and its own tests, redis-cli, redis-benchmark, and bad ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::arguments::Arguments;
use crate::programs;
use crate::server::Server;

pub(crate) const HELP: &str = "\
clients [NAME]... [--server PATH] [--short]
    Runs xtask/clients/NAME.py (default: all) against a server (default: builds Perigee's release). Sets up a Python
    environment with redis-py under target/clients the first time.
    --short   fewer rounds, without redis-py's own tests (which it downloads), for CI";

pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let program = arguments.value("--server")?.map(PathBuf::from);
    let short = arguments.flag("--short");
    let names = arguments.finish()?;
    let program = program.map_or_else(|| programs::build_perigee("release"), Ok)?;
    let python = environment()?;
    let scripts = scripts(&names)?;
    let mut failed = Vec::new();
    for script in &scripts {
        let name = script.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let server = Server::start("server", &program, &[])?;
        println!("{name}:");
        let status = Command::new(&python)
            .arg(script)
            .env("PERIGEE_PORT", server.port.to_string())
            .env("PERIGEE_SHORT", if short { "1" } else { "" })
            .status()?;
        if !status.success() {
            println!("{}", server.log_tail());
            failed.push(name);
        }
    }
    println!(
        "clients: {} passed, {} failed {}",
        scripts.len() - failed.len(),
        failed.len(),
        failed.join(" ")
    );
    ensure!(failed.is_empty(), "{} failed", failed.join(", "));
    Ok(())
}

fn scripts(names: &[String]) -> Result<Vec<PathBuf>> {
    let folder = programs::root().join("xtask/clients");
    let mut scripts = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let wanted = names.is_empty() || names.contains(&name);
        if path.extension().is_some_and(|extension| extension == "py") && name != "checks" && wanted {
            scripts.push(path);
        }
    }
    ensure!(!scripts.is_empty(), "no such script in {}", folder.display());
    scripts.sort();
    Ok(scripts)
}

/// The environment's Python, set up if it is not there.
fn environment() -> Result<PathBuf> {
    let folder = programs::target_dir().join("clients");
    let python = folder.join("bin/python");
    let ready = folder.join("ready");
    if !ready.is_file() {
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        succeed(Command::new(&python).args(["-m", "pip", "install", "--quiet", "redis"]))?;
        fs::write(&ready, "redis-py is installed\n")?;
    }
    Ok(python)
}

fn succeed(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let status = command.status().with_context(|| program.clone())?;
    if !status.success() {
        bail!("{program} failed");
    }
    Ok(())
}
