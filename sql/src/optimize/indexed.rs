//! Indexes on expressions and partial indexes: what they are by, over the columns of a scan.
//!
//! An expression is the same as another if both look the same when bound ([`looks`]): SQLite's rule too, which knows no algebra.

use std::sync::Arc;

use super::terms::{How, Subject, Term};
use crate::ast;
use crate::bind::{Binder, Environment, RowScope};
use crate::plan::{Expr, Scan, TriggerColumn, Visit, walk};
use crate::schema::{Databases, Index, IndexKey};
use crate::session::Extensions;

/// How an expression looks: equal for equal ones.
pub(super) fn looks(expr: &Expr) -> String {
    format!("{expr:?}")
}

/// An expression of the schema over a scan's columns; `None` if it uses one that the scan does not give.
fn over(scan: &Scan, expr: &ast::Expr) -> Option<Expr> {
    struct Columns<'s> {
        scan: &'s Scan,
        possible: bool,
    }
    impl Visit for Columns<'_> {
        fn expr(&mut self, expr: &mut Expr) -> bool {
            let Expr::Row(TriggerColumn::New(column)) = expr else { return true };
            let alias = self.scan.table.rowid_alias.and_then(|alias| u16::try_from(alias).ok());
            let given = |place: u16| {
                self.scan.columns.iter().find(|(of, _)| *of == place).map(|(_, id)| *id)
            };
            let found = match *column {
                Some(place) => given(place),
                None => self.scan.rowid.or_else(|| given(alias?)),
            };
            match found {
                Some(id) => *expr = Expr::Column(id),
                None => self.possible = false,
            }
            true
        }
    }
    // Functions of users can't be in a schema's expressions, nor can other tables.
    let (databases, extensions) = (Databases::default(), Extensions::default());
    let mut binder = Binder::new(Environment { databases: &databases, extensions: &extensions });
    let row = RowScope::of_row(Arc::clone(&scan.table));
    let mut bound = binder.row_expr(&row, expr).ok()?.expr;
    let mut columns = Columns { scan, possible: true };
    walk::expr(&mut bound, &mut columns);
    columns.possible.then_some(bound)
}

/// What a key of an index is by, as a term's subject.
pub(super) fn subject(scan: &Scan, key: &IndexKey) -> Option<Subject> {
    match (key.column, &key.expr) {
        (Some(place), _) => {
            let column = scan.columns.iter().find(|(of, _)| *of == place)?;
            Some(Subject::Column(column.1))
        }
        (None, Some(expr)) => over(scan, expr).map(|expr| Subject::Looks(looks(&expr))),
        (None, None) => None,
    }
}

/// Whether all rows for which the predicates are true are in an index.
pub(super) fn holds_all(scan: &Scan, index: &Index, predicates: &[Expr], terms: &[Term]) -> bool {
    let Some(filter) = &index.filter else { return true };
    let Some(filter) = over(scan, filter) else { return false };
    super::pushdown::parts(&filter).iter().all(|part| {
        let wanted = looks(part);
        predicates.iter().any(|predicate| looks(predicate) == wanted)
            || not_null(part)
                .is_some_and(|subject| terms.iter().any(|term| refuses_null(term, &subject)))
    })
}

/// What a condition wants not to be NULL, if that is all it wants.
fn not_null(condition: &Expr) -> Option<Subject> {
    match condition {
        Expr::NotNull(value) => Some(match **value {
            Expr::Column(column) => Subject::Column(column),
            ref other => Subject::Looks(looks(other)),
        }),
        _ => None,
    }
}

fn refuses_null(term: &Term, subject: &Subject) -> bool {
    term.subject == *subject && !matches!(term.how, How::Is(_))
}
