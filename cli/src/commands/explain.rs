//! A query's plan as a tree.

use std::io::{self, Write};

/// Prints steps: number, the step it belongs to, what it does.
pub(crate) fn print(steps: &[(i64, i64, String)], out: &mut dyn Write) -> io::Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    writeln!(out, "QUERY PLAN")?;
    below(steps, 0, "", out, 0)
}

/// Steps deeper than this are printed as if they were no deeper.
const MAX_DEPTH: usize = 100;

fn below(
    steps: &[(i64, i64, String)],
    parent: i64,
    indent: &str,
    out: &mut dyn Write,
    depth: usize,
) -> io::Result<()> {
    let children: Vec<_> = steps.iter().filter(|(_, of, _)| *of == parent).collect();
    for (at, (number, _, text)) in children.iter().enumerate() {
        let last = at + 1 == children.len();
        writeln!(out, "{indent}{}{text}", if last { "`--" } else { "|--" })?;
        if depth < MAX_DEPTH && *number != parent {
            let deeper = format!("{indent}{}", if last { "   " } else { "|  " });
            below(steps, *number, &deeper, out, depth + 1)?;
        }
    }
    Ok(())
}
