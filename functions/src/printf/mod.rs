//! `printf` and `format`: values as text after a pattern.
//!
//! - [`directive`]: one `%...` of a pattern. [`integer`], [`real`], [`text`]: what it makes of a value.
//!
//! # Invariants
//! - F1: an argument that is missing counts as NULL, and NULL as 0 or as an empty text.
//! - F2: the text ends before the first directive that means nothing.
//! - F3: no width or precision asks for memory before its length is checked against the limit.

mod directive;
mod integer;
mod real;
mod text;

use heddle_value::utf8::until_nul;
use heddle_value::{Collation, Text, Value};

use crate::arguments::{check_length, text_argument, text_of, text_result};
use crate::{FunctionError, Result, ScalarFunction, Surroundings};

use directive::Directive;

/// `format` and `printf`, its older name.
pub(crate) const SCALARS: &[ScalarFunction] = &[
    ScalarFunction::new("format", 0, None, format),
    ScalarFunction::new("printf", 0, None, format),
];

/// The values that directives take one after another.
struct Arguments<'a> {
    rest: std::slice::Iter<'a, Value>,
}

impl Arguments<'_> {
    fn integer(&mut self) -> i64 {
        self.rest.next().map_or(0, Value::as_integer_lossy)
    }

    fn real(&mut self) -> f64 {
        self.rest.next().map_or(0.0, Value::as_real_lossy)
    }

    fn text(&mut self) -> Option<Text> {
        self.rest.next().and_then(text_of)
    }
}

/// The text so far, and how long it may become.
struct Output {
    text: Vec<u8>,
    most: usize,
}

impl Output {
    /// Makes sure that so many more bytes are allowed (F3).
    fn reserve(&self, more: usize) -> Result<()> {
        if self.text.len().saturating_add(more) > self.most {
            return Err(FunctionError::TooBig);
        }
        Ok(())
    }

    fn repeat(&mut self, byte: u8, count: usize) -> Result<()> {
        self.reserve(count)?;
        self.text.extend(std::iter::repeat_n(byte, count));
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.reserve(bytes.len())?;
        self.text.extend(bytes);
        Ok(())
    }

    /// `bytes` and spaces around them that make it `width` bytes.
    fn padded(&mut self, bytes: &[u8], width: usize, left: bool) -> Result<()> {
        let spaces = width.saturating_sub(bytes.len());
        if !left {
            self.repeat(b' ', spaces)?;
        }
        self.push(bytes)?;
        if left {
            self.repeat(b' ', spaces)?;
        }
        Ok(())
    }
}

/// `format(PATTERN, ...)`.
fn format(around: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    let Some(pattern) = text_argument(args, 0) else { return Ok(Value::Null) };
    let arguments = args.get(1..).unwrap_or_default();
    let text = render(around, until_nul(pattern.as_bytes()), arguments)?;
    text_result(around, text)
}

/// The text that a pattern without NUL makes of these values.
pub(crate) fn render(around: &dyn Surroundings, pattern: &[u8], args: &[Value]) -> Result<Vec<u8>> {
    let mut arguments = Arguments { rest: args.iter() };
    let mut output = Output { text: Vec::new(), most: around.max_length() };
    let mut rest = pattern;
    while let Some(percent) = rest.iter().position(|&b| b == b'%') {
        let (before, after) = rest.split_at(percent);
        output.push(before)?;
        rest = after.get(1..).unwrap_or_default();
        if rest.is_empty() {
            output.push(b"%")?;
            break;
        }
        let (directive, after) = Directive::read(rest, &mut arguments);
        rest = after;
        if !convert(&directive, &mut arguments, &mut output)? {
            return Ok(output.text);
        }
    }
    output.push(rest)?;
    check_length(around, output.text.len())?;
    Ok(output.text)
}

/// Appends what a directive means; `false` if it means nothing (F2).
fn convert(
    directive: &Directive,
    arguments: &mut Arguments<'_>,
    output: &mut Output,
) -> Result<bool> {
    match directive.conversion {
        b'd' | b'i' | b'u' | b'x' | b'X' | b'o' | b'p' | b'r' => {
            integer::convert(directive, arguments.integer(), output)?;
        }
        b'f' | b'e' | b'E' | b'g' | b'G' => {
            real::convert(directive, arguments.real(), output)?;
        }
        b's' | b'z' => text::plain(directive, arguments.text(), output)?,
        b'c' => text::character(directive, arguments.text(), output)?,
        b'q' | b'Q' | b'w' => text::quoted(directive, arguments.text(), output)?,
        b'j' | b'J' => text::json(directive, arguments.text(), output)?,
        b'%' => output.padded(b"%", directive.width, directive.left)?,
        // C's "how many so far" has nowhere to go.
        b'n' => {}
        _ => return Ok(false),
    }
    Ok(true)
}
