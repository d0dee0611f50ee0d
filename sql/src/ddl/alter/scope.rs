//! What names mean in a statement of the schema, as far as renaming needs it: which are of one table or of one of its columns, and whether
//! all mean something.
//!
//! The binder knows more, but of trees that it is done with; here it is names as they stand that count.
//!
//! - `meaning`: one name; `query` and `command`: walks over queries and over what triggers do.
//!
//! # Invariants
//! - N1: a name is looked up from the innermost query outward; in a view or trigger tables are those of its own database first.
//! - N2: where the columns of something are not known (a table-valued function), names that nothing else has are taken as its.

use std::sync::Arc;

use crate::ast::{Expr, InSource, Name, QualifiedName};
use crate::schema::build::expression::{each_child, is_rowid_name};
use crate::schema::{DatabaseIndex, Databases, Named, Table};
use crate::{Error, Result};

/// How deep views may lie in each other.
const MAX_VIEWS: usize = 100;

/// Columns that something gives, if they are known.
pub(super) type Columns = Option<Vec<Box<str>>>;

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'w> {
    /// Nothing: only whether names mean something.
    Nothing,
    /// The names of a table.
    Table(&'w Table),
    /// The names of a column of a table.
    Column(&'w Table, usize),
}

/// Something in FROM, or a row in a trigger.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// What it is called here.
    pub(super) name: Box<str>,
    /// The table that it is.
    pub(super) table: Option<Arc<Table>>,
    /// Whether it goes by the table's own name.
    pub(super) by_own_name: bool,
    /// Its columns; `None` if they are not known (N2).
    pub(super) columns: Columns,
    /// Whether a column must be said with its name: `new`, `old`, `excluded`.
    pub(super) qualified_only: bool,
}

/// One level of a statement.
#[derive(Debug, Default)]
pub(super) struct Level {
    pub(super) sources: Vec<Source>,
    /// Aliases of the result.
    pub(super) aliases: Vec<Box<str>>,
    /// Columns that USING and NATURAL merge.
    pub(super) merged: Vec<Box<str>>,
}

/// Looks names up, and keeps those that are wanted.
pub(super) struct Resolver<'a, 'w> {
    pub(super) databases: &'w Databases,
    pub(super) home: DatabaseIndex,
    wanted: Wanted<'w>,
    pub(super) levels: Vec<Level>,
    /// Common table expressions that are seen, with their columns.
    pub(super) ctes: Vec<(Box<str>, Columns)>,
    views: usize,
    /// Names that are wanted.
    pub(super) found: Vec<&'a Name>,
    /// Names in double quotes that mean nothing, which makes them texts.
    pub(super) texts: Vec<&'a Name>,
}

impl<'a, 'w> Resolver<'a, 'w> {
    pub(super) fn new(
        databases: &'w Databases,
        home: DatabaseIndex,
        wanted: Wanted<'w>,
    ) -> Resolver<'a, 'w> {
        Resolver {
            databases,
            home,
            wanted,
            levels: Vec::new(),
            ctes: Vec::new(),
            views: 0,
            found: Vec::new(),
            texts: Vec::new(),
        }
    }

    pub(super) fn is_wanted(&self, table: &Table) -> bool {
        match self.wanted {
            Wanted::Nothing => false,
            Wanted::Table(wanted) | Wanted::Column(wanted, _) => table.tree.is(&wanted.tree),
        }
    }

    /// Notes a name that stands for a table.
    pub(super) fn table_name(&mut self, name: &'a Name, table: &Table) {
        if matches!(self.wanted, Wanted::Table(_)) && self.is_wanted(table) {
            self.found.push(name);
        }
    }

    /// Notes a name that stands for a column of a table, if it does.
    pub(super) fn column_name(&mut self, name: &'a Name, table: &Table) {
        if let Wanted::Column(wanted, at) = self.wanted
            && table.tree.is(&wanted.tree)
            && wanted.columns.get(at).is_some_and(|column| name.is(&column.name))
        {
            self.found.push(name);
        }
    }

    /// Notes a name of the rowid, which changes with the column that is another name of it.
    fn rowid_name(&mut self, name: &'a Name, table: &Table) {
        if let Wanted::Column(wanted, at) = self.wanted
            && table.tree.is(&wanted.tree)
            && wanted.rowid_alias == Some(at)
        {
            self.found.push(name);
        }
    }

    /// The table or view of a name, in a view or trigger of this database.
    pub(super) fn named(&self, name: &QualifiedName) -> Result<Named> {
        let (schema, text) = (name.schema.as_ref(), &*name.name.text);
        let found = match schema {
            Some(schema) => self.databases.named(Some(&schema.text), text),
            None if self.home == DatabaseIndex::TEMP => self.databases.named(None, text),
            None => {
                let own = self.databases.get(self.home).map(|database| &*database.name);
                self.databases.named(Some(own.unwrap_or("main")), text)
            }
        };
        match found?.1 {
            Named::Broken(why) => Err(Error::sql(&**why)),
            named => Ok(named.clone()),
        }
    }

    /// A source that is a table or view of the schema.
    pub(super) fn source(
        &mut self,
        name: &'a QualifiedName,
        alias: Option<&Name>,
    ) -> Result<Source> {
        let called = alias.unwrap_or(&name.name).text.clone();
        let (table, columns) = match self.named(name)? {
            Named::Table(table) => {
                self.table_name(&name.name, &table);
                let columns = table.columns.iter().map(|column| column.name.clone()).collect();
                (Some(table), Some(columns))
            }
            Named::View(view) => (None, self.view_columns(&view)?),
            _ => (None, None),
        };
        let by_own_name = alias.is_none();
        Ok(Source { name: called, table, by_own_name, columns, qualified_only: false })
    }

    /// The columns of a view.
    pub(super) fn view_columns(&self, view: &crate::schema::View) -> Result<Columns> {
        if self.views >= MAX_VIEWS {
            return Err(Error::sql(format!("view {} is circularly defined", view.name)));
        }
        let mut inner = Resolver::new(self.databases, self.home, Wanted::Nothing);
        inner.views = self.views + 1;
        let columns = inner.select(&view.definition.select)?;
        let named = &view.definition.columns;
        if named.is_empty() {
            return Ok(columns);
        }
        if let Some(columns) = columns
            && columns.len() != named.len()
        {
            return Err(Error::sql(format!(
                "expected {} columns for '{}' but got {}",
                named.len(),
                view.name,
                columns.len()
            )));
        }
        Ok(Some(named.iter().map(|name| name.text.clone()).collect()))
    }

    /// Runs what sees one more level.
    pub(super) fn within<T>(
        &mut self,
        level: Level,
        run: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.levels.push(level);
        let outcome = run(self);
        self.levels.pop();
        outcome
    }

    /// All names in an expression.
    pub(super) fn expr(&mut self, expr: &'a Expr) -> Result<()> {
        match expr {
            Expr::Column { schema, table, name } => {
                return self.column(schema.as_ref(), table.as_ref(), name);
            }
            Expr::Subquery(select) | Expr::Exists(select) => {
                self.select(select)?;
            }
            Expr::In { source: InSource::Select(select), .. } => {
                self.select(select)?;
            }
            Expr::In { source: InSource::Table(name, _), .. } => {
                let is_cte =
                    name.schema.is_none() && self.ctes.iter().any(|(cte, _)| name.name.is(cte));
                if !is_cte {
                    self.source(name, None)?;
                }
            }
            _ => {}
        }
        let mut outcome = Ok(());
        each_child(expr, &mut |child| {
            if outcome.is_ok() {
                outcome = self.expr(child);
            }
        });
        outcome
    }

    /// All names in expressions.
    pub(super) fn exprs(&mut self, all: impl IntoIterator<Item = &'a Expr>) -> Result<()> {
        all.into_iter().try_for_each(|expr| self.expr(expr))
    }

    fn column(
        &mut self,
        schema: Option<&'a Name>,
        qualifier: Option<&'a Name>,
        name: &'a Name,
    ) -> Result<()> {
        for depth in (0..self.levels.len()).rev() {
            if self.column_at(depth, qualifier, name)? {
                return Ok(());
            }
        }
        if qualifier.is_none() {
            if !name.double_quoted && (name.is("true") || name.is("false")) {
                return Ok(());
            }
            if name.double_quoted {
                self.texts.push(name);
                return Ok(());
            }
        }
        let prefix = [schema, qualifier].into_iter().flatten();
        let prefix: String = prefix.map(|name| format!("{name}.")).collect();
        Err(Error::sql(format!("no such column: {prefix}{name}")))
    }

    /// Whether a level has the column.
    fn column_at(
        &mut self,
        depth: usize,
        qualifier: Option<&'a Name>,
        name: &'a Name,
    ) -> Result<bool> {
        let Some(level) = self.levels.get(depth) else { return Ok(false) };
        let is_called = |source: &&Source| match qualifier {
            Some(qualifier) => qualifier.is(&source.name),
            None => !source.qualified_only,
        };
        let has = |source: &&Source| {
            let columns = source.columns.as_ref();
            columns.is_some_and(|columns| columns.iter().any(|column| name.is(column)))
        };
        let has_rowid = |source: &&Source| {
            is_rowid_name(&name.text) && source.table.as_ref().is_some_and(|t| t.has_rowid())
        };
        let candidates: Vec<&Source> = level.sources.iter().filter(is_called).collect();
        let with: Vec<&Source> = candidates.iter().copied().filter(has).collect();
        let is_merged = level.merged.iter().any(|merged| name.is(merged));
        if with.len() > 1 && qualifier.is_none() && !is_merged {
            return Err(Error::sql(format!("ambiguous column name: {name}")));
        }
        let is_column = !with.is_empty();
        let found = with.first().copied();
        let found = found.or_else(|| candidates.iter().copied().find(has_rowid));
        let found = found.or_else(|| candidates.iter().copied().find(|s| s.columns.is_none()));
        let Some(source) = found.cloned() else {
            let is_alias = level.aliases.iter().any(|alias| name.is(alias));
            return Ok(qualifier.is_none() && is_alias);
        };
        if let Some(table) = &source.table {
            self.column_name(name, table);
            if !is_column && is_rowid_name(&name.text) {
                self.rowid_name(name, table);
            }
            if let Some(qualifier) = qualifier
                && source.by_own_name
            {
                self.table_name(qualifier, table);
            }
        }
        Ok(true)
    }
}
