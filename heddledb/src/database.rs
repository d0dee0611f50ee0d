//! An open database.

use std::sync::Arc;

use heddle_engine::Options;
use heddle_sql::session::Session;

use crate::{Connection, Result};

/// An open database. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    engine: heddle_engine::Database,
    /// Its file's path; nothing for one in memory.
    file: String,
    options: Options,
}

impl Database {
    pub(crate) fn new(engine: heddle_engine::Database, file: String, options: Options) -> Database {
        Database { inner: Arc::new(Inner { engine, file, options }) }
    }

    /// A new connection. Connections are cheap; those of one database work side by side, and one of them does one thing at a time.
    ///
    /// # Errors
    /// None so far.
    pub fn connect(&self) -> Result<Connection> {
        let Inner { engine, file, options } = &*self.inner;
        Ok(Connection::new(Session::new(engine.clone(), file, options.clone())))
    }

    /// The storage engine underneath: checkpoints, metrics, checks.
    pub fn engine(&self) -> &heddle_engine::Database {
        &self.inner.engine
    }

    /// Ends the use of the database: what is committed is in the file alone afterwards, and any program can read it. Connections that
    /// are left answer with errors.
    ///
    /// Dropping a database loses nothing either: the next opening finds what is in the log.
    ///
    /// # Errors
    /// [`crate::Error::Full`], [`crate::Error::Io`]: what could not be written to the file is in the log.
    ///
    /// # Cancel safety
    /// Dropped, it is closed in the background.
    pub async fn close(self) -> Result<()> {
        Ok(self.inner.engine.clone().close().await?)
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("file", &self.inner.file).finish_non_exhaustive()
    }
}
