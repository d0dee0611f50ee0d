//! SQLite as an [`Engine`].

use std::time::{Duration, Instant};

use anyhow::Result;
use heddle_value::Value;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, OpenFlags};

use crate::engine::{Answer, Engine, Fault, Outcome, Place};

/// How many instructions of SQLite's machine lie between two looks at the clock.
const INSTRUCTIONS: i32 = 10_000;

/// One connection of SQLite.
pub struct Stock(Connection);

impl Stock {
    /// Opens as the shell does: foreign keys off, `generate_series` there.
    ///
    /// # Errors
    /// Those of opening.
    pub fn open(place: &Place) -> Result<Stock> {
        let connection = match place {
            Place::Memory => Connection::open_in_memory()?,
            Place::File(path) => Connection::open(path)?,
            Place::ReadOnly(path) => {
                Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?
            }
        };
        connection.execute_batch("PRAGMA foreign_keys = OFF")?;
        rusqlite::vtab::series::load_module(&connection)?;
        crate::stock_math::add(&connection)?;
        Ok(Stock(connection))
    }

    /// The connection itself, for what only SQLite can check.
    pub fn connection(&self) -> &Connection {
        &self.0
    }

    fn run_all(&self, script: &str, answers: &mut Vec<Answer>) -> Result<(), Fault> {
        let mut batch = Batch::new(&self.0, script);
        while let Some(mut statement) = batch.next().map_err(|error| fault(&error, false))? {
            let mut answer = Answer {
                columns: statement.column_names().map(str::to_owned).collect(),
                ..Answer::default()
            };
            let columns = answer.columns.len();
            let mut rows = statement.raw_query();
            let failed = loop {
                match rows.next() {
                    Ok(None) => break None,
                    Ok(Some(row)) => {
                        answer.rows.push((0..columns).map(|at| value(row, at)).collect())
                    }
                    Err(error) => break Some(fault(&error, true)),
                }
            };
            drop(rows);
            answer.changes = self.0.changes();
            answers.push(answer);
            if let Some(fault) = failed {
                return Err(fault);
            }
        }
        Ok(())
    }
}

impl Engine for Stock {
    fn run(&mut self, script: &str, limit: Option<Duration>) -> Outcome {
        // A failure to set the handler leaves the run without a limit: it is SQLite's own work that runs on.
        if let Some(limit) = limit {
            let end = Instant::now() + limit;
            drop(self.0.progress_handler(INSTRUCTIONS, Some(move || Instant::now() > end)));
        }
        let mut answers = Vec::new();
        let fault = self.run_all(script, &mut answers).err();
        if limit.is_some() {
            drop(self.0.progress_handler(0, None::<fn() -> bool>));
        }
        Outcome { answers, fault }
    }
}

fn value(row: &rusqlite::Row<'_>, at: usize) -> Value {
    match row.get_ref(at) {
        Ok(ValueRef::Integer(integer)) => Value::Integer(integer),
        Ok(ValueRef::Real(real)) => Value::Real(real),
        Ok(ValueRef::Text(text)) => Value::text(text),
        Ok(ValueRef::Blob(blob)) => Value::blob(blob),
        Ok(ValueRef::Null) | Err(_) => Value::Null,
    }
}

fn fault(error: &rusqlite::Error, while_running: bool) -> Fault {
    let (code, message) = match error {
        rusqlite::Error::SqliteFailure(code, Some(message)) => {
            (code.extended_code, message.clone())
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => (error.extended_code, msg.clone()),
        other => (1, other.to_string()),
    };
    Fault { code, message, while_running }
}
