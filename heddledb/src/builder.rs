//! How a database is opened.

use std::path::PathBuf;
use std::time::Duration;

use heddle_engine::Options;

use crate::{Database, Durability, Result};

/// Opens a database: [`Builder::new_local`], what is to be different, [`Builder::build`].
#[derive(Debug, Clone)]
pub struct Builder {
    path: PathBuf,
    options: Options,
}

impl Builder {
    /// A file, or `:memory:`.
    pub fn new_local(path: impl Into<PathBuf>) -> Builder {
        Builder { path: path.into(), options: Options::default() }
    }

    /// When commits are acknowledged, unless a transaction says otherwise. Default: when they are on disk.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Builder {
        self.options.durability = durability;
        self
    }

    /// Write nothing.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Builder {
        self.options.read_only = read_only;
        self
    }

    /// Make the file if there is none. Default: true.
    #[must_use]
    pub fn create(mut self, create: bool) -> Builder {
        self.options.create = create;
        self
    }

    /// Bytes of pages kept in memory.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: usize) -> Builder {
        self.options.cache_bytes = bytes;
        self
    }

    /// How long to wait for others.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Builder {
        self.options.busy_timeout = timeout;
        self
    }

    /// All of the engine's options, in the place of what was set before.
    #[must_use]
    pub fn engine_options(mut self, options: Options) -> Builder {
        self.options = options;
        self
    }

    /// Opens it. A file that is open in this process already is shared.
    ///
    /// # Errors
    /// [`crate::Error::CannotOpen`], [`crate::Error::NotADatabase`], [`crate::Error::Corrupt`], [`crate::Error::Busy`] if
    /// another process has it, [`crate::Error::Io`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn build(self) -> Result<Database> {
        let Builder { path, options } = self;
        let name = path.to_str();
        if path.as_os_str().is_empty() || name == Some(":memory:") {
            let engine = heddle_engine::Database::open_in_memory(options.clone()).await?;
            return Ok(Database::new(engine, String::new(), options));
        }
        let engine = heddle_engine::Database::open(&path, options.clone()).await?;
        let shown = engine.path().display().to_string();
        Ok(Database::new(engine, shown, options))
    }
}
