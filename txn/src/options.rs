//! What a caller may choose, for all transactions and for one.

use std::time::Duration;

use heddle_wal::Durability;

/// How much of what it read a transaction defends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Isolation {
    /// As if transactions ran one after another.
    #[default]
    Serializable,
    /// Reads at one snapshot; only writes of the same key, and constraint reads, conflict.
    Snapshot,
}

/// How a transaction meets others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Runs beside others; a conflict is found at commit, and then nothing happened.
    #[default]
    Optimistic,
    /// Takes its turn before its snapshot (FIFO), while the commits of others wait. Never conflicts.
    Immediate,
    /// Reads the newest committed state, which may not be durable yet: a commit confirms it.
    ReadOnly,
    /// Reads what is acknowledged: nothing is left to confirm.
    Acknowledged,
}

/// One transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxOptions {
    /// Default: serializable.
    pub isolation: Isolation,
    /// Default: optimistic.
    pub mode: Mode,
    /// When its commit is acknowledged. Default: full.
    pub durability: Durability,
    /// Bytes of its read set beyond which that gets coarser. Default: 4 MiB.
    pub read_budget: usize,
    /// Bytes of its writes beyond which [`crate::Transaction::make_room`] moves them to files beside the
    /// log. A database without files keeps them in memory, however many. Default: 64 MiB.
    pub write_budget: usize,
    /// How long it waits for a gate (`None`: for ever). Default: 5 s.
    pub busy_timeout: Option<Duration>,
}

impl Default for TxOptions {
    fn default() -> Self {
        Self {
            isolation: Isolation::default(),
            mode: Mode::default(),
            durability: Durability::Full,
            read_budget: 4 << 20,
            write_budget: 64 << 20,
            busy_timeout: Some(Duration::from_secs(5)),
        }
    }
}

/// All transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManagerOptions {
    /// Whether commit records carry the value before each change, for whoever follows the stream of
    /// changes. Not those of a transaction that was spilled: its record only names a file. Default: no.
    pub record_old_values: bool,
    /// A [`crate::Retry`] goes through the exclusive gate after this many conflicts. Default: 8.
    pub patience: u32,
}

impl Default for ManagerOptions {
    fn default() -> Self {
        Self { record_old_values: false, patience: 8 }
    }
}
