//! What holds for each row of a table: generated columns, defaults, checks, entries of indexes.

use heddle_value::Value;

use super::{Around, Maker};
use crate::ast;
use crate::bind::{Binder, RowScope};
use crate::plan::{Expr, IndexRule, Rules, TriggerColumn, Visit, walk};
use crate::schema::{Index, Table};
use crate::{Error, Result};

impl Maker<'_> {
    pub(super) fn rules(&self, target: &super::Target) -> Result<Rules> {
        if target.view.is_some() {
            return Ok(Rules::default());
        }
        let table = &target.table;
        let around = Around { home: Some(target.database), ..Around::default() };
        let mut binder = self.binder(&around);
        let row = RowScope::of_row(table.clone());
        let generated = generated(&mut binder, &row, table)?;
        let mut defaults = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            defaults.push(match &column.default {
                Some(default) => Some(default_value(&mut binder, &default.expr)?),
                None => None,
            });
        }
        let checks = table.checks.iter().map(|check| Ok(binder.row_expr(&row, &check.expr)?.expr));
        let checks = checks.collect::<Result<_>>()?;
        let indexes = table.indexes.iter().map(|index| index_rule(&mut binder, &row, index));
        let indexes = indexes.collect::<Result<_>>()?;
        Ok(Rules { generated, defaults, checks, indexes })
    }
}

/// Generated columns in an order in which they can be computed.
fn generated(binder: &mut Binder<'_>, row: &RowScope, table: &Table) -> Result<Vec<(u16, Expr)>> {
    let mut waiting = Vec::new();
    for (place, column) in (0u16..).zip(&table.columns) {
        if let Some(generated) = &column.generated {
            waiting.push((place, binder.row_expr(row, &generated.expr)?.expr));
        }
    }
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let places: Vec<u16> = waiting.iter().map(|(place, _)| *place).collect();
        let (ready, others): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(_, expr)| !columns_of(expr).iter().flatten().any(|c| places.contains(c)));
        if ready.is_empty() {
            let first = others.first().and_then(|(at, _)| table.columns.get(usize::from(*at)));
            let name = first.map_or("", |column| &column.name);
            return Err(Error::sql(format!("generated column loop on \"{name}\"")));
        }
        ordered.extend(ready);
        waiting = others;
    }
    Ok(ordered)
}

/// The columns of the row that an expression uses.
pub(super) fn columns_of(expr: &Expr) -> Vec<Option<u16>> {
    struct Columns(Vec<Option<u16>>);
    impl Visit for Columns {
        fn expr(&mut self, expr: &mut Expr) -> bool {
            if let Expr::Row(TriggerColumn::New(column)) = expr {
                self.0.push(*column);
            }
            true
        }
    }
    let mut columns = Columns(Vec::new());
    walk::expr(&mut expr.clone(), &mut columns);
    columns.0
}

fn default_value(binder: &mut Binder<'_>, expr: &ast::Expr) -> Result<Expr> {
    let mut bare = expr;
    while let ast::Expr::Paren(inner) = bare {
        bare = inner;
    }
    // A bare name is a truth value or a string.
    if let ast::Expr::Column { schema: None, table: None, name } = bare {
        let value = match name {
            name if name.double_quoted => Value::text(name.text.as_bytes()),
            name if name.is("true") => Value::Integer(1),
            name if name.is("false") => Value::Integer(0),
            name => Value::text(name.text.as_bytes()),
        };
        return Ok(Expr::Constant(value));
    }
    Ok(binder.expr(expr)?.expr)
}

fn index_rule(binder: &mut Binder<'_>, row: &RowScope, index: &Index) -> Result<IndexRule> {
    let filter = match &index.filter {
        Some(filter) => Some(binder.row_expr(row, filter)?.expr),
        None => None,
    };
    let mut keys = Vec::with_capacity(index.keys.len());
    for key in &index.keys {
        keys.push(match (&key.expr, key.column) {
            (Some(expr), None) => Some(binder.row_expr(row, expr)?.expr),
            _ => None,
        });
    }
    Ok(IndexRule { filter, keys })
}
