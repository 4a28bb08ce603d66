//! The nodes that Redis divides a list into, after `list-max-listpack-size`.

use perigee_keyspace::List;
use perigee_keyspace::listpack::Listpack;

/// When a node is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLimits {
    /// `list-max-listpack-size`: how many elements a node has at most; negative: -1 to -5 stand for 4 to 64 KB.
    pub fill: i32,
    /// An element of so many bytes is a node of its own.
    pub plain_from: usize,
}

impl Default for NodeLimits {
    fn default() -> Self {
        NodeLimits { fill: -2, plain_from: 1 << 30 }
    }
}

impl NodeLimits {
    /// Whether an element still finds room in a node of so many bytes and elements.
    fn have_room(self, bytes: usize, count: usize, element: usize) -> bool {
        let bytes = bytes + element + ELEMENT_OVERHEAD;
        match self.fill {
            ..0 => bytes <= BYTES[(self.fill.unsigned_abs() as usize).min(BYTES.len()) - 1],
            most => bytes <= SAFE_BYTES && count < (most as usize).min(MOST_ELEMENTS),
        }
    }
}

/// What -1 to -5 stand for; everything below does as the last.
const BYTES: [usize; 5] = [4096, 8192, 16384, 32768, 65536];
/// What a node holds at most whose elements are counted.
const SAFE_BYTES: usize = 8192;
const MOST_ELEMENTS: usize = (1 << 15) - 1;
/// What Redis reckons with for an element beside its bytes.
const ELEMENT_OVERHEAD: usize = 8;

/// A node.
pub(crate) enum Node<'a> {
    /// One large element.
    Plain(&'a [u8]),
    /// The bytes of a listpack.
    Packed(Vec<u8>),
}

/// Calls `visit` with the nodes as they are when elements are only added at the end.
pub(crate) fn for_each_node(list: &List, limits: NodeLimits, mut visit: impl FnMut(Node<'_>)) {
    let mut node = Listpack::default();
    let mut count = 0;
    for element in list.iter() {
        let plain = element.len() >= limits.plain_from;
        if count > 0 && (plain || !limits.have_room(node.size(), count, element.len())) {
            visit(Node::Packed(std::mem::take(&mut node).finish()));
            count = 0;
        }
        if plain {
            visit(Node::Plain(element));
        } else {
            node.push(element);
            count += 1;
        }
    }
    if count > 0 {
        visit(Node::Packed(node.finish()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_full_after_bytes_or_elements() {
        let room =
            |fill, bytes, count| NodeLimits { fill, ..NodeLimits::default() }.have_room(bytes, count, 10);
        assert!(room(-2, 8192 - 18, 5000) && !room(-2, 8192 - 17, 1));
        assert!(room(-1, 4078, 1) && !room(-1, 4079, 1));
        assert!(room(-99, 65536 - 18, 1) && !room(-99, 65536 - 17, 1));
        assert!(room(3, 100, 2) && !room(3, 100, 3));
        assert!(room(100_000, 100, 32766) && !room(100_000, 100, 32767) && !room(100_000, 8175, 1));
        assert!(!room(0, 7, 0), "each element has a node of its own");
    }
}
