//! The dot commands: which there are, and who carries each out.

mod dump;
pub(crate) mod explain;
mod import;
mod live;
mod schema;

use std::io::Write;

use anyhow::{Context, Result, bail, ensure};

use crate::settings::Mode;
use crate::shell::Shell;

/// All commands with what `.help` says of them.
pub(crate) const NAMES: &[(&str, &str)] = &[
    ("backup", "FILE                 Write the database, compacted, to FILE"),
    ("bail", "on|off                 Stop at the first error"),
    ("changes", "on|off              Show how many rows each statement changed"),
    (
        "concurrent",
        "?SECONDS?        Show what the engine does: commits, conflicts, log, checkpoints",
    ),
    ("databases", "                  List attached databases"),
    ("dump", "?TABLE?                Print the database as SQL"),
    ("echo", "on|off                 Print each statement before it runs"),
    ("eqp", "on|off                  Show the plan of each statement (also .explain)"),
    ("exit", "                       Leave"),
    ("explain", "on|off              As .eqp"),
    ("headers", "on|off              Print names of columns"),
    ("help", "?COMMAND?              This list"),
    (
        "import",
        "FILE TABLE           Read rows from FILE into TABLE (--csv, --skip N, --separator S)",
    ),
    ("indexes", "?TABLE?             List indexes"),
    (
        "mode",
        "MODE ?TABLE?           ascii box column csv insert json line list markdown quote table tabs",
    ),
    ("nullvalue", "TEXT              What NULL looks like"),
    ("once", "FILE                   Write the next result to FILE"),
    ("open", "FILE                   Close this database, open another"),
    ("output", "?FILE?               Write results to FILE, or to the screen again"),
    ("print", "TEXT..                Print TEXT"),
    ("prompt", "MAIN CONTINUE        Change the prompts"),
    ("quit", "                       Leave"),
    ("read", "FILE                   Run what is in FILE"),
    ("schema", "?PATTERN?            Print CREATE statements"),
    ("separator", "COLUMN ?ROW?      What stands between columns and rows"),
    ("show", "                       Show the settings"),
    ("tables", "?PATTERN?            List tables and views"),
    ("timer", "on|off                Show how long each statement took"),
    ("version", "                    Show the version"),
    ("width", "N..                   How wide columns may be; 0: as wide as they are"),
];

/// Runs a command, given without its dot.
pub(crate) fn run(shell: &mut Shell, line: &str) -> Result<()> {
    let words = words(line)?;
    let Some((name, rest)) = words.split_first() else { return Ok(()) };
    let name = full_name(name)?;
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match (name, &rest[..]) {
        ("backup", [file]) => backup(shell, file),
        ("bail", [switch]) => set(switch, &mut shell.settings.bail),
        ("changes", [switch]) => set(switch, &mut shell.settings.changes),
        ("concurrent", seconds) => live::show(shell, seconds.first().copied()),
        ("databases", []) => schema::databases(shell),
        ("dump", tables) => dump::write(shell, tables.first().copied()),
        ("echo", [switch]) => set(switch, &mut shell.settings.echo),
        ("eqp" | "explain", [switch]) => set(switch, &mut shell.settings.plans),
        ("eqp" | "explain", []) => {
            shell.settings.plans = !shell.settings.plans;
            Ok(())
        }
        ("exit" | "quit", _) => {
            shell.quit();
            Ok(())
        }
        ("headers", [switch]) => {
            let mut headers = false;
            set(switch, &mut headers)?;
            shell.settings.headers = Some(headers);
            Ok(())
        }
        ("help", words) => help(shell, words.first().copied()),
        ("import", words) => import::run(shell, words),
        ("indexes", tables) => schema::indexes(shell, tables.first().copied()),
        ("mode", words) => mode(shell, words),
        ("nullvalue", [text]) => {
            shell.settings.null = (*text).to_owned();
            Ok(())
        }
        ("once", [file]) => Ok(shell.output.redirect(Some(file), true)?),
        ("open", [file]) => shell.reopen(file),
        ("output", []) => Ok(shell.output.redirect(None, false)?),
        ("output", [file]) => {
            let file = (*file != "stdout").then_some(*file);
            Ok(shell.output.redirect(file, false)?)
        }
        ("print", words) => Ok(writeln!(shell.output, "{}", words.join(" "))?),
        ("prompt", [main]) => {
            shell.settings.prompt = (*main).to_owned();
            Ok(())
        }
        ("prompt", [main, continued]) => {
            shell.settings.prompt = (*main).to_owned();
            shell.settings.continued = (*continued).to_owned();
            Ok(())
        }
        ("read", [file]) => shell.read(file),
        ("schema", patterns) => schema::print(shell, patterns.first().copied()),
        ("separator", [column]) => {
            shell.settings.separator = (*column).to_owned();
            Ok(())
        }
        ("separator", [column, row]) => {
            shell.settings.separator = (*column).to_owned();
            shell.settings.row_separator = (*row).to_owned();
            Ok(())
        }
        ("show", []) => show(shell),
        ("tables", patterns) => schema::tables(shell, patterns.first().copied()),
        ("timer", [switch]) => set(switch, &mut shell.settings.timer),
        ("version", []) => Ok(writeln!(shell.output, "HeddleDB {}", env!("CARGO_PKG_VERSION"))?),
        ("width", widths) => {
            let widths: Result<Vec<i64>, _> = widths.iter().map(|width| width.parse()).collect();
            let widths = widths.context(".width takes numbers")?;
            let width = |width: i64| usize::try_from(width.unsigned_abs()).unwrap_or(0);
            shell.settings.widths = widths.into_iter().map(width).collect();
            Ok(())
        }
        _ => {
            let usage =
                NAMES.iter().find(|(known, _)| *known == name).map_or("", |(_, usage)| usage);
            bail!("usage: .{name} {}", usage.split("  ").next().unwrap_or_default())
        }
    }
}

/// The command that a word begins.
fn full_name(word: &str) -> Result<&'static str> {
    if let Some((name, _)) = NAMES.iter().find(|(name, _)| *name == word) {
        return Ok(name);
    }
    let aliases = [("header", "headers"), ("indices", "indexes"), ("save", "backup")];
    if let Some((_, name)) = aliases.iter().find(|(alias, _)| *alias == word) {
        return Ok(name);
    }
    let mut fitting = NAMES.iter().filter(|(name, _)| name.starts_with(word));
    match (fitting.next(), fitting.next()) {
        (Some((name, _)), None) => Ok(name),
        (Some((first, _)), Some((second, _))) => {
            bail!("ambiguous command \".{word}\": .{first} or .{second}")
        }
        _ => bail!("unknown command or invalid arguments: \"{word}\". Enter \".help\" for help"),
    }
}

/// The words of a command: in quotes they may have blanks, in double quotes escapes too.
fn words(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut characters = line.chars().peekable();
    loop {
        while characters.next_if(|c| c.is_whitespace()).is_some() {}
        let Some(first) = characters.peek().copied() else { return Ok(words) };
        let mut word = String::new();
        if first == '"' || first == '\'' {
            characters.next();
            loop {
                match characters.next() {
                    None => bail!("a quote is not closed"),
                    Some(c) if c == first => break,
                    Some('\\') if first == '"' => match characters.next() {
                        Some('n') => word.push('\n'),
                        Some('r') => word.push('\r'),
                        Some('t') => word.push('\t'),
                        Some(c) => word.push(c),
                        None => bail!("a quote is not closed"),
                    },
                    Some(c) => word.push(c),
                }
            }
        } else {
            while let Some(c) = characters.next_if(|c| !c.is_whitespace()) {
                word.push(c);
            }
        }
        words.push(word);
    }
}

fn set(switch: &str, to: &mut bool) -> Result<()> {
    *to = match switch {
        "on" | "yes" | "1" | "full" | "auto" => true,
        "off" | "no" | "0" => false,
        other => bail!("not a boolean value: \"{other}\""),
    };
    Ok(())
}

fn mode(shell: &mut Shell, words: &[&str]) -> Result<()> {
    match words {
        [] => Ok(writeln!(shell.output, "current output mode: {}", shell.settings.mode.name())?),
        [name, rest @ ..] => {
            let all: Vec<&str> = Mode::ALL.iter().map(|(name, _)| *name).collect();
            let mode = Mode::named(name);
            let mode = mode.with_context(|| format!("mode should be one of: {}", all.join(" ")))?;
            ensure!(rest.len() <= 1, "usage: .mode MODE ?TABLE?");
            shell.settings.set_mode(mode);
            if let [table] = rest {
                shell.settings.table = (*table).to_owned();
            }
            Ok(())
        }
    }
}

fn backup(shell: &mut Shell, file: &str) -> Result<()> {
    ensure!(!std::path::Path::new(file).exists(), "\"{file}\" is there already");
    shell.statement(&format!("VACUUM INTO '{}'", file.replace('\'', "''")))
}

fn help(shell: &mut Shell, about: Option<&str>) -> Result<()> {
    let about = about.map(|about| about.trim_start_matches('.'));
    for (name, text) in NAMES {
        if about.is_none_or(|about| name.starts_with(about)) {
            writeln!(shell.output, ".{name} {text}")?;
        }
    }
    Ok(())
}

fn show(shell: &mut Shell) -> Result<()> {
    let settings = shell.settings.clone();
    let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
    let lines = [
        ("echo", switch(settings.echo)),
        ("eqp", switch(settings.plans)),
        ("headers", switch(settings.shows_headers())),
        ("mode", settings.mode.name().to_owned()),
        ("nullvalue", format!("{:?}", settings.null)),
        ("colseparator", format!("{:?}", settings.separator)),
        ("rowseparator", format!("{:?}", settings.row_separator)),
        ("timer", switch(settings.timer)),
        ("width", settings.widths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
        ("filename", shell.file.clone()),
    ];
    for (name, value) in lines {
        writeln!(shell.output, "{name:>12}: {value}")?;
    }
    Ok(())
}
