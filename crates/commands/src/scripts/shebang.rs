//! The first line of a script that says what it is: `#!lua name=sum flags=no-writes,atomic`.

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
        let Some(end) = source.iter().position(|&byte| byte == b'\n') else {
            return Err(Error::Text("ERR Invalid script shebang"));
        };
        header.flags.declared = true;
        header.body_at = end;
        let line = String::from_utf8_lossy(&source[..end]);
        let mut words = line.split_ascii_whitespace();
        let engine = words.next().unwrap_or_default();
        if engine != "#!lua" {
            return Err(Error::Owned(format!("ERR Unexpected engine in script shebang: {engine}")));
        }
        for word in words {
            if let Some(name) = word.strip_prefix("name=").filter(|name| !name.is_empty()) {
                header.name = Some(name.into());
                continue;
            }
            let Some(list) = word.strip_prefix("flags=") else {
                return Err(Error::Owned(format!("ERR Unknown lua shebang option: {word}")));
            };
            for name in list.split(',').filter(|name| !name.is_empty()) {
                let flag = header.flags.by_name(name);
                *flag.ok_or_else(|| {
                    Error::Owned(format!("ERR Unexpected flag in script shebang: {name}"))
                })? = true;
            }
        }
        Ok(header)
    }
}

impl ScriptFlags {
    /// The flags that are set, as a script writes them.
    pub fn names(self) -> Vec<&'static str> {
        const NAMES: [&str; 7] = [
            "no-writes",
            "allow-oom",
            "allow-stale",
            "no-cluster",
            "allow-cross-slot-keys",
            "atomic",
            "deterministic",
        ];
        let mut flags = self;
        NAMES.into_iter().filter(|name| flags.by_name(name).is_some_and(|flag| *flag)).collect()
    }

    fn by_name(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "no-writes" => &mut self.no_writes,
            "allow-oom" => &mut self.allow_oom,
            "allow-stale" => &mut self.allow_stale,
            "no-cluster" => &mut self.no_cluster,
            "allow-cross-slot-keys" => &mut self.allow_cross_slot_keys,
            "atomic" => &mut self.atomic,
            "deterministic" => &mut self.deterministic,
            _ => return None,
        })
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
    }
}
