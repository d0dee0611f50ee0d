//! The aggregate functions, which are window functions too.
//!
//! - [`count`], [`sum`] (with `avg` and `total`), [`extreme`] (`min` and `max`), [`concat`] (`group_concat`), [`percentile`].

mod concat;
mod count;
mod extreme;
mod percentile;
mod sum;

use heddle_value::Collation;

use crate::{Aggregate, AggregateFunction};

const fn aggregate(
    name: &'static str,
    least: usize,
    most: usize,
    start: fn(&Collation) -> Box<dyn Aggregate>,
) -> AggregateFunction {
    AggregateFunction { name, arity: (least, Some(most)), start, invertible: true }
}

const fn fixed(
    name: &'static str,
    start: fn(&Collation) -> Box<dyn Aggregate>,
) -> AggregateFunction {
    AggregateFunction { name, arity: (1, Some(1)), start, invertible: false }
}

/// The aggregate functions.
pub(crate) const AGGREGATES: &[AggregateFunction] = &[
    aggregate("avg", 1, 1, sum::avg),
    aggregate("count", 0, 1, count::count),
    aggregate("group_concat", 1, 2, concat::group_concat),
    fixed("max", extreme::max),
    aggregate("median", 1, 1, percentile::median),
    fixed("min", extreme::min),
    aggregate("percentile", 2, 2, percentile::percentile),
    aggregate("percentile_cont", 2, 2, percentile::percentile_cont),
    aggregate("percentile_disc", 2, 2, percentile::percentile_disc),
    aggregate("string_agg", 2, 2, concat::group_concat),
    aggregate("sum", 1, 1, sum::sum),
    aggregate("total", 1, 1, sum::total),
];
