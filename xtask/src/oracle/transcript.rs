//! Recorded transcripts: text files of requests that both servers answer.
//!
//! One request a line, quoted as for redis-cli. A file without `@plain` is played through four faces: RESP2, RESP3, each
//! request alone in MULTI/EXEC, and each inside `EVAL "return redis.call(unpack(ARGV))"`. `#` starts a comment line.
//!
//! Standing directives: `@plain` (first: only as written), `@faces resp2 resp3 exec script` (first: these alone), `@flush`
//! (empty servers, new connections), `@conn N`, `@resp3`, `@resp2`, `@close` (leave, and wait until that is noticed), `@blocked` (wait
//! until the connection's request waits for data), `@sleep MS`, `@read` (one more reply),
//! `@quiet MS` (no reply comes), `@raw "BYTES"` (send as is, read one reply), `@send "BYTES"` (send only), `@eof` (send
//! no more), `@closed` (the server closes), `@peer redis` or `@peer valkey` (in `newer`, first: for this family alone), `@guess` (replies
//! are compared as those of random requests, and the reference need not answer).
//! For the next request: `@sort`, `@pairs`, `@ignore`, `@shape`, `@times`, `@scan`, `@approx N`, `@noreply`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::compare::{Policy, same};
use super::pair::{Pair, Request};
use super::report::{Report, group, show};
use super::words;
use crate::connection::{Outcome, REPLY_WITHIN};
use crate::programs;
use crate::value::Value;

/// Whether there is a transcript of that name.
pub(super) fn exists(name: &str) -> bool {
    folder().join(format!("{name}.txt")).is_file()
}

/// Plays all transcripts, or the one named.
pub(super) fn replay_all(pair: &mut Pair, report: &mut Report, only: Option<&str>) -> Result<()> {
    for (name, text) in texts(&folder(), only)? {
        play(pair, report, &name, &text)?;
    }
    Ok(())
}

/// Plays all transcripts of what is newer than the usual reference, or the one named: those that this peer can answer. Whether
/// there was one.
pub(super) fn replay_newer(pair: &mut Pair, report: &mut Report, only: Option<&str>) -> Result<bool> {
    let mut found = false;
    for (name, text) in texts(&folder().join("newer"), only)? {
        let of = text.lines().find_map(|line| line.trim().strip_prefix("@peer "));
        found |= only.is_some();
        if of.is_none_or(|of| pair.peer().is_some_and(|peer| peer.name() == of)) {
            play(pair, report, &name, &text)?;
        }
    }
    Ok(found)
}

/// The transcripts of a folder, by name; or the one named, if it is there.
pub(super) fn texts(folder: &Path, only: Option<&str>) -> Result<Vec<(String, String)>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    let named = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let wanted = paths.iter().filter(|path| only.is_none_or(|only| only == named(path)));
    wanted.map(|path| Ok((named(path), fs::read_to_string(path)?))).collect()
}

/// Plays a transcript through its faces.
pub(super) fn play(pair: &mut Pair, report: &mut Report, name: &str, text: &str) -> Result<()> {
    let before = (report.compared, std::time::Instant::now());
    for face in faces(text) {
        Player { pair, report, name, face: *face, conn: 1, policy: None, guess: false, noreply: false }
            .play(text)
            .with_context(|| format!("{name}, {face:?}"))?;
    }
    let (replies, seconds) = (report.compared - before.0, before.1.elapsed().as_secs_f64());
    println!("transcript {name}: {replies} replies, {seconds:.1} s");
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Face {
    Resp2,
    Resp3,
    Exec,
    Script,
}

fn faces(text: &str) -> &[Face] {
    const ALL: &[Face] = &[Face::Resp2, Face::Resp3, Face::Exec, Face::Script];
    let standing = |wanted: &str| text.lines().any(|line| line.trim() == wanted);
    if standing("@plain") {
        &ALL[..1]
    } else if standing("@faces resp2 resp3") {
        &ALL[..2]
    } else if standing("@faces resp3") {
        &ALL[1..2]
    } else {
        ALL
    }
}

fn folder() -> PathBuf {
    programs::root().join("xtask/oracle")
}

struct Player<'a> {
    pair: &'a mut Pair,
    report: &'a mut Report,
    name: &'a str,
    face: Face,
    conn: u32,
    policy: Option<Policy>,
    guess: bool,
    noreply: bool,
}

impl Player<'_> {
    fn play(&mut self, text: &str) -> Result<()> {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        self.flush()?;
        let mut episode = 0;
        for (index, line) in lines.iter().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if *line == "@flush" {
                episode = index;
            }
            let at = Place { line: index + 1, context: &lines[episode.max(index.saturating_sub(6))..=index] };
            match line.strip_prefix('@') {
                Some(directive) => self.directive(directive, &at),
                None => words::split(line).and_then(|request| self.request(request, &at)),
            }
            .with_context(|| format!("line {}: {line}", index + 1))?;
            if self.report.full() {
                break;
            }
        }
        Ok(())
    }

    fn directive(&mut self, text: &str, at: &Place<'_>) -> Result<()> {
        let (name, value) = text.split_once(' ').unwrap_or((text, ""));
        match name {
            "plain" | "faces" | "peer" => {}
            "flush" => self.flush()?,
            "conn" => {
                self.conn = value.parse()?;
                if !self.pair.is_connected(self.conn) {
                    self.greet()?;
                }
            }
            "resp3" => drop(self.pair.call(self.conn, &["HELLO", "3"])?),
            "resp2" => drop(self.pair.call(self.conn, &["HELLO", "2"])?),
            "close" => self.pair.leave(self.conn)?,
            "blocked" => self.pair.await_block(self.conn)?,
            "sleep" => std::thread::sleep(Duration::from_millis(value.parse()?)),
            "read" => self.expect(true, self.patience(), b"@read", at)?,
            "quiet" => self.expect(false, Duration::from_millis(value.parse()?), b"@quiet", at)?,
            "closed" => self.expect(false, REPLY_WITHIN, b"@closed", at)?,
            "raw" => {
                self.send_raw(value)?;
                self.expect(true, REPLY_WITHIN, b"@raw", at)?;
            }
            "send" => self.send_raw(value)?,
            "eof" => self.pair.connections(self.conn)?.iter_mut().for_each(|c| c.finish_sending()),
            "sort" => self.policy = Some(Policy::Unordered),
            "pairs" => self.policy = Some(Policy::UnorderedPairs),
            "ignore" => self.policy = Some(Policy::Ignore),
            "shape" => self.policy = Some(Policy::Shape),
            "times" => self.policy = Some(Policy::Times),
            "scan" => self.policy = Some(Policy::Scan),
            "approx" => self.policy = Some(Policy::Near(value.parse()?)),
            "noreply" => self.noreply = true,
            "guess" => self.guess = true,
            _ => bail!("unknown directive"),
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.pair.reset()?;
        self.conn = 1;
        self.greet()
    }

    /// RESP3 for every new connection of that face.
    fn greet(&mut self) -> Result<()> {
        if self.face == Face::Resp3 {
            let _same = self.pair.call(self.conn, &["HELLO", "3"])?;
        }
        Ok(())
    }

    fn request(&mut self, request: Request, at: &Place<'_>) -> Result<()> {
        let command = request.first().cloned().unwrap_or_default();
        if self.guess {
            self.policy.get_or_insert(Policy::beside(self.pair.peer(), &request));
        }
        match self.face {
            Face::Resp2 | Face::Resp3 => self.pair.send(self.conn, &request)?,
            Face::Exec => {
                for step in [vec![b"MULTI".to_vec()], request] {
                    let [reference, subject] = self.pair.call(self.conn, &step)?;
                    self.judge(Policy::Exact, &reference, &subject, &command, at);
                }
                self.pair.send(self.conn, &["EXEC"])?;
            }
            Face::Script => {
                let mut wrapped: Request =
                    [&b"EVAL"[..], b"return redis.call(unpack(ARGV))", b"0"].map(<[u8]>::to_vec).into();
                wrapped.extend(request);
                self.pair.send(self.conn, &wrapped)?;
            }
        }
        if std::mem::take(&mut self.noreply) {
            return Ok(());
        }
        self.expect(true, self.patience(), &command, at)
    }

    /// How long a reply may take: there may be none where the reference need not answer.
    fn patience(&self) -> Duration {
        if self.guess { REPLY_WITHIN / 30 } else { REPLY_WITHIN }
    }

    /// Compares, and holds the transcript to what it says of the reference: that it answers, or that it does not.
    fn expect(&mut self, answer: bool, within: Duration, command: &[u8], at: &Place<'_>) -> Result<()> {
        let answered = self.compare(within, command, at)?;
        ensure!(
            answered == answer || self.guess,
            "the reference {}",
            if answer { "does not answer" } else { "answers" }
        );
        Ok(())
    }

    fn send_raw(&mut self, quoted: &str) -> Result<()> {
        let bytes = words::split(quoted)?.concat();
        for connection in self.pair.connections(self.conn)? {
            let _closed = connection.send_raw(&bytes);
        }
        Ok(())
    }

    /// Whether the reference gave a reply.
    fn compare(&mut self, within: Duration, command: &[u8], at: &Place<'_>) -> Result<bool> {
        let [reference, subject] = self.pair.read(self.conn, within)?;
        let policy = self.policy.take().unwrap_or(Policy::Exact);
        self.judge(policy, &reference, &subject, command, at);
        let broken = |outcome: &Outcome| !matches!(outcome, Outcome::Reply(_));
        if broken(&reference) != broken(&subject) {
            self.pair.drop_connection(self.conn);
        }
        Ok(!broken(&reference))
    }

    fn judge(
        &mut self,
        policy: Policy,
        reference: &Outcome,
        subject: &Outcome,
        command: &[u8],
        at: &Place<'_>,
    ) {
        if self.pair.peer().is_some() && is_unknown(reference) {
            return;
        }
        self.report.compared += 1;
        let line = at.context.last().copied().unwrap_or_default();
        if same(policy, reference, subject) || self.report.accepts(line, reference, subject) {
            return;
        }
        let kind = group(command, reference, subject);
        if self.report.is_new(format!("{} line {}: {kind}", self.name, at.line)) {
            let place = format!("{}.txt line {} ({:?})", self.name, at.line, self.face);
            let lines: Vec<String> = at.context.iter().map(|line| (*line).to_owned()).collect();
            self.report.print(&place, &lines, &show(reference), &show(subject));
        }
    }
}

/// Whether the server has no such command: there are several newer ones, each of which lacks what others have.
fn is_unknown(outcome: &Outcome) -> bool {
    let Outcome::Reply(Value::Error(text)) = outcome else { return false };
    [&b"ERR unknown command"[..], b"ERR unknown subcommand"].iter().any(|start| text.starts_with(start))
}

/// Where a transcript stands, and the lines that led there.
struct Place<'a> {
    line: usize,
    context: &'a [&'a str],
}
