//! A process at work on a real disk is killed (SIGKILL) at a random moment, again and again, and what it leaves is checked.
//!
//! `cargo xtask kill --times N`. Each round: [`child`] opens the database and writes through many tasks, at mixed levels of
//! durability, with checkpoints, vacuums and changes of the schema all the time, and reports every acknowledged commit through a pipe. The
//! parent kills it, collects the reports, and then
//!
//! 1. in some rounds lets stock SQLite look first: what it reads must be some earlier state, whole, and its write must be
//!    refused or harmless;
//! 2. opens the database (in some rounds that process is killed too, in the middle of recovery), and holds what it finds
//!    against the reports ([`verdict`]): each acknowledged commit is there, of the others all or nothing;
//! 3. in some rounds closes it, and lets stock SQLite check the file; else leaves the log to the next round.
//!
//! A failure keeps the files and says where they are. Rounds differ by a seed, which is printed; the moment of the kill is the
//! machine's.

#![allow(clippy::disallowed_methods, reason = "a program runs in real time on real threads")]

mod child;
mod facts;
mod plan;
mod verdict;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use fastrand::Rng;

use crate::verdict::Reports;

/// The name of the database in its folder.
const FILE: &str = "x.db";

#[derive(Debug, Clone, Parser)]
#[command(name = "cargo xtask kill", about = "Kills a process at work, and checks what it leaves")]
struct Arguments {
    /// How often.
    #[arg(long, default_value_t = 100)]
    times: u32,
    /// Where to begin the choices. Default: random.
    #[arg(long)]
    seed: Option<u64>,
    /// The longest life of a child, in milliseconds.
    #[arg(long, default_value_t = 1200)]
    longest: u64,
    /// The folder of the database. Default: a new one among the temporary files.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Work until killed: what the program starts to kill.
    #[arg(long, hide = true)]
    child: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..1 << 48));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(path) = &arguments.child {
        return runtime.block_on(child::work(path, seed));
    }
    let temporary = tempfile::tempdir()?;
    let folder = arguments.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    println!("seed {seed}, in {}", folder.display());
    let outcome = rounds(&runtime, &arguments, &folder, seed);
    if outcome.is_err() {
        let kept = temporary.keep();
        println!("failed; the files are kept in {}", arguments.folder.unwrap_or(kept).display());
    }
    outcome
}

fn rounds(
    runtime: &tokio::runtime::Runtime,
    arguments: &Arguments,
    folder: &Path,
    seed: u64,
) -> Result<()> {
    let mut rng = Rng::with_seed(seed);
    let mut reports = Reports::default();
    // Every so often a new database, so that a creation is killed too, and files of many kinds are.
    let mut path = PathBuf::new();
    let started = Instant::now();
    for round in 1..=arguments.times {
        if round % 10 == 1 {
            path = folder.join(format!("{round}"));
            std::fs::create_dir_all(&path)?;
            path.push(FILE);
            reports = Reports::default();
        }
        let round_seed = rng.u64(..1 << 48);
        let said = one_round(runtime, arguments, &path, round_seed, &mut reports);
        let said = said.with_context(|| {
            format!("round {round}, seed {round_seed}, database {}", path.display())
        })?;
        println!("{round:>4}/{}  {said}", arguments.times);
    }
    println!(
        "{} kills in {:.0} s: nothing acknowledged was lost, nothing was left in half",
        arguments.times,
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

/// One life, its end, and the verdict; in a line.
fn one_round(
    runtime: &tokio::runtime::Runtime,
    arguments: &Arguments,
    path: &Path,
    seed: u64,
    reports: &mut Reports,
) -> Result<String> {
    let mut rng = Rng::with_seed(seed);
    let before = reports.total();
    // Some are killed while they open, most while they work.
    let longest = if rng.u8(0..5) == 0 { 60 } else { arguments.longest };
    let life = Duration::from_millis(rng.u64(1..=longest));
    live_and_die(path, seed, life, reports)?;
    let mut said = format!(
        "killed after {:>4} ms, {:>6} commits acknowledged ({} in all)",
        life.as_millis(),
        reports.total() - before,
        reports.total(),
    );
    if !path.exists() {
        ensure!(reports.total() == 0, "the database is gone");
        return Ok(said + ", before there was a file");
    }
    if rng.bool() {
        said += match stock_looks(path, reports)? {
            Stock::Refused => ", stock read and was refused a write",
            Stock::Wrote => ", stock read and wrote",
            Stock::Nothing => ", nothing there yet for stock",
        };
    }
    if rng.u8(0..4) == 0 {
        // Recovery is interrupted; what this life acknowledges counts as well.
        let life = Duration::from_millis(rng.u64(1..40));
        live_and_die(path, rng.u64(..), life, reports)?;
        said += ", killed again while it opened";
    }
    let close = rng.bool();
    runtime.block_on(async {
        let db = plan::open(path, &mut rng).await.context("opening")?;
        let facts = facts::ours(&db).await.context("reading")?;
        reports.hold_against(&facts)?;
        let findings = db.check().await?;
        ensure!(findings.is_empty(), "check() finds {findings:?}");
        if close {
            db.close().await.context("closing")?;
        }
        anyhow::Ok(())
    })?;
    if close {
        let left: Vec<_> = beside(path)?;
        ensure!(left == [FILE], "a clean close leaves {left:?}");
        let facts = facts::stock(path)?;
        reports.hold_against(&facts).context("as stock SQLite reads it after a close")?;
        said += ", closed";
    }
    Ok(said)
}

/// Starts a child and kills it, and collects what it reported.
fn live_and_die(path: &Path, seed: u64, life: Duration, reports: &mut Reports) -> Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--seed", &seed.to_string(), "--child"])
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("the child has no output")?;
    let listener = reports::listen(output);
    std::thread::sleep(life);
    let ended = child.try_wait()?;
    child.kill()?;
    let status = child.wait()?;
    let heard = listener.join().ok().context("listening to the child failed")?;
    if ended.is_some() {
        bail!("the child ended by itself: {status}");
    }
    reports.add(heard);
    Ok(())
}

/// What stock SQLite could do with the file of a killed process.
enum Stock {
    Refused,
    Wrote,
    Nothing,
}

fn stock_looks(path: &Path, reports: &Reports) -> Result<Stock> {
    // A creation that was interrupted leaves zeros, which stock takes for no database.
    if std::fs::read(path)?.iter().all(|byte| *byte == 0) {
        return Ok(Stock::Nothing);
    }
    let facts = facts::stock(path).context("as stock SQLite reads what was left")?;
    reports.hold_earlier(&facts).context("as stock SQLite reads what was left")?;
    let stock = rusqlite::Connection::open(path)?;
    match stock.execute_batch("PRAGMA user_version = 1; PRAGMA user_version = 2") {
        Err(_) => Ok(Stock::Refused),
        // Then there was no log with commits, and nothing can be missing: what follows tells.
        Ok(()) => Ok(Stock::Wrote),
    }
}

/// The files in the database's folder.
fn beside(path: &Path) -> Result<Vec<String>> {
    let folder = path.parent().context("it lies in a folder")?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Listening to a child.
mod reports {
    use std::collections::BTreeMap;
    use std::io::{BufRead, BufReader};
    use std::process::ChildStdout;
    use std::thread::JoinHandle;

    /// What a child reported: the last commit of each writer, and how many commits there were.
    pub(super) type Heard = (BTreeMap<i64, i64>, u64);

    /// Reads until the child's end.
    pub(super) fn listen(output: ChildStdout) -> JoinHandle<Heard> {
        std::thread::spawn(move || {
            let (mut last, mut count) = (BTreeMap::new(), 0);
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let mut words = line.split(' ').map(str::parse::<i64>);
                // A line is written at once, and so is there or not.
                if let (Some(Ok(writer)), Some(Ok(commit)), None) =
                    (words.next(), words.next(), words.next())
                {
                    last.insert(writer, commit);
                    count += 1;
                }
            }
            (last, count)
        })
    }
}
