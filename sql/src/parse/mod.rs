//! From SQL text to the syntax tree.
//!
//! The grammar is the crate `sqlite3-parser`'s, which nothing outside this folder sees: its tree is converted at once to
//! [`crate::ast`], with names unquoted, literals read, and the text of what SQLite quotes later cut from the statement ([`spans`]).
//!
//! - [`text`]: how a statement ends, its tokens, positions of errors; [`spans`]: texts of expressions.
//! - [`convert`]: the state of a conversion, and statements; [`expr`], [`select`], [`schema`]: their parts.
//! - [`literal`] and [`name`]: the smallest pieces.
//!
//! # Invariants
//! - R1: text of any kind gives a statement or an error: the parser's panics are caught, lengths and depths are limited
//!   ([`MAX_SQL`], [`MAX_DEPTH`]), and recursion makes itself more stack where it needs it.
//! - R2: the parts of a statement are converted in the order in which they stand in its text, for [`spans`] counts on it.

mod convert;
mod expr;
mod literal;
mod name;
mod schema;
mod select;
mod spans;
mod text;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bumpalo::Bump;
use sqlite3_parser::FallibleIterator;
use sqlite3_parser::ast::Cmd;
use sqlite3_parser::lexer::sql::Parser;

use crate::ast::{Explain, Statement, TransactionKind};
use crate::{Error, Result};
use convert::Converter;
pub(crate) use name::unquoted;
pub(crate) use text::{quoted, quoted_if_needed, words};

/// The longest statement, in bytes: SQLite's default (`SQLITE_LIMIT_SQL_LENGTH`).
pub const MAX_SQL: usize = 1_000_000_000;
/// The deepest expression: SQLite's default (`SQLITE_LIMIT_EXPR_DEPTH`).
pub const MAX_DEPTH: usize = 1000;
/// The largest number of a parameter: SQLite's default (`SQLITE_LIMIT_VARIABLE_NUMBER`).
pub const MAX_PARAMETER: u32 = 32_766;

/// One statement of a text.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The statement.
    pub statement: Statement,
    /// For each parameter its name with its sign, if it has one.
    pub parameters: Vec<Option<Box<str>>>,
    /// Where it stands, without what is around it and its semicolon.
    pub text: Range<usize>,
    /// Where the next one may begin.
    pub end: usize,
}

/// The first statement of `sql`; `None` if there are only spaces, comments and semicolons.
///
/// # Errors
/// [`Error::Sql`] in SQLite's words with the position; [`Error::TooBig`].
pub fn parse(sql: &str) -> Result<Option<Parsed>> {
    if sql.len() > MAX_SQL {
        return Err(Error::TooBig);
    }
    let start = text::skip_empty(sql);
    if start == sql.len() {
        return Ok(None);
    }
    if let Some(parsed) = begin_concurrent(sql, start) {
        return Ok(Some(parsed));
    }
    let rest = &sql[start..];
    // The parser keeps nothing of ours: what a panic leaves behind is dropped with its arena.
    let outcome = catch_unwind(AssertUnwindSafe(|| first_statement(rest)));
    let mut parsed = outcome
        .unwrap_or_else(|_| Err(Error::sql("the parser does not understand the statement")))
        .map_err(|error| moved(error, start))?;
    parsed.text = parsed.text.start + start..parsed.text.end + start;
    parsed.end += start;
    Ok(Some(parsed))
}

/// The only statement of `sql`, as the schema keeps them.
///
/// # Errors
/// As [`parse`], and if there is none or more than one.
pub fn parse_one(sql: &str) -> Result<Parsed> {
    match parse(sql)? {
        Some(parsed) if text::skip_empty(&sql[parsed.end..]) + parsed.end == sql.len() => {
            Ok(parsed)
        }
        Some(_) => Err(Error::sql("you can only execute one statement at a time")),
        None => Err(Error::sql("not an SQL statement")),
    }
}

/// An error's position as one in a text that begins `by` bytes earlier.
fn moved(error: Error, by: usize) -> Error {
    match error {
        Error::Sql { message, offset } => {
            Error::Sql { message, offset: offset.map(|offset| offset + by) }
        }
        other => other,
    }
}

fn first_statement(sql: &str) -> Result<Parsed> {
    let arena = Bump::new();
    let mut parser = Parser::new(&arena, sql.as_bytes());
    let command = parser.next().map_err(|error| text::refused(sql, &error))?;
    let position = parser.position();
    let end = text::offset(sql, position.line, position.column);
    let statement_text = text::trimmed(&sql[..end]);
    let Some(command) = command else {
        return Err(Error::sql("incomplete input"));
    };
    let tokens = text::tokens(&sql[..statement_text]);
    let mut converter = Converter::new(sql, &tokens);
    let statement = match command {
        Cmd::Stmt(statement) => converter.statement(statement)?,
        Cmd::Explain(statement) => {
            Statement::Explain(Explain::Program, Box::new(converter.statement(statement)?))
        }
        Cmd::ExplainQueryPlan(statement) => {
            Statement::Explain(Explain::QueryPlan, Box::new(converter.statement(statement)?))
        }
    };
    Ok(Parsed { statement, parameters: converter.into_parameters(), text: 0..statement_text, end })
}

/// `BEGIN CONCURRENT`, which SQLite's grammar does not have.
fn begin_concurrent(sql: &str, start: usize) -> Option<Parsed> {
    let is_begin = sql.as_bytes().get(start..start + 5)?.eq_ignore_ascii_case(b"BEGIN");
    if !is_begin {
        return None;
    }
    let mut tokens = text::Tokens::new(&sql[start..]);
    let mut words = [0..0, 0..0, 0..0];
    let mut count = 0;
    let mut end = sql.len() - start;
    while let Some((range, is_semicolon)) = tokens.next_token()? {
        if is_semicolon {
            end = range.end;
            break;
        }
        *words.get_mut(count)? = range;
        count += 1;
    }
    let word = |at: usize| sql[start..].get(words[at].clone()).unwrap_or_default();
    let is = |at: usize, word_wanted: &str| word(at).eq_ignore_ascii_case(word_wanted);
    let known = count == 2 || (count == 3 && is(2, "TRANSACTION"));
    (known && is(1, "CONCURRENT")).then(|| Parsed {
        statement: Statement::Begin(TransactionKind::Concurrent),
        parameters: Vec::new(),
        text: start..start + words[count - 1].end,
        end: start + end,
    })
}
