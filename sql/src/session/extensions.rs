//! What users add to a connection: functions and collations of their own.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use heddle_value::Collation;

use super::{UserAggregate, UserFunction};

/// A connection's own functions and collations, by name in lower case.
#[derive(Debug, Clone, Default)]
pub struct Extensions {
    scalars: HashMap<Box<str>, Vec<Arc<UserFunction>>, FixedState>,
    aggregates: HashMap<Box<str>, Vec<Arc<UserAggregate>>, FixedState>,
    collations: HashMap<Box<str>, Collation, FixedState>,
}

impl Extensions {
    /// Adds a scalar function, in place of one of the same name and number of arguments.
    pub fn add_scalar(&mut self, function: UserFunction) {
        let all = self.scalars.entry(function.name.to_ascii_lowercase().into()).or_default();
        all.retain(|other| other.arity != function.arity);
        all.push(Arc::new(function));
    }

    /// Adds an aggregate function, in place of one of the same name and number of arguments.
    pub fn add_aggregate(&mut self, function: UserAggregate) {
        let all = self.aggregates.entry(function.name.to_ascii_lowercase().into()).or_default();
        all.retain(|other| other.arity != function.arity);
        all.push(Arc::new(function));
    }

    /// Adds a collation, in place of one of the same name.
    pub fn add_collation(&mut self, name: &str, collation: Collation) {
        self.collations.insert(name.to_ascii_lowercase().into(), collation);
    }

    /// The scalar function for so many arguments; one for just this number goes before one for any.
    pub fn scalar(&self, name: &str, arguments: usize) -> Option<&Arc<UserFunction>> {
        let all = self.scalars.get(name.to_ascii_lowercase().as_str())?;
        all.iter()
            .find(|function| function.arity == Some(arguments))
            .or_else(|| all.iter().find(|function| function.arity.is_none()))
    }

    /// The aggregate function for so many arguments, as [`Extensions::scalar`].
    pub fn aggregate(&self, name: &str, arguments: usize) -> Option<&Arc<UserAggregate>> {
        let all = self.aggregates.get(name.to_ascii_lowercase().as_str())?;
        all.iter()
            .find(|function| function.arity == Some(arguments))
            .or_else(|| all.iter().find(|function| function.arity.is_none()))
    }

    /// Whether there is a function of this name for some number of arguments.
    pub fn is_known(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.scalars.contains_key(name.as_str()) || self.aggregates.contains_key(name.as_str())
    }

    /// The collation of this name: a user's, or a built-in one.
    pub fn collation(&self, name: &str) -> Option<Collation> {
        let own = self.collations.get(name.to_ascii_lowercase().as_str());
        own.cloned().or_else(|| Collation::built_in(name))
    }

    /// The names of the user's collations.
    pub fn collation_names(&self) -> Vec<Box<str>> {
        let names = self.collations.values().map(|collation| collation.name().into());
        names.collect()
    }

    /// The user's functions: name, `s` or `a`, number of arguments, whether the same arguments give the same.
    pub fn functions(&self) -> Vec<(Box<str>, &'static str, Option<usize>, bool)> {
        let scalars = self.scalars.values().flatten();
        let scalars = scalars.map(|f| (f.name.clone(), "s", f.arity, f.deterministic));
        let aggregates = self.aggregates.values().flatten();
        scalars.chain(aggregates.map(|f| (f.name.clone(), "a", f.arity, true))).collect()
    }
}
