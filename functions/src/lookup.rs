//! All built-in functions, found by name and number of arguments.
//!
//! Each family is a file with a table of its functions; a new family is one line here.

use crate::registry::{AggregateFunction, ScalarFunction, TableFunction};

/// The families of scalar functions.
const SCALARS: &[&[ScalarFunction]] = &[
    crate::core::SCALARS,
    crate::date::SCALARS,
    crate::math::SCALARS,
    crate::printf::SCALARS,
    crate::json::BUILD,
    crate::json::INSPECT,
    crate::json::EXTRACT,
    crate::json::MODIFY,
];

/// The families of aggregates.
const AGGREGATES: &[&[AggregateFunction]] = &[crate::aggregates::AGGREGATES, crate::json::GROUP];

/// The families of table-valued functions.
const TABLES: &[&[TableFunction]] = &[crate::json::EACH, crate::series::TABLES];

fn takes(arity: (usize, Option<usize>), arguments: usize) -> bool {
    arguments >= arity.0 && arity.1.is_none_or(|most| arguments <= most)
}

/// All scalar functions; a name may be there for several numbers of arguments.
pub fn scalars() -> impl Iterator<Item = &'static ScalarFunction> {
    SCALARS.iter().copied().flatten()
}

/// All aggregate functions.
pub fn aggregates() -> impl Iterator<Item = &'static AggregateFunction> {
    AGGREGATES.iter().copied().flatten()
}

/// All table-valued functions.
pub fn tables() -> impl Iterator<Item = &'static TableFunction> {
    TABLES.iter().copied().flatten()
}

/// The scalar function of this name, in any case, that takes so many arguments.
pub fn scalar(name: &str, arguments: usize) -> Option<&'static ScalarFunction> {
    scalars().find(|f| takes(f.arity, arguments) && f.name.eq_ignore_ascii_case(name))
}

/// The aggregate function of this name, in any case, that takes so many arguments. `min` and `max` are aggregates of one argument
/// and scalar functions of several.
pub fn aggregate(name: &str, arguments: usize) -> Option<&'static AggregateFunction> {
    aggregates().find(|f| takes(f.arity, arguments) && f.name.eq_ignore_ascii_case(name))
}

/// The table-valued function of this name, in any case.
pub fn table(name: &str) -> Option<&'static TableFunction> {
    tables().find(|f| f.name.eq_ignore_ascii_case(name))
}

/// Whether there is a scalar or aggregate function of this name for some number of arguments: a call with another number is SQLite's
/// `wrong number of arguments to function NAME()`, one of an unknown name `no such function: NAME`.
pub fn is_known(name: &str) -> bool {
    scalars()
        .map(|f| f.name)
        .chain(aggregates().map(|f| f.name))
        .any(|n| n.eq_ignore_ascii_case(name))
}
