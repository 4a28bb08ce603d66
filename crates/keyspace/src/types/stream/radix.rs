//! How many nodes Redis's radix tree would have.

use super::StreamId;

/// The nodes of a radix tree, as Redis builds it, whose keys are these IDs, ascending, in 16 bytes each: what XINFO STREAM
/// calls `radix-tree-nodes`. There is no such tree here.
///
/// In that tree every key ends in a leaf, every place where keys part is a node, and what lies between two of these beyond the
/// one byte that chooses the branch is one node more. The root of an empty tree counts.
pub(super) fn nodes(ids: impl Iterator<Item = StreamId>) -> usize {
    const KEY: usize = 16;
    let mut count = 0;
    // The depths at which the keys so far part, on the path to the last one.
    let mut path: Vec<usize> = Vec::new();
    // The key before, and what it has in common with the one before that.
    let mut last: Option<([u8; KEY], Option<usize>)> = None;
    let mut add = |depth: usize, parent: Option<usize>| {
        count += 1 + usize::from(depth > parent.map_or(0, |parent| parent + 1));
    };
    let mut leave = |path: &mut Vec<usize>, common: Option<usize>| {
        while let Some(&depth) = path.last().filter(|&&depth| common.is_none_or(|common| depth > common)) {
            path.pop();
            add(depth, path.last().copied().max(common));
        }
    };
    let mut leaves = 0;
    let mut leaf = |parent: Option<usize>| {
        leaves += 1 + usize::from(parent.is_none_or(|parent| parent + 1 < KEY));
    };
    for key in ids.map(StreamId::to_be_bytes) {
        let common = last.map(|(before, _)| before.iter().zip(key).take_while(|(a, b)| **a == *b).count());
        if let Some(common) = common {
            leaf(last.and_then(|(_, before)| before).max(Some(common)));
            leave(&mut path, Some(common));
            if path.last() != Some(&common) {
                path.push(common);
            }
        }
        last = Some((key, common));
    }
    let Some((_, common)) = last else { return 1 };
    leaf(common);
    leave(&mut path, None);
    leaves + count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What redis-server 7.0.15 says of streams with one entry to a node.
    #[test]
    fn counts_as_redis_does() {
        let count = |ids: &[(u64, u64)]| nodes(ids.iter().map(|&(ms, seq)| StreamId { ms, seq }));
        assert_eq!(count(&[]), 1);
        assert_eq!(count(&[(826726605746716825, 549512532852)]), 2);
        assert_eq!(count(&[(20558, 26840671065), (53497, 305251622472)]), 6);
        assert_eq!(count(&[(2, 170), (4, 1), (458607562500303858, 1)]), 9);
        let five = [(0, 222), (0, 237), (40116, 1), (47530, 142), (41660896744821049, 826206471177)];
        assert_eq!(count(&five), 14);
        let mut many = vec![(3, 1), (3, 194), (4498, 581906587105), (40130, 1), (48889, 997038872410)];
        many.extend([(58954, 1), (60678, 177), (396205512165194761, 298), (411937445795477909, 6)]);
        many.extend([(547260949126825932, 177), (627904420988496740, 281), (1125618015082851068, 163)]);
        assert_eq!(count(&many), 28);
    }
}
