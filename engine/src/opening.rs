//! How a database is opened: the file, its log, what of the log is replayed, and the catalog.
//!
//! Decisions are [`crate::recovery`]'s; the pager has rolled back a hot journal and carried a left-over `-wal` into the file
//! before anything is decided here.
//!
//! # Invariants
//! - N1: an open that fails leaves everything as another open can use it.
//! - N2: only when the decision says so is the log changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use heddle_base::sync::Arc;
use heddle_base::{PageNo, RowId, Timestamp, TreeId};
use heddle_btree::cursor::Seek;
use heddle_btree::header::Header;
use heddle_btree::pager::{self, Pager, PagerOptions};
use heddle_btree::tree::Tree;
use heddle_io::{Env, OpenOptions};
use heddle_mvcc::{Store, StoreOptions};
use heddle_txn::redo::{self, Control, Record};
use heddle_txn::{Base, Manager, ManagerOptions, Parts, Roots};
use heddle_wal::run::{RunFile, RunName};
use heddle_wal::{Log, LogOptions, Recovered};

use crate::catalog::format::Format;
use crate::catalog::load::{Entry, load, tree_of};
use crate::catalog::schema_row::SchemaRow;
use crate::catalog::{Catalog, TableInfo};
use crate::core::{Core, Limits, Opened, SCHEMA_ROOT, schema_table};
use crate::directory::{self, Found, Key, Registration};
use crate::maintenance::{self, remove_runs};
use crate::recovery::{Commits, Decision, FileFound, Lineage, Observed, Refusal, decide};
use crate::replaying::{Linked, Replaying};
use crate::{AutoVacuum, Error, Options, Result};

/// Opens a database of its own, or finds the one that is open.
pub(crate) async fn open(path: &Path, options: &Options) -> Result<Arc<Core>> {
    let (env, owns_env) = match &options.env {
        Some(env) => (env.clone(), false),
        None => (world_of_users()?, true),
    };
    let found = find_file(&env, path, options).await?;
    let key = Key::new(&env, &found);
    loop {
        match directory::enter(key, &env, options.busy_timeout).await {
            Found::Free(registration) => {
                let opening = Opening { env, owns_env, path: path.to_owned(), options };
                let core = opening.run(Some(registration)).await.map_err(|error| error.at(path))?;
                return Ok(core);
            }
            // If the last handle has gone just now, its end is waited for.
            Found::Open(core) if options.share && !core.add_session() => {}
            Found::Open(core) if options.share => return Ok(core),
            Found::Open(_) | Found::Ending => {
                return Err(Error::AlreadyOpen { path: path.to_owned() });
            }
        }
    }
}

/// Opens a database in memory, which nobody else can find.
pub(crate) async fn open_in_memory(options: &Options) -> Result<Arc<Core>> {
    let runtime = match &options.env {
        Some(env) => std::sync::Arc::clone(&env.runtime),
        None => shared_runtime()?,
    };
    let env = Env { io: heddle_io::MemoryIo::new(), runtime };
    let path = PathBuf::from(":memory:");
    let opening = Opening { env, owns_env: true, path, options };
    opening.run(None).await
}

/// Files, time and threads of the operating system.
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
fn world_of_users() -> Result<Env> {
    Ok(Env::system())
}

/// Time and threads for databases without files, of which a program may have thousands.
#[cfg(not(any(heddle_loom, heddle_shuttle)))]
fn shared_runtime() -> Result<std::sync::Arc<dyn heddle_io::Runtime>> {
    Ok(heddle_io::ThreadRuntime::shared())
}

#[cfg(any(heddle_loom, heddle_shuttle))]
fn shared_runtime() -> Result<std::sync::Arc<dyn heddle_io::Runtime>> {
    Ok(world_of_users()?.runtime)
}

/// Under shuttle there is no such world: the test brings its own.
#[cfg(any(heddle_loom, heddle_shuttle))]
fn world_of_users() -> Result<Env> {
    Err(Error::misuse("no world was given"))
}

/// The file's identity; the file is made if it is absent and may be made.
async fn find_file(env: &Env, path: &Path, options: &Options) -> Result<heddle_io::Metadata> {
    let not_found = || Error::NotFound { path: path.to_owned() };
    let mut found = env.io.metadata(path).await?;
    if found.is_none() {
        if !options.create || options.read_only {
            return Err(not_found());
        }
        env.io.open(path, OpenOptions::CREATE).await.map_err(|error| denied(error, path))?;
        found = env.io.metadata(path).await?;
    }
    let found = found.ok_or_else(not_found)?;
    if found.is_dir {
        let reason = "it is a directory".to_owned();
        return Err(Error::NotADatabase { path: path.to_owned(), reason });
    }
    if options.read_only {
        return Ok(found);
    }
    let read_only = |reason: &str| Error::ReadOnly { path: path.to_owned(), reason: reason.into() };
    if !found.writable {
        return Err(read_only("the file may not be written; open it for reading only"));
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if env.io.metadata(dir).await?.is_some_and(|dir| dir.is_dir && !dir.writable) {
        return Err(read_only("its directory may not be written, and the log needs a place there"));
    }
    Ok(found)
}

fn denied(error: heddle_io::Error, path: &Path) -> Error {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            Error::ReadOnly { path: path.to_owned(), reason: error.to_string() }
        }
        _ => error.into(),
    }
}

struct Opening<'a> {
    env: Env,
    owns_env: bool,
    path: PathBuf,
    options: &'a Options,
}

/// What the log turned out to be.
struct Replayed {
    /// The state to begin from, if the log says one.
    control: Option<Control>,
    newest_commit: Timestamp,
    manager: Manager,
}

impl Opening<'_> {
    async fn run(self, registration: Option<Registration>) -> Result<Arc<Core>> {
        let (pager, found) = Pager::open(&self.env, &self.path, self.pager_options())
            .await
            .map_err(|error| self.name_lock(error))?;
        let replayed = match (registration.is_some(), self.options.read_only) {
            (false, _) => self.without_log(&pager),
            (true, _) => self.recover(&pager, &found).await?,
        };
        let Replayed { control, newest_commit, manager } = replayed;
        let header = pager.snapshot().header().clone();
        let schema_table = std::sync::Arc::new(schema_table(header.encoding)?);
        let (catalog, roots, next_tree) =
            self.load_catalog(&pager, &manager, &schema_table, control.as_ref()).await?;
        let base_ts = control.as_ref().map_or(Timestamp::ZERO, |control| control.cut);
        let roots = std::sync::Arc::new(roots);
        manager.publish_base(Base { ts: base_ts, snapshot: pager.snapshot(), roots });
        let write_version = match &control {
            Some(control) => control.write_version,
            // Between the two last steps of a clean close: byte 19 is as the file was found.
            None if header.write_version > 2 => header.read_version,
            None => header.write_version,
        };
        let in_memory = registration.is_none();
        let core = Arc::new(Core::new(Opened {
            env: self.env,
            owns_env: self.owns_env,
            path: self.path,
            manager,
            pager,
            catalog,
            schema_table,
            next_tree,
            newest_commit,
            write_version,
            limits: Limits::of(self.options),
            registration,
        }));
        Core::publish(&core);
        if !core.limits.read_only {
            maintenance::start(&core);
            if !in_memory {
                core.pulse.begin();
            }
            core.after_commit();
        }
        Ok(core)
    }

    fn pager_options(&self) -> PagerOptions {
        PagerOptions {
            read_only: self.options.read_only,
            page_size: self.options.page_size,
            encoding: self.options.encoding,
            auto_vacuum: match self.options.auto_vacuum {
                AutoVacuum::None => pager::AutoVacuum::None,
                AutoVacuum::Full => pager::AutoVacuum::Full,
                AutoVacuum::Incremental => pager::AutoVacuum::Incremental,
            },
            cache_bytes: self.options.cache_bytes,
            ..PagerOptions::default()
        }
    }

    /// Segments so small that a checkpoint, which frees whole ones, gets the log below its limit.
    fn log_options(&self) -> LogOptions {
        let most = (self.options.checkpoint_log_bytes / 2).max(64 << 10);
        let log = LogOptions::default();
        LogOptions {
            first_segment_bytes: log.first_segment_bytes.min(most),
            segment_bytes: log.segment_bytes.min(most),
            window_bytes: log.window_bytes.min(most),
            group_bytes: log.group_bytes.min(usize::try_from(most).unwrap_or(usize::MAX)),
            ..log
        }
    }

    fn name_lock(&self, error: heddle_btree::Error) -> Error {
        match error {
            heddle_btree::Error::Io(error) => denied(error, &self.path),
            other => other.into(),
        }
    }

    fn manager(&self, log: Log, pager: &Pager) -> Manager {
        let seed = self.env.runtime.random();
        let base =
            Base { ts: Timestamp::ZERO, snapshot: pager.snapshot(), roots: Default::default() };
        Manager::new(Parts {
            env: self.env.clone(),
            store: Store::new(StoreOptions { seed, ..StoreOptions::default() }),
            log,
            base,
            options: ManagerOptions::default(),
        })
    }

    fn without_log(&self, pager: &Pager) -> Replayed {
        // Nothing waits for a disk: few commits are on their way at once.
        let log = LogOptions { ring_slots: 256, ..self.log_options() };
        let manager = self.manager(Log::in_memory(&self.env, log), pager);
        Replayed { control: None, newest_commit: Timestamp::ZERO, manager }
    }

    /// Reads the log and does what the table of [`crate::recovery`] says.
    async fn recover(&self, pager: &Pager, found: &pager::Found) -> Result<Replayed> {
        let opened = Log::open(&self.env, &self.path, self.log_options()).await?;
        let heddle_wal::Opened { log, mut recovery } = opened;
        let manager = self.manager(log.clone(), pager);
        let counter = found.header.change_counter;
        let mut lineage = Lineage::default();
        let (mut newest, mut any, mut next_tree) = (Timestamp::ZERO, false, TreeId(0));
        let mut replaying = Replaying::new(&manager);
        while let Some(recovered) = recovery.next().await? {
            any = true;
            match recovered {
                Recovered::Control(bytes) => match redo::decode(&bytes)? {
                    Record::Control(control) => {
                        next_tree = next_tree.max(control.next_tree);
                        lineage.note(control);
                    }
                    Record::Commit(_) => return Err(self.bad_log("a commit among its notes")),
                },
                Recovered::Commit { ticket, bytes } => {
                    newest = newest.max(ticket);
                    let cut = lineage.find(counter).map_or(Timestamp::ZERO, |control| control.cut);
                    // A later note may still raise the cut: then what was linked is of no use, and does no harm.
                    if ticket > cut {
                        replaying.add(ticket, bytes).await?;
                    }
                }
            }
        }
        let Linked { next_tree: past, mut runs } = replaying.finish().await?;
        next_tree = next_tree.max(past);
        if any && lineage.is_empty() {
            return Err(self.bad_log("it has commits, but nothing says where they begin"));
        }
        let control = lineage.find(counter).cloned();
        let cut = control.as_ref().map_or(lineage.settled_cut(), |control| control.cut);
        let observed = Observed {
            // A log without records is what a close that failed half-way leaves. It does not go on: nothing in it would say
            // where the commits begin.
            commits: match (recovery.is_empty(), newest > cut) {
                (true, _) => Commits::NoLog,
                (false, false) => Commits::None,
                (false, true) => Commits::Some,
            },
            counter: lineage.classify(counter, found.header.version_valid_for),
            file: match (found.created, found.header.write_version) {
                (true, _) => FileFound::Made,
                (false, Header::FENCE) => FileFound::Fenced,
                (false, _) => FileFound::Open,
            },
            read_only: self.options.read_only,
        };
        let decision = decide(observed);
        tracing::debug!(path = %self.path.display(), ?observed, ?decision, "recovery");
        match decision {
            Decision::Refuse(refusal) => {
                log.close(false).await?;
                Err(self.refuse(refusal))
            }
            Decision::Open if self.options.read_only => {
                log.close(false).await?;
                Ok(self.without_log(pager))
            }
            Decision::Open => {
                recovery.finish().await?;
                remove_runs(&self.env, &self.path, |_| true).await?;
                Ok(Replayed { control: None, newest_commit: Timestamp::ZERO, manager })
            }
            Decision::Discard => {
                drop(recovery);
                log.close(false).await?;
                Log::discard(&self.env, &self.path).await?;
                let opened = Log::open(&self.env, &self.path, self.log_options()).await?;
                opened.recovery.finish().await?;
                let manager = self.manager(opened.log, pager);
                Ok(Replayed { control: None, newest_commit: Timestamp::ZERO, manager })
            }
            Decision::Replay => {
                // Of those up to the cut the files may be gone.
                runs.retain(|(ticket, _)| *ticket > cut);
                for (ticket, name) in &runs {
                    let past = self.replay_run(&manager, *ticket, *name).await?;
                    next_tree = next_tree.max(past);
                }
                recovery.finish().await?;
                let named = |name| runs.iter().any(|(_, named)| *named == name);
                remove_runs(&self.env, &self.path, |name| !named(name)).await?;
                let control = control.map(|control| Control { next_tree, ..control });
                Ok(Replayed { control, newest_commit: newest, manager })
            }
        }
    }

    /// Links a run that a commit names; says the number after all trees that it changes.
    ///
    /// # Errors
    /// [`Error::Corrupt`], naming file and commit, if it is missing or damaged.
    async fn replay_run(
        &self,
        manager: &Manager,
        ticket: Timestamp,
        name: RunName,
    ) -> Result<TreeId> {
        let opened = RunFile::open(&self.env, &self.path, name).await;
        let run = opened.map_err(|error| match Error::from(error) {
            Error::Corrupt { path, reason } => {
                let reason = format!("it holds the changes of commit {ticket}: {reason}");
                Error::Corrupt { path, reason }
            }
            other => other,
        })?;
        let past = run.trees().last().map_or(0, |last| last.get().saturating_add(1));
        manager.replay_run(ticket, &run, TreeId(u32::MAX))?;
        Ok(TreeId(past))
    }

    fn refuse(&self, refusal: Refusal) -> Error {
        let path = self.path.clone();
        let log = crate::database::log_path(&self.path);
        match refusal {
            Refusal::NeedsRecovery => Error::NeedsRecovery { path },
            Refusal::ChangedUnderLog => Error::ChangedUnderLog { path, log },
            Refusal::ForeignLog => {
                let reason = "the database is not the one that its commits were made in".to_owned();
                Error::ForeignLog { path, log, reason }
            }
            Refusal::DamagedWal => {
                let reason = "its -wal, which held a checkpoint, is damaged or gone, and the log goes on after it";
                Error::Corrupt { path, reason: reason.to_owned() }
            }
        }
    }

    fn bad_log(&self, reason: &str) -> Error {
        let path = crate::database::log_path(&self.path);
        Error::Corrupt { path, reason: reason.to_owned() }
    }

    /// The catalog of the newest state, the base's roots, and the number of the next tree.
    async fn load_catalog(
        &self,
        pager: &Pager,
        manager: &Manager,
        schema: &TableInfo,
        control: Option<&Control>,
    ) -> Result<(Catalog, Roots, TreeId)> {
        let encoding = schema_encoding(pager);
        let mut rows = Vec::new();
        let mut next_tree = TreeId(TreeId::SCHEMA.get() + 1);
        let roots: Roots = match control {
            Some(control) => {
                next_tree = control.next_tree.max(next_tree);
                control.trees.iter().copied().collect()
            }
            None => {
                let mut roots = vec![(TreeId::SCHEMA, SCHEMA_ROOT)];
                for (_, row) in base_rows(pager, encoding).await? {
                    if let crate::catalog::schema_row::Place::Page(page) = row.place {
                        roots.push((next_tree, page));
                        next_tree = TreeId(next_tree.get() + 1);
                    }
                }
                roots.into_iter().collect()
            }
        };
        let cut = control.map_or(Timestamp::ZERO, |control| control.cut);
        let shared = std::sync::Arc::new(roots.clone());
        manager.publish_base(Base { ts: cut, snapshot: pager.snapshot(), roots: shared });
        let pages: HashMap<PageNo, TreeId> =
            roots.iter().map(|(tree, page)| (page, tree)).collect();
        let mut newest = manager.peek()?;
        let (all, forward) = (std::ops::Bound::Unbounded, heddle_txn::Direction::Forward);
        let mut cursor = newest.peek_range(&schema.tree, all.clone(), all, forward);
        let damaged = |reason| Error::Corrupt { path: self.path.clone(), reason };
        while let Some((key, record)) = cursor.next(&mut newest).await? {
            let Some(rowid) = heddle_btree::key::decode_rowid(&key) else { continue };
            let row = SchemaRow::decode(&record, encoding).map_err(damaged)?;
            let tree = tree_of(row.place, &pages).map_err(damaged)?;
            if let Some(tree) = tree {
                // A tree that is still empty is named here alone (K2).
                next_tree = next_tree.max(TreeId(tree.get().saturating_add(1)));
            }
            rows.push(Entry { rowid: RowId(rowid), row, tree });
        }
        // The schema table aside.
        let has_tables = roots.iter().count() > 1;
        let format = Format::of(pager.snapshot().header(), has_tables);
        let catalog = load(rows, format).map_err(damaged)?;
        Ok((catalog, roots, next_tree))
    }
}

fn schema_encoding(pager: &Pager) -> heddle_btree::text::Encoding {
    pager.snapshot().header().encoding
}

/// The rows of the schema table as the file has them.
async fn base_rows(
    pager: &Pager,
    encoding: heddle_btree::text::Encoding,
) -> Result<Vec<(RowId, SchemaRow)>> {
    let mut cursor = Tree::table(SCHEMA_ROOT).cursor(pager.snapshot());
    let mut rows = Vec::new();
    let mut on_row = cursor.seek(Seek::First).await?;
    while on_row {
        let rowid = cursor.rowid()?;
        let record = cursor.value().await?;
        let row = SchemaRow::decode(record, encoding)
            .map_err(|error| crate::cells::corrupt("sqlite_schema", error))?;
        rows.push((RowId(rowid), row));
        on_row = cursor.next().await?;
    }
    Ok(rows)
}
