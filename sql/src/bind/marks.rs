//! The mark of JSON at the borders of queries.
//!
//! A text that a JSON function gives counts as JSON for the JSON function around it (`heddle_value::Text::is_json`). As in SQLite this
//! ends where a query ends: what a subquery, view or common table expression gives is just text to the query that reads it. So the
//! columns of such a query that can be JSON lose the mark in its projection.
//!
//! `json_extract` is left as it is, whose expression an index may have.

use heddle_functions::{FORGET_JSON, gives_json};
use heddle_value::Collation;

use super::Binder;
use crate::plan::{
    AggregateCall, AggregateKind, ColumnId, Expr, Function, FunctionRef, Relation, WindowCall,
    WindowFunction,
};

impl Binder<'_> {
    /// Takes the mark from these columns of a query that another reads.
    pub(super) fn forget_json(&mut self, relation: &mut Relation, columns: &[ColumnId]) {
        if let Relation::Shared { id, columns: given } = relation {
            let Some(shared) = self.shared.get_mut(id.0 as usize) else { return };
            let of = |column: &ColumnId| given.iter().position(|id| id == column);
            let own = columns.iter().filter_map(of);
            let own: Vec<ColumnId> = own.filter_map(|at| shared.columns.get(at).copied()).collect();
            if let Some(relation) = &mut shared.relation {
                forget(relation, &own);
            }
        } else {
            forget(relation, columns);
        }
    }
}

fn forget(relation: &mut Relation, wanted: &[ColumnId]) {
    match relation {
        Relation::Project { input, columns } => {
            for (_, expr) in columns.iter_mut().filter(|(id, _)| wanted.contains(id)) {
                forget_in(expr, input);
            }
        }
        Relation::Values { columns, rows } => {
            for row in rows {
                let cells = columns.iter().zip(row).filter(|(id, _)| wanted.contains(id));
                cells.for_each(|(_, expr)| forget_in(expr, &Relation::Unit));
            }
        }
        Relation::Filter { input, .. }
        | Relation::Sort { input, .. }
        | Relation::Limit { input, .. }
        | Relation::Distinct { input, .. } => forget(input, wanted),
        Relation::Compound { left, right, columns, .. }
        | Relation::Recursive { initial: left, step: right, columns, .. } => {
            for (input, own) in [left, right] {
                let own = columns.iter().zip(&*own).filter(|((id, _), _)| wanted.contains(id));
                let own: Vec<ColumnId> = own.map(|(_, id)| *id).collect();
                forget(input, &own);
            }
        }
        _ => {}
    }
}

fn forget_in(expr: &mut Expr, input: &Relation) {
    if !may_be_json(expr, input) {
        return;
    }
    let argument = std::mem::replace(expr, Expr::Constant(heddle_value::Value::Null));
    *expr = Expr::Function(Box::new(Function {
        function: FunctionRef::BuiltIn(&FORGET_JSON),
        arguments: vec![argument],
        collation: Collation::default(),
    }));
}

/// Whether the value of an expression over `input` may bear the mark.
fn may_be_json(expr: &Expr, input: &Relation) -> bool {
    let may = |expr: &Expr| may_be_json(expr, input);
    match expr {
        Expr::Column(column) => column_may_be_json(*column, input),
        Expr::Collate(value, _) | Expr::Apply(value, _) | Expr::Cast(value, _) => may(value),
        Expr::Case { arms, otherwise, .. } => {
            arms.iter().any(|(_, value)| may(value)) || otherwise.as_deref().is_some_and(may)
        }
        Expr::Function(function) => match &function.function {
            FunctionRef::BuiltIn(code) => {
                gives_json(code.name) && code.name != "json_extract"
                    || matches!(code.name, "min" | "max" | "nullif")
                        && function.arguments.iter().any(may)
            }
            FunctionRef::Coalesce | FunctionRef::Iif | FunctionRef::First => {
                function.arguments.iter().any(may)
            }
            FunctionRef::User(_) => false,
        },
        _ => false,
    }
}

fn column_may_be_json(column: ColumnId, relation: &Relation) -> bool {
    match relation {
        Relation::Project { input, columns } => {
            columns.iter().any(|(id, expr)| *id == column && may_be_json(expr, input))
        }
        Relation::Filter { input, .. }
        | Relation::Sort { input, .. }
        | Relation::Limit { input, .. }
        | Relation::Distinct { input, .. } => column_may_be_json(column, input),
        Relation::Window { input, calls, .. } => {
            let gives = |call: &WindowCall| match &call.function {
                WindowFunction::Aggregate(AggregateCall {
                    function: AggregateKind::BuiltIn(code),
                    ..
                }) => gives_json(code.name),
                _ => false,
            };
            calls.iter().any(|(id, call)| *id == column && gives(call))
                || column_may_be_json(column, input)
        }
        Relation::Aggregate { input, groups, aggregates, bare, .. } => {
            let call = |call: &AggregateCall| match &call.function {
                AggregateKind::BuiltIn(code) => {
                    gives_json(code.name)
                        || matches!(code.name, "min" | "max")
                            && call.arguments.iter().any(|expr| may_be_json(expr, input))
                }
                AggregateKind::User(_) => false,
            };
            aggregates.iter().any(|(id, of)| *id == column && call(of))
                || groups.iter().any(|(id, expr, _)| *id == column && may_be_json(expr, input))
                || bare.iter().any(|(id, expr)| *id == column && may_be_json(expr, input))
        }
        // Joined are queries that have lost it, and tables.
        _ => false,
    }
}
