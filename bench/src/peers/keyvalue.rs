//! Tables and indexes over a store of ordered keys: how a program would keep our rows in LMDB, redb,
//! fjall or RocksDB.
//!
//! A row's key is its number, big-endian; its value is the counter (8 bytes) and the text. An index
//! is a space of its own, written in the same transaction.

use std::future::Future;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::data;
use crate::peer::{Peer, Person, Retries, Row, Session, Style, Upkeep};

/// The ordered spaces of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    Rows,
    People,
    PeopleByName,
    PeopleByTeam,
}

impl Space {
    pub const ALL: [Space; 4] =
        [Space::Rows, Space::People, Space::PeopleByName, Space::PeopleByTeam];

    pub fn name(self) -> &'static str {
        match self {
            Space::Rows => "rows",
            Space::People => "people",
            Space::PeopleByName => "people_name",
            Space::PeopleByTeam => "people_team",
        }
    }
}

/// Reads at one snapshot.
pub trait Read {
    /// Calls `see` with the value, if there is one.
    fn get(&self, space: Space, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool>;
}

/// Reads and writes of one transaction.
pub trait Write: Read {
    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<()>;
}

/// A store of ordered keys.
pub trait Store: Clone + Send + Sync + Sized + 'static {
    fn open(at: &Path, upkeep: Upkeep) -> Result<Self>;

    /// Runs `work` in a serializable transaction, again after each conflict, and returns once it is on disk.
    fn write(&self, work: &mut dyn FnMut(&mut dyn Write) -> Result<()>) -> Result<Retries>;

    /// Runs `work` at a snapshot.
    fn read(&self, work: &mut dyn FnMut(&dyn Read) -> Result<()>) -> Result<()>;

    /// Walks rows from a key on, at a snapshot, until `see` says `false`.
    fn walk(&self, from: &[u8], see: &mut dyn FnMut(&[u8]) -> bool) -> Result<()>;
}

/// A store as a peer.
#[derive(Debug, Clone)]
pub struct KeyValue<S>(S);

impl<S: Store> Peer for KeyValue<S> {
    type Session = KeyValueSession<S>;

    const STYLE: Style = Style::Threads;

    async fn open(at: &Path, upkeep: Upkeep) -> Result<Self> {
        Ok(KeyValue(S::open(at, upkeep)?))
    }

    async fn session(&self) -> Result<Self::Session> {
        Ok(KeyValueSession { store: self.0.clone(), buffer: Vec::new() })
    }

    fn load(&self, rows: i64) -> impl Future<Output = Result<()>> + Send {
        let result = self.0.write(&mut |tx| {
            let mut buffer = Vec::new();
            for row in data::loaded(rows) {
                tx.put(Space::Rows, &key(row.id), encode(&mut buffer, row.n, &row.body))?;
            }
            Ok(())
        });
        std::future::ready(result.map(drop))
    }

    async fn close(self) -> Result<()> {
        Ok(())
    }
}

/// A client of a store.
#[derive(Debug)]
pub struct KeyValueSession<S> {
    store: S,
    buffer: Vec<u8>,
}

fn key(id: i64) -> [u8; 8] {
    id.to_be_bytes()
}

fn encode<'b>(buffer: &'b mut Vec<u8>, n: i64, body: &str) -> &'b [u8] {
    buffer.clear();
    buffer.extend_from_slice(&n.to_le_bytes());
    buffer.extend_from_slice(body.as_bytes());
    buffer
}

fn counter(value: &[u8]) -> Option<i64> {
    value.first_chunk().map(|bytes| i64::from_le_bytes(*bytes))
}

/// Adds to a row's counter.
fn change(tx: &mut dyn Write, buffer: &mut Vec<u8>, id: i64, by: i64) -> Result<()> {
    let found = tx.get(Space::Rows, &key(id), &mut |value| {
        buffer.clear();
        buffer.extend_from_slice(value);
    })?;
    if !found {
        bail!("no row {id}");
    }
    let n = counter(buffer).context("a row too short")? + by;
    if let Some(bytes) = buffer.first_chunk_mut() {
        *bytes = n.to_le_bytes();
    }
    tx.put(Space::Rows, &key(id), buffer)
}

impl<S: Store> KeyValueSession<S> {
    fn add_person(&mut self, person: &Person) -> Result<Retries> {
        let buffer = &mut self.buffer;
        self.store.write(&mut |tx| {
            let name = person.name.as_bytes();
            if tx.get(Space::PeopleByName, name, &mut |_| {})? {
                bail!("the name {} is taken", person.name);
            }
            buffer.clear();
            buffer.extend_from_slice(&person.team.to_le_bytes());
            buffer.extend_from_slice(name);
            buffer.extend_from_slice(person.body.as_bytes());
            tx.put(Space::People, &key(person.id), buffer)?;
            tx.put(Space::PeopleByName, name, &key(person.id))?;
            let mut entry = [0; 16];
            entry[..8].copy_from_slice(&key(person.team));
            entry[8..].copy_from_slice(&key(person.id));
            tx.put(Space::PeopleByTeam, &entry, &[])
        })
    }
}

impl<S: Store> Session for KeyValueSession<S> {
    async fn insert(&mut self, rows: &[Row]) -> Result<Retries> {
        let buffer = &mut self.buffer;
        self.store.write(&mut |tx| {
            for row in rows {
                tx.put(Space::Rows, &key(row.id), encode(buffer, row.n, &row.body))?;
            }
            Ok(())
        })
    }

    async fn insert_person(&mut self, person: &Person) -> Result<Retries> {
        self.add_person(person)
    }

    async fn add(&mut self, id: i64, by: i64) -> Result<Retries> {
        let buffer = &mut self.buffer;
        self.store.write(&mut |tx| change(tx, buffer, id, by))
    }

    async fn transfer(&mut self, from: i64, to: i64, amount: i64) -> Result<Retries> {
        let buffer = &mut self.buffer;
        self.store.write(&mut |tx| {
            change(tx, buffer, from, -amount)?;
            change(tx, buffer, to, amount)
        })
    }

    async fn get(&mut self, id: i64) -> Result<Option<i64>> {
        let mut n = None;
        self.store.read(&mut |tx| {
            tx.get(Space::Rows, &key(id), &mut |value| n = counter(value))?;
            Ok(())
        })?;
        Ok(n)
    }

    async fn range(&mut self, from: i64, count: usize) -> Result<(u64, i64)> {
        let (mut seen, mut sum) = (0, 0);
        self.store.walk(&key(from), &mut |value| {
            seen += 1;
            sum += counter(value).unwrap_or(0);
            seen < count as u64
        })?;
        Ok((seen, sum))
    }
}
