//! How texts are compared: the three built-in collations and those written by users.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use heddle_btree::collation as stored;
use heddle_btree::text::Encoding;

/// A user's comparison of two texts.
pub type CollationCode = dyn Fn(&[u8], &[u8]) -> Ordering + Send + Sync;

/// An order of texts.
#[derive(Clone)]
pub enum Collation {
    /// One that is built in, which indexes can be kept in.
    BuiltIn(stored::Collation),
    /// A user's, with its name.
    User(Arc<str>, Arc<CollationCode>),
}

impl Default for Collation {
    fn default() -> Collation {
        Collation::BuiltIn(stored::Collation::Binary)
    }
}

impl Collation {
    /// BINARY: by bytes.
    pub const BINARY: Collation = Collation::BuiltIn(stored::Collation::Binary);
    /// NOCASE: without regard to the case of ASCII letters.
    pub const NOCASE: Collation = Collation::BuiltIn(stored::Collation::NoCase);
    /// RTRIM: without regard to spaces at the end.
    pub const RTRIM: Collation = Collation::BuiltIn(stored::Collation::RTrim);

    /// The built-in one of this name, in any case.
    pub fn built_in(name: &str) -> Option<Collation> {
        stored::Collation::from_name(name).map(Collation::BuiltIn)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Collation::BuiltIn(collation) => collation.name(),
            Collation::User(name, _) => name,
        }
    }

    /// Which of two texts comes first.
    #[inline]
    pub fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            Collation::BuiltIn(stored::Collation::Binary) => a.cmp(b),
            Collation::BuiltIn(collation) => {
                collation.fold(a, Encoding::Utf8).cmp(&collation.fold(b, Encoding::Utf8))
            }
            Collation::User(_, code) => code(a, b),
        }
    }
}

impl PartialEq for Collation {
    fn eq(&self, other: &Collation) -> bool {
        match (self, other) {
            (Collation::BuiltIn(a), Collation::BuiltIn(b)) => a == b,
            (Collation::User(a, _), Collation::User(b, _)) => a.eq_ignore_ascii_case(b),
            _ => false,
        }
    }
}

impl fmt::Debug for Collation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
