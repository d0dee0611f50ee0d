//! A bank whose books always balance: while transfers run, after `kill -9`, and after restart.
//!
//! `cargo run --release --example bank -- [PATH] [--accounts N] [--writers N] [--seconds S] [--kills N]`
//!
//! Writers move money between accounts, while auditors sum all balances in serializable transactions and
//! must always find the same total. Then the program runs itself as a child, kills it in the middle of its work
//! (`--kills` times), opens what is left and checks that the books balance and that no transfer is missing
//! which the child had reported as committed.

#![allow(clippy::disallowed_methods, reason = "a program runs in real time on real threads")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use fastrand::Rng;
use heddle_engine::{Database, Direction, Options, RowId, Transaction};

const ACCOUNTS: &str = "heddle_bank_account";
const LEDGER: &str = "heddle_bank_ledger";
/// What each account begins with.
const DEPOSIT: i64 = 1000;

#[derive(Debug, Clone, Parser)]
#[command(
    about = "Transfers whose sum is checked while they run, after kill -9, and after restart"
)]
struct Arguments {
    /// Any SQLite database; made if there is none. Default: one in a temporary folder.
    path: Option<PathBuf>,
    /// Accounts, where the bank is founded anew.
    #[arg(long, default_value_t = 1000)]
    accounts: i64,
    /// Concurrent writers.
    #[arg(long, default_value_t = 64)]
    writers: usize,
    /// Concurrent auditors.
    #[arg(long, default_value_t = 4)]
    auditors: usize,
    /// How long transfers run before the killing begins.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How often a child at work is killed.
    #[arg(long, default_value_t = 3)]
    kills: u32,
    /// Run transfers without end and report each commit: what the program starts to kill.
    #[arg(long, hide = true)]
    child: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(arguments.accounts > 1 && arguments.writers > 0, "two accounts and a writer, at least");
    let temporary;
    let path = match &arguments.path {
        Some(path) => path.clone(),
        None => {
            temporary = tempfile::tempdir()?;
            temporary.path().join("bank.db")
        }
    };
    if arguments.child {
        let db = Database::open(&path, Options::default()).await?;
        let bank = Bank::found(&db, &arguments).await?;
        work(&bank, &arguments, None, true).await?;
        return Ok(());
    }
    transfer_for_a_while(&path, &arguments).await?;
    for kill in 1..=arguments.kills {
        kill_and_check(&path, &arguments, kill).await?;
    }
    let stock = rusqlite::Connection::open(&path)?;
    let verdict: String = stock.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    println!("PRAGMA integrity_check by stock SQLite {}: {verdict}", rusqlite::version());
    ensure!(verdict == "ok", "the file did not pass: {verdict}");
    Ok(())
}

/// The accounts of one database.
#[derive(Debug, Clone)]
struct Bank {
    db: Database,
    accounts: Arc<Vec<i64>>,
    total: i64,
}

/// What the writers and auditors count.
#[derive(Debug, Default)]
struct Counts {
    transfers: AtomicU64,
    retries: AtomicU64,
    audits: AtomicU64,
    done: AtomicBool,
}

impl Bank {
    /// Makes the tables and the accounts if they are not there, and reads which there are.
    async fn found(db: &Database, arguments: &Arguments) -> Result<Bank> {
        let mut tx = db.begin().await?;
        tx.create_table(
            "CREATE TABLE IF NOT EXISTS heddle_bank_account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)",
        )
        .await?;
        tx.create_table(
            "CREATE TABLE IF NOT EXISTS heddle_bank_ledger (writer INTEGER PRIMARY KEY, transfers INTEGER NOT NULL)",
        )
        .await?;
        if balances(&mut tx).await?.is_empty() {
            let mut accounts = tx.table(ACCOUNTS)?;
            for _ in 0..arguments.accounts {
                accounts.insert((None::<i64>, DEPOSIT)).await?;
            }
        }
        let found = balances(&mut tx).await?;
        tx.commit().await?;
        let total = found.len() as i64 * DEPOSIT;
        let accounts = Arc::new(found.into_iter().map(|(id, _)| id).collect());
        Ok(Bank { db: db.clone(), accounts, total })
    }

    /// Moves money and notes it in the writer's line of the ledger, all or nothing. Answers how often it was tried.
    async fn transfer(&self, writer: i64, count: i64, rng: &mut Rng) -> Result<u64> {
        let from = rng.usize(0..self.accounts.len());
        let to = (from + rng.usize(1..self.accounts.len())) % self.accounts.len();
        let (from, to) = (RowId(self.accounts[from]), RowId(self.accounts[to]));
        let amount = rng.i64(1..=50);
        let mut attempts = 0;
        self.db
            .transaction(|tx| {
                attempts += 1;
                Box::pin(async move {
                    let mut accounts = tx.table(ACCOUNTS)?;
                    for (account, change) in [(from, -amount), (to, amount)] {
                        let balance: i64 = match accounts.get(account).await? {
                            Some(row) => row.get("balance")?,
                            None => continue,
                        };
                        accounts.set(account, &[("balance", &(balance + change))]).await?;
                    }
                    let mut ledger = tx.table(LEDGER)?;
                    if !ledger.update(RowId(writer), (writer, count)).await? {
                        ledger.insert((writer, count)).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        Ok(attempts)
    }

    /// Sums all balances in a serializable transaction.
    async fn audit(&self) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let sum: i64 = balances(&mut tx).await?.iter().map(|(_, balance)| balance).sum();
        // Only a commit confirms what was read.
        tx.commit().await?;
        ensure!(sum == self.total, "the books do not balance: {sum} of {}", self.total);
        Ok(())
    }

    /// How many transfers each writer has noted.
    async fn ledger(&self) -> Result<HashMap<i64, i64>> {
        let mut tx = self.db.snapshot().await?;
        Ok(pairs(&mut tx, LEDGER).await?.into_iter().collect())
    }
}

async fn balances(tx: &mut Transaction) -> heddle_engine::Result<Vec<(i64, i64)>> {
    pairs(tx, ACCOUNTS).await
}

/// The two columns of a table.
async fn pairs(tx: &mut Transaction, table: &str) -> heddle_engine::Result<Vec<(i64, i64)>> {
    let mut table = tx.table(table)?;
    let all = (Bound::<RowId>::Unbounded, Bound::Unbounded);
    let mut rows = table.scan(all, Direction::Ascending)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().await? {
        found.push((row.get(0)?, row.get(1)?));
    }
    Ok(found)
}

/// Runs writers and auditors, for some time or without end.
async fn work(
    bank: &Bank,
    arguments: &Arguments,
    span: Option<Duration>,
    report: bool,
) -> Result<Arc<Counts>> {
    let counts = Arc::new(Counts::default());
    let before = bank.ledger().await?;
    let mut tasks = Vec::new();
    for writer in 1..=arguments.writers as i64 {
        let (bank, counts) = (bank.clone(), Arc::clone(&counts));
        let mut count = before.get(&writer).copied().unwrap_or(0);
        tasks.push(tokio::spawn(async move {
            let mut rng = Rng::new();
            while !counts.done.load(Ordering::Relaxed) {
                count += 1;
                let attempts = bank.transfer(writer, count, &mut rng).await?;
                counts.transfers.fetch_add(1, Ordering::Relaxed);
                counts.retries.fetch_add(attempts - 1, Ordering::Relaxed);
                if report {
                    writeln!(std::io::stdout().lock(), "{writer} {count}")?;
                }
            }
            anyhow::Ok(())
        }));
    }
    for _ in 0..arguments.auditors {
        let (bank, counts) = (bank.clone(), Arc::clone(&counts));
        tasks.push(tokio::spawn(async move {
            while !counts.done.load(Ordering::Relaxed) {
                bank.audit().await?;
                counts.audits.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            Ok(())
        }));
    }
    if let Some(span) = span {
        tokio::time::sleep(span).await;
        counts.done.store(true, Ordering::Relaxed);
    }
    for task in tasks {
        task.await??;
    }
    Ok(counts)
}

async fn transfer_for_a_while(path: &Path, arguments: &Arguments) -> Result<()> {
    let db = Database::open(path, Options::default()).await?;
    let bank = Bank::found(&db, arguments).await?;
    let begin = Instant::now();
    let span = Duration::from_secs_f64(arguments.seconds);
    let counts = work(&bank, arguments, Some(span), false).await?;
    let seconds = begin.elapsed().as_secs_f64();
    bank.audit().await?;
    println!(
        "{} accounts, {} writers: {:.0} transfers/s with {} retries, {} audits while they ran: always {}",
        bank.accounts.len(),
        arguments.writers,
        counts.transfers.load(Ordering::Relaxed) as f64 / seconds,
        counts.retries.load(Ordering::Relaxed),
        counts.audits.load(Ordering::Relaxed),
        bank.total,
    );
    drop(bank);
    db.close().await?;
    Ok(())
}

/// Kills a child at work, opens what it left, and checks it.
async fn kill_and_check(path: &Path, arguments: &Arguments, kill: u32) -> Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(path)
        .arg("--child")
        .args(["--writers", &arguments.writers.to_string()])
        .args(["--auditors", &arguments.auditors.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("the child has no output")?;
    let listener = std::thread::spawn(move || {
        let mut reported = HashMap::new();
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let mut words = line.split(' ').map(str::parse::<i64>);
            // The last line may have been cut by the kill.
            if let (Some(Ok(writer)), Some(Ok(count))) = (words.next(), words.next()) {
                let latest: &mut i64 = reported.entry(writer).or_default();
                *latest = count.max(*latest);
            }
        }
        reported
    });
    tokio::time::sleep(Duration::from_millis(500 + fastrand::u64(0..1000))).await;
    child.kill()?;
    child.wait()?;
    let reported = listener.join().ok().context("listening to the child failed")?;
    ensure!(!reported.is_empty(), "the child was killed before its first transfer");

    let begin = Instant::now();
    let db = Database::open(path, Options::default()).await?;
    let opened = begin.elapsed();
    let bank = Bank::found(&db, arguments).await?;
    bank.audit().await?;
    let ledger = bank.ledger().await?;
    for (writer, count) in &reported {
        let kept = ledger.get(writer).copied().unwrap_or(0);
        ensure!(kept >= *count, "writer {writer} lost transfers: {kept} of {count}");
    }
    println!(
        "kill -9 number {kill}: reopened in {:.1} ms, {} reported transfers are all there, the books balance",
        opened.as_secs_f64() * 1e3,
        reported.values().sum::<i64>(),
    );
    drop(bank);
    db.close().await?;
    Ok(())
}
