//! A real's decimal digits, as SQLite makes them.
//!
//! Used by [`crate::number`] for text and by `printf`, whose precisions they carry.
//!
//! # Invariants
//! - D1: SQLite's digits are not those of correctly rounded printing. It first rounds to a whole number of 18 digits (19 where
//!   a power of ten lies inside the binade, above that power), halves up, and rounds that once more to the digits asked for. Asked for
//!   fewer than 17 in all, it first cuts behind the one after them; where it divides for that, what it cuts is a little too small, so
//!   that there halves go down.
//! - D2: at 17 digits, when after the first rounding digits 15 and 16 are `99`, or 14 to 16 are `000`, and the number that 14
//!   digits, rounded up, or 13 would leave reads back as the same real, that one is taken. So 0.1 and 0.3 keep their looks.
//! - D3: the first rounding is exact here. In SQLite it is so between about 1e-10 and 1e+20; farther out its product is
//!   off by some hundredths of the last digit, which can show in the 17th digit.

use std::fmt::Write as _;

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
    pub const MAX: usize = 24;

    const ZERO: Decimal = Decimal { digits: [0; Decimal::MAX], len: 0, point: 1 };

    /// The digits of the absolute value of a finite real, at most `most` of them.
    pub fn of(real: f64, keep: Keep, most: usize) -> Decimal {
        let real = real.abs();
        if real == 0.0 || !real.is_finite() {
            return Decimal::ZERO;
        }
        let mut all = match keep {
            Keep::Digits(digits) if digits < 17 => first_cut(real, digits + 1),
            _ => first_rounding(real),
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

/// The whole number of 18 or 19 digits that SQLite rounds to first (D1).
fn first_rounding(real: f64) -> Decimal {
    let bits = real.to_bits();
    let below = power_below(real);
    let mut decimal = Decimal::ZERO;
    for count in [19, 18] {
        decimal = printed(real, count);
        if count == 18 || i64::from(decimal.point) - 1 > below {
            break;
        }
    }
    // Binary places behind the point are as many decimal ones, of which the last is a 5. With one digit too many it was a tie, which
    // printing resolves to the even side.
    let zeros = (bits | 1 << 52).trailing_zeros().min(52);
    let places = (1075 - ((bits >> 52) & 0x7ff).max(1) as i64) - i64::from(zeros);
    if places > 0 && places + i64::from(decimal.point) == i64::from(decimal.len) + 1 {
        let mut exact = printed(real, usize::from(decimal.len) + 1);
        exact.round(i64::from(decimal.len));
        return exact;
    }
    decimal
}

/// The power of ten below the binade that a real is in.
fn power_below(real: f64) -> i64 {
    // The binary exponent; a subnormal's is that of its highest bit.
    let bits = real.to_bits();
    let exponent = match (bits >> 52) & 0x7ff {
        0 => 63 - i64::from(bits.leading_zeros()) - 1074,
        biased => biased as i64 - 1023,
    };
    (exponent * 78_913) >> 18
}

/// The first digits, without rounding (D1).
fn first_cut(real: f64, count: usize) -> Decimal {
    let mut decimal = printed(real, Decimal::MAX);
    if power_below(real) >= count as i64
        && let Some((last, rest)) =
            decimal.digits.get_mut(count - 1..).and_then(<[u8]>::split_first_mut)
        && *last == b'5'
        && rest.iter().all(|d| *d == b'0')
    {
        *last = b'4';
    }
    decimal.len = decimal.len.min(count as u8);
    decimal
}

/// So many digits, at most [`Decimal::MAX`], rounded correctly.
fn printed(real: f64, count: usize) -> Decimal {
    let mut buffer = Buffer { bytes: [0; 40], len: 0 };
    let mut decimal = Decimal::ZERO;
    if write!(buffer, "{real:.*e}", count.clamp(1, Decimal::MAX) - 1).is_err() {
        return decimal;
    }
    let text = buffer.bytes.get(..buffer.len).unwrap_or_default();
    let mut parts = text.splitn(2, |&b| b == b'e');
    let digits = parts.next().unwrap_or_default();
    let ten = parts.next().and_then(|e| std::str::from_utf8(e).ok()?.parse::<i64>().ok());
    decimal.point = ten.unwrap_or(0) as i32 + 1;
    for digit in digits.iter().filter(|d| d.is_ascii_digit()) {
        if let Some(place) = decimal.digits.get_mut(usize::from(decimal.len)) {
            *place = *digit;
            decimal.len += 1;
        }
    }
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
