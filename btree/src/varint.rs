//! SQLite's variable-length integers: one to nine bytes, big-endian, seven bits a byte.
//!
//! The ninth byte carries eight bits, so that every `u64` fits. Lengths, rowids and serial types
//! are all written so; see "Varint" in the file format.
//!
//! Invariants:
//! 1. Reading never looks beyond the slice, nor beyond nine bytes.
//! 2. `read(write(v)) == (v, len(v))`, and `len` is what stock SQLite would use.

/// The longest encoding, in bytes.
pub const MAX_LEN: usize = 9;

/// Reads one varint at the start of `bytes`: its value and its length in bytes, or `None` if the
/// slice ends inside it.
#[inline]
pub fn read(bytes: &[u8]) -> Option<(u64, usize)> {
    match *bytes {
        [a, ..] if a < 0x80 => Some((u64::from(a), 1)),
        [a, b, ..] if b < 0x80 => Some((u64::from(a & 0x7f) << 7 | u64::from(b), 2)),
        // Rowids up to two million.
        [a, b, c, ..] if c < 0x80 => {
            Some((u64::from(a & 0x7f) << 14 | u64::from(b & 0x7f) << 7 | u64::from(c), 3))
        }
        _ => read_long(bytes),
    }
}

fn read_long(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().take(MAX_LEN - 1).enumerate() {
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Some((value, i + 1));
        }
    }
    let last = *bytes.get(MAX_LEN - 1)?;
    Some((value << 8 | u64::from(last), MAX_LEN))
}

/// Bytes that `value` takes.
#[inline]
pub fn len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    if bits > 56 { MAX_LEN } else { bits.div_ceil(7) }
}

/// Writes `value` at the start of `out` and returns its length in bytes.
#[inline]
pub fn write(value: u64, out: &mut [u8; MAX_LEN]) -> usize {
    let n = len(value);
    if n == MAX_LEN {
        let mut rest = value >> 8;
        out[8] = value as u8;
        for byte in out[..8].iter_mut().rev() {
            *byte = rest as u8 & 0x7f | 0x80;
            rest >>= 7;
        }
    } else {
        let mut rest = value;
        for byte in out[..n].iter_mut().rev() {
            *byte = rest as u8 & 0x7f | 0x80;
            rest >>= 7;
        }
        out[n - 1] &= 0x7f;
    }
    n
}

/// Appends `value` to `out`.
#[inline]
pub fn push(value: u64, out: &mut Vec<u8>) {
    if value < 0x80 {
        out.push(value as u8);
    } else {
        let mut bytes = [0; MAX_LEN];
        let n = write(value, &mut bytes);
        out.extend_from_slice(&bytes[..n]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Invariant 2, at every boundary of length.
    #[test]
    fn every_length_comes_back() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift) - 1, (1u64 << shift) + 1, !0 >> shift] {
                let mut out = Vec::new();
                push(value, &mut out);
                assert_eq!(out.len(), len(value), "{value:#x}");
                assert_eq!(read(&out), Some((value, out.len())), "{value:#x}");
                for cut in 0..out.len() {
                    assert_eq!(read(&out[..cut]), None, "{value:#x} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn known_bytes() {
        let mut out = [0; MAX_LEN];
        assert_eq!(write(0x80, &mut out), 2);
        assert_eq!(out[..2], [0x81, 0x00]);
        assert_eq!(write(u64::MAX, &mut out), 9);
        assert_eq!(out, [0xff; 9]);
        // A longer form than needed is read all the same, as stock SQLite does.
        assert_eq!(read(&[0x80, 0x80, 0x05]), Some((5, 3)));
    }
}
