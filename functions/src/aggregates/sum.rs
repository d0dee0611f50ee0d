//! `sum`, `total` and `avg`.
//!
//! # Invariants
//! - S1: integers are added as such as long as there is nothing else and they fit. From then on the sum is a real with a second real
//!   for what rounding took away (Kahan, Babuska and Neumaier), and large integers go in as two parts that are exact.
//! - S2: `sum` of integers that left 64 bits is an error, unless a real was added later.

use heddle_value::number::parse_number;
use heddle_value::{Collation, Value};

use crate::arguments::argument;
use crate::{Aggregate, FunctionError, Result, Surroundings};

#[derive(Clone, Copy)]
enum Kind {
    Sum,
    Total,
    Avg,
}

struct Sum {
    kind: Kind,
    /// How many rows that are not NULL.
    rows: i64,
    /// The sum while it is one of integers.
    integer: i64,
    /// The sum from then on (S1).
    real: Option<RealSum>,
    overflow: bool,
}

#[derive(Default, Clone, Copy)]
struct RealSum {
    sum: f64,
    lost: f64,
}

/// What a row adds; `None` for NULL.
#[derive(Clone, Copy)]
enum Term {
    Integer(i64),
    Real(f64),
}

impl Term {
    fn of(value: &Value) -> Option<Term> {
        Some(match value {
            Value::Null => return None,
            Value::Integer(v) => Term::Integer(*v),
            Value::Text(text) => match parse_number(text.as_bytes()) {
                Some(Value::Integer(v)) => Term::Integer(v),
                _ => Term::Real(value.as_real_lossy()),
            },
            other => Term::Real(other.as_real_lossy()),
        })
    }
}

impl RealSum {
    fn of(integer: i64) -> RealSum {
        let (high, low) = exact_parts(integer);
        RealSum { sum: high, lost: low }
    }

    fn add(&mut self, real: f64) {
        let sum = self.sum + real;
        if self.sum.abs() > real.abs() {
            self.lost += (self.sum - sum) + real;
        } else {
            self.lost += (real - sum) + self.sum;
        }
        self.sum = sum;
    }

    fn add_integer(&mut self, integer: i64) {
        let (high, low) = exact_parts(integer);
        self.add(high);
        if low != 0.0 {
            self.add(low);
        }
    }

    fn value(self) -> f64 {
        // Where the sum is infinite, what was lost is so too, or no number.
        if self.lost.is_finite() { self.sum + self.lost } else { self.sum }
    }
}

/// Two reals whose sum an integer is.
fn exact_parts(integer: i64) -> (f64, f64) {
    const EXACT: i64 = 1 << 52;
    if integer > -EXACT && integer < EXACT {
        return (integer as f64, 0.0);
    }
    let low = integer % 16_384;
    ((integer - low) as f64, low as f64)
}

fn start(kind: Kind) -> Box<dyn Aggregate> {
    Box::new(Sum { kind, rows: 0, integer: 0, real: None, overflow: false })
}

/// A new `sum`.
pub(super) fn sum(_: &Collation) -> Box<dyn Aggregate> {
    start(Kind::Sum)
}

/// A new `total`.
pub(super) fn total(_: &Collation) -> Box<dyn Aggregate> {
    start(Kind::Total)
}

/// A new `avg`.
pub(super) fn avg(_: &Collation) -> Box<dyn Aggregate> {
    start(Kind::Avg)
}

impl Sum {
    fn real(&self) -> f64 {
        self.real.map_or(self.integer as f64, RealSum::value)
    }
}

impl Aggregate for Sum {
    fn step(&mut self, _: &mut dyn Surroundings, args: &[Value]) -> Result<()> {
        let Some(term) = Term::of(argument(args, 0)) else { return Ok(()) };
        self.rows += 1;
        match term {
            Term::Integer(v) => {
                let sum = self.integer.checked_add(v);
                match (&mut self.real, sum) {
                    (None, Some(sum)) => self.integer = sum,
                    (real, _) => {
                        self.overflow |= real.is_none();
                        real.get_or_insert(RealSum::of(self.integer)).add_integer(v);
                    }
                }
            }
            Term::Real(v) => {
                // S2: SQLite forgives from the second real sum on.
                self.overflow &= self.real.is_none();
                self.real.get_or_insert(RealSum::of(self.integer)).add(v);
            }
        }
        Ok(())
    }

    fn inverse(&mut self, _: &mut dyn Surroundings, args: &[Value]) -> Result<()> {
        let Some(term) = Term::of(argument(args, 0)) else { return Ok(()) };
        self.rows -= 1;
        if self.real.is_none() {
            let back = match term {
                Term::Integer(v) => self.integer.checked_sub(v),
                Term::Real(_) => None,
            };
            if let Some(integer) = back {
                self.integer = integer;
                return Ok(());
            }
            self.overflow = true;
        }
        let real = self.real.get_or_insert(RealSum::of(self.integer));
        match term {
            Term::Integer(i64::MIN) => {
                real.add_integer(i64::MAX);
                real.add_integer(1);
            }
            Term::Integer(v) => real.add_integer(-v),
            Term::Real(v) => real.add(-v),
        }
        Ok(())
    }

    fn value(&mut self, _: &mut dyn Surroundings) -> Result<Value> {
        Ok(match self.kind {
            Kind::Total => Value::real(self.real()),
            _ if self.rows <= 0 => Value::Null,
            Kind::Avg => Value::real(self.real() / self.rows as f64),
            Kind::Sum if self.overflow => return Err(FunctionError::IntegerOverflow),
            Kind::Sum if self.real.is_some() => Value::real(self.real()),
            Kind::Sum => Value::Integer(self.integer),
        })
    }
}
