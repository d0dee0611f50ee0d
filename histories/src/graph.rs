//! The dependency graph, and its strongly connected parts.
//!
//! # Invariants
//! - G1: an edge says that its first transaction comes before its second in every serial order.

use crate::history::{History, Scope, TxnId, Value};
use crate::versions::{Object, Versions};

/// What kind of dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The second overwrote what the first wrote.
    Ww,
    /// The second read what the first wrote.
    Wr,
    /// The second overwrote what the first had read.
    Rw,
    /// The second wrote what the first would have found.
    RwPredicate,
    /// The first had ended before the second began.
    RealTime,
}

impl Kind {
    pub(crate) fn is_anti(self) -> bool {
        matches!(self, Kind::Rw | Kind::RwPredicate)
    }
}

/// Why there is an edge.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Why {
    /// Versions of an object: the first's and the second's.
    Item { object: Object, before: Option<Value>, after: Option<Value> },
    /// The scope that was read, and the version that it had not.
    Predicate { scope: Scope, object: Object, after: Option<Value> },
    /// By the clock.
    Time,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge {
    pub(crate) from: TxnId,
    pub(crate) to: TxnId,
    pub(crate) kind: Kind,
    pub(crate) why: Why,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) edges: Vec<Edge>,
    /// By transaction: its edges' places.
    out: Vec<Vec<usize>>,
}

impl Graph {
    pub(crate) fn new(nodes: usize) -> Self {
        Self { edges: Vec::new(), out: vec![Vec::new(); nodes] }
    }

    /// Adds an edge, unless it would lead from a transaction to itself or is there already.
    pub(crate) fn add(&mut self, from: TxnId, to: TxnId, kind: Kind, why: Why) {
        let known = |at: &usize| self.edges[*at].to == to && self.edges[*at].kind == kind;
        // The newest first: equal ones mostly come together, and a miss costs no more than a look at a few.
        if from == to || self.out[from.0].iter().rev().take(16).any(known) {
            return;
        }
        self.out[from.0].push(self.edges.len());
        self.edges.push(Edge { from, to, kind, why });
    }

    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    pub(crate) fn out(&self, from: usize) -> impl Iterator<Item = &Edge> {
        self.out[from].iter().map(|at| &self.edges[*at])
    }

    /// Who wrote which version after whom.
    pub(crate) fn add_versions(&mut self, versions: &Versions) {
        for (object, chain) in versions.chains() {
            for (before, after) in chain.versions.iter().zip(&chain.after) {
                for after in after.iter().map(|at| &chain.versions[*at]) {
                    if let (Some(from), Some(to)) = (before.writer, after.writer) {
                        let why = Why::Item { object, before: before.value, after: after.value };
                        self.add(from, to, Kind::Ww, why);
                    }
                }
            }
        }
    }

    /// Who had ended before whom began; only what does not follow from other such edges.
    pub(crate) fn add_real_time(&mut self, history: &History, versions: &Versions) {
        let mut events: Vec<(u64, bool, usize)> = Vec::new();
        for (at, txn) in
            history.txns.iter().enumerate().filter(|(at, _)| versions.committed(TxnId(*at)))
        {
            events.push((txn.began, false, at));
            events.push((txn.ended, true, at));
        }
        events.sort_unstable();
        let mut ended: Vec<usize> = Vec::new();
        for (_, end, at) in events {
            if end {
                let began = history.txns[at].began;
                ended.retain(|other| history.txns[*other].ended > began);
                ended.push(at);
            } else {
                for other in &ended {
                    self.add(TxnId(*other), TxnId(at), Kind::RealTime, Why::Time);
                }
            }
        }
    }
}

/// The strongly connected part of each node, by Tarjan's algorithm, without recursion. `next` lists the
/// successors of a node.
pub(crate) fn components(nodes: usize, next: impl Fn(usize) -> Vec<usize>) -> Vec<usize> {
    const NEW: usize = usize::MAX;
    let (mut index, mut low) = (vec![NEW; nodes], vec![0; nodes]);
    let (mut component, mut open) = (vec![NEW; nodes], Vec::new());
    let (mut clock, mut count) = (0, 0);
    for root in 0..nodes {
        if index[root] != NEW {
            continue;
        }
        let mut path = vec![(root, next(root), 0)];
        (index[root], low[root]) = (clock, clock);
        clock += 1;
        open.push(root);
        while let Some((node, successors, at)) = path.last_mut() {
            let node = *node;
            if let Some(to) = successors.get(*at).copied() {
                *at += 1;
                if index[to] == NEW {
                    (index[to], low[to]) = (clock, clock);
                    clock += 1;
                    open.push(to);
                    path.push((to, next(to), 0));
                } else if component[to] == NEW {
                    low[node] = low[node].min(index[to]);
                }
                continue;
            }
            path.pop();
            if let Some((parent, ..)) = path.last() {
                low[*parent] = low[*parent].min(low[node]);
            }
            if low[node] == index[node] {
                while let Some(member) = open.pop() {
                    component[member] = count;
                    if member == node {
                        break;
                    }
                }
                count += 1;
            }
        }
    }
    component
}
