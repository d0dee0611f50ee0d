//! The text of definitions, as it is kept in `sqlite_schema`, and small changes to it.
//!
//! SQLite keeps a definition as its author wrote it, and so do we: a change puts a piece in or exchanges
//! one, at the tokens it concerns.

use std::ops::Range;

use sqlite3_parser::dialect::TokenType;
use sqlite3_parser::lexer::Scanner;
use sqlite3_parser::lexer::sql::Tokenizer;

use crate::{Error, Result};

/// A token's kind and where it is.
type Token = (Range<usize>, TokenType);

fn tokens(sql: &str) -> Result<Vec<Token>> {
    let mut scanner = Scanner::new(Tokenizer::new());
    let mut found = Vec::new();
    loop {
        match scanner.scan(sql.as_bytes()) {
            Ok((start, Some((_, kind)), end)) => found.push((start..end, kind)),
            Ok((_, None, _)) => return Ok(found),
            Err(error) => return Err(Error::definition(sql, error.to_string())),
        }
    }
}

/// The text SQLite would keep of a `CREATE` statement: from the object's name on, after a plain
/// `CREATE TABLE`, `CREATE INDEX` or `CREATE UNIQUE INDEX`.
pub(crate) fn stored(sql: &str) -> Result<String> {
    let tokens = tokens(sql)?;
    let head = tokens
        .iter()
        .position(|(_, kind)| matches!(kind, TokenType::TK_TABLE | TokenType::TK_INDEX));
    let Some(head) = head else {
        return Err(Error::definition(sql, "it defines no table and no index"));
    };
    let unique = tokens[..head].iter().any(|(_, kind)| *kind == TokenType::TK_UNIQUE);
    let mut name = head + 1;
    if tokens.get(name).is_some_and(|(_, kind)| *kind == TokenType::TK_IF) {
        name += 3;
    }
    if tokens.get(name + 1).is_some_and(|(_, kind)| *kind == TokenType::TK_DOT) {
        name += 2;
    }
    let is_end = |(_, kind): &&Token| *kind != TokenType::TK_SEMI;
    let end = tokens.iter().rev().find(is_end).map_or(sql.len(), |(at, _)| at.end);
    let Some((start, _)) = tokens.get(name) else {
        return Err(Error::definition(sql, "the name is missing"));
    };
    let what = match (tokens[head].1, unique) {
        (TokenType::TK_TABLE, _) => "TABLE",
        (_, true) => "UNIQUE INDEX",
        (_, false) => "INDEX",
    };
    Ok(format!("CREATE {what} {}", &sql[start.start..end]))
}

/// A table's definition with one column more, after the last.
pub(crate) fn with_column(sql: &str, column: &str) -> Result<String> {
    let tokens = tokens(sql)?;
    let mut depth = 0;
    let mut last_end = None;
    let mut item_start = true;
    for (range, kind) in &tokens {
        match kind {
            TokenType::TK_LP => depth += 1,
            TokenType::TK_RP => depth -= 1,
            _ => {}
        }
        let constraint = matches!(
            kind,
            TokenType::TK_CONSTRAINT
                | TokenType::TK_PRIMARY
                | TokenType::TK_UNIQUE
                | TokenType::TK_CHECK
                | TokenType::TK_FOREIGN
        );
        let closes = depth == 0 && *kind == TokenType::TK_RP;
        if closes || (depth == 1 && item_start && constraint && last_end.is_some()) {
            break;
        }
        if depth >= 1
            && *kind != TokenType::TK_COMMA
            && !(depth == 1 && *kind == TokenType::TK_LP && last_end.is_none())
        {
            last_end = Some(range.end);
        }
        item_start = depth == 1 && matches!(kind, TokenType::TK_COMMA | TokenType::TK_LP);
    }
    let Some(at) = last_end else {
        return Err(Error::definition(sql, "it has no columns"));
    };
    Ok(format!("{}, {}{}", &sql[..at], column.trim(), &sql[at..]))
}

/// A definition in which the first name after `CREATE TABLE` (or, in an index, after `ON`) is exchanged.
pub(crate) fn with_table_name(sql: &str, name: &str) -> Result<String> {
    let tokens = tokens(sql)?;
    let marks = |kind: &TokenType| matches!(kind, TokenType::TK_TABLE | TokenType::TK_ON);
    let Some(mark) = tokens.iter().position(|(_, kind)| marks(kind)) else {
        return Err(Error::definition(sql, "it names no table"));
    };
    let Some((at, _)) = tokens.get(mark + 1) else {
        return Err(Error::definition(sql, "the name is missing"));
    };
    Ok(format!("{}{}{}", &sql[..at.start], quoted(name), &sql[at.end..]))
}

/// A name in quotes, as SQLite writes one that it exchanges.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_kept_begins_with_the_name() {
        let kept = |sql| stored(sql).unwrap();
        assert_eq!(kept("create  table if not exists main.[a b] (x) ;"), "CREATE TABLE [a b] (x)");
        assert_eq!(
            kept("CREATE UNIQUE /* so */ INDEX i ON t(a);"),
            "CREATE UNIQUE INDEX i ON t(a)"
        );
    }

    #[test]
    fn a_column_is_put_before_the_constraints() {
        let put = |sql| with_column(sql, "z TEXT").unwrap();
        assert_eq!(put("CREATE TABLE t(a, b)"), "CREATE TABLE t(a, b, z TEXT)");
        assert_eq!(
            put("CREATE TABLE t(a INT CHECK (a > (1)))"),
            "CREATE TABLE t(a INT CHECK (a > (1)), z TEXT)"
        );
        assert_eq!(
            put("CREATE TABLE t(a NUMERIC(1,2), b UNIQUE, PRIMARY KEY(a)) STRICT"),
            "CREATE TABLE t(a NUMERIC(1,2), b UNIQUE, z TEXT, PRIMARY KEY(a)) STRICT"
        );
    }

    #[test]
    fn a_table_is_renamed_in_its_text_and_its_indexes() {
        assert_eq!(with_table_name("CREATE TABLE t(a)", "u v").unwrap(), "CREATE TABLE \"u v\"(a)");
        assert_eq!(
            with_table_name("CREATE INDEX i ON t(a)", "u").unwrap(),
            "CREATE INDEX i ON \"u\"(a)"
        );
    }
}
