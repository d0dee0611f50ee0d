//! Cycles in the dependency graph, the worst class first.
//!
//! Whether there is a cycle of a class is a question about strongly connected parts, answered in linear time; only then a
//! short one is looked for, from a bounded number of edges. For the class that snapshot isolation forbids (no two
//! anti-dependencies in a row; Cerone and Gotsman, "Analysing Snapshot Isolation", PODC 2016) each transaction stands twice in
//! the graph: reached by an anti-dependency, or not.

use std::collections::VecDeque;

use crate::anomaly::Class;
use crate::graph::{Edge, Graph, Kind, components};
use crate::history::TxnId;

/// Edges from which a short cycle is looked for.
const STARTS: usize = 200;

/// A search: which edges it may use, and whether two anti-dependencies may follow each other.
struct Search<'a> {
    graph: &'a Graph,
    allowed: &'a [Kind],
    adjacent: bool,
}

const ANTI: usize = 1;

impl Search<'_> {
    /// Transactions stand at `2 * id` and, reached by an anti-dependency, at `2 * id + ANTI`.
    fn next(&self, node: usize) -> impl Iterator<Item = (&Edge, usize)> {
        let reached_by_anti = node % 2 == ANTI;
        self.graph.out(node / 2).filter_map(move |edge| {
            let anti = edge.kind.is_anti();
            let barred = anti && reached_by_anti && !self.adjacent;
            let to = 2 * edge.to.0 + if anti && !self.adjacent { ANTI } else { 0 };
            (self.allowed.contains(&edge.kind) && !barred).then_some((edge, to))
        })
    }

    fn components(&self) -> Vec<usize> {
        components(2 * self.graph.len(), |node| self.next(node).map(|(_, to)| to).collect())
    }

    /// The shortest way between two nodes of one part.
    fn path(&self, from: usize, to: usize, component: &[usize]) -> Option<Vec<Edge>> {
        let mut came: std::collections::HashMap<usize, (usize, Edge)> = Default::default();
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            if node == to {
                let (mut path, mut at) = (Vec::new(), node);
                while at != from {
                    let (before, edge) = came[&at];
                    path.push(edge);
                    at = before;
                }
                path.reverse();
                return Some(path);
            }
            for (edge, next) in self.next(node) {
                if component[next] == component[to] && next != from && !came.contains_key(&next) {
                    came.insert(next, (node, *edge));
                    queue.push_back(next);
                }
            }
        }
        None
    }

    /// A short cycle through an edge that `first` accepts, of a class that `wanted` accepts.
    fn cycle(
        &self,
        first: impl Fn(&Edge) -> bool,
        wanted: impl Fn(Class) -> bool,
    ) -> Option<Vec<Edge>> {
        let component = self.components();
        let starts = (0..2 * self.graph.len()).flat_map(|node| {
            let component = &component;
            self.next(node)
                .filter(move |(_, to)| component[node] == component[*to])
                .map(move |(edge, to)| (node, *edge, to))
        });
        let mut best: Option<Vec<Edge>> = None;
        for (node, edge, to) in starts.filter(|(_, edge, _)| first(edge)).take(STARTS) {
            let Some(path) = self.path(to, node, &component) else { continue };
            let shorter = best.as_ref().is_none_or(|best| path.len() + 1 < best.len());
            let cycle: Vec<Edge> = std::iter::once(edge).chain(path).collect();
            if shorter && wanted(classify(&cycle)) {
                best = Some(cycle);
            }
        }
        best
    }
}

/// What a cycle of edges shows.
pub(crate) fn classify(cycle: &[Edge]) -> Class {
    let anti = cycle.iter().filter(|edge| edge.kind.is_anti()).count();
    let has = |kind| cycle.iter().any(|edge: &Edge| edge.kind == kind);
    let pairs = cycle.iter().zip(cycle.iter().cycle().skip(1));
    let adjacent = anti > 1 && pairs.into_iter().any(|(a, b)| a.kind.is_anti() && b.kind.is_anti());
    match (anti, has(Kind::RealTime)) {
        (_, true) if adjacent => Class::RealTimeSkew,
        (_, true) => Class::RealTime,
        (0, _) if has(Kind::Wr) => Class::G1c,
        (0, _) => Class::G0,
        (1, _) => Class::GSingle,
        _ if !adjacent => Class::GNonadjacent,
        _ if has(Kind::RwPredicate) => Class::G2,
        _ => Class::G2Item,
    }
}

/// One short cycle of each class that there is.
pub(crate) fn find(graph: &Graph) -> Vec<(Class, Vec<Edge>)> {
    use Kind::{RealTime, Rw, RwPredicate, Wr, Ww};
    let search = |allowed, adjacent| Search { graph, allowed, adjacent };
    let (writes, flow): (&[Kind], &[Kind]) = (&[Ww], &[Ww, Wr]);
    let (item, all): (&[Kind], &[Kind]) = (&[Ww, Wr, Rw], &[Ww, Wr, Rw, RwPredicate]);
    let timed: &[Kind] = &[Ww, Wr, Rw, RwPredicate, RealTime];
    let any = |_: &Edge| true;
    let anti = |edge: &Edge| edge.kind.is_anti();
    let found = [
        search(writes, true).cycle(any, |_| true),
        search(flow, true).cycle(|edge| edge.kind == Wr, |_| true),
        search(all, false).cycle(anti, |class| class == Class::GSingle),
        search(all, false).cycle(anti, |class| class == Class::GNonadjacent),
        search(item, true).cycle(anti, |class| class == Class::G2Item),
        search(all, true).cycle(|edge| edge.kind == RwPredicate, |class| class == Class::G2),
        search(timed, false).cycle(|edge| edge.kind == RealTime, |class| class == Class::RealTime),
        search(timed, true)
            .cycle(|edge| edge.kind == RealTime, |class| class == Class::RealTimeSkew),
    ];
    found.into_iter().flatten().map(|cycle| (classify(&cycle), cycle)).collect()
}

/// The transactions of a cycle, in its order.
pub(crate) fn members(cycle: &[Edge]) -> Vec<TxnId> {
    cycle.iter().map(|edge| edge.from).collect()
}
