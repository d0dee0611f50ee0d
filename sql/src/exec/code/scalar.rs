//! Expressions evaluated for one row: all of the language.

use std::cmp::Ordering;

use heddle_functions::Surroundings;
use heddle_value::{Value, arithmetic, cast};

use super::compare::{applied, holds, takes_null};
use super::{CompareNode, Evaluated, InNode, InSource, Node, Row, Stop};
use crate::Error;
use crate::exec::context::Context;
use crate::exec::subquery::Found;
use crate::plan::{Arithmetic, CompareOp};

/// A truth value as SQL has it.
#[inline]
pub(super) fn truth(value: Option<bool>) -> Value {
    match value {
        Some(value) => Value::from(value),
        None => Value::Null,
    }
}

/// The result of an operator on two values.
///
/// # Errors
/// [`Error::TooBig`] for a concatenation over the limit.
#[inline]
pub(super) fn arithmetic(
    op: Arithmetic,
    left: &Value,
    right: &Value,
    max_length: usize,
) -> Evaluated<Value> {
    Ok(match op {
        Arithmetic::Add => arithmetic::add(left, right),
        Arithmetic::Subtract => arithmetic::subtract(left, right),
        Arithmetic::Multiply => arithmetic::multiply(left, right),
        Arithmetic::Divide => arithmetic::divide(left, right),
        Arithmetic::Modulo => arithmetic::remainder(left, right),
        Arithmetic::BitAnd => arithmetic::bit_and(left, right),
        Arithmetic::BitOr => arithmetic::bit_or(left, right),
        Arithmetic::ShiftLeft => arithmetic::shift_left(left, right),
        Arithmetic::ShiftRight => arithmetic::shift_right(left, right),
        Arithmetic::Concat => {
            let result = arithmetic::concat(left, right);
            match &result {
                Value::Text(text) if text.len() > max_length => return Err(Error::TooBig.into()),
                _ => result,
            }
        }
    })
}

impl Node {
    /// The value for a row.
    pub(super) fn row(&self, row: Row<'_>, cx: &mut Context<'_>) -> Evaluated<Value> {
        Ok(match self {
            Node::Constant(value) => value.clone(),
            Node::Parameter(number) => {
                cx.state.parameters.get(*number).cloned().unwrap_or_default()
            }
            Node::Slot(slot) => row.get(*slot),
            Node::Register(id) => cx.state.register(*id),
            Node::Image(column) => cx.state.image(*column),
            Node::Arithmetic(op, operands) => {
                let [left, right] = &**operands;
                let (left, right) = (left.row(row, cx)?, right.row(row, cx)?);
                arithmetic(*op, &left, &right, cx.resources.max_length())?
            }
            Node::Negate(value) => arithmetic::negate(&value.row(row, cx)?),
            Node::BitNot(value) => arithmetic::bit_not(&value.row(row, cx)?),
            Node::Not(value) => truth(value.row(row, cx)?.is_true().map(|value| !value)),
            Node::And(parts) => truth(all(parts, row, cx)?),
            Node::Or(parts) => truth(any(parts, row, cx)?),
            Node::Compare(compare) => {
                let (left, right) = (compare.left.row(row, cx)?, compare.right.row(row, cx)?);
                truth(compare.test(left, right))
            }
            Node::CompareRows(op, parts) => truth(compare_rows(*op, parts, row, cx)?),
            Node::Between { value, low, high, not } => {
                let value = value.row(row, cx)?;
                truth(between(value, low, high, row, cx)?.map(|within| within != *not))
            }
            Node::IsTruth { value, wanted, not } => {
                let is = value.row(row, cx)?.is_true() == Some(*wanted);
                Value::from(is != *not)
            }
            Node::IsNull(value) => Value::from(value.row(row, cx)?.is_null()),
            Node::NotNull(value) => Value::from(!value.row(row, cx)?.is_null()),
            Node::In(set) => truth(is_in(set, row, cx)?.map(|within| within != set.not)),
            Node::Like(like) => {
                let value = like.value.row(row, cx)?;
                let pattern = like.pattern.row(row, cx)?;
                let escape = match &like.escape {
                    Some(escape) => Some(escape.row(row, cx)?),
                    None => None,
                };
                truth(like.test(&value, &pattern, escape.as_ref(), cx)?)
            }
            Node::Case { .. } | Node::CaseOf { .. } => return self.case(row, cx),
            Node::Cast(value, affinity) => cast(value.row(row, cx)?, *affinity),
            Node::Apply(value, affinity) => affinity.apply(value.row(row, cx)?),
            Node::Call(..) | Node::UserCall(..) => return self.call(row, cx),
            Node::Coalesce(arguments) => {
                for argument in arguments {
                    let value = argument.row(row, cx)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Value::Null
            }
            Node::Iif(arguments) => {
                for pair in arguments.chunks(2) {
                    let [condition, result] = pair else {
                        return pair.first().map_or(Ok(Value::Null), |last| last.row(row, cx));
                    };
                    if condition.row(row, cx)?.is_true() == Some(true) {
                        return result.row(row, cx);
                    }
                }
                Value::Null
            }
            Node::Subquery { index, outer, column } => {
                found(*index, outer, row, cx, |found| match found {
                    Found::Row(Some(row)) => row.get(*column).cloned().unwrap_or_default(),
                    _ => Value::Null,
                })?
            }
            Node::Exists { index, outer } => found(*index, outer, row, cx, |found| {
                Value::from(matches!(found, Found::Exists(true)))
            })?,
            Node::Raise(action, message) => {
                let message = match message {
                    Some(message) => message.row(row, cx)?.to_text().to_string_lossy().into_owned(),
                    None => String::new(),
                };
                return Err(Error::Raised { message, action: *action }.into());
            }
        })
    }

    fn case(&self, row: Row<'_>, cx: &mut Context<'_>) -> Evaluated<Value> {
        let otherwise = match self {
            Node::Case { arms, otherwise } => {
                for (condition, result) in arms {
                    if condition.row(row, cx)?.is_true() == Some(true) {
                        return result.row(row, cx);
                    }
                }
                otherwise
            }
            Node::CaseOf { base, arms, otherwise } => {
                let base = base.row(row, cx)?;
                for (compare, result) in arms {
                    let value = compare.right.row(row, cx)?;
                    if compare.test(base.clone(), value) == Some(true) {
                        return result.row(row, cx);
                    }
                }
                otherwise
            }
            _ => return Ok(Value::Null),
        };
        match otherwise {
            Some(otherwise) => otherwise.row(row, cx),
            None => Ok(Value::Null),
        }
    }

    fn call(&self, row: Row<'_>, cx: &mut Context<'_>) -> Evaluated<Value> {
        let (Node::Call(_, _, arguments) | Node::UserCall(_, arguments)) = self else {
            return Ok(Value::Null);
        };
        let mut values = smallvec::SmallVec::<[Value; 4]>::with_capacity(arguments.len());
        for argument in arguments {
            values.push(argument.row(row, cx)?);
        }
        self.call_with(&values, cx)
    }

    /// A call with evaluated arguments.
    pub(super) fn call_with(&self, values: &[Value], cx: &mut Context<'_>) -> Evaluated<Value> {
        let value = match self {
            Node::Call(function, collation, _) => {
                (function.code)(&mut *cx.resources, collation, values)?
            }
            Node::UserCall(function, _) => (function.code)(values)?,
            _ => Value::Null,
        };
        match &value {
            Value::Text(text) if text.len() > cx.resources.max_length() => {
                Err(Error::TooBig.into())
            }
            Value::Blob(blob) if blob.len() > cx.resources.max_length() => {
                Err(Error::TooBig.into())
            }
            _ => Ok(value),
        }
    }
}

/// AND, from left to right, until one is false.
fn all(parts: &[Node], row: Row<'_>, cx: &mut Context<'_>) -> Evaluated<Option<bool>> {
    let mut result = Some(true);
    for part in parts {
        match part.row(row, cx)?.is_true() {
            Some(false) => return Ok(Some(false)),
            Some(true) => {}
            None => result = None,
        }
    }
    Ok(result)
}

/// OR, from left to right, until one is true.
fn any(parts: &[Node], row: Row<'_>, cx: &mut Context<'_>) -> Evaluated<Option<bool>> {
    let mut result = Some(false);
    for part in parts {
        match part.row(row, cx)?.is_true() {
            Some(true) => return Ok(Some(true)),
            Some(false) => {}
            None => result = None,
        }
    }
    Ok(result)
}

/// Row values from left to right, until the answer is known.
fn compare_rows(
    op: CompareOp,
    parts: &[CompareNode],
    row: Row<'_>,
    cx: &mut Context<'_>,
) -> Evaluated<Option<bool>> {
    let negated = matches!(op, CompareOp::NotEqual | CompareOp::IsNot);
    let equality = negated || matches!(op, CompareOp::Equal | CompareOp::Is);
    let mut unknown = false;
    for part in parts {
        let (left, right) = (part.left.row(row, cx)?, part.right.row(row, cx)?);
        match part.order(op, left, right) {
            Some(Ordering::Equal) => {}
            Some(_) if equality => return Ok(Some(negated)),
            Some(order) => return Ok(Some(holds(op, order))),
            None if equality => unknown = true,
            None => return Ok(None),
        }
    }
    debug_assert!(!unknown || !takes_null(op), "IS is never NULL");
    Ok((!unknown).then(|| holds(op, Ordering::Equal)))
}

/// `value BETWEEN low AND high`.
fn between(
    value: Value,
    low: &CompareNode,
    high: &CompareNode,
    row: Row<'_>,
    cx: &mut Context<'_>,
) -> Evaluated<Option<bool>> {
    let lowest = low.right.row(row, cx)?;
    let above = low.test(value.clone(), lowest);
    if above == Some(false) {
        return Ok(above);
    }
    let highest = high.right.row(row, cx)?;
    Ok(match (above, high.test(value, highest)) {
        (_, Some(false)) => Some(false),
        (Some(true), below) => below,
        _ => None,
    })
}

fn is_in(set: &InNode, row: Row<'_>, cx: &mut Context<'_>) -> Evaluated<Option<bool>> {
    let mut left = Vec::with_capacity(set.values.len());
    for value in &set.values {
        left.push(value.row(row, cx)?);
    }
    match &set.source {
        InSource::Constants(table) => Ok(table.find(left)),
        InSource::Query { index, outer } => found(*index, outer, row, cx, |found| match found {
            Found::Set(table) => table.find(left),
            _ => Some(false),
        }),
        InSource::List(items) => {
            let (Some(left), Some(collation)) = (left.pop(), set.collations.first()) else {
                return Ok(Some(false));
            };
            let affinity = set.affinities.first().copied().flatten();
            let left = applied(left, affinity);
            let mut result = Some(false);
            for item in items {
                let right = item.row(row, cx)?;
                if left.is_null() || right.is_null() {
                    result = None;
                } else if heddle_value::equal(&left, &applied(right, affinity), collation) {
                    return Ok(Some(true));
                }
            }
            Ok(result)
        }
    }
}

/// Hands what a subquery gives for this row to `read`, or says that it is to be run.
fn found<R>(
    index: usize,
    outer: &[Node],
    row: Row<'_>,
    cx: &mut Context<'_>,
    read: impl FnOnce(&Found) -> R,
) -> Evaluated<R> {
    let mut values = Vec::with_capacity(outer.len());
    for column in outer {
        values.push(column.row(row, cx)?);
    }
    match cx.state.subqueries.get(index).and_then(|run| run.find(&values)) {
        Some(found) => Ok(read(found)),
        None => {
            cx.state.pending = values;
            Err(Stop::Need(index))
        }
    }
}
