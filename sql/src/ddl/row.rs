//! A stored row as the values of its columns.

use std::sync::Arc;

use heddle_btree::record::Record;
use heddle_btree::text::{Encoding, to_utf8};
use heddle_btree::value::ValueRef;
use heddle_value::{Affinity, Value};

use crate::ast;
use crate::bind::{Binder, Environment, RowScope};
use crate::exec::{CodeId, Evaluator, Resources, RowImage};
use crate::plan;
use crate::schema::Table;
use crate::schema::build::expression::each_child;
use crate::{Error, Result};

/// Reads rows of one table: what is in the record, the defaults of columns that were added later, and generated columns that are
/// not stored.
#[derive(Debug)]
pub struct RowReader {
    table: Arc<Table>,
    encoding: Encoding,
    /// For each column its place in the record.
    places: Vec<Option<usize>>,
    /// What columns are that a record is too short for.
    defaults: Vec<Value>,
    evaluator: Evaluator,
    /// The columns that are not stored, in an order in which they can be computed.
    computed: Vec<(usize, CodeId)>,
    /// Further expressions over the row.
    others: Vec<CodeId>,
}

impl RowReader {
    /// Makes ready to read rows of a table, and to evaluate `others` over them.
    ///
    /// # Errors
    /// What is wrong with the table's expressions.
    pub fn new(
        environment: Environment<'_>,
        table: &Arc<Table>,
        encoding: Encoding,
        others: &[&ast::Expr],
        resources: &mut Resources,
    ) -> Result<RowReader> {
        let order = generated_in_order(table, false)?;
        let generated = order.iter().filter_map(|&at| table.columns.get(at)?.generated.as_ref());
        let defaults: Vec<&ast::Expr> =
            table.columns.iter().filter_map(|c| Some(&c.default.as_ref()?.expr)).collect();
        let all = generated.map(|column| &column.expr).chain(others.iter().copied());
        let mut bound: Vec<plan::Expr> = Vec::new();
        for expr in all.chain(defaults) {
            let row = RowScope::of_row(Arc::clone(table));
            bound.push(Binder::new(environment).row_expr(&row, expr)?.expr);
        }
        let evaluator =
            Evaluator::new(bound.iter().map(|expr| (expr, &[][..])), &[], Arc::default())?;
        let id = |number: usize| evaluator.id(number).ok_or_else(|| Error::sql("no expression"));
        let computed: Result<Vec<_>> =
            order.iter().enumerate().map(|(number, &at)| Ok((at, id(number)?))).collect();
        let first = order.len();
        let after: Result<Vec<_>> = (first..first + others.len()).map(id).collect();
        let place =
            |at: usize| table.record_order.iter().position(|&column| usize::from(column) == at);
        let mut reader = RowReader {
            places: (0..table.columns.len()).map(place).collect(),
            table: Arc::clone(table),
            encoding,
            defaults: Vec::new(),
            computed: computed?,
            others: after?,
            evaluator,
        };
        let mut number = first + others.len();
        for column in &table.columns {
            let value = match &column.default {
                None => Value::Null,
                Some(_) => {
                    let found = reader.evaluator.id(number);
                    number += 1;
                    reader.evaluate(found, resources)?
                }
            };
            reader.defaults.push(column.affinity.apply(value));
        }
        Ok(reader)
    }

    /// The row of a record.
    ///
    /// # Errors
    /// A damaged record; what evaluating meets.
    pub fn read(
        &mut self,
        rowid: Option<i64>,
        record: &[u8],
        resources: &mut Resources,
    ) -> Result<RowImage> {
        let damaged = |_| Error::sql("database disk image is malformed");
        let mut stored = Vec::new();
        let mut columns = Record::parse(record).map_err(damaged)?.columns();
        while let Some(value) = columns.next_value().map_err(damaged)? {
            stored.push(value);
        }
        let mut values = Vec::with_capacity(self.places.len());
        for (at, place) in self.places.iter().enumerate() {
            let column = self.table.columns.get(at);
            let value = match (place, rowid) {
                (_, Some(rowid)) if self.table.rowid_alias == Some(at) => Value::Integer(rowid),
                (None, _) => Value::Null,
                (Some(place), _) => match stored.get(*place) {
                    None => self.defaults.get(at).cloned().unwrap_or_default(),
                    Some(value) => {
                        let is_real = column.is_some_and(|c| c.affinity == Affinity::Real);
                        owned(*value, self.encoding, is_real)
                    }
                },
            };
            values.push(value);
        }
        let image = RowImage { rowid: rowid.map_or(Value::Null, Value::Integer), columns: values };
        *self.evaluator.new_image() = image;
        for number in 0..self.computed.len() {
            let Some(&(at, id)) = self.computed.get(number) else { continue };
            let value = self.evaluate(Some(id), resources)?;
            let affinity = self.table.columns.get(at).map_or(Affinity::Blob, |c| c.affinity);
            if let Some(slot) = self.evaluator.new_image().columns.get_mut(at) {
                *slot = affinity.apply(value);
            }
        }
        Ok(self.evaluator.new_image().clone())
    }

    /// The value of one of the further expressions for the row that was read last.
    ///
    /// # Errors
    /// What evaluating meets.
    pub fn other(&mut self, number: usize, resources: &mut Resources) -> Result<Value> {
        let id = self.others.get(number).copied();
        self.evaluate(id, resources)
    }

    fn evaluate(&mut self, id: Option<CodeId>, resources: &mut Resources) -> Result<Value> {
        let id = id.ok_or_else(|| Error::sql("no expression"))?;
        let value = self.evaluator.try_value(id, &[], resources)?;
        // Queries are refused where the table is defined.
        value.ok_or_else(|| Error::sql("subqueries prohibited in definitions"))
    }
}

/// A stored value as one of SQL.
pub(super) fn owned(value: ValueRef<'_>, encoding: Encoding, is_real: bool) -> Value {
    match value {
        ValueRef::Text(text) => Value::text(to_utf8(text, encoding)),
        ValueRef::Integer(v) if is_real => Value::Real(v as f64),
        other => Value::from(other),
    }
}

/// The generated columns of a table, each after those that it uses; those that are stored only if `stored`.
///
/// # Errors
/// `generated column loop`.
pub(super) fn generated_in_order(table: &Table, stored: bool) -> Result<Vec<usize>> {
    let mut order = Vec::new();
    let mut open = Vec::new();
    for at in 0..table.columns.len() {
        add_generated(table, at, stored, &mut open, &mut order)?;
    }
    Ok(order)
}

fn add_generated(
    table: &Table,
    at: usize,
    stored: bool,
    open: &mut Vec<usize>,
    order: &mut Vec<usize>,
) -> Result<()> {
    let Some(column) = table.columns.get(at) else { return Ok(()) };
    let Some(generated) = column.generated.as_ref().filter(|g| stored || !g.stored) else {
        return Ok(());
    };
    if order.contains(&at) {
        return Ok(());
    }
    if open.contains(&at) {
        return Err(Error::sql(format!("generated column loop on \"{}\"", column.name)));
    }
    open.push(at);
    let mut used = Vec::new();
    collect_columns(table, &generated.expr, &mut used);
    for other in used {
        add_generated(table, other, stored, open, order)?;
    }
    open.pop();
    order.push(at);
    Ok(())
}

fn collect_columns(table: &Table, expr: &ast::Expr, used: &mut Vec<usize>) {
    if let ast::Expr::Column { name, .. } = expr {
        used.extend(table.column(&name.text));
    }
    each_child(expr, &mut |child| collect_columns(table, child, used));
}
