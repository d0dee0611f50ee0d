//! One database of a connection.

use std::sync::Arc;

use heddle_engine::{Database, Transaction};
use heddle_value::Collation;

use crate::schema::{self, Cache, DatabaseIndex, Databases};

/// A database of a connection, under a name.
#[derive(Debug)]
pub(crate) struct Attached {
    /// `main`, `temp`, or what ATTACH called it.
    pub(crate) name: Box<str>,
    pub(crate) database: Database,
    /// The file's path; nothing for one in memory.
    pub(crate) file: Box<str>,
    /// Whether no other connection can have it.
    pub(crate) private: bool,
    pub(crate) cache: Cache,
}

impl Attached {
    pub(crate) fn new(name: &str, database: Database, file: &str, private: bool) -> Attached {
        Attached {
            name: name.into(),
            database,
            file: file.into(),
            private,
            cache: Cache::default(),
        }
    }
}

/// Brings `known` up to what these transactions see. It stays the same `Arc` if nothing changed, so that plans made with it
/// hold.
pub(crate) fn refresh(
    attached: &mut [Option<Attached>],
    transactions: &[Option<Transaction>],
    collations: &dyn Fn(&str) -> Option<Collation>,
    known: &mut Arc<Databases>,
) {
    let mut list = Vec::new();
    let mut same = known.list.len() == attached.len();
    for (at, slot) in attached.iter_mut().enumerate() {
        let before = known.list.get(at).and_then(Option::as_ref);
        let transaction = transactions.get(at).and_then(Option::as_ref);
        let now = slot.as_mut().and_then(|slot| {
            let number = DatabaseIndex(u16::try_from(at).ok()?);
            match transaction {
                Some(tx) => Some((&*slot.name, slot.cache.get(tx, number, collations))),
                None => Some((&*slot.name, Arc::clone(&before?.schema))),
            }
        });
        same &= match (&now, before) {
            (Some((name, schema)), Some(before)) => {
                Arc::ptr_eq(schema, &before.schema) && **name == *before.name
            }
            (None, None) => true,
            _ => false,
        };
        list.push(now.map(|(name, schema)| schema::Database { name: name.into(), schema }));
    }
    if !same {
        *known = Arc::new(Databases { list });
    }
}
