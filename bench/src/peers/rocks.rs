//! RocksDB's optimistic transactions, with a synced log.
//!
//! Reads of a transaction are `get_for_update`, which is what makes its commit check them.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, Direction, ErrorKind, IteratorMode,
    OptimisticTransactionDB, OptimisticTransactionOptions, Options, SnapshotWithThreadMode,
    Transaction, WriteOptions,
};

use super::keyvalue::{Read, Space, Store, Write};
use crate::peer::{CACHE_BYTES, Retries, Upkeep};

type Db = OptimisticTransactionDB;

#[derive(Clone)]
pub struct Rocks(Arc<Db>);

fn space_of(db: &Db, space: Space) -> Result<&rocksdb::ColumnFamily> {
    db.cf_handle(space.name()).context("a column family is missing")
}

impl Store for Rocks {
    fn open(at: &Path, _: Upkeep) -> Result<Self> {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_block_based_table_factory(&blocks);
        options.set_max_background_jobs(2);
        let spaces = Space::ALL.map(|s| ColumnFamilyDescriptor::new(s.name(), options.clone()));
        Ok(Rocks(Arc::new(Db::open_cf_descriptors(&options, at, spaces)?)))
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Write) -> Result<()>) -> Result<Retries> {
        let mut write = WriteOptions::default();
        write.set_sync(true);
        let mut optimistic = OptimisticTransactionOptions::default();
        optimistic.set_snapshot(true);
        let mut retries = 0;
        loop {
            let tx = self.0.transaction_opt(&write, &optimistic);
            let mut writing = Writing { db: &self.0, tx };
            work(&mut writing)?;
            match writing.tx.commit() {
                Ok(()) => return Ok(retries),
                Err(e) if matches!(e.kind(), ErrorKind::Busy | ErrorKind::TryAgain) => retries += 1,
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn read(&self, work: &mut dyn FnMut(&dyn Read) -> Result<()>) -> Result<()> {
        work(&Reading { db: &self.0, snapshot: self.0.snapshot() })
    }

    fn walk(&self, from: &[u8], see: &mut dyn FnMut(&[u8]) -> bool) -> Result<()> {
        let rows = space_of(&self.0, Space::Rows)?;
        for entry in self.0.iterator_cf(rows, IteratorMode::From(from, Direction::Forward)) {
            if !see(&entry?.1) {
                break;
            }
        }
        Ok(())
    }
}

struct Reading<'t> {
    db: &'t Db,
    snapshot: SnapshotWithThreadMode<'t, Db>,
}

struct Writing<'t> {
    db: &'t Db,
    tx: Transaction<'t, Db>,
}

impl Read for Reading<'_> {
    fn get(&self, space: Space, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let found = self.snapshot.get_pinned_cf(space_of(self.db, space)?, key)?;
        Ok(found.map(|value| see(&value)).is_some())
    }
}

impl Read for Writing<'_> {
    fn get(&self, space: Space, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let found = self.tx.get_for_update_cf(space_of(self.db, space)?, key, true)?;
        Ok(found.map(|value| see(&value)).is_some())
    }
}

impl Write for Writing<'_> {
    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.tx.put_cf(space_of(self.db, space)?, key, value)?)
    }
}
