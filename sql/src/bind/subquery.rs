//! Queries inside expressions.

use super::{Binder, Typed};
use crate::ast;
use crate::plan::{ColumnId, Expr, Subquery};
use crate::{Error, Result};

/// What is said of a query with the wrong number of columns.
pub(super) fn wrong_columns(has: usize, wanted: usize) -> Error {
    Error::sql(format!("sub-select returns {has} columns - expected {wanted}"))
}

impl Binder<'_> {
    /// A query inside an expression, with what it uses of the relations around it.
    pub(super) fn subquery(&mut self, select: &ast::Select) -> Result<Subquery> {
        let (bound, outer, stable) = self.framed(|binder| binder.select(select))?;
        let id = self.new_subquery();
        Ok(Subquery { id, relation: bound.relation, columns: bound.columns, outer, stable })
    }

    pub(super) fn typed_column(&self, column: ColumnId) -> Typed {
        let info = self.info(column);
        Typed {
            expr: Expr::Column(column),
            affinity: info.affinity,
            collation: info.collation,
            explicit: false,
            declared_type: info.declared_type,
        }
    }

    pub(super) fn scalar_subquery(&mut self, select: &ast::Select) -> Result<Typed> {
        let mut query = self.subquery(select)?;
        self.forget_json(&mut query.relation, &query.columns);
        let [column] = query.columns[..] else { return Err(wrong_columns(query.columns.len(), 1)) };
        let column = self.typed_column(column);
        Ok(Typed { expr: Expr::Subquery(Box::new(query)), collation: None, ..column })
    }

    /// A query as a row value.
    pub(super) fn row_subquery(&mut self, select: &ast::Select) -> Result<Vec<Typed>> {
        let mut query = self.subquery(select)?;
        self.forget_json(&mut query.relation, &query.columns);
        if let [column] = query.columns[..] {
            let column = self.typed_column(column);
            return Ok(vec![Typed {
                expr: Expr::Subquery(Box::new(query)),
                collation: None,
                ..column
            }]);
        }
        let columns: Vec<Typed> =
            query.columns.iter().map(|column| self.typed_column(*column)).collect();
        let part = |(at, column)| Typed {
            expr: Expr::SubqueryColumn(Box::new(query.clone()), at),
            ..column
        };
        Ok(columns.into_iter().enumerate().map(part).collect())
    }

    pub(super) fn exists(&mut self, select: &ast::Select) -> Result<Typed> {
        // Whether there is a row does not depend on their order, nor on which are the same; but what is said of both must make sense.
        let mut plain = select.clone();
        plain.order_by.clear();
        if let (true, ast::SelectCore::Select { distinct, .. }) =
            (plain.body.rest.is_empty(), &mut plain.body.first)
        {
            *distinct = false;
        }
        if plain != *select {
            self.subquery(select)?;
        }
        let query = self.subquery(&plain)?;
        Ok(Typed::plain(Expr::Exists(Box::new(query))))
    }
}
