//! Running cargo in a folder, showing the command first.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Cargo, in one folder and one environment.
pub(crate) struct Cargo {
    folder: PathBuf,
    variables: Vec<(String, String)>,
}

impl Cargo {
    /// Cargo as run inside `folder`.
    pub(crate) fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), variables: Vec::new() }
    }

    /// The same with one more environment variable, unless the caller's environment sets it.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        if std::env::var_os(name).is_none() {
            self.variables.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Whether `cargo <subcommand>` is installed.
    pub(crate) fn has(&self, subcommand: &str) -> bool {
        Command::new("cargo")
            .args([subcommand, "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Runs it and fails if it fails.
    pub(crate) fn run<'a>(
        &self,
        arguments: impl IntoIterator<Item = &'a str>,
        rest: &[String],
    ) -> Result<()> {
        let mut command = Command::new("cargo");
        command.args(arguments).args(rest).current_dir(&self.folder);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        let shown = words.join(" ");
        eprintln!("$ cargo {shown}");
        let status = command.status().context("cargo did not start")?;
        ensure!(status.success(), "cargo {shown} failed: {status}");
        Ok(())
    }
}
