//! The page of schedules beside the repository, parsed: who does what in turn, and how that may end at each level.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the tests of two crates share this, and panic if they fail"
)]

use std::collections::BTreeSet;

pub(crate) type Rows = Vec<(i64, i64)>;

/// A block of the page.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    pub(crate) name: String,
    /// Who, and what.
    pub(crate) lines: Vec<(String, String)>,
    pub(crate) setup: String,
    /// Level, who commits, what is there then.
    pub(crate) endings: Vec<(String, BTreeSet<String>, String)>,
}

fn parse(text: &str) -> Vec<Schedule> {
    let mut schedules = Vec::new();
    let (mut name, mut current) = (String::new(), None::<Schedule>);
    for line in text.lines() {
        match (line, &mut current) {
            ("```schedule", _) => {
                current = Some(Schedule { name: name.clone(), ..Schedule::default() });
            }
            ("```", Some(_)) => schedules.extend(current.take()),
            (line, Some(schedule)) => {
                if let Some((levels, rows)) = line.split_once(" => ") {
                    let (level, who) = levels.split_once(' ').unwrap();
                    let who = who.split(',').map(str::to_owned).collect();
                    schedule.endings.push((level.to_owned(), who, rows.to_owned()));
                } else if let Some((who, what)) = line.split_once(": ") {
                    match who {
                        "setup" | "pragma" => schedule.setup += what,
                        _ => schedule.lines.push((who.to_owned(), what.to_owned())),
                    }
                }
            }
            (line, None) => {
                if let Some(title) = line.strip_prefix("### ") {
                    name = title.to_owned();
                }
            }
        }
    }
    schedules
}

impl Schedule {
    /// Whether a level lets these commit with this outcome.
    pub(crate) fn allows(&self, level: &str, who: &BTreeSet<String>, there: &str) -> bool {
        self.endings.iter().any(|(of, committed, rows)| {
            (of == level || of == "BOTH") && committed == who && rows == there
        })
    }
}

/// All schedules, or none (and a word about it) where the page is absent.
pub(crate) fn all() -> Option<Vec<Schedule>> {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/isolation-anomalies.md");
    let Ok(text) = std::fs::read_to_string(shared) else {
        eprintln!("no schedules at {shared}: nothing was checked");
        return None;
    };
    let schedules = parse(&text);
    assert!(schedules.len() >= 30, "{}", schedules.len());
    Some(schedules)
}

/// The keys that a condition names.
pub(crate) fn ids_of(condition: &str) -> Option<Vec<i64>> {
    if let Some(id) = condition.strip_prefix("id=") {
        return Some(vec![id.parse().unwrap()]);
    }
    let list = condition.strip_prefix("id IN (")?.strip_suffix(')')?;
    Some(list.split(',').map(|id| id.parse().unwrap()).collect())
}

/// Whether a condition on the value holds.
pub(crate) fn holds(condition: &str, value: i64) -> bool {
    match condition.strip_prefix("value%").and_then(|rest| rest.strip_suffix("=0")) {
        Some(divisor) => value % divisor.parse::<i64>().unwrap() == 0,
        None => value == condition.strip_prefix("value=").unwrap().parse::<i64>().unwrap(),
    }
}

pub(crate) fn shown(rows: &Rows) -> String {
    if rows.is_empty() {
        return "none".to_owned();
    }
    rows.iter().map(|(id, value)| format!("{id}:{value}")).collect::<Vec<_>>().join(" ")
}
