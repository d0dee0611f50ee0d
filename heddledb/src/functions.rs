//! Functions, aggregates and collations written in Rust.

use std::cmp::Ordering;
use std::sync::Arc;

use heddle_functions::{FunctionError, Surroundings};
use heddle_sql::session::{UserAggregate, UserFunction};
use heddle_value::Collation;

use crate::{Connection, Error, Result, Value};

/// An aggregate function in the making of one result.
pub trait Aggregate: Send {
    /// Takes one row's arguments.
    ///
    /// # Errors
    /// What the function refuses: the statement fails with it.
    fn step(&mut self, arguments: &[Value]) -> Result<()>;

    /// The result of the rows so far.
    ///
    /// # Errors
    /// As [`Aggregate::step`].
    fn value(&mut self) -> Result<Value>;

    /// Takes the row that came first out again: for window frames that move.
    ///
    /// # Errors
    /// As [`Aggregate::step`]. By default it can't, and each frame is computed anew.
    fn inverse(&mut self, arguments: &[Value]) -> Result<()> {
        let _ = arguments;
        Err(Error::misuse("the aggregate takes no row out"))
    }
}

fn failed(error: Error) -> FunctionError {
    match error {
        Error::TooBig => FunctionError::TooBig,
        other => FunctionError::Failed(other.to_string()),
    }
}

fn own(arguments: &[heddle_value::Value]) -> Vec<Value> {
    arguments.iter().cloned().map(Value::from).collect()
}

/// A user's aggregate as SQL has it.
struct Adapted(Box<dyn Aggregate>);

impl heddle_functions::Aggregate for Adapted {
    fn step(
        &mut self,
        _: &mut dyn Surroundings,
        arguments: &[heddle_value::Value],
    ) -> heddle_functions::Result<()> {
        self.0.step(&own(arguments)).map_err(failed)
    }

    fn inverse(
        &mut self,
        _: &mut dyn Surroundings,
        arguments: &[heddle_value::Value],
    ) -> heddle_functions::Result<()> {
        self.0.inverse(&own(arguments)).map_err(failed)
    }

    fn value(&mut self, _: &mut dyn Surroundings) -> heddle_functions::Result<heddle_value::Value> {
        self.0.value().map(Into::into).map_err(failed)
    }
}

impl Connection {
    /// Adds a scalar function. `arity` is how many arguments it takes, `None` any number; `deterministic`: the same arguments give
    /// the same result.
    ///
    /// # Errors
    /// [`Error::Misuse`] while a statement runs on this connection.
    pub fn create_scalar_function<F>(
        &self,
        name: &str,
        arity: Option<usize>,
        deterministic: bool,
        function: F,
    ) -> Result<()>
    where
        F: Fn(&[Value]) -> Result<Value> + Send + Sync + 'static,
    {
        let code = move |arguments: &[heddle_value::Value]| {
            function(&own(arguments)).map(Into::into).map_err(failed)
        };
        let function =
            UserFunction { name: name.into(), arity, deterministic, code: Box::new(code) };
        self.with_session(|session| session.extensions_mut().add_scalar(function))
    }

    /// Adds an aggregate function, of which `start` makes a new one for each group. `invertible`: it has an [`Aggregate::inverse`].
    ///
    /// # Errors
    /// [`Error::Misuse`] while a statement runs on this connection.
    pub fn create_aggregate_function<F, A>(
        &self,
        name: &str,
        arity: Option<usize>,
        invertible: bool,
        start: F,
    ) -> Result<()>
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Aggregate + 'static,
    {
        let start = move |_: &Collation| -> Box<dyn heddle_functions::Aggregate> {
            Box::new(Adapted(Box::new(start())))
        };
        let function =
            UserAggregate { name: name.into(), arity, invertible, start: Box::new(start) };
        self.with_session(|session| session.extensions_mut().add_aggregate(function))
    }

    /// Adds a collation: an order of texts, the same at all times.
    ///
    /// # Errors
    /// [`Error::Misuse`] while a statement runs on this connection.
    pub fn create_collation<F>(&self, name: &str, compare: F) -> Result<()>
    where
        F: Fn(&str, &str) -> Ordering + Send + Sync + 'static,
    {
        let code = move |a: &[u8], b: &[u8]| {
            compare(&String::from_utf8_lossy(a), &String::from_utf8_lossy(b))
        };
        let collation = Collation::User(name.into(), Arc::new(code));
        self.with_session(|session| session.extensions_mut().add_collation(name, collation))
    }
}
