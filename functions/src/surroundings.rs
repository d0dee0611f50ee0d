//! What a function may ask of the statement that calls it.

/// The statement, connection and database around a call.
pub trait Surroundings: Send {
    /// Milliseconds since 1970-01-01T00:00:00Z; one moment for all calls in a statement.
    fn now_millis(&self) -> i64;

    /// Seconds by which local time is ahead of UTC at this moment of UTC (seconds since 1970).
    fn local_offset(&self, utc_seconds: i64) -> i64;

    /// 64 random bits.
    fn random(&mut self) -> u64;

    /// The largest length of a text or blob, in bytes.
    fn max_length(&self) -> usize {
        1_000_000_000
    }

    /// Rows changed by the last finished INSERT, UPDATE or DELETE.
    fn changes(&self) -> i64;

    /// Rows changed since the connection was opened.
    fn total_changes(&self) -> i64;

    /// The rowid of the connection's last INSERT.
    fn last_insert_rowid(&self) -> i64;

    /// Whether LIKE tells case of ASCII letters apart (`PRAGMA case_sensitive_like`).
    fn case_sensitive_like(&self) -> bool {
        false
    }
}
