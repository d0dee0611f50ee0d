//! Names in queries.

use super::scope::{Columns, Level, Resolver, Source};
use crate::ast::{
    Expr, From, FromItem, Join, JoinConstraint, Name, QualifiedName, ResultColumn, Select,
    SelectCore, Window,
};
use crate::{Error, Result};

impl<'a> Resolver<'a, '_> {
    /// All names in a query; the columns that it gives.
    pub(super) fn select(&mut self, select: &'a Select) -> Result<Columns> {
        stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, || self.select_here(select))
    }

    fn select_here(&mut self, select: &'a Select) -> Result<Columns> {
        let known = self.ctes.len();
        for cte in select.with.iter().flat_map(|with| &with.ctes) {
            let given = match &*cte.columns {
                [] => self.first_columns(&cte.select)?,
                names => Some(names.iter().map(|name| name.text.clone()).collect()),
            };
            self.ctes.push((cte.name.text.clone(), given));
            self.select(&cte.select)?;
        }
        let is_simple = select.body.rest.is_empty();
        let mut columns = None;
        let mut level = self.core(&select.body.first, &mut columns)?;
        for (_, core) in &select.body.rest {
            self.core(core, &mut None)?;
        }
        if !is_simple {
            // Terms that are the result's columns; others are looked up as in the first query.
            level.aliases.extend(columns.iter().flatten().cloned());
        }
        self.within(level, |resolver| {
            for term in &select.order_by {
                let outcome = resolver.expr(&term.expr);
                if is_simple {
                    outcome?;
                }
            }
            Ok(())
        })?;
        if let Some(limit) = &select.limit {
            self.within(Level::default(), |resolver| {
                resolver.exprs([Some(&limit.count), limit.offset.as_ref()].into_iter().flatten())
            })?;
        }
        self.ctes.truncate(known);
        Ok(columns)
    }

    /// The columns of a query's first part, as a recursion sees them; what is found on the way is found again later.
    fn first_columns(&mut self, select: &'a Select) -> Result<Columns> {
        let known = self.ctes.len();
        for cte in select.with.iter().flat_map(|with| &with.ctes) {
            let given = match &*cte.columns {
                [] => self.first_columns(&cte.select)?,
                names => Some(names.iter().map(|name| name.text.clone()).collect()),
            };
            self.ctes.push((cte.name.text.clone(), given));
        }
        let mut columns = None;
        self.core(&select.body.first, &mut columns)?;
        self.ctes.truncate(known);
        Ok(columns)
    }

    /// One SELECT or VALUES; the level that its ORDER BY sees.
    fn core(&mut self, core: &'a SelectCore, given: &mut Columns) -> Result<Level> {
        let (columns, from, filter, group_by, having, windows) = match core {
            SelectCore::Values(rows) => {
                let width = rows.first().map_or(0, Vec::len);
                self.within(Level::default(), |resolver| resolver.exprs(rows.iter().flatten()))?;
                *given = Some((1..=width).map(|at| format!("column{at}").into()).collect());
                return Ok(Level::default());
            }
            SelectCore::Select { columns, from, filter, group_by, having, windows, .. } => {
                (columns, from, filter, group_by, having, windows)
            }
        };
        self.levels.push(Level::default());
        let outcome = self.select_core(columns, from.as_ref(), given).and_then(|()| {
            self.exprs(filter.iter().chain(group_by).chain(having))?;
            windows.iter().try_for_each(|(_, window)| self.window(window))
        });
        let level = self.levels.pop().unwrap_or_default();
        outcome.map(|()| level)
    }

    fn select_core(
        &mut self,
        columns: &'a [ResultColumn],
        from: Option<&'a From>,
        given: &mut Columns,
    ) -> Result<()> {
        if let Some(from) = from {
            self.from(from)?;
        }
        let mut names = Some(Vec::new());
        for column in columns {
            let more = match column {
                ResultColumn::Expr { expr, alias, text } => {
                    self.expr(expr)?;
                    Some(vec![result_name(expr, alias.as_ref(), text)])
                }
                ResultColumn::Star => self.star(None)?,
                ResultColumn::TableStar(name) => self.star(Some(name))?,
            };
            match (&mut names, more) {
                (Some(names), Some(more)) => names.extend(more),
                _ => names = None,
            }
        }
        let aliases = columns.iter().filter_map(|column| match column {
            ResultColumn::Expr { alias, .. } => alias.as_ref().map(|alias| alias.text.clone()),
            _ => None,
        });
        if let Some(level) = self.levels.last_mut() {
            level.aliases = aliases.collect();
        }
        *given = names;
        Ok(())
    }

    /// What `*` stands for.
    fn star(&mut self, of: Option<&'a Name>) -> Result<Columns> {
        let Some(level) = self.levels.last() else { return Ok(None) };
        let is_it = |source: &&Source| of.is_none_or(|name| name.is(&source.name));
        let sources: Vec<Source> = level.sources.iter().filter(is_it).cloned().collect();
        let merged = level.merged.clone();
        if let (Some(name), []) = (of, &*sources) {
            return Err(Error::sql(format!("no such table: {name}")));
        }
        let mut all: Vec<Box<str>> = Vec::new();
        for source in sources {
            if let (Some(name), Some(table), true) = (of, &source.table, source.by_own_name) {
                self.table_name(name, table);
            }
            let Some(columns) = source.columns else { return Ok(None) };
            for column in columns {
                let is_merged = merged.iter().any(|m| m.eq_ignore_ascii_case(&column));
                let again = all.iter().any(|known| known.eq_ignore_ascii_case(&column));
                if of.is_some() || !is_merged || !again {
                    all.push(column);
                }
            }
        }
        Ok(Some(all))
    }

    fn window(&mut self, window: &'a Window) -> Result<()> {
        self.exprs(&window.partition_by)?;
        self.exprs(window.order_by.iter().map(|term| &term.expr))
    }

    /// A FROM clause, into the innermost level.
    pub(super) fn from(&mut self, from: &'a From) -> Result<()> {
        self.item(&from.first)?;
        for Join { item, constraint, natural, .. } in &from.joins {
            let left: Vec<Box<str>> = self.all_columns();
            let before = self.levels.last().map_or(0, |level| level.sources.len());
            self.item(item)?;
            match constraint {
                JoinConstraint::On(on) => self.expr(on)?,
                JoinConstraint::Using(names) => {
                    for name in names {
                        self.using(name, &left, before)?;
                    }
                }
                JoinConstraint::None => {}
            }
            if *natural && let Some(level) = self.levels.last_mut() {
                let added = level.sources.iter().skip(before);
                let right = added.flat_map(|source| source.columns.iter().flatten());
                let both: Vec<Box<str>> = right
                    .filter(|column| left.iter().any(|known| known.eq_ignore_ascii_case(column)))
                    .cloned()
                    .collect();
                level.merged.extend(both);
            }
        }
        Ok(())
    }

    fn all_columns(&self) -> Vec<Box<str>> {
        let sources = self.levels.last().map(|level| &level.sources).into_iter().flatten();
        sources.flat_map(|source| source.columns.iter().flatten()).cloned().collect()
    }

    fn using(&mut self, name: &'a Name, left: &[Box<str>], before: usize) -> Result<()> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        let unknown = level.sources.iter().any(|source| source.columns.is_none());
        let added = level.sources.iter().skip(before);
        let mut right = added.flat_map(|source| source.columns.iter().flatten());
        let in_both = left.iter().any(|column| name.is(column)) && right.any(|c| name.is(c));
        if !in_both && !unknown {
            return Err(Error::sql(format!(
                "cannot join using column {name} - column not present in both tables"
            )));
        }
        level.merged.push(name.text.clone());
        Ok(())
    }

    fn item(&mut self, item: &'a FromItem) -> Result<()> {
        let source = match item {
            FromItem::Table { name, alias, .. } => self.table_item(name, alias.as_ref())?,
            FromItem::Function { name, arguments, alias } => {
                self.exprs(arguments)?;
                nameless(alias.as_ref().unwrap_or(&name.name), None)
            }
            FromItem::Select { select, alias } => {
                let columns = self.apart(|resolver| resolver.select(select))?;
                Source {
                    name: alias.as_ref().map(|alias| alias.text.clone()).unwrap_or_default(),
                    table: None,
                    by_own_name: false,
                    columns,
                    qualified_only: false,
                }
            }
            FromItem::Join { from, alias: None } => return self.from(from),
            FromItem::Join { from, alias: Some(alias) } => {
                let own = self.levels.pop();
                self.levels.push(Level::default());
                let outcome = self.from(from);
                let columns = outcome.and_then(|()| self.star(None));
                self.levels.pop();
                self.levels.extend(own);
                nameless(alias, columns?)
            }
        };
        if let Some(level) = self.levels.last_mut() {
            level.sources.push(source);
        }
        Ok(())
    }

    fn table_item(&mut self, name: &'a QualifiedName, alias: Option<&Name>) -> Result<Source> {
        let called = alias.unwrap_or(&name.name);
        if name.schema.is_none() {
            let cte = self.ctes.iter().rev().find(|(cte, _)| name.name.is(cte));
            if let Some((_, columns)) = cte {
                return Ok(nameless(called, columns.clone()));
            }
        }
        let is_function = heddle_functions::table(&name.name.text).is_some()
            || name.name.text.to_ascii_lowercase().starts_with("pragma_");
        match self.source(name, alias) {
            Err(_) if is_function => Ok(nameless(called, None)),
            outcome => outcome,
        }
    }

    /// Runs what does not see the innermost level.
    fn apart<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let own = self.levels.pop();
        let outcome = run(self);
        self.levels.extend(own);
        outcome
    }
}

/// A source that is no table.
fn nameless(called: &Name, columns: Columns) -> Source {
    Source {
        name: called.text.clone(),
        table: None,
        by_own_name: false,
        columns,
        qualified_only: false,
    }
}

/// What a result's column is called.
fn result_name(expr: &Expr, alias: Option<&Name>, text: &str) -> Box<str> {
    match (alias, expr) {
        (Some(alias), _) => alias.text.clone(),
        (None, Expr::Column { name, .. }) => name.text.clone(),
        (None, Expr::Paren(inner)) => result_name(inner, None, text),
        _ => text.into(),
    }
}
