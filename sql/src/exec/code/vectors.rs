//! Expressions evaluated for all rows of a batch: loops over columns for the usual operators, row by row for the others.
//!
//! # Invariant
//! - V1: a part of an expression is evaluated for a row only if `scalar` would evaluate it (C2): what is lazy gets a batch of the
//!   rows that need it.

use std::cmp::Ordering;

use heddle_functions::Surroundings;
use heddle_value::{Value, arithmetic, cast};

use super::compare::{CompareNode, holds, takes_null};
use super::scalar::{arithmetic, truth};
use super::{Evaluated, Node, Row};
use crate::exec::vector::{Form, Nulls};
use crate::exec::{Batch, Builder, Vector, context::Context};
use crate::plan::{Arithmetic, CompareOp};

impl Node {
    /// The values for all rows of a batch.
    pub(super) fn batch(&self, batch: &Batch, cx: &mut Context<'_>) -> Evaluated<Vector> {
        let rows = batch.rows();
        match self {
            Node::Constant(_) | Node::Parameter(_) | Node::Register(_) | Node::Image(_)
                if rows > 0 =>
            {
                Ok(Vector::constant(self.row(Row::Batch(batch, 0), cx)?, rows))
            }
            Node::Slot(slot) => Ok(match batch.columns().get(*slot) {
                Some(column) => column.clone(),
                None => Vector::constant(Value::Null, rows),
            }),
            Node::Arithmetic(op, operands) => {
                let [left, right] = &**operands;
                let (left, right) = (left.batch(batch, cx)?, right.batch(batch, cx)?);
                arithmetic_vectors(*op, &left, &right, rows, cx)
            }
            Node::Compare(compare) => {
                let left = compare.left.batch(batch, cx)?;
                let right = compare.right.batch(batch, cx)?;
                Ok(compare_vectors(compare, &left, &right, rows))
            }
            Node::And(parts) => lazily(parts, false, batch, cx),
            Node::Or(parts) => lazily(parts, true, batch, cx),
            Node::Not(value) => {
                let value = value.batch(batch, cx)?;
                Ok(map(&value, rows, |value| truth(value.is_true().map(|value| !value))))
            }
            Node::IsNull(value) => {
                let value = value.batch(batch, cx)?;
                Ok(Vector::integers((0..rows).map(|row| i64::from(value.is_null(row))).collect()))
            }
            Node::NotNull(value) => {
                let value = value.batch(batch, cx)?;
                Ok(Vector::integers((0..rows).map(|row| i64::from(!value.is_null(row))).collect()))
            }
            Node::Negate(value) => Ok(map(&value.batch(batch, cx)?, rows, arithmetic::negate)),
            Node::BitNot(value) => Ok(map(&value.batch(batch, cx)?, rows, arithmetic::bit_not)),
            Node::Cast(value, to) => {
                Ok(map(&value.batch(batch, cx)?, rows, |value| cast(value.clone(), *to)))
            }
            Node::Apply(value, to) => {
                Ok(map(&value.batch(batch, cx)?, rows, |value| to.apply(value.clone())))
            }
            Node::Between { value, low, high, not } if high.right.is_plain() => {
                between(value, low, high, *not, batch, cx)
            }
            Node::Like(like) => {
                let value = like.value.batch(batch, cx)?;
                let pattern = like.pattern.batch(batch, cx)?;
                let escape = match &like.escape {
                    Some(escape) => Some(escape.batch(batch, cx)?),
                    None => None,
                };
                if let (Form::Constant(pattern, _), None) = (pattern.form(), &escape)
                    && rows > 0
                {
                    return like.test_all(&value, pattern, cx);
                }
                let mut out = Builder::default();
                for row in 0..rows {
                    let escape = escape.as_ref().map(|escape| escape.get(row));
                    let pattern = pattern.get(row);
                    let matched =
                        value.with(row, |v| like.test(v, &pattern, escape.as_ref(), cx))?;
                    out.push(truth(matched));
                }
                Ok(out.finish())
            }
            Node::Call(_, _, arguments) | Node::UserCall(_, arguments) => {
                self.call_rows(arguments, batch, cx)
            }
            _ => self.each_row(batch, cx),
        }
    }

    /// Whether evaluating it can't fail, asks for nothing and costs nothing, so that it does not matter whether it was needed.
    fn is_plain(&self) -> bool {
        matches!(
            self,
            Node::Constant(_)
                | Node::Parameter(_)
                | Node::Register(_)
                | Node::Image(_)
                | Node::Slot(_)
        )
    }

    fn each_row(&self, batch: &Batch, cx: &mut Context<'_>) -> Evaluated<Vector> {
        let mut out = Builder::default();
        for row in 0..batch.rows() {
            out.push(self.row(Row::Batch(batch, row), cx)?);
        }
        Ok(out.finish())
    }

    fn call_rows(
        &self,
        arguments: &[Node],
        batch: &Batch,
        cx: &mut Context<'_>,
    ) -> Evaluated<Vector> {
        let mut columns = Vec::with_capacity(arguments.len());
        for argument in arguments {
            columns.push(argument.batch(batch, cx)?);
        }
        let mut out = Builder::default();
        let mut values = Vec::with_capacity(columns.len());
        for row in 0..batch.rows() {
            values.clear();
            values.extend(columns.iter().map(|column| column.get(row)));
            out.push(self.call_with(&values, cx)?);
        }
        Ok(out.finish())
    }
}

fn map(vector: &Vector, rows: usize, each: impl Fn(&Value) -> Value) -> Vector {
    if let Form::Constant(value, _) = vector.form() {
        return Vector::constant(each(value), rows);
    }
    let mut out = Builder::default();
    for row in 0..rows {
        out.push(vector.with(row, &each));
    }
    out.finish()
}

/// AND (`decided` is false) or OR (true): each part for the rows that no part before it decided.
fn lazily(parts: &[Node], decided: bool, batch: &Batch, cx: &mut Context<'_>) -> Evaluated<Vector> {
    let mut results: Vec<Option<bool>> = vec![Some(!decided); batch.rows()];
    // The rows that are not decided yet, and their batch.
    let mut open: Option<(Vec<u32>, Batch)> = None;
    for part in parts {
        let input = open.as_ref().map_or(batch, |(_, batch)| batch);
        if input.rows() == 0 {
            break;
        }
        let values = part.batch(input, cx)?;
        let mut left = Vec::with_capacity(input.rows());
        let mut kept = Vec::with_capacity(input.rows());
        for row in 0..input.rows() {
            let at = open.as_ref().map_or(Some(row as u32), |(rows, _)| rows.get(row).copied());
            let Some(at) = at else { continue };
            let Some(result) = results.get_mut(at as usize) else { continue };
            match values.with(row, Value::is_true) {
                Some(value) if value == decided => {
                    *result = Some(decided);
                    continue;
                }
                Some(_) => {}
                None => *result = None,
            }
            left.push(at);
            kept.push(row as u32);
        }
        if kept.len() < input.rows() {
            let rest = input.select(&kept);
            open = Some((left, rest));
        }
    }
    let mut out = Builder::default();
    results.into_iter().for_each(|result| out.push(truth(result)));
    Ok(out.finish())
}

fn between(
    value: &Node,
    low: &CompareNode,
    high: &CompareNode,
    not: bool,
    batch: &Batch,
    cx: &mut Context<'_>,
) -> Evaluated<Vector> {
    let value = value.batch(batch, cx)?;
    let (lowest, highest) = (low.right.batch(batch, cx)?, high.right.batch(batch, cx)?);
    let above = compare_vectors(low, &value, &lowest, batch.rows());
    let below = compare_vectors(high, &value, &highest, batch.rows());
    let mut out = Builder::default();
    for row in 0..batch.rows() {
        let within = match (above.get(row).is_true(), below.get(row).is_true()) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
        out.push(truth(within.map(|within| within != not)));
    }
    Ok(out.finish())
}

/// A comparison of two columns.
fn compare_vectors(compare: &CompareNode, left: &Vector, right: &Vector, rows: usize) -> Vector {
    // An affinity that is applied before makes a number of a number: of integers and reals there is nothing to make, unless
    // it is TEXT.
    let numeric = |affinity: Option<heddle_value::Affinity>| {
        affinity.is_none_or(|affinity| affinity != heddle_value::Affinity::Text)
    };
    if numeric(compare.left_affinity)
        && numeric(compare.right_affinity)
        && !takes_null(compare.op)
        && let Some(result) = compare_numbers(compare.op, left, right)
    {
        return result;
    }
    let mut out = Builder::default();
    for row in 0..rows {
        out.push(truth(compare.test(left.get(row), right.get(row))));
    }
    out.finish()
}

/// A comparison of columns of numbers of the same class.
fn compare_numbers(op: CompareOp, left: &Vector, right: &Vector) -> Option<Vector> {
    match (left.form(), right.form()) {
        (Form::Integers(a, nulls), Form::Constant(Value::Integer(b), _)) => {
            Some(loop_over(op, a.iter().map(|a| a.cmp(b)), nulls.clone()))
        }
        (Form::Constant(Value::Integer(a), _), Form::Integers(b, nulls)) => {
            Some(loop_over(op, b.iter().map(|b| a.cmp(b)), nulls.clone()))
        }
        (Form::Integers(a, an), Form::Integers(b, bn)) => {
            Some(loop_over(op, a.iter().zip(b).map(|(a, b)| a.cmp(b)), an.either(bn)))
        }
        (Form::Reals(a, nulls), Form::Constant(Value::Real(b), _)) => {
            Some(loop_over(op, a.iter().map(|a| order(*a, *b)), nulls.clone()))
        }
        (Form::Constant(Value::Real(a), _), Form::Reals(b, nulls)) => {
            Some(loop_over(op, b.iter().map(|b| order(*a, *b)), nulls.clone()))
        }
        (Form::Reals(a, an), Form::Reals(b, bn)) => {
            Some(loop_over(op, a.iter().zip(b).map(|(a, b)| order(*a, *b)), an.either(bn)))
        }
        _ => None,
    }
}

#[inline]
fn order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// One loop for each operator, so that it is decided once.
fn loop_over(op: CompareOp, orders: impl Iterator<Item = Ordering>, nulls: Nulls) -> Vector {
    let values: Vec<i64> = match op {
        CompareOp::Equal | CompareOp::Is => orders.map(|o| i64::from(o.is_eq())).collect(),
        CompareOp::NotEqual | CompareOp::IsNot => orders.map(|o| i64::from(o.is_ne())).collect(),
        CompareOp::Less => orders.map(|o| i64::from(o.is_lt())).collect(),
        CompareOp::LessEqual => orders.map(|o| i64::from(o.is_le())).collect(),
        CompareOp::Greater => orders.map(|o| i64::from(o.is_gt())).collect(),
        CompareOp::GreaterEqual => orders.map(|o| i64::from(holds(op, o))).collect(),
    };
    Vector::nullable_integers(values, nulls)
}

fn arithmetic_vectors(
    op: Arithmetic,
    left: &Vector,
    right: &Vector,
    rows: usize,
    cx: &mut Context<'_>,
) -> Evaluated<Vector> {
    if let Some(result) = integers(op, left, right).or_else(|| reals(op, left, right)) {
        return Ok(result);
    }
    let max_length = cx.resources.max_length();
    let mut out = Builder::default();
    for row in 0..rows {
        let value = left.with(row, |l| right.with(row, |r| arithmetic(op, l, r, max_length)))?;
        out.push(value);
    }
    Ok(out.finish())
}

/// Integers whose results all fit.
fn integers(op: Arithmetic, left: &Vector, right: &Vector) -> Option<Vector> {
    let each: fn(i64, i64) -> Option<i64> = match op {
        Arithmetic::Add => i64::checked_add,
        Arithmetic::Subtract => i64::checked_sub,
        Arithmetic::Multiply => i64::checked_mul,
        _ => return None,
    };
    let (values, nulls) = match (left.form(), right.form()) {
        (Form::Integers(a, nulls), Form::Constant(Value::Integer(b), _)) => {
            (a.iter().map(|a| each(*a, *b)).collect::<Option<Vec<i64>>>(), nulls.clone())
        }
        (Form::Constant(Value::Integer(a), _), Form::Integers(b, nulls)) => {
            (b.iter().map(|b| each(*a, *b)).collect(), nulls.clone())
        }
        (Form::Integers(a, an), Form::Integers(b, bn)) => {
            (a.iter().zip(b).map(|(a, b)| each(*a, *b)).collect(), an.either(bn))
        }
        _ => return None,
    };
    Some(Vector::nullable_integers(values?, nulls))
}

/// Reals whose results all are numbers.
fn reals(op: Arithmetic, left: &Vector, right: &Vector) -> Option<Vector> {
    let each: fn(f64, f64) -> f64 = match op {
        Arithmetic::Add => |a, b| a + b,
        Arithmetic::Subtract => |a, b| a - b,
        Arithmetic::Multiply => |a, b| a * b,
        _ => return None,
    };
    let (values, nulls): (Vec<f64>, Nulls) = match (left.form(), right.form()) {
        (Form::Reals(a, nulls), Form::Constant(Value::Real(b), _)) => {
            (a.iter().map(|a| each(*a, *b)).collect(), nulls.clone())
        }
        (Form::Constant(Value::Real(a), _), Form::Reals(b, nulls)) => {
            (b.iter().map(|b| each(*a, *b)).collect(), nulls.clone())
        }
        (Form::Reals(a, an), Form::Reals(b, bn)) => {
            (a.iter().zip(b).map(|(a, b)| each(*a, *b)).collect(), an.either(bn))
        }
        _ => return None,
    };
    // What is NULL has a number that is not looked at.
    values.iter().all(|v| !v.is_nan()).then(|| Vector::nullable_reals(values, nulls))
}
