//! DROP.

use heddle_engine::raw::ObjectKind;

use super::names::{as_asked, old_name};
use super::statistics::{Of, forget};
use super::{Change, Outcome};
use crate::ast::QualifiedName;
use crate::schema::{IndexOrigin, Named};
use crate::{Error, Result};

/// DROP TABLE or DROP VIEW.
pub(super) async fn table(
    change: &mut Change<'_>,
    name: &QualifiedName,
    if_exists: bool,
    is_view: bool,
) -> Result<Outcome> {
    let kind = if is_view { "view" } else { "table" };
    // What is broken can be dropped all the same.
    let is_unknown = is_unknown(change, name);
    let own = change.tx()?.schema().named(&name.name.text).filter(|_| !is_unknown);
    let own = own.map(|object| object.kind);
    let named = match change.target(name, kind) {
        Ok(named) => named,
        Err(_) if if_exists && own.is_none() => return Ok(Outcome::Unchanged),
        Err(error) => match own {
            Some(ObjectKind::Table | ObjectKind::View) => Named::Broken("".into()),
            _ => return Err(error),
        },
    };
    let name = match &named {
        Named::Table(table) => &*table.name,
        Named::View(view) => &*view.name,
        _ => &*name.name.text,
    };
    if may_not_be_dropped(name) {
        return Err(Error::sql(format!("table {} may not be dropped", old_name(name))));
    }
    match (&named, is_view) {
        (Named::View(_), false) => {
            return Err(Error::sql(format!("use DROP VIEW to delete view {name}")));
        }
        (Named::Table(_) | Named::Virtual(_), true) => {
            return Err(Error::sql(format!("use DROP TABLE to delete table {name}")));
        }
        _ => {}
    }
    if !is_view {
        forget(change, Of::Table, name).await?;
    }
    let kind = own.unwrap_or(if is_view { ObjectKind::View } else { ObjectKind::Table });
    change.tx()?.drop_object(kind, name).await?;
    Ok(Outcome::Done)
}

/// SQLite's own tables stay, but for statistics.
fn may_not_be_dropped(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let rest = name.strip_prefix("sqlite_");
    rest.is_some_and(|rest| !rest.starts_with("stat") && !rest.starts_with("parameters"))
}

/// DROP INDEX.
pub(super) async fn index(
    change: &mut Change<'_>,
    name: &QualifiedName,
    if_exists: bool,
) -> Result<Outcome> {
    let known = !is_unknown(change, name);
    let found = match known {
        true => change.schema()?.index(&name.name.text).cloned(),
        false => None,
    };
    let Some((_, index)) = found else {
        change.tx()?.use_schema();
        return match if_exists {
            true => Ok(Outcome::Unchanged),
            false => Err(Error::sql(format!("no such index: {}", as_asked(name)))),
        };
    };
    if index.origin != IndexOrigin::CreateIndex {
        return Err(Error::sql(
            "index associated with UNIQUE or PRIMARY KEY constraint cannot be dropped",
        ));
    }
    forget(change, Of::Index, &index.name).await?;
    change.tx()?.drop_object(ObjectKind::Index, &index.name).await?;
    Ok(Outcome::Done)
}

/// DROP TRIGGER.
pub(super) async fn trigger(
    change: &mut Change<'_>,
    name: &QualifiedName,
    if_exists: bool,
) -> Result<Outcome> {
    let known = !is_unknown(change, name);
    let found = change.tx()?.schema().find(ObjectKind::Trigger, &name.name.text);
    let Some(object) = found.filter(|_| known).cloned() else {
        change.tx()?.use_schema();
        return match if_exists {
            true => Ok(Outcome::Unchanged),
            false => Err(Error::sql(format!("no such trigger: {}", as_asked(name)))),
        };
    };
    change.tx()?.drop_object(ObjectKind::Trigger, &object.name).await?;
    Ok(Outcome::Done)
}

/// Whether the statement says a database that there is not.
fn is_unknown(change: &Change<'_>, name: &QualifiedName) -> bool {
    let databases = change.environment.databases;
    name.schema.as_ref().is_some_and(|schema| databases.find(&schema.text).is_none())
}
