//! The first line of a script that says what it is: `#!lua name=sum flags=no-writes,atomic`.

use perigee_resp::split_arguments;

use crate::error::Error;

/// The first line of a script, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// What it declares.
    pub flags: ScriptFlags,
    /// The name that it gives the script, for people.
    pub name: Option<Box<str>>,
    /// Where the Lua text begins: at the line's end, so that line numbers stay right.
    pub body_at: usize,
}

/// What a script declares of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptFlags {
    /// It has a shebang line.
    pub declared: bool,
    /// It does not write.
    pub no_writes: bool,
    /// It may run above maxmemory.
    pub allow_oom: bool,
    /// It may run on a replica with old data.
    pub allow_stale: bool,
    /// It does not run in a cluster.
    pub no_cluster: bool,
    /// Its keys may be in several slots.
    pub allow_cross_slot_keys: bool,
    /// An error undoes everything that it did.
    pub atomic: bool,
    /// The same data and arguments give the same result.
    pub deterministic: bool,
}

impl Header {
    /// Reads the shebang line, if there is one.
    ///
    /// # Errors
    /// Redis's texts for another engine, an unknown option or flag.
    pub fn parse(source: &[u8]) -> Result<Self, Error> {
        let mut header = Header::default();
        if !source.starts_with(b"#!") {
            return Ok(header);
        }
        let end = memchr::memchr2(b'\n', 0, source).filter(|&end| source[end] == b'\n');
        let end = end.ok_or(Error::Text("ERR Invalid script shebang"))?;
        header.flags.declared = true;
        header.body_at = end;
        let words = split_arguments(&source[..end]).filter(|words| !words.is_empty());
        let words = words.ok_or(Error::Text("ERR Invalid engine in script shebang"))?;
        if words[0] != b"#!lua" {
            return Err(Error::quoting("ERR Unexpected engine in script shebang: ", &words[0], ""));
        }
        for word in &words[1..] {
            if let Some(name) = word.strip_prefix(b"name=") {
                header.take_name(name)?;
            } else if let Some(list) = word.strip_prefix(b"flags=") {
                header.flags.take(list)?;
            } else {
                return Err(Error::quoting("ERR Unknown lua shebang option: ", word, ""));
            }
        }
        Ok(header)
    }

    fn take_name(&mut self, name: &[u8]) -> Result<(), Error> {
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte);
        if self.name.is_some() {
            return Err(Error::Text("ERR Invalid script shebang: name was given multiple times"));
        }
        if name.is_empty() || name.len() > MAX_NAME || !name.iter().all(fits) {
            return Err(Error::Text(BAD_NAME));
        }
        self.name = Some(String::from_utf8_lossy(name).into());
        Ok(())
    }
}

/// The longest name of a script, in bytes.
const MAX_NAME: usize = 64;

const BAD_NAME: &str =
    "ERR Script names can only contain letters, numbers, '_', '-', '.' and ':', from 1 to 64 of them";

impl ScriptFlags {
    /// Sets what a list such as `no-writes,atomic` names.
    fn take(&mut self, list: &[u8]) -> Result<(), Error> {
        for name in list.split(|&byte| byte == b',').filter(|_| !list.is_empty()) {
            let flag = std::str::from_utf8(name).ok().and_then(|name| self.by_name(name));
            *flag.ok_or_else(|| Error::quoting("ERR Unexpected flag in script shebang: ", name, ""))? = true;
        }
        Ok(())
    }

    /// The flag with this name.
    pub(crate) fn by_name(&mut self, name: &str) -> Option<&mut bool> {
        self.named().into_iter().find(|(known, _)| *known == name).map(|(_, flag)| flag)
    }

    /// The names of those that are set, in Redis's order.
    pub fn names(mut self) -> Vec<&'static str> {
        let set = self.named().map(|(name, flag)| (name, *flag));
        set.into_iter().filter(|(_, flag)| *flag).map(|(name, _)| name).collect()
    }

    fn named(&mut self) -> [(&'static str, &mut bool); 7] {
        [
            ("no-writes", &mut self.no_writes),
            ("allow-oom", &mut self.allow_oom),
            ("allow-stale", &mut self.allow_stale),
            ("no-cluster", &mut self.no_cluster),
            ("allow-cross-slot-keys", &mut self.allow_cross_slot_keys),
            ("atomic", &mut self.atomic),
            ("deterministic", &mut self.deterministic),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_and_the_line_end_is_kept() {
        let Header { flags, name, body_at } =
            Header::parse(b"#!lua name=sum flags=no-writes,atomic\nreturn 1").unwrap();
        assert!(flags.declared && flags.no_writes && flags.atomic && !flags.deterministic);
        assert_eq!((name.as_deref(), body_at), (Some("sum"), 37));
        assert_eq!(Header::parse(b"return 1").unwrap(), Header::default());
    }

    #[test]
    fn refusals_are_those_of_redis() {
        let text = |source: &str| {
            let error = Header::parse(source.as_bytes()).unwrap_err();
            String::from_utf8_lossy(&error.text()).into_owned()
        };
        assert_eq!(text("#!foo\nreturn 1"), "ERR Unexpected engine in script shebang: #!foo");
        assert_eq!(text("#!lua foo=bar\nreturn 1"), "ERR Unknown lua shebang option: foo=bar");
        assert_eq!(text("#!lua flags=bar\nreturn 1"), "ERR Unexpected flag in script shebang: bar");
        assert_eq!(text("#!lua flags=no-writes,\nreturn 1"), "ERR Unexpected flag in script shebang: ");
        assert_eq!(text("#!lua 'flags\nreturn 1"), "ERR Invalid engine in script shebang");
        assert_eq!(text("#!lua f\0\nreturn 1"), "ERR Invalid script shebang");
        assert_eq!(text("#!lua name=\nreturn 1"), BAD_NAME);
        assert_eq!(
            text("#!lua name=a name=b\nreturn 1"),
            "ERR Invalid script shebang: name was given multiple times"
        );
    }
}
