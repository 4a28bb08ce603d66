//! CLIENT KILL: by address, or by any combination of filters.

use std::sync::Arc;

use super::client::operator;
use super::list::Class;
use crate::acl::{Acl, User};
use crate::call::Call;
use crate::clients::{Client, Mark};
use crate::error::Error;
use crate::parse::{Word, integer};
use crate::spec::{Command, Group};

pub(super) const KILL: Command = operator("kill", "client|kill", -3, kill)
    .docs(
        Group::Connection,
        "2.4.0",
        "O(N) where N is the number of client connections",
        "Kill the connection of a client",
    )
    .syntax(
        "filter<ip:port!2.8.12|new-format<[ID client-id:int^2.8.12]|\
        [TYPE normal_master_slave_pubsub<NORMAL|MASTER^3.2.0|SLAVE|REPLICA^5.0.0|\
        PUBSUB>^2.8.12]|[USER username]|[ADDR ip:port]|[LADDR ip:port^6.2.0]|\
        [SKIPME yes/no]>...>",
    )
    .history(&[
        ("2.8.12", "Added new filter format."),
        ("2.8.12", "`ID` option."),
        ("3.2.0", "Added `master` type in for `TYPE` option."),
        (
            "5.0.0",
            "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward \
        compatibility.",
        ),
        ("6.2.0", "`LADDR` option."),
    ]);

fn kill(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let by_address = call.args.len() == 3;
    let filter = if by_address {
        Filter { address: Some(call.args[2]), skip_me: false, ..Filter::default() }
    } else {
        Filter::parse(&call.env.engine.acl, &call.args[2..])?
    };
    let (now_ms, me) = (call.env.now_ms, call.session.client.id);
    let mut killed = 0;
    for client in call.env.engine.clients.all() {
        if !filter.matches(&client, now_ms) || filter.skip_me && client.id == me {
            continue;
        }
        killed += 1;
        if client.id == me {
            call.session.closing = true;
            client.mark(Mark::CloseAfterReply, true);
        } else {
            client.kill();
        }
    }
    match (by_address, killed) {
        (true, 0) => return Err(Error::Text("ERR No such client")),
        (true, _) => call.reply.ok(),
        (false, killed) => call.reply.int(killed),
    }
    Ok(())
}

/// Which clients are meant: those that meet every condition.
struct Filter<'a> {
    id: Option<u64>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    class: Option<Class>,
    max_age_s: Option<u64>,
    user: Option<Arc<User>>,
    skip_me: bool,
}

impl Default for Filter<'_> {
    fn default() -> Self {
        Filter {
            id: None,
            address: None,
            local_address: None,
            class: None,
            max_age_s: None,
            user: None,
            skip_me: true,
        }
    }
}

impl<'a> Filter<'a> {
    fn parse(acl: &Acl, args: &[&'a [u8]]) -> Result<Self, Error> {
        let mut filter = Filter::default();
        for pair in args.chunks(2) {
            let &[option, value] = pair else { return Err(Error::Syntax) };
            let option = Word(option);
            if option.is("ID") {
                let id = integer(value).filter(|&id| id > 0);
                let id = id.ok_or(Error::Text("ERR client-id should be greater than 0"))?;
                filter.id = Some(id as u64);
            } else if option.is("MAXAGE") {
                let age =
                    integer(value).ok_or(Error::Text("ERR maxage is not an integer or out of range"))?;
                if age <= 0 {
                    return Err(Error::Text("ERR maxage should be greater than 0"));
                }
                filter.max_age_s = Some(age as u64);
            } else if option.is("TYPE") {
                filter.class = Some(Class::parse(value)?);
            } else if option.is("ADDR") {
                filter.address = Some(value);
            } else if option.is("LADDR") {
                filter.local_address = Some(value);
            } else if option.is("USER") {
                let user = acl.find(value);
                filter.user = Some(user.ok_or_else(|| Error::quoting("ERR No such user '", value, "'"))?);
            } else if option.is("SKIPME") {
                filter.skip_me = match Word(value) {
                    word if word.is("YES") => true,
                    word if word.is("NO") => false,
                    _ => return Err(Error::Syntax),
                };
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(filter)
    }

    fn matches(&self, client: &Client, now_ms: u64) -> bool {
        let age_s = now_ms.saturating_sub(client.created_ms) / 1000;
        self.id.is_none_or(|id| client.id == id)
            && self.address.is_none_or(|address| client.address.as_bytes() == address)
            && self.local_address.is_none_or(|address| client.local_address.as_bytes() == address)
            && self.class.is_none_or(|class| Class::of(client) == class)
            && self.user.as_ref().is_none_or(|user| acts_for(client, user))
            && self.max_age_s.is_none_or(|max| age_s >= max)
    }
}

fn acts_for(client: &Client, user: &Arc<User>) -> bool {
    client.named.lock().user.as_ref().is_some_and(|own| Arc::ptr_eq(own, user))
}
