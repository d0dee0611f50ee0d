//! Whole queries: WITH, cores combined by UNION, EXCEPT and INTERSECT, ORDER BY, LIMIT.

use heddle_value::Collation;

use super::classes::Of;
use super::scope::Scope;
use super::{Binder, Bound};
use crate::ast::{self, CompoundOp, SelectCore};
use crate::plan::{ColumnInfo, Expr, Relation};
use crate::{Error, Result};

/// The words for a way to combine.
fn words(op: CompoundOp) -> &'static str {
    match op {
        CompoundOp::Union => "UNION",
        CompoundOp::UnionAll => "UNION ALL",
        CompoundOp::Except => "EXCEPT",
        CompoundOp::Intersect => "INTERSECT",
    }
}

pub(super) fn wrong_widths(op: CompoundOp) -> Error {
    Error::sql(format!(
        "SELECTs to the left and right of {} do not have the same number of result columns",
        words(op)
    ))
}

impl Binder<'_> {
    /// Binds a query.
    pub(crate) fn select(&mut self, select: &ast::Select) -> Result<Bound> {
        stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, || {
            let ctes = self.open_with(select.with.as_ref())?;
            let bound = self.select_body(select);
            self.close_with(ctes);
            bound
        })
    }

    fn select_body(&mut self, select: &ast::Select) -> Result<Bound> {
        let body = &select.body;
        let mut bound = if body.rest.is_empty() && !matches!(body.first, SelectCore::Values(_)) {
            self.core(&body.first, &select.order_by)?
        } else {
            let mut bound = self.combined(&body.first, &body.rest)?;
            let cores: Vec<&SelectCore> = std::iter::once(&body.first)
                .chain(body.rest.iter().map(|(_, core)| core))
                .collect();
            let keys = self.compound_order(&select.order_by, &cores, &bound.columns)?;
            if !keys.is_empty() {
                bound.relation =
                    Relation::Sort { input: Box::new(bound.relation), keys, top: None };
            }
            bound
        };
        if let Some(limit) = &select.limit {
            let (count, offset) = self.limit(limit)?;
            bound.relation = Relation::Limit { input: Box::new(bound.relation), count, offset };
        }
        Ok(bound)
    }

    /// LIMIT and OFFSET, which see no columns of the query.
    pub(crate) fn limit(&mut self, limit: &ast::Limit) -> Result<(Expr, Option<Expr>)> {
        let depth = self.enter(Scope::default());
        let count = self.expr(&limit.count);
        let offset = limit.offset.as_ref().map(|offset| self.expr(offset)).transpose();
        self.leave(depth);
        Ok((count?.expr, offset?.map(|offset| offset.expr)))
    }

    /// Cores combined from left to right.
    pub(super) fn combined(
        &mut self,
        first: &SelectCore,
        rest: &[(CompoundOp, SelectCore)],
    ) -> Result<Bound> {
        let mut bound = self.core(first, &[])?;
        for (op, core) in rest {
            let right = self.core(core, &[])?;
            bound = self.combine(*op, bound, right)?;
        }
        Ok(bound)
    }

    pub(super) fn combine(&mut self, op: CompoundOp, left: Bound, right: Bound) -> Result<Bound> {
        if left.columns.len() != right.columns.len() {
            return Err(wrong_widths(op));
        }
        let mut columns = Vec::with_capacity(left.columns.len());
        for ((a, b), name) in left.columns.iter().zip(&right.columns).zip(&left.names) {
            let of = |id| self.classes.get(id).copied().unwrap_or_default();
            let (of_a, of_b) = (of(a), of(b));
            let (a, b) = (self.info(*a), self.info(*b));
            let (classes, affinity) = Of::combined((of_a, a.affinity), (of_b, b.affinity));
            // The first core that has a collation says how its column compares.
            let collation = a.collation.clone().or(b.collation);
            let info = ColumnInfo {
                name: name.clone(),
                affinity,
                collation: collation.clone(),
                declared_type: a.declared_type,
                origin: a.origin,
                not_null: a.not_null && b.not_null,
            };
            let id = self.new_column(info);
            self.classes.insert(id, classes);
            columns.push((id, collation.unwrap_or_default()));
        }
        let ids = columns.iter().map(|(id, _): &(_, Collation)| *id).collect();
        let relation = Relation::Compound {
            op,
            left: (Box::new(left.relation), left.columns),
            right: (Box::new(right.relation), right.columns),
            columns,
        };
        Ok(Bound { relation, columns: ids, names: left.names })
    }
}
