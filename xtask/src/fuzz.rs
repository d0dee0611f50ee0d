//! `cargo xtask fuzz`: corpora from real files, then every target for its share of the time.
//!
//! With a nightly compiler the targets run under libFuzzer with coverage and the address sanitizer; with a stable one
//! under a driver of our own that mutates the corpus blindly. What is found stays in `fuzz/artifacts/TARGET/`.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::command::Cargo;

const TARGETS: [&str; 6] = ["record", "page", "redo", "log", "run", "database"];
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// What cargo-fuzz passes.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address -Ccodegen-units=1 --cfg fuzzing";
/// An input that takes longer has found something.
const TIMEOUT: u32 = 20;
/// So has one that takes more memory.
const MEMORY_MB: u32 = 2048;

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Fuzz {
    /// Minutes for all targets together.
    #[arg(long, default_value_t = 6.0)]
    minutes: f64,
    /// One target only.
    #[arg(long, value_parser = TARGETS)]
    target: Option<String>,
    /// The driver without coverage, even if there is a nightly compiler.
    #[arg(long)]
    plain: bool,
}

/// Seeds, builds and runs.
pub(crate) fn run(root: &Path, fuzz: &Fuzz) -> Result<()> {
    let folder = root.join("fuzz");
    let shared = ["../../shared/realdb".to_owned(), "../../shared/corruptdb".to_owned()];
    let cargo = Cargo::at(&folder);
    cargo.run(["run", "--release", "--quiet", "--bin", "seeds", "corpus"], &shared)?;
    let targets: Vec<&str> = TARGETS
        .into_iter()
        .filter(|name| fuzz.target.as_deref().is_none_or(|one| one == *name))
        .collect();
    let seconds = (fuzz.minutes * 60.0 / targets.len() as f64).ceil() as u64;
    if fuzz.plain || !has_nightly() {
        for target in targets {
            let corpus = format!("corpus/{target}");
            let rest = [target.to_owned(), corpus, seconds.to_string()];
            cargo.run(["run", "--release", "--quiet", "--bin", "plain", "--"], &rest)?;
        }
        return Ok(());
    }
    Cargo::at(&folder).env("RUSTFLAGS", FLAGS).run(
        ["+nightly", "build", "--release", "--features", "libfuzzer", "--target", TRIPLE, "--bins"],
        &[],
    )?;
    // All of them, so that what one finds doesn't keep the others from being looked at.
    let mut findings = Vec::new();
    for target in targets {
        if !libfuzzer(&folder, target, seconds)? {
            findings.push(target);
        }
    }
    ensure!(findings.is_empty(), "found something: see fuzz/artifacts, {}", findings.join(", "));
    Ok(())
}

fn has_nightly() -> bool {
    let mut version = Command::new("cargo");
    version.args(["+nightly", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// Whether nothing was found.
fn libfuzzer(folder: &Path, target: &str, seconds: u64) -> Result<bool> {
    let artifacts = folder.join("artifacts").join(target);
    std::fs::create_dir_all(&artifacts)?;
    let program = folder.join("target").join(TRIPLE).join("release").join(target);
    eprintln!("$ {target}: {seconds} s");
    let status = Command::new(program)
        .arg(folder.join("corpus").join(target))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={TIMEOUT}"))
        .arg(format!("-rss_limit_mb={MEMORY_MB}"))
        // To look for leaks needs ptrace, which containers forbid; the limit of memory stays.
        .arg("-detect_leaks=0")
        .args(["-max_len=262144", "-print_final_stats=1", "-verbosity=0"])
        .status()
        .with_context(|| format!("{target} did not start"))?;
    Ok(status.success())
}
