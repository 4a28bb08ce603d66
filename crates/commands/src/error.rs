//! Why a command is refused. The texts stand here once, to the byte as Redis's: clients match on them.

use std::borrow::Cow;

use perigee_keyspace::WrongType;
use perigee_resp::Reply;

/// A refusal. Handlers return it; the gate answers with [`Error::text`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the texts are below")]
pub enum Error {
    WrongType,
    Syntax,
    NotInteger,
    NotFloat,
    OutOfRange,
    NoSuchKey,
    WrongArity(&'static str),
    NoAuth,
    OutOfMemory,
    NotAllowedInScript,
    BusyScript,
    BusyFunction,
    /// Any other fixed text, its code first.
    Text(&'static str),
    /// A text with something of the request in it.
    Owned(String),
    /// The same, where any bytes may stand in the request.
    Quoting(Vec<u8>),
}

impl Error {
    /// Code and text, as they travel after the `-`.
    pub fn text(&self) -> Cow<'_, [u8]> {
        let fixed = match self {
            Error::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Error::Syntax => "ERR syntax error",
            Error::NotInteger => "ERR value is not an integer or out of range",
            Error::NotFloat => "ERR value is not a valid float",
            Error::OutOfRange => "ERR index out of range",
            Error::NoSuchKey => "ERR no such key",
            Error::NoAuth => "NOAUTH Authentication required.",
            Error::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.",
            Error::NotAllowedInScript => "ERR This Redis command is not allowed from script",
            Error::BusyScript => {
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
            }
            Error::BusyFunction => {
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
            }
            Error::Text(text) => text,
            Error::Owned(text) => text,
            Error::Quoting(text) => return text.into(),
            Error::WrongArity(name) => {
                return format!("ERR wrong number of arguments for '{name}' command").into_bytes().into();
            }
        };
        fixed.as_bytes().into()
    }

    /// A text with a word of the request in it, which ends for Redis at its first NUL.
    pub fn quoting(before: &str, word: &[u8], after: &str) -> Error {
        Error::Quoting([before.as_bytes(), shown(word, usize::MAX), after.as_bytes()].concat())
    }

    /// The refusal of a subcommand that its container, in any case, does not have.
    pub fn unknown_subcommand(word: &[u8], container: &str) -> Error {
        let after = format!("'. Try {} HELP.", container.to_ascii_uppercase());
        Error::quoting("ERR unknown subcommand '", shown(word, QUOTED), &after)
    }

    /// The refusal of a subcommand that counts its arguments itself. The request begins with its container.
    pub fn unknown_subcommand_or_arity(args: &[&[u8]]) -> Error {
        let container = String::from_utf8_lossy(args[0]).to_ascii_uppercase();
        let before = "ERR unknown subcommand or wrong number of arguments for '";
        Error::quoting(before, shown(args[1], QUOTED), &format!("'. Try {container} HELP."))
    }

    /// The refusal of a request whose first word names no command: the word and the beginning of its arguments.
    pub fn unknown_command(args: &[&[u8]]) -> Error {
        let mut text = b"ERR unknown command '".to_vec();
        text.extend_from_slice(shown(args[0], QUOTED));
        text.extend_from_slice(b"', with args beginning with: ");
        let start = text.len();
        for arg in &args[1..] {
            let used = text.len() - start;
            if used >= QUOTED {
                break;
            }
            text.push(b'\'');
            text.extend_from_slice(shown(arg, QUOTED - used));
            text.extend_from_slice(b"' ");
        }
        Error::Quoting(text)
    }

    /// Answers with it.
    pub fn reply_to(&self, reply: &mut dyn Reply) {
        reply.error(&self.text());
    }
}

/// What the system says of a failure, without Rust's number of it.
pub fn system_reason(error: &std::io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_owned()
}

/// How much of a word an error repeats, in bytes.
const QUOTED: usize = 128;

/// What Redis shows of a word: what precedes its first NUL, cut.
pub(crate) fn shown(word: &[u8], limit: usize) -> &[u8] {
    let end = word.iter().position(|&byte| byte == 0).unwrap_or(word.len());
    &word[..end.min(limit)]
}

impl From<WrongType> for Error {
    fn from(_: WrongType) -> Self {
        Error::WrongType
    }
}
