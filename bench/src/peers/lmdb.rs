//! LMDB through heed: one writer at a time, readers in its memory map.
//!
//! Default flags: a commit is synced before it returns. Read transactions bound to their thread, the
//! faster kind.

use std::ops::Bound;
use std::path::Path;

use anyhow::Result;
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, RoTxn, RwTxn, WithTls};

use super::keyvalue::{Read, Space, Store, Write};
use crate::peer::{Retries, Upkeep};

type Tree = Database<'static, Bytes, Bytes>;

#[derive(Debug, Clone)]
pub struct Lmdb {
    env: Env,
    trees: [Tree; Space::ALL.len()],
}

impl Store for Lmdb {
    fn open(at: &Path, _: Upkeep) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(16 << 30).max_dbs(Space::ALL.len() as u32).max_readers(2048);
        // SAFETY: the folder is this run's own: no other process, and nobody else here, opens or
        // changes the file under the map.
        #[allow(unsafe_code)]
        let env = unsafe { options.open(at)? };
        let tx = env.write_txn()?;
        let made = env.create_databases_and_commit(tx, |open, tx| {
            let mut make = |space: Space| open.create_database(tx, Some(space.name()));
            let trees = [
                make(Space::Rows)?,
                make(Space::People)?,
                make(Space::PeopleByName)?,
                make(Space::PeopleByTeam)?,
            ];
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(trees))
        })?;
        let trees = made.unwrap_commit();
        Ok(Lmdb { env, trees })
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Write) -> Result<()>) -> Result<Retries> {
        let tx = self.env.write_txn()?;
        let mut writing = Writing { trees: &self.trees, tx };
        work(&mut writing)?;
        writing.tx.commit()?;
        Ok(0)
    }

    fn read(&self, work: &mut dyn FnMut(&dyn Read) -> Result<()>) -> Result<()> {
        work(&Reading { trees: &self.trees, tx: self.env.read_txn()? })
    }

    fn walk(&self, from: &[u8], see: &mut dyn FnMut(&[u8]) -> bool) -> Result<()> {
        let tx = self.env.read_txn()?;
        let range = (Bound::Included(from), Bound::<&[u8]>::Unbounded);
        for entry in self.trees[Space::Rows as usize].range(&tx, &range)? {
            if !see(entry?.1) {
                break;
            }
        }
        Ok(())
    }
}

struct Reading<'t> {
    trees: &'t [Tree],
    tx: RoTxn<'t, WithTls>,
}

struct Writing<'t> {
    trees: &'t [Tree],
    tx: RwTxn<'t>,
}

impl Read for Reading<'_> {
    fn get(&self, space: Space, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self.trees[space as usize].get(&self.tx, key)?.map(see).is_some())
    }
}

impl Read for Writing<'_> {
    fn get(&self, space: Space, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self.trees[space as usize].get(&self.tx, key)?.map(see).is_some())
    }
}

impl Write for Writing<'_> {
    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.trees[space as usize].put(&mut self.tx, key, value)?)
    }
}
