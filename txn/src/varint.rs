//! Unsigned LEB128 numbers, as the redo record writes its lengths and identifiers.
//!
//! Not SQLite's varint (which is big-endian): the record never leaves our log.
//!
//! # Invariants
//! - V1: one number has one encoding; a longer one is refused, so that records compare as bytes.

/// Appends `number`, 1 to 10 bytes.
#[inline]
pub(crate) fn write(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The number at the front of `input`, which is moved past it. `None` if `input` ends early, the
/// number does not fit in 64 bits, or it is not in its shortest form (V1).
#[inline]
pub(crate) fn read(input: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for (at, &byte) in input.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return None;
        }
        number |= bits << (7 * at);
        if byte & 0x80 == 0 {
            if byte == 0 && at > 0 {
                return None;
            }
            *input = input.get(at + 1..)?;
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn v1_longer_forms_are_refused() {
        for bad in [&[0x80, 0x00][..], &[0xff, 0x80, 0x00], &[0x80], &[], &[0xff; 10]] {
            assert_eq!(read(&mut &*bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(number: u64, tail: Vec<u8>) {
            let mut out = Vec::new();
            write(&mut out, number);
            out.extend_from_slice(&tail);
            let mut input = &out[..];
            prop_assert_eq!(read(&mut input), Some(number));
            prop_assert_eq!(input, &tail[..]);
        }
    }
}
