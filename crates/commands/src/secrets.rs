//! What the slow log and MONITOR must not show.

use smallvec::SmallVec;

use crate::config::{self, Kind, PARAMETERS};
use crate::table::Entry;

const HIDDEN: &[u8] = b"(redacted)";

/// The request with its passwords replaced.
pub(crate) fn hidden<'a>(entry: Entry, args: &[&'a [u8]]) -> SmallVec<[&'a [u8]; 8]> {
    let mut shown: SmallVec<[&[u8]; 8]> = args.into();
    match entry.command.full_name {
        "auth" => shown[1..].fill(HIDDEN),
        "acl|setuser" => shown[2..].fill(HIDDEN),
        "hello" => {
            let auth = args.iter().skip(2).position(|arg| arg.eq_ignore_ascii_case(b"auth"));
            if let Some(at) = auth {
                shown.iter_mut().skip(at + 3).take(2).for_each(|arg| *arg = HIDDEN);
            }
        }
        "config|set" => {
            for at in (2..args.len().saturating_sub(1)).step_by(2) {
                let parameter = std::str::from_utf8(args[at]).ok().and_then(config::find);
                if parameter.is_some_and(|at| matches!(PARAMETERS[at].kind, Kind::Secret)) {
                    shown[at + 1] = HIDDEN;
                }
            }
        }
        _ => {}
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::CommandTable;

    #[track_caller]
    fn check(request: &str, expected: &str) {
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let table = CommandTable::new();
        let entry = table.find(args[0]).unwrap();
        let entry = table.find_subcommand(entry, args[1]).unwrap_or(entry);
        let shown = hidden(entry, &args).join(&b' ');
        assert_eq!(String::from_utf8(shown).unwrap(), expected);
    }

    #[test]
    fn passwords() {
        check("AUTH secret", "AUTH (redacted)");
        check("auth user secret", "auth (redacted) (redacted)");
        check("hello 3 AUTH user secret SETNAME x", "hello 3 AUTH (redacted) (redacted) SETNAME x");
        check("hello 3 setname auth", "hello 3 setname auth");
        check("config set port 1 requirepass s", "config set port 1 requirepass (redacted)");
        check("acl setuser u on >x", "acl setuser (redacted) (redacted) (redacted)");
        check("set auth secret", "set auth secret");
    }
}
