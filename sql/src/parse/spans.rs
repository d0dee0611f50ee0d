//! Texts of expressions, which the parser's tree does not keep.
//!
//! SQLite names a result column by the text it was written as, and quotes CHECK and DEFAULT expressions. The tokens before
//! such an expression are keywords that stand for nothing else, so that the n-th of them in the text is the n-th of them in
//! the tree (R2).

use std::ops::Range;

use sqlite3_parser::dialect::TokenType;

use super::text::Token;

/// Hands out texts in the order of the statement.
#[derive(Debug)]
pub(super) struct Spans {
    /// Of each SELECT and each RETURNING: its columns.
    lists: std::vec::IntoIter<Vec<Range<usize>>>,
    /// Of each LIMIT: whether a comma follows its first expression, which is the offset then.
    limits: std::vec::IntoIter<bool>,
    checks: std::vec::IntoIter<Range<usize>>,
    defaults: std::vec::IntoIter<Range<usize>>,
    /// Of each column that is defined: its type.
    types: std::vec::IntoIter<Range<usize>>,
}

impl Spans {
    pub(super) fn new(tokens: &[Token]) -> Spans {
        let mut lists = Vec::new();
        let mut limits = Vec::new();
        let mut checks = Vec::new();
        let mut defaults = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            match token.kind {
                TokenType::TK_SELECT | TokenType::TK_RETURNING => {
                    lists.push(columns(tokens, at + 1))
                }
                TokenType::TK_LIMIT => limits.push(has_comma(tokens, at + 1)),
                TokenType::TK_CHECK => checks.extend(parenthesized(tokens, at + 1)),
                TokenType::TK_DEFAULT => defaults.extend(default(tokens, at)),
                _ => {}
            }
        }
        Spans {
            lists: lists.into_iter(),
            limits: limits.into_iter(),
            checks: checks.into_iter(),
            defaults: defaults.into_iter(),
            types: types(tokens).into_iter(),
        }
    }

    /// Of the next SELECT or RETURNING: its columns.
    pub(super) fn next_list(&mut self) -> Vec<Range<usize>> {
        self.lists.next().unwrap_or_default()
    }

    /// Of the next LIMIT: whether its offset comes first.
    pub(super) fn next_limit(&mut self) -> bool {
        self.limits.next().unwrap_or_default()
    }

    /// Of the next CHECK: what is in its parentheses.
    pub(super) fn next_check(&mut self) -> Range<usize> {
        self.checks.next().unwrap_or_default()
    }

    /// Of the next column that is defined: its type; empty if it has none.
    pub(super) fn next_type(&mut self) -> Range<usize> {
        self.types.next().unwrap_or_default()
    }

    /// Of the next DEFAULT: its expression without parentheses.
    pub(super) fn next_default(&mut self) -> Range<usize> {
        self.defaults.next().unwrap_or_default()
    }
}

/// Whether a comma follows the expression that begins at a token.
fn has_comma(tokens: &[Token], from: usize) -> bool {
    let mut depth = 0_usize;
    for token in tokens.get(from..).unwrap_or_default() {
        match token.kind {
            TokenType::TK_LP => depth += 1,
            TokenType::TK_RP if depth == 0 => return false,
            TokenType::TK_RP => depth -= 1,
            TokenType::TK_COMMA if depth == 0 => return true,
            TokenType::TK_OFFSET
            | TokenType::TK_SEMI
            | TokenType::TK_ON
            | TokenType::TK_RETURNING
                if depth == 0 =>
            {
                return false;
            }
            _ => {}
        }
    }
    false
}

/// The types of the columns that CREATE TABLE or ALTER TABLE ADD define.
fn types(tokens: &[Token]) -> Vec<Range<usize>> {
    let kind = |at: usize| tokens.get(at).map(|token| token.kind);
    let find = |wanted: TokenType| tokens.iter().position(|token| token.kind == wanted);
    let is_create = kind(0) == Some(TokenType::TK_CREATE);
    if is_create && matches!(kind(1), Some(TokenType::TK_TABLE | TokenType::TK_TEMP)) {
        let Some(open) = find(TokenType::TK_LP) else { return Vec::new() };
        let close = matching(tokens, open).unwrap_or(tokens.len());
        let mut types = Vec::new();
        let mut at = open + 1;
        while at < close {
            types.push(type_of(tokens, at));
            at = next_definition(tokens, at, close);
        }
        return types;
    }
    match find(TokenType::TK_ADD) {
        Some(add) if kind(0) == Some(TokenType::TK_ALTER) => {
            let word = usize::from(kind(add + 1) == Some(TokenType::TK_COLUMNKW));
            vec![type_of(tokens, add + 1 + word)]
        }
        _ => Vec::new(),
    }
}

/// The token after the comma that ends a definition.
fn next_definition(tokens: &[Token], from: usize, close: usize) -> usize {
    let mut depth = 0_usize;
    for at in from..close {
        match tokens.get(at).map(|token| token.kind) {
            Some(TokenType::TK_LP) => depth += 1,
            Some(TokenType::TK_RP) => depth = depth.saturating_sub(1),
            Some(TokenType::TK_COMMA) if depth == 0 => return at + 1,
            _ => {}
        }
    }
    close
}

/// The type of the column whose name is a token.
fn type_of(tokens: &[Token], name: usize) -> Range<usize> {
    let mut at = name + 1;
    while let Some(token) = tokens.get(at) {
        match token.kind {
            TokenType::TK_CONSTRAINT
            | TokenType::TK_DEFAULT
            | TokenType::TK_NULL
            | TokenType::TK_NOT
            | TokenType::TK_PRIMARY
            | TokenType::TK_UNIQUE
            | TokenType::TK_CHECK
            | TokenType::TK_REFERENCES
            | TokenType::TK_COLLATE
            | TokenType::TK_GENERATED
            | TokenType::TK_AS
            | TokenType::TK_DEFERRABLE
            | TokenType::TK_COMMA
            | TokenType::TK_RP
            | TokenType::TK_SEMI => break,
            TokenType::TK_LP => at = matching(tokens, at).unwrap_or(tokens.len()),
            _ => {}
        }
        at += 1;
    }
    range(tokens, name + 1, at)
}

/// The columns that begin at a token, each from its first token to the one that follows it.
fn columns(tokens: &[Token], from: usize) -> Vec<Range<usize>> {
    let mut columns = Vec::new();
    let skip = tokens
        .get(from)
        .is_some_and(|token| matches!(token.kind, TokenType::TK_DISTINCT | TokenType::TK_ALL));
    let mut at = from + usize::from(skip);
    let mut start = at;
    let mut depth = 0_usize;
    let mut cases = 0_usize;
    // The alias ends the expression's text.
    let mut text_end = None;
    while let Some(token) = tokens.get(at) {
        match token.kind {
            TokenType::TK_LP => depth += 1,
            TokenType::TK_RP if depth == 0 => break,
            TokenType::TK_RP => depth -= 1,
            TokenType::TK_CASE => cases += 1,
            TokenType::TK_END if cases > 0 => cases -= 1,
            _ if depth > 0 || cases > 0 => {}
            TokenType::TK_AS => text_end = text_end.or(Some(at)),
            TokenType::TK_COMMA => {
                columns.push(range(tokens, start, text_end.take().unwrap_or(at)));
                start = at + 1;
            }
            TokenType::TK_FROM
            | TokenType::TK_WHERE
            | TokenType::TK_GROUP
            | TokenType::TK_HAVING
            | TokenType::TK_ORDER
            | TokenType::TK_LIMIT
            | TokenType::TK_UNION
            | TokenType::TK_EXCEPT
            | TokenType::TK_INTERSECT
            | TokenType::TK_SEMI => break,
            // IS DISTINCT FROM
            _ => {}
        }
        if depth == 0 && token.kind == TokenType::TK_DISTINCT && is_distinct_from(tokens, at) {
            at += 1;
        }
        at += 1;
    }
    if start < at {
        columns.push(range(tokens, start, text_end.unwrap_or(at)));
    }
    columns
}

fn is_distinct_from(tokens: &[Token], at: usize) -> bool {
    at > 0
        && matches!(tokens[at - 1].kind, TokenType::TK_IS | TokenType::TK_NOT)
        && tokens.get(at + 1).is_some_and(|token| token.kind == TokenType::TK_FROM)
}

/// From a token's start to the end of the last one before `end`. SQLite goes on to the start of the next token and cuts spaces,
/// so that a comment between belongs to it; we leave it out.
fn range(tokens: &[Token], start: usize, end: usize) -> Range<usize> {
    match (tokens.get(start), end.checked_sub(1).and_then(|last| tokens.get(last))) {
        (Some(first), Some(last)) if start < end => first.range.start..last.range.end,
        _ => 0..0,
    }
}

/// What is in the parentheses that begin at a token.
fn parenthesized(tokens: &[Token], from: usize) -> Option<Range<usize>> {
    let close = matching(tokens, from)?;
    Some(range(tokens, from + 1, close))
}

/// The token that closes the parenthesis at a token.
fn matching(tokens: &[Token], from: usize) -> Option<usize> {
    if tokens.get(from)?.kind != TokenType::TK_LP {
        return None;
    }
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.kind {
            TokenType::TK_LP => depth += 1,
            TokenType::TK_RP => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// The expression of a column's DEFAULT; `None` for DEFAULT VALUES and SET DEFAULT.
fn default(tokens: &[Token], at: usize) -> Option<Range<usize>> {
    let next = tokens.get(at + 1)?;
    let is_action = at > 0 && tokens[at - 1].kind == TokenType::TK_SET;
    match next.kind {
        TokenType::TK_VALUES => None,
        _ if is_action => None,
        TokenType::TK_LP => parenthesized(tokens, at + 1),
        TokenType::TK_PLUS | TokenType::TK_MINUS => Some(range(tokens, at + 1, at + 3)),
        _ => Some(range(tokens, at + 1, at + 2)),
    }
}
