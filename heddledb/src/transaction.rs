//! Transactions that are open for as long as their handle is.

use std::ops::Deref;

use heddle_sql::ast::TransactionKind;
use heddle_sql::session;

use crate::{Connection, Durability, Isolation, Result};

/// How a transaction meets others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TransactionBehavior {
    /// Beside all others; what another committed first is found at the commit. It begins with its first statement.
    #[default]
    Deferred,
    /// Takes its turn first, while other writers' commits wait; can't conflict.
    Immediate,
    /// The same as [`TransactionBehavior::Immediate`]: readers are never kept out.
    Exclusive,
    /// The same as [`TransactionBehavior::Deferred`]: all are concurrent.
    Concurrent,
}

/// How one transaction runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TransactionOptions {
    /// How it meets others.
    pub behavior: TransactionBehavior,
    /// When its commit is acknowledged; `None`: as the database or `PRAGMA synchronous` says.
    pub durability: Option<Durability>,
    /// How much of what it read it defends; `None`: all (serializable).
    pub isolation: Option<Isolation>,
}

impl From<TransactionOptions> for session::TransactionOptions {
    fn from(options: TransactionOptions) -> session::TransactionOptions {
        session::TransactionOptions {
            kind: match options.behavior {
                TransactionBehavior::Deferred => TransactionKind::Deferred,
                TransactionBehavior::Immediate => TransactionKind::Immediate,
                TransactionBehavior::Exclusive => TransactionKind::Exclusive,
                TransactionBehavior::Concurrent => TransactionKind::Concurrent,
            },
            durability: options.durability,
            isolation: options.isolation,
        }
    }
}

/// An open transaction of a connection: what is run on it or on the connection belongs to it. Dropped, it is rolled back at once.
#[derive(Debug)]
pub struct Transaction {
    connection: Connection,
    epoch: u64,
}

impl Transaction {
    pub(crate) fn new(connection: Connection, epoch: u64) -> Transaction {
        Transaction { connection, epoch }
    }

    /// Makes what it wrote everybody's.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] if another one came first, and what else a commit meets: then it is rolled back.
    ///
    /// # Cancel safety
    /// Dropped before the commit has drawn its place, it is rolled back; after it, the commit stands.
    pub async fn commit(self) -> Result<()> {
        let mut session = self.connection.session().await;
        let outcome = session.commit().await;
        // A failed one is rolled back with `self`, which is dropped after the session is back.
        drop(session);
        Ok(outcome?)
    }

    /// Rolls it back.
    ///
    /// # Errors
    /// None so far.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn rollback(self) -> Result<()> {
        drop(self);
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.connection.slot().roll_back(self.epoch);
    }
}
