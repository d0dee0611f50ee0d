//! What was reported, held against what is there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

use crate::facts::Facts;
use crate::plan;

/// The last acknowledged commit of each writer.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    acknowledged: BTreeMap<i64, i64>,
    total: u64,
    /// Lives since the last verdict: each may have made one commit of each writer that it did not come to report.
    lives: i64,
}

impl Reports {
    /// Commits acknowledged so far.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Takes in what a child said.
    pub(crate) fn add(&mut self, (last, count): (BTreeMap<i64, i64>, u64)) {
        self.acknowledged.extend(last);
        self.total += count;
        self.lives += 1;
    }

    /// The state after a recovery: everything acknowledged is there, and of each writer at most the commit more that was on
    /// its way. It is what counts from now on.
    pub(crate) fn hold_against(&mut self, facts: &Facts) -> Result<()> {
        for (&writer, &acknowledged) in &self.acknowledged {
            let kept = facts.ledger.get(&writer).copied().unwrap_or(0);
            ensure!(
                kept >= acknowledged,
                "writer {writer} lost acknowledged commits: {kept} of {acknowledged}"
            );
        }
        self.hold_earlier(facts)?;
        self.acknowledged.clone_from(&facts.ledger);
        self.lives = 0;
        Ok(())
    }

    /// An earlier state: nothing in it is newer than what can have been committed, and it is whole.
    pub(crate) fn hold_earlier(&self, facts: &Facts) -> Result<()> {
        for (&writer, &kept) in &facts.ledger {
            let acknowledged = self.acknowledged.get(&writer).copied().unwrap_or(0);
            ensure!(
                kept <= acknowledged + self.lives,
                "writer {writer} made {kept} commits, of which {acknowledged} were acknowledged"
            );
        }
        whole(facts)
    }
}

/// Nothing of a commit is there without the rest (P1 of [`plan`]).
fn whole(facts: &Facts) -> Result<()> {
    let ledger = |writer| facts.ledger.get(&writer).copied().unwrap_or(0);
    let has = |name: &str| facts.names.contains(name);
    if !has("ledger") {
        ensure!(facts.names.is_empty(), "half of the first transaction: {:?}", facts.names);
        return Ok(());
    }
    let accounts = (facts.balances.len() as i64, facts.balances.iter().sum::<i64>());
    ensure!(
        accounts == (plan::ACCOUNTS, plan::ACCOUNTS * plan::DEPOSIT),
        "accounts, and their sum: {accounts:?}"
    );
    let mut expected = BTreeMap::new();
    for writer in 1..=plan::WRITERS {
        let last = ledger(writer);
        for n in (last - plan::KEPT + 1).max(1)..=last {
            let parts = (0..plan::parts(writer, n)).map(|part| (part, plan::body(writer, n, part)));
            expected.insert((writer, n), parts.collect::<BTreeMap<_, _>>());
        }
    }
    for (key, parts) in &expected {
        ensure!(
            facts.entries.get(key) == Some(parts),
            "the entries of {key:?}, of which the ledger knows"
        );
    }
    let unknown: BTreeSet<_> =
        facts.entries.keys().filter(|key| !expected.contains_key(key)).collect();
    ensure!(unknown.is_empty(), "entries of commits that the ledger does not have: {unknown:?}");
    let bulk = match ledger(plan::BULK) {
        0 => BTreeMap::new(),
        n => BTreeMap::from([(n, plan::BULK_ROWS)]),
    };
    ensure!(facts.bulk == bulk, "rows of each bulk commit: {:?}, not {bulk:?}", facts.bulk);
    let step = ledger(plan::SCHEMA);
    let schema = plan::schema(step);
    let found = (has("extra"), facts.extra_columns == 3, has("by_body"));
    ensure!(found == schema, "the schema after {step} changes: {found:?}, not {schema:?}");
    if schema.0 {
        let made = step - (step - 1) % 4;
        ensure!(facts.extra == [made], "the rows of extra: {:?}, not {made}", facts.extra);
    }
    let entries = facts.entries.values().map(BTreeMap::len).sum();
    ensure!(
        facts.by_body.is_none_or(|count| count == entries),
        "an index of {:?} entries over {entries}",
        facts.by_body
    );
    Ok(())
}
