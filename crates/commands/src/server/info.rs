//! INFO: the server's facts and figures, in sections.

mod figures;
mod keysizes;
mod lines;
mod sections;

use std::sync::OnceLock;

use crate::call::Call;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Scope, command};
use lines::Lines;

pub(super) const INFO: Command = command("info", -1, info)
    .flags(Flags::LOADING.or(Flags::STALE))
    .scope(Scope::AllIf(|args| {
        let wanted = Wanted::parse(args);
        wanted.includes("keyspace") || wanted.includes("keysizes")
    }))
    .acl(Categories::DANGEROUS)
    .docs(Group::Server, "1.0.0", "O(1)", "Get information and statistics about the server")
    .syntax("[section...]")
    .history(&[("7.0.0", "Added support for taking multiple section arguments.")]);

fn info(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let wanted = Wanted::parse(call.args);
    let mut lines = Lines::default();
    for section in SECTIONS.iter().filter(|section| wanted.includes(section.name)) {
        lines.section(section.title);
        (section.write)(call, &mut lines);
    }
    call.reply.verbatim(b"txt", lines.text().as_bytes());
    Ok(())
}

/// A part of INFO's answer.
struct Section {
    name: &'static str,
    title: &'static str,
    when: When,
    write: fn(&Call<'_, '_>, &mut Lines),
}

/// Which of the collective names include a section.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// `default`, `all`, `everything`.
    Default,
    /// `all`, `everything`.
    All,
    /// `default`, `everything`.
    Modules,
    /// None: it takes as long as there are keys.
    Named,
}

const fn section(
    name: &'static str,
    title: &'static str,
    when: When,
    write: fn(&Call<'_, '_>, &mut Lines),
) -> Section {
    Section { name, title, when, write }
}

static SECTIONS: &[Section] = &[
    section("server", "Server", When::Default, sections::server),
    section("clients", "Clients", When::Default, sections::clients),
    section("memory", "Memory", When::Default, sections::memory),
    section("persistence", "Persistence", When::Default, sections::persistence),
    section("stats", "Stats", When::Default, figures::stats),
    section("replication", "Replication", When::Default, sections::replication),
    section("cpu", "CPU", When::Default, sections::cpu),
    section("modules", "Modules", When::Modules, |_, _| {}),
    section("commandstats", "Commandstats", When::All, figures::commands),
    section("errorstats", "Errorstats", When::Default, figures::errors),
    section("latencystats", "Latencystats", When::All, figures::latencies),
    section("cluster", "Cluster", When::Default, |_, lines| lines.add("cluster_enabled", 0)),
    section("keyspace", "Keyspace", When::Default, figures::keyspace),
    section("keysizes", "Keysizes", When::Named, keysizes::keysizes),
];

/// The sections that a request names.
struct Wanted<'a>(&'a [&'a [u8]]);

impl<'a> Wanted<'a> {
    fn parse(args: &'a [&'a [u8]]) -> Self {
        Wanted(&args[1..])
    }

    fn includes(&self, name: &str) -> bool {
        let when = SECTIONS.iter().find(|section| section.name == name).map(|section| section.when);
        let named = |word: &str| self.0.iter().any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
        let by_default = self.0.is_empty() || named("default");
        match when {
            None => false,
            _ if named(name) => true,
            Some(When::Named) => false,
            _ if named("everything") => true,
            Some(When::Default) => by_default || named("all"),
            Some(When::All) => named("all"),
            Some(When::Modules) => by_default,
        }
    }
}

/// The system's name with its release, as Redis shows it, or what is known at compile time.
fn system(call: &Call<'_, '_>) -> String {
    static COMPILED_FOR: OnceLock<String> = OnceLock::new();
    let known = &call.env.engine.process.system;
    if known.is_empty() {
        COMPILED_FOR.get_or_init(|| format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)).clone()
    } else {
        known.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(request: &str, expected: &str) {
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let wanted = Wanted::parse(&args);
        let found: Vec<_> =
            SECTIONS.iter().map(|section| section.name).filter(|name| wanted.includes(name)).collect();
        assert_eq!(found.join(" "), expected, "{request}");
    }

    #[test]
    fn which_sections() {
        let default =
            "server clients memory persistence stats replication cpu modules errorstats cluster keyspace";
        check("info", default);
        check("info DEFAULT", default);
        check(
            "info all",
            "server clients memory persistence stats replication cpu commandstats errorstats latencystats cluster keyspace",
        );
        check(
            "info everything",
            "server clients memory persistence stats replication cpu modules commandstats errorstats latencystats cluster keyspace",
        );
        check("info keyspace Server nosuch", "server keyspace");
        check("info nosuch", "");
        check("info keysizes", "keysizes");
        check("info default commandstats", &default.replace("errorstats", "commandstats errorstats"));
    }
}
