//! fjall: a log-structured tree with optimistic, serializable transactions.
//!
//! Each commit asks for `PersistMode::SyncData`, the cheaper of its two durable modes.

use std::path::Path;

use anyhow::Result;
use fjall::{
    KeyspaceCreateOptions, OptimisticTxDatabase, OptimisticTxKeyspace, OptimisticWriteTx,
    PersistMode, Readable, Snapshot,
};

use super::keyvalue::{Read, Space, Store, Write};
use crate::peer::{CACHE_BYTES, Retries, Upkeep};

#[derive(Clone)]
pub struct Fjall {
    db: OptimisticTxDatabase,
    spaces: [OptimisticTxKeyspace; Space::ALL.len()],
}

impl Store for Fjall {
    fn open(at: &Path, _: Upkeep) -> Result<Self> {
        let db = OptimisticTxDatabase::builder(at).cache_size(CACHE_BYTES as u64).open()?;
        let make = |space: Space| db.keyspace(space.name(), KeyspaceCreateOptions::default);
        let spaces = [
            make(Space::Rows)?,
            make(Space::People)?,
            make(Space::PeopleByName)?,
            make(Space::PeopleByTeam)?,
        ];
        Ok(Fjall { db, spaces })
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Write) -> Result<()>) -> Result<Retries> {
        let mut retries = 0;
        loop {
            let tx = self.db.write_tx()?.durability(Some(PersistMode::SyncData));
            let mut writing = Writing { spaces: &self.spaces, tx };
            work(&mut writing)?;
            match writing.tx.commit()? {
                Ok(()) => return Ok(retries),
                Err(_conflict) => retries += 1,
            }
        }
    }

    fn read(&self, work: &mut dyn FnMut(&dyn Read) -> Result<()>) -> Result<()> {
        work(&Reading { spaces: &self.spaces, snapshot: self.db.read_tx() })
    }

    fn walk(&self, from: &[u8], see: &mut dyn FnMut(&[u8]) -> bool) -> Result<()> {
        let snapshot = self.db.read_tx();
        for entry in snapshot.range(self.spaces[Space::Rows as usize].inner(), from..) {
            if !see(&entry.into_inner()?.1) {
                break;
            }
        }
        Ok(())
    }
}

struct Reading<'t> {
    spaces: &'t [OptimisticTxKeyspace],
    snapshot: Snapshot,
}

struct Writing<'t> {
    spaces: &'t [OptimisticTxKeyspace],
    tx: OptimisticWriteTx,
}

impl Read for Reading<'_> {
    fn get(&self, space: Space, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let found = self.snapshot.get(self.spaces[space as usize].inner(), key)?;
        Ok(found.map(|value| see(&value)).is_some())
    }
}

impl Read for Writing<'_> {
    fn get(&self, space: Space, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let found = self.tx.get(self.spaces[space as usize].inner(), key)?;
        Ok(found.map(|value| see(&value)).is_some())
    }
}

impl Write for Writing<'_> {
    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<()> {
        self.tx.insert(self.spaces[space as usize].inner(), key, value);
        Ok(())
    }
}
