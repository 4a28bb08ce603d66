//! What each crate may name: the table of the design, held against what cargo says.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Our crates and those of ours that each may depend on.
const EDGES: &[(&str, &[&str])] = &[
    ("resp", &[]),
    ("keyspace", &[]),
    ("commands", &["keyspace", "resp"]),
    ("scripting", &["commands", "resp"]),
    ("persistence", &["commands", "keyspace", "resp"]),
    ("net", &["commands", "resp"]),
    ("server", &["commands", "net", "persistence", "resp", "scripting"]),
    ("testkit", &["commands", "resp"]),
];

/// Foreign crates that only some of ours may name.
const RESERVED: &[(&str, &[&str])] = &[
    ("tokio", &["net", "server"]),
    ("tokio-util", &["net"]),
    ("tokio-rustls", &["net"]),
    ("socket2", &["net"]),
    ("mio", &[]),
    ("mlua", &["scripting"]),
    ("mlua-sys", &["scripting"]),
    ("nom", &["resp"]),
    ("dashmap", &["commands"]),
    ("tracing", &["net", "server"]),
    ("anyhow", &["server"]),
    ("chrono", &["server"]),
    ("quanta", &["net"]),
];

/// Crates that know neither a socket, a clock nor the system; with them they would.
const PURE: &[&str] = &["resp", "keyspace", "commands"];
/// Except that a shard's lock asks the system for a barrier.
const EXCEPTED: &[(&str, &str)] = &[("keyspace", "rustix")];
const SYSTEM: &[&str] = &["libc", "rustix", "nix", "socket2", "tokio", "mio", "quanta", "async-std", "smol"];

#[test]
fn our_crates_depend_only_on_those_they_may() {
    for (name, ours) in our_crates() {
        let allowed = EDGES.iter().find(|(known, _)| *known == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{name} is not in the design's table"));
        for other in ours.dependencies.iter().filter_map(|other| other.strip_prefix("perigee-")) {
            assert!(allowed.contains(&other), "{name} must not name {other}");
        }
    }
}

#[test]
fn foreign_crates_stay_where_they_belong() {
    for (name, ours) in our_crates() {
        for (foreign, allowed) in RESERVED {
            let names_it = ours.dependencies.contains(*foreign);
            assert!(!names_it || allowed.contains(&&*name), "{name} must not name {foreign}");
        }
    }
}

#[test]
fn what_is_sans_io_does_not_even_name_the_system() {
    let crates = our_crates();
    for name in PURE {
        for foreign in SYSTEM {
            let names_it = crates[*name].dependencies.contains(*foreign);
            assert!(!names_it || EXCEPTED.contains(&(name, foreign)), "{name} must not name {foreign}");
        }
    }
}

#[test]
fn only_the_fenced_crates_may_be_unsafe() {
    for (name, ours) in our_crates() {
        let root = std::fs::read_to_string(&ours.root).unwrap();
        let fenced = ["keyspace", "scripting"].contains(&&*name);
        let forbids = root.contains("#![forbid(unsafe_code)]");
        let denies = root.contains("#![deny(unsafe_code)]");
        assert!(forbids || fenced && denies, "{name} allows unsafe code");
    }
}

struct Ours {
    /// By name, without those of tests and build scripts.
    dependencies: BTreeSet<String>,
    /// Its `lib.rs` or `main.rs`.
    root: String,
}

fn our_crates() -> BTreeMap<String, Ours> {
    let metadata: Metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .no_deps()
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .unwrap();
    let in_crates = |package: &&Package| {
        package
            .manifest_path
            .parent()
            .and_then(|folder| folder.parent())
            .is_some_and(|folder| folder.ends_with("crates"))
    };
    let crates: BTreeMap<String, Ours> = metadata.packages.iter().filter(in_crates).map(ours).collect();
    assert!(crates.len() >= 7, "{:?}", crates.keys());
    crates
}

fn ours(package: &Package) -> (String, Ours) {
    let name = package.name.strip_prefix("perigee-").expect("our crates are called perigee-NAME");
    let dependencies = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind == DependencyKind::Normal)
        .map(|dependency| dependency.name.clone())
        .collect();
    let root = package.targets.iter().find(|target| target.is_lib() || target.is_bin()).unwrap();
    (name.to_owned(), Ours { dependencies, root: root.src_path.to_string() })
}
