//! Why reading or writing the file fails.

use std::borrow::Cow;

use heddle_base::PageNo;

use crate::layout::Corrupt;

/// The result of what this crate does.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. `Clone`, since one failure may be told to many.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system, or its simulation, refused.
    #[error(transparent)]
    Io(#[from] heddle_io::Error),
    /// The file is damaged.
    #[error("page {page} is corrupt: {reason}")]
    Corrupt {
        /// The page at fault.
        page: PageNo,
        /// What is wrong with it.
        reason: Cow<'static, str>,
    },
}

impl From<Corrupt> for Error {
    fn from(corrupt: Corrupt) -> Self {
        Error::Corrupt {
            page: corrupt.page,
            reason: Cow::Borrowed(corrupt.reason),
        }
    }
}
