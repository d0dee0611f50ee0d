//! FROM clauses: sources, joins, and the columns that NATURAL and USING merge.

use std::ops::Range;
use std::sync::Arc;

use heddle_functions::TableFunction;

use super::scope::{Merged, Scope, Source, SourceColumn, SourceKind};
use super::typed::comparison;
use super::{Binder, Bound, Typed};
use crate::ast::{self, FromItem, JoinConstraint, Name, QualifiedName};
use crate::plan::{CompareOp, Expr, JoinAlgorithm, JoinKind, Relation, RowSource, Scan};
use crate::schema::{DatabaseIndex, Named, Table, View};
use crate::{Error, Result};

/// A FROM clause bound; its scans are made when all columns are known (N1).
pub(super) enum Tree {
    /// A source of the scope, by place, with the relation that gives it if that is not a table.
    Source(usize, Option<Relation>),
    Join {
        kind: JoinKind,
        left: Box<Tree>,
        right: Box<Tree>,
        on: Vec<Expr>,
        keep_order: bool,
    },
}

/// `SELECT * FROM name`, or of a function.
pub(super) fn all_of(name: &QualifiedName, arguments: &[ast::Expr]) -> ast::Select {
    let first = if arguments.is_empty() {
        FromItem::Table { name: name.clone(), alias: None, hint: ast::IndexHint::None }
    } else {
        FromItem::Function { name: name.clone(), arguments: arguments.to_vec(), alias: None }
    };
    all_from(ast::From { first, joins: Vec::new() })
}

fn all_from(from: ast::From) -> ast::Select {
    let core = ast::SelectCore::Select {
        distinct: false,
        columns: vec![ast::ResultColumn::Star],
        from: Some(from),
        filter: None,
        group_by: Vec::new(),
        having: None,
        windows: Vec::new(),
    };
    let body = ast::SelectBody { first: core, rest: Vec::new() };
    ast::Select { with: None, body, order_by: Vec::new(), limit: None }
}

impl Binder<'_> {
    /// Binds a FROM clause into the innermost scope.
    pub(super) fn from(&mut self, from: &ast::From) -> Result<Tree> {
        stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, || self.joined(from))
    }

    fn joined(&mut self, from: &ast::From) -> Result<Tree> {
        let start = self.source_count();
        let tree = self.item(&from.first)?;
        self.join_all(tree, start, from)
    }

    /// The sources of a FROM clause joined to one that is there before them.
    pub(super) fn joined_to(&mut self, first: Tree, from: &ast::From) -> Result<Tree> {
        let right = self.item(&from.first)?;
        let tree = Tree::Join {
            kind: JoinKind::Inner,
            left: Box::new(first),
            right: Box::new(right),
            on: Vec::new(),
            keep_order: false,
        };
        self.join_all(tree, 0, from)
    }

    fn join_all(&mut self, mut tree: Tree, start: usize, from: &ast::From) -> Result<Tree> {
        for join in &from.joins {
            let middle = self.source_count();
            let right = self.item(&join.item)?;
            let end = self.source_count();
            let on = self.join_condition(join, start..middle, middle..end)?;
            let kind = match join.kind {
                ast::JoinKind::Inner | ast::JoinKind::Cross => JoinKind::Inner,
                ast::JoinKind::Left => JoinKind::Left,
                ast::JoinKind::Right => JoinKind::Right,
                ast::JoinKind::Full => JoinKind::Full,
            };
            let keep_order = join.kind == ast::JoinKind::Cross;
            tree =
                Tree::Join { kind, left: Box::new(tree), right: Box::new(right), on, keep_order };
        }
        Ok(tree)
    }

    fn depth(&self) -> usize {
        self.scopes.len().saturating_sub(1)
    }

    fn source_count(&self) -> usize {
        self.scopes.last().map_or(0, |scope| scope.sources.len())
    }

    pub(super) fn add(&mut self, source: Source) -> usize {
        match self.scopes.last_mut() {
            Some(scope) => {
                scope.sources.push(source);
                scope.sources.len() - 1
            }
            None => 0,
        }
    }

    fn item(&mut self, item: &FromItem) -> Result<Tree> {
        match item {
            FromItem::Table { name, alias, hint } => self.named_item(name, alias.as_ref(), hint),
            FromItem::Function { name, arguments, alias } => {
                self.function_item(name, arguments, alias.as_ref())
            }
            FromItem::Select { select, alias } => {
                let bound = self.apart(|binder| binder.select(select))?;
                let name = alias.as_ref().map(|alias| alias.text.clone()).unwrap_or_default();
                Ok(self.bound_item(bound, name, None))
            }
            FromItem::Join { from, alias: None } => self.from(from),
            FromItem::Join { from, alias: Some(alias) } => {
                let select = all_from(from.as_ref().clone());
                let bound = self.apart(|binder| binder.select(&select))?;
                Ok(self.bound_item(bound, alias.text.clone(), None))
            }
        }
    }

    /// Binds what does not see its neighbours in the FROM clause.
    fn apart<T>(&mut self, bind: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let own = self.scopes.pop();
        let bound = bind(self);
        self.scopes.extend(own);
        bound
    }

    pub(super) fn bound_item(
        &mut self,
        mut bound: Bound,
        name: Box<str>,
        database: Option<Box<str>>,
    ) -> Tree {
        self.forget_json(&mut bound.relation, &bound.columns);
        let names = super::select::unique_names(bound.names);
        let columns = names
            .into_iter()
            .zip(bound.columns)
            .map(|(name, id)| SourceColumn::new(name, Some(id)))
            .collect();
        let at = self.add(Source { name, database, columns, kind: SourceKind::Bound });
        Tree::Source(at, Some(bound.relation))
    }

    fn named_item(
        &mut self,
        name: &QualifiedName,
        alias: Option<&Name>,
        hint: &ast::IndexHint,
    ) -> Result<Tree> {
        let called = alias.unwrap_or(&name.name).text.clone();
        if name.schema.is_none()
            && let Some(bound) = self.cte(&name.name)?
        {
            return Ok(self.bound_item(bound, called, None));
        }
        let found = self.named(name);
        let (database, named) = match found {
            Ok((database, named)) => (database, named.clone()),
            Err(error) => {
                // A table-valued function needs no parentheses if it needs no arguments.
                let plain =
                    name.schema.is_none() || name.schema.as_ref().is_some_and(|s| s.is("main"));
                if plain && rows_of(&name.name).is_some() {
                    return self.function_item(name, &[], alias);
                }
                return Err(error);
            }
        };
        let database_name = match alias {
            Some(_) => None,
            None => self.environment.databases.get(database).map(|d| d.name.clone()),
        };
        match named {
            Named::Table(table) => {
                check_hint(&table, hint)?;
                let at = self.add(table_source(database, table, called, database_name, hint));
                Ok(Tree::Source(at, None))
            }
            Named::View(view) => {
                if let ast::IndexHint::IndexedBy(index) = hint {
                    return Err(Error::sql(format!("no such index: {index}")));
                }
                let bound = self.view(&view, database)?;
                Ok(self.bound_item(bound, called, database_name))
            }
            Named::Virtual(module) => {
                Err(Error::Unsupported(format!("virtual tables: {module} is")))
            }
            Named::Broken(reason) => Err(Error::sql(reason.to_string())),
        }
    }

    /// What a name in FROM is in the schema.
    pub(super) fn named(&self, name: &QualifiedName) -> Result<(DatabaseIndex, &Named)> {
        let databases = self.environment.databases;
        let schema = name.schema.as_ref().map(|schema| &*schema.text);
        if schema.is_none()
            && let Some(home) = self.home
            && let Some(found) =
                databases.schema(home).and_then(|schema| schema.named(&name.name.text))
        {
            return Ok((home, found));
        }
        databases.named(schema, &name.name.text)
    }

    /// A view's query, bound where the view is at home.
    pub(super) fn view(&mut self, view: &View, database: DatabaseIndex) -> Result<Bound> {
        let key = format!("view {}.{}", database.0, view.name);
        let circular = || Error::sql(format!("view {} is circularly defined", view.name));
        let mut bound = self.nested(&key, circular, |binder| {
            let scopes = std::mem::take(&mut binder.scopes);
            let frames = std::mem::take(&mut binder.frames);
            let ctes = std::mem::take(&mut binder.ctes);
            // Only a TEMP view sees all databases.
            let home = binder.home.replace(database);
            let bound = binder.select(&view.definition.select);
            (binder.scopes, binder.frames, binder.ctes, binder.home) = (scopes, frames, ctes, home);
            bound
        })?;
        rename(&mut bound, &view.definition.columns, |has, wanted| {
            Error::sql(format!("expected {wanted} columns for '{}' but got {has}", view.name))
        })?;
        Ok(bound)
    }

    fn function_item(
        &mut self,
        name: &QualifiedName,
        arguments: &[ast::Expr],
        alias: Option<&Name>,
    ) -> Result<Tree> {
        let Some(rows) = rows_of(&name.name) else {
            return Err(match self.named(name) {
                Ok(_) => Error::sql(format!("'{}' is not a function", name.name)),
                Err(error) => error,
            });
        };
        if arguments.len() > rows.parameters.len() {
            let most = rows.parameters.len();
            return Err(Error::sql(format!("too many arguments on {}() - max {most}", name.name)));
        }
        let bound: Vec<Expr> = arguments
            .iter()
            .map(|argument| Ok(self.expr(argument)?.expr))
            .collect::<Result<_>>()?;
        let visible = rows.columns.iter().map(|(name, _)| SourceColumn::new(&**name, None));
        let hidden = rows
            .parameters
            .iter()
            .map(|name| SourceColumn { hidden: true, ..SourceColumn::new(&**name, None) });
        let columns = visible.chain(hidden).collect();
        let types = rows.columns.iter().map(|(_, declared)| Box::from(&**declared)).collect();
        let called = alias.unwrap_or(&name.name).text.clone();
        let kind = SourceKind::Rows { used: Vec::new(), types };
        let at = self.add(Source { name: called, database: None, columns, kind });
        let relation =
            Relation::Rows { source: rows.source, arguments: bound, columns: Vec::new() };
        Ok(Tree::Source(at, Some(relation)))
    }

    fn join_condition(
        &mut self,
        join: &ast::Join,
        left: Range<usize>,
        right: Range<usize>,
    ) -> Result<Vec<Expr>> {
        let coalesce = matches!(join.kind, ast::JoinKind::Right | ast::JoinKind::Full);
        if join.natural {
            if join.constraint != JoinConstraint::None {
                return Err(Error::sql("a NATURAL join may not have an ON or USING clause"));
            }
            let names = self.common_names(left.clone(), right.clone());
            return names
                .iter()
                .map(|name| self.merge(name, left.clone(), right.clone(), coalesce))
                .collect();
        }
        match &join.constraint {
            JoinConstraint::None => Ok(Vec::new()),
            JoinConstraint::On(on) => Ok(conjuncts(self.expr(on)?.expr)),
            JoinConstraint::Using(names) => names
                .iter()
                .map(|name| self.merge(name, left.clone(), right.clone(), coalesce))
                .collect(),
        }
    }

    fn common_names(&self, left: Range<usize>, right: Range<usize>) -> Vec<Name> {
        let Some(scope) = self.scopes.last() else { return Vec::new() };
        let sources = |range: Range<usize>| scope.sources.get(range).unwrap_or_default();
        let mut names: Vec<Name> = Vec::new();
        for column in sources(right).iter().flat_map(|source| &source.columns) {
            let there = sources(left.clone())
                .iter()
                .flat_map(|source| &source.columns)
                .any(|other| !other.hidden && other.name.eq_ignore_ascii_case(&column.name));
            if there
                && !column.hidden
                && !column.merged
                && !names.iter().any(|n| n.is(&column.name))
            {
                names.push(Name::new(column.name.clone()));
            }
        }
        names
    }

    /// Merges the columns of this name left and right of a join, and gives the condition that they are equal.
    fn merge(
        &mut self,
        name: &Name,
        left: Range<usize>,
        right: Range<usize>,
        coalesce: bool,
    ) -> Result<Expr> {
        let depth = self.depth();
        let absent = || {
            Error::sql(format!(
                "cannot join using column {name} - column not present in both tables"
            ))
        };
        let of_right = self.place(name, right).ok_or_else(absent)?;
        let merged = self.scopes.last().and_then(|scope| {
            scope.merged.iter().position(|merged| {
                name.is(&merged.name)
                    && merged.parts.iter().any(|(source, _)| left.contains(source))
            })
        });
        let (known, left_value) = match merged {
            Some(at) => (at, self.merged_column(depth, at)?),
            None => {
                let part = self.place(name, left).ok_or_else(absent)?;
                let id = self.use_column(depth, part.0, part.1)?;
                let value = self.seen(id, depth);
                let entry = Merged { name: name.text.clone(), parts: vec![part], coalesce: false };
                let Some(scope) = self.scopes.last_mut() else { return Err(absent()) };
                scope.merged.push(entry);
                (scope.merged.len() - 1, value)
            }
        };
        let id = self.use_column(depth, of_right.0, of_right.1)?;
        let right_value = self.seen(id, depth);
        if let Some(scope) = self.scopes.last_mut() {
            if let Some(entry) = scope.merged.get_mut(known) {
                entry.parts.push(of_right);
                entry.coalesce |= coalesce;
            }
            let column =
                scope.sources.get_mut(of_right.0).and_then(|s| s.columns.get_mut(of_right.1));
            if let Some(column) = column {
                column.merged = true;
            }
        }
        Ok(Expr::Compare(Box::new(comparison(CompareOp::Equal, left_value, right_value))))
    }

    fn place(&self, name: &Name, sources: Range<usize>) -> Option<(usize, usize)> {
        let scope = self.scopes.last()?;
        sources.into_iter().find_map(|at| {
            let columns = &scope.sources.get(at)?.columns;
            let place = columns.iter().position(|c| name.is(&c.name) && !c.hidden && !c.merged)?;
            Some((at, place))
        })
    }

    /// What a star gives: each column's value and name, of all sources or of those of one name.
    pub(super) fn star(&mut self, of: Option<&Name>) -> Result<Vec<(Typed, Box<str>)>> {
        let depth = self.depth();
        let Some(scope) = self.scopes.last() else { return Ok(Vec::new()) };
        if scope.sources.is_empty() {
            return Err(Error::sql("no tables specified"));
        }
        let mut wanted = Vec::new();
        for (at, source) in scope.sources.iter().enumerate() {
            if of.is_some_and(|name| !name.is(&source.name)) {
                continue;
            }
            for (place, column) in source.columns.iter().enumerate() {
                if !column.hidden && (of.is_some() || !column.merged) {
                    wanted.push((at, place, column.name.clone()));
                }
            }
        }
        if let Some(name) = of
            && !scope.sources.iter().any(|source| name.is(&source.name))
        {
            return Err(Error::sql(format!("no such table: {name}")));
        }
        let mut columns = Vec::with_capacity(wanted.len());
        for (at, place, name) in wanted {
            let merged = self.scopes.last().and_then(|scope| {
                scope.merged.iter().position(|merged| merged.parts.first() == Some(&(at, place)))
            });
            let value = match merged {
                Some(merged) if of.is_none() => self.merged_column(depth, merged)?,
                _ => {
                    let id = self.use_column(depth, at, place)?;
                    self.seen(id, depth)
                }
            };
            columns.push((value, name));
        }
        Ok(columns)
    }
}

/// A table as a source.
pub(super) fn table_source(
    database: DatabaseIndex,
    table: Arc<Table>,
    called: Box<str>,
    database_name: Option<Box<str>>,
    hint: &ast::IndexHint,
) -> Source {
    let column = |column: &crate::schema::Column| SourceColumn::new(column.name.clone(), None);
    let columns = table.columns.iter().map(column).collect();
    let kind = SourceKind::Table {
        database,
        table,
        hint: hint.clone(),
        used: Vec::new(),
        rowid: None,
        generated: Vec::new(),
    };
    Source { name: called, database: database_name, columns, kind }
}

/// # Errors
/// If the index that INDEXED BY names is not one of the table's.
pub(super) fn check_hint(table: &Table, hint: &ast::IndexHint) -> Result<()> {
    match hint {
        ast::IndexHint::IndexedBy(index)
            if !table.indexes.iter().any(|own| index.is(&own.name)) =>
        {
            Err(Error::sql(format!("no such index: {index}")))
        }
        _ => Ok(()),
    }
}

/// The relation of a FROM clause, when its scope is complete.
pub(super) fn relation(tree: Tree, scope: &mut Scope) -> Relation {
    match tree {
        Tree::Join { kind, left, right, on, keep_order } => Relation::Join {
            kind,
            left: Box::new(relation(*left, scope)),
            right: Box::new(relation(*right, scope)),
            on,
            algorithm: JoinAlgorithm::Loop,
            keep_order,
        },
        Tree::Source(at, given) => match (scope.sources.get_mut(at), given) {
            (Some(source), given) => source_relation(source, given),
            (None, given) => given.unwrap_or(Relation::Empty),
        },
    }
}

fn source_relation(source: &mut Source, given: Option<Relation>) -> Relation {
    match (&mut source.kind, given) {
        (SourceKind::Rows { used, .. }, Some(Relation::Rows { source, arguments, .. })) => {
            Relation::Rows { source, arguments, columns: std::mem::take(used) }
        }
        (SourceKind::Table { database, table, hint, used, rowid, generated }, None) => {
            let mut passed: Vec<_> = used.iter().map(|(_, id)| *id).chain(*rowid).collect();
            let scan = Relation::Scan(Box::new(Scan {
                database: *database,
                table: table.clone(),
                columns: std::mem::take(used),
                rowid: *rowid,
                access: crate::plan::Access::Full,
                backward: false,
                hint: hint.clone(),
                label: source.name.clone(),
            }));
            if generated.is_empty() {
                return scan;
            }
            let mut columns: Vec<_> = passed.drain(..).map(|id| (id, Expr::Column(id))).collect();
            columns.append(generated);
            Relation::Project { input: Box::new(scan), columns }
        }
        (_, given) => given.unwrap_or(Relation::Empty),
    }
}

/// The parts of a condition that must all be true.
pub(super) fn conjuncts(expr: Expr) -> Vec<Expr> {
    match expr {
        Expr::And(parts) => parts.into_iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

/// Gives a bound query the names that were said for its columns.
pub(super) fn rename(
    bound: &mut Bound,
    names: &[Name],
    wrong: impl FnOnce(usize, usize) -> Error,
) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    if names.len() != bound.columns.len() {
        return Err(wrong(bound.columns.len(), names.len()));
    }
    bound.names = names.iter().map(|name| name.text.clone()).collect();
    Ok(())
}

/// What is called as a table: its columns and parameters.
struct Rows {
    source: RowSource,
    columns: Vec<(Box<str>, Box<str>)>,
    parameters: Vec<Box<str>>,
}

fn rows_of(name: &Name) -> Option<Rows> {
    if let Some(function) = heddle_functions::table(&name.text) {
        return Some(function_rows(function));
    }
    let pragma = name.text.to_ascii_lowercase();
    let pragma = pragma.strip_prefix("pragma_")?;
    let columns = crate::pragma::columns(pragma)?;
    Some(Rows {
        source: RowSource::Pragma(pragma.into()),
        columns: columns.iter().map(|name| (Box::from(*name), Box::from(""))).collect(),
        parameters: crate::pragma::PARAMETERS.iter().map(|name| Box::from(*name)).collect(),
    })
}

fn function_rows(function: &'static TableFunction) -> Rows {
    Rows {
        source: RowSource::Function(function),
        columns: function.columns.iter().map(|(name, of)| ((*name).into(), (*of).into())).collect(),
        parameters: function.parameters.iter().map(|name| (*name).into()).collect(),
    }
}

/// One row without columns, or what FROM gives.
pub(super) fn or_unit(relation: Option<Relation>) -> Relation {
    relation.unwrap_or(Relation::Unit)
}
