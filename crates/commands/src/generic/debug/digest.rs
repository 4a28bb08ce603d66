//! DEBUG DIGEST and DEBUG DIGEST-VALUE: the signature of data that Redis computes.
//!
//! It is 20 bytes, made with two steps. *Adding* combines it with the SHA1 of some bytes by exclusive or: the order does not
//! matter. *Mixing* adds, then replaces the signature by its SHA1: the order matters. Members of sets, sorted sets and
//! hashes are added, so that all encodings and iteration orders give the same.

use perigee_keyspace::{Entry, ValueRef};
use perigee_resp::format_double;
use sha1::{Digest, Sha1};

use crate::call::Call;

/// Of all databases.
pub(super) fn of_everything(call: &mut Call<'_, '_>) {
    let mut whole = Signature::default();
    for db in 0..call.env.engine.keyspace.databases() {
        if call.txn.is_empty(db) {
            continue;
        }
        whole.mix(&u32::from(db).to_be_bytes());
        for entry in call.txn.entries(db) {
            let mut signature = Signature::default();
            signature.mix(entry.key());
            signature.mix_entry(entry);
            whole.add(&signature.0);
        }
    }
    call.reply.simple(whole.hexadecimal().as_bytes());
}

/// Of the values of keys, one by one.
pub(super) fn of_values(call: &mut Call<'_, '_>) {
    let keys = &call.args[2..];
    call.reply.array(keys.len());
    for key in keys {
        let mut signature = Signature::default();
        if let Some(entry) = call.txn.peek(call.db, key) {
            signature.mix_entry(entry);
        }
        call.reply.simple(signature.hexadecimal().as_bytes());
    }
}

#[derive(Clone, Copy, Default)]
struct Signature([u8; 20]);

impl Signature {
    fn add(&mut self, bytes: &[u8]) {
        let hash = Sha1::digest(bytes);
        self.0.iter_mut().zip(hash).for_each(|(byte, other)| *byte ^= other);
    }

    fn mix(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    fn mix_entry(&mut self, entry: &Entry) {
        self.mix(&type_number(entry.value()).to_be_bytes());
        self.mix_value(entry.value());
        if entry.deadline().is_some() {
            self.add(b"!!expire!!");
        }
    }

    fn mix_value(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Str(text) => self.mix(text.as_bytes(&mut Default::default())),
            ValueRef::List(list) => list.iter().for_each(|element| self.mix(element)),
            ValueRef::Set(set) => set.iter().for_each(|member| self.add(&member)),
            ValueRef::ZSet(zset) => {
                for (member, score) in zset.iter() {
                    self.add(&Signature::of(&[member, &format_double(score)]).0);
                }
            }
            ValueRef::Hash(hash) => {
                for (field, value) in hash.iter() {
                    let mut pair = Signature::of(&[field, value]);
                    if hash.deadline(field).is_some() {
                        pair.add(b"!!hexpire!!");
                    }
                    self.add(&pair.0);
                }
            }
            ValueRef::Stream(stream) => {
                for entry in stream.iter() {
                    self.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                    for (field, value) in entry.fields() {
                        self.mix(field.as_bytes(&mut Default::default()));
                        self.mix(value.as_bytes(&mut Default::default()));
                    }
                }
            }
            ValueRef::VectorSet(vectors) => {
                for at in 0..vectors.len() {
                    let [norm, range] = [vectors.norm(at), vectors.range(at)].map(f32::to_le_bytes);
                    let attribute = vectors.attribute(at).unwrap_or_default();
                    let parts = [vectors.name(at), vectors.codes(at), &norm, &range, attribute];
                    self.add(&Signature::of(&parts).0);
                }
            }
        }
    }

    fn of(parts: &[&[u8]]) -> Self {
        let mut signature = Signature::default();
        parts.iter().for_each(|part| signature.mix(part));
        signature
    }

    fn hexadecimal(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn type_number(value: ValueRef<'_>) -> u32 {
    match value {
        ValueRef::Str(_) => 0,
        ValueRef::List(_) => 1,
        ValueRef::Set(_) => 2,
        ValueRef::ZSet(_) => 3,
        ValueRef::Hash(_) => 4,
        ValueRef::Stream(_) => 6,
        ValueRef::VectorSet(_) => 7,
    }
}
