//! House rules that no compiler checks.
//!
//! - every source file of ours opens with a module header (`//!`);
//! - a file past [`LINES_MAX`] lines wants to be split along a concept;
//! - sources are ASCII;
//! - relative links in Markdown pages point at something.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Lines after which a file is too long to hold in mind.
const LINES_MAX: usize = 900;

/// Checks every tracked file and reports all findings at once.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut findings = Vec::new();
    for path in tracked(root)? {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            Some("rs") => source(root, &path, &mut findings)?,
            Some("md") => page(root, &path, &mut findings)?,
            _ => {}
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    bail!("{} findings", findings.len())
}

fn source(root: &Path, path: &Path, findings: &mut Vec<String>) -> Result<()> {
    let text = read(root, path)?;
    let shown = path.display();
    if !text.trim_start().starts_with("//!") {
        findings.push(format!("{shown}: no module header"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        findings.push(format!("{shown}: {lines} lines; split it along a concept"));
    }
    for (at, line) in text.lines().enumerate() {
        if !line.is_ascii() {
            findings.push(format!("{shown}:{}: not ASCII", at + 1));
        }
    }
    Ok(())
}

/// Checks the targets of `[text](target)`, leaving out addresses and anchors.
fn page(root: &Path, path: &Path, findings: &mut Vec<String>) -> Result<()> {
    let text = read(root, path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for piece in text.split("](").skip(1) {
        let Some(target) = piece.split(')').next() else {
            continue;
        };
        let file = target.split('#').next().unwrap_or(target);
        if file.is_empty() || file.contains("://") {
            continue;
        }
        if !root.join(folder).join(file).exists() {
            findings.push(format!("{}: link to {target}, which is not there", path.display()));
        }
    }
    Ok(())
}

fn read(root: &Path, path: &Path) -> Result<String> {
    fs::read_to_string(root.join(path)).with_context(|| path.display().to_string())
}

fn tracked(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git").arg("ls-files").current_dir(root).output()?;
    let names = String::from_utf8(output.stdout).context("a file name that is not UTF-8")?;
    Ok(names.lines().map(PathBuf::from).filter(|path| root.join(path).exists()).collect())
}
