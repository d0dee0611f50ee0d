//! One column of a batch: many values of the rows of an operator.
//!
//! A [`Vector`] hides how it holds them: integers and reals densely with a list of NULLs, one value for all rows, or any values.
//! A [`Builder`] finds out by itself which form its values take.
//!
//! # Invariant
//! - V1: all forms hold the same values as far as [`Vector::get`] tells; code that looks at the form ([`Vector::form`]) is only faster.

use std::sync::Arc;

use heddle_btree::value::ValueRef;
use heddle_value::Value;

/// The values of one column; cheap to clone.
#[derive(Debug, Clone)]
pub struct Vector(Arc<Form>);

/// How a vector holds its values.
#[derive(Debug)]
pub(crate) enum Form {
    /// Integers, and NULLs where `nulls` says so.
    Integers(Vec<i64>, Nulls),
    /// Reals, and NULLs where `nulls` says so.
    Reals(Vec<f64>, Nulls),
    /// Any.
    Values(Vec<Value>),
    /// The same for so many rows.
    Constant(Value, usize),
}

/// Which rows are NULL. Empty: none is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nulls(Vec<bool>);

impl Nulls {
    /// Whether this row is.
    #[inline]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.0.get(row).copied().unwrap_or(false)
    }

    /// Whether no row is.
    #[inline]
    pub(crate) fn none(&self) -> bool {
        self.0.is_empty()
    }

    /// Says of the row that comes after `len` others whether it is NULL.
    #[inline]
    fn push(&mut self, len: usize, null: bool) {
        if null || !self.0.is_empty() {
            self.0.resize(len, false);
            self.0.push(null);
        }
    }

    /// NULL where either is.
    pub(crate) fn either(&self, other: &Nulls) -> Nulls {
        match (self.none(), other.none()) {
            (true, _) => other.clone(),
            (_, true) => self.clone(),
            _ => Nulls(self.0.iter().zip(&other.0).map(|(a, b)| *a || *b).collect()),
        }
    }

    fn gather(&self, rows: &[u32]) -> Nulls {
        if self.none() {
            return Nulls::default();
        }
        let nulls: Vec<bool> = rows.iter().map(|&row| self.is_null(row as usize)).collect();
        if nulls.contains(&true) { Nulls(nulls) } else { Nulls::default() }
    }
}

impl Vector {
    fn new(form: Form) -> Vector {
        Vector(Arc::new(form))
    }

    /// The same value for so many rows.
    pub fn constant(value: Value, rows: usize) -> Vector {
        Vector::new(Form::Constant(value, rows))
    }

    /// Integers without NULLs.
    pub fn integers(values: Vec<i64>) -> Vector {
        Vector::new(Form::Integers(values, Nulls::default()))
    }

    /// Integers with NULLs.
    pub(crate) fn nullable_integers(values: Vec<i64>, nulls: Nulls) -> Vector {
        Vector::new(Form::Integers(values, nulls))
    }

    /// Reals with NULLs.
    pub(crate) fn nullable_reals(values: Vec<f64>, nulls: Nulls) -> Vector {
        Vector::new(Form::Reals(values, nulls))
    }

    /// Its form (V1).
    #[inline]
    pub(crate) fn form(&self) -> &Form {
        &self.0
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        match &*self.0 {
            Form::Integers(values, _) => values.len(),
            Form::Reals(values, _) => values.len(),
            Form::Values(values) => values.len(),
            Form::Constant(_, rows) => *rows,
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a row; NULL beyond the last.
    #[inline]
    pub fn get(&self, row: usize) -> Value {
        match &*self.0 {
            Form::Integers(values, nulls) => match values.get(row) {
                Some(value) if !nulls.is_null(row) => Value::Integer(*value),
                _ => Value::Null,
            },
            Form::Reals(values, nulls) => match values.get(row) {
                Some(value) if !nulls.is_null(row) => Value::Real(*value),
                _ => Value::Null,
            },
            Form::Values(values) => values.get(row).cloned().unwrap_or_default(),
            Form::Constant(value, _) => value.clone(),
        }
    }

    /// Hands the value of a row to `read` without copying it where it lies as a value.
    #[inline]
    pub(crate) fn with<R>(&self, row: usize, read: impl FnOnce(&Value) -> R) -> R {
        match &*self.0 {
            Form::Values(values) => match values.get(row) {
                Some(value) => read(value),
                None => read(&Value::Null),
            },
            Form::Constant(value, _) => read(value),
            _ => read(&self.get(row)),
        }
    }

    /// Whether the value of a row is NULL.
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        match &*self.0 {
            Form::Integers(values, nulls) => row >= values.len() || nulls.is_null(row),
            Form::Reals(values, nulls) => row >= values.len() || nulls.is_null(row),
            Form::Values(values) => values.get(row).is_none_or(Value::is_null),
            Form::Constant(value, _) => value.is_null(),
        }
    }

    /// The values of these rows, in this order. All must be there.
    pub fn gather(&self, rows: &[u32]) -> Vector {
        let at = |row: &u32| *row as usize;
        Vector::new(match &*self.0 {
            Form::Integers(values, nulls) => Form::Integers(
                rows.iter().map(|row| values.get(at(row)).copied().unwrap_or(0)).collect(),
                nulls.gather(rows),
            ),
            Form::Reals(values, nulls) => Form::Reals(
                rows.iter().map(|row| values.get(at(row)).copied().unwrap_or(0.0)).collect(),
                nulls.gather(rows),
            ),
            Form::Values(values) => Form::Values(
                rows.iter().map(|row| values.get(at(row)).cloned().unwrap_or_default()).collect(),
            ),
            Form::Constant(value, _) => Form::Constant(value.clone(), rows.len()),
        })
    }

    /// As [`Vector::gather`], with NULL for rows that are not there.
    pub(crate) fn gather_padded(&self, rows: &[u32]) -> Vector {
        let len = self.len() as u32;
        if rows.iter().all(|row| *row < len) {
            return self.gather(rows);
        }
        let mut out = Builder::default();
        for row in rows {
            match *row < len {
                true => out.push(self.get(*row as usize)),
                false => out.push_null(),
            }
        }
        out.finish()
    }

    /// The rows for which it is true, as SQL has it.
    pub(crate) fn true_rows(&self) -> Vec<u32> {
        let rows = 0..self.len() as u32;
        match &*self.0 {
            Form::Integers(values, nulls) if nulls.none() => {
                values.iter().zip(rows).filter(|(v, _)| **v != 0).map(|(_, row)| row).collect()
            }
            Form::Integers(values, nulls) => values
                .iter()
                .zip(rows)
                .filter(|(v, row)| **v != 0 && !nulls.is_null(*row as usize))
                .map(|(_, row)| row)
                .collect(),
            Form::Constant(value, _) if value.is_true() != Some(true) => Vec::new(),
            Form::Constant(..) => rows.collect(),
            _ => {
                rows.filter(|row| self.with(*row as usize, Value::is_true) == Some(true)).collect()
            }
        }
    }

    /// About how many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        match &*self.0 {
            Form::Integers(values, _) => values.len() * 9,
            Form::Reals(values, _) => values.len() * 9,
            Form::Values(values) => values.iter().map(value_bytes).sum(),
            Form::Constant(value, _) => value_bytes(value),
        }
    }
}

/// About how many bytes a value takes.
pub(crate) fn value_bytes(value: &Value) -> usize {
    let heap = match value {
        Value::Text(text) => text.len(),
        Value::Blob(blob) => blob.len(),
        _ => 0,
    };
    size_of::<Value>() + if heap > 22 { heap + 16 } else { 0 }
}

impl From<Vec<Value>> for Vector {
    fn from(values: Vec<Value>) -> Vector {
        Vector::new(Form::Values(values))
    }
}

/// A vector under construction.
#[derive(Debug, Default)]
pub struct Builder(Building);

#[derive(Debug)]
enum Building {
    /// Only NULLs so far, so many.
    Nulls(usize),
    Integers(Vec<i64>, Nulls),
    Reals(Vec<f64>, Nulls),
    Values(Vec<Value>),
}

impl Default for Building {
    fn default() -> Building {
        Building::Nulls(0)
    }
}

impl Builder {
    /// How many values.
    pub fn len(&self) -> usize {
        match &self.0 {
            Building::Nulls(rows) => *rows,
            Building::Integers(values, _) => values.len(),
            Building::Reals(values, _) => values.len(),
            Building::Values(values) => values.len(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an integer.
    #[inline]
    pub fn push_integer(&mut self, value: i64) {
        if let Building::Integers(values, nulls) = &mut self.0 {
            nulls.push(values.len(), false);
            values.push(value);
        } else {
            self.push_slowly(Value::Integer(value));
        }
    }

    /// Adds a real.
    #[inline]
    pub fn push_real(&mut self, value: f64) {
        if let Building::Reals(values, nulls) = &mut self.0 {
            nulls.push(values.len(), false);
            values.push(value);
        } else {
            self.push_slowly(Value::real(value));
        }
    }

    /// Adds a NULL.
    #[inline]
    pub fn push_null(&mut self) {
        match &mut self.0 {
            Building::Nulls(rows) => *rows += 1,
            Building::Integers(values, nulls) => {
                nulls.push(values.len(), true);
                values.push(0);
            }
            Building::Reals(values, nulls) => {
                nulls.push(values.len(), true);
                values.push(0.0);
            }
            Building::Values(values) => values.push(Value::Null),
        }
    }

    /// Adds a value.
    #[inline]
    pub fn push(&mut self, value: Value) {
        match value {
            Value::Null => self.push_null(),
            Value::Integer(value) => self.push_integer(value),
            Value::Real(value) => self.push_real(value),
            other => match &mut self.0 {
                Building::Values(values) => values.push(other),
                _ => self.push_slowly(other),
            },
        }
    }

    /// Adds a value of a record; text must be UTF-8 already.
    #[inline]
    pub fn push_ref(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.push_null(),
            ValueRef::Integer(value) => self.push_integer(value),
            ValueRef::Real(value) => self.push_real(value),
            ValueRef::Text(_) | ValueRef::Blob(_) => self.push(Value::from(value)),
        }
    }

    /// Adds a value (no NULL) that the form so far can't hold, unless it does.
    #[cold]
    fn push_slowly(&mut self, value: Value) {
        match (&mut self.0, value) {
            (Building::Values(values), value) => values.push(value),
            (Building::Nulls(rows), value) => {
                let rows = *rows;
                let nulls = Nulls(vec![true; rows]);
                self.0 = match value {
                    Value::Integer(_) => Building::Integers(vec![0; rows], nulls),
                    Value::Real(_) => Building::Reals(vec![0.0; rows], nulls),
                    _ => Building::Values(vec![Value::Null; rows]),
                };
                self.push(value);
            }
            (_, value) => {
                let before = std::mem::take(self).finish();
                let mut values: Vec<Value> = (0..before.len()).map(|row| before.get(row)).collect();
                values.push(value);
                self.0 = Building::Values(values);
            }
        }
    }

    /// Adds the same value so many times.
    pub fn push_repeated(&mut self, value: &Value, times: usize) {
        for _ in 0..times {
            self.push(value.clone());
        }
    }

    /// Adds all values of a vector.
    pub fn extend(&mut self, vector: &Vector) {
        match (&mut self.0, vector.form()) {
            (Building::Integers(values, nulls), Form::Integers(more, others))
                if nulls.none() && others.none() =>
            {
                values.extend_from_slice(more);
            }
            (Building::Reals(values, nulls), Form::Reals(more, others))
                if nulls.none() && others.none() =>
            {
                values.extend_from_slice(more);
            }
            (Building::Values(values), Form::Values(more)) => values.extend_from_slice(more),
            _ => (0..vector.len()).for_each(|row| self.push(vector.get(row))),
        }
    }

    /// Adds the values of these rows of a vector.
    pub fn extend_rows(&mut self, vector: &Vector, rows: &[u32]) {
        for &row in rows {
            self.push(vector.get(row as usize));
        }
    }

    /// The vector.
    pub fn finish(self) -> Vector {
        Vector::new(match self.0 {
            Building::Nulls(rows) => Form::Constant(Value::Null, rows),
            Building::Integers(values, nulls) => Form::Integers(values, nulls),
            Building::Reals(values, nulls) => Form::Reals(values, nulls),
            Building::Values(values) => Form::Values(values),
        })
    }

    /// The vector, leaving an empty builder.
    pub fn take(&mut self) -> Vector {
        std::mem::take(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v1_a_builder_gives_back_what_went_in_whatever_form_it_takes() {
        let values = [
            Value::Null,
            Value::Integer(1),
            Value::Null,
            Value::Integer(-5),
            Value::Real(1.5),
            Value::Null,
            Value::text("a"),
            Value::blob("b"),
            Value::Real(2.0),
        ];
        for start in 0..values.len() {
            for end in start..=values.len() {
                let mut builder = Builder::default();
                values[start..end].iter().cloned().for_each(|value| builder.push(value));
                assert_eq!(builder.len(), end - start);
                let vector = builder.finish();
                let all: Vec<u32> = (0..(end - start) as u32).rev().collect();
                let reversed = vector.gather(&all);
                let mut extended = Builder::default();
                extended.extend(&vector);
                extended.extend_rows(&vector, &all);
                let extended = extended.finish();
                for (row, value) in values[start..end].iter().enumerate() {
                    let mirror = end - start - 1 - row;
                    assert_eq!(&vector.get(row), value);
                    assert_eq!(vector.is_null(row), value.is_null());
                    assert_eq!(&reversed.get(mirror), value);
                    assert_eq!(&extended.get(row), value);
                    assert_eq!(&extended.get(end - start + mirror), value);
                }
            }
        }
    }
}
