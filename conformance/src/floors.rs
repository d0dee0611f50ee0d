//! `floors.toml`: how much of each suite passes, a number that is only ever raised. A test fails when fewer pass.

use anyhow::{Context, Result, ensure};

const FLOORS: &str = include_str!("../floors.toml");

/// The floor called `name`.
///
/// # Errors
/// If there is none, or it is no number.
pub fn floor(name: &str) -> Result<usize> {
    for line in FLOORS.lines() {
        let line = line.split('#').next().unwrap_or_default();
        if let Some((key, value)) = line.split_once('=')
            && key.trim() == name
        {
            let number = value.trim().replace('_', "");
            return number.parse().with_context(|| format!("the floor {name}"));
        }
    }
    anyhow::bail!("there is no floor {name} in floors.toml")
}

/// Fails if `passed` is under the floor called `name`, and says so if the floor can be raised.
///
/// # Errors
/// If fewer passed, and those of [`floor`].
pub fn check(name: &str, passed: usize) -> Result<()> {
    let floor = floor(name)?;
    ensure!(passed >= floor, "{name}: {passed} passed, {floor} must");
    if passed > floor {
        eprintln!("{name}: {passed} passed: raise the floor, which is {floor}");
    }
    Ok(())
}
