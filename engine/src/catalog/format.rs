//! What the header of a file says about its definitions and records: the encoding of text, and the schema format.
//!
//! | schema format | what came with it |
//! | --- | --- |
//! | 0 | nothing: a file that never had a table. The first one makes it 4 |
//! | 1 | SQLite 3.0 |
//! | 2, 3 | rows with fewer columns than their table, from `ALTER TABLE .. ADD COLUMN` |
//! | 4 | `DESC` in an index, and records that say 0 and 1 by their serial type alone |
//!
//! Below 4 SQLite parses `DESC` and ignores it, also in an index made today, and never raises such a file to 4: that would change
//! what the indexes mean that it has.
//!
//! # Invariants
//! - F1: whatever becomes a definition passes [`Format::understand`] first.

use heddle_btree::header::Header;
use heddle_btree::text::Encoding;

use crate::catalog::parse::Definition;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) encoding: Encoding,
    /// Whether it is 4, the newest.
    current: bool,
}

impl Format {
    /// The schema format of new files.
    const CURRENT: u32 = 4;
    /// What a change of the schema makes of an older one, since it may have added a column.
    const WITH_SHORT_ROWS: u32 = 3;

    /// Of a file with this header, which has tables or none.
    pub(crate) fn of(header: &Header, has_tables: bool) -> Format {
        let fresh = header.schema_format == 0 && !has_tables;
        Format {
            encoding: header.encoding,
            current: fresh || header.schema_format >= Format::CURRENT,
        }
    }

    /// Of the schema table itself, whose text has nothing that depends on it.
    pub(crate) fn of_schema(encoding: Encoding) -> Format {
        Format { encoding, current: true }
    }

    /// What the header says after a change of the schema.
    pub(crate) fn number(self) -> u32 {
        if self.current { Format::CURRENT } else { Format::WITH_SHORT_ROWS }
    }

    /// Whether DESC counts.
    pub(crate) fn has_directions(self) -> bool {
        self.current
    }

    /// Whether records have the serial types 8 and 9.
    pub(crate) fn has_constants(self) -> bool {
        self.current
    }

    /// A definition as it counts in this format (F1).
    pub(crate) fn understand(self, mut definition: Definition) -> Definition {
        if !self.current {
            match &mut definition {
                Definition::Table { def, .. } => def.ignore_directions(),
                Definition::Index { def, .. } => def.ignore_directions(),
                Definition::Other => {}
            }
        }
        definition
    }
}
