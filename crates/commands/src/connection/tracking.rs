//! CLIENT TRACKING, CACHING, TRACKINGINFO, GETREDIR: client-side caching.

use std::sync::atomic::Ordering;

use super::client::ordinary;
use crate::call::Call;
use crate::clients::{Interest, Mark};
use crate::error::{Error, shown};
use crate::parse::Word;
use crate::spec::{Command, Group};
use crate::tracking::{Choice, Tracked};

pub(super) const TRACKING: Command = ordinary("tracking", "client|tracking", -3, tracking)
    .docs(
        Group::Connection,
        "6.0.0",
        "O(1). Some options may introduce additional complexity.",
        "Enable or disable server assisted client side caching support",
    )
    .syntax(
        "status<ON|OFF> [REDIRECT client-id:int] [PREFIX prefix+] [BCAST] [OPTIN] [OPTOUT] \
        [NOLOOP]",
    );

fn tracking(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let wanted = Wanted::parse(call)?;
    let word = Word(call.args[2]);
    if word.is("ON") {
        wanted.check(call)?;
        start(call, &wanted);
    } else if word.is("OFF") {
        call.session.stop_tracking(call.env);
    } else {
        return Err(Error::Syntax);
    }
    call.reply.ok();
    Ok(())
}

/// The options.
#[derive(Default)]
struct Wanted<'a> {
    redirect: Option<u64>,
    broadcast: bool,
    opt_in: bool,
    opt_out: bool,
    no_loop: bool,
    prefixes: Vec<&'a [u8]>,
}

impl<'a> Wanted<'a> {
    fn parse(call: &Call<'a, '_>) -> Result<Self, Error> {
        let mut wanted = Wanted::default();
        let mut options = call.options(3);
        while let Some(word) = options.next() {
            if word.is("REDIRECT") && options.left() > 0 {
                if wanted.redirect.is_some() {
                    return Err(Error::Text("ERR A client can only redirect to a single other client"));
                }
                let id = options.integer()? as u64;
                let found = call.env.engine.clients.find(id).filter(|client| !client.is_killed());
                let found =
                    found.ok_or(Error::Text("ERR The client ID you want redirect to does not exist"))?;
                wanted.redirect = Some(found.id);
            } else if word.is("BCAST") {
                wanted.broadcast = true;
            } else if word.is("OPTIN") {
                wanted.opt_in = true;
            } else if word.is("OPTOUT") {
                wanted.opt_out = true;
            } else if word.is("NOLOOP") {
                wanted.no_loop = true;
            } else if word.is("PREFIX") && options.left() > 0 {
                wanted.prefixes.push(options.value()?);
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(wanted)
    }

    /// Refuses what does not go together, or not with what is in force.
    fn check(&self, call: &Call<'_, '_>) -> Result<(), Error> {
        let current = call.session.tracked.as_ref();
        let broadcasts = call.session.client.has(Mark::Broadcast);
        let choice = current.map_or(Choice::All, |tracked| tracked.choice);
        if !self.broadcast && !self.prefixes.is_empty() {
            return Err(Error::Text("ERR PREFIX option requires BCAST mode to be enabled"));
        }
        if current.is_some() && broadcasts != self.broadcast {
            return Err(Error::Text(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.",
            ));
        }
        if self.broadcast && (self.opt_in || self.opt_out) {
            return Err(Error::Text("ERR OPTIN and OPTOUT are not compatible with BCAST"));
        }
        if self.opt_in && self.opt_out {
            return Err(Error::Text("ERR You can't specify both OPTIN mode and OPTOUT mode"));
        }
        if self.opt_in && choice == Choice::OptOut || self.opt_out && choice == Choice::OptIn {
            return Err(Error::Text(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.",
            ));
        }
        let none = Tracked::default();
        self.check_overlaps(current.map_or(&none, |tracked| tracked))
    }

    /// Prefixes of a client must not overlap: it would hear of a key twice. As in Redis each is first compared with those in
    /// force, then with those that follow it.
    fn check_overlaps(&self, in_force: &Tracked) -> Result<(), Error> {
        for (at, prefix) in self.prefixes.iter().enumerate() {
            if let Some(other) = in_force.prefixes.iter().find(|other| overlap(prefix, other)) {
                return Err(overlapping(prefix, b"an existing", other));
            }
            if let Some(other) = self.prefixes[at + 1..].iter().find(|other| overlap(prefix, other)) {
                return Err(overlapping(prefix, b"another provided", other));
            }
        }
        Ok(())
    }
}

fn overlap(a: &[u8], b: &[u8]) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

fn overlapping(prefix: &[u8], which: &[u8], other: &[u8]) -> Error {
    Error::Quoting(
        [
            b"ERR Prefix '",
            shown(prefix, usize::MAX),
            b"' overlaps with ",
            which,
            b" prefix '",
            shown(other, usize::MAX),
            b"'. Prefixes for a single client must not overlap.",
        ]
        .concat(),
    )
}

/// What was in force and is not mentioned stays: prefixes, OPTIN and OPTOUT apart, as in Redis.
fn start(call: &mut Call<'_, '_>, wanted: &Wanted<'_>) {
    let (engine, session) = (call.env.engine, &mut *call.session);
    let client = &session.client;
    if session.tracked.is_none() {
        engine.tracking.begin(client);
    }
    client.redirect.store(wanted.redirect.unwrap_or(0), Ordering::Relaxed);
    client.mark(Mark::BrokenRedirect, false);
    client.mark(Mark::Broadcast, wanted.broadcast);
    client.mark(Mark::NoLoop, wanted.no_loop);
    let tracked = session.tracked.get_or_insert_default();
    tracked.choice = match wanted {
        Wanted { opt_in: true, .. } => Choice::OptIn,
        Wanted { opt_out: true, .. } => Choice::OptOut,
        _ => Choice::All,
    };
    let all: [&[u8]; 1] = [b""];
    let prefixes = if wanted.prefixes.is_empty() { &all } else { &wanted.prefixes[..] };
    for &prefix in prefixes.iter().filter(|_| wanted.broadcast) {
        if tracked.prefixes.insert(prefix.into()) {
            engine.tracking.listen(engine, client, prefix);
            client.note_name(Interest::Prefixes, prefix);
        }
    }
}

pub(super) const CACHING: Command = ordinary("caching", "client|caching", 3, caching)
    .docs(
        Group::Connection,
        "6.0.0",
        "O(1)",
        "Instruct the server about tracking or not keys in the next request",
    )
    .syntax("mode<YES|NO>");

fn caching(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let Some(tracked) = &mut call.session.tracked else {
        return Err(Error::Text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    let word = Word(call.args[2]);
    let (choice, refusal) = if word.is("YES") {
        (Choice::OptIn, "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
    } else if word.is("NO") {
        (Choice::OptOut, "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
    } else {
        return Err(Error::Syntax);
    };
    if tracked.choice != choice {
        return Err(Error::Text(refusal));
    }
    tracked.caching = true;
    call.reply.ok();
    Ok(())
}

pub(super) const TRACKINGINFO: Command = ordinary("trackinginfo", "client|trackinginfo", 2, tracking_info)
    .docs(
        Group::Connection,
        "6.2.0",
        "O(1)",
        "Return information about server assisted client side caching for the current connection",
    );

fn tracking_info(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (client, tracked) = (&call.session.client, &call.session.tracked);
    let caching = tracked.as_ref().is_some_and(|tracked| tracked.caching);
    let choice = tracked.as_ref().map_or(Choice::All, |tracked| tracked.choice);
    let flags = [
        (tracked.is_some(), "on"),
        (tracked.is_none(), "off"),
        (client.has(Mark::Broadcast), "bcast"),
        (choice == Choice::OptIn, "optin"),
        (choice == Choice::OptIn && caching, "caching-yes"),
        (choice == Choice::OptOut, "optout"),
        (choice == Choice::OptOut && caching, "caching-no"),
        (client.has(Mark::NoLoop), "noloop"),
        (client.has(Mark::BrokenRedirect), "broken_redirect"),
    ];
    let flags: Vec<&str> = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
    call.reply.map(3);
    call.reply.bulk(b"flags");
    call.reply.set(flags.len());
    flags.iter().for_each(|flag| call.reply.bulk(flag.as_bytes()));
    call.reply.bulk(b"redirect");
    call.reply.int(client.redirection());
    call.reply.bulk(b"prefixes");
    let prefixes = tracked.as_ref().map(|tracked| &tracked.prefixes);
    call.reply.array(prefixes.map_or(0, |prefixes| prefixes.len()));
    prefixes.into_iter().flatten().for_each(|prefix| call.reply.bulk(prefix));
    Ok(())
}

pub(super) const GETREDIR: Command = ordinary("getredir", "client|getredir", 2, |call| {
    call.reply.int(call.session.client.redirection());
    Ok(())
})
.docs(Group::Connection, "6.0.0", "O(1)", "Get tracking notifications redirection client ID if any");
