//! What was built of a database's schema, kept for as long as it holds.

use std::sync::Arc;

use heddle_engine::{Transaction, raw};

use super::build::{Collations, Pieces, build_with};
use super::{DatabaseIndex, Schema, StatisticsRow, with_statistics};

/// The schema of one database, built when it is asked for and the engine has another one.
#[derive(Debug, Default)]
pub struct Cache {
    built: Option<(Arc<raw::Schema>, Arc<Schema>)>,
    pieces: Pieces,
    statistics: Vec<StatisticsRow>,
}

impl Cache {
    /// The schema as this transaction sees it. What did not change since the last call is not built again.
    pub fn get(
        &mut self,
        tx: &Transaction,
        database: DatabaseIndex,
        collations: Collations<'_>,
    ) -> Arc<Schema> {
        let objects = tx.schema();
        if let Some((known, schema)) = &self.built
            && Arc::ptr_eq(known, objects)
        {
            return Arc::clone(schema);
        }
        let mut schema =
            build_with(objects.objects(), tx.schema_tree(), database, collations, &mut self.pieces);
        if !self.statistics.is_empty() {
            schema = with_statistics(&schema, &self.statistics);
        }
        self.built = Some((Arc::clone(objects), Arc::clone(&schema)));
        schema
    }

    /// Gives what `sqlite_stat1` says, in the place of what it said before.
    pub fn set_statistics(&mut self, rows: Vec<StatisticsRow>) {
        self.statistics = rows;
        self.built = None;
    }

    /// Forgets all: for when the collations of the connection are others.
    pub fn clear(&mut self) {
        self.built = None;
        self.pieces = Pieces::default();
    }
}
