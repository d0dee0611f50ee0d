//! `.import`: rows from a file of separated values into a table, in one transaction.

use std::io::{IsTerminal, Write};

use anyhow::{Context, Result, bail, ensure};
use heddledb::{Value, block_on, params_from_iter};
use indicatif::{ProgressBar, ProgressStyle};

use crate::render::identifier;
use crate::settings::Mode;
use crate::shell::Shell;

/// What the command says.
struct Import<'w> {
    file: &'w str,
    table: &'w str,
    separator: u8,
    skip: usize,
}

/// How many rows pass between two looks at the progress bar.
const STEP: u64 = 1000;

pub(crate) fn run(shell: &mut Shell, words: &[&str]) -> Result<()> {
    let import = read(shell, words)?;
    let file = std::fs::File::open(import.file)
        .with_context(|| format!("cannot open \"{}\"", import.file))?;
    let size = file.metadata().map_or(0, |facts| facts.len());
    let mut rows = csv::ReaderBuilder::new()
        .delimiter(import.separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(std::io::BufReader::new(file));
    let mut records = rows.byte_records();
    for _ in 0..import.skip {
        records.next().transpose()?;
    }
    let columns = match columns(shell, import.table)? {
        columns if !columns.is_empty() => columns.len(),
        _ => {
            // There is no such table: the first row names its columns.
            let Some(first) = records.next().transpose()? else {
                bail!("\"{}\" is empty", import.file)
            };
            let names: Vec<String> = first
                .iter()
                .map(|name| format!("{} TEXT", identifier(&String::from_utf8_lossy(name))))
                .collect();
            shell.statement(&format!(
                "CREATE TABLE {} ({})",
                identifier(import.table),
                names.join(", ")
            ))?;
            names.len()
        }
    };
    let bar = progress(size);
    let places = vec!["?"; columns].join(",");
    let insert = format!("INSERT INTO {} VALUES ({places})", identifier(import.table));
    let connection = shell.connection.clone();
    let count = block_on(async {
        let within = !connection.is_autocommit();
        let transaction = if within { None } else { Some(connection.transaction().await?) };
        let statement = connection.prepare(&insert).await?;
        let mut count = 0_u64;
        while let Some(record) = records.next().transpose()? {
            // A line that is short has NULLs at its end; what is too much in a long one is left out.
            let value = |at: usize| match record.get(at) {
                None => Value::Null,
                Some(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
            };
            let values: Vec<Value> = (0..columns).map(value).collect();
            let line = record.position().map_or(0, csv::Position::line);
            let inserted = statement.execute(params_from_iter(values)).await;
            inserted.with_context(|| format!("{}:{line}", import.file))?;
            count += 1;
            if count.is_multiple_of(STEP) {
                bar.set_position(record.position().map_or(0, csv::Position::byte));
            }
        }
        if let Some(transaction) = transaction {
            transaction.commit().await?;
        }
        anyhow::Ok(count)
    })?;
    bar.finish_and_clear();
    if std::io::stdin().is_terminal() {
        writeln!(shell.output, "{count} rows")?;
    }
    Ok(())
}

fn read<'w>(shell: &Shell, words: &[&'w str]) -> Result<Import<'w>> {
    let mut separator = match shell.settings.mode {
        Mode::Csv => b',',
        Mode::Tabs => b'\t',
        _ => shell.settings.separator.bytes().next().unwrap_or(b'|'),
    };
    let (mut skip, mut plain) = (0, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.trim_start_matches('-') {
            "csv" if word.starts_with('-') => separator = b',',
            "tabs" if word.starts_with('-') => separator = b'\t',
            "skip" if word.starts_with('-') => {
                let number = words.next().context("--skip takes a number")?;
                skip = number.parse().context("--skip takes a number")?;
            }
            "separator" if word.starts_with('-') => {
                let text = words.next().context("--separator takes a character")?;
                separator = text.bytes().next().context("--separator takes a character")?;
            }
            _ => plain.push(*word),
        }
    }
    ensure!(plain.len() == 2, "usage: .import FILE TABLE");
    match plain[..] {
        [file, table] => Ok(Import { file, table, separator, skip }),
        _ => bail!("usage: .import FILE TABLE"),
    }
}

fn columns(shell: &mut Shell, table: &str) -> Result<Vec<String>> {
    shell.column(&format!("SELECT name FROM pragma_table_info('{}')", table.replace('\'', "''")))
}

fn progress(size: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(size);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta}") {
        bar.set_style(style);
    }
    bar
}
