//! Arguments to call functions with.

use heddle_value::Value;

/// Values that have once been a trouble to somebody.
pub(crate) fn corners() -> Vec<Value> {
    let mut values = vec![Value::Null];
    values.extend(
        [
            0,
            1,
            -1,
            2,
            3,
            5,
            7,
            -8,
            30,
            31,
            64,
            255,
            1_000_000,
            (1 << 53) + 1,
            i64::MAX,
            i64::MIN,
            i64::MIN + 1,
        ]
        .map(Value::Integer),
    );
    values.extend(
        [
            0.0,
            0.5,
            -0.5,
            0.49999999999999994,
            1.5,
            2.5,
            -2.5,
            0.1,
            1.005,
            123456789.125,
            -7.9,
            1e-5,
            1e15,
            4503599627370497.5,
            1e100,
            -1e308,
            5e-324,
            9223372036854775807.0,
            -9223372036854775808.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ]
        .map(Value::Real),
    );
    values.extend(texts().iter().map(Value::text));
    let blobs: &[&[u8]] =
        &[b"", b"12", b"1.5x", b"abc", b"a", b"\x00\x01", b"\xff", b"\x80\x80a\x80", b"c\xc3\xa9d"];
    values.extend(blobs.iter().map(Value::blob));
    values
}

/// Texts of all sorts, some of them no UTF-8.
pub(crate) fn texts() -> &'static [&'static [u8]] {
    &[
        b"",
        b" ",
        b"a",
        b"A",
        b"abc",
        b"aabca",
        b" abc  ",
        b"0",
        b"1",
        b"-1",
        b" 12 ",
        b"12x",
        b"1.5",
        b"-2.5",
        b"1e5",
        b"1e400",
        b"0x10",
        b"9223372036854775807",
        b"9223372036854775808",
        b"-9223372036854775808",
        b"12\x00",
        b"\x0012",
        b"ab\x00cd",
        b"it's \"so\"",
        b"tab\there\\n",
        b"\\0041",
        b"\\u00e9\\+01F600\\U0000263a\\\\",
        b"\\u00g1",
        b"\\",
        b"\\d800\\U00110000",
        b"\xff\xfe",
        b"\xc3\xa9",
        b"caf\xc3\xa9 \xe2\x82\xac\xf0\x9f\x98\x80",
        b"\x80\x80\x80",
        b"a\x80\x80b\xbfc",
        b"\xc3",
        b"\xe2\x82",
        b"\xf8\x88\x80\x80\x80z",
        b"\xef\xbf\xbf\xef\xbf\xbe",
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"Robert",
        b"Tymczak",
        b"Pfister",
        b"414243",
        b"4142 43",
        b"41-42",
        b"4g",
        b"%",
        b"a%",
        b"_b_",
        b"*b*",
        b"[a-c]?c",
    ]
}

/// A source of numbers that are the same at each run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A real of any size, often a plain one.
    pub(crate) fn real(&mut self) -> f64 {
        match self.below(4) {
            0 => {
                let real = f64::from_bits(self.roll());
                if real.is_nan() { 0.25 } else { real }
            }
            1 => (self.roll() % 2_000_000) as f64 / 1000.0 - 1000.0,
            2 => (self.roll() as i64 as f64) / 1e9,
            _ => (self.roll() % 100) as f64 / 8.0,
        }
    }
}
