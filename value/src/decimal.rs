//! A real's decimal digits, as SQLite makes them.
//!
//! Used by [`crate::number`] for text and by `printf`, whose precisions they carry.
//!
//! # Invariants
//! - D1: SQLite's digits are not those of correctly rounded printing. It first makes a whole number of 18 digits (19 where a power
//!   of ten lies inside the binade, above that power) with one multiplication by a power of ten that has 64 bits, and rounds that
//!   once more to the digits asked for, halves up. Asked for fewer than 17 in all, it makes only one digit more than those, and cuts.
//! - D2: at 17 digits, when after that digits 15 and 16 are `99`, or 14 to 16 are `000`, and the number that 14 digits, rounded up, or
//!   13 would leave reads back as the same real, that one is taken. So 0.1 and 0.3 keep their looks.

use std::fmt::Write as _;

use crate::power::{binary_exponent, decimal_exponent, power_of_ten};

/// Decimal digits without zeros at the end: `0.d1d2d3.. * 10^point`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    digits: [u8; Decimal::MAX],
    len: u8,
    /// Where the decimal point stands, counted from before the first digit.
    pub point: i32,
}

/// How many digits to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// So many in all.
    Digits(usize),
    /// So many after the decimal point.
    Decimals(usize),
}

/// A text of numbers on the stack: Rust's own printing of a real goes here.
struct Buffer {
    bytes: [u8; 40],
    len: usize,
}

impl std::fmt::Write for Buffer {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        let room = self.bytes.get_mut(self.len..self.len + s.len()).ok_or(std::fmt::Error)?;
        room.copy_from_slice(s.as_bytes());
        self.len += s.len();
        Ok(())
    }
}

impl Decimal {
    /// The most digits there can be.
    pub const MAX: usize = 20;

    const ZERO: Decimal = Decimal { digits: [0; Decimal::MAX], len: 0, point: 1 };

    /// The digits of the absolute value of a finite real, at most `most` of them.
    pub fn of(real: f64, keep: Keep, most: usize) -> Decimal {
        let real = real.abs();
        if real == 0.0 || !real.is_finite() {
            return Decimal::ZERO;
        }
        let mut all = match keep {
            Keep::Digits(digits @ 1..17) => first_digits(real, digits as i32 + 1),
            _ => first_digits(real, LONG),
        };
        let wanted = match keep {
            Keep::Digits(digits) => digits as i64,
            Keep::Decimals(decimals) => i64::from(all.point) + decimals.min(1 << 30) as i64,
        };
        let wanted = wanted.min(most as i64);
        let shorter = if wanted == 17 { all.shorter(real) } else { None };
        match shorter {
            Some(shorter) => all = shorter,
            None => all.round(wanted),
        }
        all.trim();
        if all.len == 0 { Decimal::ZERO } else { all }
    }

    /// Its digits as ASCII; none for zero.
    pub fn digits(&self) -> &[u8] {
        self.digits.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Leaves `count` digits, rounding halves up (D1).
    fn round(&mut self, count: i64) {
        if count >= i64::from(self.len) {
            return;
        }
        if count < 0 {
            self.len = 0;
            return;
        }
        let count = count as usize;
        let up = self.digits.get(count).is_some_and(|&d| d >= b'5');
        self.len = count as u8;
        if up {
            self.increment();
        }
    }

    /// Adds one to the last digit.
    fn increment(&mut self) {
        let len = usize::from(self.len);
        for digit in self.digits.iter_mut().take(len).rev() {
            if *digit != b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
        // All nines, or no digit at all: a one before them.
        if let Some(first) = self.digits.first_mut() {
            *first = b'1';
        }
        self.len = self.len.max(1);
        self.point += 1;
    }

    /// The number of 13 or 14 digits beside this one if it is the same real (D2).
    fn shorter(&self, real: f64) -> Option<Decimal> {
        let (len, up) = match self.digits().get(13..16)? {
            [_, b'9', b'9'] => (14, true),
            [b'0', b'0', b'0'] => (13, false),
            _ => return None,
        };
        let mut shorter = *self;
        shorter.len = len;
        if up {
            shorter.increment();
        }
        (shorter.value() == real).then_some(shorter)
    }

    fn value(&self) -> f64 {
        let mantissa = self.digits().iter().fold(0, |sum, d| sum * 10 + u64::from(d - b'0'));
        scale(mantissa, i64::from(self.point) - i64::from(self.len))
    }

    fn trim(&mut self) {
        while self.digits().last() == Some(&b'0') {
            self.len -= 1;
        }
    }
}

/// The digits that are not cut but rounded.
const LONG: i32 = 18;

/// So many digits, or one more, as SQLite makes them first (D1).
fn first_digits(real: f64, count: i32) -> Decimal {
    // The real is `mantissa * 2^exponent`, with the highest bit of the mantissa set.
    let bits = real.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, exponent) = match ((bits >> 52) & 0x7ff) as i32 {
        0 => (fraction << fraction.leading_zeros(), -1074 - fraction.leading_zeros() as i32),
        biased => ((1 << 63) | (fraction << 11), biased - 1086),
    };
    let power = count - 1 - decimal_exponent(exponent + 63);
    let product = (u128::from(mantissa) * u128::from(power_of_ten(power))) >> 64;
    let surplus = -(exponent + binary_exponent(power) + 1);
    let whole = if count == LONG {
        ((product >> (surplus - 1).clamp(0, 63)) + 1) >> 1
    } else {
        product >> surplus.clamp(0, 63)
    };
    let mut decimal = Decimal::ZERO;
    let mut whole = whole as u64;
    for place in (0..Decimal::MAX).rev() {
        if let Some(digit) = decimal.digits.get_mut(place) {
            *digit = b'0' + (whole % 10) as u8;
        }
        whole /= 10;
    }
    let zeros = decimal.digits.iter().take_while(|d| **d == b'0').count();
    decimal.digits.rotate_left(zeros % Decimal::MAX);
    decimal.len = (Decimal::MAX - zeros) as u8;
    decimal.point = i32::from(decimal.len) - power;
    decimal
}

/// `mantissa * 10^exponent`, correctly rounded.
pub(crate) fn scale(mantissa: u64, exponent: i64) -> f64 {
    const EXACT: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ];
    if mantissa == 0 {
        return 0.0;
    }
    // Both factors are exact, so that one rounding is the right one.
    if mantissa < 1 << 53
        && let Some(power) = EXACT.get(exponent.unsigned_abs() as usize)
    {
        let mantissa = mantissa as f64;
        return if exponent < 0 { mantissa / power } else { mantissa * power };
    }
    let mut buffer = Buffer { bytes: [0; 40], len: 0 };
    if write!(buffer, "{mantissa}e{}", exponent.clamp(-100_000, 100_000)).is_err() {
        return 0.0;
    }
    let text = buffer.bytes.get(..buffer.len).unwrap_or_default();
    std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()).unwrap_or(0.0)
}
