//! What a database must be able to do to take part.
//!
//! A [`Peer`] is an open database, a [`Session`] is one of its clients. Each method of a session is
//! one transaction, acknowledged only once it is on disk, and retried by the session if the database
//! asks for it. Everything is `async`; the methods of a blocking database are ready at the first poll
//! and run on a thread each, see [`Style`].

use std::future::Future;
use std::path::Path;

use anyhow::Result;

/// Bytes of cache that every peer with such a setting gets.
pub const CACHE_BYTES: usize = 256 << 20;

/// How a peer's sessions run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A thread for each.
    Threads,
    /// A task for each, on a tokio runtime with a thread per core.
    Tasks,
}

/// How a database is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// As users open it.
    Automatic,
    /// Checkpoints run only when asked for, where the peer lets us decide.
    Manual,
}

/// Counts since opening, where the peer tells.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    pub syncs: Option<u64>,
    pub log_bytes: Option<u64>,
}

/// A row of the table `rows`: a counter and a text, about 100 bytes with its key.
#[derive(Debug, Clone)]
pub struct Row {
    /// The key, where the database does not pick it.
    pub id: i64,
    pub n: i64,
    pub body: String,
}

/// A row of the table `people`, which has a unique index over `name` and another over `team`.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: i64,
    pub name: String,
    pub team: i64,
    pub body: String,
}

/// How often a transaction had to run again.
pub type Retries = u32;

/// An open database.
pub trait Peer: Clone + Send + Sync + Sized + 'static {
    type Session: Session;

    const STYLE: Style;

    /// Opens the database in the folder `at`, made with its tables if there is none.
    fn open(at: &Path, upkeep: Upkeep) -> impl Future<Output = Result<Self>> + Send;

    /// One more client.
    fn session(&self) -> impl Future<Output = Result<Self::Session>> + Send;

    /// Adds rows 1 to `rows` with `n` = 0, in one transaction.
    fn load(&self, rows: i64) -> impl Future<Output = Result<()>> + Send;

    /// Moves what the log holds into the database; `None` if there is no such thing.
    fn checkpoint(&self) -> impl Future<Output = Result<Option<()>>> + Send {
        async { Ok(None) }
    }

    fn counters(&self) -> Counters {
        Counters::default()
    }

    fn close(self) -> impl Future<Output = Result<()>> + Send;
}

/// A client of a database. Each method is one durable transaction.
pub trait Session: Send + 'static {
    /// Adds rows. A database that picks keys by itself does.
    fn insert(&mut self, rows: &[Row]) -> impl Future<Output = Result<Retries>> + Send;

    /// Adds a person, kept in two indexes.
    fn insert_person(&mut self, person: &Person) -> impl Future<Output = Result<Retries>> + Send;

    /// Reads a row and writes it back with `by` more in its counter.
    fn add(&mut self, id: i64, by: i64) -> impl Future<Output = Result<Retries>> + Send;

    /// Reads two rows, and moves `amount` from one's counter to the other's.
    fn transfer(
        &mut self,
        from: i64,
        to: i64,
        amount: i64,
    ) -> impl Future<Output = Result<Retries>> + Send;

    /// The counter of one row, in a transaction of its own.
    fn get(&mut self, id: i64) -> impl Future<Output = Result<Option<i64>>> + Send;

    /// The number of rows and the sum of their counters, over `count` rows from `from` on.
    fn range(&mut self, from: i64, count: usize)
    -> impl Future<Output = Result<(u64, i64)>> + Send;

    /// Begins to read and stays at that snapshot until the session ends. `false` if the peer can't.
    fn hold(&mut self) -> impl Future<Output = Result<bool>> + Send {
        async { Ok(false) }
    }
}
