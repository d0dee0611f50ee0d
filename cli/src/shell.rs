//! The shell: reads statements and dot commands, runs them, prints what they give.

use std::io::{BufReader, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use heddledb::{Builder, Connection, Database, block_on};

use crate::arguments::Arguments;
use crate::commands;
use crate::completion::{Completion, Names};
use crate::input::{Input, Line, is_complete};
use crate::output::Output;
use crate::render::Renderer;
use crate::settings::Settings;

/// How deep `.read` may lie in files that `.read` reads.
const MAX_READ: usize = 25;

/// An open shell.
pub(crate) struct Shell {
    pub(crate) database: Database,
    pub(crate) connection: Connection,
    pub(crate) file: String,
    pub(crate) settings: Settings,
    pub(crate) output: Output,
    /// The connection that Ctrl-C interrupts.
    running: Arc<Mutex<Connection>>,
    names: Names,
    /// Whether all went well so far.
    fine: bool,
    quit: bool,
    depth: usize,
}

impl Shell {
    /// Opens the database of the command line.
    pub(crate) fn open(arguments: &Arguments) -> Result<Shell> {
        let file = arguments.file.clone().unwrap_or_else(|| ":memory:".to_owned());
        let (database, connection) = connect(&file, arguments.readonly)?;
        let running = Arc::new(Mutex::new(connection.clone()));
        let interrupted = Arc::clone(&running);
        // Without it Ctrl-C ends the shell.
        let _ = ctrlc::set_handler(move || {
            interrupted.lock().unwrap_or_else(PoisonError::into_inner).interrupt();
        });
        let mut settings =
            Settings { bail: arguments.bail, echo: arguments.echo, ..Settings::default() };
        if let Some(mode) = arguments.mode() {
            settings.set_mode(mode);
        }
        settings.headers = match (arguments.header, arguments.noheader) {
            (_, true) => Some(false),
            (true, false) => Some(true),
            _ => None,
        };
        settings.null.clone_from(arguments.nullvalue.as_ref().unwrap_or(&String::new()));
        if let Some(separator) = &arguments.separator {
            settings.separator.clone_from(separator);
        }
        let output = Output::standard();
        let names = Names::default();
        Ok(Shell {
            database,
            connection,
            file,
            settings,
            output,
            running,
            names,
            fine: true,
            quit: false,
            depth: 0,
        })
    }

    /// Another database in the place of the open one.
    pub(crate) fn reopen(&mut self, file: &str) -> Result<()> {
        let (database, connection) = connect(file, false)?;
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = connection.clone();
        self.connection = connection;
        let before = std::mem::replace(&mut self.database, database);
        self.file = file.to_owned();
        // Others of this process may have it open: then it stays.
        let _ = block_on(before.close());
        Ok(())
    }

    /// Leaves the database as a single file that any program can read.
    pub(crate) fn close(self) -> Result<()> {
        if !self.connection.is_autocommit() {
            // What was begun and not committed is given up, as by sqlite3.
            block_on(self.connection.execute("ROLLBACK", ()))?;
        }
        Ok(block_on(self.database.close())?)
    }

    /// Runs what the command line says, or what comes from standard input; `false`: something failed.
    pub(crate) fn run(&mut self, arguments: &Arguments) -> Result<bool> {
        let start = match &arguments.init {
            Some(init) => Some(std::path::PathBuf::from(init)),
            None => {
                std::env::home_dir().map(|home| home.join(".heddlerc")).filter(|file| file.exists())
            }
        };
        if let Some(start) = start {
            self.read(&start.to_string_lossy())?;
        }
        for text in arguments.cmd.iter().chain(&arguments.commands) {
            self.text(text)?;
        }
        if arguments.commands.is_empty() && !self.quit {
            let ask = match (arguments.batch, arguments.interactive) {
                (true, _) => Some(false),
                (_, true) => Some(true),
                _ => None,
            };
            let mut input = Input::standard(ask, Completion::new(Arc::clone(&self.names)))?;
            if input.is_terminal() {
                println!("HeddleDB {}. \".help\" lists commands.", env!("CARGO_PKG_VERSION"));
                if arguments.mode().is_none() {
                    self.settings.set_mode(crate::settings::Mode::Box);
                }
            }
            self.lines(&mut input)?;
            input.finish();
        }
        self.output.flush()?;
        Ok(self.fine)
    }

    /// Statements and commands from a file.
    pub(crate) fn read(&mut self, file: &str) -> Result<()> {
        anyhow::ensure!(self.depth < MAX_READ, "input nesting limit ({MAX_READ}) reached");
        let opened =
            std::fs::File::open(file).with_context(|| format!("cannot open \"{file}\""))?;
        self.depth += 1;
        let outcome = self.lines(&mut Input::Lines(Box::new(BufReader::new(opened))));
        self.depth -= 1;
        outcome
    }

    /// Statements and commands of a text.
    fn text(&mut self, text: &str) -> Result<()> {
        let lines = std::io::Cursor::new(text.as_bytes().to_vec());
        self.lines(&mut Input::Lines(Box::new(lines)))
    }

    fn lines(&mut self, input: &mut Input) -> Result<()> {
        let mut begun = String::new();
        while !self.quit {
            if begun.is_empty() && input.is_terminal() {
                self.learn_names();
            }
            let prompt =
                if begun.is_empty() { &self.settings.prompt } else { &self.settings.continued };
            let line = match input.next(prompt)? {
                Line::Text(line) => line,
                Line::Interrupted => {
                    begun.clear();
                    continue;
                }
                Line::End => break,
            };
            if begun.is_empty() && line.starts_with('.') {
                if self.settings.echo {
                    writeln!(self.output, "{line}")?;
                }
                let outcome = commands::run(self, line.get(1..).unwrap_or_default());
                self.note(outcome);
                self.output.statement_ended()?;
            } else {
                begun.push_str(&line);
                begun.push('\n');
                if begun.trim().is_empty()
                    || begun.trim_start().starts_with('#') && begun.lines().count() == 1
                {
                    begun.clear();
                } else if is_complete(&begun) {
                    self.statements(&std::mem::take(&mut begun))?;
                }
            }
            if !self.fine && self.settings.bail {
                self.quit = true;
            }
        }
        if !begun.trim().is_empty() && !self.quit {
            self.statements(&begun)?;
        }
        Ok(())
    }

    /// Runs the statements of a text.
    pub(crate) fn statements(&mut self, text: &str) -> Result<()> {
        let mut rest = text;
        loop {
            let parsed = match heddle_sql::parse::parse(rest) {
                Ok(None) => return Ok(()),
                Ok(Some(parsed)) => parsed,
                Err(error) => {
                    self.note(Err(anyhow::anyhow!("in prepare, {error}")));
                    return Ok(());
                }
            };
            let sql = rest.get(parsed.text.clone()).unwrap_or_default();
            if self.settings.echo {
                writeln!(self.output, "{sql};")?;
            }
            let outcome = self.statement(sql);
            let failed = outcome.is_err();
            self.note(outcome);
            self.output.statement_ended()?;
            if failed && self.settings.bail {
                return Ok(());
            }
            rest = rest.get(parsed.end..).unwrap_or_default();
        }
    }

    /// Runs one statement and prints its rows.
    pub(crate) fn statement(&mut self, sql: &str) -> Result<()> {
        #[allow(clippy::disallowed_methods, reason = "what a user waits for is real time")]
        let begun = Instant::now();
        if self.settings.plans && !sql.trim_start().to_ascii_uppercase().starts_with("EXPLAIN") {
            self.plan(sql)?;
        }
        let (connection, settings) = (&self.connection, &self.settings);
        let out = &mut self.output;
        block_on(async {
            let mut rows = connection.query(sql, ()).await?;
            let mut renderer = Renderer::new(settings, rows.column_names());
            let is_plan = is_query_plan(sql);
            let mut plan = Vec::new();
            while let Some(row) = rows.next().await? {
                match is_plan {
                    true => plan.push((row.get(0)?, row.get(1)?, row.get(3)?)),
                    false => renderer.row(&row, out)?,
                }
            }
            if is_plan {
                commands::explain::print(&plan, out)?;
            }
            renderer.end(out)?;
            anyhow::Ok(())
        })?;
        if self.settings.changes {
            let (changes, total) = (self.connection.changes(), self.connection.total_changes());
            writeln!(self.output, "changes: {changes}   total_changes: {total}")?;
        }
        if self.settings.timer {
            writeln!(self.output, "Run Time: real {:.6}", begun.elapsed().as_secs_f64())?;
        }
        Ok(())
    }

    fn plan(&mut self, sql: &str) -> Result<()> {
        let timer = std::mem::take(&mut self.settings.timer);
        let outcome = self.statement(&format!("EXPLAIN QUERY PLAN {sql}"));
        self.settings.timer = timer;
        outcome
    }

    /// Prints what failed.
    fn note(&mut self, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.fine = false;
            // The output comes before it, where both go to one place.
            let _ = self.output.flush();
            eprintln!("Error: {error:#}");
        }
    }

    pub(crate) fn quit(&mut self) {
        self.quit = true;
    }

    /// Names for the Tab key.
    fn learn_names(&mut self) {
        let sql = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') UNION SELECT c.name \
            FROM sqlite_schema AS s, pragma_table_info(s.name) AS c WHERE s.type IN ('table', 'view')";
        // A database that can't be read says so when it is asked for rows.
        if let Ok(names) = self.column(sql) {
            *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names;
        }
    }

    /// The first column of a query's rows, as text.
    pub(crate) fn column(&mut self, sql: &str) -> Result<Vec<String>> {
        block_on(async {
            let mut rows = self.connection.query(sql, ()).await?;
            let mut column = Vec::new();
            while let Some(row) = rows.next().await? {
                column.push(row.get::<Option<String>>(0)?.unwrap_or_default());
            }
            Ok(column)
        })
    }
}

fn is_query_plan(sql: &str) -> bool {
    let words: Vec<String> = sql.split_whitespace().take(3).map(str::to_ascii_uppercase).collect();
    words == ["EXPLAIN", "QUERY", "PLAN"]
}

fn connect(file: &str, read_only: bool) -> Result<(Database, Connection)> {
    let opened = block_on(Builder::new_local(file).read_only(read_only).build());
    let database = opened.with_context(|| format!("unable to open database \"{file}\""))?;
    let connection = database.connect()?;
    Ok((database, connection))
}
