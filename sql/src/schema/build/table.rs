//! What CREATE TABLE defines, with SQLite's checks, before there are trees.

use std::sync::Arc;

use heddle_btree::key::KeyShape;
use heddle_btree::text::Encoding;
use heddle_engine::raw::{NewTree, Tree};
use heddle_value::{Affinity, Collation, StrictType, Value};

use super::expression::{Names, Place, is_constant};
use super::index::{follow, key_columns};
use super::key::{self, Constraints};
use super::{Column, Context, NewIndex, Table, TableKind};
use crate::ast::{
    self, ColumnConstraint, ConflictClause, CreateTable, Expr, IndexedColumn, Literal, Name,
    TableBody, TableConstraint,
};
use crate::schema::{Check, Default, ForeignKey, GeneratedColumn, IndexKey, IndexOrigin};
use crate::{Error, Result};

/// The most columns of a table: SQLite's default (`SQLITE_LIMIT_COLUMN`).
pub const MAX_COLUMNS: usize = 2000;

/// A table without trees. The fields are those of [`Table`].
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "they are those of the table")]
pub struct NewTable {
    pub name: Box<str>,
    pub columns: Vec<Column>,
    pub rowid_alias: Option<usize>,
    pub autoincrement: bool,
    pub primary_key: Vec<IndexKey>,
    pub primary_key_conflict: Option<ConflictClause>,
    pub without_rowid: bool,
    pub strict: bool,
    pub record_order: Vec<u16>,
    pub checks: Vec<Check>,
    pub foreign_keys: Vec<Arc<ForeignKey>>,
    /// The indexes that its constraints make, in the order of their numbers.
    pub automatic: Vec<NewIndex>,
}

/// The table that a statement with columns defines, under this name.
///
/// # Errors
/// In SQLite's words.
pub fn table_from_ast(name: &str, create: &CreateTable, context: Context<'_>) -> Result<NewTable> {
    let TableBody::Columns { columns, constraints, without_rowid, strict } = &create.body else {
        return Err(Error::sql("a table made of a query has no definition of its own"));
    };
    let mut reader = Reader::new(name, context);
    for column in columns {
        reader.column(column)?;
    }
    for (named, constraint) in constraints {
        reader.table_constraint(named.as_ref(), constraint)?;
    }
    reader.finish(*without_rowid, *strict)
}

/// The name in upper case of a type that SQLite gives back so.
pub(crate) fn standard_type(declared: &str) -> Option<&'static str> {
    ["ANY", "BLOB", "INT", "INTEGER", "REAL", "TEXT"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(declared))
}

struct Reader<'a> {
    name: &'a str,
    context: Context<'a>,
    columns: Vec<Column>,
    checks: Vec<Check>,
    foreign_keys: Vec<Arc<ForeignKey>>,
    keys: Constraints,
    has_primary_key: bool,
    in_primary_key: Vec<usize>,
    rowid_alias: Option<usize>,
    rowid_descending: bool,
    rowid_conflict: Option<ConflictClause>,
    autoincrement: bool,
}

impl<'a> Reader<'a> {
    fn new(name: &'a str, context: Context<'a>) -> Reader<'a> {
        Reader {
            name,
            context,
            columns: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            keys: Constraints::default(),
            has_primary_key: false,
            in_primary_key: Vec::new(),
            rowid_alias: None,
            rowid_descending: false,
            rowid_conflict: None,
            autoincrement: false,
        }
    }

    fn names(&self) -> Names<'_> {
        // That of a WITHOUT ROWID table is looked at again at the end.
        Names { table: self.name, columns: &self.columns, has_rowid: true }
    }

    fn column(&mut self, written: &ast::Column) -> Result<()> {
        if self.columns.len() >= MAX_COLUMNS {
            return Err(Error::sql(format!("too many columns on {}", self.name)));
        }
        let name = &written.name;
        if self.columns.iter().any(|column| column.name.eq_ignore_ascii_case(&name.text)) {
            return Err(Error::sql(format!("duplicate column name: {name}")));
        }
        let declared_type = written.declared_type.as_deref().map(|declared| {
            // SQLite gives these back in upper case.
            standard_type(declared).unwrap_or(declared).into()
        });
        let mut column = Column {
            name: name.text.clone(),
            affinity: Affinity::of_type(written.declared_type.as_deref().unwrap_or_default()),
            declared_type,
            strict: None,
            collation: Collation::BINARY,
            unknown_collation: None,
            not_null: None,
            default: None,
            generated: None,
            primary_key_place: 0,
        };
        for (_, constraint) in &written.constraints {
            self.describe(&mut column, constraint)?;
        }
        let at = self.columns.len();
        self.columns.push(column);
        for (named, constraint) in &written.constraints {
            self.column_constraint(at, named.as_ref(), constraint)?;
        }
        Ok(())
    }

    /// What a constraint says of its column alone.
    fn describe(&self, column: &mut Column, constraint: &ColumnConstraint) -> Result<()> {
        let name = &column.name;
        match constraint {
            ColumnConstraint::NotNull { conflict } => column.not_null = Some(*conflict),
            ColumnConstraint::Default { expr, text } => {
                let expr = default_value(expr);
                if !is_constant(&expr) {
                    return Err(Error::sql(format!(
                        "default value of column [{name}] is not constant"
                    )));
                }
                if column.generated.is_some() {
                    return Err(Error::sql("cannot use DEFAULT on a generated column"));
                }
                column.default = Some(Default { expr, text: text.clone() });
            }
            ColumnConstraint::Collate(name) => {
                (column.collation, column.unknown_collation) =
                    self.context.collation(&name.text)?;
            }
            ColumnConstraint::Generated(generated) => {
                if column.default.is_some() || column.generated.is_some() {
                    return Err(Error::sql(format!("error in generated column \"{name}\"")));
                }
                column.generated = Some(GeneratedColumn {
                    expr: generated.expr.clone(),
                    stored: generated.stored,
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// What a column's constraint adds to the table.
    fn column_constraint(
        &mut self,
        at: usize,
        named: Option<&Name>,
        constraint: &ColumnConstraint,
    ) -> Result<()> {
        match constraint {
            ColumnConstraint::PrimaryKey { descending, conflict, autoincrement } => {
                self.begin_primary_key()?;
                self.note_in_primary_key(at)?;
                if !descending && self.is_integer(at) {
                    self.rowid_is(at, false, *conflict, *autoincrement);
                    return Ok(());
                }
                refuse_autoincrement(*autoincrement)?;
                let keys = self.keys_of_column(at, *descending);
                self.keys.add(IndexOrigin::PrimaryKey, keys, *conflict)
            }
            ColumnConstraint::Unique { conflict } => {
                let keys = self.keys_of_column(at, false);
                self.keys.add(IndexOrigin::Unique, keys, *conflict)
            }
            ColumnConstraint::Check { expr, text } => {
                self.check(named, expr, text);
                Ok(())
            }
            ColumnConstraint::References(key) => {
                if key.columns.len() > 1 {
                    let column = self.columns.get(at).map(|c| &*c.name).unwrap_or_default();
                    return Err(Error::sql(format!(
                        "foreign key on {column} should reference only one column of table {}",
                        key.table
                    )));
                }
                let column = u16::try_from(at).unwrap_or_default();
                self.foreign_key(vec![column], key);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn table_constraint(
        &mut self,
        named: Option<&Name>,
        constraint: &TableConstraint,
    ) -> Result<()> {
        match constraint {
            TableConstraint::PrimaryKey { columns, conflict, autoincrement } => {
                self.begin_primary_key()?;
                let found = |term: &IndexedColumn| {
                    let name = key::column_name(key::bare(&term.expr).0)?;
                    self.columns.iter().position(|c| c.name.eq_ignore_ascii_case(&name.text))
                };
                let found: Vec<_> = columns.iter().map(found).collect();
                for at in found.iter().copied().flatten() {
                    self.note_in_primary_key(at)?;
                }
                if let ([Some(at)], [term]) = (&*found, &**columns)
                    && self.is_integer(*at)
                {
                    self.rowid_is(*at, term.descending, *conflict, *autoincrement);
                    return Ok(());
                }
                refuse_autoincrement(*autoincrement)?;
                let keys = self.keys_of_terms(columns)?;
                self.keys.add(IndexOrigin::PrimaryKey, keys, *conflict)
            }
            TableConstraint::Unique { columns, conflict } => {
                let keys = self.keys_of_terms(columns)?;
                self.keys.add(IndexOrigin::Unique, keys, *conflict)
            }
            TableConstraint::Check { expr, text } => {
                self.check(named, expr, text);
                Ok(())
            }
            TableConstraint::ForeignKey { columns, key } => {
                if !key.columns.is_empty() && key.columns.len() != columns.len() {
                    return Err(Error::sql(
                        "number of columns in foreign key does not match the number of columns in the referenced table",
                    ));
                }
                let place = |name: &Name| {
                    let found =
                        self.columns.iter().position(|c| c.name.eq_ignore_ascii_case(&name.text));
                    found.and_then(|at| u16::try_from(at).ok()).ok_or_else(|| {
                        Error::sql(format!("unknown column \"{name}\" in foreign key definition"))
                    })
                };
                let columns = columns.iter().map(place).collect::<Result<_>>()?;
                self.foreign_key(columns, key);
                Ok(())
            }
        }
    }

    fn begin_primary_key(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.has_primary_key, true) {
            return Err(Error::sql(format!(
                "table \"{}\" has more than one primary key",
                self.name
            )));
        }
        Ok(())
    }

    fn note_in_primary_key(&mut self, at: usize) -> Result<()> {
        if self.columns.get(at).is_some_and(|column| column.generated.is_some()) {
            return Err(Error::sql("generated columns cannot be part of the PRIMARY KEY"));
        }
        self.in_primary_key.push(at);
        Ok(())
    }

    fn is_integer(&self, at: usize) -> bool {
        let declared = self.columns.get(at).and_then(|column| column.declared_type.as_deref());
        declared.is_some_and(|declared| declared.eq_ignore_ascii_case("INTEGER"))
    }

    fn rowid_is(
        &mut self,
        at: usize,
        descending: bool,
        conflict: Option<ConflictClause>,
        autoincrement: bool,
    ) {
        self.rowid_alias = Some(at);
        self.rowid_descending = descending;
        self.rowid_conflict = conflict;
        self.autoincrement = autoincrement;
    }

    fn keys_of_column(&self, at: usize, descending: bool) -> Vec<IndexKey> {
        let column = self.columns.get(at);
        column.map(|column| key::of_column(at, column, descending)).into_iter().collect()
    }

    fn keys_of_terms(&self, terms: &[IndexedColumn]) -> Result<Vec<IndexKey>> {
        terms.iter().map(|term| key::of_term(self.names(), term, true, self.context)).collect()
    }

    fn check(&mut self, named: Option<&Name>, expr: &Expr, text: &str) {
        let name = named.map(|name| name.text.clone());
        self.checks.push(Check { name, expr: expr.clone(), text: text.into() });
    }

    fn foreign_key(&mut self, columns: Vec<u16>, key: &ast::ForeignKey) {
        self.foreign_keys.push(Arc::new(ForeignKey {
            columns,
            parent: key.table.text.clone(),
            parent_columns: key.columns.iter().map(|name| name.text.clone()).collect(),
            on_delete: key.on_delete,
            on_update: key.on_update,
            deferral: key.deferral,
            matching: key.matching.as_ref().map(|name| name.text.clone()),
        }));
    }

    fn finish(mut self, without_rowid: bool, strict: bool) -> Result<NewTable> {
        if strict {
            self.make_strict()?;
        }
        if without_rowid {
            self.make_without_rowid()?;
        }
        let names = Names { table: self.name, columns: &self.columns, has_rowid: !without_rowid };
        for check in &self.checks {
            names.check(&check.expr, Place::Check)?;
        }
        if self.columns.iter().all(|column| column.generated.is_some()) {
            return Err(Error::sql("must have at least one non-generated column"));
        }
        for generated in self.columns.iter().filter_map(|column| column.generated.as_ref()) {
            names.check(&generated.expr, Place::Generated)?;
        }
        self.collect(without_rowid, strict)
    }

    fn make_strict(&mut self) -> Result<()> {
        for (at, column) in self.columns.iter_mut().enumerate() {
            let Some(declared) = &column.declared_type else {
                return Err(Error::sql(format!(
                    "missing datatype for {}.{}",
                    self.name, column.name
                )));
            };
            let Some(strict) = StrictType::of_type(declared) else {
                return Err(Error::sql(format!(
                    "unknown datatype for {}.{}: \"{declared}\"",
                    self.name, column.name
                )));
            };
            column.strict = Some(strict);
            column.affinity = strict.affinity();
            if self.in_primary_key.contains(&at) && self.rowid_alias != Some(at) {
                column.not_null.get_or_insert(None);
            }
        }
        Ok(())
    }

    fn make_without_rowid(&mut self) -> Result<()> {
        if self.autoincrement {
            return Err(Error::sql("AUTOINCREMENT not allowed on WITHOUT ROWID tables"));
        }
        if !self.has_primary_key {
            return Err(Error::sql(format!("PRIMARY KEY missing on table {}", self.name)));
        }
        if let Some(at) = self.rowid_alias.take() {
            let keys = self.keys_of_column(at, self.rowid_descending);
            self.keys.add(IndexOrigin::PrimaryKey, keys, self.rowid_conflict)?;
        }
        for &at in &self.in_primary_key {
            if let Some(column) = self.columns.get_mut(at) {
                column.not_null.get_or_insert(None);
            }
        }
        Ok(())
    }

    fn collect(mut self, without_rowid: bool, strict: bool) -> Result<NewTable> {
        let own = if without_rowid { self.keys.take_primary_key() } else { None };
        let (primary_key, conflict) = match (&own, self.keys.primary_key()) {
            (Some(own), _) => (own.keys.clone(), own.conflict),
            (None, Some(index)) => (index.keys.clone(), index.conflict),
            (None, None) => (Vec::new(), self.rowid_conflict),
        };
        for &at in &self.in_primary_key {
            let place = primary_key.iter().position(|key| key.column.map(usize::from) == Some(at));
            if let Some(column) = self.columns.get_mut(at) {
                column.primary_key_place =
                    u16::try_from(place.unwrap_or_default() + 1).unwrap_or(u16::MAX);
            }
        }
        let mut record_order: Vec<u16> = match without_rowid {
            true => primary_key.iter().filter_map(|key| key.column).collect(),
            false => Vec::new(),
        };
        for (at, column) in (0..).zip(&self.columns) {
            let is_stored = column.generated.as_ref().is_none_or(|generated| generated.stored);
            if is_stored && !record_order.contains(&at) {
                record_order.push(at);
            }
        }
        let row_keys = without_rowid.then_some(&*primary_key);
        Ok(NewTable {
            automatic: self.keys.into_indexes(self.name, row_keys),
            name: self.name.into(),
            columns: self.columns,
            rowid_alias: self.rowid_alias,
            autoincrement: self.autoincrement,
            primary_key,
            primary_key_conflict: conflict,
            without_rowid,
            strict,
            record_order,
            checks: self.checks,
            foreign_keys: self.foreign_keys,
        })
    }
}

fn refuse_autoincrement(autoincrement: bool) -> Result<()> {
    match autoincrement {
        true => Err(Error::sql("AUTOINCREMENT is only allowed on an INTEGER PRIMARY KEY")),
        false => Ok(()),
    }
}

/// The value of a DEFAULT: a bare name is a string, unless it is TRUE or FALSE.
fn default_value(expr: &Expr) -> Expr {
    match expr {
        Expr::Column { schema: None, table: None, name }
            if name.double_quoted || !(name.is("true") || name.is("false")) =>
        {
            Expr::Literal(Literal::Value(Value::text(&*name.text)))
        }
        other => other.clone(),
    }
}

impl NewTable {
    /// The tree it needs.
    pub fn new_tree(&self, encoding: Encoding) -> NewTree {
        match self.without_rowid {
            true => NewTree::Index(KeyShape::new(key_columns(&self.primary_key), encoding)),
            false => NewTree::Table,
        }
    }

    /// The table with its tree, and no indexes and triggers yet.
    pub fn into_table(self, tree: Tree, sql: Box<str>) -> Table {
        let is_system = self.name.get(..7).is_some_and(|p| p.eq_ignore_ascii_case("sqlite_"));
        let mut table = Table {
            name: self.name,
            kind: if is_system { TableKind::System } else { TableKind::Ordinary },
            tree,
            columns: self.columns,
            rowid_alias: self.rowid_alias,
            autoincrement: self.autoincrement,
            primary_key: self.primary_key,
            primary_key_conflict: self.primary_key_conflict,
            without_rowid: self.without_rowid,
            strict: self.strict,
            record_order: self.record_order,
            checks: self.checks,
            foreign_keys: self.foreign_keys,
            indexes: Vec::new(),
            triggers: Vec::new(),
            rows: None,
            sql,
        };
        if table.without_rowid {
            follow(table.primary_key.iter_mut(), &table.tree);
        }
        table
    }
}
