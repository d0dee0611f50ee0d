//! Statements about whole files: ATTACH, DETACH, VACUUM.

use heddle_engine::{Database, Options};
use heddle_value::Value;

use super::attached::Attached;
use super::constant;
use super::state::{Session, State};
use crate::ast::{Expr, Name};
use crate::{Error, Result};

/// The most databases that ATTACH adds: SQLite's default (`SQLITE_LIMIT_ATTACHED`).
const MOST_ATTACHED: usize = 10;

impl Session {
    /// ATTACH.
    ///
    /// # Errors
    /// In SQLite's words; what opening the file meets.
    ///
    /// # Cancel safety
    /// Dropped before it ends, nothing is attached.
    pub(super) async fn attach(
        &mut self,
        file: &Expr,
        name: &Expr,
        parameters: &[Value],
    ) -> Result<()> {
        let file = constant::value(file, parameters)?.to_text().to_string_lossy().into_owned();
        let name = constant::value(name, parameters)?.to_text().to_string_lossy().into_owned();
        if self.attached.iter().skip(2).flatten().count() >= MOST_ATTACHED {
            return Err(Error::sql(format!("too many attached databases - max {MOST_ATTACHED}")));
        }
        let mut names = self.attached.iter().flatten().map(|attached| &attached.name);
        if names.any(|other| other.eq_ignore_ascii_case(&name))
            || ["main", "temp"].iter().any(|other| other.eq_ignore_ascii_case(&name))
        {
            return Err(Error::sql(format!("database {name} is already in use")));
        }
        let in_memory = file.is_empty() || file == ":memory:" || file.starts_with("file::memory:");
        let attached = if in_memory {
            let options = Options { env: None, ..self.options.clone() };
            Attached::new(&name, Database::open_in_memory(options).await?, "", true)
        } else {
            let path = file.strip_prefix("file:").unwrap_or(&file);
            let path = path.split('?').next().unwrap_or(path);
            let database = Database::open(path, self.options.clone()).await?;
            let shown = database.path().display().to_string();
            Attached::new(&name, database, &shown, false)
        };
        match self.attached.iter_mut().skip(2).find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(attached),
            None => self.attached.push(Some(attached)),
        }
        Ok(())
    }

    /// DETACH.
    ///
    /// # Errors
    /// In SQLite's words.
    pub(super) fn detach(&mut self, name: &Expr, parameters: &[Value]) -> Result<()> {
        let name = constant::value(name, parameters)?.to_text().to_string_lossy().into_owned();
        let is = |slot: &Option<Attached>| {
            slot.as_ref().is_some_and(|attached| attached.name.eq_ignore_ascii_case(&name))
        };
        let Some(at) = self.attached.iter().position(is) else {
            return Err(Error::sql(format!("no such database: {name}")));
        };
        if at < 2 {
            return Err(Error::sql(format!("cannot detach database {name}")));
        }
        if !self.is_autocommit() {
            return Err(Error::sql(format!("database {name} is locked")));
        }
        // The last handle of a file of nobody else leaves what is in its log to the next opening.
        if let Some(slot) = self.attached.get_mut(at) {
            *slot = None;
        }
        if let Some(transaction) = self.resources.transactions.get_mut(at) {
            *transaction = None;
        }
        Ok(())
    }

    /// VACUUM.
    ///
    /// # Errors
    /// Inside a transaction; as [`Database::vacuum`].
    ///
    /// # Cancel safety
    /// As [`Database::vacuum`].
    pub(super) async fn vacuum(&mut self, schema: Option<&Name>) -> Result<()> {
        if !matches!(self.transaction, State::Autocommit) {
            return Err(Error::sql("cannot VACUUM from within a transaction"));
        }
        let name = schema.map_or("main", |name| &name.text);
        let found = self
            .attached
            .iter()
            .flatten()
            .find(|attached| attached.name.eq_ignore_ascii_case(name));
        let Some(attached) = found else {
            return Err(Error::sql(format!("unknown database {name}")));
        };
        let database = attached.database.clone();
        database.vacuum().await?;
        Ok(())
    }
}
