//! The rowids that one transaction holds, table by table, until it ends.
//!
//! # Invariants
//! - V1: whatever way a transaction ends, its reservations end with it: by [`Reservations::committed`]
//!   or by being dropped.

use heddle_base::sync::Arc;
use heddle_base::{Timestamp, TreeId};
use smallvec::SmallVec;

use crate::core::Core;
use crate::rowids::{Held, Holder, TableIds};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    /// Its number, from the first table on.
    holder: Option<Holder>,
    tables: SmallVec<[Touched; 2]>,
}

/// What a transaction did to the rowids of one table.
#[derive(Debug)]
pub(crate) struct Touched {
    tree: TreeId,
    pub(crate) ids: Arc<TableIds>,
    pub(crate) held: Held,
    /// The largest rowid in the transaction's view, if it had to look.
    pub(crate) view: Option<i64>,
    /// The largest rowid it deleted.
    pub(crate) deleted: Option<i64>,
    /// It deleted the largest rowid of its own view, which is to be looked up again.
    pub(crate) lowered: bool,
}

impl Touched {
    /// Notes that a row was deleted; `again`: whether its number may be given to another row.
    pub(crate) fn note_deleted(&mut self, rowid: i64, again: bool) {
        self.deleted = self.deleted.max(Some(rowid));
        self.lowered |=
            again && self.view.max(self.held.reserved()).is_none_or(|largest| rowid >= largest);
    }

    /// Notes the largest rowid that the view has now, and gives back what was reserved beyond it.
    pub(crate) fn settle(&mut self, largest: i64) {
        self.lowered = false;
        self.view = Some(largest);
        if self.held.reserved().is_some_and(|reserved| reserved > largest) {
            self.ids.give_back(&mut self.held, Some(largest).filter(|largest| *largest > 0));
        }
    }
}

/// What was held at a savepoint.
#[derive(Debug, Clone)]
pub(crate) struct Mark(SmallVec<[(TreeId, Option<i64>); 2]>);

impl Reservations {
    /// The entry of one table.
    pub(crate) fn table(&mut self, core: &Core, tree: TreeId) -> &mut Touched {
        let at = match self.tables.iter().position(|touched| touched.tree == tree) {
            Some(at) => at,
            None => {
                let holder = *self.holder.get_or_insert_with(|| core.next_holder());
                let held = Held::new(holder);
                let ids = core.rowids.table(tree);
                self.tables.push(Touched {
                    tree,
                    ids,
                    held,
                    view: None,
                    deleted: None,
                    lowered: false,
                });
                self.tables.len() - 1
            }
        };
        &mut self.tables[at]
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark(self.tables.iter().map(|t| (t.tree, t.held.reserved())).collect())
    }

    pub(crate) fn back_to(&mut self, mark: &Mark) {
        for touched in &mut self.tables {
            let kept = mark.0.iter().find(|(tree, _)| *tree == touched.tree);
            touched.ids.give_back(&mut touched.held, kept.and_then(|(_, rowid)| *rowid));
        }
    }

    pub(crate) fn committed(mut self, at: Timestamp) {
        for touched in &mut self.tables {
            touched.ids.committed(&mut touched.held, at, touched.deleted);
        }
    }
}

impl Drop for Reservations {
    fn drop(&mut self) {
        for touched in &mut self.tables {
            touched.ids.give_back(&mut touched.held, None);
        }
    }
}
