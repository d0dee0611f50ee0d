//! `.tables`, `.schema`, `.indexes`, `.databases`: what there is.

use std::io::Write;

use anyhow::Result;
use heddledb::block_on;

use crate::shell::Shell;

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Names of tables and views, in columns.
pub(crate) fn tables(shell: &mut Shell, pattern: Option<&str>) -> Result<()> {
    let filter = pattern.map(|pattern| format!(" AND name LIKE {}", literal(pattern)));
    let names = shell.column(&format!(
        "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'{} ORDER BY 1",
        filter.unwrap_or_default()
    ))?;
    in_columns(shell, &names)
}

/// Names of indexes, in columns.
pub(crate) fn indexes(shell: &mut Shell, table: Option<&str>) -> Result<()> {
    let filter = table.map(|table| format!(" AND tbl_name LIKE {}", literal(table)));
    let names = shell.column(&format!(
        "SELECT name FROM sqlite_schema WHERE type = 'index'{} ORDER BY 1",
        filter.unwrap_or_default()
    ))?;
    in_columns(shell, &names)
}

/// As many columns as 80 characters take, filled from top to bottom.
fn in_columns(shell: &mut Shell, names: &[String]) -> Result<()> {
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let columns = (80 / (widest + 2)).max(1);
    let rows = names.len().div_ceil(columns);
    for row in 0..rows {
        let line: Vec<String> =
            names.iter().skip(row).step_by(rows).map(|name| format!("{name:<widest$}")).collect();
        writeln!(shell.output, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}

/// The statements that made what there is.
pub(crate) fn print(shell: &mut Shell, pattern: Option<&str>) -> Result<()> {
    let filter = pattern.map(|pattern| {
        let pattern = literal(pattern);
        format!(" AND (name LIKE {pattern} OR tbl_name LIKE {pattern})")
    });
    let texts = shell.column(&format!(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL{} ORDER BY rowid",
        filter.unwrap_or_default()
    ))?;
    for text in texts {
        writeln!(shell.output, "{text};")?;
    }
    Ok(())
}

/// Attached databases and their files.
pub(crate) fn databases(shell: &mut Shell) -> Result<()> {
    let rows = block_on(async {
        let mut rows = shell.connection.query("PRAGMA database_list", ()).await?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().await? {
            all.push((row.get::<String>(1)?, row.get::<Option<String>>(2)?.unwrap_or_default()));
        }
        heddledb::Result::Ok(all)
    })?;
    for (name, file) in rows {
        writeln!(shell.output, "{name}: {}", if file.is_empty() { "\"\"" } else { &file })?;
    }
    Ok(())
}
