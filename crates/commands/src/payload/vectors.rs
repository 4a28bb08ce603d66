//! Vector sets, as the module that they are in Redis writes them: after its number, what all elements have in common, then the
//! elements, each with its vector as it is stored and its links. What each number means was read off payloads of redis-server 8.0.6.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use perigee_keyspace::{Projection, Quantization, VectorParams, VectorSet, VectorSetLoader};

use super::kinds::MODULE_2;
use super::strings::{read_length, read_string, take_array, write_length, write_string};

/// The module's name and the version of its format.
const MODULE: u64 = 0xbde7_2da2_bb1e_b400;
/// The version of an element's numbers; it stands above the highest layer.
const VERSION: u64 = 1;
const VERSION_SHIFT: u32 = 24;

/// What stands before each number and each string, and at the end.
const NUMBER: u8 = 2;
const TEXT: u8 = 5;
const END: u8 = 0;

const PROJECTS: u64 = 1;
const HAS_ATTRIBUTES: u64 = 2;

/// Appends the kind and the set.
pub(super) fn write(out: &mut Vec<u8>, set: &VectorSet, compress: bool) {
    let params = set.params();
    out.push(MODULE_2);
    write_length(out, MODULE);
    let mut out = Writer { out, compress };
    out.number(params.dim as u64);
    out.number(set.len() as u64);
    out.number((params.max_links as u64) << 8 | number_of(params.quantization));
    let attributes = if set.attributes() > 0 { HAS_ATTRIBUTES } else { 0 };
    let projects = if params.projection.is_some() { PROJECTS } else { 0 };
    out.number(projects | attributes);
    if let Some(projection) = &params.projection {
        let columns = projection.input_dim();
        let row =
            |row| (0..columns).flat_map(move |column| projection.coefficient(row, column).to_le_bytes());
        out.number(columns as u64);
        out.text(&(0..params.dim).flat_map(row).collect::<Vec<u8>>());
    }
    for at in 0..set.len() {
        out.text(set.name(at));
        if attributes > 0 {
            out.text(set.attribute(at).unwrap_or_default());
        }
        out.text(set.codes(at));
        let numbers = numbers(set, at);
        out.number(numbers.len() as u64);
        numbers.into_iter().for_each(|number| out.number(number));
    }
    out.out.push(END);
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    compress: bool,
}

impl Writer<'_> {
    fn number(&mut self, number: u64) {
        self.out.push(NUMBER);
        write_length(self.out, number);
    }

    fn text(&mut self, text: &[u8]) {
        self.out.push(TEXT);
        write_string(self.out, text, self.compress);
    }
}

fn number_of(quantization: Quantization) -> u64 {
    match quantization {
        Quantization::None => 0,
        Quantization::Q8 => 1,
        Quantization::Binary => 2,
    }
}

/// The number by which others link to it, its highest layer, for each layer its links and the farthest of them, what its vector is scaled by.
fn numbers(set: &VectorSet, at: usize) -> Vec<u64> {
    let level = set.level(at);
    let mut numbers = vec![id(at), VERSION << VERSION_SHIFT | level as u64];
    for layer in 0..=level {
        let links = set.links(at, layer);
        let most = set.params().max_links * if layer == 0 { 2 } else { 1 };
        numbers.extend([links.len() as u64, most as u64]);
        numbers.extend(links.iter().map(|&other| id(other as usize)));
        let distances = links.iter().map(|&other| 2.0 * (1.0 - set.similarity(at, other as usize)));
        let farthest = distances.enumerate().max_by(|(_, one), (_, other)| one.total_cmp(other));
        let (index, distance) = farthest.unwrap_or((0, 0.0));
        numbers.push(u64::from(distance.to_bits()) << 32 | index as u64);
    }
    numbers.push(u64::from(set.range(at).to_bits()) << 32 | u64::from(set.norm(at).to_bits()));
    numbers
}

fn id(at: usize) -> u64 {
    at as u64 + 1
}

/// Takes a set from the front.
pub(super) fn read(rest: &mut &[u8]) -> Option<VectorSet> {
    if read_length(rest)? != MODULE {
        return None;
    }
    let dim = usize::try_from(number(rest)?).ok()?;
    let count = number(rest)?;
    let config = number(rest)?;
    let flags = number(rest)?;
    let quantization = match config & 0xff {
        0 => Quantization::None,
        1 => Quantization::Q8,
        2 => Quantization::Binary,
        _ => return None,
    };
    let max_links = usize::try_from(config >> 8).ok()?;
    let projection = if flags & PROJECTS > 0 { Some(projection(rest)?) } else { None };
    let mut loader =
        VectorSetLoader::new(VectorParams { dim, quantization, max_links, projection }, 0).ok()?;

    let mut positions: HashMap<u64, u32, FixedState> = HashMap::default();
    let mut elements = Vec::new();
    for at in 0..count {
        let element = Element::read(rest, flags & HAS_ATTRIBUTES > 0)?;
        if positions.insert(element.id, u32::try_from(at).ok()?).is_some() {
            return None;
        }
        elements.push(element);
    }
    let last_id = *positions.keys().max()?;
    for Element { name, attributes, codes, links, range, norm, .. } in elements {
        let position = |id: u64| positions.get(&id).copied();
        let layer = |links: Vec<u64>| links.into_iter().map(position).collect::<Option<_>>();
        let links = links.into_iter().map(layer).collect::<Option<_>>()?;
        loader.push(&name, (&codes, range, norm), attributes.as_deref(), links).ok()?;
    }
    let [end] = take_array(rest)?;
    if end == END { loader.finish(last_id).ok() } else { None }
}

struct Element {
    id: u64,
    name: Vec<u8>,
    attributes: Option<Vec<u8>>,
    codes: Vec<u8>,
    /// By layers, the lowest first.
    links: Vec<Vec<u64>>,
    range: f32,
    norm: f32,
}

impl Element {
    fn read(rest: &mut &[u8], has_attributes: bool) -> Option<Self> {
        let name = text(rest)?;
        let attributes = if has_attributes { Some(text(rest)?) } else { None };
        let codes = text(rest)?;
        let mut left = number(rest)?;
        let mut next = || {
            left = left.checked_sub(1)?;
            number(rest)
        };
        let id = next()?;
        let level = next()?;
        if level >> VERSION_SHIFT != VERSION {
            return None;
        }
        let mut links = Vec::new();
        for _ in 0..=level & ((1 << VERSION_SHIFT) - 1) {
            let (count, _most) = (next()?, next()?);
            links.push((0..count).map(|_| next()).collect::<Option<_>>()?);
            let _farthest = next()?;
        }
        let scale = next()?;
        let [range, norm] = [scale >> 32, scale].map(|bits| f32::from_bits(bits as u32));
        let attributes = attributes.filter(|attributes| !attributes.is_empty());
        (left == 0).then_some(Element { id, name, attributes, codes, links, range, norm })
    }
}

fn projection(rest: &mut &[u8]) -> Option<Projection> {
    let input_dim = usize::try_from(number(rest)?).ok()?;
    let matrix = text(rest)?;
    let (coefficients, remainder) = matrix.as_chunks::<4>();
    if input_dim == 0 || !remainder.is_empty() || !coefficients.len().is_multiple_of(input_dim) {
        return None;
    }
    let coefficients: Vec<f32> = coefficients.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Some(Projection::with_matrix(input_dim, &coefficients))
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let [kind] = take_array(rest)?;
    if kind == NUMBER { read_length(rest) } else { None }
}

fn text(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let [kind] = take_array(rest)?;
    if kind == TEXT { read_string(rest) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{self, read_value, write_value};
    use perigee_keyspace::{Limits, Value};

    /// Of Redis 8.0.6: VADD v VALUES 2 1 0 a SETATTR {x:1}, VADD v VALUES 2 0 1 b, VADD v VALUES 2 1 1 c SETATTR {x:2}, VADD v VALUES 2 -1 0.5 d
    /// SETATTR bad, where c is on two layers.
    const BYTES: &[u8] = b"\x07\x81\xbd\xe7-\xa2\xbb\x1e\xb4\x00\x02\x02\x02\x04\x02P\x01\x02\x02\x05\x01d\x05\x03bad\x05\x02\x81?\x02\t\x02\x04\x02\x80\x01\x00\x00\x00\x02\x03\x02 \x02\x02\x02\x03\x02\x01\x02\x81?\xf2|\x97\x00\x00\x00\x02\x02\x81?d\xf9.?\x8f\x1b\xbd\x05\x01c\x05\x05{x:2}\x05\x02\x7f\x7f\x02\x0c\x02\x03\x02\x80\x01\x00\x00\x01\x02\x03\x02 \x02\x02\x02\x01\x02\x04\x02\x81?\xa8\xcb\xbe\x00\x00\x00\x02\x02\x00\x02\x10\x02\x00\x02\x81?5\x04\xf3?\xb5\x04\xf3\x05\x01b\x05\x00\x05\x02\x00\x7f\x02\t\x02\x02\x02\x80\x01\x00\x00\x00\x02\x03\x02 \x02\x01\x02\x03\x02\x04\x02\x81?\x80\x00\x00\x00\x00\x00\x00\x02\x81?\x80\x00\x00?\x80\x00\x00\x05\x01a\x05\x05{x:1}\x05\x02\x7f\x00\x02\t\x02\x01\x02\x80\x01\x00\x00\x00\x02\x03\x02 \x02\x02\x02\x03\x02\x04\x02\x81?\xf2|\x97\x00\x00\x00\x02\x02\x81?\x80\x00\x00?\x80\x00\x00\x00\x0c\x00N\xac\xea\xbaxe\xedF";
    /// VADD r REDUCE 2 VALUES 3 1 2 3 a.
    const PROJECTED: &[u8] = b"\x07\x81\xbd\xe7-\xa2\xbb\x1e\xb4\x00\x02\x02\x02\x01\x02P\x01\x02\x01\x02\x03\x05\xc3\x0f\x18\x04:\xcd\x13?:\xe0\x05\x03\x00\xbf \x0f\x00?\x05\x01a\x05\x02\x7f*\x02\x06\x02\x01\x02\x80\x01\x00\x00\x00\x02\x00\x02 \x02\x00\x02\x81?r\xdc\xe8@i\xb1\xe9\x00\x0c\x00j\x06\xa8`\x8a\x9c\xbe<";
    /// VADD n VALUES 2 1 2 a NOQUANT and VADD n VALUES 2 1 2 a BIN.
    const FLOATS: &[u8] = b"\x07\x81\xbd\xe7-\xa2\xbb\x1e\xb4\x00\x02\x02\x02\x01\x02P\x00\x02\x00\x05\x01a\x05\x08.\xf9\xe4>.\xf9d?\x02\x06\x02\x01\x02\x80\x01\x00\x00\x00\x02\x00\x02 \x02\x00\x02\x81?5\x04\xf3@\x0f\x1b\xbd\x00\x0c\x00\xe6?D\xe5~\x97\xe6M";
    const BITS: &[u8] = b"\x07\x81\xbd\xe7-\xa2\xbb\x1e\xb4\x00\x02\x02\x02\x01\x02P\x02\x02\x00\x05\x01a\x05\x08\x03\x00\x00\x00\x00\x00\x00\x00\x02\t\x02\x01\x02\x80\x01\x00\x00\x01\x02\x00\x02 \x02\x00\x02\x00\x02\x10\x02\x00\x02\x81?5\x04\xf3@\x0f\x1b\xbd\x00\x0c\x003\x8d\x1a\xce\x10!\x88\xe1";

    fn read_payload(payload: &[u8]) -> Option<Box<VectorSet>> {
        let mut body = payload::open(payload).expect("a checksum");
        match read_value(&mut body, &Limits::default()) {
            Some(Value::VectorSet(set)) if body.is_empty() => Some(set),
            _ => None,
        }
    }

    fn written(set: Box<VectorSet>) -> Vec<u8> {
        let mut out = Vec::new();
        write_value(&mut out, Value::VectorSet(set).view(), true);
        payload::seal(out)
    }

    #[test]
    fn sets_of_redis_are_read() {
        let set = read_payload(BYTES).expect("a set");
        assert_eq!((set.len(), set.max_level(), set.attributes(), set.last_id()), (4, 1, 3, 4));
        let at = set.find(b"d").expect("an element");
        assert_eq!(set.attribute(at), Some(&b"bad"[..]));
        assert_eq!(set.codes(at), b"\x81?");
        let names: Vec<_> = set.links(at, 0).iter().map(|&other| set.name(other as usize)).collect();
        assert_eq!(names, [b"b", b"c", b"a"]);
        let projection = read_payload(PROJECTED).expect("a set").params().projection.clone();
        assert_eq!(projection, Some(Projection::new(3)));
        assert_eq!(read_payload(FLOATS).expect("a set").vector(0), [1.0, 2.0]);
        assert_eq!(read_payload(BITS).expect("a set").vector(0), [1.0, 1.0]);
    }

    #[test]
    fn what_is_written_is_read() {
        for payload in [BYTES, PROJECTED, FLOATS, BITS] {
            let set = read_payload(payload).expect("a set");
            let once = written(set);
            assert_eq!(written(read_payload(&once).expect("a set")), once);
        }
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let body = &BYTES[..BYTES.len() - 10];
        for end in 0..body.len() {
            assert!(read_value(&mut &body[..end], &Limits::default()).is_none(), "{end}");
        }
        for (at, byte) in (1..body.len()).flat_map(|at| [(at, 0), (at, 1), (at, 7), (at, 0xff)]) {
            let mut damaged = body.to_vec();
            damaged[at] = byte;
            // Some change what nothing can be held against, such as a component; the others must not do harm.
            drop(read_value(&mut &damaged[..], &Limits::default()));
        }
    }
}
