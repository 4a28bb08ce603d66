//! Why a command is refused. The texts stand here once, to the byte as Redis's: clients match on them.

use std::fmt::Write;

use perigee_keyspace::WrongType;
use perigee_resp::Reply;

/// A refusal. Handlers return it; the gate answers with [`Error::text`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Error {
    WrongType,
    Syntax,
    NotInteger,
    NotFloat,
    OutOfRange,
    NoSuchKey,
    WrongArity(&'static str),
    UnknownCommand(String),
    UnknownSubcommand(String, &'static str),
    /// A subcommand whose arity leaves open what it refuses itself; then the container, in capitals.
    UnknownSubcommandOrArity(&'static str, &'static str),
    NoAuth,
    NotAllowedInScript,
    BusyScript,
    /// Any other fixed text, its code first.
    Text(&'static str),
    /// A text with something of the request in it.
    Owned(String),
}

impl Error {
    /// Code and text, as they travel after the `-`.
    pub fn text(&self) -> String {
        let fixed = match self {
            Error::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Error::Syntax => "ERR syntax error",
            Error::NotInteger => "ERR value is not an integer or out of range",
            Error::NotFloat => "ERR value is not a valid float",
            Error::OutOfRange => "ERR index out of range",
            Error::NoSuchKey => "ERR no such key",
            Error::NoAuth => "NOAUTH Authentication required.",
            Error::NotAllowedInScript => "ERR This Redis command is not allowed from script",
            Error::BusyScript => {
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
            }
            Error::Text(text) => text,
            Error::Owned(text) | Error::UnknownCommand(text) => return text.clone(),
            Error::WrongArity(name) => {
                return format!("ERR wrong number of arguments for '{name}' command");
            }
            Error::UnknownSubcommandOrArity(word, container) => {
                return format!(
                    "ERR unknown subcommand or wrong number of arguments for '{word}'. Try {container} HELP."
                );
            }
            Error::UnknownSubcommand(word, container) => {
                let container = container.to_ascii_uppercase();
                return format!("ERR unknown subcommand '{word}'. Try {container} HELP.");
            }
        };
        fixed.to_owned()
    }

    /// The refusal of a request whose first word names no command: the word and the beginning of its arguments.
    pub fn unknown_command(args: &[&[u8]]) -> Error {
        let mut text = String::from("ERR unknown command '");
        push_printable(&mut text, args[0], 128);
        text.push_str("', with args beginning with: ");
        let mut shown = 0;
        for arg in &args[1..] {
            if shown >= 128 {
                break;
            }
            text.push('\'');
            let before = text.len();
            push_printable(&mut text, arg, 128 - shown);
            shown += text.len() - before + 3;
            text.push_str("' ");
        }
        Error::UnknownCommand(text)
    }

    /// Answers with it.
    pub fn reply_to(&self, reply: &mut dyn Reply) {
        reply.error(self.text().as_bytes());
    }
}

fn push_printable(text: &mut String, bytes: &[u8], limit: usize) {
    for &byte in &bytes[..bytes.len().min(limit)] {
        match byte {
            b'\r' | b'\n' => text.push(' '),
            0..=127 => text.push(byte as char),
            _ => drop(write!(text, "\\x{byte:02x}")),
        }
    }
}

impl From<WrongType> for Error {
    fn from(_: WrongType) -> Self {
        Error::WrongType
    }
}
