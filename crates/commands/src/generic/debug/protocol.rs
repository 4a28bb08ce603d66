//! DEBUG PROTOCOL: one reply of each type, for tests of clients.

use crate::call::Call;
use crate::error::Error;
use crate::parse::Word;

/// Redis's test value.
#[expect(clippy::approx_constant, reason = "it is meant to be this one")]
const DOUBLE: f64 = 3.141;

pub(super) fn protocol(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let word = Word(call.args[2]);
    let is_resp3 = call.is_resp3();
    let reply = &mut *call.reply;
    if word.is("string") {
        reply.bulk(b"Hello World");
    } else if word.is("integer") {
        reply.int(12345);
    } else if word.is("double") {
        reply.double(DOUBLE);
    } else if word.is("null") {
        reply.null();
    } else if word.is("array") {
        reply.array(3);
        (0..3).for_each(|number| reply.int(number));
    } else if word.is("set") {
        reply.set(3);
        (0..3).for_each(|number| reply.int(number));
    } else if word.is("map") {
        reply.map(3);
        for number in 0..3 {
            reply.int(number);
            reply.bool(number == 1);
        }
    } else if word.is("attrib") {
        if reply.attribute(1) {
            reply.bulk(b"key-popularity");
            reply.array(2);
            reply.bulk(b"key:123");
            reply.int(90);
        }
        reply.bulk(b"Some real reply following the attribute");
    } else if word.is("push") {
        if !is_resp3 {
            return Err(Error::Text("ERR RESP2 is not supported by this command"));
        }
        reply.push(2);
        reply.bulk(b"server-cpu-usage");
        reply.int(42);
        reply.bulk(b"Some real reply following the push reply");
    } else if word.is("true") {
        reply.bool(true);
    } else if word.is("false") {
        reply.bool(false);
    } else if word.is("verbatim") {
        reply.verbatim(b"txt", b"This is a verbatim\nstring");
    } else if word.is("bignum") {
        reply.big_number(b"1234567999999999999999999999999999999");
    } else {
        return Err(UNKNOWN);
    }
    Ok(())
}

const UNKNOWN: Error = Error::Text(
    "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
);
