//! Names, unquoted.

use crate::ast::{Name, QualifiedName};

/// A name as the parser gives it, with its quotes.
pub(super) fn name(text: &str) -> Name {
    Name { text: unquoted(text), double_quoted: text.starts_with('"') }
}

/// A name of another part of the tree.
pub(super) fn of(parsed: &sqlite3_parser::ast::Name<'_>) -> Name {
    name(parsed.0)
}

/// A qualified name, its alias aside.
pub(super) fn qualified(parsed: &sqlite3_parser::ast::QualifiedName<'_>) -> QualifiedName {
    QualifiedName { schema: parsed.db_name.as_ref().map(of), name: of(&parsed.name) }
}

/// The text in quotes of any kind, or as it is.
pub(crate) fn unquoted(text: &str) -> Box<str> {
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return "".into() };
    let inner = || text.get(1..text.len() - 1).unwrap_or_default();
    match first {
        b'[' if last == b']' => inner().into(),
        b'"' | b'`' | b'\'' if last == first && text.len() >= 2 => {
            let quote = char::from(first);
            let doubled: String = [quote, quote].iter().collect();
            inner().replace(&doubled, &quote.to_string()).into()
        }
        _ => text.into(),
    }
}

/// As SQLite reads a type: of a text that begins with a quote only what is in the quotes.
pub(super) fn unquoted_first(text: &str) -> Box<str> {
    let close = match text.as_bytes().first() {
        Some(b'[') => ']',
        Some(&quote @ (b'"' | b'`' | b'\'')) => char::from(quote),
        _ => return text.into(),
    };
    let mut inner = String::new();
    let mut rest = text.chars().skip(1).peekable();
    while let Some(c) = rest.next() {
        if c == close && (close == ']' || rest.next_if_eq(&close).is_none()) {
            break;
        }
        inner.push(c);
    }
    inner.into()
}
