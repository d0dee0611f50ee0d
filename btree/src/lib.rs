//! SQLite's file format: pages, records, keys, trees, the page cache and the merge.
//!
//! Reading, from the bytes up:
//! - [`varint`], [`text`], [`value`], [`record`]: what a cell's payload says;
//! - [`collation`], [`key`]: how entries are ordered, as bytes that compare with `memcmp`;
//! - [`layout`], [`overflow`]: pages and their cells, and payloads that do not fit in one;
//! - [`pages`]: what a reader of trees needs of whoever holds the pages;
//! - [`tree`], [`cursor`]: reads by key, seeks, and scans both ways.
//!
//! Pages, from the file up:
//! - [`header`], [`page`]: the first 100 bytes, and images of pages;
//! - [`sqlite_wal`]: SQLite's `-wal` file, read and written;
//! - [`pager`], [`page_writer`]: the open file, its snapshots, and the one writer of new states.

pub mod collation;
pub mod cursor;
mod descent;
pub mod error;
pub mod header;
pub mod key;
pub mod layout;
pub mod overflow;
pub mod page;
pub mod page_writer;
pub mod pager;
pub mod pages;
pub mod record;
pub mod sqlite_wal;
pub mod text;
pub mod tree;
pub mod value;
pub mod varint;

pub use error::{Error, Result};
