//! Values of expressions that stand where no row is: the arguments of ATTACH, DETACH and VACUUM INTO.

use heddle_value::Value;

use crate::ast::{Expr, Literal};
use crate::{Error, Result};

/// The value of an expression; a name means itself.
///
/// # Errors
/// If it is more than a literal, a name or a parameter.
pub(crate) fn value(expr: &Expr, parameters: &[Value]) -> Result<Value> {
    match expr {
        Expr::Literal(Literal::Value(value)) => Ok(value.clone()),
        Expr::Column { schema: None, table: None, name, .. } => {
            Ok(Value::text(name.text.as_bytes()))
        }
        Expr::Parameter { number, .. } => {
            let at = usize::try_from(*number).unwrap_or(usize::MAX).saturating_sub(1);
            Ok(parameters.get(at).cloned().unwrap_or_default())
        }
        Expr::Paren(inner) => value(inner, parameters),
        _ => Err(Error::Unsupported("an expression of more than one value here is".to_owned())),
    }
}
