//! The values of columns that a record is too old to have.

use heddle_value::{Value, arithmetic, cast};

use crate::ast::{Expr, Literal, UnaryOp};
use crate::schema::Column;

/// The column's DEFAULT, as far as ALTER TABLE lets one be added to rows that are there: a constant.
pub(crate) fn default_of(column: &Column) -> Value {
    let default = column.default.as_ref().map(|default| constant(&default.expr));
    column.affinity.apply(default.unwrap_or_default())
}

/// A literal, perhaps with signs, casts and parentheses; NULL for anything else.
fn constant(expr: &Expr) -> Value {
    match expr {
        Expr::Literal(Literal::Value(value)) => value.clone(),
        Expr::Paren(inner) => constant(inner),
        Expr::Unary(UnaryOp::Negate, inner) => arithmetic::negate(&constant(inner)),
        Expr::Unary(UnaryOp::Plus, inner) => constant(inner),
        Expr::Cast { value, to } => cast(constant(value), heddle_value::Affinity::of_type(to)),
        // A bare name is a truth value or a string.
        Expr::Column { schema: None, table: None, name } => {
            match &*name.text.to_ascii_lowercase() {
                "true" => Value::Integer(1),
                "false" => Value::Integer(0),
                _ => Value::text(name.text.as_bytes()),
            }
        }
        _ => Value::Null,
    }
}
