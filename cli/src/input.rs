//! Lines of input, and where a statement ends.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use anyhow::Result;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};

use crate::completion::Completion;

/// Where lines come from.
pub(crate) enum Input {
    /// A terminal, with editing and history.
    Terminal(Box<Editor<Completion, FileHistory>>, Option<PathBuf>),
    /// A pipe or a file.
    Lines(Box<dyn BufRead>),
}

/// What came.
pub(crate) enum Line {
    /// A line.
    Text(String),
    /// Ctrl-C: what was begun is given up.
    Interrupted,
    /// There is no more.
    End,
}

impl Input {
    /// Standard input: a terminal's lines are edited.
    pub(crate) fn standard(ask: Option<bool>, completion: Completion) -> Result<Input> {
        let terminal = ask.unwrap_or_else(|| std::io::stdin().is_terminal());
        if !terminal {
            return Ok(Input::Lines(Box::new(std::io::stdin().lock())));
        }
        let config = Config::builder().auto_add_history(true).build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(completion));
        let history = std::env::home_dir().map(|home| home.join(".heddle_history"));
        if let Some(history) = &history {
            // There is none the first time.
            let _ = editor.load_history(history);
        }
        Ok(Input::Terminal(Box::new(editor), history))
    }

    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Input::Terminal(..))
    }

    pub(crate) fn next(&mut self, prompt: &str) -> Result<Line> {
        match self {
            Input::Terminal(editor, _) => match editor.readline(prompt) {
                Ok(line) => Ok(Line::Text(line)),
                Err(ReadlineError::Interrupted) => Ok(Line::Interrupted),
                Err(ReadlineError::Eof) => Ok(Line::End),
                Err(error) => Err(error.into()),
            },
            Input::Lines(lines) => {
                let mut line = Vec::new();
                if lines.read_until(b'\n', &mut line)? == 0 {
                    return Ok(Line::End);
                }
                let text = String::from_utf8_lossy(&line);
                Ok(Line::Text(text.trim_end_matches(['\n', '\r']).to_owned()))
            }
        }
    }

    /// Keeps the history.
    pub(crate) fn finish(&mut self) {
        if let Input::Terminal(editor, Some(history)) = self {
            // A history that can't be kept is no reason to fail.
            let _ = editor.save_history(history);
        }
    }
}

/// Whether a text is whole: its last statement ends with a semicolon, and is none that goes on (a trigger's).
pub(crate) fn is_complete(text: &str) -> bool {
    let mut rest = text;
    loop {
        match heddle_sql::parse::parse(rest) {
            Ok(None) => return true,
            Ok(Some(parsed)) => {
                let consumed = rest.get(..parsed.end).unwrap_or(rest);
                if !consumed.trim_end().ends_with(';') {
                    return false;
                }
                rest = rest.get(parsed.end..).unwrap_or_default();
            }
            // What is wrong is said when it runs; what is only begun goes on.
            Err(error) => {
                return error.to_string() != "incomplete input" && text.trim_end().ends_with(';');
            }
        }
    }
}
