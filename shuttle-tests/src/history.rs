//! What transactions read and wrote: whether any serial order explains it, which `heddle-histories` says, and
//! whether the order of tickets does, which is HeddleDB's own promise.

use heddle_histories::{History, Level, Op, Outcome, Txn, check};

/// Names a transaction; also the value it writes.
pub type Id = u64;

/// A transaction that committed.
#[derive(Debug, Clone)]
pub struct Record {
    pub id: Id,
    /// Its place among those that wrote; a reader has none.
    pub ticket: Option<u64>,
    /// Its snapshot's timestamp.
    pub snapshot: u64,
    /// Each key read, and whose write was seen.
    pub reads: Vec<(u8, Option<Id>)>,
    pub writes: Vec<u8>,
}

impl Record {
    /// As the checker reads it: all reads, then all writes.
    fn txn(&self) -> Txn {
        let reads = self.reads.iter().map(|(key, seen)| Op::Read(u64::from(*key), *seen));
        let writes = self.writes.iter().map(|key| Op::Write(u64::from(*key), Some(self.id)));
        let outcome = Outcome::Committed(self.ticket);
        Txn { ops: reads.chain(writes).collect(), outcome, began: 0, ended: 0 }
    }
}

/// What serializable transactions may not have done, with its counterexample.
pub fn anomaly(history: &[Record]) -> Option<String> {
    let txns = history.iter().map(Record::txn).collect();
    let history = History { txns, real_time: false };
    check(&history).counterexample(Level::Serializable, &history)
}

/// The stronger promise: tickets are the serial order. A writer read the newest write before its
/// ticket, a reader the newest up to its snapshot. The first record for which that fails.
pub fn out_of_order(history: &[Record]) -> Option<&Record> {
    let newest_before = |key: u8, end: u64| {
        history
            .iter()
            .filter(|record| record.writes.contains(&key))
            .filter_map(|record| Some((record.ticket?, record.id)))
            .filter(|(ticket, _)| *ticket < end)
            .max()
            .map(|(_, id)| id)
    };
    history.iter().find(|record| {
        let end = record.ticket.unwrap_or(record.snapshot + 1);
        record.reads.iter().any(|(key, seen)| *seen != newest_before(*key, end))
    })
}
