//! Comparisons: of values, of row values, BETWEEN and IN (datatype3.html, section 4; rowvalue.html).

use heddle_value::{Affinity, Collation};

use super::Binder;
use super::typed::{Typed, common_collation, comparison};
use crate::ast::{self, InSource};
use crate::plan::{CompareOp, Expr, InSet, Members};
use crate::{Error, Result};

impl Binder<'_> {
    /// The parts of a row value; a single value is a row of one.
    pub(super) fn row(&mut self, expr: &ast::Expr) -> Result<Vec<Typed>> {
        match expr {
            ast::Expr::Paren(inner) => self.row(inner),
            ast::Expr::Row(parts) => parts.iter().map(|part| self.expr(part)).collect(),
            ast::Expr::Subquery(select) => self.row_subquery(select),
            _ => Ok(vec![self.expr(expr)?]),
        }
    }

    pub(super) fn compare(
        &mut self,
        op: CompareOp,
        left: &ast::Expr,
        right: &ast::Expr,
    ) -> Result<Typed> {
        let left = self.row(left)?;
        let right = self.row(right)?;
        self.compare_rows(op, left, right)
    }

    fn compare_rows(
        &mut self,
        op: CompareOp,
        left: Vec<Typed>,
        right: Vec<Typed>,
    ) -> Result<Typed> {
        if left.len() != right.len() {
            return Err(Error::sql("row value misused"));
        }
        let heard: Vec<Typed> = left.iter().chain(&right).cloned().collect();
        let mut pairs: Vec<_> =
            left.into_iter().zip(right).map(|(left, right)| comparison(op, left, right)).collect();
        let expr = match (pairs.len(), pairs.pop()) {
            (1, Some(only)) => Expr::Compare(Box::new(only)),
            (_, last) => {
                pairs.extend(last);
                Expr::CompareRows(op, pairs)
            }
        };
        Ok(Typed::of_parts(expr, &heard))
    }

    pub(super) fn between(
        &mut self,
        not: bool,
        value: &ast::Expr,
        low: &ast::Expr,
        high: &ast::Expr,
    ) -> Result<Typed> {
        let value = self.row(value)?;
        let low = self.row(low)?;
        let high = self.row(high)?;
        if let ([one], [low], [high]) = (&value[..], &low[..], &high[..]) {
            let expr = Expr::Between {
                value: Box::new(one.expr.clone()),
                low: Box::new(comparison(CompareOp::GreaterEqual, one.clone(), low.clone())),
                high: Box::new(comparison(CompareOp::LessEqual, one.clone(), high.clone())),
                not,
            };
            return Ok(Typed::of_parts(expr, [one, low, high]));
        }
        let above = self.compare_rows(CompareOp::GreaterEqual, value.clone(), low)?;
        let below = self.compare_rows(CompareOp::LessEqual, value, high)?;
        let both = Expr::And(vec![above.expr, below.expr]);
        Ok(Typed::plain(if not { Expr::Not(Box::new(both)) } else { both }))
    }

    pub(super) fn is_in(
        &mut self,
        not: bool,
        value: &ast::Expr,
        source: &InSource,
    ) -> Result<Typed> {
        let values = self.row(value)?;
        let heard = values.clone();
        let set = match source {
            InSource::List(list) => self.in_list(values, list)?,
            InSource::Select(select) => self.in_query(values, select)?,
            InSource::Table(name, arguments) => {
                let select = super::from::all_of(name, arguments);
                self.in_query(values, &select)?
            }
        };
        Ok(Typed::of_parts(Expr::In(Box::new(InSet { not, ..set })), &heard))
    }

    fn in_list(&mut self, values: Vec<Typed>, list: &[ast::Expr]) -> Result<InSet> {
        let [value] = &values[..] else {
            let message = match list.first() {
                None => "row value misused".to_owned(),
                Some(_) => "row value misused".to_owned(),
            };
            return Err(Error::sql(message));
        };
        // Only the left side's affinity counts (datatype3.html, section 4.3).
        let affinity = value.affinity.filter(|affinity| *affinity != Affinity::Blob);
        let mut members = Vec::with_capacity(list.len());
        for member in list {
            let member = self.expr(member)?.expr;
            members.push(match (affinity, member) {
                (Some(affinity), Expr::Constant(value)) => Expr::Constant(applied(affinity, value)),
                (Some(affinity), member) => Expr::Apply(Box::new(member), compared(affinity)),
                (None, member) => member,
            });
        }
        Ok(InSet {
            affinities: vec![affinity.map(compared)],
            collations: vec![value.collation.clone().unwrap_or_default()],
            values: values.into_iter().map(|value| value.expr).collect(),
            set: Members::List(members),
            not: false,
        })
    }

    fn in_query(&mut self, values: Vec<Typed>, select: &ast::Select) -> Result<InSet> {
        let query = self.subquery(select)?;
        if query.columns.len() != values.len() {
            return Err(super::subquery::wrong_columns(query.columns.len(), values.len()));
        }
        let mut affinities = Vec::with_capacity(values.len());
        let mut collations: Vec<Collation> = Vec::with_capacity(values.len());
        for (value, column) in values.iter().zip(&query.columns) {
            let member = self.typed_column(*column);
            let both = Affinity::for_comparison(value.affinity, member.affinity);
            affinities.push(both.0.or(both.1));
            collations.push(common_collation(value, &member));
        }
        Ok(InSet {
            values: values.into_iter().map(|value| value.expr).collect(),
            affinities,
            collations,
            set: Members::Query(Box::new(query)),
            not: false,
        })
    }
}

/// The affinity as comparisons apply it: there all numbers are one.
fn compared(affinity: Affinity) -> Affinity {
    if affinity.is_numeric() { Affinity::Numeric } else { affinity }
}

fn applied(affinity: Affinity, value: heddle_value::Value) -> heddle_value::Value {
    compared(affinity).apply(value)
}
