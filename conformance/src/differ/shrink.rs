//! Leaves out the statements of a session that a difference does not need.

use anyhow::Result;

use super::compare::{Difference, compare};
use super::generator::Statement;
use crate::engine::Kind;

/// How often a session is run at most.
const RUNS: usize = 400;

/// The statements that are left, the last of which differs, and how.
///
/// # Errors
/// If a database can't be opened.
pub fn shrink(
    statements: &[Statement],
    first: Difference,
    other: Kind,
) -> Result<(Vec<Statement>, Difference)> {
    let mut left: Vec<Statement> = statements.iter().take(first.at + 1).cloned().collect();
    let mut difference = first;
    let mut runs = 0;
    let mut size = left.len() / 2;
    while size > 0 && runs < RUNS {
        let mut start = 0;
        let mut found = false;
        // The last one is what differs.
        while start + size < left.len() && runs < RUNS {
            let mut fewer = left.clone();
            fewer.drain(start..start + size);
            runs += 1;
            match compare(&fewer, other)?.0 {
                Some(smaller) if smaller.what == difference.what => {
                    fewer.truncate(smaller.at + 1);
                    (left, difference) = (fewer, smaller);
                    found = true;
                }
                _ => start += size,
            }
        }
        if !found || size > 1 {
            size /= 2;
        }
    }
    Ok((left, difference))
}

/// The statements as a script.
pub fn script(statements: &[Statement]) -> String {
    statements.iter().map(|statement| format!("{};\n", statement.sql)).collect()
}
