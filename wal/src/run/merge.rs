//! Several runs of one transaction into one: of each key the newest change.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use heddle_base::TreeId;
use heddle_io::Env;

use super::{RunCursor, RunDirection, RunFile, RunName, RunWriter};
use crate::Result;

/// Writes a run with the changes of `runs`, the newest of which comes first. Deletions stay: what they
/// delete may lie below all runs. The sources stay as they are.
///
/// # Errors
/// Those of reading and of writing runs.
///
/// # Cancel safety
/// Dropped midway, the new file is removed.
pub async fn merge_runs(
    env: &Env,
    db_path: &Path,
    name: RunName,
    runs: &[Arc<RunFile>],
) -> Result<Arc<RunFile>> {
    let mut writer = RunWriter::create(env, db_path, name).await?;
    let trees: BTreeSet<TreeId> = runs.iter().flat_map(|run| run.trees()).copied().collect();
    for tree in trees {
        let mut merge = Merge::new(runs, tree).await?;
        while let Some((key, value)) = merge.next().await? {
            writer.push(tree, &key, value.as_deref())?;
            if writer.wants_flush() {
                writer.flush().await?;
            }
        }
    }
    writer.finish().await
}

/// One tree of several runs. Of equal keys the smallest source, which is the newest, comes first.
struct Merge {
    cursors: Vec<RunCursor>,
    heads: BinaryHeap<Reverse<(Bytes, usize, Option<Bytes>)>>,
    last: Option<Bytes>,
}

impl Merge {
    async fn new(runs: &[Arc<RunFile>], tree: TreeId) -> Result<Merge> {
        let mut merge = Merge { cursors: Vec::new(), heads: BinaryHeap::new(), last: None };
        for run in runs.iter().filter(|run| run.trees().binary_search(&tree).is_ok()) {
            let (run, from) = (Arc::clone(run), Bound::Unbounded);
            merge.cursors.push(RunCursor::new(run, tree, from, RunDirection::Forward));
            merge.advance(merge.cursors.len() - 1).await?;
        }
        Ok(merge)
    }

    async fn advance(&mut self, source: usize) -> Result<()> {
        let Some(cursor) = self.cursors.get_mut(source) else { return Ok(()) };
        if let Some(entry) = cursor.next().await? {
            self.heads.push(Reverse((entry.key, source, entry.value)));
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<(Bytes, Option<Bytes>)>> {
        while let Some(Reverse((key, source, value))) = self.heads.pop() {
            self.advance(source).await?;
            if self.last.as_ref() != Some(&key) {
                self.last = Some(key.clone());
                return Ok(Some((key, value)));
            }
        }
        Ok(None)
    }
}
