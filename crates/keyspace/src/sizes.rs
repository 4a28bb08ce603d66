//! The sizes in which allocators serve requests.

/// The least size at or above `bytes` that jemalloc (and others much the same) serves: a multiple of 16 up to 128, then a
/// fourth, two, three or four fourths more than a power of two.
#[inline]
pub(crate) fn served(bytes: usize) -> usize {
    let step = if bytes <= 128 { 16 } else { (1 << (bytes - 1).ilog2()) / 4 };
    // A power of two, but the compiler would divide.
    (bytes + step - 1) & !(step - 1)
}

#[cfg(test)]
mod tests {
    use super::served;

    #[test]
    fn sizes_are_those_of_jemalloc() {
        for (bytes, size) in [
            (1, 16),
            (16, 16),
            (17, 32),
            (33, 48),
            (113, 128),
            (128, 128),
            (129, 160),
            (160, 160),
            (161, 192),
            (225, 256),
            (256, 256),
            (257, 320),
            (513, 640),
            (4097, 5120),
            (14_337, 16_384),
        ] {
            assert_eq!(served(bytes), size, "{bytes}");
        }
    }
}
