//! Comparisons and IN: NULL logic, affinities, collations.

use std::cmp::Ordering;
use std::collections::HashSet;

use heddle_btree::key::{KeyColumn, KeyShape, encode_values};
use heddle_btree::text::Encoding;
use heddle_value::{Affinity, Collation, Value, compare};

use super::Node;
use crate::plan::CompareOp;

/// A compiled [`crate::plan::Comparison`].
#[derive(Debug)]
pub(crate) struct CompareNode {
    pub(crate) op: CompareOp,
    pub(crate) left: Node,
    pub(crate) right: Node,
    pub(crate) left_affinity: Option<Affinity>,
    pub(crate) right_affinity: Option<Affinity>,
    pub(crate) collation: Collation,
}

/// The value with an affinity, if there is one, applied.
#[inline]
pub(crate) fn applied(value: Value, affinity: Option<Affinity>) -> Value {
    match affinity {
        Some(affinity) => affinity.apply(value),
        None => value,
    }
}

/// What an order means to an operator, of values that are not NULL.
#[inline]
pub(crate) fn holds(op: CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Equal | CompareOp::Is => order == Ordering::Equal,
        CompareOp::NotEqual | CompareOp::IsNot => order != Ordering::Equal,
        CompareOp::Less => order == Ordering::Less,
        CompareOp::LessEqual => order != Ordering::Greater,
        CompareOp::Greater => order == Ordering::Greater,
        CompareOp::GreaterEqual => order != Ordering::Less,
    }
}

/// Whether NULLs are values like others to an operator.
#[inline]
pub(crate) fn takes_null(op: CompareOp) -> bool {
    matches!(op, CompareOp::Is | CompareOp::IsNot)
}

impl CompareNode {
    /// The order of two values after the affinities; `None` if one is NULL and that is no value to `op`.
    #[inline]
    pub(crate) fn order(&self, op: CompareOp, left: Value, right: Value) -> Option<Ordering> {
        if !takes_null(op) && (left.is_null() || right.is_null()) {
            return None;
        }
        let left = applied(left, self.left_affinity);
        let right = applied(right, self.right_affinity);
        Some(compare(&left, &right, &self.collation))
    }

    /// The comparison of two values; `None` is NULL.
    #[inline]
    pub(crate) fn test(&self, left: Value, right: Value) -> Option<bool> {
        self.order(self.op, left, right).map(|order| holds(self.op, order))
    }
}

/// A compiled [`crate::plan::InSet`].
#[derive(Debug)]
pub(crate) struct InNode {
    pub(crate) values: Vec<Node>,
    pub(crate) affinities: Vec<Option<Affinity>>,
    pub(crate) collations: Vec<Collation>,
    pub(crate) source: InSource,
    pub(crate) not: bool,
}

/// What is right of IN.
#[derive(Debug)]
pub(crate) enum InSource {
    /// Expressions, evaluated until one is equal.
    List(Vec<Node>),
    /// Constants.
    Constants(InTable),
    /// The rows of a subquery.
    Query { index: usize, outer: Vec<Node> },
}

/// A set of rows, for IN.
#[derive(Debug)]
pub(crate) struct InTable {
    affinities: Vec<Option<Affinity>>,
    collations: Vec<Collation>,
    /// Keys of the rows without NULL; not used if a collation is a user's.
    keys: HashSet<Box<[u8]>, foldhash::fast::FixedState>,
    /// Different rows, as they came first.
    rows: Vec<Vec<Value>>,
    /// Of those, the ones with a NULL.
    with_null: Vec<usize>,
    /// What makes keys; `None` if a collation is a user's.
    shape: Option<KeyShape>,
}

impl InTable {
    /// An empty one.
    pub(crate) fn new(affinities: &[Option<Affinity>], collations: &[Collation]) -> InTable {
        InTable {
            affinities: affinities.to_vec(),
            collations: collations.to_vec(),
            keys: HashSet::default(),
            rows: Vec::new(),
            with_null: Vec::new(),
            shape: shape(collations),
        }
    }

    /// Adds a row of as many values as the left side has parts.
    pub(crate) fn insert(&mut self, row: Vec<Value>) {
        let row = self.prepared(row);
        let null = row.iter().any(Value::is_null);
        if let Some(shape) = &self.shape {
            if !self.keys.insert(key(shape, &row).into()) {
                return;
            }
        } else if self.rows.iter().any(|other| self.compare_rows(&row, other) == Some(true)) {
            return;
        }
        if null {
            self.with_null.push(self.rows.len());
        }
        self.rows.push(row);
    }

    /// Its different rows, affinities applied.
    pub(crate) fn rows(&self) -> &[Vec<Value>] {
        &self.rows
    }

    fn prepared(&self, row: Vec<Value>) -> Vec<Value> {
        let affinities = self.affinities.iter().copied().chain(std::iter::repeat(None));
        row.into_iter().zip(affinities).map(|(value, affinity)| applied(value, affinity)).collect()
    }

    /// Whether two rows are equal; `None` if that is NULL.
    fn compare_rows(&self, left: &[Value], right: &[Value]) -> Option<bool> {
        let mut result = Some(true);
        for ((left, right), collation) in left.iter().zip(right).zip(&self.collations) {
            if left.is_null() || right.is_null() {
                result = None;
            } else if compare(left, right, collation) != Ordering::Equal {
                return Some(false);
            }
        }
        result
    }

    /// `left IN (this)`; `None` is NULL.
    pub(crate) fn find(&self, left: Vec<Value>) -> Option<bool> {
        if self.rows.is_empty() {
            return Some(false);
        }
        let left = self.prepared(left);
        let null = left.iter().any(Value::is_null);
        if null && left.len() == 1 {
            return None;
        }
        match &self.shape {
            Some(shape) if !null => {
                if self.keys.contains(&*key(shape, &left)) {
                    return Some(true);
                }
                self.walk(&left, self.with_null.iter().filter_map(|at| self.rows.get(*at)))
            }
            _ => self.walk(&left, self.rows.iter()),
        }
    }

    fn walk<'r>(&self, left: &[Value], rows: impl Iterator<Item = &'r Vec<Value>>) -> Option<bool> {
        let mut result = Some(false);
        for row in rows {
            match self.compare_rows(left, row) {
                Some(true) => return Some(true),
                None => result = None,
                Some(false) => {}
            }
        }
        result
    }

    /// About how many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.len() * self.collations.len() * 64
    }
}

fn shape(collations: &[Collation]) -> Option<KeyShape> {
    let column = |collation: &Collation| match collation {
        Collation::BuiltIn(stored) => Some(KeyColumn { collation: *stored, descending: false }),
        Collation::User(..) => None,
    };
    let columns: Option<Vec<KeyColumn>> = collations.iter().map(column).collect();
    Some(KeyShape::new(columns?, Encoding::Utf8))
}

fn key(shape: &KeyShape, row: &[Value]) -> Vec<u8> {
    let mut key = Vec::with_capacity(16 * row.len());
    encode_values(shape, row.iter().map(Value::as_ref), &mut key);
    key
}
