//! `.dump`: the database as SQL that makes it again.

use std::io::Write;

use anyhow::Result;
use heddledb::block_on;

use crate::render::{Renderer, identifier};
use crate::settings::{Mode, Settings};
use crate::shell::Shell;

/// Prints all objects, or one table with what belongs to it: tables with their rows first, all else after them.
pub(crate) fn write(shell: &mut Shell, table: Option<&str>) -> Result<()> {
    writeln!(shell.output, "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;")?;
    let outcome = objects(shell, table);
    let end = if outcome.is_ok() { "COMMIT;" } else { "ROLLBACK; -- due to errors" };
    writeln!(shell.output, "{end}")?;
    outcome
}

fn objects(shell: &mut Shell, table: Option<&str>) -> Result<()> {
    let filter = match table {
        Some(table) => format!(" AND tbl_name LIKE '{}'", table.replace('\'', "''")),
        None => String::new(),
    };
    let tables = rows(
        shell,
        &format!(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql IS NOT NULL{filter} ORDER BY rowid"
        ),
    )?;
    for (name, sql) in &tables {
        match name.as_str() {
            "sqlite_sequence" => writeln!(shell.output, "DELETE FROM sqlite_sequence;")?,
            name if name.starts_with("sqlite_stat") => {
                writeln!(shell.output, "ANALYZE sqlite_schema;")?
            }
            _ => writeln!(shell.output, "{sql};")?,
        }
        contents(shell, name)?;
    }
    let others = rows(
        shell,
        &format!(
            "SELECT name, sql FROM sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL{filter} ORDER BY type COLLATE NOCASE DESC, rowid"
        ),
    )?;
    for (_, sql) in others {
        writeln!(shell.output, "{sql};")?;
    }
    Ok(())
}

fn rows(shell: &mut Shell, sql: &str) -> Result<Vec<(String, String)>> {
    block_on(async {
        let mut rows = shell.connection.query(sql, ()).await?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().await? {
            all.push((row.get(0)?, row.get(1)?));
        }
        Ok(all)
    })
}

/// A table's rows as INSERT statements; computed columns are left to be computed.
fn contents(shell: &mut Shell, table: &str) -> Result<()> {
    let quoted = table.replace('\'', "''");
    let all = shell.column(&format!("SELECT name FROM pragma_table_xinfo('{quoted}')"))?;
    let stored = shell
        .column(&format!("SELECT name FROM pragma_table_xinfo('{quoted}') WHERE hidden = 0"))?;
    let names: Vec<String> = stored.iter().map(|name| identifier(name)).collect();
    let settings = Settings {
        mode: Mode::Insert,
        table: table.to_owned(),
        headers: (all.len() != stored.len()).then_some(true),
        ..Settings::default()
    };
    let sql = format!("SELECT {} FROM {}", names.join(", "), identifier(table));
    let (connection, out) = (&shell.connection, &mut shell.output);
    block_on(async {
        let mut rows = connection.query(&sql, ()).await?;
        let mut renderer = Renderer::new(&settings, stored);
        while let Some(row) = rows.next().await? {
            renderer.row(&row, out)?;
        }
        Ok(renderer.end(out)?)
    })
}
