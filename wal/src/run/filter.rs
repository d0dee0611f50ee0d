//! A block's filter: which keys it certainly lacks, for ten bits a key.
//!
//! Built by [`super::writer`], asked by [`super::index`]. One filter a block rather than one a file: its
//! memory while it is built is that of one block, and it is found by the fences, which are needed
//! anyway.
//!
//! # Invariants
//! - B1: a key that was put in is never denied.
//! - B2: the hash is part of the format (`docs/format.md`, "Run files").

/// Bits a key.
const BITS: usize = 10;
/// Bits set by a key. The best number for ten bits a key is seven; six cost less and tell as much within
/// a tenth of a percent.
const PROBES: u32 = 6;

/// Half of a key's hash: what a writer keeps until the block's number of keys is known.
pub(super) fn digest(key: &[u8]) -> u32 {
    crc32c::crc32c(key)
}

/// Appends the filter of these keys.
pub(super) fn build(digests: &[u32], out: &mut Vec<u8>) {
    let start = out.len();
    let bytes = (digests.len() * BITS).div_ceil(8).max(8);
    out.resize(start + bytes, 0);
    let Some(filter) = out.get_mut(start..) else { return };
    for digest in digests {
        for bit in probes(*digest, bytes) {
            if let Some(byte) = filter.get_mut(bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        }
    }
}

/// Whether the key may be among those that the filter was built of. An empty filter knows nothing.
pub(super) fn may_contain(filter: &[u8], digest: u32) -> bool {
    filter.is_empty()
        || probes(digest, filter.len())
            .all(|bit| filter.get(bit / 8).is_some_and(|byte| byte & 1 << (bit % 8) != 0))
}

/// The bits of a key in a filter of so many bytes. A checksum is linear, so it is mixed (the finisher of
/// splitmix64) before it serves as two hashes.
fn probes(digest: u32, bytes: usize) -> impl Iterator<Item = usize> {
    let mut mixed = u64::from(digest).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let (first, step) = (mixed as u32, (mixed >> 32) as u32 | 1);
    let bits = bytes as u64 * 8;
    (0..PROBES).map(move |n| {
        let hash = first.wrapping_add(step.wrapping_mul(n));
        ((u64::from(hash) * bits) >> 32) as usize
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b1_what_was_put_in_is_never_denied_and_most_else_is() {
        for keys in [1_u64, 10, 300, 3000] {
            let digests: Vec<u32> = (0..keys).map(|key| digest(&key.to_be_bytes())).collect();
            let mut filter = Vec::new();
            build(&digests, &mut filter);
            assert!(digests.iter().all(|digest| may_contain(&filter, *digest)));
            let others = keys..keys + 10_000;
            let passed = others.filter(|key| may_contain(&filter, digest(&key.to_be_bytes())));
            assert!(passed.count() < 200, "of 10,000 absent keys, beside {keys}");
        }
    }
}
