//! What a connection's pragmas and its caller set.

use std::collections::HashMap;
use std::time::Duration;

use heddle_engine::{Durability, Isolation, Mode, TxOptions};

use crate::ast::TransactionKind;

/// How a connection runs its transactions, and what its pragmas said.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// How long to wait for others; `None`: as the database was opened.
    pub busy_timeout: Option<Duration>,
    /// When commits are acknowledged; `None`: as the database was opened.
    pub durability: Option<Durability>,
    /// How much of what it read a transaction defends.
    pub isolation: Isolation,
    /// Whether one transaction may write several databases that others can have open: then it is atomic in each of them, and not over
    /// all.
    pub write_several: bool,
    /// `PRAGMA query_only`.
    pub query_only: bool,
    /// What pragmas set that is only remembered, by name.
    pub remembered: HashMap<&'static str, i64>,
}

/// How one transaction runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct TransactionOptions {
    /// How it begins.
    pub kind: TransactionKind,
    /// As [`Settings::durability`]; `None`: as the connection says.
    pub durability: Option<Durability>,
    /// As [`Settings::isolation`]; `None`: as the connection says.
    pub isolation: Option<Isolation>,
}

impl Settings {
    /// What the engine is asked for.
    pub fn engine_options(&self, options: TransactionOptions) -> TxOptions {
        let mode = match options.kind {
            TransactionKind::Deferred | TransactionKind::Concurrent => Mode::Optimistic,
            TransactionKind::Immediate | TransactionKind::Exclusive => Mode::Immediate,
        };
        TxOptions {
            mode,
            isolation: options.isolation.unwrap_or(self.isolation),
            durability: options.durability.or(self.durability),
            busy_timeout: self.busy_timeout,
            transaction_bytes: None,
        }
    }
}
