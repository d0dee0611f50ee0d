//! SQLite writes, HeddleDB reads: an [`Engine`] whose queries run on a copy of the file that SQLite keeps.
//!
//! So queries are judged over data whose making is not. What a copy does not show (a transaction that is open, TEMP and attached
//! databases) SQLite answers itself.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use heddle_sql::ast::Statement;
use tempfile::TempDir;

use crate::engine::{Engine, Fault, Outcome, Place};
use crate::heddle::Heddle;
use crate::stock::Stock;

/// One connection of SQLite, and one of HeddleDB to the newest copy.
pub struct Reads {
    stock: Stock,
    file: PathBuf,
    copy: Option<(Heddle, PathBuf)>,
    copies: u32,
    folder: TempDir,
}

impl Reads {
    /// Opens; what is to be in memory is in a file of a folder of its own.
    ///
    /// # Errors
    /// Those of opening.
    pub fn open(place: &Place) -> Result<Reads> {
        let folder = tempfile::tempdir()?;
        let file = match place {
            Place::Memory => folder.path().join("stock.db"),
            Place::File(path) | Place::ReadOnly(path) => path.clone(),
        };
        let place =
            if matches!(place, Place::Memory) { Place::File(file.clone()) } else { place.clone() };
        let stock = Stock::open(&place)?;
        stock.connection().pragma_update(None, "synchronous", "OFF")?;
        Ok(Reads { stock, file, copy: None, copies: 0, folder })
    }

    fn heddle(&mut self) -> Result<&mut Heddle> {
        if self.copy.is_none() {
            self.copies += 1;
            let to = self.folder.path().join(format!("{}.db", self.copies));
            std::fs::copy(&self.file, &to)?;
            self.copy = Some((Heddle::open(&Place::File(to.clone()))?, to));
        }
        let (heddle, _) = self.copy.as_mut().context("no copy")?;
        Ok(heddle)
    }

    fn forget_copy(&mut self) {
        if let Some((heddle, path)) = self.copy.take() {
            drop(heddle);
            // Left over, it goes with the folder.
            drop(std::fs::remove_file(path));
        }
    }

    fn query(&mut self, sql: &str, limit: Option<Duration>) -> Outcome {
        let is_shown = self.stock.connection().is_autocommit();
        if !is_shown || sql.contains("changes()") || sql.contains("last_insert_rowid()") {
            return self.stock.run(sql, limit);
        }
        let outcome = match self.heddle() {
            Ok(heddle) => heddle.run(sql, limit),
            Err(error) => {
                let message = format!("opening a copy: {error:#}");
                let fault = Fault { code: 14, message, while_running: false };
                return Outcome { fault: Some(fault), ..Outcome::default() };
            }
        };
        let is_missing = |word: &str| {
            outcome.fault.as_ref().is_some_and(|fault| fault.message.starts_with(word))
        };
        if is_missing("no such table") || is_missing("unknown database") {
            return self.stock.run(sql, limit);
        }
        outcome
    }
}

impl Engine for Reads {
    fn run(&mut self, script: &str, limit: Option<Duration>) -> Outcome {
        let mut all = Outcome::default();
        let mut rest = script;
        while all.fault.is_none() && !rest.is_empty() {
            let (sql, is_query, end) = match heddle_sql::parse::parse(rest) {
                Ok(Some(parsed)) => {
                    let is_query = matches!(parsed.statement, Statement::Select(_));
                    (rest.get(..parsed.end).unwrap_or(rest), is_query, parsed.end)
                }
                Ok(None) => break,
                Err(_) => (rest, false, rest.len()),
            };
            let outcome = if is_query {
                self.query(sql, limit)
            } else {
                self.forget_copy();
                self.stock.run(sql, limit)
            };
            all.answers.extend(outcome.answers);
            all.fault = outcome.fault;
            rest = rest.get(end..).unwrap_or_default();
        }
        all
    }
}
