//! Makes the corpora from real files: `seeds CORPORA [FOLDER ...]`.
//!
//! Each folder is searched for SQLite databases; their pages and records are seeds, and the small ones as a whole. The log, the
//! runs and a `-wal` come from a database that is written here, in memory, and left as a crash would leave it.

use heddle_base::{PageNo, TreeId};
use heddle_btree::layout::PageView;
use heddle_engine::{Database, Options};
use heddle_fuzz::files;
use heddle_io::{Env, MemoryIo, ThreadRuntime};
use heddle_txn::redo;
use heddle_wal::run::{RunName, RunWriter};
use heddle_wal::{Log, LogOptions, Recovered};
use std::path::{Path, PathBuf};

/// Larger databases give pages only.
const WHOLE: usize = 128 << 10;
/// Pages that are taken of each database.
const PAGES: usize = 40;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let Some(corpora) = arguments.next() else {
        eprintln!("seeds CORPORA [FOLDER ...]");
        std::process::exit(2);
    };
    let mut corpus = Corpus { root: corpora, count: 0 };
    for folder in arguments {
        if !folder.is_dir() {
            eprintln!("{} is not there: fewer seeds", folder.display());
            continue;
        }
        for entry in std::fs::read_dir(folder)? {
            let bytes = std::fs::read(entry?.path()).unwrap_or_default();
            if bytes.starts_with(b"SQLite format 3\0") {
                corpus.database(&bytes)?;
            }
        }
    }
    ThreadRuntime::new().block_on(corpus.ours()).expect("a database in memory");
    println!("{} seeds in {}", corpus.count, corpus.root.display());
    Ok(())
}

struct Corpus {
    root: PathBuf,
    count: usize,
}

impl Corpus {
    fn add(&mut self, target: &str, bytes: &[u8]) -> std::io::Result<()> {
        let folder = self.root.join(target);
        std::fs::create_dir_all(&folder)?;
        self.count += 1;
        std::fs::write(folder.join(format!("seed-{:05}", self.count)), bytes)
    }

    fn database(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if bytes.len() <= WHOLE {
            self.add("database", &files::join(1, [bytes, &[], &[], &[]]))?;
            self.add("database", &files::join(3, [bytes, &[], &[], &[]]))?;
        }
        let size = match u16::from_be_bytes([bytes[16], bytes[17]]) {
            1 => 65536,
            size => usize::from(size).max(512),
        };
        let pages = bytes.chunks_exact(size).zip(1u32..);
        let step = (bytes.len() / size / PAGES).max(1);
        for (image, number) in pages.step_by(step) {
            let shift = (size / 512).trailing_zeros() as u8;
            let first = if number == 1 { 0x80 | shift } else { shift };
            let mut input = vec![first];
            input.extend_from_slice(image);
            let Ok(view) = PageView::parse(PageNo(number), image, size) else { continue };
            self.add("page", &input)?;
            for index in (0..view.cell_count()).step_by(1 + view.cell_count() / 3) {
                if let Ok(cell) = view.cell(index) {
                    if cell.overflow.is_none() && !cell.local.is_empty() {
                        self.add("record", cell.local)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A database of ours at several moments of its life.
    async fn ours(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let path = Path::new("/d/x.db");
        let io = MemoryIo::new();
        let env = Env { io: io.clone(), runtime: ThreadRuntime::new() };
        let options = Options {
            env: Some(env.clone()),
            page_size: 512,
            auto_checkpoint: false,
            ..Options::default()
        };
        let db = Database::open(path, options).await?;
        let mut tx = db.begin().await?;
        tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, body TEXT UNIQUE)").await?;
        tx.create_index("CREATE INDEX i ON t (n, body)").await?;
        tx.commit().await?;
        for round in 0..6 {
            let mut tx = db.begin().await?;
            for n in 0..20 {
                let body = format!("{round} {n}").repeat(1 + n as usize * 5);
                tx.table("t")?.insert((None::<i64>, n % 7, body)).await?;
            }
            tx.commit().await?;
            self.moment(&env, path).await?;
            if round % 2 == 1 {
                // Stops where a crash would hurt: frames written, nothing carried into the file yet.
                if let Some(mut steps) = db.checkpoint_steps().await? {
                    while let Some(_step) = steps.step().await? {
                        self.moment(&env, path).await?;
                    }
                }
            }
        }
        db.close().await?;
        self.runs(&env, path).await?;
        Ok(())
    }

    async fn moment(&mut self, env: &Env, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
        let mut segments = env.io.list(path.parent().unwrap_or(path)).await?;
        let prefix = beside("-log-0");
        segments.retain(|name| name.to_string_lossy().contains("-log-0"));
        segments.sort();
        let folder = prefix.parent().unwrap_or(path);
        let mut logs = Vec::new();
        for name in segments.iter().take(2) {
            let mut bytes = files::read(env, &folder.join(name)).await;
            // A segment is mostly zeros that nobody wrote to yet.
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes.truncate(used.next_multiple_of(4096) + 4096);
            logs.push(bytes);
        }
        logs.resize(2, Vec::new());
        let (db, wal) = (files::read(env, path).await, files::read(env, &beside("-wal")).await);
        self.add("database", &files::join(1, [&db, &wal, &[], &logs[0]]))?;
        self.add("database", &files::join(3, [&db, &wal, &[], &[]]))?;
        self.add("log", &files::join(1, [&logs[0], &logs[1]]))?;
        let copy = Env::memory();
        heddle_fuzz::repair::log_segment(&mut logs[0]);
        files::write(&copy, Path::new("/d/x.db-log-0000000001"), &logs[0]).await?;
        let Ok(mut opened) = Log::open(&copy, path, LogOptions::default()).await else {
            return Ok(());
        };
        while let Ok(Some(record)) = opened.recovery.next().await {
            let (Recovered::Commit { bytes, .. } | Recovered::Control(bytes)) = record;
            if redo::decode(&bytes).is_ok() {
                self.add("redo", &bytes)?;
            }
        }
        Ok(())
    }

    async fn runs(&mut self, env: &Env, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        for entries in [0u32, 1, 20, 400] {
            let name = RunName::new(1);
            let mut writer = RunWriter::create(env, path, name).await?;
            for tree in [TreeId(2), TreeId(7)] {
                for n in 0..entries {
                    let value = vec![n as u8; n as usize % 300];
                    let value = (n % 5 != 0).then_some(value.as_slice());
                    writer.push(tree, format!("key {n:08}").as_bytes(), value)?;
                    if writer.wants_flush() {
                        writer.flush().await?;
                    }
                }
            }
            let run = writer.finish().await?;
            let bytes = files::read(env, run.path()).await;
            let mut input = vec![1];
            input.extend(bytes);
            self.add("run", &input)?;
            heddle_wal::run::remove_run(env, path, name).await?;
        }
        Ok(())
    }
}
