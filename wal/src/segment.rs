//! Segment files: their names, how one comes into being, and which there are.
//!
//! Made by the keeper ([`crate::keeper`]), written by the flusher, read by [`crate::scan`].
//!
//! # Invariants
//! - N1: a file that has a segment's name is whole: its header was written and synced, and its
//!   blocks were zero-written or held older groups, before it was renamed; the directory is
//!   synced before any group in it counts.
//! - N2: numbers are consecutive, except before a segment that takes over from a crash (`resume`).

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use heddle_io::{Access, Env, File, IoBuf, OpenOptions};

use crate::Result;
use crate::format::{BLOCK, SegmentHeader, VERSION};
use crate::run::RunName;

/// Spent segments kept for reuse.
const SPARES: usize = 2;

/// Names of one database's log files.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    dir: PathBuf,
    /// `x.db-log-`
    prefix: String,
}

impl Names {
    pub(crate) fn of(db_path: &Path) -> Self {
        let dir = match db_path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
            _ => PathBuf::from("."),
        };
        let name = db_path.file_name().unwrap_or_default().to_string_lossy();
        Self { dir, prefix: format!("{name}-log-") }
    }

    pub(crate) fn db_path(&self) -> PathBuf {
        self.dir.join(self.prefix.strip_suffix("-log-").unwrap_or(&self.prefix))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn segment(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{}{number:010}", self.prefix))
    }

    pub(crate) fn temporary(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{}new-{number:010}", self.prefix))
    }

    pub(crate) fn run(&self, name: RunName) -> PathBuf {
        self.dir.join(format!("{}{name}", self.prefix))
    }

    fn spare(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{}spare-{number:010}", self.prefix))
    }

    /// What a directory entry is to this log.
    pub(crate) fn classify(&self, entry: &Path) -> Option<Role> {
        let name = entry.file_name()?.to_str()?;
        let rest = name.strip_prefix(&self.prefix)?;
        if rest.starts_with("new-") || rest.starts_with("spare-") {
            return Some(Role::Leftover);
        }
        if let Some(name) = RunName::parse(rest.as_bytes()) {
            return Some(Role::Run(name));
        }
        let digits = rest.len() >= 10 && rest.bytes().all(|byte| byte.is_ascii_digit());
        match rest.parse() {
            Ok(number) if digits => Some(Role::Segment(number)),
            _ => Some(Role::Other),
        }
    }
}

/// See [`Names::classify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Segment(u64),
    /// A file that was being made or kept for reuse when the process ended.
    Leftover,
    /// The changes of a large transaction, which records may name.
    Run(RunName),
    /// A file under the log's name that others look after.
    Other,
}

/// A segment that can be written.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) file: Arc<dyn File>,
    pub(crate) capacity: u64,
}

impl Segment {
    /// Blocks for groups.
    pub(crate) fn blocks(&self) -> u64 {
        self.capacity / BLOCK as u64 - 1
    }
}

/// What a new segment is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) number: u64,
    pub(crate) database_id: u64,
    pub(crate) capacity: u64,
    pub(crate) window: u64,
    pub(crate) resume: u64,
}

/// Makes a segment (N1), with `groups` in it from the start.
pub(crate) async fn make(
    env: &Env,
    names: &Names,
    plan: Plan,
    spare: Option<PathBuf>,
    groups: IoBuf,
) -> Result<Segment> {
    let name = names.segment(plan.number);
    let (temporary, options) = match &spare {
        Some(path) => (path.clone(), OpenOptions::WRITE),
        None => (names.temporary(plan.number), OpenOptions::CREATE),
    };
    let file = env.io.open(&temporary, options.with_access(Access::Log)).await?;
    if spare.is_none() {
        file.preallocate(0..plan.capacity).await?;
    }
    let header = SegmentHeader {
        version: VERSION,
        database_id: plan.database_id,
        segment: plan.number,
        capacity: plan.capacity,
        window: plan.window,
        resume: plan.resume,
    };
    file.write_at(header.encode(), 0).await.0?;
    if !groups.is_empty() {
        file.write_at(groups, BLOCK as u64).await.0?;
    }
    file.sync_data().await?;
    env.io.rename(&temporary, &name).await?;
    env.io.sync_dir(names.dir()).await?;
    Ok(Segment { number: plan.number, file, capacity: plan.capacity })
}

/// A segment that holds groups.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Live {
    pub(crate) number: u64,
    pub(crate) capacity: u64,
    /// Position of its first group.
    pub(crate) start: u64,
    /// Last ticket that has bytes in it or in a segment before; unknown while it is written.
    pub(crate) last: Option<u64>,
}

/// The segments of a running log.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// In order; the last one is being written.
    pub(crate) live: VecDeque<Live>,
    /// Ready to be written, in order.
    pub(crate) prepared: VecDeque<Segment>,
    /// Spent, with their capacities.
    spares: Vec<(PathBuf, u64)>,
    pub(crate) next_number: u64,
    pub(crate) database_id: u64,
}

impl Table {
    /// A spent segment of this capacity.
    pub(crate) fn take_spare(&mut self, capacity: u64) -> Option<PathBuf> {
        let at = self.spares.iter().position(|(_, has)| *has == capacity)?;
        Some(self.spares.swap_remove(at).0)
    }

    /// The oldest segment, if all its commits are at or below `cut`.
    pub(crate) fn spent(&self, cut: u64) -> Option<Live> {
        self.live.front().copied().filter(|live| live.last.is_some_and(|last| last <= cut))
    }

    /// Where to keep the oldest segment for reuse, if it is wanted.
    pub(crate) fn wants_spare(&self, names: &Names, live: Live, capacity: u64) -> Option<PathBuf> {
        let wanted = live.capacity == capacity && self.spares.len() < SPARES;
        wanted.then(|| names.spare(live.number))
    }

    /// The oldest segment is gone from the log.
    pub(crate) fn retire_front(&mut self, spare: Option<PathBuf>) {
        if let Some(live) = self.live.pop_front() {
            self.spares.extend(spare.map(|path| (path, live.capacity)));
        }
    }

    /// Files to remove when the log is to go: first what holds no group, so that at no time the log consists of that
    /// alone; then the oldest first.
    pub(crate) fn drain(&mut self, names: &Names) -> Vec<PathBuf> {
        let prepared = self.prepared.drain(..).rev().map(|segment| names.segment(segment.number));
        let mut paths: Vec<PathBuf> = prepared.collect();
        paths.extend(self.live.drain(..).map(|live| names.segment(live.number)));
        paths.extend(self.spares.drain(..).map(|(path, _)| path));
        paths
    }
}
