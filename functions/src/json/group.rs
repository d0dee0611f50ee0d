//! JSON of many rows: `json_group_array` and `json_group_object`.

use std::collections::VecDeque;

use heddle_value::{Collation, Value};

use super::argument::{c_string, give_text, write};
use super::print::quote;
use crate::{Aggregate, AggregateFunction, FunctionError, Result, Surroundings};

pub(super) const FUNCTIONS: &[AggregateFunction] = &[
    AggregateFunction::new("json_group_array", 1, Some(1), start::<Array, false>).invertible(),
    AggregateFunction::new("jsonb_group_array", 1, Some(1), start::<Array, true>).invertible(),
    AggregateFunction::new("json_group_object", 2, Some(2), start::<Object, false>).invertible(),
    AggregateFunction::new("jsonb_group_object", 2, Some(2), start::<Object, true>).invertible(),
];

/// How a row is written.
trait Rows: Default + Send + 'static {
    const BRACKETS: (u8, u8);

    /// Writes what a row adds, a comma first; nothing if it adds nothing.
    fn write(arguments: &[Value], out: &mut Vec<u8>) -> Result<()>;
}

#[derive(Default)]
struct Array;

impl Rows for Array {
    const BRACKETS: (u8, u8) = (b'[', b']');

    fn write(arguments: &[Value], out: &mut Vec<u8>) -> Result<()> {
        out.push(b',');
        write(arguments.first().unwrap_or(&Value::Null), out)
    }
}

#[derive(Default)]
struct Object;

impl Rows for Object {
    const BRACKETS: (u8, u8) = (b'{', b'}');

    /// A row whose name is NULL adds nothing.
    fn write(arguments: &[Value], out: &mut Vec<u8>) -> Result<()> {
        let [name, value] = arguments else { return Ok(()) };
        let Some(name) = c_string(name) else { return Ok(()) };
        out.push(b',');
        quote(&name, out);
        out.push(b':');
        write(value, out)
    }
}

/// The rows so far.
#[derive(Default)]
struct Group<R, const JSONB: bool> {
    /// What they added, after `gone` bytes of rows that have left.
    text: Vec<u8>,
    gone: usize,
    /// How much each of them added.
    lengths: VecDeque<usize>,
    rows: std::marker::PhantomData<R>,
}

fn start<R: Rows, const JSONB: bool>(_: &Collation) -> Box<dyn Aggregate> {
    Box::new(Group::<R, JSONB>::default())
}

impl<R: Rows, const JSONB: bool> Aggregate for Group<R, JSONB> {
    fn step(&mut self, around: &mut dyn Surroundings, arguments: &[Value]) -> Result<()> {
        let before = self.text.len();
        R::write(arguments, &mut self.text)?;
        self.lengths.push_back(self.text.len() - before);
        let fits = self.text.len() - self.gone <= around.max_length();
        if fits { Ok(()) } else { Err(FunctionError::TooBig) }
    }

    fn inverse(&mut self, _: &mut dyn Surroundings, _: &[Value]) -> Result<()> {
        self.gone += self.lengths.pop_front().unwrap_or(0);
        // What has left is let go of once it is as long as what is there.
        if self.gone * 2 >= self.text.len() {
            self.text.drain(..self.gone.min(self.text.len()));
            self.gone = 0;
        }
        Ok(())
    }

    fn value(&mut self, around: &mut dyn Surroundings) -> Result<Value> {
        let rows = self.text.get(self.gone..).unwrap_or_default();
        let rows = rows.strip_prefix(b",").unwrap_or(rows);
        let (opening, closing) = R::BRACKETS;
        give_text::<JSONB>(around, [&[opening], rows, &[closing]].concat())
    }
}
