//! An expression with what is known of it beside its value: affinity, collation, declared type (datatype3.html).

use heddle_value::{Affinity, Collation, Value};

use crate::plan::{CompareOp, Comparison, Expr};

/// A bound expression.
#[derive(Debug, Clone)]
pub struct Typed {
    /// What it computes.
    pub expr: Expr,
    /// Its affinity; columns, casts and subqueries of those have one, other expressions none.
    pub affinity: Option<Affinity>,
    /// Its collation, if it has one.
    pub collation: Option<Collation>,
    /// Whether that was said by COLLATE, in it or in a part of it.
    pub explicit: bool,
    /// Its declared type, if it is a column.
    pub declared_type: Option<Box<str>>,
}

impl Typed {
    /// An expression of which nothing is known.
    pub(crate) fn plain(expr: Expr) -> Typed {
        Typed { expr, affinity: None, collation: None, explicit: false, declared_type: None }
    }

    /// A constant.
    pub(crate) fn constant(value: Value) -> Typed {
        Typed::plain(Expr::Constant(value))
    }

    /// An expression made of parts: a COLLATE in one of them is heard outside (`sqlite3ExprCollSeq`).
    pub(crate) fn of_parts<'t>(expr: Expr, parts: impl IntoIterator<Item = &'t Typed>) -> Typed {
        let heard = parts.into_iter().find(|part| part.explicit);
        let collation = heard.and_then(|part| part.collation.clone());
        Typed { explicit: collation.is_some(), collation, ..Typed::plain(expr) }
    }

    /// The same value without affinity, collation and type: what an operator like unary plus leaves.
    pub(crate) fn without_affinity(self) -> Typed {
        Typed { affinity: None, declared_type: None, ..self }
    }
}

/// How two expressions' texts compare: an explicit collation first, the left one's before the right one's.
pub(crate) fn common_collation(left: &Typed, right: &Typed) -> Collation {
    let chosen = match (left.explicit, right.explicit) {
        (true, _) => &left.collation,
        (false, true) => &right.collation,
        _ if left.collation.is_some() => &left.collation,
        _ => &right.collation,
    };
    chosen.clone().unwrap_or_default()
}

/// A comparison of two expressions with all that decides it.
pub(crate) fn comparison(op: CompareOp, left: Typed, right: Typed) -> Comparison {
    let collation = common_collation(&left, &right);
    let (left_affinity, right_affinity) = Affinity::for_comparison(left.affinity, right.affinity);
    Comparison { op, left: left.expr, right: right.expr, left_affinity, right_affinity, collation }
}
