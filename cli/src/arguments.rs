//! The command line, with the options of `sqlite3`: each may begin with one dash or two.

use clap::Parser;

use crate::settings::Mode;

/// A shell for HeddleDB and SQLite databases.
#[derive(Debug, Parser)]
#[command(name = "heddle", version, about)]
pub(crate) struct Arguments {
    /// The database; a new one is made if there is none. Without it: one in memory.
    pub(crate) file: Option<String>,
    /// SQL and dot commands to run instead of asking for them.
    pub(crate) commands: Vec<String>,
    /// Run this before anything else. May be given several times.
    #[arg(long)]
    pub(crate) cmd: Vec<String>,
    /// Read this file first, instead of ~/.heddlerc.
    #[arg(long)]
    pub(crate) init: Option<String>,
    /// Stop at the first error.
    #[arg(long)]
    pub(crate) bail: bool,
    /// Never ask, whatever the input is.
    #[arg(long)]
    pub(crate) batch: bool,
    /// Ask, whatever the input is.
    #[arg(long)]
    pub(crate) interactive: bool,
    /// Open the database for reading only.
    #[arg(long)]
    pub(crate) readonly: bool,
    /// Print each statement before it runs.
    #[arg(long)]
    pub(crate) echo: bool,
    /// Print the names of columns.
    #[arg(long)]
    pub(crate) header: bool,
    /// Do not print the names of columns.
    #[arg(long)]
    pub(crate) noheader: bool,
    /// What NULL looks like.
    #[arg(long, value_name = "TEXT")]
    pub(crate) nullvalue: Option<String>,
    /// What stands between columns in list mode.
    #[arg(long, value_name = "TEXT")]
    pub(crate) separator: Option<String>,
    #[command(flatten)]
    mode: Modes,
}

/// One flag for each way to show rows.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Modes {
    /// Rows as a table in ASCII.
    #[arg(long)]
    table: bool,
    /// Rows as a table in boxes.
    #[arg(long = "box")]
    boxes: bool,
    /// Rows in columns.
    #[arg(long)]
    column: bool,
    /// Rows as comma-separated values.
    #[arg(long)]
    csv: bool,
    /// Rows as JSON.
    #[arg(long)]
    json: bool,
    /// One value a line.
    #[arg(long)]
    line: bool,
    /// Values with a separator between them.
    #[arg(long)]
    list: bool,
    /// Rows as a Markdown table.
    #[arg(long)]
    markdown: bool,
    /// Values as SQL literals.
    #[arg(long)]
    quote: bool,
    /// Values with tabs between them.
    #[arg(long)]
    tabs: bool,
}

impl Arguments {
    /// The way to show rows, if one was named.
    pub(crate) fn mode(&self) -> Option<Mode> {
        let modes = &self.mode;
        [
            (modes.table, Mode::Table),
            (modes.boxes, Mode::Box),
            (modes.column, Mode::Column),
            (modes.csv, Mode::Csv),
            (modes.json, Mode::Json),
            (modes.line, Mode::Line),
            (modes.list, Mode::List),
            (modes.markdown, Mode::Markdown),
            (modes.quote, Mode::Quote),
            (modes.tabs, Mode::Tabs),
        ]
        .into_iter()
        .find_map(|(wanted, mode)| wanted.then_some(mode))
    }
}

/// Reads the command line.
pub(crate) fn read() -> Arguments {
    Arguments::parse_from(std::env::args().map(doubled))
}

/// `-header` as `--header`: `sqlite3` takes both.
fn doubled(argument: String) -> String {
    let single = argument.strip_prefix('-').filter(|rest| !rest.starts_with('-') && rest.len() > 1);
    match single {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_alphabetic()) => format!("--{rest}"),
        _ => argument,
    }
}
