//! Texts: `%s`, `%z`, `%c`, the quoted `%q`, `%Q` and `%w`, and JSON's `%j` and `%J`.
//!
//! # Invariant
//! - X1: widths and precisions count bytes, with `!` characters. The precision counts what is taken of the argument, before quotes are
//!   doubled.

use heddle_value::Text;
use heddle_value::utf8::{char_len, until_nul};

use crate::core::quote::{has_controls, push_doubled, push_escaped};
use crate::{FunctionError, Result};

use super::Output;
use super::directive::Directive;

fn continuations(text: &[u8]) -> usize {
    text.iter().filter(|&&b| b & 0xc0 == 0x80).count()
}

/// The width in bytes that makes this text as wide as asked for (X1).
fn byte_width(width: usize, text: &[u8]) -> usize {
    if width > 0 { width + continuations(text) } else { 0 }
}

/// As much of a text as the precision leaves.
fn cut<'a>(directive: &Directive, text: &'a [u8]) -> &'a [u8] {
    let text = until_nul(text);
    let Some(precision) = directive.precision else { return text };
    if !directive.bang {
        return text.get(..precision).unwrap_or(text);
    }
    let mut rest = text;
    for _ in 0..precision {
        if rest.is_empty() {
            break;
        }
        rest = rest.get(char_len(rest)..).unwrap_or_default();
    }
    text.get(..text.len() - rest.len()).unwrap_or(text)
}

/// The same for JSON, where with `!` bytes that continue a character never count, even those that continue none.
fn cut_json<'a>(directive: &Directive, text: &'a [u8]) -> &'a [u8] {
    let Some(precision) = directive.precision.filter(|_| directive.bang) else {
        return cut(directive, text);
    };
    let text = until_nul(text);
    let mut starts = text.iter().enumerate().filter(|(_, b)| **b & 0xc0 != 0x80);
    let end = starts.nth(precision).map_or(text.len(), |(index, _)| index);
    text.get(..end).unwrap_or(text)
}

fn finish(directive: &Directive, text: &[u8], output: &mut Output) -> Result<()> {
    let width = if directive.bang { byte_width(directive.width, text) } else { directive.width };
    output.padded(text, width, directive.left)
}

/// Appends `%s`.
pub(super) fn plain(directive: &Directive, text: Option<Text>, output: &mut Output) -> Result<()> {
    let text = text.unwrap_or_else(|| Text::from(""));
    finish(directive, cut(directive, text.as_bytes()), output)
}

/// Appends `%c`: the first character, as often as the precision says. Of an empty text that is a NUL.
pub(super) fn character(
    directive: &Directive,
    text: Option<Text>,
    output: &mut Output,
) -> Result<()> {
    let text = text.unwrap_or_else(|| Text::from(""));
    let bytes = until_nul(text.as_bytes());
    let char = match bytes.split_first() {
        None => b"\0",
        Some((0..=0xbf, _)) => bytes.get(..1).unwrap_or_default(),
        Some((_, rest)) => {
            let more = rest.iter().take(3).take_while(|&&b| b & 0xc0 == 0x80).count();
            bytes.get(..=more).unwrap_or_default()
        }
    };
    let mut width = directive.width;
    let times = directive.precision.unwrap_or(1).max(1);
    if times > 1 {
        width = width.saturating_sub(times - 1);
        if width > 1 && !directive.left {
            output.repeat(b' ', width - 1)?;
            width = 0;
        }
        let length = char.len().checked_mul(times - 1).ok_or(FunctionError::TooBig)?;
        output.reserve(length)?;
        for _ in 1..times {
            output.text.extend(char);
        }
    }
    output.padded(char, byte_width(width, char), directive.left)
}

/// Appends `%q`, `%Q` or `%w`: quotes in it doubled. With `#`, control characters are escaped for `unistr`.
pub(super) fn quoted(directive: &Directive, text: Option<Text>, output: &mut Output) -> Result<()> {
    let literal = directive.conversion == b'Q';
    let mut quote = literal && text.is_some();
    let text = text.unwrap_or_else(|| Text::from(if literal { "NULL" } else { "(NULL)" }));
    let text = cut(directive, text.as_bytes());
    let escape = match directive.conversion {
        b'w' => false,
        b'Q' => directive.alternate && has_controls(text),
        _ => directive.alternate,
    };
    output.reserve(text.len())?;
    let mut out = Vec::with_capacity(text.len() + 2);
    if literal && escape {
        quote = true;
        out.extend(b"unistr(");
    }
    if quote {
        out.push(b'\'');
    }
    if escape {
        push_escaped(&mut out, text);
    } else {
        push_doubled(&mut out, text, if directive.conversion == b'w' { b'"' } else { b'\'' });
    }
    if quote {
        out.push(b'\'');
    }
    if literal && escape {
        out.push(b')');
    }
    finish(directive, &out, output)
}

/// Appends `%j` or `%J`: the text as a string of JSON, the latter with its quotes and NULL as `null`.
pub(super) fn json(directive: &Directive, text: Option<Text>, output: &mut Output) -> Result<()> {
    let quotes = directive.conversion == b'J';
    let mut out = Vec::new();
    match &text {
        None if quotes => out.extend(b"null"),
        None => {}
        Some(text) => {
            let quote: &[u8] = if quotes { b"\"" } else { b"" };
            out.extend(quote);
            for &byte in cut_json(directive, text.as_bytes()) {
                match byte {
                    b'"' | b'\\' => out.extend([b'\\', byte]),
                    8 => out.extend(b"\\b"),
                    9 => out.extend(b"\\t"),
                    10 => out.extend(b"\\n"),
                    12 => out.extend(b"\\f"),
                    13 => out.extend(b"\\r"),
                    0..=0x1f => out.extend(format!("\\u{byte:04x}").bytes()),
                    _ => out.push(byte),
                }
            }
            out.extend(quote);
        }
    }
    finish(directive, &out, output)
}
