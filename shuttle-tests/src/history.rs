//! What transactions read and wrote, and whether any serial order explains it.
//!
//! Adya's direct serialization graph: an edge for each write overwritten (ww), each write read (wr)
//! and each read overwritten (rw). The history is serializable if there is no cycle.

use std::collections::{BTreeMap, BTreeSet};

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

/// Whether the history has a cycle: the transactions on it.
pub fn cycle(history: &[Record]) -> Option<Vec<Id>> {
    let mut edges: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
    let mut edge = |from: Id, to: Id| {
        if from != to {
            edges.entry(from).or_default().insert(to);
        }
    };
    let mut versions: BTreeMap<u8, Vec<(u64, Id)>> = BTreeMap::new();
    for record in history {
        for key in &record.writes {
            let ticket = record.ticket.expect("who writes has a ticket");
            versions.entry(*key).or_default().push((ticket, record.id));
        }
    }
    for order in versions.values_mut() {
        order.sort_unstable();
        order.windows(2).for_each(|pair| edge(pair[0].1, pair[1].1));
    }
    for record in history {
        for (key, seen) in &record.reads {
            let order = versions.get(key).map_or(&[][..], Vec::as_slice);
            let next = match seen {
                None => order.first(),
                Some(writer) => {
                    edge(*writer, record.id);
                    let at = order.iter().position(|(_, id)| id == writer);
                    order.get(at.expect("a write that nobody committed was read") + 1)
                }
            };
            if let Some((_, overwriter)) = next {
                edge(record.id, *overwriter);
            }
        }
    }
    let mut done = BTreeSet::new();
    history.iter().find_map(|record| search(record.id, &edges, &mut done, &mut Vec::new()))
}

fn search(
    at: Id,
    edges: &BTreeMap<Id, BTreeSet<Id>>,
    done: &mut BTreeSet<Id>,
    path: &mut Vec<Id>,
) -> Option<Vec<Id>> {
    if let Some(from) = path.iter().position(|id| *id == at) {
        return Some(path[from..].to_vec());
    }
    if done.contains(&at) {
        return None;
    }
    path.push(at);
    let found =
        edges.get(&at).into_iter().flatten().find_map(|next| search(*next, edges, done, path));
    path.pop();
    done.insert(at);
    found
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
