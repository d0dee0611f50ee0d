//! A client: carries out its plan against the database, and notes everything.

use std::future::Future;
use std::ops::Bound;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use heddle_engine::{
    Database, Direction, Durability, Env, Error, Mode, Result, RowId, Transaction, TxOptions, Value,
};

use crate::plan::{Act, TxEnd, TxPlan};
use crate::record::{Attempt, End, Recorder};
use crate::state::Row;
use crate::workload::{
    AUTO, INDEXES, LATE_INDEX, Op, Outcome, SEQUENCE, TABLES, body, bumped, int, side_name,
    side_sql, text_key,
};

/// What a client works with.
#[derive(Clone)]
pub struct Client {
    pub db: Database,
    pub env: Env,
    pub recorder: Recorder,
    pub number: usize,
    /// Of transactions that choose none.
    pub durability: Durability,
}

/// Polls a future so many times and drops it, if it has not ended.
pub async fn dropped_at<F: Future>(polls: Option<u32>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls.unwrap_or(u32::MAX);
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // Whoever is to be dropped is not left waiting for a wake that may never come.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

impl Client {
    /// Does all that was planned.
    pub async fn run(self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Transaction(plan) => self.transaction(Arc::new(plan)).await,
                Act::Snapshot(ops) => self.snapshot(ops).await,
                Act::Checkpoint(polls) => match dropped_at(polls, self.db.checkpoint()).await {
                    Some(Ok(report)) => self.recorder.records().cuts.push(report.cut.get()),
                    Some(Err(error)) => self.recorder.error("a checkpoint", &error),
                    None => {}
                },
                Act::Vacuum(pages) => {
                    let done = match pages {
                        None => self.db.vacuum().await,
                        Some(pages) => self.db.incremental_vacuum(pages).await,
                    };
                    match done {
                        Ok(report) => {
                            let mut records = self.recorder.records();
                            records.vacuums += 1;
                            records.cuts.push(report.cut.get());
                        }
                        Err(error) => self.recorder.error("a vacuum", &error),
                    }
                }
                Act::Check => match self.db.check().await {
                    Ok(findings) if findings.is_empty() => {}
                    Ok(findings) => self.findings(&findings),
                    Err(error) => self.recorder.error("a check", &error),
                },
                Act::Rest(micros) => self.rest(micros).await,
            }
        }
    }

    fn findings(&self, findings: &[String]) {
        if !self.recorder.records().tolerance.rot {
            self.recorder.problem(format!("check() found: {}", findings.join("; ")));
        }
    }

    async fn rest(&self, micros: u64) {
        self.env.runtime.sleep(Duration::from_micros(micros)).await;
    }

    /// Notes a new attempt; its place.
    fn begin(&self, plan: Option<&Arc<TxPlan>>, tx: &mut Transaction) -> usize {
        let mut records = self.recorder.records();
        let number = records.next_number;
        records.next_number += 1;
        records.attempts.push(Attempt {
            number,
            client: self.number,
            plan: plan.cloned(),
            durability: plan.and_then(|plan| plan.durability).unwrap_or(self.durability),
            reads_at: tx.reads_at().get(),
            steps: Vec::new(),
            witness: plan.map(|_| tx.witness()),
            asked: None,
            answered: None,
            end: End::Open,
        });
        records.attempts.len() - 1
    }

    fn end(&self, attempt: usize, end: End) {
        self.recorder.records().end(attempt, end);
    }

    fn fail(&self, attempt: Option<usize>, doing: &str, error: &Error) {
        self.recorder.error(doing, error);
        if let Some(attempt) = attempt {
            self.end(attempt, End::Failed(error.to_string()));
        }
    }

    async fn snapshot(&self, ops: Vec<Op>) {
        let mut tx = match self.db.snapshot().await {
            Ok(tx) => tx,
            Err(error) => return self.fail(None, "a snapshot", &error),
        };
        let attempt = self.begin(None, &mut tx);
        match self.steps(attempt, &mut tx, &ops).await {
            Ok(()) => self.end(attempt, End::Acknowledged),
            Err(error) => self.fail(Some(attempt), "a snapshot's read", &error),
        }
    }

    async fn transaction(&self, plan: Arc<TxPlan>) {
        let polls = plan.cancel;
        if plan.retried && plan.end == TxEnd::Commit {
            dropped_at(polls, Box::pin(self.retried(&plan))).await;
        } else {
            dropped_at(polls, Box::pin(self.once(&plan))).await;
        }
    }

    async fn once(&self, plan: &Arc<TxPlan>) {
        let mut tx = match self.db.begin_with(options(plan)).await {
            Ok(tx) => tx,
            Err(error) => return self.fail(None, "begin", &error),
        };
        let attempt = self.begin(Some(plan), &mut tx);
        if let Err(error) = self.all_steps(attempt, &mut tx, plan).await {
            return self.fail(Some(attempt), "a statement", &error);
        }
        if plan.end == TxEnd::Rollback {
            tx.rollback();
            return self.end(attempt, End::RolledBack);
        }
        match tx.commit().await {
            Ok(_) => self.end(attempt, End::Acknowledged),
            Err(error) => self.fail(Some(attempt), "a commit", &error),
        }
    }

    async fn retried(&self, plan: &Arc<TxPlan>) {
        let last = Arc::new(std::sync::Mutex::new(None));
        let run = |tx: &mut heddle_engine::Attempt<'_>| {
            let attempt = self.begin(Some(plan), tx);
            if let Ok(mut last) = last.lock()
                && let Some(before) = last.replace(attempt)
            {
                self.end(before, End::Failed("retried".to_owned()));
            }
            attempt
        };
        let outcome = self
            .db
            .transaction_with(options(plan), |tx| {
                let attempt = run(tx);
                let (client, plan) = (self.clone(), Arc::clone(plan));
                Box::pin(async move { client.all_steps(attempt, tx, &plan).await })
            })
            .await;
        let attempt = last.lock().ok().and_then(|last| *last);
        match (outcome, attempt) {
            (Ok(()), Some(attempt)) => self.end(attempt, End::Acknowledged),
            (Ok(()), None) => self.recorder.problem("a closure was not called".to_owned()),
            (Err(error), attempt) => {
                if error.is_conflict() {
                    self.recorder.problem(format!("a conflict reached the caller: {error}"));
                }
                self.fail(attempt, "a retried transaction", &error);
            }
        }
    }

    async fn all_steps(&self, attempt: usize, tx: &mut Transaction, plan: &TxPlan) -> Result<()> {
        self.steps(attempt, tx, &plan.ops).await?;
        if plan.writes() {
            let mark = self.recorder.records().attempts[attempt].number;
            let mark = Op::Mark { attempt: mark, client: self.number as i64 };
            self.steps(attempt, tx, &[mark]).await?;
        }
        self.recorder.records().asks(attempt);
        Ok(())
    }

    async fn steps(&self, attempt: usize, tx: &mut Transaction, ops: &[Op]) -> Result<()> {
        let mut savepoints = Vec::new();
        let yields = {
            let records = self.recorder.records();
            records.attempts[attempt].plan.as_ref().is_some_and(|plan| plan.yields)
        };
        for op in ops {
            if yields {
                give_way().await;
            }
            let (number, step) = {
                let records = self.recorder.records();
                let attempt = &records.attempts[attempt];
                (attempt.number, attempt.steps.len() as i64)
            };
            let w = writer(number, step as usize);
            let outcome = match op {
                Op::Savepoint => {
                    savepoints.push(tx.savepoint());
                    Outcome::Nothing
                }
                Op::RollbackTo { at } => match savepoints.get(*at) {
                    Some(savepoint) => {
                        tx.rollback_to(*savepoint)?;
                        savepoints.truncate(at + 1);
                        Outcome::Nothing
                    }
                    None => Outcome::Refused,
                },
                Op::Release { at } => match savepoints.get(*at) {
                    Some(savepoint) => {
                        tx.release(*savepoint)?;
                        savepoints.truncate(*at);
                        Outcome::Nothing
                    }
                    None => Outcome::Refused,
                },
                Op::Pause { micros } => {
                    self.rest(*micros).await;
                    Outcome::Nothing
                }
                _ => match carry_out(tx, op, w).await {
                    Ok(outcome) => outcome,
                    Err(error) if refuses(&error) => Outcome::Refused,
                    Err(error) => return Err(error),
                },
            };
            self.recorder.records().attempts[attempt].steps.push((op.clone(), outcome));
        }
        Ok(())
    }
}

/// Lets whoever is ready run first, perhaps.
async fn give_way() {
    let mut gave = false;
    std::future::poll_fn(|cx| {
        if gave {
            return Poll::Ready(());
        }
        gave = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What the rows of one step say of their writer.
pub fn writer(attempt: i64, step: usize) -> i64 {
    attempt * 1000 + step as i64
}

fn options(plan: &TxPlan) -> TxOptions {
    let (isolation, mode, durability) = (plan.isolation, plan.mode, plan.durability);
    TxOptions { isolation, mode, durability, ..TxOptions::default() }
}

/// Whether an error is an answer, after which the transaction goes on.
fn refuses(error: &Error) -> bool {
    matches!(
        error,
        Error::Constraint(_)
            | Error::NoSuchTable { .. }
            | Error::NoSuchIndex { .. }
            | Error::AlreadyExists { .. }
    )
}

fn way(backward: bool) -> Direction {
    if backward { Direction::Descending } else { Direction::Ascending }
}

async fn carry_out(tx: &mut Transaction, op: &Op, w: i64) -> Result<Outcome> {
    let values = |id: Value, k: &Option<i64>, n: &Option<i64>, len: usize| {
        vec![id, int(*k), int(*n), Value::Text(body(w, len)), Value::Integer(w)]
    };
    match op {
        Op::Insert { k, n, len } => {
            let id = tx.table("t")?.insert(values(Value::Null, k, n, *len)).await?;
            Ok(Outcome::Inserted(id.0))
        }
        Op::InsertAt { id, k, n, len } => {
            tx.table("t")?.insert(values(Value::Integer(*id), k, n, *len)).await?;
            Ok(Outcome::Inserted(*id))
        }
        Op::Update { id, k, n, len } => {
            let row = values(Value::Integer(*id), k, n, *len);
            Ok(Outcome::Found(tx.table("t")?.update(RowId(*id), row).await?))
        }
        Op::Bump { id } => {
            let mut table = tx.table("t")?;
            let Some(row) = table.get(RowId(*id)).await? else { return Ok(Outcome::Found(false)) };
            let n = bumped(&row.value("n")?.to_owned());
            drop(row);
            Ok(Outcome::Found(table.set(RowId(*id), &[("n", &n), ("w", &w)]).await?))
        }
        Op::Move { id, to } => {
            let mut table = tx.table("t")?;
            Ok(Outcome::Found(table.set(RowId(*id), &[("id", to), ("w", &w)]).await?))
        }
        Op::Delete { id } => Ok(Outcome::Found(tx.table("t")?.delete(RowId(*id)).await?)),
        Op::PutText { a, v } => {
            let mut table = tx.table("u")?;
            let key = text_key(*a);
            let row = (key.as_str(), *v, w);
            if !table.update_key((key.as_str(),), row).await? {
                table.insert(row).await?;
            }
            Ok(Outcome::Nothing)
        }
        Op::DeleteText { a } => {
            Ok(Outcome::Found(tx.table("u")?.delete_key((text_key(*a),)).await?))
        }
        Op::Mark { attempt, client } => {
            tx.table("marks")?.insert((*attempt, *client)).await?;
            Ok(Outcome::Nothing)
        }
        Op::CreateSide { .. }
        | Op::DropSide { .. }
        | Op::WidenSide { .. }
        | Op::InsertSide { .. }
        | Op::DeleteSide { .. }
        | Op::CreateIndex
        | Op::DropIndex
        | Op::Setup => define(tx, op).await,
        Op::CreateAuto
        | Op::DropAuto
        | Op::InsertAuto { .. }
        | Op::InsertAutoAt { .. }
        | Op::DeleteAuto { .. } => auto(tx, op).await,
        _ => read(tx, op).await.map(Outcome::Rows),
    }
}

async fn define(tx: &mut Transaction, op: &Op) -> Result<Outcome> {
    match op {
        Op::Setup => {
            for (_, sql, _) in TABLES {
                tx.create_table(sql).await?;
            }
            for (_, sql) in INDEXES {
                tx.create_index(sql).await?;
            }
        }
        Op::CreateSide { side } => tx.create_table(&side_sql(*side)).await?,
        Op::DropSide { side } => tx.drop_table(&side_name(*side)).await?,
        Op::WidenSide { side } => {
            let name = side_name(*side);
            let width = tx.table(&name)?.columns().count();
            if width >= crate::workload::WIDEST {
                return Ok(Outcome::Refused);
            }
            let column = format!("e{width} INT DEFAULT {}", crate::state::DEFAULT);
            tx.add_column(&name, &column).await?;
        }
        Op::InsertSide { side, v } => {
            let mut table = tx.table(&side_name(*side))?;
            let mut row = vec![Value::Integer(*v); table.columns().count()];
            row[0] = Value::Null;
            return Ok(Outcome::Inserted(table.insert(row).await?.0));
        }
        Op::DeleteSide { side, id } => {
            let mut table = tx.table(&side_name(*side))?;
            return Ok(Outcome::Found(table.delete(RowId(*id)).await?));
        }
        Op::CreateIndex => tx.create_index(LATE_INDEX.1).await?,
        _ => tx.drop_index(LATE_INDEX.0).await?,
    }
    Ok(Outcome::Nothing)
}

async fn auto(tx: &mut Transaction, op: &Op) -> Result<Outcome> {
    let (id, v) = match op {
        Op::CreateAuto => {
            tx.create_table(AUTO.1).await?;
            return Ok(Outcome::Nothing);
        }
        Op::DropAuto => {
            tx.drop_table(AUTO.0).await?;
            return Ok(Outcome::Nothing);
        }
        Op::DeleteAuto { id } => {
            return Ok(Outcome::Found(tx.table(AUTO.0)?.delete(RowId(*id)).await?));
        }
        Op::InsertAutoAt { id, v } => (Value::Integer(*id), *v),
        Op::InsertAuto { v } => (Value::Null, *v),
        _ => return Ok(Outcome::Nothing),
    };
    let inserted = tx.table(AUTO.0)?.insert(vec![id, Value::Integer(v)]).await?;
    Ok(Outcome::Inserted(inserted.0))
}

async fn read(tx: &mut Transaction, op: &Op) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    match op {
        Op::Get { id } => {
            let mut table = tx.table("t")?;
            if let Some(row) = table.get(RowId(*id)).await? {
                rows.push(row.values()?);
            }
        }
        Op::ByKey { k } => {
            let mut table = tx.table("t")?;
            if let Some(row) = table.index("t_k")?.get((*k,)).await? {
                rows.push(row.values()?);
            }
        }
        Op::GetText { a } => {
            let mut table = tx.table("u")?;
            if let Some(row) = table.get_key((text_key(*a),)).await? {
                rows.push(row.values()?);
            }
        }
        Op::Scan { from, to, limit, backward } => {
            let mut table = tx.table("t")?;
            let range = RowId(*from)..=RowId((*to).max(*from));
            take(&mut table.scan(range, way(*backward))?, *limit, &mut rows).await?;
        }
        Op::Max => {
            let mut table = tx.table("t")?;
            take(&mut table.scan(.., Direction::Descending)?, 1, &mut rows).await?;
        }
        Op::ByNumber { from, to, limit, backward } => {
            let mut table = tx.table("t")?;
            let mut index = table.index("t_n")?;
            let (from, to) = (Bound::Included((*from,)), Bound::Included((*to,)));
            take(&mut index.range(from, to, way(*backward))?, *limit, &mut rows).await?;
        }
        Op::ByWriter { limit } => {
            let mut table = tx.table("t")?;
            let mut index = table.index(LATE_INDEX.0)?;
            take(&mut index.scan([0_i64; 0], Direction::Descending)?, *limit, &mut rows).await?;
        }
        Op::ScanText { limit, backward } => {
            let mut table = tx.table("u")?;
            take(&mut table.scan_key([0_i64; 0], way(*backward))?, *limit, &mut rows).await?;
        }
        Op::ScanAuto | Op::ScanSequence => {
            let name = if *op == Op::ScanAuto { AUTO.0 } else { SEQUENCE };
            let mut table = tx.table(name)?;
            let mut scan = table.scan(.., Direction::Ascending)?;
            take(&mut scan, usize::MAX, &mut rows).await?;
        }
        Op::ScanSide { side } => {
            let mut table = tx.table(&side_name(*side))?;
            let mut scan = table.scan(.., Direction::Ascending)?;
            take(&mut scan, usize::MAX, &mut rows).await?;
        }
        _ => {}
    }
    Ok(rows)
}

/// The next rows of a scan.
pub async fn take(
    scan: &mut heddle_engine::Scan<'_>,
    limit: usize,
    rows: &mut Vec<Row>,
) -> Result<()> {
    while rows.len() < limit
        && let Some(row) = scan.next().await?
    {
        rows.push(row.values()?);
    }
    Ok(())
}

/// Makes the tables of a new database: one more attempt, of a client with a number of its own.
pub async fn setup(client: &Client) -> Result<()> {
    let mut tx = client.db.begin().await?;
    if tx.table_names().iter().any(|name| name == "marks") {
        return Ok(());
    }
    let plan = Arc::new(TxPlan {
        isolation: heddle_engine::Isolation::Serializable,
        mode: Mode::Optimistic,
        durability: None,
        ops: vec![Op::Setup],
        end: TxEnd::Commit,
        cancel: None,
        yields: false,
        retried: false,
    });
    let attempt = client.begin(Some(&plan), &mut tx);
    client.all_steps(attempt, &mut tx, &plan).await?;
    tx.commit().await?;
    client.end(attempt, End::Acknowledged);
    Ok(())
}
