//! `.concurrent`: what the engine does, once or again every second.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::shell::Shell;

pub(crate) fn show(shell: &mut Shell, seconds: Option<&str>) -> Result<()> {
    let seconds: u64 = match seconds {
        Some(seconds) => seconds.parse().context(".concurrent takes a number of seconds")?,
        None => 0,
    };
    let mut before = shell.database.engine().metrics();
    if seconds == 0 {
        let now = &before;
        let pairs = [
            ("commits", now.commits.to_string()),
            ("rollbacks", now.rollbacks.to_string()),
            ("conflicts", now.conflicts.to_string()),
            ("retries", now.retries.to_string()),
            ("open transactions", now.open_transactions.to_string()),
            ("groups of commits", now.groups.to_string()),
            ("syncs", now.syncs.to_string()),
            ("log bytes written", now.log_bytes_written.to_string()),
            ("bytes in the log", now.log_bytes.to_string()),
            ("bytes of row versions", now.version_bytes.to_string()),
            ("bytes spilled", now.spilled_bytes.to_string()),
            ("bytes in the cache", now.cached_bytes.to_string()),
            ("checkpoints", now.checkpoints.to_string()),
            ("last checkpoint", format!("{:.3} s", now.last_checkpoint.as_secs_f64())),
        ];
        for (name, value) in pairs {
            writeln!(shell.output, "{name:>22}: {value}")?;
        }
        for (table, conflicts) in &now.conflicts_by_table {
            writeln!(shell.output, "{:>22}: {conflicts}", format!("conflicts in {table}"))?;
        }
        return Ok(());
    }
    writeln!(shell.output, "commits/s conflicts/s retries/s syncs/s log KiB/s versions KiB open")?;
    for _ in 0..seconds {
        #[allow(
            clippy::disallowed_methods,
            reason = "the shell's own pace, outside of any simulated world"
        )]
        std::thread::sleep(Duration::from_secs(1));
        let now = shell.database.engine().metrics();
        writeln!(
            shell.output,
            "{:>9} {:>11} {:>9} {:>7} {:>9} {:>12} {:>4}",
            now.commits - before.commits,
            now.conflicts - before.conflicts,
            now.retries - before.retries,
            now.syncs - before.syncs,
            (now.log_bytes_written - before.log_bytes_written) / 1024,
            now.version_bytes / 1024,
            now.open_transactions,
        )?;
        shell.output.flush()?;
        before = now;
    }
    Ok(())
}
