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

    /// Which arguments of the call of a function that `takes_json` are JSON and not just text: bit `i` is set if argument `i` is the
    /// direct result of a call that told [`set_result_is_json`](Surroundings::set_result_is_json) so. (SQLite's subtype.) Arguments
    /// from the 64th on count as text.
    fn json_arguments(&self) -> u64 {
        0
    }

    /// A function that `gives_json` says that its result is JSON.
    fn set_result_is_json(&mut self, is_json: bool) {
        let _ = is_json;
    }
}
