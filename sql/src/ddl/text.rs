//! The text of a definition as `sqlite_schema` keeps it.

use heddle_value::Affinity;

use crate::parse::{quoted_if_needed, words};

/// Where the name of what is defined stands, and how it is written; the schema before it does not count. `CREATE [TEMP]
/// [UNIQUE] kind [IF NOT EXISTS] [schema .] name`.
pub(super) fn name_in(sql: &str) -> Option<std::ops::Range<usize>> {
    let words = words(sql);
    let text = |at: usize| words.get(at).and_then(|word| sql.get(word.range.clone()));
    let is = |at: usize, known: &str| text(at).is_some_and(|t| t.eq_ignore_ascii_case(known));
    let kinds = ["TABLE", "INDEX", "VIEW", "TRIGGER"];
    let kind = (1..words.len().min(4)).find(|&at| kinds.iter().any(|kind| is(at, kind)))?;
    let conditional = is(kind + 1, "IF") && is(kind + 2, "NOT") && is(kind + 3, "EXISTS");
    let mut at = kind + if conditional { 4 } else { 1 };
    if is(at + 1, ".") {
        at += 2;
    }
    words.get(at).map(|word| word.range.clone())
}

/// The name as it is written.
pub(super) fn written_name(sql: &str) -> &str {
    name_in(sql).and_then(|range| sql.get(range)).unwrap_or_default()
}

/// The text from the name on, after these words.
pub(super) fn kept(prefix: &str, sql: &str) -> String {
    let rest = name_in(sql).and_then(|range| sql.get(range.start..)).unwrap_or_default();
    format!("{prefix} {rest}")
}

/// The text of a table with these columns, as `CREATE TABLE .. AS SELECT` makes it.
pub(super) fn of_columns(name: &str, columns: &[(Box<str>, Affinity)]) -> String {
    // As long as SQLite reckons it.
    let length = |name: &str| name.len() + name.matches('"').count() + 2;
    let sum: usize = columns.iter().map(|(name, _)| length(name) + 5).sum();
    let (first, between, end) = match sum + length(name) < 50 {
        true => ("", ",", ")"),
        false => ("\n  ", ",\n  ", "\n)"),
    };
    let column = |(name, affinity): &(Box<str>, Affinity)| {
        let declared = match affinity {
            Affinity::Blob => "",
            Affinity::Text => " TEXT",
            Affinity::Numeric => " NUM",
            Affinity::Integer => " INT",
            Affinity::Real => " REAL",
        };
        format!("{}{declared}", quoted_if_needed(name))
    };
    let columns: Vec<String> = columns.iter().map(column).collect();
    format!("CREATE TABLE {}({first}{}{end}", quoted_if_needed(name), columns.join(between))
}

/// Names of columns without repetition: a later one gets a number.
pub(super) fn unique_names(names: &[Box<str>]) -> Vec<Box<str>> {
    let mut unique: Vec<Box<str>> = Vec::new();
    for name in names {
        let taken = |name: &str| unique.iter().any(|other| other.eq_ignore_ascii_case(name));
        let base = match name.rsplit_once(':') {
            Some((base, digits))
                if !base.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                base
            }
            _ => name,
        };
        let free = if taken(name) {
            let numbered = (1_u64..).map(|number| format!("{base}:{number}"));
            numbered.into_iter().find(|name| !taken(name)).unwrap_or_default().into()
        } else {
            name.clone()
        };
        unique.push(free);
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_name_is_left_out() {
        let sql = "create temp table if not exists temp . \"a b\" (x)";
        assert_eq!(kept("CREATE TABLE", sql), "CREATE TABLE \"a b\" (x)");
        assert_eq!(written_name(sql), "\"a b\"");
        assert_eq!(written_name("CREATE UNIQUE INDEX /* x */ i ON t (a)"), "i");
        assert_eq!(written_name("CREATE TABLE index (a)"), "index");
    }

    #[test]
    fn repeated_names_get_numbers() {
        let names = ["a", "A", "b:1", "b:1", "a:1"].map(Box::from);
        let unique: Vec<String> = unique_names(&names).iter().map(ToString::to_string).collect();
        assert_eq!(unique, ["a", "A:1", "b:1", "b:2", "a:2"]);
    }
}
