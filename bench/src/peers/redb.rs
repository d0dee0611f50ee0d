//! redb: one writer at a time, copy-on-write.
//!
//! `Durability::Immediate` (its default): a commit is synced before it returns.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use redb::{
    Builder, Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable,
    TableDefinition, WriteTransaction,
};

use super::keyvalue::{Read, Space, Store, Write};
use crate::peer::{CACHE_BYTES, Retries, Upkeep};

const fn table(space: Space) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    match space {
        Space::Rows => TableDefinition::new("rows"),
        Space::People => TableDefinition::new("people"),
        Space::PeopleByName => TableDefinition::new("people_name"),
        Space::PeopleByTeam => TableDefinition::new("people_team"),
    }
}

#[derive(Debug, Clone)]
pub struct Redb(Arc<Database>);

impl Store for Redb {
    fn open(at: &Path, _: Upkeep) -> Result<Self> {
        let db = Builder::new().set_cache_size(CACHE_BYTES).create(at.join("redb"))?;
        let tx = db.begin_write()?;
        for space in Space::ALL {
            tx.open_table(table(space))?;
        }
        tx.commit()?;
        Ok(Redb(Arc::new(db)))
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Write) -> Result<()>) -> Result<Retries> {
        let mut tx = self.0.begin_write()?;
        tx.set_durability(Durability::Immediate)?;
        let mut writing = Writing { tx: &tx, open: None };
        work(&mut writing)?;
        drop(writing);
        tx.commit()?;
        Ok(0)
    }

    fn read(&self, work: &mut dyn FnMut(&dyn Read) -> Result<()>) -> Result<()> {
        work(&Reading(self.0.begin_read()?))
    }

    fn walk(&self, from: &[u8], see: &mut dyn FnMut(&[u8]) -> bool) -> Result<()> {
        let rows = self.0.begin_read()?.open_table(table(Space::Rows))?;
        for entry in rows.range(from..)? {
            if !see(entry?.1.value()) {
                break;
            }
        }
        Ok(())
    }
}

struct Reading(ReadTransaction);

impl Read for Reading {
    fn get(&self, space: Space, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let found = self.0.open_table(table(space))?.get(key)?;
        Ok(found.map(|value| see(value.value())).is_some())
    }
}

type Rows<'t> = redb::Table<'t, &'static [u8], &'static [u8]>;

/// The table used last stays open, since opening one costs a look-up by name.
struct Writing<'t> {
    tx: &'t WriteTransaction,
    open: Option<(Space, Rows<'t>)>,
}

impl Writing<'_> {
    fn settle(&mut self, space: Space) -> Result<()> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != space) {
            self.open = None;
            self.open = Some((space, self.tx.open_table(table(space))?));
        }
        Ok(())
    }
}

impl Read for Writing<'_> {
    fn get(&self, space: Space, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let found = match &self.open {
            Some((open, rows)) if *open == space => rows.get(key)?.map(|v| see(v.value())),
            _ => self.tx.open_table(table(space))?.get(key)?.map(|v| see(v.value())),
        };
        Ok(found.is_some())
    }
}

impl Write for Writing<'_> {
    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<()> {
        self.settle(space)?;
        if let Some((_, rows)) = &mut self.open {
            rows.insert(key, value)?;
        }
        Ok(())
    }
}
