//! One directive of a pattern: `%`, flags, width, precision and the letter of a conversion.

use super::Arguments;

/// What a directive asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Directive {
    /// `-`, or a negative width: to the left of its field.
    pub(super) left: bool,
    /// `+` or a space: stands before numbers that are not negative.
    pub(super) sign: Option<u8>,
    /// `#`.
    pub(super) alternate: bool,
    /// `!`.
    pub(super) bang: bool,
    /// `0`.
    pub(super) zeros: bool,
    /// `,`: between groups of three digits.
    pub(super) thousands: bool,
    pub(super) width: usize,
    pub(super) precision: Option<usize>,
    /// The letter; 0 if the pattern ends before it.
    pub(super) conversion: u8,
}

/// The largest width and precision: what is written is cut to 31 bits.
const MASK: u32 = 0x7fff_ffff;

fn first(text: &[u8]) -> u8 {
    text.first().copied().unwrap_or(0)
}

fn advance(text: &mut &[u8]) -> u8 {
    *text = text.get(1..).unwrap_or_default();
    first(text)
}

/// The digits that begin here; what comes after them is next.
fn number(text: &mut &[u8]) -> usize {
    let mut number = 0_u32;
    while first(text).is_ascii_digit() {
        number = number.wrapping_mul(10).wrapping_add(u32::from(first(text) - b'0'));
        advance(text);
    }
    (number & MASK) as usize
}

impl Directive {
    /// The directive behind a `%`, and what comes after it. `*` takes an argument.
    pub(super) fn read<'a>(
        mut text: &'a [u8],
        arguments: &mut Arguments<'_>,
    ) -> (Directive, &'a [u8]) {
        let mut directive = Directive::default();
        while directive.take(&mut text, arguments) {}
        directive.conversion = first(text);
        (directive, text.get(1..).unwrap_or_default())
    }

    /// Takes a flag, a width, a precision or a C size; `false` at the letter. After a width only a precision or a size can come, after
    /// those only the letter.
    fn take(&mut self, text: &mut &[u8], arguments: &mut Arguments<'_>) -> bool {
        match first(text) {
            b'-' => self.left = true,
            b'+' => self.sign = Some(b'+'),
            b' ' => self.sign = Some(b' '),
            b'#' => self.alternate = true,
            b'!' => self.bang = true,
            b'0' => self.zeros = true,
            b',' => self.thousands = true,
            b'l' => {
                if advance(text) == b'l' {
                    advance(text);
                }
                return false;
            }
            b'1'..=b'9' => {
                self.width = number(text);
                return matches!(first(text), b'.' | b'l');
            }
            b'*' => {
                // C's int.
                let width = arguments.integer() as i32;
                self.left |= width < 0;
                self.width = if width == i32::MIN { 0 } else { width.unsigned_abs() as usize };
                return matches!(advance(text), b'.' | b'l');
            }
            b'.' => {
                self.precision(text, arguments);
                return first(text) == b'l';
            }
            _ => return false,
        }
        advance(text);
        true
    }

    fn precision(&mut self, text: &mut &[u8], arguments: &mut Arguments<'_>) {
        if advance(text) == b'*' {
            let precision = arguments.integer() as i32;
            self.precision = (precision != i32::MIN).then_some(precision.unsigned_abs() as usize);
            advance(text);
        } else {
            self.precision = Some(number(text));
        }
    }
}
