//! The aggregate functions, which are window functions too.
//!
//! - [`count`], [`sum`] (with `avg` and `total`), [`extreme`] (`min` and `max`), [`concat`] (`group_concat`), [`percentile`].

mod concat;
mod count;
mod extreme;
mod percentile;
mod sum;

use crate::AggregateFunction;

/// The aggregate functions.
pub(crate) const AGGREGATES: &[AggregateFunction] = &[
    AggregateFunction::new("avg", 1, Some(1), sum::avg).invertible(),
    AggregateFunction::new("count", 0, Some(1), count::count).invertible(),
    AggregateFunction::new("group_concat", 1, Some(2), concat::group_concat).invertible(),
    AggregateFunction::new("max", 1, Some(1), extreme::max),
    AggregateFunction::new("median", 1, Some(1), percentile::median).invertible(),
    AggregateFunction::new("min", 1, Some(1), extreme::min),
    AggregateFunction::new("percentile", 2, Some(2), percentile::percentile).invertible(),
    AggregateFunction::new("percentile_cont", 2, Some(2), percentile::percentile_cont).invertible(),
    AggregateFunction::new("percentile_disc", 2, Some(2), percentile::percentile_disc).invertible(),
    AggregateFunction::new("string_agg", 2, Some(2), concat::group_concat).invertible(),
    AggregateFunction::new("sum", 1, Some(1), sum::sum).invertible(),
    AggregateFunction::new("total", 1, Some(1), sum::total).invertible(),
];
