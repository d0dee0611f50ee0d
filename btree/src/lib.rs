//! SQLite's file format: pages, records, keys, trees, the page cache and the merge.

pub mod collation;
pub mod key;
pub mod layout;
pub mod overflow;
pub mod record;
pub mod text;
pub mod value;
pub mod varint;
