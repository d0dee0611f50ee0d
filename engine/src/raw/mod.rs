//! The engine's face for SQL, and for whatever else brings its own meaning: trees, rows as bytes, and the schema's objects.
//!
//! The typed [`crate::Table`] keeps rows, indexes and constraints in step by itself, and refuses what it does not understand. Here
//! nothing is kept in step: who writes a row writes its index entries too. In return everything that
//! `sqlite_schema` can name is there: expression and partial indexes, generated columns, triggers, views.
//!
//! - [`Schema`], [`Object`], [`Tree`]: what there is ([`crate::Transaction::schema`]).
//! - [`Cursor`], and the methods of [`crate::Transaction`] in `access`: rows in and out, as keys and records.
//! - `change`: objects made, dropped and rewritten; `fill`: an index filled while others write.
//! - `header`: what of page 1 a transaction reads and writes.
//!
//! Keys and records are those of ARCHITECTURE.md, "Keys and values": a table's key is
//! [`heddle_btree::key::encode_rowid`], an index's is [`heddle_btree::key::encode_values`] with the tree's [`Tree::shape`].
//!
//! # What the caller keeps true
//! - W1: rows and index entries agree, and a key is the one that its record has under the tree's shape.
//! - W2: all that a statement reads to decide what it writes comes before its first write, with [`crate::Transaction::make_room`]
//!   between statements; or it has a savepoint to go back to.
//! - W3: whoever relied on a definition says so ([`crate::Transaction::use_table`], [`crate::Transaction::use_object`],
//!   [`crate::Transaction::use_schema`]); reads and writes of a tree say it of its table by themselves.
//! - W4: at the commit of a change of the schema every index is on a table that exists, and each text
//!   says what the object is.
//! - W5: a record in a file of an old schema format has no constants ([`crate::Transaction::has_constants`]).

mod access;
pub(crate) mod change;
mod cursor;
pub(crate) mod fill;
pub(crate) mod header;
mod object;

pub use change::{NewObject, NewTree};
pub use cursor::Cursor;
pub use fill::Entries;
pub use header::{FileFacts, HeaderField};
pub use heddle_txn::Step;
pub use object::{Object, ObjectKind, Schema, Tree};
