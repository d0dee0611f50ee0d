//! Which storage classes the values of a result can have, as far as its expression tells (`sqlite3ExprDataType`). The column of a
//! compound query keeps an affinity only if no other core gives values that contradict it (`sqlite3SubqueryColumnTypes`).

use heddle_value::{Affinity, Value};

use super::Typed;
use crate::plan::{Arithmetic, Expr};

/// Numbers.
const NUMERIC: u8 = 1;
/// Texts.
const TEXT: u8 = 2;
/// Blobs.
const BLOB: u8 = 4;

/// The classes of one column of a query.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Of {
    /// Of all its cores.
    all: u8,
    /// Of those cores that did not give it its affinity.
    others: u8,
}

impl Of {
    /// Those of one expression.
    pub(super) fn result(value: &Typed) -> Of {
        Of { all: classes(&value.expr, value.affinity), others: 0 }
    }

    /// Those of two queries, and the affinity of the column.
    pub(super) fn combined(
        (left, left_affinity): (Of, Option<Affinity>),
        (right, right_affinity): (Of, Option<Affinity>),
    ) -> (Of, Option<Affinity>) {
        let all = left.all | right.all;
        let (affinity, others) = match left_affinity {
            Some(affinity) => (Some(affinity), left.others | right.all),
            None => (right_affinity, left.all),
        };
        let contradicted = match affinity {
            Some(Affinity::Text) => others & NUMERIC != 0,
            Some(affinity) if affinity.is_numeric() => others & TEXT != 0,
            _ => false,
        };
        (Of { all, others }, if contradicted { Some(Affinity::Blob) } else { affinity })
    }
}

fn classes(expr: &Expr, affinity: Option<Affinity>) -> u8 {
    match expr {
        Expr::Constant(Value::Null) => 0,
        Expr::Constant(Value::Text(_)) => TEXT,
        Expr::Constant(Value::Blob(_)) => BLOB,
        Expr::Arithmetic(Arithmetic::Concat, ..) => TEXT | BLOB,
        Expr::Parameter(_) | Expr::Function(_) => NUMERIC | TEXT | BLOB,
        Expr::Column(_)
        | Expr::Row(_)
        | Expr::Cast(..)
        | Expr::Subquery(_)
        | Expr::SubqueryColumn(..) => match affinity {
            Some(affinity) if affinity.is_numeric() => NUMERIC | BLOB,
            Some(Affinity::Text) => TEXT | BLOB,
            _ => NUMERIC | TEXT | BLOB,
        },
        Expr::Case { arms, otherwise, .. } => {
            let all = arms.iter().map(|(_, then)| then).chain(otherwise.as_deref());
            all.fold(0, |before, expr| before | classes(expr, None))
        }
        _ => NUMERIC,
    }
}
