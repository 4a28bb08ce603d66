//! The debugger's half of a conversation with a client, as `redis-cli --ldb` holds it: what is said to a script that stands
//! still, and what it answers, line by line. The reference is redis-server 7.0.15.
//!
//! What it doesn't know: the VM. Where an order needs it, [`Debugger::hear`] hands the order on, and what came of it is
//! logged here.

use perigee_resp::{Protocol, Reply, Value, format_double};

/// A debugging session.
pub(crate) struct Debugger {
    /// The script's text, by lines.
    lines: Vec<Vec<u8>>,
    breakpoints: Vec<i64>,
    /// Stop at the next line. While that is wanted, calls of commands are logged.
    step: bool,
    /// `redis.breakpoint()` was called.
    called: bool,
    /// The line that was reached last.
    line: i64,
    stands: bool,
    /// Values are cut off after so many bytes; 0 for never.
    max_len: usize,
    hint_given: bool,
    log: Vec<Vec<u8>>,
    /// When the client has last let the script go, in the worker's ticks.
    released_ns: u64,
}

/// What the client wants.
pub(crate) enum Order {
    /// It was answered.
    Answered,
    /// The script goes on.
    GoOn,
    /// The script ends here.
    Abort,
    /// The local variables are to be shown.
    PrintAll,
    /// A variable is to be shown.
    Print(Vec<u8>),
    /// The levels are to be shown.
    Trace,
    /// Lua is to be run.
    Evaluate(Vec<u8>),
    /// A command is to be run.
    Redis,
}

/// A level of the script where it stands.
pub(crate) struct Level {
    /// The function's name.
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) line: i64,
    /// The function was compiled from the script's text.
    pub(crate) is_script: bool,
    /// Visible variables, with the numbers by which the VM knows them.
    pub(crate) variables: Vec<(Vec<u8>, i32)>,
}

/// Breakpoints at a time.
const BREAKPOINTS: usize = 64;
/// Where values are cut off at first.
const MAX_LEN: usize = 256;
/// Where they may be cut off earliest.
const LEAST_MAX_LEN: i64 = 60;
/// Words of a command that are logged.
const WORDS: usize = 10;

impl Debugger {
    /// A session that stops at the first line.
    pub(crate) fn new(source: &[u8]) -> Self {
        let end = source.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
        Debugger {
            lines: source[..end].split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect(),
            breakpoints: Vec::new(),
            step: true,
            called: false,
            line: 0,
            stands: false,
            max_len: MAX_LEN,
            hint_given: false,
            log: Vec::new(),
            released_ns: 0,
        }
    }

    /// Whether the script stands still.
    pub(crate) fn stands(&self) -> bool {
        self.stands
    }

    /// Whether calls of commands are logged.
    pub(crate) fn logs_calls(&self) -> bool {
        self.step
    }

    /// The line that was reached last.
    pub(crate) fn line(&self) -> i64 {
        self.line
    }

    /// Since when the script runs without a word from the client, in the worker's ticks.
    pub(crate) fn released_ns(&self) -> u64 {
        self.released_ns
    }

    /// The script reaches a line. Whether that is a reason to stop; `overdue` if it runs for too long.
    pub(crate) fn reach(&mut self, line: i64, overdue: bool) -> bool {
        self.line = line;
        self.step || self.called || overdue || self.breakpoints.contains(&line)
    }

    /// The script has stopped at the line that it has reached.
    pub(crate) fn stop(&mut self) {
        let reason = if self.called {
            "redis.breakpoint() called"
        } else if self.breakpoints.contains(&self.line) {
            "break point"
        } else if self.step {
            "step over"
        } else {
            "timeout reached, infinite loop?"
        };
        self.say(format!("* Stopped at {}, stop reason = {reason}", self.line));
        self.log_source(self.line);
        (self.step, self.called, self.stands) = (false, false, true);
    }

    /// The script goes on, from this moment in the worker's ticks.
    pub(crate) fn release(&mut self, now_ns: u64) {
        self.stands = false;
        self.released_ns = now_ns;
    }

    /// `redis.breakpoint()`: stops at the next line.
    pub(crate) fn call_breakpoint(&mut self) {
        self.called = true;
    }

    /// `redis.debug(...)`.
    pub(crate) fn log_debug(&mut self, values: &[Vec<u8>]) {
        let mut entry = format!("<debug> line {}: ", self.line).into_bytes();
        entry.extend_from_slice(&values.join(b", ".as_slice()));
        self.log.push(entry);
    }

    /// Takes an order, and answers those that need no VM.
    pub(crate) fn hear(&mut self, words: &[&[u8]]) -> Order {
        let verb = words[0].to_ascii_lowercase();
        match (verb.as_slice(), words) {
            (b"h" | b"help", _) => HELP.iter().for_each(|line| self.say((*line).into())),
            (b"s" | b"step" | b"n" | b"next", _) => {
                self.step = true;
                return Order::GoOn;
            }
            (b"c" | b"continue", _) => return Order::GoOn,
            (b"t" | b"trace", _) => return Order::Trace,
            (b"m" | b"maxlen", _) => self.max_len(words),
            (b"b" | b"break", _) => self.change_breakpoints(&words[1..]),
            (b"e" | b"eval", _) => return Order::Evaluate(words[1..].join(b" ".as_slice())),
            (b"a" | b"abort", _) => return Order::Abort,
            (b"r" | b"redis", [_, _, ..]) => return Order::Redis,
            (b"p" | b"print", [_, name]) => return Order::Print(name.to_vec()),
            (b"p" | b"print", _) => return Order::PrintAll,
            (b"l" | b"list", _) => {
                let around = words.get(1).map_or(0, |word| leading_number(word));
                let context = words.get(2).map_or(5, |word| leading_number(word));
                self.list(if around > 0 { around } else { self.line }, context);
            }
            (b"w" | b"whole", _) => self.list(1, 1_000_000),
            _ => self.say("<error> Unknown Redis Lua debugger command or wrong number of arguments.".into()),
        }
        Order::Answered
    }

    fn max_len(&mut self, words: &[&[u8]]) {
        if let [_, word] = words {
            self.hint_given = true;
            self.max_len = match leading_number(word) {
                0 => 0,
                len => len.max(LEAST_MAX_LEN) as usize,
            };
        }
        match self.max_len {
            0 => self.say("<value> replies are unlimited.".into()),
            len => self.say(format!("<value> replies are truncated at {len} bytes.")),
        }
    }

    fn change_breakpoints(&mut self, words: &[&[u8]]) {
        if words.is_empty() {
            if self.breakpoints.is_empty() {
                return self.say("No breakpoints set. Use 'b <line>' to add one.".into());
            }
            self.say(format!("{} breakpoints set:", self.breakpoints.len()));
            for at in 0..self.breakpoints.len() {
                self.log_source(self.breakpoints[at]);
            }
        }
        for word in words {
            match perigee_commands::parse::integer(word) {
                None => self.log.push([b"Invalid argument:'", *word, b"'"].concat()),
                Some(0) => {
                    self.breakpoints.clear();
                    self.say("All breakpoints removed.".into());
                }
                Some(line @ 1..) => self.add_breakpoint(line),
                Some(line) => {
                    let at = self.breakpoints.iter().position(|other| Some(*other) == line.checked_neg());
                    let removed = at.map(|at| self.breakpoints.remove(at)).is_some();
                    let text =
                        if removed { "Breakpoint removed." } else { "No breakpoint in the specified line." };
                    self.say(text.into());
                }
            }
        }
    }

    fn add_breakpoint(&mut self, line: i64) {
        if self.breakpoints.len() == BREAKPOINTS {
            self.say("Too many breakpoints set.".into());
        } else if line > self.lines.len() as i64 || self.breakpoints.contains(&line) {
            self.say("Wrong line number.".into());
        } else {
            self.breakpoints.push(line);
            self.list(line, 1);
        }
    }

    fn list(&mut self, around: i64, context: i64) {
        let last = self.lines.len() as i64;
        let (from, to) = (around.saturating_sub(context).max(1), around.saturating_add(context).min(last));
        (from..=to).for_each(|line| self.log_source(line));
    }

    fn log_source(&mut self, line: i64) {
        let mark = match (self.line == line, self.breakpoints.contains(&line)) {
            (true, true) => "->#",
            (true, false) => "-> ",
            (false, true) => "  #",
            (false, false) => "   ",
        };
        let text = usize::try_from(line - 1).ok().and_then(|at| self.lines.get(at));
        let text = text.map_or(b"<out of range source code line>".as_slice(), Vec::as_slice);
        let entry = [format!("{mark}{line:<3} ").as_bytes(), text].concat();
        self.log.push(entry);
    }

    /// The levels of the script, the innermost first.
    pub(crate) fn log_levels(&mut self, levels: &[Level]) {
        for (at, level) in levels.iter().enumerate().filter(|(_, level)| level.is_script) {
            let place: &[u8] = if at == 0 { b"In " } else { b"From " };
            let name = level.name.as_deref().unwrap_or(b"top level");
            self.log.push([place, name, b":"].concat());
            self.log_source(level.line);
        }
    }

    /// The local variables of the innermost level.
    pub(crate) fn log_locals(&mut self, locals: Vec<(Vec<u8>, Vec<u8>)>) {
        if locals.is_empty() {
            self.say("No local variables in the current context.".into());
        }
        for (name, value) in locals {
            self.log_shortened([b"<value> ", name.as_slice(), b" = ", &value].concat());
        }
    }

    /// A variable's value, if there is such a variable.
    pub(crate) fn log_variable(&mut self, value: Option<Vec<u8>>) {
        match value {
            Some(value) => self.log_shortened([b"<value> ", value.as_slice()].concat()),
            None => self.say("No such variable.".into()),
        }
    }

    /// What Lua that the client has sent has returned, or the error that has ended it.
    pub(crate) fn log_evaluation(&mut self, result: Result<Vec<u8>, Vec<u8>>) {
        match result {
            Ok(value) => self.log_shortened([b"<retval> ", value.as_slice()].concat()),
            Err(text) => self.log_error(&text),
        }
    }

    /// An error, without the code that it has from us.
    pub(crate) fn log_error(&mut self, text: &[u8]) {
        self.log.push([b"<error> ", text.strip_prefix(b"ERR ").unwrap_or(text)].concat());
    }

    /// A command that is about to run.
    pub(crate) fn log_call(&mut self, words: &[&[u8]]) {
        let mut entry = b"<redis>".to_vec();
        for word in words.iter().take(WORDS) {
            entry.push(b' ');
            entry.extend_from_slice(word);
        }
        if words.len() > WORDS {
            entry.extend_from_slice(format!(" ... ({} more)", words.len() - WORDS - 1).as_bytes());
        }
        self.log.push(entry);
    }

    /// What a command has answered, or why it was refused.
    pub(crate) fn log_reply(&mut self, reply: &Value, protocol: Protocol, refused: bool) {
        if let Value::Error(text) = reply {
            if refused {
                return self.log_error(text);
            }
            self.log.push([b"<error> -", text.as_slice()].concat());
        }
        let mut entry = b"<reply> ".to_vec();
        write_reply(&mut entry, reply, protocol);
        self.log_shortened(entry);
    }

    /// A remark.
    pub(crate) fn say(&mut self, line: String) {
        self.log.push(line.into_bytes());
    }

    fn log_shortened(&mut self, mut entry: Vec<u8>) {
        let cut = self.max_len > 0 && entry.len() > self.max_len;
        if cut {
            entry.truncate(self.max_len);
            entry.extend_from_slice(b" ...");
        }
        self.log.push(entry);
        if cut && !std::mem::replace(&mut self.hint_given, true) {
            self.say("<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.".into());
        }
    }

    /// Sends what was logged.
    pub(crate) fn send(&mut self, reply: &mut dyn Reply) {
        reply.array(self.log.len());
        self.log.drain(..).for_each(|line| reply.simple(&line));
    }
}

/// The number at the head of a word, as C's `atoi` finds it.
fn leading_number(word: &[u8]) -> i64 {
    let word = word.trim_ascii_start();
    let (sign, digits) = match word.first() {
        Some(b'-') => (-1, &word[1..]),
        Some(b'+') => (1, &word[1..]),
        _ => (1, word),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let number = digits.fold(0_i64, |number, digit| {
        number.saturating_mul(10).saturating_add(i64::from(digit - b'0')).min(i64::from(i32::MAX))
    });
    sign * number
}

/// Appends bytes in double quotes, with C's escapes.
pub(crate) fn write_quoted(output: &mut Vec<u8>, bytes: &[u8]) {
    perigee_commands::quote(output, bytes);
}

fn write_reply(output: &mut Vec<u8>, value: &Value, protocol: Protocol) {
    let old = protocol == Protocol::Resp2;
    match value {
        Value::Null | Value::NullArray => {
            output.extend_from_slice(if old { b"NULL" } else { b"(null)" });
        }
        Value::Simple(text) => write_quoted(output, &[b"+", text.as_slice()].concat()),
        Value::Error(text) => write_quoted(output, &[b"-", text.as_slice()].concat()),
        Value::Int(number) => output.extend_from_slice(number.to_string().as_bytes()),
        Value::Bulk(bytes) | Value::Verbatim(_, bytes) | Value::BigNumber(bytes) => {
            write_quoted(output, bytes);
        }
        Value::Double(number) if old => write_quoted(output, &format_double(*number)),
        Value::Double(number) => output.extend([b"(double) ", &*format_double(*number)].concat()),
        Value::Bool(value) if old => output.push(if *value { b'1' } else { b'0' }),
        Value::Bool(value) => output.extend_from_slice(if *value { b"#true" } else { b"#false" }),
        Value::Array(items) | Value::Push(items) => write_items(output, "[", items.iter(), "]", protocol),
        Value::Set(items) if old => write_items(output, "[", items.iter(), "]", protocol),
        Value::Set(items) => write_items(output, "~(", items.iter(), ")", protocol),
        Value::Map(pairs) if old => {
            let items = pairs.iter().flat_map(|(key, value)| [key, value]);
            write_items(output, "[", items, "]", protocol);
        }
        Value::Map(pairs) => {
            output.push(b'{');
            for (at, (key, value)) in pairs.iter().enumerate() {
                output.extend_from_slice(if at > 0 { b"," } else { b"" });
                write_reply(output, key, protocol);
                output.extend_from_slice(b" => ");
                write_reply(output, value, protocol);
            }
            output.push(b'}');
        }
    }
}

fn write_items<'v>(
    output: &mut Vec<u8>,
    open: &str,
    items: impl Iterator<Item = &'v Value>,
    close: &str,
    protocol: Protocol,
) {
    output.extend_from_slice(open.as_bytes());
    for (at, item) in items.enumerate() {
        output.extend_from_slice(if at > 0 { b"," } else { b"" });
        write_reply(output, item, protocol);
    }
    output.extend_from_slice(close.as_bytes());
}

/// Redis's, so that people find what they know.
const HELP: &[&str] = &[
    "Redis Lua debugger help:",
    "[h]elp               Show this help.",
    "[s]tep               Run current line and stop again.",
    "[n]ext               Alias for step.",
    "[c]ontinue           Run till next breakpoint.",
    "[l]ist               List source code around current line.",
    "[l]ist [line]        List source code around [line].",
    "                     line = 0 means: current position.",
    "[l]ist [line] [ctx]  In this form [ctx] specifies how many lines",
    "                     to show before/after [line].",
    "[w]hole              List all source code. Alias for 'list 1 1000000'.",
    "[p]rint              Show all the local variables.",
    "[p]rint <var>        Show the value of the specified variable.",
    "                     Can also show global vars KEYS and ARGV.",
    "[b]reak              Show all breakpoints.",
    "[b]reak <line>       Add a breakpoint to the specified line.",
    "[b]reak -<line>      Remove breakpoint from the specified line.",
    "[b]reak 0            Remove all breakpoints.",
    "[t]race              Show a backtrace.",
    "[e]val <code>        Execute some Lua code (in a different callframe).",
    "[r]edis <cmd>        Execute a Redis command.",
    "[m]axlen [len]       Trim logged Redis replies and Lua var dumps to len.",
    "                     Specifying zero as <len> means unlimited.",
    "[a]bort              Stop the execution of the script. In sync",
    "                     mode dataset changes will be retained.",
    "",
    "Debugger functions you can call from Lua scripts:",
    "redis.debug()        Produce logs in the debugger console.",
    "redis.breakpoint()   Stop execution like if there was a breakpoint in the",
    "                     next line of code.",
];
