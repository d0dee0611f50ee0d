//! `group_concat(X, SEPARATOR)` and `string_agg`.
//!
//! # Invariants
//! - G1: the separator stands before its row's text, and the first row's is left out. So the row that leaves takes the separator of
//!   the next one along.
//! - G2: the lengths of separators are kept one by one only once two of them differ.

use std::collections::VecDeque;

use heddle_value::{Collation, Value};

use crate::arguments::{argument, check_length, text_of};
use crate::{Aggregate, Result, Surroundings};

#[derive(Default)]
struct Concat {
    /// The text, after `gone` bytes that have left.
    text: Vec<u8>,
    gone: usize,
    /// How many rows are in it.
    rows: usize,
    /// The length of all separators, or of each one behind the first row (G2).
    separator: usize,
    separators: Option<VecDeque<usize>>,
}

/// A new `group_concat`.
pub(super) fn group_concat(_: &Collation) -> Box<dyn Aggregate> {
    Box::new(Concat::default())
}

impl Concat {
    fn separate(&mut self, args: &[Value]) {
        let length = match args.get(1) {
            None => {
                self.text.push(b',');
                1
            }
            Some(separator) => {
                let separator = separator.to_text();
                self.text.extend(separator.as_bytes());
                separator.len()
            }
        };
        if self.rows == 1 && self.separators.is_none() {
            self.separator = length;
        }
        if length != self.separator && self.separators.is_none() {
            self.separators = Some(std::iter::repeat_n(self.separator, self.rows - 1).collect());
        }
        if let Some(separators) = &mut self.separators {
            separators.push_back(length);
        }
    }

    /// Lets go of what has left, once it is as long as what is there.
    fn shrink(&mut self) {
        if self.gone * 2 > self.text.len() {
            self.text.drain(..self.gone);
            self.gone = 0;
        }
    }
}

impl Aggregate for Concat {
    fn step(&mut self, around: &mut dyn Surroundings, args: &[Value]) -> Result<()> {
        let Some(text) = text_of(argument(args, 0)) else { return Ok(()) };
        if self.rows > 0 {
            self.separate(args);
        }
        self.rows += 1;
        self.text.extend(text.as_bytes());
        check_length(around, self.text.len() - self.gone)
    }

    fn inverse(&mut self, _: &mut dyn Surroundings, args: &[Value]) -> Result<()> {
        let Some(text) = text_of(argument(args, 0)) else { return Ok(()) };
        self.rows = self.rows.saturating_sub(1);
        if self.rows == 0 {
            *self = Concat::default();
            return Ok(());
        }
        let separator = match &mut self.separators {
            Some(separators) => separators.pop_front().unwrap_or(0),
            None => self.separator,
        };
        self.gone = (self.gone + text.len() + separator).min(self.text.len());
        self.shrink();
        Ok(())
    }

    fn value(&mut self, around: &mut dyn Surroundings) -> Result<Value> {
        if self.rows == 0 {
            return Ok(Value::Null);
        }
        let text = self.text.get(self.gone..).unwrap_or_default();
        check_length(around, text.len())?;
        Ok(Value::text(text))
    }
}
