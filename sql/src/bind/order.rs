//! ORDER BY and GROUP BY terms: positions, aliases, expressions.

use heddle_value::{Collation, Value};

use super::{Binder, Typed};
use crate::ast::{self, Literal, OrderTerm};
use crate::plan::{ColumnId, Expr, SortKey};
use crate::{Error, Result};

/// A key by what a term says of direction and NULLs.
pub(super) fn key(term: &OrderTerm, expr: Expr, collation: Option<Collation>) -> SortKey {
    SortKey {
        expr,
        descending: term.descending,
        nulls_first: term.nulls_first.unwrap_or(!term.descending),
        collation: collation.unwrap_or_default(),
    }
}

/// What a term of ORDER BY or GROUP BY refers to among the results.
pub(super) enum Term {
    /// A result, from 0.
    Result(usize),
    /// Something else.
    Expr,
}

/// An expression without COLLATE and parentheses around it, and the collation that was said.
pub(super) fn stripped(expr: &ast::Expr) -> (&ast::Expr, Option<&ast::Name>) {
    match expr {
        ast::Expr::Collate(inner, name) => {
            let (inner, within) = stripped(inner);
            (inner, Some(within.unwrap_or(name)))
        }
        ast::Expr::Paren(inner) => stripped(inner),
        other => (other, None),
    }
}

/// A whole number as a term is a position.
pub(super) fn position(expr: &ast::Expr) -> Option<i64> {
    match expr {
        ast::Expr::Literal(Literal::Value(Value::Integer(at))) => Some(*at),
        ast::Expr::Unary(ast::UnaryOp::Negate, inner) => match inner.as_ref() {
            ast::Expr::Literal(Literal::Value(Value::Integer(at))) => Some(-*at),
            _ => None,
        },
        ast::Expr::Unary(ast::UnaryOp::Plus, inner) => position(inner),
        _ => None,
    }
}

/// `1st`, `2nd`, ...
pub(super) fn ordinal(at: usize) -> String {
    let suffix = match (at % 100, at % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{at}{suffix}")
}

/// The result that a position names.
///
/// # Errors
/// It is out of range.
pub(super) fn result_at(at: i64, term: usize, clause: &str, results: usize) -> Result<usize> {
    match usize::try_from(at) {
        Ok(at) if (1..=results).contains(&at) => Ok(at - 1),
        _ => Err(Error::sql(format!(
            "{} {clause} BY term out of range - should be between 1 and {results}",
            ordinal(term + 1)
        ))),
    }
}

impl Binder<'_> {
    /// The keys of a compound query: each term must be a position, or name or repeat a result of one of its cores.
    pub(super) fn compound_order(
        &mut self,
        terms: &[OrderTerm],
        cores: &[&ast::SelectCore],
        columns: &[ColumnId],
    ) -> Result<Vec<SortKey>> {
        let mut keys = Vec::with_capacity(terms.len());
        for (number, term) in terms.iter().enumerate() {
            let (expr, collation) = stripped(&term.expr);
            let at = match position(expr) {
                Some(at) => result_at(at, number, "ORDER", columns.len())?,
                None => cores.iter().find_map(|core| matching(expr, core)).ok_or_else(|| {
                    Error::sql(format!(
                        "{} ORDER BY term does not match any column in the result set",
                        ordinal(number + 1)
                    ))
                })?,
            };
            let Some(column) = columns.get(at) else {
                return Err(Error::sql(
                    "ORDER BY term does not match any column in the result set",
                ));
            };
            let said = collation.map(|name| self.collation(name)).transpose()?;
            let own = self.info(*column).collation;
            keys.push(key(term, Expr::Column(*column), said.or(own)));
        }
        Ok(keys)
    }

    /// The alias that a term is, if it is one.
    pub(super) fn alias_of(expr: &ast::Expr, names: &[Option<Box<str>>]) -> Option<usize> {
        let ast::Expr::Column { schema: None, table: None, name } = expr else { return None };
        names.iter().position(|alias| alias.as_ref().is_some_and(|alias| name.is(alias)))
    }

    /// The key of a result.
    pub(super) fn result_key(
        &mut self,
        term: &OrderTerm,
        column: ColumnId,
        result: &Typed,
    ) -> Result<SortKey> {
        let (_, said) = stripped(&term.expr);
        let said = said.map(|name| self.collation(name)).transpose()?;
        Ok(key(term, Expr::Column(column), said.or_else(|| result.collation.clone())))
    }
}

/// The place of a result of a core that an ORDER BY term of a compound query names or repeats.
fn matching(expr: &ast::Expr, core: &ast::SelectCore) -> Option<usize> {
    let ast::SelectCore::Select { columns, .. } = core else { return None };
    let by_alias = |column: &ast::ResultColumn| match (column, expr) {
        (
            ast::ResultColumn::Expr { alias: Some(alias), .. },
            ast::Expr::Column { schema: None, table: None, name },
        ) => name == alias,
        _ => false,
    };
    let repeated = |column: &ast::ResultColumn| match column {
        ast::ResultColumn::Expr { expr: result, .. } => same(stripped(result).0, expr),
        _ => false,
    };
    columns.iter().position(by_alias).or_else(|| columns.iter().position(repeated))
}

/// Whether both are the same expression; a column's table need be said in one of them only.
fn same(a: &ast::Expr, b: &ast::Expr) -> bool {
    match (a, b) {
        (
            ast::Expr::Column { schema: _, table: table_a, name: name_a },
            ast::Expr::Column { schema: _, table: table_b, name: name_b },
        ) => name_a == name_b && (table_a.is_none() || table_b.is_none() || table_a == table_b),
        _ => a == b,
    }
}
