//! Byte strings that are cheap to copy: short ones lie in place, long ones are shared.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// How many bytes lie in place.
const INLINE: usize = 22;

#[derive(Clone)]
enum Bytes {
    Inline { len: u8, bytes: [u8; INLINE] },
    Shared(Arc<[u8]>),
}

impl Bytes {
    fn new(from: &[u8]) -> Bytes {
        if from.len() <= INLINE {
            let mut bytes = [0; INLINE];
            bytes[..from.len()].copy_from_slice(from);
            Bytes::Inline { len: from.len() as u8, bytes }
        } else {
            Bytes::Shared(from.into())
        }
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        match self {
            Bytes::Inline { len, bytes } => &bytes[..usize::from(*len).min(INLINE)],
            Bytes::Shared(bytes) => bytes,
        }
    }
}

macro_rules! byte_string {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            bytes: Bytes,
            /// Whether it came from a JSON function and counts as JSON as an argument of another (SQLite's subtype).
            json: bool,
        }

        impl $name {
            /// A copy of these bytes.
            pub fn new(bytes: impl AsRef<[u8]>) -> $name {
                $name { bytes: Bytes::new(bytes.as_ref()), json: false }
            }

            /// Its bytes.
            #[inline]
            pub fn as_bytes(&self) -> &[u8] {
                self.bytes.as_slice()
            }

            /// The same, marked as the result of a JSON function, or not. No part of what makes two equal.
            #[must_use]
            pub fn marked_json(mut self, json: bool) -> $name {
                self.json = json;
                self
            }

            /// Whether it is marked as the result of a JSON function.
            #[inline]
            pub fn is_json(&self) -> bool {
                self.json
            }

            /// How many bytes.
            #[inline]
            pub fn len(&self) -> usize {
                self.as_bytes().len()
            }

            /// Whether there are none.
            #[inline]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &$name) -> bool {
                self.as_bytes() == other.as_bytes()
            }
        }

        impl Eq for $name {}

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.as_bytes().hash(state);
            }
        }

        impl From<Vec<u8>> for $name {
            fn from(bytes: Vec<u8>) -> $name {
                if bytes.len() <= INLINE {
                    $name::new(&bytes)
                } else {
                    $name { bytes: Bytes::Shared(bytes.into()), json: false }
                }
            }
        }
    };
}

byte_string!(
    /// A text: bytes that are UTF-8 unless somebody stored others.
    Text
);
byte_string!(
    /// A blob.
    Blob
);

impl Text {
    /// As a string, if it is UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()).ok()
    }

    /// As a string; what is not UTF-8 becomes U+FFFD.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text::from(text.into_bytes())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text::new(text)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string_lossy())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("x'")?;
        for byte in self.as_bytes() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("'")
    }
}
