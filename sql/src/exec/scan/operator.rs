//! The scan at work: spans of keys walked, rows looked up and decoded.
//!
//! # Invariant
//! - S1: reading goes on in place for as long as what is read lies in memory; only else is anything awaited.

use std::collections::HashSet;

use async_trait::async_trait;
use bytes::Bytes;
use heddle_btree::key::{encode_rowid, encode_values};
use heddle_btree::record::Record;
use heddle_btree::text::Encoding;
use heddle_btree::value::ValueRef;
use heddle_engine::raw::{Cursor, Step, Tree};
use heddle_engine::{Direction, Transaction};

use super::access::{AccessCode, Span};
use super::decode::{Decoder, integer_at, malformed};
use super::{Lookup, Walked, finds_twice};
use crate::exec::Batch;
use crate::exec::batch::BatchBuilder;
use crate::exec::context::Context;
use crate::exec::operator::Operator;
use crate::plan;
use crate::schema::DatabaseIndex;
use crate::{Error, Result};

/// Rows of a scan's first batch: few, for who wants only few.
const FIRST_ROWS: usize = 16;

/// See the module.
pub(crate) struct Scan {
    database: DatabaseIndex,
    access: AccessCode,
    /// The table's tree first, then those of indexes.
    walked: Vec<Walked>,
    /// For the table's records.
    decoder: Decoder,
    direction: Direction,
    /// Keys of rows given, if a row can be found twice.
    seen: Option<HashSet<Bytes, foldhash::fast::FixedState>>,
    out: BatchBuilder,
    encoding: Encoding,
    /// Spans to be walked, the next one last; `None` before it has begun.
    spans: Option<Vec<Span>>,
    /// In which tree, and where.
    walk: Option<(usize, Cursor)>,
    rows_wanted: usize,
}

impl Scan {
    pub(super) fn new(
        scan: &plan::Scan,
        access: AccessCode,
        walked: Vec<Walked>,
        decoder: Decoder,
        width: usize,
    ) -> Scan {
        let direction = match scan.backward {
            false => Direction::Ascending,
            true => Direction::Descending,
        };
        Scan {
            database: scan.database,
            access,
            walked,
            decoder,
            direction,
            seen: finds_twice(&scan.access).then(HashSet::default),
            out: BatchBuilder::new(width),
            encoding: Encoding::Utf8,
            spans: None,
            walk: None,
            rows_wanted: FIRST_ROWS,
        }
    }

    /// Back to the start, with the registers that are set now; rows read before stay until they are taken.
    pub(crate) fn begin(&mut self) {
        self.spans = None;
        self.walk = None;
        if let Some(seen) = &mut self.seen {
            seen.clear();
        }
    }

    /// Reads on until there are so many rows; whether there are no more.
    ///
    /// # Errors
    /// What reading or evaluating meets.
    pub(crate) async fn read_on(&mut self, rows: usize, cx: &mut Context<'_>) -> Result<bool> {
        if self.spans.is_none() {
            self.start(cx).await?;
        }
        self.rows_wanted = rows;
        let tx = cx.resources.transaction(self.database)?;
        self.fill(tx).await?;
        Ok(self.walk.is_none() && self.spans.as_ref().is_none_or(Vec::is_empty))
    }

    /// How many rows were read.
    pub(crate) fn rows(&self) -> usize {
        self.out.rows()
    }

    /// The rows that were read, leaving none.
    pub(crate) fn take(&mut self) -> Batch {
        self.out.take()
    }

    async fn start(&mut self, cx: &mut Context<'_>) -> Result<()> {
        self.encoding = cx.resources.transaction(self.database)?.encoding();
        let mut spans = Vec::new();
        self.access.spans(&self.walked, self.encoding, cx, &mut spans).await?;
        if self.direction == Direction::Ascending {
            spans.reverse();
        }
        self.spans = Some(spans);
        Ok(())
    }

    /// Reads on until the batch is full or nothing is left.
    async fn fill(&mut self, tx: &mut Transaction) -> Result<()> {
        let (Some(spans), walk) = (&mut self.spans, &mut self.walk) else { return Ok(()) };
        let mut rows = Rows {
            decoder: &self.decoder,
            table: self.walked.first().map(|walked| &walked.tree),
            seen: &mut self.seen,
            out: &mut self.out,
            encoding: self.encoding,
        };
        while rows.out.rows() < self.rows_wanted {
            let Some((tree, cursor)) = walk else {
                match spans.pop() {
                    None => break,
                    Some(Span::Rowid(rowid)) => {
                        rows.look_up(tx, &encode_rowid(rowid), true).await?
                    }
                    Some(Span::Keys { tree, from, to }) => {
                        let Some(walked) = self.walked.get(tree) else { break };
                        let cursor = tx.cursor(&walked.tree, from, to, self.direction);
                        *walk = Some((tree, cursor));
                    }
                }
                continue;
            };
            let there = match cursor.try_step(tx)? {
                Step::Row(()) => true,
                Step::End => false,
                Step::NeedsIo => cursor.step(tx).await?,
            };
            let (true, Some(walked)) = (there, self.walked.get(*tree)) else {
                *walk = None;
                continue;
            };
            match &walked.lookup {
                Lookup::Here(decoder) => rows.take(decoder, cursor)?,
                Lookup::Rowid(place) => {
                    let rowid = integer_at(cursor.record().unwrap_or_default(), *place)?;
                    rows.look_up(tx, &encode_rowid(rowid), false).await?;
                }
                Lookup::PrimaryKey(places) => {
                    let record = cursor.record().unwrap_or_default();
                    let key = rows.primary_key(record, places)?;
                    rows.look_up(tx, &key, false).await?;
                }
            }
        }
        Ok(())
    }
}

/// Where rows go.
struct Rows<'a> {
    decoder: &'a Decoder,
    table: Option<&'a Tree>,
    seen: &'a mut Option<HashSet<Bytes, foldhash::fast::FixedState>>,
    out: &'a mut BatchBuilder,
    encoding: Encoding,
}

impl Rows<'_> {
    /// Takes the row that a cursor is on.
    #[inline]
    fn take(&mut self, decoder: &Decoder, cursor: &Cursor) -> Result<()> {
        if let Some(seen) = self.seen
            && let Some(key) = cursor.key()
            && !seen.insert(Bytes::copy_from_slice(key))
        {
            return Ok(());
        }
        match cursor.row() {
            Some((rowid, record)) => decoder.decode(Some(rowid), record, self.encoding, self.out),
            None => {
                let record = cursor.record().unwrap_or_default();
                decoder.decode(None, record, self.encoding, self.out)
            }
        }
    }

    /// Takes the table's row of a key; `asked`: it may not be there.
    async fn look_up(&mut self, tx: &mut Transaction, key: &[u8], asked: bool) -> Result<()> {
        let Some(table) = self.table else { return Ok(()) };
        if let Some(seen) = self.seen
            && !seen.insert(Bytes::copy_from_slice(key))
        {
            return Ok(());
        }
        let rowid = heddle_btree::key::decode_rowid(key).filter(|_| table.is_table());
        let (decoder, encoding, out) = (self.decoder, self.encoding, &mut *self.out);
        let step =
            tx.try_read_with(table, key, |record| decoder.decode(rowid, record, encoding, out))?;
        let found = match step {
            Step::Row(found) => found.transpose()?.is_some(),
            _ => match tx.read(table, key).await? {
                Some(record) => {
                    decoder.decode(rowid, &record, encoding, out)?;
                    true
                }
                None => false,
            },
        };
        match found || asked {
            true => Ok(()),
            false => {
                Err(Error::sql("database disk image is malformed: an index entry without row"))
            }
        }
    }

    /// The key of the table's row that an index's record names.
    fn primary_key(&self, record: &[u8], places: &[usize]) -> Result<Vec<u8>> {
        let Some(shape) = self.table.and_then(Tree::shape) else {
            return Err(Error::sql("what orders a table is not known"));
        };
        let record = Record::parse(record).map_err(malformed)?;
        let mut values = Vec::with_capacity(places.len());
        for place in places {
            let value = record.column(*place).map_err(malformed)?;
            values.push(value.unwrap_or(ValueRef::Null));
        }
        let mut key = Vec::new();
        encode_values(shape, values, &mut key);
        Ok(key)
    }
}

#[async_trait]
impl Operator for Scan {
    fn open(&mut self) {
        self.begin();
        self.rows_wanted = FIRST_ROWS;
    }

    async fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        cx.check_interrupt()?;
        if self.spans.is_none() {
            self.start(cx).await?;
        }
        let tx = cx.resources.transaction(self.database)?;
        self.fill(tx).await?;
        self.rows_wanted = (self.rows_wanted * 4).min(Batch::ROWS);
        Ok((self.out.rows() > 0).then(|| self.out.take()))
    }
}
