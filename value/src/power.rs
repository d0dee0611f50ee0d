//! Powers of ten, as precise as SQLite has them when it writes reals.
//!
//! # Invariants
//! - T1: a power is kept with its highest 64 bits, the first of them set. Those from 10^0 to 10^26 are exact, up to 10^27 with all bits.
//! - T2: another is the product of an exact one and of a power of 10^27 rounded to 96 bits, cut. Only 10^-1 is cut itself.
//!
//! The last of the bits decides the 17th digit of some reals far from one, so both are as in SQLite.

/// The exponents that there are powers for.
const EXPONENTS: std::ops::RangeInclusive<i32> = -351..=350;

/// 10^-351, 10^-324 and so on to 10^-27, with 96 bits.
const SMALL: [u128; 13] = [
    0x8049a4ac_0c5811ae_205b896d,
    0xcf42894a_5dce35ea_52064cad,
    0xa76c5823_38ed2621_af2af2b8,
    0x873e4f75_e2224e68_5a7744a7,
    0xda7f5bf5_90966848_af39a475,
    0xb080392c_c4349dec_bd8d794e,
    0x8e938662_882af53e_547eb47b,
    0xe65829b3_046b0afa_0cb4a5a3,
    0xba121a46_50e4ddeb_92f34d62,
    0x964e858c_91ba2655_3a6a07f9,
    0xf2d56790_ab41c2a2_fae27299,
    0xc428d05a_a4751e4c_aa97e14c,
    0x9e74d1b7_91e07e48_775ea265,
];

/// 10^27, 10^54 and so on to 10^324, with 96 bits.
const LARGE: [u128; 12] = [
    0xcecb8f27_f4200f3a_00000000,
    0xa70c3c40_a64e6c51_999090b6,
    0x86f0ac99_b4e8dafd_69a028bb,
    0xda01ee64_1a708de9_e80e6f48,
    0xb01ae745_b101e9e4_5ec05dd0,
    0x8e41ade9_fbebc27d_14588f14,
    0xe5d3ef28_2a242e81_8f1668c9,
    0xb9a74a06_37ce2ee1_6d953e2c,
    0x95f83d0a_1fb69cd9_4abdaf10,
    0xf24a01a7_3cf2dccf_bc633b39,
    0xc3b83581_09e84f07_0a862f81,
    0x9e19db92_b4e31ba9_6c07a2c2,
];

/// The highest 64 bits of `10^exponent`; an exponent out of range is taken for the nearest in it.
pub(crate) fn power_of_ten(exponent: i32) -> u64 {
    let exponent = exponent.clamp(*EXPONENTS.start(), *EXPONENTS.end());
    if exponent == -1 {
        return 0xcccc_cccc_cccc_cccc;
    }
    let (scale, rest) = (exponent.div_euclid(27), exponent.rem_euclid(27));
    let table =
        if scale < 0 { SMALL.get((scale + 13) as usize) } else { LARGE.get((scale - 1) as usize) };
    let exact = exact(rest as u32);
    // With none it is 10^0.
    let Some(&scale) = table else { return exact };
    if rest == 0 {
        return (scale >> 32) as u64;
    }
    let (high, low) = (scale >> 32, scale & 0xffff_ffff);
    let product = high * u128::from(exact) + ((low * u128::from(exact)) >> 32);
    // One bit short where the product of the mantissas is below two.
    (product << product.leading_zeros() >> 64) as u64
}

/// The bits of an exact power.
fn exact(exponent: u32) -> u64 {
    let power = 10_u128.pow(exponent);
    (power << power.leading_zeros() >> 64) as u64
}

/// The binary exponent of `10^exponent`, for exponents in the table.
pub(crate) fn binary_exponent(exponent: i32) -> i32 {
    (exponent * 108_853) >> 15
}

/// The largest power of ten not above `2^exponent`.
pub(crate) fn decimal_exponent(exponent: i32) -> i32 {
    (exponent * 78_913) >> 18
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `value * 10^27`, in words from the lowest.
    fn times_scale(value: &[u32]) -> Vec<u32> {
        let mut value = value.to_vec();
        for _ in 0..3 {
            let mut carry = 0;
            for word in &mut value {
                carry += u64::from(*word) * 1_000_000_000;
                *word = carry as u32;
                carry >>= 32;
            }
            value.push(carry as u32);
        }
        while value.last() == Some(&0) {
            value.pop();
        }
        value
    }

    /// The highest `bits` bits and whether the next one is set.
    fn highest(value: &[u32], bits: usize) -> (u128, bool) {
        let all: Vec<bool> =
            value.iter().rev().flat_map(|w| (0..32).rev().map(move |b| w >> b & 1 == 1)).collect();
        let first = all.iter().position(|b| *b).unwrap_or(0);
        let bit = |i: usize| all.get(first + i).copied().unwrap_or(false);
        ((0..bits).fold(0, |sum, i| sum << 1 | u128::from(bit(i))), bit(bits))
    }

    #[test]
    fn t2_large_scales_are_rounded() {
        let mut value = vec![1];
        for scale in LARGE {
            value = times_scale(&value);
            let (bits, next) = highest(&value, 96);
            assert_eq!(scale, bits + u128::from(next));
        }
    }

    #[test]
    fn t2_small_scales_are_the_inverse_of_large_powers() {
        let mut value = vec![1];
        for scale in SMALL.iter().rev() {
            value = times_scale(&value);
            // The product of both mantissas is a power of two but for the rounding of 96 bits.
            let (bits, _) = highest(&value, 127);
            let high = (bits >> 64) * (scale >> 32);
            let rest = (((bits & u128::from(u64::MAX)) * (scale >> 32)) >> 64)
                + (((bits >> 64) * (scale & 0xffff_ffff)) >> 32);
            let product = high + rest;
            let above = product.next_power_of_two();
            let off = (above - product).min(product - above / 2);
            assert!(off < 1 << 32, "{scale:x}: {product:x}");
        }
    }

    #[test]
    fn t1_the_first_bit_is_set() {
        for exponent in EXPONENTS {
            assert!(power_of_ten(exponent) >> 63 == 1, "{exponent}");
        }
        assert_eq!(power_of_ten(0), 1 << 63);
        assert_eq!(power_of_ten(3), 1000 << 54);
    }
}
