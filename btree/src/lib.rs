//! SQLite's file format: pages, records, keys, trees, the page cache and the merge.
//!
//! Reading, from the bytes up:
//! - [`varint`], [`text`], [`value`], [`record`]: what a cell's payload says;
//! - [`collation`], [`key`]: how entries are ordered, as bytes that compare with `memcmp`;
//! - [`layout`], [`overflow`]: pages and their cells, and payloads that do not fit in one;
//! - [`pages`]: what a reader of trees needs of whoever holds the pages;
//! - [`tree`], [`cursor`]: reads by key, seeks, and scans both ways.
//!
//! Writing:
//! - [`changes`], [`merge`]: sorted changes into a tree, in one pass over the leaves they touch;
//! - [`roots`]: trees made, emptied and dropped;
//! - [`compact`]: what `auto_vacuum` does with free pages;
//! - [`check`]: whether all of it is sound.
//!
//! Pages, from the file up:
//! - [`header`], [`page`]: the first 100 bytes, and images of pages;
//! - `sqlite_wal`, `journal`, `lock`: SQLite's `-wal` file, its rollback journal, its lock bytes;
//! - `cache`, `versions`, `old_images`: images in memory, and where the others lie that some state sees;
//! - [`pager`], `opening`, [`state`]: the open file, and snapshots of its states;
//! - [`page_writer`], [`backfill`]: the one writer of the next state, and how that gets into the file.

#![allow(
    rustdoc::private_intra_doc_links,
    reason = "module headers are for those who read the code"
)]

pub mod backfill;
mod cache;
pub mod changes;
pub mod check;
pub mod collation;
pub mod compact;
pub mod cursor;
mod descent;
pub mod error;
mod finisher;
pub mod header;
mod journal;
pub mod key;
pub mod layout;
mod level;
mod lock;
pub mod merge;
mod old_images;
mod opening;
pub mod overflow;
pub mod page;
pub mod page_writer;
pub mod pager;
pub mod pages;
mod ptrmap;
pub mod record;
mod relocate;
pub mod roots;
mod space;
mod sqlite_wal;
pub mod state;
mod stream;
pub mod text;
pub mod tree;
pub mod value;
pub mod varint;
mod versions;

pub use error::{Error, Result};
