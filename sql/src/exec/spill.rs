//! Rows sorted beyond what memory is allowed to hold: sorted runs in a temporary file, merged as they are read.
//!
//! The file is the database's own kind ([`heddle_engine::Transaction::temporary_file`]): without a name, beside the database, in memory for a
//! database in memory. An entry of a run is the lengths of its key and its record, then both.
//!
//! # Invariants
//! - S1: rows with equal keys come in the order they were pushed in, in memory or not.
//! - S2: a user's collation has no keys that compare as bytes; such rows stay in memory.
//! - S3: what is in memory while rows are pushed is within the budget of [`super::Resources::memory_budget`], but for one batch; while they are read it is
//!   [`READ`] bytes for each run.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use heddle_btree::record::{self, Record};
use heddle_io::{File, IoBuf};
use heddle_value::Value;

use super::batch::BatchBuilder;
use super::context::Context;
use super::keys::OrderPart;
use super::sort::RowKeys;
use super::{Batch, Vector};
use crate::{Error, Result};

/// Bytes written at once.
const WRITE: usize = 1 << 20;
/// Bytes read at once.
const READ: usize = 256 << 10;

/// A run: where its entries are in the file.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: u64,
    end: u64,
}

/// Takes rows with their keys, and gives them back in order.
pub(crate) struct Sorter {
    keys: RowKeys,
    rows: BatchBuilder,
    width: usize,
    /// Bytes of `rows`, about.
    bytes: usize,
    runs: Vec<Run>,
    file: Option<Arc<dyn File>>,
    /// Where the file ends.
    end: u64,
    /// Whether there can be no file: then all stays in memory.
    fileless: bool,
    /// Rows with a key that is not below this one are not wanted.
    limit: Option<Vec<u8>>,
}

impl Sorter {
    /// For rows of so many columns.
    pub(crate) fn new(parts: &[OrderPart], width: usize) -> Sorter {
        Sorter {
            keys: RowKeys::new(parts),
            rows: BatchBuilder::new(width),
            width,
            bytes: 0,
            runs: Vec::new(),
            file: None,
            end: 0,
            fileless: false,
            limit: None,
        }
    }

    /// Forgets all rows.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        drop(self.rows.take());
        self.bytes = 0;
        self.runs.clear();
        self.file = None;
        self.end = 0;
        self.limit = None;
    }

    /// How many rows are in memory.
    pub(crate) fn in_memory(&self) -> usize {
        self.rows.rows()
    }

    /// Takes rows; `keys` are the values of their keys.
    ///
    /// # Errors
    /// What writing the temporary file meets.
    pub(crate) async fn push(
        &mut self,
        keys: &[Vector],
        rows: &Batch,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        match &self.limit {
            Some(limit) => {
                let kept = self.keys.push_below(keys, rows.rows(), limit);
                if kept.is_empty() {
                    return Ok(());
                }
                let rows = rows.select(&kept);
                self.rows.push_batch(&rows);
                self.bytes += rows.bytes();
            }
            None => {
                self.keys.push(keys, rows.rows());
                self.rows.push_batch(rows);
                self.bytes += rows.bytes();
            }
        }
        let over = self.bytes + self.keys.bytes() > cx.resources.memory_budget;
        if over && self.keys.are_bytes() && !self.fileless {
            self.write_run(cx).await?;
        }
        Ok(())
    }

    /// The rows in memory came in order and are all that is wanted so far: later rows that do not come before the last of them
    /// are dropped.
    pub(crate) fn limit_to_last(&mut self) {
        if let Some(last) = (self.rows.rows() as u32).checked_sub(1)
            && self.keys.are_bytes()
            && self.runs.is_empty()
        {
            self.limit = Some(self.keys.key(last).to_vec());
        }
    }

    /// Keeps only the first rows of those in memory, and gives them, in order, to be pushed again.
    pub(crate) fn cut(&mut self, most: usize) -> Batch {
        self.limit = None;
        let mut sorted = self.keys.sorted();
        sorted.truncate(most);
        self.bytes = 0;
        self.rows.take().select(&sorted)
    }

    /// The file; `None` if none can be made, as in a directory that is not ours to write.
    async fn file(&mut self, cx: &mut Context<'_>) -> Option<Arc<dyn File>> {
        if self.file.is_none() {
            let opening = cx.resources.transactions.iter().flatten().next()?.temporary_file();
            self.file = opening.await.ok();
        }
        self.file.clone()
    }

    /// Writes what is in memory to the file.
    async fn write_run(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let Some(file) = self.file(cx).await else {
            self.fileless = true;
            return Ok(());
        };
        let order = self.keys.order();
        let rows = self.rows.take();
        let start = self.end;
        let mut out: Vec<u8> = Vec::with_capacity(WRITE + 4096);
        for (number, row) in order.iter().enumerate() {
            let values: Vec<Value> = rows.row(*row as usize);
            push_entry(self.keys.key(*row), &values, &mut out)?;
            if out.len() >= WRITE || number + 1 == order.len() {
                let (written, _) = file.write_at(IoBuf::copy_of(&out), self.end).await;
                written.map_err(heddle_engine::Error::from)?;
                self.end += out.len() as u64;
                out.clear();
                cx.check_interrupt()?;
            }
        }
        self.keys.clear();
        self.bytes = 0;
        self.runs.push(Run { start, end: self.end });
        Ok(())
    }

    /// The rows in order.
    ///
    /// # Errors
    /// What the temporary file meets.
    pub(crate) async fn finish(&mut self, cx: &mut Context<'_>) -> Result<Sorted> {
        if self.runs.is_empty() {
            let order = self.keys.sorted();
            self.bytes = 0;
            return Ok(Sorted::Memory { rows: self.rows.take(), order, given: 0 });
        }
        if self.rows.rows() > 0 {
            self.write_run(cx).await?;
        }
        let Some(file) = self.file.take() else { return Err(Error::sql("a run without file")) };
        let mut merge = Merge { file, readers: Vec::new(), heads: BinaryHeap::new() };
        for run in self.runs.drain(..) {
            let reader = Reader { at: run.start, end: run.end, buffer: Vec::new(), used: 0 };
            merge.readers.push(reader);
            merge.advance(merge.readers.len() - 1).await?;
        }
        self.end = 0;
        Ok(Sorted::Merged { merge, width: self.width })
    }
}

/// Appends an entry.
fn push_entry(key: &[u8], values: &[Value], out: &mut Vec<u8>) -> Result<()> {
    let start = out.len();
    out.extend([0; 8]);
    out.extend_from_slice(key);
    let at = out.len();
    record::encode(values.iter().map(Value::as_ref), out).map_err(|_| Error::TooBig)?;
    let lengths = [key.len(), out.len() - at].map(u32::try_from);
    let [Ok(key), Ok(record)] = lengths else { return Err(Error::TooBig) };
    if let Some(header) = out.get_mut(start..start + 8) {
        let (first, second) = header.split_at_mut(4);
        first.copy_from_slice(&key.to_le_bytes());
        second.copy_from_slice(&record.to_le_bytes());
    }
    Ok(())
}

/// Rows in order.
pub(crate) enum Sorted {
    Memory { rows: Batch, order: Vec<u32>, given: usize },
    Merged { merge: Merge, width: usize },
}

impl Sorted {
    /// The next rows; `None` at the end.
    ///
    /// # Errors
    /// What the temporary file meets.
    pub(crate) async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        match self {
            Sorted::Memory { rows, order, given } => {
                let rest = order.get(*given..).unwrap_or_default();
                let chunk = rest.get(..rest.len().min(Batch::ROWS)).unwrap_or_default();
                *given += chunk.len();
                Ok((!chunk.is_empty()).then(|| rows.select(chunk)))
            }
            Sorted::Merged { merge, width } => {
                cx.check_interrupt()?;
                let mut out = BatchBuilder::new(*width);
                while out.rows() < Batch::ROWS
                    && let Some(record) = merge.next().await?
                {
                    push_record(&record, *width, &mut out)?;
                }
                Ok((out.rows() > 0).then(|| out.take()))
            }
        }
    }
}

fn push_record(bytes: &[u8], width: usize, out: &mut BatchBuilder) -> Result<()> {
    let record = Record::parse(bytes).map_err(|_| damaged())?;
    let mut columns = record.columns();
    for slot in 0..width {
        let value = columns.next_value().map_err(|_| damaged())?.ok_or_else(damaged)?;
        if let Some(column) = out.column(slot) {
            column.push_ref(value);
        }
    }
    out.pushed();
    Ok(())
}

fn damaged() -> Error {
    Error::sql("a temporary file is damaged")
}

/// A run being read.
struct Reader {
    /// Where in the file the bytes after the buffer's begin.
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    /// How many of the buffer's bytes were given.
    used: usize,
}

impl Reader {
    /// The next so many bytes, from the file if need be; `None` at the end.
    async fn take(&mut self, file: &Arc<dyn File>, len: usize) -> Result<Option<&[u8]>> {
        let there = self.buffer.len() - self.used;
        if there < len {
            self.buffer.drain(..self.used);
            self.used = 0;
            let rest = self.end - self.at;
            let missing = len - there;
            if there == 0 && rest == 0 {
                return Ok(None);
            }
            let wanted = u64::try_from(missing.max(READ)).unwrap_or(u64::MAX).min(rest) as usize;
            if wanted < missing {
                return Err(damaged());
            }
            let (read, buf) = file.read_at(IoBuf::zeroed(wanted), self.at).await;
            if read.map_err(heddle_engine::Error::from)? != wanted {
                return Err(damaged());
            }
            self.buffer.extend_from_slice(&buf);
            self.at += wanted as u64;
        }
        let bytes = self.buffer.get(self.used..self.used + len);
        self.used += len;
        Ok(bytes)
    }
}

/// The next entry of a run; of equal keys that of the earlier run comes first.
struct Head {
    key: Vec<u8>,
    run: usize,
    record: Vec<u8>,
}

impl Ord for Head {
    fn cmp(&self, other: &Head) -> Ordering {
        self.key.cmp(&other.key).then(self.run.cmp(&other.run))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Head) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

/// Runs being merged.
pub(crate) struct Merge {
    file: Arc<dyn File>,
    readers: Vec<Reader>,
    heads: BinaryHeap<Reverse<Head>>,
}

impl Merge {
    /// The record of the next row.
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(Reverse(head)) = self.heads.pop() else { return Ok(None) };
        self.advance(head.run).await?;
        Ok(Some(head.record))
    }

    /// Puts the next entry of a run among the heads.
    async fn advance(&mut self, run: usize) -> Result<()> {
        let Some(reader) = self.readers.get_mut(run) else { return Ok(()) };
        let Some(lengths) = reader.take(&self.file, 8).await? else { return Ok(()) };
        let (first, second) = lengths.split_at(4);
        let length = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).unwrap_or(0) as usize;
        let (key, record) = (length(first), length(second));
        let entry = reader.take(&self.file, key + record).await?.ok_or_else(damaged)?;
        let (key, record) = entry.split_at_checked(key).ok_or_else(damaged)?;
        self.heads.push(Reverse(Head { key: key.to_vec(), run, record: record.to_vec() }));
        Ok(())
    }
}
