//! One run: the lives of a plan, one after the other on one disk, each followed by what a crash leaves, recoveries that
//! are interrupted, visits of stock SQLite, and a survey that the model judges.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use heddle_engine::{Database, Env, ErrorKind, Options};
use heddle_io::Simulation;

use crate::client::{Client, dropped_at, setup};
use crate::coverage::Coverage;
use crate::faults::{self, FaultPlan, Target};
use crate::model::{Judged, Loss, Model, describe};
use crate::plan::{Choices, Ending, Life, Plan, Stop};
use crate::record::{Recorder, Tolerance};
use crate::state::State;
use crate::stock;
use crate::survey::survey;

/// Where the database lies in the simulated file system.
pub const PATH: &str = "/db/x.db";
/// Its folder.
pub const DIR: &str = "/db";

/// How long, by the simulated clock, clients may take before they count as hung.
const PATIENCE: Duration = Duration::from_secs(900);

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// What it exercised.
    pub coverage: Coverage,
    /// A number over every event, every byte left on the disk, and all that clients saw: equal for equal runs.
    pub fingerprint: u64,
    /// What was found, if anything.
    pub failure: Option<String>,
}

/// How a life ended.
#[derive(Debug)]
enum Ended {
    /// The world stopped while it ran.
    Stopped,
    /// The database could not be opened, or set up.
    Unopened,
    Closed,
    CloseFailed,
    /// Its handles are gone.
    Dropped,
    /// The clients came to their end.
    Done,
}

/// Where a bit turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rotten {
    Database,
    Wal,
    /// A segment of the log.
    Segment,
    /// Another file beside the log: the changes of a large transaction, or a segment that is not yet or no more one.
    Beside,
}

impl Rotten {
    fn of(file: &std::path::Path) -> Rotten {
        if Target::Database.fits(file) {
            return Rotten::Database;
        }
        if Target::Wal.fits(file) {
            return Rotten::Wal;
        }
        let name = file.to_string_lossy();
        let number = name.rsplit_once("-log-").map_or("", |(_, number)| number);
        match number.bytes().all(|byte| byte.is_ascii_digit()) {
            true => Rotten::Segment,
            false => Rotten::Beside,
        }
    }
}

struct Run<'a> {
    plan: &'a Plan,
    sim: Simulation,
    model: Model,
    coverage: Coverage,
    history: u64,
    next_number: i64,
    /// Of a life whose process goes on.
    env: Option<Env>,
    /// Transfers that were cut short up to the life before.
    short_before: u64,
}

/// Runs a plan. Panics of the database are findings as well; they are the caller's to catch.
pub fn run(plan: &Plan) -> Report {
    let sim = Simulation::new(plan.seed);
    sim.set_delays(Duration::from_micros(10), plan.choices.delay);
    let mut run = Run {
        plan,
        sim,
        model: Model::new(),
        coverage: Coverage::default(),
        history: 0,
        next_number: 1,
        env: None,
        short_before: 0,
    };
    let outcome = run.lives();
    let fingerprint = run.sim.fingerprint().rotate_left(17)
        ^ run.sim.disk().fingerprint().rotate_left(7)
        ^ run.history;
    Report {
        coverage: run.coverage,
        fingerprint,
        failure: outcome.err().map(|error| format!("{error:#}")),
    }
}

impl Run<'_> {
    fn options(&self, env: &Env) -> Options {
        let Choices { page_size, auto_vacuum, durability, cache_bytes, memory_bytes, .. } =
            self.plan.choices;
        Options {
            env: Some(env.clone()),
            page_size,
            auto_vacuum,
            durability,
            cache_bytes,
            memory_bytes,
            transaction_bytes: self.plan.choices.transaction_bytes,
            checkpoint_log_bytes: self.plan.choices.checkpoint_log_bytes,
            auto_checkpoint: self.plan.choices.auto_checkpoint,
            ..Options::default()
        }
    }

    fn lives(&mut self) -> Result<()> {
        for (number, life) in self.plan.lives.iter().enumerate() {
            self.coverage.count(format!("life.{}", ending_name(life.ending)));
            let over = self.life(life).with_context(|| format!("life {number}"))?;
            if over {
                self.coverage.count("ended.by-damage");
                break;
            }
        }
        Ok(())
    }

    /// One life and its aftermath. True if damage was found, so that nothing more can be asked.
    fn life(&mut self, life: &Life) -> Result<bool> {
        let tolerance =
            Tolerance { faults: life.faults.iter().any(FaultPlan::makes_errors), rot: false };
        let recorder = Recorder::new(tolerance, self.next_number);
        let rules: Vec<&FaultPlan> =
            life.faults.iter().filter(|fault| fault.inject(&self.sim)).collect();
        if let Some(at) = life.ending.at() {
            self.sim.power_off_at(at);
        }
        let env = self.sim.env();
        let lived = live(
            env.clone(),
            self.options(&env),
            life,
            recorder.clone(),
            self.plan.choices.durability,
        );
        let ended = self.sim.run(lived).unwrap_or(Ended::Stopped);
        let fired = self.sim.faults_by_rule();
        for (rule, count) in rules.iter().zip(fired) {
            self.coverage.add(rule.label(), count);
        }
        for fault in life.faults.iter().filter(|fault| !rules.contains(fault)) {
            self.coverage.count(fault.label());
        }
        self.coverage.add("short.transfers", self.sim.short_transfers() - self.short_before);
        self.short_before = self.sim.short_transfers();
        faults::lift(&self.sim);
        let loss = self.end(life, &ended);
        self.env = matches!(ended, Ended::Dropped).then_some(env);
        self.aftermath(life, &recorder, loss, &ended)
    }

    /// Brings the world to where the next opening finds it.
    fn end(&mut self, life: &Life, ended: &Ended) -> Loss {
        self.coverage.count(format!("end.{ended:?}"));
        match (life.ending, ended) {
            (Ending::Kill(_), Ended::Stopped | Ended::Done | Ended::Unopened) => {
                self.sim.kill();
                Loss::Process
            }
            (_, Ended::Stopped | Ended::Done | Ended::Unopened | Ended::CloseFailed) => {
                self.sim.crash();
                Loss::Power
            }
            (_, Ended::Closed) => Loss::Nothing,
            // In the same process: the next opening waits for what is still at work.
            (_, Ended::Dropped) => Loss::Process,
        }
    }

    fn aftermath(
        &mut self,
        life: &Life,
        recorder: &Recorder,
        loss: Loss,
        ended: &Ended,
    ) -> Result<bool> {
        let mut loss = loss;
        for (at, stop) in &life.aftermath.interrupted {
            self.interrupted(*at, *stop);
            if *stop == Stop::Power && loss == Loss::Process {
                // What was only written may go before a recovery has made it durable.
                loss = Loss::Power;
            }
        }
        for fault in &life.aftermath.hindered {
            if matches!(ended, Ended::Stopped | Ended::Done) {
                self.hindered(fault)?;
            }
        }
        let judged = self.judge(recorder)?;
        let promised = {
            let records = recorder.records();
            self.next_number = records.next_number;
            self.model.promised(&records, &judged, loss)
        };
        let closed = matches!(ended, Ended::Closed);
        if closed {
            ensure!(
                self.sim.disk().files() == [std::path::Path::new(PATH)],
                "a clean close left {:?}",
                self.sim.disk().files()
            );
        }
        if life.aftermath.stock && !matches!(ended, Ended::Dropped) {
            self.visited(&judged, promised.ticket).context("stock SQLite's visit")?;
        }
        let rotten = life.aftermath.rot.and_then(|target| self.rot(target));
        let found = match self.surveyed(life) {
            Ok(found) => found,
            Err(error)
                if rotten == Some(Rotten::Database) || rotten.is_some() && says_damage(&error) =>
            {
                self.coverage.count("rot.detected");
                return Ok(true);
            }
            Err(error) => return Err(error.context("the survey")),
        };
        if rotten == Some(Rotten::Database) {
            // The format has no checksum over pages: what a damaged page says can't be judged.
            self.coverage.count("rot.database");
            return Ok(true);
        }
        // A damaged last group can't be told from a torn one (J6).
        let stands = match rotten {
            Some(Rotten::Segment) => {
                let stands = self.model.survive(&judged, &promised.weakened(), &found)?;
                if stands < promised.ticket {
                    self.coverage.count("rot.taken-for-a-torn-tail");
                }
                stands
            }
            _ => self.model.survive(&judged, &promised, &found)?,
        };
        self.coverage.add("commits.survived", judged.len() as u64);
        self.history = self.history.rotate_left(5) ^ stands;
        if rotten.is_some() {
            self.coverage.count("rot.harmless");
        }
        Ok(false)
    }

    fn judge(&mut self, recorder: &Recorder) -> Result<Judged> {
        let records = recorder.records();
        for attempt in &records.attempts {
            for byte in format!("{attempt:?}").bytes() {
                self.history = (self.history ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            let ticket = attempt.ticket();
            self.coverage.count(match (&attempt.end, ticket) {
                (crate::record::End::Acknowledged, _) => "attempt.acknowledged",
                (crate::record::End::RolledBack, _) => "attempt.rolled-back",
                (crate::record::End::Failed(_), Some(_)) => "attempt.failed-after-ticket",
                (crate::record::End::Failed(_), None) => "attempt.failed",
                (crate::record::End::Open, Some(_)) => "attempt.cut-off-after-ticket",
                (crate::record::End::Open, None) => "attempt.cut-off",
            });
        }
        for (error, count) in &records.errors {
            self.coverage.add(error.clone(), *count);
        }
        self.coverage.add("checkpoints", records.cuts.len() as u64);
        self.coverage.add("vacuums", records.vacuums);
        if let Some(problem) = records.problems.first() {
            let more = records.problems.len() - 1;
            bail!("{problem} (and {more} more)");
        }
        self.model.judge(&records)
    }

    /// An opening during which the world stops.
    fn interrupted(&mut self, at: u64, stop: Stop) {
        self.coverage.count(format!("recovery.interrupted-by-{stop:?}"));
        self.sim.power_off_at(at);
        let env = self.sim.env();
        let options = self.options(&env);
        let _ = self.sim.run(async {
            let db = Database::open(PATH, options).await;
            // What an opening leaves to the background gets its time too.
            env.runtime.sleep(Duration::from_millis(5)).await;
            drop(db);
        });
        match stop {
            Stop::Power => self.sim.crash(),
            Stop::Kill => self.sim.kill(),
        }
    }

    /// An opening that meets faults; then the process ends.
    fn hindered(&mut self, fault: &FaultPlan) -> Result<()> {
        let counted = fault.inject(&self.sim);
        let env = self.sim.env();
        let options = self.options(&env);
        let opened = self.sim.run(async { Database::open(PATH, options).await.err() });
        let fired = if counted { self.sim.faults_by_rule().iter().sum() } else { 1 };
        self.coverage.add(format!("recovery.{}", fault.label()), fired);
        faults::lift(&self.sim);
        self.sim.kill();
        if let Some(Some(error)) = opened {
            let allowed =
                matches!(error.kind(), ErrorKind::Io | ErrorKind::DiskFull | ErrorKind::Poisoned);
            ensure!(allowed && fault.makes_errors(), "a recovery that met {fault:?} said: {error}");
        }
        Ok(())
    }

    /// Turns a bit over in a file that is there. A crash seldom leaves a `-wal`, so that one takes the place of another file.
    fn rot(&mut self, target: Target) -> Option<Rotten> {
        let disk = self.sim.disk();
        let rng = &mut fastrand::Rng::with_seed(self.sim.fingerprint());
        let in_wal = |path: &std::path::PathBuf| {
            Target::Wal.fits(path)
                && disk.read(path).is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0))
        };
        let has_wal = disk.files().iter().any(in_wal);
        let target = if has_wal && rng.bool() { Target::Wal } else { target };
        let files: Vec<_> = disk.files().into_iter().filter(|path| target.fits(path)).collect();
        let bytes: Vec<Vec<u8>> = files.iter().filter_map(|path| disk.read(path)).collect();
        let at = rng.usize(..files.len().max(1));
        let (file, bytes) = (files.get(at)?, bytes.get(at)?);
        // Where there is something; most of a log is zeros that nobody reads.
        let full: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        let offset = if full.is_empty() { bytes.len() / 2 } else { full[rng.usize(..full.len())] };
        if !disk.flip_bit(file, offset as u64, rng.u8(..8)) {
            return None;
        }
        let rotten = Rotten::of(file);
        self.coverage.count(format!("rot.{rotten:?}"));
        Some(rotten)
    }

    fn visited(&mut self, judged: &Judged, promised: u64) -> Result<()> {
        let Some(visit) = stock::visit(&self.sim)? else { return Ok(()) };
        self.coverage.count("stock.visits");
        ensure!(self.model.knows(judged, &visit.state), "it reads what was never there");
        if visit.wrote {
            self.coverage.count("stock.wrote");
            let stands = judged.ticket_of(&visit.state);
            ensure!(
                stands.is_some_and(|ticket| judged.lost(ticket, promised).is_none()),
                "it could write to a file that lacks commits up to {promised}"
            );
        }
        Ok(())
    }

    /// Opens the database in peace and reads it back; looks at its structure; lets stock SQLite read it.
    fn surveyed(&mut self, life: &Life) -> Result<State> {
        let env = self.env.take().unwrap_or_else(|| self.sim.env());
        let options = self.options(&env);
        let close = life.aftermath.close;
        let (found, closed) = self
            .sim
            .run(async {
                let db = Database::open(PATH, options).await.context("opening")?;
                let found = survey(&db).await.context("reading")?;
                if !close {
                    return Ok((found, false));
                }
                db.checkpoint().await.context("a checkpoint")?;
                let findings = db.check().await.context("check()")?;
                ensure!(findings.is_empty(), "check() found: {}", findings.join("; "));
                let again = survey(&db).await.context("reading after a checkpoint")?;
                ensure!(
                    again == found,
                    "a checkpoint changed what is there:\n  {}",
                    again.difference(&found)
                );
                db.close().await.context("closing")?;
                Ok((found, true))
            })
            .ok_or_else(|| anyhow!("the power went in peace"))??;
        if closed {
            let files = self.sim.disk().files();
            ensure!(files == [std::path::Path::new(PATH)], "a clean close left {files:?}");
            self.coverage.count("stock.read");
            if let Some(stock) = stock::read(&self.sim).context("after a clean close")? {
                ensure!(
                    stock == found,
                    "stock SQLite reads something else:\n  {}",
                    stock.difference(&found)
                );
            }
        } else {
            self.sim.kill();
        }
        Ok(found)
    }
}

/// A life from the opening to its end.
async fn live(
    env: Env,
    options: Options,
    life: &Life,
    recorder: Recorder,
    durability: heddle_engine::Durability,
) -> Ended {
    let db = match Database::open(PATH, options).await {
        Ok(db) => db,
        Err(error) => {
            recorder.error("opening", &error);
            return Ended::Unopened;
        }
    };
    let client = |number| Client {
        db: db.clone(),
        env: env.clone(),
        recorder: recorder.clone(),
        number,
        durability,
    };
    if let Err(error) = setup(&client(usize::MAX)).await {
        recorder.error("the setup", &error);
        return Ended::Unopened;
    }
    for (number, plan) in life.clients.iter().enumerate() {
        let running = recorder.enter();
        let (client, acts) = (client(number), plan.acts.clone());
        let task = async move {
            client.run(acts).await;
            drop(running);
        };
        env.runtime.spawn("client", Box::pin(task));
    }
    wait_for_clients(&env, &recorder).await;
    match life.ending {
        Ending::PowerOff(_) | Ending::Kill(_) => Ended::Done,
        Ending::Drop => Ended::Dropped,
        Ending::CloseDropped(polls) => match dropped_at(Some(polls), db.close()).await {
            Some(Ok(())) => Ended::Closed,
            Some(Err(error)) => {
                recorder.error("closing", &error);
                Ended::CloseFailed
            }
            None => Ended::Dropped,
        },
        Ending::Close => match db.close().await {
            Ok(()) => Ended::Closed,
            Err(error) => {
                recorder.error("closing", &error);
                Ended::CloseFailed
            }
        },
    }
}

/// Waits until the clients are done; who never is, hangs.
async fn wait_for_clients(env: &Env, recorder: &Recorder) {
    let mut patience = env.runtime.sleep(PATIENCE);
    let mut done = std::pin::pin!(recorder.all_done());
    std::future::poll_fn(|cx| {
        if done.as_mut().poll(cx).is_ready() {
            return std::task::Poll::Ready(());
        }
        if patience.as_mut().poll(cx).is_ready() {
            let stuck = {
                let records = recorder.records();
                let open = records
                    .attempts
                    .iter()
                    .filter(|attempt| attempt.end == crate::record::End::Open);
                open.map(|attempt| describe(attempt, attempt.ticket()))
                    .collect::<Vec<_>>()
                    .join("; ")
            };
            recorder.problem(format!("clients hang: {stuck}"));
            return std::task::Poll::Ready(());
        }
        std::task::Poll::Pending
    })
    .await;
}

fn ending_name(ending: Ending) -> &'static str {
    match ending {
        Ending::PowerOff(_) => "power-off",
        Ending::Kill(_) => "kill",
        Ending::Close => "close",
        Ending::CloseDropped(_) => "close-dropped",
        Ending::Drop => "drop",
    }
}

/// Whether the database named damage as the reason.
fn says_damage(error: &anyhow::Error) -> bool {
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<heddle_engine::Error>());
    cause.is_some_and(|error| matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported))
}
