//! A request that is kept.

use smallvec::SmallVec;

/// A request that outlives the buffer that it came in.
#[derive(Clone, Debug, Default)]
pub struct OwnedArgs {
    bytes: Vec<u8>,
    ends: SmallVec<[usize; 8]>,
}

impl OwnedArgs {
    /// Copies a request.
    pub fn new(args: &[&[u8]]) -> Self {
        let mut owned = OwnedArgs {
            bytes: Vec::with_capacity(args.iter().map(|arg| arg.len()).sum()),
            ..Self::default()
        };
        for arg in args {
            owned.bytes.extend_from_slice(arg);
            owned.ends.push(owned.bytes.len());
        }
        owned
    }

    /// Bytes that it occupies.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity()
    }

    /// The request.
    pub fn slices(&self) -> SmallVec<[&[u8]; 8]> {
        let mut start = 0;
        self.ends.iter().map(|&end| &self.bytes[std::mem::replace(&mut start, end)..end]).collect()
    }
}
