//! Newtypes for numbers that must not be mixed.
//!
//! Each is a plain integer in memory. Arithmetic is offered only where it means something.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $short:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl $name {
            /// The number inside.
            #[inline]
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($short, "{}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

id!(
    /// A page of the database file, counted from 1. 0 stands for "no page", as in the file format.
    PageNo(u32), "p"
);
id!(
    /// A frame of SQLite's `-wal` file, counted from 1 within one generation.
    FrameNo(u32), "f"
);
id!(
    /// A byte position in the redo log. It grows for ever: segments come and go below it.
    Lsn(u64), "lsn"
);
id!(
    /// A commit ticket: at once commit timestamp, place in the log and place in the serialization
    /// order. The first commit of a database that has just been opened draws `start + 1`.
    Timestamp(u64), "t"
);
id!(
    /// A table or index tree. Ours, never reused within a database's log, not stored in `x.db`.
    TreeId(u32), "tree"
);
id!(
    /// A row of an ordinary table.
    RowId(i64), "row"
);
id!(
    /// A state of the base (the B-tree file), counted up by one with each checkpoint published in
    /// this process. Never repeats while the database is open.
    Generation(u64), "g"
);
id!(
    /// A version of one table's definition, or of the whole schema. Grows with each change.
    SchemaVersion(u64), "sv"
);

impl PageNo {
    /// "No page": the null pointer of the file format.
    pub const NONE: PageNo = PageNo(0);

    /// Whether this names a page at all.
    #[inline]
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

impl Timestamp {
    /// Before every commit.
    pub const ZERO: Timestamp = Timestamp(0);
    /// After every commit.
    pub const MAX: Timestamp = Timestamp(u64::MAX);

    /// The ticket drawn next after this one.
    #[inline]
    pub const fn next(self) -> Timestamp {
        Timestamp(self.0 + 1)
    }
}

impl Generation {
    /// The generation published next after this one.
    #[inline]
    pub const fn next(self) -> Generation {
        Generation(self.0 + 1)
    }
}

impl TreeId {
    /// `sqlite_schema`, the tree whose root is page 1.
    pub const SCHEMA: TreeId = TreeId(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_form_is_short() {
        assert_eq!(format!("{:?} {:?} {}", PageNo(7), Timestamp(3), TreeId(2)), "p7 t3 2");
    }
}
