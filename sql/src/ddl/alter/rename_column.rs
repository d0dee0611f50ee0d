//! ALTER TABLE .. RENAME COLUMN.

use std::sync::Arc;

use super::schema::Objects;
use super::scope::Wanted;
use super::{check_no_rowid, column_of};
use crate::Result;
use crate::ast::Name;
use crate::ddl::Change;
use crate::parse::words;
use crate::schema::Table;

pub(super) async fn rename(
    change: &mut Change<'_>,
    table: &Arc<Table>,
    from: &Name,
    to: &Name,
) -> Result<()> {
    let at = column_of(change, table, from, 2)?;
    let mut objects = Objects::of(change)?;
    objects.check(change, "")?;
    check_no_rowid(table, &from.text, "rename from")?;
    check_no_rowid(table, &to.text, "rename to")?;
    let last = words(change.sql).last().and_then(|word| change.sql.get(word.range.clone()));
    let in_quotes = last.is_some_and(|word| word.starts_with(['"', '\'', '`', '[']));
    objects.rename(change, Wanted::Column(table, at), &to.text, in_quotes, true)?;
    objects.check(change, "after rename")?;
    objects.write(change).await
}
