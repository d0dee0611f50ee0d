//! Rows about the connection: its databases, functions, collations and pragmas.

use heddle_value::Value;

use super::facts::{Facts, Row, bit, number, text};

/// `database_list`.
pub(super) fn databases(facts: &Facts) -> Vec<Row> {
    let databases = facts.databases.list.iter().enumerate();
    let rows = databases.filter_map(|(at, database)| {
        let file = facts.files.get(at).and_then(Option::as_ref).map(|file| &*file.file);
        Some(vec![number(at), text(&database.as_ref()?.name), text(file.unwrap_or_default())])
    });
    rows.collect()
}

/// `collation_list`.
pub(super) fn collations(facts: &Facts) -> Vec<Row> {
    let own = facts.extensions.collation_names();
    let names = own.into_iter().chain(["RTRIM", "NOCASE", "BINARY"].map(Box::from));
    names.enumerate().map(|(at, name): (usize, Box<str>)| vec![number(at), text(&name)]).collect()
}

/// `function_list`.
pub(super) fn functions(facts: &Facts) -> Vec<Row> {
    /// What stands in `flags` for a function that gives the same for the same.
    const DETERMINISTIC: i64 = 0x800;
    let row = |name: &str, built_in: bool, kind: &str, arity: i64, deterministic: bool| {
        let flags = if deterministic { DETERMINISTIC } else { 0 };
        vec![
            text(name),
            bit(built_in),
            text(kind),
            text("utf8"),
            Value::Integer(arity),
            Value::Integer(flags),
        ]
    };
    let arity = |(least, most): (usize, Option<usize>)| match most {
        Some(most) if most == least => i64::try_from(least).unwrap_or(-1),
        _ => -1,
    };
    let scalars = heddle_functions::scalars()
        .map(|f| row(f.name, true, "s", arity(f.arity), f.deterministic));
    let aggregates =
        heddle_functions::aggregates().map(|f| row(f.name, true, "w", arity(f.arity), true));
    let own = facts.extensions.functions().into_iter().map(|(name, kind, most, deterministic)| {
        let arity = most.and_then(|most| i64::try_from(most).ok()).unwrap_or(-1);
        row(&name, false, kind, arity, deterministic)
    });
    own.chain(scalars).chain(aggregates).collect()
}

/// `pragma_list`.
pub(super) fn pragmas() -> Vec<Row> {
    super::names().map(|name| vec![text(name)]).collect()
}

/// `module_list`: the table-valued functions.
pub(super) fn modules() -> Vec<Row> {
    heddle_functions::tables().map(|table| vec![text(table.name)]).collect()
}

/// `compile_options`.
pub(super) fn compile_options() -> Vec<Row> {
    heddle_functions::compile_options().iter().map(|option| vec![text(option)]).collect()
}
