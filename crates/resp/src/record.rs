//! Sinks that no client reads: a recorder, a void, and a check that a handler kept its word.

use bytes::Bytes;

use crate::reply::{Protocol, Reply};
use crate::value::{Aggregate, Builder, Value};

/// Keeps replies as values, in the shape in which the handler gave them.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    protocol: Protocol,
    builder: Builder,
    values: Vec<Value>,
}

impl Recorder {
    /// A recorder for handlers that ask for the protocol.
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, ..Self::default() }
    }

    /// The one reply that was given.
    ///
    /// # Panics
    /// If it is not exactly one, or is incomplete.
    pub fn into_value(self) -> Value {
        let mut values = self.into_values();
        assert_eq!(values.len(), 1, "a handler owes exactly one reply: {values:?}");
        values.remove(0)
    }

    /// All replies that were given, in order.
    ///
    /// # Panics
    /// If the last one is incomplete.
    pub fn into_values(self) -> Vec<Value> {
        assert_eq!(self.builder.depth(), 0, "an aggregate lacks elements: {:?}", self.builder);
        self.values
    }

    fn leaf(&mut self, value: Value) {
        let whole = self.builder.add(value);
        self.values.extend(whole);
    }

    fn open(&mut self, aggregate: Aggregate, items: usize) {
        let whole = self.builder.open(aggregate, items);
        self.values.extend(whole);
    }
}

impl Reply for Recorder {
    fn protocol(&self) -> Protocol {
        self.protocol
    }
    fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }
    fn null(&mut self) {
        self.leaf(Value::Null);
    }
    fn null_array(&mut self) {
        self.leaf(Value::NullArray);
    }
    fn simple(&mut self, text: &[u8]) {
        self.leaf(Value::Simple(text.to_vec()));
    }
    fn error(&mut self, text: &[u8]) {
        self.leaf(Value::Error(text.to_vec()));
    }
    fn int(&mut self, value: i64) {
        self.leaf(Value::Int(value));
    }
    fn bulk(&mut self, bytes: &[u8]) {
        self.leaf(Value::Bulk(bytes.to_vec()));
    }
    fn double(&mut self, value: f64) {
        self.leaf(Value::Double(value));
    }
    fn bool(&mut self, value: bool) {
        self.leaf(Value::Bool(value));
    }
    fn big_number(&mut self, digits: &[u8]) {
        self.leaf(Value::BigNumber(digits.to_vec()));
    }
    fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        self.leaf(Value::Verbatim(*format, text.to_vec()));
    }
    fn array(&mut self, len: usize) {
        self.open(Aggregate::Array, len);
    }
    fn map(&mut self, pairs: usize) {
        self.open(Aggregate::Map, pairs * 2);
    }
    fn set(&mut self, len: usize) {
        self.open(Aggregate::Set, len);
    }
    fn push(&mut self, len: usize) {
        self.open(Aggregate::Push, len);
    }
}

/// Swallows replies, as `CLIENT REPLY OFF` and the loading of a log do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard {
    protocol: Protocol,
}

impl Discard {
    /// A void for handlers that ask for the protocol.
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol }
    }
}

impl Reply for Discard {
    fn protocol(&self) -> Protocol {
        self.protocol
    }
    fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }
    fn null(&mut self) {}
    fn null_array(&mut self) {}
    fn simple(&mut self, _: &[u8]) {}
    fn error(&mut self, _: &[u8]) {}
    fn int(&mut self, _: i64) {}
    fn bulk(&mut self, _: &[u8]) {}
    fn bulk_shared(&mut self, _: Bytes) {}
    fn double(&mut self, _: f64) {}
    fn bool(&mut self, _: bool) {}
    fn big_number(&mut self, _: &[u8]) {}
    fn verbatim(&mut self, _: &[u8; 3], _: &[u8]) {}
    fn array(&mut self, _: usize) {}
    fn map(&mut self, _: usize) {}
    fn set(&mut self, _: usize) {}
    fn push(&mut self, _: usize) {}
}

/// Passes a reply on and panics unless it is exactly one complete reply: at once when there is too much, when dropped
/// if there is too little.
pub struct Checked<'a> {
    inner: &'a mut dyn Reply,
    missing: usize,
    begun: bool,
}

impl<'a> Checked<'a> {
    /// Expects one reply for `inner`.
    pub fn new(inner: &'a mut dyn Reply) -> Self {
        Self { inner, missing: 1, begun: false }
    }

    /// Ends the check of a handler that answers later, such as a blocking command.
    ///
    /// # Panics
    /// If part of a reply was given.
    pub fn postpone(mut self) {
        assert!(!self.begun, "a handler that answers later has begun to answer");
        self.missing = 0;
    }

    fn next(&mut self, items: usize) -> &mut dyn Reply {
        assert!(self.missing > 0, "a reply after the complete reply");
        self.missing = self.missing - 1 + items;
        self.begun = true;
        self.inner
    }
}

impl Drop for Checked<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.missing, 0, "the reply lacks elements");
        }
    }
}

impl Reply for Checked<'_> {
    fn protocol(&self) -> Protocol {
        self.inner.protocol()
    }
    fn set_protocol(&mut self, protocol: Protocol) {
        self.inner.set_protocol(protocol);
    }
    fn null(&mut self) {
        self.next(0).null();
    }
    fn null_array(&mut self) {
        self.next(0).null_array();
    }
    fn simple(&mut self, text: &[u8]) {
        self.next(0).simple(text);
    }
    fn error(&mut self, text: &[u8]) {
        self.next(0).error(text);
    }
    fn int(&mut self, value: i64) {
        self.next(0).int(value);
    }
    fn bulk(&mut self, bytes: &[u8]) {
        self.next(0).bulk(bytes);
    }
    fn bulk_shared(&mut self, bytes: Bytes) {
        self.next(0).bulk_shared(bytes);
    }
    fn double(&mut self, value: f64) {
        self.next(0).double(value);
    }
    fn decimal(&mut self, value: f64) {
        self.next(0).decimal(value);
    }
    fn shortest(&mut self, value: f64) {
        self.next(0).shortest(value);
    }
    fn bool(&mut self, value: bool) {
        self.next(0).bool(value);
    }
    fn big_number(&mut self, digits: &[u8]) {
        self.next(0).big_number(digits);
    }
    fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        self.next(0).verbatim(format, text);
    }
    fn array(&mut self, len: usize) {
        self.next(len).array(len);
    }
    fn map(&mut self, pairs: usize) {
        self.next(pairs * 2).map(pairs);
    }
    fn set(&mut self, len: usize) {
        self.next(len).set(len);
    }
    fn push(&mut self, len: usize) {
        self.next(len).push(len);
    }
    fn attribute(&mut self, pairs: usize) -> bool {
        let taken = self.inner.attribute(pairs);
        self.missing += if taken { pairs * 2 } else { 0 };
        taken
    }
    fn bulk_int(&mut self, value: i64) {
        self.next(0).bulk_int(value);
    }
    fn ok(&mut self) {
        self.next(0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_nested_replies() {
        let mut recorder = Recorder::new(Protocol::Resp3);
        recorder.map(1);
        recorder.bulk(b"keys");
        recorder.set(2);
        recorder.int(1);
        recorder.array(0);
        let items = Value::Set(vec![Value::Int(1), Value::Array(vec![])]);
        assert_eq!(recorder.into_value(), Value::Map(vec![(Value::Bulk(b"keys".to_vec()), items)]));
    }

    #[test]
    #[should_panic(expected = "exactly one reply")]
    fn a_second_reply_is_no_single_value() {
        let mut recorder = Recorder::new(Protocol::Resp2);
        recorder.ok();
        recorder.ok();
        recorder.into_value();
    }

    #[test]
    #[should_panic(expected = "lacks elements")]
    fn an_open_aggregate_is_no_value() {
        let mut recorder = Recorder::new(Protocol::Resp2);
        recorder.array(1);
        recorder.into_value();
    }

    fn checked(handler: impl FnOnce(Checked<'_>)) {
        handler(Checked::new(&mut Discard::default()));
    }

    #[test]
    fn one_complete_reply_passes() {
        checked(|mut reply| reply.ok());
        checked(|mut reply| reply.array(0));
        checked(|mut reply| {
            reply.map(1);
            reply.array(1);
            reply.null();
            reply.bulk_int(1);
        });
        checked(|reply| reply.postpone());
    }

    #[test]
    #[should_panic(expected = "after the complete reply")]
    fn too_much_is_caught() {
        checked(|mut reply| {
            reply.array(1);
            reply.int(1);
            reply.int(2);
        });
    }

    #[test]
    #[should_panic(expected = "lacks elements")]
    fn too_little_is_caught() {
        checked(|mut reply| {
            reply.map(1);
            reply.int(1);
        });
    }

    #[test]
    #[should_panic(expected = "begun to answer")]
    fn half_an_answer_cannot_be_postponed() {
        checked(|mut reply| {
            reply.array(1);
            reply.postpone();
        });
    }
}
