//! Which functions the expressions of a definition call: known ones, and where the result is kept, only those that give the same
//! each time.

use std::sync::Arc;

use super::Change;
use crate::Result;
use crate::ast::{Expr, Literal};
use crate::bind::{Binder, RowScope};
use crate::schema::Table;
use crate::schema::build::expression::{Place, walk};

impl Change<'_> {
    /// Checks the calls in an expression over the rows of a table.
    pub(super) fn check_calls(&self, table: &Arc<Table>, expr: &Expr, place: Place) -> Result<()> {
        if place != Place::Check {
            walk(expr, &mut |expr| match self.gives_the_same(expr) {
                true => Ok(()),
                false => Err(place.refuse("non-deterministic functions")),
            })?;
        }
        Binder::new(self.environment).row_expr(&RowScope::of_row(Arc::clone(table)), expr)?;
        Ok(())
    }

    fn gives_the_same(&self, expr: &Expr) -> bool {
        let call = match expr {
            Expr::Literal(
                Literal::CurrentDate | Literal::CurrentTime | Literal::CurrentTimestamp,
            ) => return false,
            Expr::Function(call) => call,
            _ => return true,
        };
        let (name, arguments) = (&*call.name.text, call.arguments.len());
        // Another version of the program may give another.
        let is_of_version =
            ["sqlite_version", "sqlite_source_id"].iter().any(|n| n.eq_ignore_ascii_case(name));
        match self.environment.extensions.scalar(name, arguments) {
            Some(own) => own.deterministic,
            None => {
                let built_in = heddle_functions::scalar(name, arguments);
                !is_of_version && built_in.is_none_or(|function| function.deterministic)
            }
        }
    }
}
