//! JSON text to JSONB: RFC 8259, and JSON5 as SQLite takes it.
//!
//! Scalars are [`super::token`]'s. The containers that are open lie in a list, not on the stack.
//!
//! # Invariants
//! - P1: a text ends at its first NUL.
//! - P2: `error_at` is where SQLite's parser sees the error, which users read through `json_error_position`. So it is also set where
//!   there is none (yet), as SQLite does.

use super::jsonb::{self, Kind, MAX_DEPTH};
use super::space::{self, byte};
use super::token::{self, Scalar, Token};

/// A text that was JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) blob: Vec<u8>,
    /// Whether it was so by RFC 8259.
    pub(super) standard: bool,
}

/// What stands at a place.
enum Found<'t> {
    Scalar(Token<'t>),
    /// An array or object begins.
    Open {
        at: usize,
        kind: Kind,
    },
    /// One of `}`, `]`, `,` and `:`, which no value begins with, at `error_at`.
    Mark(u8),
    End,
    /// Nothing that can be there; `error_at` says where.
    Error,
}

/// What an open container waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    Label,
    Colon,
    /// An element or the value of a member.
    Value,
}

/// An open container.
struct Level {
    /// Where its header is in the blob.
    head: usize,
    kind: Kind,
    waits: Waits,
    /// Where in the text it began to wait.
    since: usize,
    /// How long the blob was then.
    item: usize,
}

impl Level {
    fn wait(&mut self, waits: Waits, since: usize, item: usize) {
        (self.waits, self.since, self.item) = (waits, since, item);
    }

    /// What it waits for at its beginning and after a comma.
    fn first(&self) -> Waits {
        if self.kind == Kind::Object { Waits::Label } else { Waits::Value }
    }

    fn closing(&self) -> u8 {
        if self.kind == Kind::Object { b'}' } else { b']' }
    }
}

/// What to do after a value.
enum Next {
    Scan(usize),
    /// The outermost value ends here.
    Done(usize),
}

struct Parser<'t> {
    text: &'t [u8],
    out: Vec<u8>,
    levels: Vec<Level>,
    error_at: usize,
    standard: bool,
}

/// Reads a JSON text.
///
/// # Errors
/// The place of the error, in bytes.
pub(super) fn parse(text: &[u8]) -> Result<Parsed, usize> {
    let text =
        if text.contains(&0) { text.split(|&b| b == 0).next().unwrap_or_default() } else { text };
    let mut parser = Parser {
        text,
        out: Vec::with_capacity(text.len()),
        levels: Vec::new(),
        error_at: 0,
        standard: true,
    };
    match parser.run() {
        Some(()) => Ok(Parsed { blob: parser.out, standard: parser.standard }),
        None => Err(parser.error_at),
    }
}

impl<'t> Parser<'t> {
    fn run(&mut self) -> Option<()> {
        let mut at = 0;
        let end = loop {
            match self.step(at)? {
                Next::Scan(next) => at = next,
                Next::Done(end) => break end,
            }
        };
        let mut end = space::skip_plain(self.text, end);
        if end < self.text.len() {
            end = space::skip(self.text, end);
            self.standard = false;
        }
        (end == self.text.len()).then_some(())
    }

    /// Takes what is at a place.
    #[inline]
    fn step(&mut self, at: usize) -> Option<Next> {
        let found = self.scan(at);
        match found {
            Found::Scalar(token) => return self.take(token),
            Found::Open { at, kind } => return self.open(at, kind),
            _ => {}
        }
        // Outermost, an error's place is what the scan left.
        let level = self.levels.last_mut()?;
        match (level.waits, found) {
            (waits, Found::Mark(mark)) if waits == level.first() && mark == level.closing() => {
                // A comma may be last in JSON5.
                if self.out.len() > level.head + 1 {
                    self.standard = false;
                }
                self.close(self.error_at + 1)
            }
            (Waits::Colon, Found::Mark(b':')) => {
                let next = self.error_at + 1;
                level.wait(Waits::Value, next, self.out.len());
                Some(Next::Scan(next))
            }
            (Waits::Label, found) => self.bare_label(at, matches!(found, Found::Error)),
            (_, Found::Error) => None,
            (_, _) => self.fail(at),
        }
    }

    fn fail<T>(&mut self, at: usize) -> Option<T> {
        self.error_at = at;
        None
    }

    /// What is at a place, spaces skipped.
    #[inline]
    fn scan(&mut self, mut at: usize) -> Found<'t> {
        let text = self.text;
        loop {
            match byte(text, at) {
                b'{' => return Found::Open { at, kind: Kind::Object },
                b'[' => return Found::Open { at, kind: Kind::Array },
                b'"' | b'\'' => return self.scalar(token::string(text, at)),
                b'+' | b'-' | b'.' | b'0'..=b'9' => return self.scalar(token::number(text, at)),
                mark @ (b'}' | b']' | b',' | b':') => {
                    self.error_at = at;
                    return Found::Mark(mark);
                }
                0 => return Found::End,
                b'\t' | b'\n' | b'\r' | b' ' => at = space::skip_plain(text, at),
                0x0b | 0x0c | b'/' | 0xc2 | 0xe1..=0xe3 | 0xef => {
                    let next = space::skip(text, at);
                    if next == at {
                        self.error_at = at;
                        return Found::Error;
                    }
                    self.standard = false;
                    at = next;
                }
                _ => return self.scalar(token::word(text, at)),
            }
        }
    }

    #[inline]
    fn scalar(&mut self, scalar: Scalar<'t>) -> Found<'t> {
        scalar.map_or_else(
            |at| {
                self.error_at = at;
                Found::Error
            },
            Found::Scalar,
        )
    }

    #[inline]
    fn take(&mut self, token: Token<'_>) -> Option<Next> {
        jsonb::push(&mut self.out, token.kind, token.payload);
        self.standard &= token.standard;
        self.after_value(token.end)
    }

    fn open(&mut self, at: usize, kind: Kind) -> Option<Next> {
        if self.levels.len() >= MAX_DEPTH {
            return self.fail(at);
        }
        let head = jsonb::open(&mut self.out, kind);
        let mut level = Level { head, kind, waits: Waits::Value, since: 0, item: 0 };
        level.wait(level.first(), at + 1, self.out.len());
        self.levels.push(level);
        Some(Next::Scan(at + 1))
    }

    /// Closes the innermost container, whose text ends at `end`.
    fn close(&mut self, end: usize) -> Option<Next> {
        let level = self.levels.pop()?;
        jsonb::close(&mut self.out, level.head);
        self.after_value(end)
    }

    /// Takes a label without quotes. `seen` says that the scan has told the error's place, if it is none.
    fn bare_label(&mut self, at: usize, seen: bool) -> Option<Next> {
        let at = space::skip(self.text, at);
        match token::bare_label(self.text, at) {
            Some(label) => self.take(label),
            None if seen => None,
            None => self.fail(at),
        }
    }

    /// Goes on behind a value, or a label.
    #[inline]
    fn after_value(&mut self, mut end: usize) -> Option<Next> {
        loop {
            let Some(level) = self.levels.last_mut() else { return Some(Next::Done(end)) };
            match level.waits {
                Waits::Label => return self.after_label(end),
                Waits::Colon => {
                    let since = level.since;
                    return self.fail(since);
                }
                Waits::Value => {}
            }
            let closing = level.closing();
            let (at, mark) = self.separator(end, closing)?;
            // `separator` changed no level.
            let level = self.levels.last_mut()?;
            if mark == b',' {
                level.wait(level.first(), at + 1, self.out.len());
                return Some(Next::Scan(at + 1));
            }
            jsonb::close(&mut self.out, level.head);
            self.levels.pop();
            end = at + 1;
        }
    }

    /// The comma or closing mark that must be behind a value, and its place.
    #[inline]
    fn separator(&mut self, end: usize, closing: u8) -> Option<(usize, u8)> {
        let at = space::skip_plain(self.text, end);
        let mark = byte(self.text, at);
        if mark == b',' || mark == closing {
            return Some((at, mark));
        }
        match self.scan_mark(at) {
            Some((place, mark)) if mark == b',' || mark == closing => Some((place, mark)),
            _ => self.fail(at),
        }
    }

    /// The mark behind spaces and comments.
    fn scan_mark(&mut self, at: usize) -> Option<(usize, u8)> {
        let place = space::skip(self.text, at);
        if place > at {
            self.standard = false;
        }
        self.error_at = place;
        Some((place, *self.text.get(place)?))
    }

    /// Goes on behind a label, which must be a text.
    fn after_label(&mut self, end: usize) -> Option<Next> {
        let at = space::skip_plain(self.text, end);
        let level = self.levels.last_mut()?;
        let kind = self.out.get(level.item).and_then(|&b| Kind::of(b));
        if !kind.is_some_and(Kind::is_text) {
            let since = level.since;
            return self.fail(since);
        }
        let (waits, next) =
            if byte(self.text, at) == b':' { (Waits::Value, at + 1) } else { (Waits::Colon, at) };
        level.wait(waits, next, self.out.len());
        Some(Next::Scan(next))
    }
}
