//! PRIMARY KEY and UNIQUE: the keys of constraints, and which of them make an index.
//!
//! # Invariants
//! - K1: constraints are numbered in the order in which they stand, and one with the same columns and collations as one before it, in
//!   whatever direction, makes none of its own.

use heddle_value::{Collation, Value};

use super::expression::{Names, Place};
use super::{Context, NewIndex};
use crate::ast::{ConflictClause, Expr, IndexedColumn, Literal, Name};
use crate::schema::{Column, IndexKey, IndexOrigin};
use crate::{Error, Result};

/// The most keys of an index.
pub(super) const MAX_KEYS: usize = 2000;

/// A key as it is written: the expression without parentheses and without the collation around it.
pub(super) fn bare(expr: &Expr) -> (&Expr, Option<&Name>) {
    let mut expr = expr;
    let mut collation = None;
    loop {
        match expr {
            Expr::Paren(inner) => expr = inner,
            Expr::Collate(inner, name) => {
                collation = collation.or(Some(name));
                expr = inner;
            }
            _ => return (expr, collation),
        }
    }
}

/// The name of a column that a key names: also as a string, which old versions of SQLite took for a name.
pub(super) fn column_name(expr: &Expr) -> Option<Name> {
    match expr {
        Expr::Column { table: None, name, .. } => Some(name.clone()),
        Expr::Literal(Literal::Value(Value::Text(text))) => {
            Some(Name::new(String::from_utf8_lossy(text.as_bytes()).into_owned()))
        }
        _ => None,
    }
}

/// A constraint that makes an index.
#[derive(Debug)]
pub(super) struct Constraint {
    pub(super) origin: IndexOrigin,
    pub(super) keys: Vec<IndexKey>,
    pub(super) conflict: Option<ConflictClause>,
    number: usize,
}

/// Those of a table (K1).
#[derive(Debug, Default)]
pub(super) struct Constraints {
    list: Vec<Constraint>,
}

impl Constraints {
    /// Adds one.
    pub(super) fn add(
        &mut self,
        origin: IndexOrigin,
        keys: Vec<IndexKey>,
        conflict: Option<ConflictClause>,
    ) -> Result<()> {
        let number = self.list.len() + 1;
        let Some(known) = self.list.iter_mut().find(|other| same(&other.keys, &keys)) else {
            self.list.push(Constraint { origin, keys, conflict, number });
            return Ok(());
        };
        if let (Some(a), Some(b)) = (known.conflict, conflict)
            && a != b
        {
            return Err(Error::sql("conflicting ON CONFLICT clauses specified"));
        }
        known.conflict = known.conflict.or(conflict);
        if origin == IndexOrigin::PrimaryKey {
            known.origin = origin;
        }
        Ok(())
    }

    pub(super) fn primary_key(&self) -> Option<&Constraint> {
        self.list.iter().find(|constraint| constraint.origin == IndexOrigin::PrimaryKey)
    }

    /// Takes the primary key out, which is the tree of a WITHOUT ROWID table, without repeated columns.
    pub(super) fn take_primary_key(&mut self) -> Option<Constraint> {
        let is_it = |constraint: &Constraint| constraint.origin == IndexOrigin::PrimaryKey;
        let at = self.list.iter().position(is_it)?;
        let mut found = self.list.remove(at);
        let mut keys: Vec<IndexKey> = Vec::new();
        for key in found.keys {
            if !keys.iter().any(|other| is_same(other, &key)) {
                keys.push(key);
            }
        }
        found.keys = keys;
        Some(found)
    }

    /// The indexes that are left.
    pub(super) fn into_indexes(self, table: &str, row_keys: Option<&[IndexKey]>) -> Vec<NewIndex> {
        let index = |constraint: Constraint| NewIndex {
            name: format!("sqlite_autoindex_{table}_{}", constraint.number).into(),
            row_keys: row_keys.map(|row_keys| {
                let mut row_keys = not_in(row_keys, &constraint.keys);
                // SQLite forgets DESC here.
                row_keys.iter_mut().for_each(|key| key.descending = false);
                row_keys
            }),
            keys: constraint.keys,
            unique: true,
            conflict: constraint.conflict,
            filter: None,
            origin: constraint.origin,
        };
        self.list.into_iter().map(index).collect()
    }
}

/// The columns of a row's name that an index does not have yet.
pub(super) fn not_in(row_keys: &[IndexKey], keys: &[IndexKey]) -> Vec<IndexKey> {
    let missing = |key: &&IndexKey| !keys.iter().any(|other| is_same(other, key));
    row_keys.iter().filter(missing).cloned().collect()
}

fn collation_name(key: &IndexKey) -> &str {
    key.unknown_collation.as_deref().unwrap_or_else(|| key.collation.name())
}

fn is_same(a: &IndexKey, b: &IndexKey) -> bool {
    a.column.is_some()
        && a.column == b.column
        && collation_name(a).eq_ignore_ascii_case(collation_name(b))
}

fn same(a: &[IndexKey], b: &[IndexKey]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
}

/// The key that a column is by itself.
pub(super) fn of_column(at: usize, column: &Column, descending: bool) -> IndexKey {
    IndexKey {
        // A table has at most 2000 columns.
        column: u16::try_from(at).ok(),
        expr: None,
        collation: column.collation.clone(),
        unknown_collation: column.unknown_collation.clone(),
        descending,
    }
}

/// A key as it is written, of a constraint or an index.
pub(super) fn of_term(
    names: Names<'_>,
    term: &IndexedColumn,
    of_constraint: bool,
    context: Context<'_>,
) -> Result<IndexKey> {
    let (expr, collation) = bare(&term.expr);
    let name = column_name(expr);
    let known = name.as_ref().and_then(|name| {
        names.columns.iter().position(|column| column.name.eq_ignore_ascii_case(&name.text))
    });
    let mut key = match (known.and_then(|at| Some((at, names.columns.get(at)?))), &name) {
        (Some((at, column)), _) => of_column(at, column, term.descending),
        (None, Some(name)) if !name.double_quoted => {
            return Err(Error::sql(format!("no such column: {name}")));
        }
        (None, _) => {
            names.check(expr, Place::IndexKey)?;
            if of_constraint {
                return Err(Error::sql(
                    "expressions prohibited in PRIMARY KEY and UNIQUE constraints",
                ));
            }
            IndexKey {
                column: None,
                expr: Some(expr.clone()),
                collation: Collation::BINARY,
                unknown_collation: None,
                descending: term.descending,
            }
        }
    };
    if let Some(name) = collation {
        (key.collation, key.unknown_collation) = context.collation(&name.text)?;
    }
    Ok(key)
}
