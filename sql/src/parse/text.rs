//! A statement as text: where it ends, its tokens, where an error is.

use std::ops::Range;

use sqlite3_parser::dialect::TokenType;
use sqlite3_parser::lexer::Scanner;
use sqlite3_parser::lexer::sql::{Error as ParseError, ParserError, Tokenizer};

use crate::Error;

/// A token and where it is.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: TokenType,
    pub(super) range: Range<usize>,
}

/// Reads tokens one by one.
pub(super) struct Tokens<'s> {
    sql: &'s str,
    scanner: Scanner<Tokenizer>,
}

impl<'s> Tokens<'s> {
    pub(super) fn new(sql: &'s str) -> Tokens<'s> {
        Tokens { sql, scanner: Scanner::new(Tokenizer::new()) }
    }

    fn next(&mut self) -> Option<Option<Token>> {
        let (start, found, end) = self.scanner.scan(self.sql.as_bytes()).ok()?;
        Some(found.map(|(_, kind)| Token { kind, range: start..end }))
    }

    /// The next token's place and whether it is a semicolon. Outer `None`: what follows is no token.
    pub(super) fn next_token(&mut self) -> Option<Option<(Range<usize>, bool)>> {
        Some(self.next()?.map(|token| (token.range, token.kind == TokenType::TK_SEMI)))
    }
}

/// All tokens of a text that was parsed.
pub(super) fn tokens(sql: &str) -> Vec<Token> {
    let mut reader = Tokens::new(sql);
    let mut tokens = Vec::new();
    while let Some(Some(token)) = reader.next() {
        tokens.push(token);
    }
    tokens
}

/// A word or sign of a statement.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    /// Where it stands.
    pub(crate) range: Range<usize>,
}

/// The words and signs of a text that was parsed.
pub(crate) fn words(sql: &str) -> Vec<Word> {
    tokens(sql).into_iter().map(|token| Word { range: token.range }).collect()
}

/// A name as it can stand in a statement: in quotes if it is no plain word, or a keyword.
pub(crate) fn quoted_if_needed(name: &str) -> String {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let found = tokens(name);
    let is_word = found.len() == 1 && found.iter().all(|token| token.kind == TokenType::TK_ID);
    let begins_with_digit = name.bytes().next().is_none_or(|byte| byte.is_ascii_digit());
    match is_plain && is_word && !begins_with_digit {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// A name in double quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Where the first statement begins: after spaces, comments and semicolons.
pub(super) fn skip_empty(sql: &str) -> usize {
    let mut reader = Tokens::new(sql);
    loop {
        match reader.next() {
            Some(Some(token)) if token.kind == TokenType::TK_SEMI => {}
            Some(Some(token)) => return token.range.start,
            // Only spaces and comments follow.
            Some(None) => return sql.len(),
            // The parser says what is wrong.
            None => return 0,
        }
    }
}

/// The end of a statement's text without semicolon and spaces.
pub(super) fn trimmed(sql: &str) -> usize {
    let all = tokens(sql);
    let last = all.iter().rev().find(|token| token.kind != TokenType::TK_SEMI);
    last.map_or(sql.len(), |token| token.range.end)
}

/// The byte at a line and column.
pub(super) fn offset(sql: &str, line: usize, column: usize) -> usize {
    let mut line_start = 0;
    for _ in 1..line {
        match sql.as_bytes()[line_start..].iter().position(|&byte| byte == b'\n') {
            Some(at) => line_start += at + 1,
            None => return sql.len(),
        }
    }
    (line_start + column - 1).min(sql.len())
}

/// The parser's refusal in SQLite's words.
pub(super) fn refused(sql: &str, error: &ParseError) -> Error {
    // The parser's type of positions has no name outside of it.
    macro_rules! at {
        ($position:expr) => {
            $position.as_ref().map(|position| offset(sql, position.line, position.column))
        };
    }
    match error {
        ParseError::ParserError(ParserError::UnexpectedEof, _) => Error::sql("incomplete input"),
        ParseError::ParserError(ParserError::SyntaxError(near), position) => {
            let offset = at!(position);
            // The end of the text has no token of its own.
            if near.is_empty() || offset == Some(sql.len()) {
                return Error::sql("incomplete input");
            }
            Error::Sql { message: format!("near \"{near}\": syntax error"), offset }
        }
        ParseError::ParserError(error, position) => {
            let message = error.to_string();
            // The parser gives the name with its quotes.
            const TWICE: &str = "duplicate column name: ";
            let message = match message.strip_prefix(TWICE) {
                Some(name) => format!("{TWICE}{}", super::name::unquoted(name)),
                None => message,
            };
            Error::Sql { message, offset: at!(position) }
        }
        ParseError::UnterminatedBlockComment(position)
        | ParseError::UnterminatedLiteral(position)
        | ParseError::UnterminatedBracket(position) => {
            let offset = at!(position);
            let text = offset.and_then(|offset| sql.get(offset..)).unwrap_or_default();
            Error::Sql { message: format!("unrecognized token: \"{text}\""), offset }
        }
        ParseError::BadNumber(position)
        | ParseError::MalformedHexInteger(position)
        | ParseError::MalformedBlobLiteral(position)
        | ParseError::UnrecognizedToken(position)
        | ParseError::BadVariableName(position)
        | ParseError::ExpectedEqualsSign(position) => {
            let offset = at!(position);
            let text =
                illegal_token(offset.and_then(|offset| sql.get(offset..)).unwrap_or_default());
            Error::Sql { message: format!("unrecognized token: \"{text}\""), offset }
        }
        other => Error::sql(other.to_string()),
    }
}

/// As much of the text as SQLite calls one illegal token.
fn illegal_token(text: &str) -> &str {
    let word = |from: usize| {
        let rest = &text[from..];
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii();
        from + rest.find(|c: char| !is_part(c)).unwrap_or(rest.len())
    };
    match text.as_bytes() {
        [b'x' | b'X', b'\'', ..] => {
            let rest = &text[2..];
            match rest.find('\'') {
                Some(end) => &text[..end + 3],
                None => text,
            }
        }
        [first, ..] if first.is_ascii_digit() || *first == b'.' => {
            // A number with letters after it; a point and a signed exponent belong to it.
            &text[..word(word(0)).max(1)]
        }
        _ => {
            let first = text.chars().next().map_or(0, char::len_utf8);
            &text[..first]
        }
    }
}
