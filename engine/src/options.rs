//! What a caller may choose: when opening a database, and for one transaction.

use std::time::Duration;

use heddle_btree::text::Encoding;
use heddle_io::Env;

/// When a commit is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Durability {
    /// Acknowledged when written to the log file; nothing syncs it until the next checkpoint.
    Off,
    /// Acknowledged when written to the log file, so that it survives the end of the process; synced at
    /// intervals, so that a crash of the machine loses little.
    Normal,
    /// Acknowledged when on disk.
    #[default]
    Full,
}

/// How much of what it read a transaction defends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Isolation {
    /// As if transactions ran one after another.
    #[default]
    Serializable,
    /// Reads at one snapshot; only writes to the same row (and constraint checks) conflict.
    Snapshot,
}

/// How a transaction meets others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Runs beside others; a conflict is found at commit, and then nothing happened.
    #[default]
    Optimistic,
    /// Takes its turn before it begins (FIFO), while other writers' commits wait. Never conflicts.
    Immediate,
    /// Writes are refused; commits trivially.
    ReadOnly,
}

/// Whether a new file can shrink when rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AutoVacuum {
    /// Free pages stay in the file for reuse.
    #[default]
    None,
    /// Each checkpoint gives free pages back.
    Full,
    /// Free pages can be given back on demand.
    Incremental,
}

/// How a database is opened.
///
/// ```
/// use heddle_engine::{Durability, Options};
/// let options = Options { durability: Durability::Normal, cache_bytes: 256 << 20, ..Options::default() };
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    /// Make the file if there is none. Default: true.
    pub create: bool,
    /// Write nothing, not even to recover. Default: false.
    ///
    /// Such opens share a file in rollback mode with each other and with readers of stock SQLite. A file in WAL mode is held
    /// alone, if this user may write it: stock SQLite would checkpoint into it beside any lock that a reader can take in
    /// the file itself, and its read marks are in a `-shm` file, which only a writer may make.
    pub read_only: bool,
    /// For transactions that don't choose their own. Default: [`Durability::Full`].
    pub durability: Durability,
    /// Bytes per page of a new file: a power of two, 512 to 65536. Default: 4096.
    pub page_size: u32,
    /// For a new file.
    pub auto_vacuum: AutoVacuum,
    /// For a new file.
    pub encoding: Encoding,
    /// Bytes of pages kept in memory. Default: 64 MiB.
    pub cache_bytes: usize,
    /// Bytes of row versions not yet checkpointed (or needed by a snapshot) that are kept in memory
    /// before new transactions wait for the checkpointer. Default: 256 MiB.
    pub memory_bytes: usize,
    /// Bytes that the writes of one transaction may take in memory; beyond that they move to a file beside the log, and
    /// its commit waits until it is alone. At most 128 MiB, whatever this says. A database in memory has no such files: there
    /// the writes stay in memory, and a commit of more than 256 MiB is [`crate::Error::TooBig`]. Default: 64 MiB.
    pub transaction_bytes: usize,
    /// A checkpoint starts when the log holds this many bytes. Default: 64 MiB.
    pub checkpoint_log_bytes: u64,
    /// Whether checkpoints start by themselves. Default: true.
    pub auto_checkpoint: bool,
    /// How long an optimistic commit waits for an immediate transaction, and a begin for memory,
    /// before [`crate::Error::Busy`]. Default: 5 s.
    pub busy_timeout: Duration,
    /// A second open of the same file in this process gives another handle to the same database;
    /// otherwise it is [`crate::Error::AlreadyOpen`]. While the last handle is being closed both wait for
    /// that, up to [`Options::busy_timeout`]. Default: true.
    pub share: bool,
    /// Files, time and threads. Default: those of the operating system.
    pub env: Option<Env>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            create: true,
            read_only: false,
            durability: Durability::Full,
            page_size: 4096,
            auto_vacuum: AutoVacuum::None,
            encoding: Encoding::Utf8,
            cache_bytes: 64 << 20,
            memory_bytes: 256 << 20,
            transaction_bytes: 64 << 20,
            checkpoint_log_bytes: 64 << 20,
            auto_checkpoint: true,
            busy_timeout: Duration::from_secs(5),
            share: true,
            env: None,
        }
    }
}

/// How one transaction runs.
///
/// ```
/// use heddle_engine::{Isolation, Mode, TxOptions};
/// let options = TxOptions { mode: Mode::Immediate, ..TxOptions::default() };
/// let weaker = TxOptions { isolation: Isolation::Snapshot, ..TxOptions::default() };
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct TxOptions {
    /// Default: serializable.
    pub isolation: Isolation,
    /// Default: optimistic.
    pub mode: Mode,
    /// `None`: as the database says.
    pub durability: Option<Durability>,
    /// As [`Options::busy_timeout`]. `None`: as the database says.
    pub busy_timeout: Option<Duration>,
    /// As [`Options::transaction_bytes`]. `None`: as the database says.
    pub transaction_bytes: Option<usize>,
}
