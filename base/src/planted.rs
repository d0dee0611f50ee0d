//! Mistakes on purpose: switches that put a known bug into the code, so that the simulator can show that it finds it.
//!
//! Compiled only with the feature `planted`, which nothing but the simulator's own command turns on. Without it
//! [`crate::planted!`] is the constant `false` and [`crate::when_planted!`] is nothing at all. With it, the environment
//! variable `HEDDLE_PLANTED` names the one mistake that is in force.

/// Whether the mistake of this name is in force; `false` in a build for users.
#[cfg(feature = "planted")]
#[macro_export]
macro_rules! planted {
    ($name:literal) => {
        $crate::planted::is($name)
    };
}

/// Whether the mistake of this name is in force; `false` in a build for users.
#[cfg(not(feature = "planted"))]
#[macro_export]
macro_rules! planted {
    ($name:literal) => {
        false
    };
}

/// Statements that are there only where mistakes can be planted, and run if this one is in force.
#[cfg(feature = "planted")]
#[macro_export]
macro_rules! when_planted {
    ($name:literal, $statements:block) => {
        if $crate::planted::is($name) $statements
    };
}

/// Statements that are there only where mistakes can be planted, and run if this one is in force.
#[cfg(not(feature = "planted"))]
#[macro_export]
macro_rules! when_planted {
    ($name:literal, $statements:block) => {};
}

/// Whether the environment names this mistake.
#[cfg(feature = "planted")]
pub fn is(name: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("HEDDLE_PLANTED").ok()).as_deref() == Some(name)
}
