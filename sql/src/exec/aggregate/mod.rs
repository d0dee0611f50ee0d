//! Aggregates: groups by a hash table, or one after the other where the input comes in their order.
//!
//! - `call`: an aggregate's call and its running state for one group. `operator`: the groups.

mod call;
mod operator;

pub(crate) use call::{Arguments, Call, Running};
pub(crate) use operator::{Aggregation, compile};
