//! The classes of anomalies, which level forbids which, and the report.

use std::fmt;

use crate::cycles::{classify, find, members};
use crate::graph::{Edge, Graph, Kind, Why};
use crate::history::{History, TxnId};
use crate::reads::add_reads;
use crate::versions::Versions;

/// What went wrong. The names are Adya's where he has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A value was read that nobody wrote.
    Garbage,
    /// A list has an element twice.
    Duplicate,
    /// Two reads of a list of which neither is the beginning of the other.
    IncompatibleOrder,
    /// A transaction did not see what it had written itself.
    Internal,
    /// Dirty write: a cycle of overwriting.
    G0,
    /// Aborted read.
    G1a,
    /// Intermediate read.
    G1b,
    /// A cycle of writing and reading.
    G1c,
    /// Several read the same version and each wrote the object.
    LostUpdate,
    /// A cycle with one anti-dependency: read skew, among others.
    GSingle,
    /// A cycle with several anti-dependencies, no two in a row.
    GNonadjacent,
    /// A cycle with anti-dependencies in a row, each on an object: write skew.
    G2Item,
    /// The same with a predicate: phantoms.
    G2,
    /// A cycle that real time closes: a stale read, among others.
    RealTime,
    /// The same with anti-dependencies in a row.
    RealTimeSkew,
}

/// An isolation level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As if one after the other.
    Serializable,
    /// Each sees one state, and of two that overlap and write the same object one fails.
    Snapshot,
}

impl Level {
    /// Whether it allows what is of this class.
    pub fn allows(self, class: Class) -> bool {
        self == Level::Snapshot && matches!(class, Class::G2Item | Class::G2 | Class::RealTimeSkew)
    }
}

/// An anomaly, with its proof in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// What it is.
    pub class: Class,
    /// Who takes part; of a cycle in its order.
    pub txns: Vec<TxnId>,
    /// A line for each step of the proof.
    pub steps: Vec<String>,
}

impl Anomaly {
    pub(crate) fn plain(class: Class, txns: &[TxnId], text: String) -> Self {
        Self { class, txns: txns.to_vec(), steps: vec![text] }
    }

    fn cycle(class: Class, cycle: &[Edge]) -> Self {
        debug_assert_eq!(classify(cycle), class);
        Self { class, txns: members(cycle), steps: cycle.iter().map(explain).collect() }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}:", self.class)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "  {step}"))
    }
}

fn explain(edge: &Edge) -> String {
    let Edge { from, to, kind, why } = edge;
    let shown = |value: &Option<u64>| value.map_or("nothing".to_owned(), |value| value.to_string());
    match (kind, why) {
        (Kind::Ww, Why::Item { object, before, after }) => {
            let (before, after) = (shown(before), shown(after));
            format!(
                "{from} before {to}: it wrote {object} = {before}, which {to} followed by {after}"
            )
        }
        (Kind::Wr, Why::Item { object, before, .. }) => {
            format!("{from} before {to}: it wrote {object} = {}, which {to} read", shown(before))
        }
        (_, Why::Item { object, before, after }) => {
            let (before, after) = (shown(before), shown(after));
            format!(
                "{from} before {to}: it read {object} = {before}, which {to} followed by {after}"
            )
        }
        (_, Why::Predicate { scope, object, after }) => {
            let after = shown(after);
            format!(
                "{from} before {to}: it read {scope} without {object} = {after}, which {to} wrote"
            )
        }
        (_, Why::Time) => format!("{from} before {to}: it had ended when {to} began"),
    }
}

/// What was found in a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Everything that was found: of cycles a short one of each class.
    pub anomalies: Vec<Anomaly>,
    /// Transactions that committed.
    pub committed: usize,
    /// Dependencies between them.
    pub edges: usize,
}

impl Report {
    /// The classes that were found, each once.
    pub fn classes(&self) -> Vec<Class> {
        let mut classes: Vec<Class> = self.anomalies.iter().map(|anomaly| anomaly.class).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// What a level does not allow.
    pub fn violations(&self, level: Level) -> impl Iterator<Item = &Anomaly> {
        self.anomalies.iter().filter(move |anomaly| !level.allows(anomaly.class))
    }

    /// The first thing that a level does not allow, with all that its transactions did; `None` if there is none.
    pub fn counterexample(&self, level: Level, history: &History) -> Option<String> {
        let anomaly = self.violations(level).min_by_key(|anomaly| anomaly.class)?;
        let mut text = anomaly.to_string();
        for id in &anomaly.txns {
            if let Some(txn) = history.get(*id) {
                text.push_str(&format!("  {id}: {txn}\n"));
            }
        }
        Some(text)
    }
}

/// Builds the dependency graph of a history and looks for every class of anomaly. Takes time about linear in
/// the operations, and in the keys of each predicate read.
pub fn check(history: &History) -> Report {
    let versions = Versions::of(history);
    let mut graph = Graph::new(history.txns.len());
    graph.add_versions(&versions);
    let mut anomalies = add_reads(history, &versions, &mut graph);
    if history.real_time {
        graph.add_real_time(history, &versions);
    }
    anomalies.extend(find(&graph).into_iter().map(|(class, cycle)| Anomaly::cycle(class, &cycle)));
    anomalies.sort_by_key(|anomaly| anomaly.class);
    let committed = (0..history.txns.len()).filter(|at| versions.committed(TxnId(*at))).count();
    Report { anomalies, committed, edges: graph.edges.len() }
}
