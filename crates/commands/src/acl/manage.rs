//! ACL SETUSER and ACL DELUSER, and what becomes of those who are connected.

use std::sync::Arc;

use super::commands::operator;
use super::rights::{Rights, Surroundings};
use super::rule::{has_blanks, merge};
use super::{Acl, DEFAULT, User};
use crate::call::Call;
use crate::clients::{Client, Mark};
use crate::config::Param;
use crate::engine::Engine;
use crate::error::Error;
use crate::pubsub::Kind;
use crate::spec::{Command, Group};

pub(super) const SETUSER: Command = operator("setuser", "acl|setuser", -3, setuser)
    .docs(
        Group::Server,
        "6.0.0",
        "O(N). Where N is the number of rules provided.",
        "Modify or create the rules for a specific ACL user",
    )
    .syntax("username [rule...]")
    .history(&[
        ("6.2.0", "Added Pub/Sub channel patterns."),
        ("7.0.0", "Added selectors and key based permissions."),
    ]);

fn setuser(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (name, words) = (call.args[2], &call.args[3..]);
    if has_blanks(name) {
        return Err(Error::Text("ERR Usernames can't contain spaces or null characters"));
    }
    let rules = merge(words).map_err(|word| {
        Error::quoting("ERR Unmatched parenthesis in acl selector starting at '", word, "'.")
    })?;
    let engine = call.env.engine;
    let changed = engine.acl.set_user(surroundings(engine), name, &rules);
    let (user, before) = changed.map_err(|(rule, why)| why.of_setuser(rule))?;
    if let Some(before) = before {
        silence(call, &user, &before);
    }
    call.reply.ok();
    Ok(())
}

/// What a user depends on beside its rules, as things stand.
pub(super) fn surroundings(engine: &Engine) -> Surroundings<'_> {
    let all_channels = engine.config.number(Param::AclPubsubDefault) == 0;
    Surroundings { table: &engine.commands, all_channels }
}

/// A changed user with the rights that it had; none if it is new.
type Changed = (Arc<User>, Option<Arc<Rights>>);

impl Acl {
    /// Changes a user by rules, or creates it.
    ///
    /// # Errors
    /// The rule that is wrong, and why; then nothing has changed.
    pub(super) fn set_user<'a>(
        &self,
        around: Surroundings<'_>,
        name: &[u8],
        rules: &'a [Vec<u8>],
    ) -> Result<Changed, (&'a [u8], super::rule::RuleError)> {
        let mut users = self.users.write();
        match users.get(name) {
            Some(user) => {
                let before = user.rights();
                self.replace(user, before.changed(around, rules)?);
                Ok((user.clone(), Some(before)))
            }
            None => {
                let user = User::new(name, Rights::new(around).changed(around, rules)?);
                users.insert(name.into(), user.clone());
                Ok((user, None))
            }
        }
    }
}

pub(super) const DELUSER: Command = operator("deluser", "acl|deluser", -3, deluser)
    .docs(
        Group::Server,
        "6.0.0",
        "O(1) amortized time considering the typical user.",
        "Remove the specified ACL users and the associated rules",
    )
    .syntax("username...");

fn deluser(call: &mut Call<'_, '_>) -> Result<(), Error> {
    if call.args[2..].contains(&DEFAULT) {
        return Err(Error::Text("ERR The 'default' user cannot be removed"));
    }
    let mut deleted = Vec::new();
    for &name in &call.args[2..] {
        let acl = &call.env.engine.acl;
        deleted.extend(acl.remove(&mut acl.users.write(), name));
    }
    dismiss(call, &deleted);
    call.reply.int(deleted.len() as i64);
    Ok(())
}

/// Closes the connections that act for one of these users.
pub(super) fn dismiss(call: &mut Call<'_, '_>, users: &[Arc<User>]) {
    if users.is_empty() {
        return;
    }
    for client in call.env.engine.clients.all() {
        let acts_for = client.named.lock().user.clone();
        if acts_for.is_some_and(|user| users.iter().any(|other| Arc::ptr_eq(other, &user))) {
            close(call, &client);
        }
    }
}

/// Closes a connection; the caller's own after its reply.
fn close(call: &mut Call<'_, '_>, client: &Client) {
    if client.id == call.session.client.id {
        call.session.closing = true;
        client.mark(Mark::CloseAfterReply, true);
    } else {
        client.kill();
    }
}

/// Closes the connections that listen for the user to what it may not hear any more.
fn silence(call: &mut Call<'_, '_>, user: &Arc<User>, before: &Rights) {
    let now = user.rights();
    let Some(allowed) = channels(&now) else { return };
    let narrower = channels(before).is_none_or(|before| before.iter().any(|name| !allowed.contains(name)));
    if !narrower {
        return;
    }
    let engine = call.env.engine;
    let mut clients = Vec::new();
    engine.pubsub.for_each_subscription(|kind, name, listeners| {
        let may_hear =
            now.each_selector().any(|selector| selector.allows_channel(name, kind == Kind::Pattern));
        if !may_hear {
            clients.extend(listeners.iter().cloned());
        }
    });
    for client in clients {
        let acts_for = client.named.lock().user.clone();
        if acts_for.is_some_and(|other| Arc::ptr_eq(&other, user)) {
            close(call, &client);
        }
    }
}

/// The channels of all selectors together, `None` for all there are.
fn channels(rights: &Rights) -> Option<Vec<&[u8]>> {
    let mut names = Vec::new();
    for selector in rights.each_selector() {
        names.extend(selector.channels()?.iter().map(|name| &**name));
    }
    Some(names)
}
