//! Who read which version: read dependencies, anti-dependencies, and the anomalies that need no cycle.
//!
//! A read that found nothing saw one of the versions that do not match it; which one is not always known. Then the
//! reader comes after the writer of the first of them and before whoever followed the last of them, and no
//! more is said (H1).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::anomaly::{Anomaly, Class};
use crate::graph::{Graph, Kind, Why};
use crate::history::{History, Key, Op, Scope, TxnId, Value};
use crate::versions::{Chain, Object, Origin, Versions};

/// Goes through all reads of transactions that committed.
pub(crate) struct Reads<'a> {
    versions: &'a Versions,
    graph: &'a mut Graph,
    found: Vec<Anomaly>,
    /// By object and version: who read it and wrote the object afterwards.
    updates: BTreeMap<(Object, usize), BTreeSet<TxnId>>,
    /// The longest read of each list.
    longest: HashMap<Key, &'a [Value]>,
}

/// What a transaction itself wrote so far.
#[derive(Default)]
struct Own {
    registers: BTreeMap<Key, Option<Value>>,
    lists: HashMap<Key, Vec<Value>>,
    /// Versions read from others, by object.
    read: HashMap<Object, usize>,
}

/// Adds the edges of all reads, and returns the anomalies that show without a cycle.
pub(crate) fn add_reads(history: &History, versions: &Versions, graph: &mut Graph) -> Vec<Anomaly> {
    let mut reads = Reads {
        versions,
        graph,
        found: Vec::new(),
        updates: BTreeMap::new(),
        longest: HashMap::new(),
    };
    let all = || history.txns.iter().enumerate().filter(|(at, _)| versions.committed(TxnId(*at)));
    for op in all().flat_map(|(_, txn)| &txn.ops) {
        if let Op::ReadList(key, values) = op {
            let known = reads.longest.entry(*key).or_default();
            if values.len() > known.len() {
                *known = values;
            }
        }
    }
    for (at, txn) in all() {
        let mut own = Own::default();
        for op in &txn.ops {
            reads.op(TxnId(at), op, &mut own);
        }
    }
    reads.lost_updates();
    reads.found
}

impl Reads<'_> {
    fn op(&mut self, id: TxnId, op: &Op, own: &mut Own) {
        match op {
            Op::Append(key, value) => {
                own.lists.entry(*key).or_default().push(*value);
                self.wrote(id, Object::List(*key), own);
            }
            Op::Write(key, value) => {
                own.registers.insert(*key, *value);
                self.wrote(id, Object::Register(*key), own);
            }
            Op::ReadList(key, values) => self.read_list(id, *key, values, own),
            Op::Read(key, value) => match own.registers.get(key) {
                Some(own) if own == value => {}
                Some(own) => self.internal(id, op, &format!("it had written {own:?} itself")),
                None => match value {
                    Some(value) => self.read_value(id, *key, *value, own),
                    None => self.read_nothing(id, *key, Scope::Keys(*key, *key), Kind::Rw, own),
                },
            },
            Op::ReadWhere(scope, found) => self.read_where(id, op, *scope, found, own),
        }
    }

    fn wrote(&mut self, id: TxnId, object: Object, own: &mut Own) {
        if let Some(version) = own.read.remove(&object) {
            self.updates.entry((object, version)).or_default().insert(id);
        }
    }

    fn report(&mut self, class: Class, txns: &[TxnId], text: String) {
        self.found.push(Anomaly::plain(class, txns, text));
    }

    fn internal(&mut self, id: TxnId, op: &Op, why: &str) {
        self.report(Class::Internal, &[id], format!("{id} did \"{op}\", but {why}"));
    }

    /// The version that a value is; reports a value that should not have been seen.
    fn resolve(&mut self, id: TxnId, object: Object, value: Value) -> Option<usize> {
        match self.versions.origin(object, value) {
            Some(Origin::Version(version)) => return Some(version),
            Some(Origin::Aborted(writer)) => {
                let text =
                    format!("{id} read {object} = {value}, which {writer} wrote; {writer} aborted");
                self.report(Class::G1a, &[writer, id], text);
            }
            Some(Origin::Intermediate(writer)) if writer != id => {
                let text = format!(
                    "{id} read {object} = {value}, which {writer} wrote and then changed again itself"
                );
                self.report(Class::G1b, &[writer, id], text);
            }
            Some(Origin::Intermediate(_)) => {}
            None => {
                let text = format!("{id} read {object} = {value}, which nobody wrote");
                self.report(Class::Garbage, &[id], text);
            }
        }
        None
    }

    fn read_value(&mut self, id: TxnId, key: Key, value: Value, own: &mut Own) {
        let object = Object::Register(key);
        if let Some(version) = self.resolve(id, object, value) {
            self.saw(id, object, version);
            own.read.insert(object, version);
        }
    }

    /// The edges of one who saw a version.
    fn saw(&mut self, id: TxnId, object: Object, version: usize) {
        self.after(id, object, version);
        let Some(chain) = self.versions.chain(object) else { return };
        let seen = chain.versions[version];
        for next in chain.after[version].iter().map(|at| chain.versions[*at]) {
            if let Some(writer) = next.writer {
                let why = Why::Item { object, before: seen.value, after: next.value };
                self.graph.add(id, writer, Kind::Rw, why);
            }
        }
    }

    fn after(&mut self, id: TxnId, object: Object, version: usize) {
        let Some(chain) = self.versions.chain(object) else { return };
        let seen = chain.versions[version];
        if let Some(writer) = seen.writer {
            let why = Why::Item { object, before: seen.value, after: seen.value };
            self.graph.add(writer, id, Kind::Wr, why);
        }
    }

    /// Of a register nothing was found that belongs to `scope`.
    fn read_nothing(&mut self, id: TxnId, key: Key, scope: Scope, kind: Kind, own: &mut Own) {
        let object = Object::Register(key);
        let Some(chain) = self.versions.chain(object) else { return };
        let candidates = not_matching(chain, key, scope);
        let (Some(first), Some(last)) = (candidates.first().copied(), candidates.last().copied())
        else {
            return;
        };
        // Who is not known to have committed may have removed it, or moved it out of the scope.
        if chain.doubtful || (!chain.total && last > 0) {
            return;
        }
        if first > 0 {
            self.after(id, object, first);
        }
        for next in chain.after[last].iter().map(|at| chain.versions[*at]) {
            let Some(writer) = next.writer else { continue };
            let why = match kind {
                Kind::Rw => Why::Item { object, before: None, after: next.value },
                _ => Why::Predicate { scope, object, after: next.value },
            };
            self.graph.add(id, writer, kind, why);
        }
        if first == last && kind == Kind::Rw {
            own.read.insert(object, first);
        }
    }

    fn read_where(
        &mut self,
        id: TxnId,
        op: &Op,
        scope: Scope,
        found: &[(Key, Value)],
        own: &mut Own,
    ) {
        let seen: HashMap<Key, Value> = found.iter().copied().collect();
        if seen.len() != found.len() {
            self.internal(id, op, "a key came twice");
        }
        for (key, value) in found {
            if !scope.matches(*key, Some(*value)) {
                self.internal(
                    id,
                    op,
                    &format!("{key} = {value} does not belong to what was asked for"),
                );
            } else if let Some(own) = own.registers.get(key) {
                if *own != Some(*value) {
                    self.internal(id, op, &format!("it had written {key} = {own:?} itself"));
                }
            } else {
                self.read_value(id, *key, *value, own);
            }
        }
        for (key, value) in &own.registers {
            if scope.matches(*key, *value) && !seen.contains_key(key) {
                self.internal(id, op, &format!("it had written {key} = {value:?} itself"));
            }
        }
        let versions = self.versions;
        for key in versions.registers(scope) {
            let others = !seen.contains_key(&key) && !own.registers.contains_key(&key);
            if others {
                self.read_nothing(id, key, scope, Kind::RwPredicate, own);
            }
        }
    }

    fn read_list(&mut self, id: TxnId, key: Key, values: &[Value], own: &mut Own) {
        let object = Object::List(key);
        let op = || Op::ReadList(key, values.to_vec());
        let appended = own.lists.get(&key).map_or(&[][..], |values| &values[..]);
        let Some(others) = values.strip_suffix(appended) else {
            let why = format!("it had appended {appended:?} itself");
            return self.internal(id, &op(), &why);
        };
        let distinct: BTreeSet<Value> = values.iter().copied().collect();
        if distinct.len() != values.len() {
            let text = format!("{id} did \"{}\": an element stands there twice", op());
            self.report(Class::Duplicate, &[id], text);
        }
        let longest = self.longest.get(&key).copied().unwrap_or_default();
        if !longest.starts_with(values) {
            let text = format!("{id} did \"{}\", and another read was {longest:?}", op());
            return self.report(Class::IncompatibleOrder, &[id], text);
        }
        for value in others {
            if matches!(self.versions.origin(object, *value), Some(Origin::Aborted(_)) | None) {
                self.resolve(id, object, *value);
            }
        }
        let Some(chain) = self.versions.chain(object) else { return };
        let version = match others.last() {
            None => 0,
            Some(last) => match self.resolve(id, object, *last) {
                Some(version) => version,
                // It was reported; its place in the list is known all the same.
                None => match chain.versions.iter().position(|v| v.value == Some(*last)) {
                    Some(version) => version,
                    None => return,
                },
            },
        };
        self.saw(id, object, version);
        own.read.entry(object).or_insert(version);
    }

    fn lost_updates(&mut self) {
        for ((object, version), writers) in std::mem::take(&mut self.updates) {
            if writers.len() < 2 {
                continue;
            }
            let chain = self.versions.chain(object);
            let value = chain.and_then(|chain| chain.versions[version].value);
            let txns: Vec<TxnId> = writers.into_iter().collect();
            let names: Vec<String> = txns.iter().map(TxnId::to_string).collect();
            let seen = value.map_or("absent".to_owned(), |value| value.to_string());
            let text =
                format!("{} all read {object}: {seen}, and each then wrote it", names.join(", "));
            self.report(Class::LostUpdate, &txns, text);
        }
    }
}

/// The versions that one may have seen who found nothing.
fn not_matching(chain: &Chain, key: Key, scope: Scope) -> Vec<usize> {
    (0..chain.versions.len()).filter(|at| !scope.matches(key, chain.versions[*at].value)).collect()
}
