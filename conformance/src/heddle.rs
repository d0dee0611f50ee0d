//! HeddleDB as an [`Engine`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::Result;
use heddle_value::Value;
use heddledb::{Builder, Connection, Database, Row, ValueType, block_on};

use crate::engine::{Answer, Engine, Fault, Outcome, Place};

/// The code of a panic, which no error has.
pub const PANIC: i32 = -1;

/// One connection of HeddleDB.
pub struct Heddle {
    connection: Connection,
    // The database outlives its connections.
    _database: Database,
}

impl Heddle {
    /// Opens.
    ///
    /// # Errors
    /// Those of opening.
    pub fn open(place: &Place) -> Result<Heddle> {
        let builder = match place {
            Place::Memory => Builder::new_local(":memory:"),
            Place::File(path) => Builder::new_local(path.clone()),
            Place::ReadOnly(path) => Builder::new_local(path.clone()).read_only(true),
        };
        let database = block_on(builder.build())?;
        let connection = database.connect()?;
        Ok(Heddle { connection, _database: database })
    }

    async fn run_all(&self, script: &str, answers: &mut Vec<Answer>) -> Result<(), Fault> {
        let mut rest = script;
        loop {
            let parsed = heddle_sql::parse::parse(rest)
                .map_err(|error| fault(&heddledb::Error::from(error), false))?;
            let Some(parsed) = parsed else { return Ok(()) };
            self.run_one(rest.get(..parsed.end).unwrap_or(rest), answers).await?;
            rest = rest.get(parsed.end..).unwrap_or_default();
        }
    }

    async fn run_one(&self, sql: &str, answers: &mut Vec<Answer>) -> Result<(), Fault> {
        let statement = self.connection.prepare(sql).await.map_err(|error| fault(&error, false))?;
        let mut answer = Answer::default();
        let outcome = match statement.query(()).await {
            Ok(mut rows) => {
                answer.columns = rows.column_names();
                loop {
                    match rows.next().await {
                        Ok(Some(row)) => answer.rows.push(values(&row)),
                        Ok(None) => break Ok(()),
                        Err(error) => break Err(fault(&error, true)),
                    }
                }
            }
            Err(error) => Err(fault(&error, true)),
        };
        answer.changes = self.connection.changes();
        answers.push(answer);
        outcome
    }
}

impl Engine for Heddle {
    fn run(&mut self, script: &str, limit: Option<Duration>) -> Outcome {
        let mut answers = Vec::new();
        let connection = &self.connection;
        let work = AssertUnwindSafe(|| block_on(self.run_all(script, &mut answers)));
        let caught = std::thread::scope(|scope| {
            let (done, wait) = channel::<()>();
            if let Some(limit) = limit {
                scope.spawn(move || {
                    // Again and again: an interrupt stops one statement, and the script may have more.
                    let mut next = limit;
                    while wait.recv_timeout(next) == Err(RecvTimeoutError::Timeout) {
                        connection.interrupt();
                        next = Duration::from_millis(20);
                    }
                });
            }
            let caught = catch_unwind(work);
            drop(done);
            caught
        });
        let fault = match caught {
            Ok(outcome) => outcome.err(),
            Err(panic) => {
                let words = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied());
                let message = format!("panic: {}", words.unwrap_or("without words"));
                Some(Fault { code: PANIC, message, while_running: false })
            }
        };
        Outcome { answers, fault }
    }
}

fn values(row: &Row) -> Vec<Value> {
    (0..row.column_count()).map(|at| value(row, at).unwrap_or_default()).collect()
}

fn value(row: &Row, at: usize) -> heddledb::Result<Value> {
    let bytes = || row.get_bytes(at).map(Option::unwrap_or_default);
    Ok(match row.column_type(at)? {
        ValueType::Null => Value::Null,
        ValueType::Integer => Value::Integer(row.get(at)?),
        ValueType::Real => Value::Real(row.get(at)?),
        ValueType::Text => Value::text(bytes()?),
        ValueType::Blob => Value::blob(bytes()?),
    })
}

fn fault(error: &heddledb::Error, while_running: bool) -> Fault {
    Fault { code: error.extended_code(), message: error.to_string(), while_running }
}
