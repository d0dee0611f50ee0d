//! What an expression in a definition may use: CHECK constraints, DEFAULT, generated columns, keys and conditions of
//! indexes see one row of their table, and nothing else.

use crate::ast::{Expr, InSource, WindowBound, WindowRef};
use crate::{Error, Result};

/// Where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// CHECK.
    Check,
    /// GENERATED ALWAYS AS.
    Generated,
    /// A key of an index.
    IndexKey,
    /// The condition of a partial index.
    IndexFilter,
}

impl Place {
    /// As messages call it.
    fn words(self) -> &'static str {
        match self {
            Place::Check => "CHECK constraints",
            Place::Generated => "generated columns",
            Place::IndexKey => "index expressions",
            Place::IndexFilter => "partial index WHERE clauses",
        }
    }

    pub(crate) fn refuse(self, what: &str) -> Error {
        Error::sql(format!("{what} prohibited in {}", self.words()))
    }
}

/// Calls `visit` with the expressions right below one, in the order of the text. Queries in it are not entered.
pub fn each_child<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e Expr)) {
    match expr {
        Expr::Literal(_)
        | Expr::Parameter { .. }
        | Expr::Column { .. }
        | Expr::Subquery(_)
        | Expr::Exists(_) => {}
        Expr::Unary(_, a)
        | Expr::IsNull(a)
        | Expr::NotNull(a)
        | Expr::Cast { value: a, .. }
        | Expr::Collate(a, _)
        | Expr::Paren(a) => visit(a),
        Expr::Binary(_, a, b) => {
            visit(a);
            visit(b);
        }
        Expr::Like { left, pattern, escape, .. } => {
            visit(left);
            visit(pattern);
            escape.iter().for_each(|e| visit(e));
        }
        Expr::Between { value, low, high, .. } => {
            visit(value);
            visit(low);
            visit(high);
        }
        Expr::In { value, source, .. } => {
            visit(value);
            match source {
                InSource::List(list) | InSource::Table(_, list) => list.iter().for_each(visit),
                InSource::Select(_) => {}
            }
        }
        Expr::Case { base, arms, otherwise } => {
            base.iter().for_each(|e| visit(e));
            for (when, then) in arms {
                visit(when);
                visit(then);
            }
            otherwise.iter().for_each(|e| visit(e));
        }
        Expr::Function(call) => {
            call.arguments.iter().for_each(&mut *visit);
            call.order_by.iter().for_each(|term| visit(&term.expr));
            call.filter.iter().for_each(&mut *visit);
            if let Some(WindowRef::Window(window)) = &call.over {
                window.partition_by.iter().for_each(&mut *visit);
                window.order_by.iter().for_each(|term| visit(&term.expr));
                if let Some(frame) = &window.frame {
                    for bound in [&frame.start, &frame.end] {
                        if let WindowBound::Preceding(e) | WindowBound::Following(e) = bound {
                            visit(e);
                        }
                    }
                }
            }
        }
        Expr::Row(list) => list.iter().for_each(visit),
        Expr::Raise(raise) => raise.message.iter().for_each(|e| visit(e)),
    }
}

/// Calls `check` with an expression and all below it until one fails.
///
/// # Errors
/// What `check` gives.
pub fn walk(expr: &Expr, check: &mut dyn FnMut(&Expr) -> Result<()>) -> Result<()> {
    check(expr)?;
    let mut outcome = Ok(());
    each_child(expr, &mut |child| {
        if outcome.is_ok() {
            outcome = walk(child, check);
        }
    });
    outcome
}

/// The names that an expression of a table's definition can use.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// The table's name.
    pub table: &'a str,
    /// Its columns.
    pub columns: &'a [super::Column],
    /// Whether its rows have rowids.
    pub has_rowid: bool,
}

/// The names of the rowid, where no column has them.
pub fn is_rowid_name(name: &str) -> bool {
    ["rowid", "oid", "_rowid_"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

impl Names<'_> {
    /// Whether an expression uses only what it may.
    ///
    /// # Errors
    /// In SQLite's words.
    pub fn check(&self, expr: &Expr, place: Place) -> Result<()> {
        walk(expr, &mut |expr| match expr {
            Expr::Subquery(_)
            | Expr::Exists(_)
            | Expr::In { source: InSource::Select(_) | InSource::Table(..), .. } => {
                Err(place.refuse("subqueries"))
            }
            Expr::Parameter { .. } => Err(place.refuse("parameters")),
            Expr::Column { table: Some(_), .. }
                if matches!(place, Place::IndexKey | Place::Generated) =>
            {
                Err(place.refuse("the \".\" operator"))
            }
            // A schema before the table is not looked at.
            Expr::Column { table, name, .. } => {
                let own = table.as_ref().is_none_or(|table| table.is(self.table));
                if own && self.has(&name.text, place) {
                    return Ok(());
                }
                let stands_for_a_value = name.double_quoted || name.is("true") || name.is("false");
                if table.is_none() && stands_for_a_value {
                    return Ok(());
                }
                let prefix = table.as_ref().map(|table| format!("{table}.")).unwrap_or_default();
                Err(Error::sql(format!("no such column: {prefix}{name}")))
            }
            _ => Ok(()),
        })
    }

    fn has(&self, name: &str, place: Place) -> bool {
        let by_name = self.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
        let rowid_allowed = self.has_rowid && matches!(place, Place::Check | Place::IndexFilter);
        by_name || (rowid_allowed && is_rowid_name(name))
    }
}

/// Whether the expression of a DEFAULT is the same for every row: functions are, names and queries are not.
pub fn is_constant(expr: &Expr) -> bool {
    let constant = walk(expr, &mut |expr| match expr {
        Expr::Column { table: None, name, .. }
            if !name.double_quoted && (name.is("true") || name.is("false")) =>
        {
            Ok(())
        }
        Expr::Function(call) if call.over.is_none() => Ok(()),
        Expr::Column { .. }
        | Expr::Function(_)
        | Expr::Parameter { .. }
        | Expr::Subquery(_)
        | Expr::Exists(_)
        | Expr::Raise(_)
        | Expr::In { source: InSource::Select(_) | InSource::Table(..), .. } => Err(Error::sql("")),
        _ => Ok(()),
    });
    constant.is_ok()
}
