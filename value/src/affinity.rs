//! What a column prefers to store.

/// A column's preference (datatype3.html, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Affinity {
    /// None.
    Blob,
    /// Text.
    Text,
    /// Integers, then reals, where text looks like one.
    Numeric,
    /// As NUMERIC; they differ in casts.
    Integer,
    /// As NUMERIC, and integers become reals.
    Real,
}
