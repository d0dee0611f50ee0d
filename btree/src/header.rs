//! The first 100 bytes of a database file.
//!
//! Invariants:
//! 1. `parse` accepts only what the rest of the crate can rely upon: a page size that is a power of two from 512 to
//!    65536, at least 480 usable bytes, known encoding and schema format.
//! 2. `write_into` after `parse` of the same bytes changes none of the fields' bytes.

use heddle_base::PageNo;

use crate::text::Encoding;

pub(crate) const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The fields of the header, by their names in the file format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of a page, reserved ones included.
    pub page_size: u32,
    /// Bytes at the end of each page that are not ours.
    pub reserved: u8,
    /// Offset 18: 1 rollback journal, 2 write-ahead log, above 2 read-only (our fence is 3).
    pub write_version: u8,
    /// Offset 19: as `write_version`, above 2 unreadable.
    pub read_version: u8,
    /// Offset 24. Together with `version_valid_for`, the lineage of the file.
    pub change_counter: u32,
    /// Offset 28: pages of the database.
    pub page_count: u32,
    /// Offset 32: the first trunk page of the freelist.
    pub freelist_trunk: PageNo,
    /// Offset 36: free pages, trunks included.
    pub freelist_count: u32,
    /// Offset 40: changes with the schema.
    pub schema_cookie: u32,
    /// Offset 44: 1 to 4; 0 in a database without any table.
    pub schema_format: u32,
    /// Offset 48: suggested cache size.
    pub default_cache_size: u32,
    /// Offset 52: the largest root page under auto_vacuum, else 0.
    pub largest_root: PageNo,
    /// Offset 56: the encoding of text.
    pub encoding: Encoding,
    /// Offset 60: `PRAGMA user_version`.
    pub user_version: u32,
    /// Offset 64: nonzero for incremental vacuum.
    pub incremental_vacuum: u32,
    /// Offset 68: `PRAGMA application_id`.
    pub application_id: u32,
    /// Offset 92: the change counter for which offset 28 holds.
    pub version_valid_for: u32,
    /// Offset 96: the SQLite version that wrote last.
    pub sqlite_version: u32,
}

impl Header {
    /// Bytes of the header.
    pub const SIZE: usize = 100;
    /// The write version by which we keep stock SQLite from writing.
    pub const FENCE: u8 = 3;

    /// The header of a new database without any table.
    pub fn new(page_size: u32, encoding: Encoding) -> Self {
        Self {
            page_size,
            reserved: 0,
            write_version: 1,
            read_version: 1,
            change_counter: 1,
            page_count: 1,
            freelist_trunk: PageNo::NONE,
            freelist_count: 0,
            schema_cookie: 0,
            schema_format: 4,
            default_cache_size: 0,
            largest_root: PageNo::NONE,
            encoding,
            user_version: 0,
            incremental_vacuum: 0,
            application_id: 0,
            version_valid_for: 1,
            sqlite_version: 3_040_001,
        }
    }

    /// Reads the header at the start of page 1.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let bytes: &[u8; Self::SIZE] =
            bytes.first_chunk().ok_or("it is shorter than a database header")?;
        if !bytes.starts_with(MAGIC) {
            return Err("it does not begin with SQLite's magic string");
        }
        let word = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let page_size = match u16::from_be_bytes([bytes[16], bytes[17]]) {
            1 => 65_536,
            size => u32::from(size),
        };
        if page_size < 512 || !page_size.is_power_of_two() {
            return Err("its page size is no power of two from 512 to 65536");
        }
        if page_size - u32::from(bytes[20]) < 480 {
            return Err("it reserves so much of each page that fewer than 480 bytes are left");
        }
        if bytes[21..24] != [64, 32, 32] {
            return Err("its payload fractions are not 64, 32 and 32");
        }
        let schema_format = word(44);
        let encoding = match word(56) {
            2 => Encoding::Utf16Le,
            3 => Encoding::Utf16Be,
            0 | 1 => Encoding::Utf8,
            _ => return Err("its text encoding is unknown"),
        };
        if schema_format > 4 {
            return Err("its schema format is unknown");
        }
        Ok(Self {
            page_size,
            reserved: bytes[20],
            write_version: bytes[18],
            read_version: bytes[19],
            change_counter: word(24),
            page_count: word(28),
            freelist_trunk: PageNo(word(32)),
            freelist_count: word(36),
            schema_cookie: word(40),
            schema_format,
            default_cache_size: word(48),
            largest_root: PageNo(word(52)),
            encoding,
            user_version: word(60),
            incremental_vacuum: word(64),
            application_id: word(68),
            version_valid_for: word(92),
            sqlite_version: word(96),
        })
    }

    /// Writes the header over the first 100 bytes of `page`, which must have them; the 20 bytes reserved for
    /// expansion are left alone.
    pub fn write_into(&self, page: &mut [u8]) {
        let encoding = match self.encoding {
            Encoding::Utf8 => 1,
            Encoding::Utf16Le => 2,
            Encoding::Utf16Be => 3,
        };
        let size = u16::try_from(self.page_size).unwrap_or(1);
        page[..16].copy_from_slice(MAGIC);
        page[16..18].copy_from_slice(&size.to_be_bytes());
        page[18..24].copy_from_slice(&[
            self.write_version,
            self.read_version,
            self.reserved,
            64,
            32,
            32,
        ]);
        let words = [
            (24, self.change_counter),
            (28, self.page_count),
            (32, self.freelist_trunk.get()),
            (36, self.freelist_count),
            (40, self.schema_cookie),
            (44, self.schema_format),
            (48, self.default_cache_size),
            (52, self.largest_root.get()),
            (56, encoding),
            (60, self.user_version),
            (64, self.incremental_vacuum),
            (68, self.application_id),
            (92, self.version_valid_for),
            (96, self.sqlite_version),
        ];
        for (at, word) in words {
            page[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
    }

    /// Bytes of a page that are in use.
    pub fn usable_size(&self) -> usize {
        self.page_size as usize - usize::from(self.reserved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i1_bad_headers_are_refused() {
        let mut good = [0; 100];
        Header::new(65_536, Encoding::Utf16Be).write_into(&mut good);
        assert_eq!(Header::parse(&good), Ok(Header::new(65_536, Encoding::Utf16Be)));
        assert!(Header::parse(&good[..99]).is_err());
        for (at, byte) in [(0, b'X'), (16, 3), (21, 63), (47, 5), (59, 4)] {
            let mut bad = good;
            bad[at] = byte;
            assert!(Header::parse(&bad).is_err(), "byte {at}");
        }
    }
}
