//! The state of a conversion, and the statements that read and write rows.

use std::ops::Range;

use sqlite3_parser::ast as parsed;

use super::expr::conflict;
use super::select::hint;
use super::spans::Spans;
use super::text::Token;
use super::{MAX_DEPTH, MAX_PARAMETER, name};
use crate::ast::{
    Delete, Expr, IndexedColumn, Insert, InsertSource, PragmaValue, ResultColumn, Set, Statement,
    TransactionKind, Update, Upsert, UpsertAction,
};
use crate::{Error, Result};

/// How much stack must be left before going deeper, and how much is added when it is not.
const STACK_LEFT: usize = 128 * 1024;
const STACK_ADDED: usize = 2 * 1024 * 1024;

/// Converts one statement.
#[derive(Debug)]
pub(super) struct Converter<'s> {
    sql: &'s str,
    pub(super) spans: Spans,
    /// By number less one.
    parameters: Vec<Option<Box<str>>>,
    depth: usize,
}

impl<'s> Converter<'s> {
    pub(super) fn new(sql: &'s str, tokens: &[Token]) -> Converter<'s> {
        Converter { sql, spans: Spans::new(tokens), parameters: Vec::new(), depth: 0 }
    }

    pub(super) fn into_parameters(self) -> Vec<Option<Box<str>>> {
        self.parameters
    }

    /// A piece of the statement's text.
    pub(super) fn text(&self, range: Range<usize>) -> &'s str {
        self.sql.get(range).unwrap_or_default()
    }

    /// The whole text that was given to the parser.
    pub(super) fn whole(&self) -> &'s str {
        self.sql
    }

    /// Runs what goes one level deeper into the tree (R1).
    pub(super) fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.deeper_by(1, run)
    }

    pub(super) fn deeper_by<T>(
        &mut self,
        levels: usize,
        run: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.check_depth(levels)?;
        self.depth += levels;
        let outcome = stacker::maybe_grow(STACK_LEFT, STACK_ADDED, || run(self));
        self.depth -= levels;
        outcome
    }

    pub(super) fn check_depth(&self, more: usize) -> Result<()> {
        if self.depth + more > MAX_DEPTH {
            return Err(Error::sql(format!(
                "Expression tree is too large (maximum depth {MAX_DEPTH})"
            )));
        }
        Ok(())
    }

    /// A parameter: `?`, `?12`, or a name with its sign.
    pub(super) fn parameter(&mut self, written: &str) -> Result<Expr> {
        let too_many = || Error::sql("too many SQL variables");
        let number = if written.is_empty() {
            u32::try_from(self.parameters.len() + 1).map_err(|_| too_many())?
        } else if written.starts_with(|c: char| c.is_ascii_digit()) {
            match written.parse::<u32>() {
                Ok(number) if (1..=MAX_PARAMETER).contains(&number) => number,
                _ => {
                    return Err(Error::sql(format!(
                        "variable number must be between ?1 and ?{MAX_PARAMETER}"
                    )));
                }
            }
        } else {
            let known = self.parameters.iter().position(|name| name.as_deref() == Some(written));
            let number = known.unwrap_or(self.parameters.len()) + 1;
            u32::try_from(number).map_err(|_| too_many())?
        };
        if number > MAX_PARAMETER {
            return Err(too_many());
        }
        let place = number as usize;
        if self.parameters.len() < place {
            self.parameters.resize(place, None);
        }
        let has_name = !written.is_empty();
        let text: Option<Box<str>> = has_name.then(|| {
            if written.starts_with(|c: char| c.is_ascii_digit()) {
                format!("?{written}").into()
            } else {
                written.into()
            }
        });
        if let (Some(slot), Some(text)) = (self.parameters.get_mut(place - 1), &text) {
            slot.get_or_insert_with(|| text.clone());
        }
        Ok(Expr::Parameter { number, name: text })
    }

    pub(super) fn statement(&mut self, statement: parsed::Stmt<'_>) -> Result<Statement> {
        Ok(match statement {
            parsed::Stmt::Select(select) => Statement::Select(Box::new(self.select(select)?)),
            parsed::Stmt::Insert { with, or_conflict, tbl_name, columns, body, returning } => {
                let with = self.with(with.as_ref())?;
                let (source, upserts) = match body {
                    parsed::InsertBody::Select(select, upsert) => {
                        let source = InsertSource::Select(Box::new(self.select(select)?));
                        (source, self.upserts(upsert)?)
                    }
                    parsed::InsertBody::DefaultValues => (InsertSource::DefaultValues, Vec::new()),
                };
                Statement::Insert(Box::new(Insert {
                    with,
                    conflict: or_conflict.map(conflict),
                    table: name::qualified(&tbl_name),
                    alias: tbl_name.alias.as_ref().map(name::of),
                    columns: columns.iter().flat_map(|names| names.iter()).map(name::of).collect(),
                    source,
                    upserts,
                    returning: self.returning(returning)?,
                }))
            }
            parsed::Stmt::Update { .. } => self.update(statement)?,
            parsed::Stmt::Delete {
                with,
                tbl_name,
                indexed,
                where_clause,
                returning,
                order_by,
                limit,
            } => Statement::Delete(Box::new(Delete {
                with: self.with(with.as_ref())?,
                table: name::qualified(&tbl_name),
                alias: tbl_name.alias.as_ref().map(name::of),
                hint: hint(indexed.as_ref()),
                filter: self.maybe(where_clause.as_ref())?,
                returning: self.returning(returning)?,
                order_by: self.order_terms(order_by.unwrap_or_default())?,
                limit: self.limit(limit)?,
            })),
            parsed::Stmt::Begin(kind, _) => Statement::Begin(match kind {
                None | Some(parsed::TransactionType::Deferred) => TransactionKind::Deferred,
                Some(parsed::TransactionType::Immediate) => TransactionKind::Immediate,
                Some(parsed::TransactionType::Exclusive) => TransactionKind::Exclusive,
            }),
            parsed::Stmt::Commit(_) => Statement::Commit,
            parsed::Stmt::Rollback { savepoint_name, .. } => {
                Statement::Rollback { to: savepoint_name.as_ref().map(name::of) }
            }
            parsed::Stmt::Savepoint(name) => Statement::Savepoint(name::of(&name)),
            parsed::Stmt::Release(name) => Statement::Release(name::of(&name)),
            parsed::Stmt::Pragma(name, body) => Statement::Pragma {
                schema: name.db_name.as_ref().map(name::of),
                name: name::of(&name.name),
                value: match body {
                    None => None,
                    Some(parsed::PragmaBody::Equals(value)) => {
                        Some(PragmaValue::Equals(self.expr(&value)?))
                    }
                    Some(parsed::PragmaBody::Call(value)) => {
                        Some(PragmaValue::Call(self.expr(&value)?))
                    }
                },
            },
            parsed::Stmt::Attach { expr, db_name, key } => Statement::Attach {
                file: self.boxed(&expr)?,
                name: self.boxed(&db_name)?,
                key: self.maybe(key.as_ref())?.map(Box::new),
            },
            parsed::Stmt::Detach(name) => Statement::Detach(self.boxed(&name)?),
            parsed::Stmt::Analyze(name) => Statement::Analyze(name.as_ref().map(name::qualified)),
            parsed::Stmt::Reindex { obj_name } => {
                Statement::Reindex(obj_name.as_ref().map(name::qualified))
            }
            parsed::Stmt::Vacuum(schema, into) => Statement::Vacuum {
                schema: schema.as_ref().map(name::of),
                into: self.maybe(into.as_ref())?.map(Box::new),
            },
            definition => self.definition(definition)?,
        })
    }

    fn update(&mut self, statement: parsed::Stmt<'_>) -> Result<Statement> {
        let parsed::Stmt::Update {
            with,
            or_conflict,
            tbl_name,
            indexed,
            sets,
            from,
            where_clause,
            returning,
            order_by,
            limit,
        } = statement
        else {
            return Err(Error::sql("no UPDATE"));
        };
        Ok(Statement::Update(Box::new(Update {
            with: self.with(with.as_ref())?,
            conflict: or_conflict.map(conflict),
            table: name::qualified(&tbl_name),
            alias: tbl_name.alias.as_ref().map(name::of),
            hint: hint(indexed.as_ref()),
            sets: self.sets(sets)?,
            from: from.as_ref().map(|from| self.from(from)).transpose()?.flatten(),
            filter: self.maybe(where_clause.as_ref())?,
            returning: self.returning(returning)?,
            order_by: self.order_terms(order_by.unwrap_or_default())?,
            limit: self.limit(limit)?,
        })))
    }

    pub(super) fn sets(&mut self, sets: &[parsed::Set<'_>]) -> Result<Vec<Set>> {
        let set = |set: &parsed::Set<'_>| {
            Ok(Set {
                columns: set.col_names.iter().map(name::of).collect(),
                value: self.expr(&set.expr)?,
            })
        };
        sets.iter().map(set).collect()
    }

    fn returning(
        &mut self,
        columns: Option<&[parsed::ResultColumn<'_>]>,
    ) -> Result<Vec<ResultColumn>> {
        columns.map_or(Ok(Vec::new()), |columns| self.result_columns(columns))
    }

    /// A chain of ON CONFLICT clauses.
    pub(super) fn upserts(&mut self, first: Option<&parsed::Upsert<'_>>) -> Result<Vec<Upsert>> {
        let mut upserts = Vec::new();
        let mut next = first;
        while let Some(upsert) = next {
            let (target, target_filter) = match &upsert.index {
                None => (Vec::new(), None),
                Some(index) => {
                    (self.indexed_columns(index.targets)?, self.maybe(index.where_clause.as_ref())?)
                }
            };
            let action = match &upsert.do_clause {
                parsed::UpsertDo::Nothing => UpsertAction::Nothing,
                parsed::UpsertDo::Set { sets, where_clause } => UpsertAction::Update {
                    sets: self.sets(sets)?,
                    filter: self.maybe(where_clause.as_ref())?,
                },
            };
            upserts.push(Upsert { target, target_filter, action });
            next = upsert.next;
        }
        Ok(upserts)
    }

    pub(super) fn indexed_columns(
        &mut self,
        columns: &[parsed::SortedColumn<'_>],
    ) -> Result<Vec<IndexedColumn>> {
        let mut converted = Vec::new();
        for column in columns {
            if let Some(nulls) = column.nulls {
                let which = if nulls == parsed::NullsOrder::First { "FIRST" } else { "LAST" };
                return Err(Error::sql(format!("unsupported use of NULLS {which}")));
            }
            converted.push(IndexedColumn {
                expr: self.expr(&column.expr)?,
                descending: column.order == Some(parsed::SortOrder::Desc),
            });
        }
        Ok(converted)
    }
}
