//! What of page 1 a transaction reads and writes: the numbers that programs keep in the header, and facts about the file.
//!
//! The header belongs to the base, which a checkpoint makes. Until then a number written is a row of a tree of its own, which no
//! base ever has ([`HEADER`]): so it is read at a snapshot, conflicts, is logged and recovered as any row, and the
//! checkpoint puts the newest up to its cut into page 1.
//!
//! # Invariants
//! - H1: in [`HEADER`] a key is the field's offset in page 1, one byte, and its record is the number, four bytes big-endian.
//! - H2: each change of the schema raises the schema cookie by one, as a row of [`HEADER`].

use bytes::Bytes;
use heddle_base::{SchemaVersion, Timestamp, TreeId};
use heddle_btree::header::Header;
use heddle_btree::text::Encoding;
use heddle_btree::tree::TreeKind;
use heddle_txn::TreeRef;

use crate::core::Core;
use crate::options::AutoVacuum;
use crate::transaction::Transaction;
use crate::tree_changes::TreeChanges;
use crate::{Result, cells};

/// The tree of the header's numbers.
const HEADER: TreeId = TreeId(0);

/// A number in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeaderField {
    /// `PRAGMA schema_version`: each change of the schema adds one.
    SchemaCookie,
    /// `PRAGMA default_cache_size`.
    DefaultCacheSize,
    /// `PRAGMA user_version`: the program's own.
    UserVersion,
    /// `PRAGMA application_id`: what kind of document the file is.
    ApplicationId,
}

impl HeaderField {
    const ALL: [HeaderField; 4] = [
        HeaderField::SchemaCookie,
        HeaderField::DefaultCacheSize,
        HeaderField::UserVersion,
        HeaderField::ApplicationId,
    ];

    /// H1.
    fn offset(self) -> u8 {
        match self {
            HeaderField::SchemaCookie => 40,
            HeaderField::DefaultCacheSize => 48,
            HeaderField::UserVersion => 60,
            HeaderField::ApplicationId => 68,
        }
    }

    fn of(self, header: &Header) -> u32 {
        match self {
            HeaderField::SchemaCookie => header.schema_cookie,
            HeaderField::DefaultCacheSize => header.default_cache_size,
            HeaderField::UserVersion => header.user_version,
            HeaderField::ApplicationId => header.application_id,
        }
    }

    fn place(self, header: &mut Header) -> &mut u32 {
        match self {
            HeaderField::SchemaCookie => &mut header.schema_cookie,
            HeaderField::DefaultCacheSize => &mut header.default_cache_size,
            HeaderField::UserVersion => &mut header.user_version,
            HeaderField::ApplicationId => &mut header.application_id,
        }
    }
}

/// Facts about the file, as of the checkpoint that a transaction's snapshot lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileFacts {
    /// Bytes of a page.
    pub page_size: u32,
    /// Pages of the file.
    pub page_count: u32,
    /// Pages of it that are free.
    pub freelist_count: u32,
    /// Whether it can shrink.
    pub auto_vacuum: AutoVacuum,
    /// The encoding of text.
    pub encoding: Encoding,
}

impl Transaction {
    /// A number of the header, in the read set as a row would be.
    ///
    /// # Errors
    /// What reading can meet.
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn header_field(&mut self, field: HeaderField) -> Result<u32> {
        let found = self.inner.get(&tree(), &[field.offset()]).await?;
        self.header_number(field, found)
    }

    /// Writes a number of the header.
    ///
    /// # Errors
    /// [`crate::Error::ReadOnly`].
    pub fn set_header_field(&mut self, field: HeaderField, value: u32) -> Result<()> {
        self.check_writable()?;
        let (key, value) = ([field.offset()], value.to_be_bytes());
        Ok(self.inner.put(&tree(), Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value))?)
    }

    /// Facts about the file.
    pub fn file_facts(&self) -> FileFacts {
        let header = self.inner.base().snapshot.header();
        FileFacts {
            page_size: header.page_size,
            page_count: header.page_count,
            freelist_count: header.freelist_count,
            auto_vacuum: match (header.largest_root.get(), header.incremental_vacuum) {
                (0, _) => AutoVacuum::None,
                (_, 0) => AutoVacuum::Full,
                _ => AutoVacuum::Incremental,
            },
            encoding: header.encoding,
        }
    }

    /// It sees the commits up to here: a number that is another one after others, or this program, have committed.
    pub fn snapshot(&self) -> Timestamp {
        self.inner.snapshot()
    }

    /// H2: for a transaction that changed the schema, before it commits. Others that do conflict by themselves.
    ///
    /// # Cancel safety
    /// Dropped before it ends, nothing was written.
    pub(crate) async fn raise_schema_cookie(&mut self) -> Result<()> {
        let field = HeaderField::SchemaCookie;
        let found = self.inner.peek(&tree(), &[field.offset()]).await?;
        let cookie = self.header_number(field, found)?;
        self.set_header_field(field, cookie.wrapping_add(1))
    }

    fn header_number(&self, field: HeaderField, found: Option<Bytes>) -> Result<u32> {
        match found {
            Some(bytes) => number(&bytes),
            None => Ok(field.of(self.inner.base().snapshot.header())),
        }
    }
}

/// Puts what was committed of the header's numbers after `base`, up to `cut`, into the header of the state being made;
/// whether the schema cookie is among them.
///
/// # Cancel safety
/// Dropped midway, the state being made is of no use.
pub(crate) async fn merge(
    core: &Core,
    base: Timestamp,
    cut: Timestamp,
    header: &mut Header,
) -> Result<bool> {
    use heddle_btree::changes::Changes;
    let mut changes = TreeChanges::new(core, HEADER, base, cut);
    let mut has_cookie = false;
    while let Some((key, value)) = changes.next().await? {
        let field = HeaderField::ALL.into_iter().find(|field| *key == [field.offset()]);
        if let (Some(field), Some(value)) = (field, value) {
            *field.place(header) = number(&value)?;
            has_cookie |= field == HeaderField::SchemaCookie;
        }
    }
    Ok(has_cookie)
}

fn tree() -> TreeRef {
    TreeRef {
        id: HEADER,
        kind: std::sync::Arc::new(TreeKind::Table),
        table: HEADER,
        name: "the header".into(),
        schema_version: SchemaVersion(0),
    }
}

fn number(bytes: &[u8]) -> Result<u32> {
    let bytes: Result<[u8; 4]> =
        bytes.try_into().map_err(|_| cells::corrupt("the header", "a number has not four bytes"));
    Ok(u32::from_be_bytes(bytes?))
}
