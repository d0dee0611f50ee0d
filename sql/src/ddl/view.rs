//! CREATE VIEW.

use heddle_engine::raw::{NewObject, NewTree, ObjectKind};

use super::text::{kept, written_name};
use super::{Change, Outcome};
use crate::ast::CreateView;
use crate::parse::parse_one;
use crate::{Error, Result};

pub(super) async fn create(change: &mut Change<'_>, create: &CreateView) -> Result<Outcome> {
    let has_parameters = parse_one(change.sql).is_ok_and(|parsed| !parsed.parameters.is_empty());
    if has_parameters {
        return Err(Error::sql("parameters are not allowed in views"));
    }
    let name = &create.name.name;
    let written = written_name(change.sql);
    if !change.check_new_table(name, written, create.if_not_exists)? {
        return Ok(Outcome::Unchanged);
    }
    change.check_view(written, &create.select)?;
    let object = NewObject {
        kind: ObjectKind::View,
        name: name.text.to_string(),
        table: name.text.to_string(),
        sql: Some(kept("CREATE VIEW", change.sql)),
        tree: NewTree::None,
    };
    change.tx()?.create(object).await?;
    Ok(Outcome::Done)
}
