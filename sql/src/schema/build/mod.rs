//! From the engine's objects to a [`Schema`]: each text is parsed, and what belongs together is put together.
//!
//! - [`table`] and [`index`]: what a CREATE statement defines, with SQLite's checks, for a text that is kept and for one that is
//!   new; `key`: the keys of constraints; [`expression`]: what an expression in a definition may use.
//!
//! # Invariants
//! - B1: a table, its indexes and its triggers are one piece: a piece whose objects are the engine's same objects is taken over as it
//!   is, whatever else changed.
//! - B2: what can't be understood makes its table [`Named::Broken`]: whoever wrote to the table without an index or a trigger of it
//!   would damage the file.

pub mod expression;
pub mod index;
mod key;
pub mod table;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use heddle_engine::raw::{self, Object, ObjectKind, Tree};
use heddle_value::{Affinity, Collation};

use super::catalog::folded;
use super::{Column, DatabaseIndex, Index, Named, Schema, Table, TableKind, Trigger, View};
use crate::ast::{ConflictClause, Statement};
use crate::parse::parse_one;
use crate::{Error, Result};

pub use index::{NewIndex, index_from_ast};
pub use table::{NewTable, table_from_ast};

/// Gives a collation by its name in any case.
pub type Collations<'a> = &'a dyn Fn(&str) -> Option<Collation>;

/// For whom a definition is read.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The collations there are.
    pub collations: Collations<'a>,
    /// Whether the text is kept in a schema: then it was accepted once, and what the connection does not know (a
    /// collation) is only noted.
    pub loading: bool,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("loading", &self.loading).finish_non_exhaustive()
    }
}

impl Context<'_> {
    /// A collation, or BINARY and the name of the one that is not known.
    ///
    /// # Errors
    /// `no such collation sequence`, unless loading.
    pub(crate) fn collation(&self, name: &str) -> Result<(Collation, Option<Box<str>>)> {
        match (self.collations)(name) {
            Some(collation) => Ok((collation, None)),
            None if self.loading => Ok((Collation::BINARY, Some(name.into()))),
            None => Err(Error::sql(format!("no such collation sequence: {name}"))),
        }
    }
}

/// A table or view with what is on it (B1).
#[derive(Debug, Clone)]
struct Piece {
    /// The engine's objects: the table or view, then its indexes and triggers by row.
    objects: Vec<Arc<Object>>,
    named: Named,
    triggers: Vec<Arc<Trigger>>,
}

/// What was built before, by the row of the table or view.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    by_row: HashMap<i64, Piece, FixedState>,
}

/// The schema that these objects are.
pub fn build(
    objects: &raw::Schema,
    schema_tree: Tree,
    database: DatabaseIndex,
    collations: Collations<'_>,
) -> Arc<Schema> {
    build_of(objects.objects(), schema_tree, database, collations)
}

/// As [`build`], of objects as they may become.
pub(crate) fn build_of(
    objects: &[Arc<Object>],
    schema_tree: Tree,
    database: DatabaseIndex,
    collations: Collations<'_>,
) -> Arc<Schema> {
    build_with(objects, schema_tree, database, collations, &mut Pieces::default())
}

/// As [`build`], taking over what did not change, and leaving what was built.
pub(super) fn build_with(
    objects: &[Arc<Object>],
    schema_tree: Tree,
    database: DatabaseIndex,
    collations: Collations<'_>,
    pieces: &mut Pieces,
) -> Arc<Schema> {
    let context = Context { collations, loading: true };
    let mut before = std::mem::take(&mut pieces.by_row);
    let mut schema = Schema::default();
    for group in groups(objects) {
        let Some(first) = group.first() else { continue };
        let row = first.row.0;
        let kept = before.remove(&row).filter(|piece| same(&piece.objects, &group));
        let is_own = matches!(first.kind, ObjectKind::Table | ObjectKind::View);
        let piece = kept.unwrap_or_else(|| {
            if is_own { piece(group, database, context) } else { orphans(group, database) }
        });
        let name = is_own.then(|| folded(&piece.objects[0].name));
        enter(&mut schema, name, &piece);
        pieces.by_row.insert(row, piece);
    }
    let own = Named::Table(Arc::new(schema_table(schema_tree)));
    schema.tables.insert("sqlite_master".into(), own.clone());
    schema.tables.insert("sqlite_schema".into(), own);
    schema.order.push("sqlite_schema".into());
    Arc::new(schema)
}

/// Objects by the table or view that they are of; what is on none (a trigger of `temp` on another database's
/// table) by itself.
fn groups(objects: &[Arc<Object>]) -> Vec<Vec<Arc<Object>>> {
    let mut groups: Vec<Vec<Arc<Object>>> = Vec::new();
    let mut by_name: HashMap<Box<str>, usize, FixedState> = HashMap::default();
    for object in objects {
        if matches!(object.kind, ObjectKind::Table | ObjectKind::View) {
            by_name.entry(folded(&object.name)).or_insert(groups.len());
            groups.push(vec![Arc::clone(object)]);
        }
    }
    for object in objects {
        if matches!(object.kind, ObjectKind::Index | ObjectKind::Trigger) {
            match by_name.get(&folded(&object.table)).and_then(|&at| groups.get_mut(at)) {
                Some(group) => group.push(Arc::clone(object)),
                None => groups.push(vec![Arc::clone(object)]),
            }
        }
    }
    groups
}

fn same(before: &[Arc<Object>], now: &[Arc<Object>]) -> bool {
    let unchanged = |a: &Object, b: &Object| {
        let trees = match (&a.tree, &b.tree) {
            (Some(a), Some(b)) => a.is_unchanged(b),
            (None, None) => true,
            _ => false,
        };
        trees && a.row == b.row && a.kind == b.kind && a.name == b.name && a.sql == b.sql
    };
    before.len() == now.len()
        && before.iter().zip(now).all(|(a, b)| Arc::ptr_eq(a, b) || unchanged(a, b))
}

/// Puts a piece under its names.
fn enter(schema: &mut Schema, name: Option<Box<str>>, piece: &Piece) {
    for trigger in &piece.triggers {
        let on = folded(&trigger.definition.table.name.text);
        schema.triggers.insert(folded(&trigger.name), (Arc::clone(trigger), on));
    }
    let Some(name) = name else { return };
    if let Named::Table(table) = &piece.named {
        for index in &table.indexes {
            schema.indexes.insert(folded(&index.name), (Arc::clone(table), Arc::clone(index)));
        }
    }
    schema.tables.insert(name.clone(), piece.named.clone());
    schema.order.push(name);
}

/// The words of SQLite for a row of the schema that can't be understood.
fn malformed(object: &Object, reason: &dyn std::fmt::Display) -> Error {
    let reason = reason.to_string();
    let dash = if reason.is_empty() { "" } else { " - " };
    Error::sql(format!("malformed database schema ({}){dash}{reason}", object.name))
}

/// The statement of an object's text.
fn statement(object: &Object) -> Result<Statement> {
    let sql = object.sql.as_deref().unwrap_or_default();
    parse_one(sql).map(|parsed| parsed.statement).map_err(|error| malformed(object, &error))
}

fn piece(objects: Vec<Arc<Object>>, database: DatabaseIndex, context: Context<'_>) -> Piece {
    let mut triggers = Vec::new();
    let mut broken = None;
    for object in objects.iter().filter(|object| object.kind == ObjectKind::Trigger) {
        match trigger(object, database) {
            Ok(trigger) => triggers.push(Arc::new(trigger)),
            Err(error) => broken = broken.or(Some(error)),
        }
    }
    let newest_first = || triggers.iter().rev().cloned().collect();
    let named = match broken {
        Some(error) => Err(error),
        None => named(&objects, context, newest_first()),
    };
    let named = named.unwrap_or_else(|error| Named::Broken(error.to_string().into()));
    Piece { objects, named, triggers }
}

/// Triggers on what is not in this schema.
fn orphans(objects: Vec<Arc<Object>>, database: DatabaseIndex) -> Piece {
    let is_trigger = |object: &&Arc<Object>| object.kind == ObjectKind::Trigger;
    let triggers = objects
        .iter()
        .filter(is_trigger)
        .filter_map(|object| trigger(object, database).ok())
        .map(Arc::new)
        .collect();
    Piece { objects, named: Named::Broken("".into()), triggers }
}

fn trigger(object: &Object, database: DatabaseIndex) -> Result<Trigger> {
    match statement(object)? {
        Statement::CreateTrigger(definition) => Ok(Trigger {
            name: object.name.clone(),
            database,
            definition: *definition,
            sql: object.sql.clone().unwrap_or_default(),
        }),
        _ => Err(malformed(object, &"")),
    }
}

/// The table or view that the first object is.
fn named(
    objects: &[Arc<Object>],
    context: Context<'_>,
    triggers: Vec<Arc<Trigger>>,
) -> Result<Named> {
    let Some(first) = objects.first() else { return Ok(Named::Broken("".into())) };
    let sql: Box<str> = first.sql.clone().unwrap_or_default();
    match (statement(first)?, &first.tree) {
        (Statement::CreateView(definition), None) if first.kind == ObjectKind::View => {
            let name = first.name.clone();
            Ok(Named::View(Arc::new(View { name, definition: *definition, triggers, sql })))
        }
        (Statement::CreateVirtualTable { module, .. }, _) => Ok(Named::Virtual(module.text)),
        (Statement::CreateTable(create), Some(tree)) if first.kind == ObjectKind::Table => {
            let new = table_from_ast(&first.name, &create, context)
                .map_err(|error| malformed(first, &error))?;
            let automatic = new.automatic.clone();
            let mut table = new.into_table(tree.clone(), sql);
            table.indexes = indexes(&table, automatic, objects, context)?;
            table.triggers = triggers;
            Ok(Named::Table(Arc::new(table)))
        }
        _ => Err(malformed(first, &"")),
    }
}

/// The indexes of a table as SQLite keeps them: newest first, those that replace rows last.
fn indexes(
    table: &Table,
    automatic: Vec<NewIndex>,
    objects: &[Arc<Object>],
    context: Context<'_>,
) -> Result<Vec<Arc<Index>>> {
    let mut found = Vec::new();
    let of_kind = || objects.iter().filter(|object| object.kind == ObjectKind::Index);
    for new in automatic {
        let is_it = |object: &&Arc<Object>| {
            object.sql.is_none() && object.name.eq_ignore_ascii_case(&new.name)
        };
        let tree = of_kind().find(is_it).and_then(|object| object.tree.clone());
        let Some(tree) = tree else {
            let name = &table.name;
            return Err(Error::sql(format!(
                "malformed database schema ({name}) - the index {} is missing",
                new.name
            )));
        };
        found.push(new.into_index(tree, None));
    }
    for object in of_kind() {
        let Some(sql) = &object.sql else {
            if found.iter().any(|index| index.name.eq_ignore_ascii_case(&object.name)) {
                continue;
            }
            return Err(malformed(object, &"orphan index"));
        };
        let (Statement::CreateIndex(create), Some(tree)) = (statement(object)?, &object.tree)
        else {
            return Err(malformed(object, &""));
        };
        let new = index_from_ast(&object.name, table, &create, context)
            .map_err(|error| malformed(object, &error))?;
        found.push(new.into_index(tree.clone(), Some(sql.clone())));
    }
    found.reverse();
    // The sort is stable.
    found.sort_by_key(|index| index.conflict == Some(ConflictClause::Replace));
    Ok(found.into_iter().map(Arc::new).collect())
}

/// `sqlite_schema` itself.
fn schema_table(tree: Tree) -> Table {
    let columns = [
        ("type", "TEXT"),
        ("name", "TEXT"),
        ("tbl_name", "TEXT"),
        ("rootpage", "INT"),
        ("sql", "TEXT"),
    ];
    let column = |(name, declared): (&str, &str)| Column {
        name: name.into(),
        declared_type: Some(declared.into()),
        affinity: Affinity::of_type(declared),
        strict: None,
        collation: Collation::BINARY,
        unknown_collation: None,
        not_null: None,
        default: None,
        generated: None,
        primary_key_place: 0,
    };
    Table {
        name: "sqlite_schema".into(),
        kind: TableKind::Schema,
        tree,
        columns: columns.into_iter().map(column).collect(),
        rowid_alias: None,
        autoincrement: false,
        primary_key: Vec::new(),
        primary_key_conflict: None,
        without_rowid: false,
        strict: false,
        record_order: (0..5).collect(),
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
        triggers: Vec::new(),
        rows: None,
        sql: "CREATE TABLE sqlite_schema(type text,name text,tbl_name text,rootpage int,sql text)"
            .into(),
    }
}
