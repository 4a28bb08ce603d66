//! The language of FILTER: which elements VSIM may answer with, told by their attributes.
//!
//! ```text
//! .year >= 1980 and .year < 1990 and (.genre in ["action", "drama"] or .rating / 2 > 4)
//! ```
//!
//! A selector such as `.year` is the field of that name of the element's attributes, a JSON object. From loose to tight bind: `or` `||`;
//! `and` `&&`; `> >= < <= == != in`; `+ -`; `* / %`; `**`; `not` `!`. Operators of one rank group to the left, `**` to the right.
//!
//! An expression is compiled once, to steps for a stack machine, and then holds against any number of elements; neither compiling nor
//! matching recurses, however deep the parentheses are. Every step is taken, there are no short cuts: a field that an element does not
//! have keeps it out, even where `or` would not need it.
//!
//! What the documentation does not say (<https://redis.io/docs/latest/develop/data-types/vector-sets/filtered-search>) is as Redis 8.0.6
//! answers. So an operator may as well follow its operands: what counts is that each has enough of them.

mod attributes;
mod text;
mod value;
mod words;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smallvec::SmallVec;

use self::value::{Constant, Value};
use self::words::{Word, words};
use crate::error::Error;

/// A compiled expression.
pub(super) struct Filter {
    steps: Vec<Step>,
    fields: Fields,
}

/// The fields that an expression names, with their numbers.
type Fields = HashMap<Box<[u8]>, usize, FixedState>;

enum Step {
    Constant(Constant),
    Field(usize),
    Operator(Operator),
}

impl Filter {
    /// Reads an expression, as far as a NUL.
    ///
    /// # Errors
    /// `syntax error in FILTER expression near: ` and the text from the place on; all of it, where the error shows at its end.
    pub(super) fn compile(text: &[u8]) -> Result<Self, Error> {
        let read = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
        let refuse = |at: usize| {
            let near = if at == text.len() { read } else { &read[at..] };
            let end = near.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
            let near = &near[..end];
            Error::Quoting([b"ERR syntax error in FILTER expression near: ", near].concat())
        };
        let words = words(read).map_err(refuse)?;
        Program::of(words).ok_or_else(|| refuse(read.len()))
    }

    /// Whether an element with these attributes may be among the answers. One without any may not.
    pub(super) fn matches(&self, attributes: &[u8]) -> bool {
        if attributes.is_empty() {
            return false;
        }
        let mut found: SmallVec<[Value<'_>; 8]> = SmallVec::from_elem(Value::Null, self.fields.len());
        if !attributes::find(attributes, &self.fields, &mut found) {
            return false;
        }
        let mut stack: SmallVec<[Value<'_>; 16]> = SmallVec::new();
        for step in &self.steps {
            let value = match step {
                Step::Constant(constant) => constant.value(),
                Step::Field(number) => found[*number],
                Step::Operator(operator) => {
                    let right = stack.pop().unwrap_or(Value::Null);
                    match operator {
                        Operator::Not => truth(!right.is_true()),
                        _ => operator.apply(stack.pop().unwrap_or(Value::Null), right),
                    }
                }
            };
            stack.push(value);
        }
        stack.pop().is_some_and(Value::is_true)
    }
}

/// A program as it grows: operators wait until those that bind tighter have been put.
#[derive(Default)]
struct Program {
    steps: Vec<Step>,
    fields: Fields,
    /// `None`: an open parenthesis.
    waiting: Vec<Option<Operator>>,
    /// How many values would be on the stack.
    height: usize,
}

impl Program {
    /// `None`: an operator lacks an operand, there is not one value in the end, or parentheses do not pair.
    fn of(words: Vec<Word<'_>>) -> Option<Filter> {
        let mut program = Program::default();
        for word in words {
            match word {
                Word::Constant(constant) => program.operand(Step::Constant(constant)),
                Word::Field(name) => {
                    let next = program.fields.len();
                    let number = *program.fields.entry(name.into()).or_insert(next);
                    program.operand(Step::Field(number));
                }
                Word::Operator(operator) => {
                    while let Some(&Some(before)) = program.waiting.last()
                        && before.goes_before(operator)
                    {
                        program.waiting.pop();
                        program.operator(before)?;
                    }
                    program.waiting.push(Some(operator));
                }
                Word::Open => program.waiting.push(None),
                Word::Close => {
                    while let Some(operator) = program.waiting.pop()? {
                        program.operator(operator)?;
                    }
                }
            }
        }
        while let Some(waiting) = program.waiting.pop() {
            program.operator(waiting?)?;
        }
        (program.height == 1).then_some(Filter { steps: program.steps, fields: program.fields })
    }

    fn operand(&mut self, step: Step) {
        self.height += 1;
        self.steps.push(step);
    }

    fn operator(&mut self, operator: Operator) -> Option<()> {
        let operands = if operator == Operator::Not { 1 } else { 2 };
        self.height = self.height.checked_sub(operands)? + 1;
        self.steps.push(Step::Operator(operator));
        Some(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    Not,
}

impl Operator {
    /// How it is written. Where several begin alike, the longest is meant.
    const WRITTEN: &[(&str, Operator)] = &[
        ("or", Operator::Or),
        ("||", Operator::Or),
        ("and", Operator::And),
        ("&&", Operator::And),
        (">", Operator::Greater),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        ("<=", Operator::LessOrEqual),
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("in", Operator::In),
        ("+", Operator::Add),
        ("-", Operator::Subtract),
        ("*", Operator::Multiply),
        ("/", Operator::Divide),
        ("%", Operator::Remainder),
        ("**", Operator::Power),
        ("not", Operator::Not),
        ("!", Operator::Not),
    ];

    /// Whether it is applied before an operator that follows it.
    fn goes_before(self, following: Operator) -> bool {
        self.rank() > following.rank() || self.rank() == following.rank() && self != Operator::Power
    }

    /// How tightly it binds.
    fn rank(self) -> u8 {
        match self {
            Operator::Or => 0,
            Operator::And => 1,
            Operator::Greater
            | Operator::GreaterOrEqual
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Equal
            | Operator::NotEqual
            | Operator::In => 2,
            Operator::Add | Operator::Subtract => 3,
            Operator::Multiply | Operator::Divide | Operator::Remainder => 4,
            Operator::Power => 5,
            Operator::Not => 6,
        }
    }

    /// Its value for two operands.
    fn apply<'a>(self, left: Value<'a>, right: Value<'a>) -> Value<'a> {
        let (x, y) = (|| left.number(), || right.number());
        match self {
            Operator::Or => truth(left.is_true() || right.is_true()),
            Operator::And => truth(left.is_true() && right.is_true()),
            Operator::Greater => truth(x() > y()),
            Operator::GreaterOrEqual => truth(x() >= y()),
            Operator::Less => truth(x() < y()),
            Operator::LessOrEqual => truth(x() <= y()),
            Operator::Equal => truth(left.equals(right)),
            Operator::NotEqual => truth(!left.equals(right)),
            Operator::In => truth(right.contains(left)),
            Operator::Add => Value::Number(x() + y()),
            Operator::Subtract => Value::Number(x() - y()),
            Operator::Multiply => Value::Number(x() * y()),
            Operator::Divide => Value::Number(x() / y()),
            Operator::Remainder => Value::Number(x() % y()),
            Operator::Power => Value::Number(x().powf(y())),
            Operator::Not => truth(!right.is_true()),
        }
    }
}

fn truth<'a>(value: bool) -> Value<'a> {
    Value::Number(f64::from(u8::from(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTRIBUTES: &str = r#"{"n": 3, "zero": 0, "s": "abc", "empty": "", "ten": "10", "yes": true, "no": false,
        "null": null, "list": [1, 2, "x"], "object": {"n": 4}, "with-dash": 5, "quote": "a\"b"}"#;

    #[track_caller]
    fn holds(text: &str) -> bool {
        Filter::compile(text.as_bytes())
            .unwrap_or_else(|error| panic!("{text}: {error:?}"))
            .matches(ATTRIBUTES.as_bytes())
    }

    #[track_caller]
    fn near(text: &str) -> String {
        let Err(error) = Filter::compile(text.as_bytes()) else { panic!("{text} compiles") };
        String::from_utf8_lossy(&error.text())
            .strip_prefix("ERR syntax error in FILTER expression near: ")
            .unwrap()
            .into()
    }

    #[test]
    fn operators_bind_as_documented() {
        for text in [
            "2 + 3 * 4 == 14",
            "2 * 3 % 4 == 2",
            "10 - 2 - 3 == 5",
            "2 ** 3 ** 2 == 512",
            "-2 ** 2 == 4",
            "1 or 0 and 0",
            "(1 or 0) and 0 or 1",
            "!0 == 1",
            "!2 ** 0 == 1",
            "1 < 2 == 1",
            "5 == 3 < 1",
            "1 + 1 in [2]",
            "2 in [5] == 0",
            "not (.n in [4])",
            ".n -1 == 2",
            ".n + -1 == 2",
            "(.n)-1 == 2",
            "-7 % 3 == -1",
            "7.5 % 2 == 1.5",
            "2 ** -1 == 0.5",
            "1 2 <",
            "0 not",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in ["not 1 == 2", "3 > 2 > 1", "0 == 2 in [5]", ".n in [3] + 0", "not .n in [3]"] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn fields_are_what_json_says() {
        for text in [
            ".n == 3",
            ".s == 'abc'",
            ".ten == 10",
            "\"10.0\" == 10",
            ".yes == 1",
            ".no == 0",
            "!.null",
            ".null == .null",
            ".null != 0",
            ".null + 1 == 1",
            ".list",
            "2 in .list",
            "'x' in .list",
            "\"1\" in .list",
            ".with-dash == 5",
            ".quote == 'a\"b'",
            ".s == 0",
            ".list == 0",
            ".s in ['a', 'abc']",
            "1 or .null",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in [
            ".zero",
            ".empty",
            ".s > 1",
            ".ten == '10.0'",
            "3 in .list",
            "1 in .n",
            "'a' in .s",
            ".null == 0",
        ] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn a_field_that_is_missing_keeps_the_element_out() {
        for text in [".missing", "!.missing", "1 or .missing", ".object or 1"] {
            assert!(!holds(text), "{text}");
        }
        let always = Filter::compile(b"1").unwrap();
        assert!(!always.matches(b""));
        assert!(always.matches(b"not json"));
    }

    #[test]
    fn errors_say_where_they_are() {
        for (text, place) in [
            ("", ""),
            (" ", " "),
            ("(", "("),
            ("1 2", "1 2"),
            ("1 + 5.5.5 + 2", " + 2"),
            ("1 + 5x", "1 + 5x"),
            ("1=!1", "1"),
            ("1 AND 1", " 1"),
            ("1 and é", "é"),
            ("[1 2]", "2]"),
            ("[1,,2]", ",2]"),
            ("[- 1]", " 1]"),
            ("1 \"a", "1 \"a"),
            (".n == true", ".n == true"),
            ("not not .n", "not not .n"),
            ("- 3", "- 3"),
            ("1) + 2", "1) + 2"),
            ("(.)", ".)"),
            ("\0", ""),
            ("1 @\0", "@"),
            ("1 2\0", ""),
        ] {
            assert_eq!(near(text), place, "{text}");
        }
    }

    #[test]
    fn deep_parentheses_and_long_expressions_take_no_stack() {
        let deep = format!("{}1{}", "(".repeat(1_000_000), ")".repeat(1_000_000));
        assert!(holds(&deep));
        let tower = format!("1{}{}", " ** (1".repeat(100_000), ")".repeat(100_000));
        assert!(holds(&tower));
        let nested = format!("{{\"a\":{}{},\"b\":1}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(Filter::compile(b".b and .a").unwrap().matches(nested.as_bytes()));
    }
}
