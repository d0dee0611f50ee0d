//! One SELECT: its sources, filter, groups, windows, results and their order.
//!
//! The parts are bound in SQLite's order (results, GROUP BY, HAVING, WHERE, ORDER BY), because what may stand in one
//! depends on those before it, and put together in the order in which they are computed.

use std::collections::BTreeSet;

use heddle_value::Collation;

use super::order::{Term, ordinal, position, result_at, stripped};
use super::scope::{Allows, Scope};
use super::{Binder, Bound, Typed, from};
use crate::ast::{self, OrderTerm, ResultColumn, SelectCore};
use crate::plan::{ColumnId, Expr, Relation, SortKey, Visit, walk};
use crate::{Error, Result};

/// A result's column in the making.
pub(super) struct ResultOf {
    pub(super) value: Typed,
    pub(super) name: Box<str>,
    /// As written; none for those of a star.
    written: Option<ast::Expr>,
    alias: Option<Box<str>>,
}

/// One SELECT taken apart.
struct Core<'s> {
    distinct: bool,
    columns: &'s [ResultColumn],
    from: Option<&'s ast::From>,
    filter: Option<&'s ast::Expr>,
    group_by: &'s [ast::Expr],
    having: Option<&'s ast::Expr>,
    windows: &'s [(ast::Name, ast::Window)],
}

/// Groups, and the parts that are evaluated after grouping.
#[derive(Default)]
struct Parts {
    groups: Vec<(ColumnId, Expr, Collation)>,
    having: Vec<Expr>,
    filter: Vec<Expr>,
    keys: Vec<SortKey>,
    /// What is computed beside the results, for the order alone.
    extra: Vec<(ColumnId, Expr)>,
}

impl Binder<'_> {
    /// Binds one SELECT or VALUES with its order.
    pub(super) fn core(&mut self, core: &SelectCore, order_by: &[OrderTerm]) -> Result<Bound> {
        let SelectCore::Select { distinct, columns, from, filter, group_by, having, windows } =
            core
        else {
            return self.values(core);
        };
        let core = Core {
            distinct: *distinct,
            columns,
            from: from.as_ref(),
            filter: filter.as_ref(),
            group_by,
            having: having.as_ref(),
            windows,
        };
        let depth = self.enter(Scope::default());
        let bound = self.core_parts(&core, order_by, depth);
        self.leave(depth);
        bound
    }

    fn core_parts(
        &mut self,
        core: &Core<'_>,
        order_by: &[OrderTerm],
        depth: usize,
    ) -> Result<Bound> {
        let tree = core.from.map(|from| self.from(from)).transpose()?;
        if let Some(scope) = self.scopes.last_mut() {
            scope.windows = core.windows.to_vec();
        }
        self.allow(depth, Allows::Windows);
        let mut results = self.results(core.columns)?;
        let mut parts = Parts::default();
        self.set_aliases(&results, depth);
        let has_aggregates = self.scopes.last().is_some_and(|scope| !scope.aggregates.is_empty());
        let aggregated = has_aggregates || !core.group_by.is_empty();
        if let Some(scope) = self.scopes.last_mut() {
            scope.aggregated = aggregated;
        }
        self.allow(depth, Allows::Values);
        parts.groups = self.groups(core.group_by, &results)?;
        if let Some(having) = core.having {
            if !aggregated {
                return Err(Error::sql("HAVING clause on a non-aggregate query"));
            }
            self.allow(depth, Allows::Aggregates);
            parts.having = from::conjuncts(self.expr(having)?.expr);
        }
        self.allow(depth, Allows::Values);
        if let Some(filter) = core.filter {
            parts.filter = from::conjuncts(self.expr(filter)?.expr);
        }
        let columns = self.result_columns(&mut results);
        self.allow(depth, Allows::Windows);
        self.order(order_by, &results, &columns, &mut parts)?;
        let written = self.scopes.last().and_then(|scope| scope.written.first());
        if let Some((call, _)) = written.filter(|_| !aggregated && core.from.is_some()) {
            return Err(Error::sql(format!("misuse of aggregate: {}()", call.name)));
        }
        let aggregated = aggregated || self.scopes.last().is_some_and(|s| !s.aggregates.is_empty());
        let relation = self.assemble(core, tree, &results, &columns, parts, aggregated, depth);
        let names = results.into_iter().map(|result| result.name).collect();
        Ok(Bound { relation, columns, names })
    }

    /// The results that are listed between SELECT and FROM, or after RETURNING.
    pub(super) fn results(&mut self, columns: &[ResultColumn]) -> Result<Vec<ResultOf>> {
        let mut results = Vec::with_capacity(columns.len());
        for column in columns {
            let star = match column {
                ResultColumn::Star => self.star(None)?,
                ResultColumn::TableStar(name) => self.star(Some(name))?,
                ResultColumn::Expr { expr, alias, text } => {
                    let value = self.expr(expr)?;
                    let alias = alias.as_ref().map(|alias| alias.text.clone());
                    let name = alias.clone().unwrap_or_else(|| self.name_of(expr, &value, text));
                    results.push(ResultOf { value, name, written: Some(expr.clone()), alias });
                    continue;
                }
            };
            let of_star = |(value, name)| ResultOf { value, name, written: None, alias: None };
            results.extend(star.into_iter().map(of_star));
        }
        Ok(results)
    }

    /// What a result without alias is called: a column by its name, all else by its text.
    fn name_of(&self, expr: &ast::Expr, value: &Typed, text: &str) -> Box<str> {
        let mut written = expr;
        while let ast::Expr::Paren(inner) = written {
            written = inner;
        }
        match (written, &value.expr) {
            (ast::Expr::Column { name, .. }, Expr::Column(column)) => {
                let of_source = self.source_name(*column, name);
                let origin = || self.info(*column).origin.map(|origin| origin.column);
                of_source.or_else(origin).unwrap_or_else(|| name.text.clone())
            }
            (ast::Expr::Column { name, table: Some(_), .. }, _) => name.text.clone(),
            (ast::Expr::Column { name, .. }, Expr::Row(_) | Expr::Function(_)) => name.text.clone(),
            _ => text.into(),
        }
    }

    /// The name that a column has in its source, which may not be that of the column it is, and may be one of several.
    fn source_name(&self, column: ColumnId, written: &ast::Name) -> Option<Box<str>> {
        let sources = || self.scopes.iter().rev().flat_map(|scope| &scope.sources);
        let mut columns = sources().flat_map(|source| &source.columns);
        let named = columns.find(|of| of.id == Some(column) && written.is(&of.name));
        let mut columns = sources().flat_map(|source| &source.columns);
        let any = named.or_else(|| columns.find(|of| of.id == Some(column)));
        any.map(|of| of.name.clone())
    }

    fn set_aliases(&mut self, results: &[ResultOf], depth: usize) {
        let aliases = results
            .iter()
            .filter_map(|result| Some((result.alias.clone()?, result.written.clone()?)))
            .collect();
        if let Some(scope) = self.scopes.get_mut(depth) {
            scope.aliases = aliases;
        }
    }

    fn groups(
        &mut self,
        terms: &[ast::Expr],
        results: &[ResultOf],
    ) -> Result<Vec<(ColumnId, Expr, Collation)>> {
        let mut groups: Vec<(ColumnId, Expr, Collation)> = Vec::with_capacity(terms.len());
        for (number, term) in terms.iter().enumerate() {
            let (inner, said) = stripped(term);
            let said = said.map(|name| self.collation(name)).transpose()?;
            let mut value = match position(inner) {
                Some(at) => {
                    let at = result_at(at, number, "GROUP", results.len())?;
                    let result = results.get(at).map(|result| result.value.clone());
                    let value = result.unwrap_or_else(Self::null);
                    let own = self.columns_of_calls();
                    if uses_any(&value.expr, &own) {
                        return Err(aggregate_in_group());
                    }
                    value
                }
                None => self.expr(term).map_err(|error| match error {
                    Error::Sql { message, .. } if message.starts_with("misuse of aggregate") => {
                        aggregate_in_group()
                    }
                    other => other,
                })?,
            };
            if said.is_some() {
                value.collation = said;
            }
            let collation = value.collation.clone().unwrap_or_default();
            let column = match value.expr {
                Expr::Column(column) if !groups.iter().any(|(id, ..)| *id == column) => column,
                _ => self.column_for("".into(), &value),
            };
            groups.push((column, value.expr, collation));
        }
        Ok(groups)
    }

    /// Columns that aggregates and window functions give at the innermost level.
    fn columns_of_calls(&self) -> BTreeSet<ColumnId> {
        let Some(scope) = self.scopes.last() else { return BTreeSet::new() };
        let windows = scope.calls.iter().flat_map(|group| group.calls.iter().map(|(id, _)| *id));
        scope.aggregates.iter().map(|(id, _)| *id).chain(windows).collect()
    }

    /// The results' columns. A result that is a column of the sources is passed on under its own number.
    fn result_columns(&mut self, results: &mut [ResultOf]) -> Vec<ColumnId> {
        let mut columns: Vec<ColumnId> = Vec::with_capacity(results.len());
        for result in results {
            let column = match result.value.expr {
                Expr::Column(column) if !result.value.explicit => column,
                _ => self.column_for(result.name.clone(), &result.value),
            };
            self.classes.insert(column, super::classes::Of::result(&result.value));
            columns.push(column);
        }
        columns
    }

    fn order(
        &mut self,
        terms: &[OrderTerm],
        results: &[ResultOf],
        columns: &[ColumnId],
        parts: &mut Parts,
    ) -> Result<()> {
        let aliases: Vec<_> = results.iter().map(|result| result.alias.clone()).collect();
        for (number, term) in terms.iter().enumerate() {
            let (inner, _) = stripped(&term.expr);
            let found = match position(inner) {
                Some(at) => Term::Result(result_at(at, number, "ORDER", results.len())?),
                None => {
                    let repeated = |result: &ResultOf| result.written.as_ref() == Some(inner);
                    let at = Self::alias_of(inner, &aliases)
                        .or_else(|| results.iter().position(repeated));
                    at.map_or(Term::Expr, Term::Result)
                }
            };
            let key = match found {
                Term::Result(at) => match (results.get(at), columns.get(at)) {
                    (Some(result), Some(column)) => {
                        self.result_key(term, *column, &result.value)?
                    }
                    _ => return Err(Error::sql(format!("{} ORDER BY term", ordinal(number + 1)))),
                },
                Term::Expr => {
                    let value = self.expr(&term.expr)?;
                    let column = match value.expr {
                        Expr::Column(column) => column,
                        _ => self.column_for("".into(), &value),
                    };
                    parts.extra.push((column, value.expr));
                    super::order::key(term, Expr::Column(column), value.collation)
                }
            };
            parts.keys.push(key);
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one SELECT, each used once")]
    fn assemble(
        &mut self,
        core: &Core<'_>,
        tree: Option<from::Tree>,
        results: &[ResultOf],
        columns: &[ColumnId],
        mut parts: Parts,
        aggregated: bool,
        depth: usize,
    ) -> Relation {
        let own = self.columns_at(depth);
        let Some(scope) = self.scopes.get_mut(depth) else { return Relation::Empty };
        let aggregates = std::mem::take(&mut scope.aggregates);
        let calls = std::mem::take(&mut scope.calls);
        let mut relation = from::or_unit(tree.map(|tree| from::relation(tree, scope)));
        if !parts.filter.is_empty() {
            relation = Relation::Filter { input: Box::new(relation), predicates: parts.filter };
        }
        let mut projected: Vec<(ColumnId, Expr)> = Vec::with_capacity(columns.len());
        for (column, result) in columns.iter().zip(results) {
            add_column(&mut projected, *column, result.value.expr.clone());
        }
        for (column, expr) in std::mem::take(&mut parts.extra) {
            add_column(&mut projected, column, expr);
        }
        let mut windows: Vec<Relation> = Vec::with_capacity(calls.len());
        for group in calls {
            let (partition, order) = (group.partition, group.order);
            let input = Box::new(Relation::Empty);
            windows.push(Relation::Window { input, partition, order, calls: group.calls });
        }
        if aggregated {
            let grouped: BTreeSet<ColumnId> = parts.groups.iter().map(|(id, ..)| *id).collect();
            // What is grouped by is the group's own, not a row's: with a filtered min() or max() there may be no such row.
            let mut keys = Keys { groups: &parts.groups };
            projected.iter_mut().for_each(|(_, expr)| walk::expr(expr, &mut keys));
            parts.having.iter_mut().for_each(|expr| walk::expr(expr, &mut keys));
            windows.iter_mut().for_each(|window| walk::relation(window, &mut keys));
            let mut used = Used { own: &own, found: BTreeSet::new() };
            projected.iter_mut().for_each(|(_, expr)| walk::expr(expr, &mut used));
            parts.having.iter_mut().for_each(|expr| walk::expr(expr, &mut used));
            windows.iter_mut().for_each(|window| walk::relation(window, &mut used));
            let bare = used.found.into_iter().filter(|id| !grouped.contains(id));
            let bare = bare.map(|id| (id, Expr::Column(id))).collect();
            let groups = parts.groups;
            relation = Relation::Aggregate {
                input: Box::new(relation),
                groups,
                aggregates,
                bare,
                ordered: false,
            };
        }
        if !parts.having.is_empty() {
            relation = Relation::Filter { input: Box::new(relation), predicates: parts.having };
        }
        for window in windows {
            if let Relation::Window { partition, order, calls, .. } = window {
                relation = Relation::Window { input: Box::new(relation), partition, order, calls };
            }
        }
        relation = Relation::Project { input: Box::new(relation), columns: projected };
        if core.distinct {
            let mut by: Vec<(ColumnId, Collation)> = Vec::with_capacity(columns.len());
            for (column, result) in columns.iter().zip(results) {
                by.push((*column, result.value.collation.clone().unwrap_or_default()));
            }
            relation = Relation::Distinct { input: Box::new(relation), columns: by };
        }
        if !parts.keys.is_empty() {
            relation = Relation::Sort { input: Box::new(relation), keys: parts.keys, top: None };
        }
        relation
    }

    fn values(&mut self, core: &SelectCore) -> Result<Bound> {
        let SelectCore::Values(rows) = core else {
            return Err(Error::sql("VALUES expected"));
        };
        let depth = self.enter(Scope::default());
        let bound = self.value_rows(rows);
        self.leave(depth);
        bound
    }

    fn value_rows(&mut self, rows: &[Vec<ast::Expr>]) -> Result<Bound> {
        let width = rows.first().map_or(0, Vec::len);
        let mut bound = Vec::with_capacity(rows.len());
        let mut first: Vec<Typed> = Vec::new();
        for row in rows {
            if row.len() != width {
                return Err(Error::sql("all VALUES must have the same number of terms"));
            }
            let values: Vec<Typed> =
                row.iter().map(|expr| self.expr(expr)).collect::<Result<_>>()?;
            bound.push(values.iter().map(|value| value.expr.clone()).collect());
            if first.is_empty() {
                first = values;
            }
        }
        let names: Vec<Box<str>> = (1..=width).map(|at| format!("column{at}").into()).collect();
        let mut columns = Vec::with_capacity(width);
        for (name, value) in names.iter().zip(&first) {
            let value_of = value;
            let value = Typed { declared_type: None, ..value.clone() };
            let affinity = if rows.len() == 1 { value.affinity } else { None };
            let info = crate::plan::ColumnInfo {
                name: name.clone(),
                affinity,
                collation: value.collation,
                ..Default::default()
            };
            let id = self.new_column(info);
            self.classes.insert(id, super::classes::Of::result(value_of));
            columns.push(id);
        }
        let relation = Relation::Values { columns: columns.clone(), rows: bound };
        Ok(Bound { relation, columns, names })
    }
}

/// Adds a column to those of a projection, once.
fn add_column(projected: &mut Vec<(ColumnId, Expr)>, column: ColumnId, expr: Expr) {
    if !projected.iter().any(|(id, _)| *id == column) {
        projected.push((column, expr));
    }
}

fn aggregate_in_group() -> Error {
    Error::sql("aggregate functions are not allowed in the GROUP BY clause")
}

/// Columns of one level that expressions above a grouping use.
struct Used<'o> {
    own: &'o BTreeSet<ColumnId>,
    found: BTreeSet<ColumnId>,
}

impl Visit for Used<'_> {
    fn expr(&mut self, expr: &mut Expr) -> bool {
        if let Expr::Column(column) = expr
            && self.own.contains(column)
        {
            self.found.insert(*column);
        }
        true
    }
}

/// Puts the groups' columns for the expressions that are grouped by.
struct Keys<'g> {
    groups: &'g [(ColumnId, Expr, Collation)],
}

impl Visit for Keys<'_> {
    fn expr(&mut self, expr: &mut Expr) -> bool {
        // A subquery has a list of what it takes from around it, which stays as it is.
        let closed = matches!(
            expr,
            Expr::Subquery(_) | Expr::Exists(_) | Expr::SubqueryColumn(..) | Expr::In(_)
        );
        if closed || matches!(expr, Expr::Constant(_) | Expr::Parameter(_) | Expr::Column(_)) {
            return false;
        }
        let same = |(_, of, _): &&(ColumnId, Expr, Collation)| {
            std::mem::discriminant(of) == std::mem::discriminant(expr)
                && format!("{of:?}") == format!("{expr:?}")
        };
        let found = self.groups.iter().find(same).map(|(column, ..)| *column);
        if let Some(column) = found {
            *expr = Expr::Column(column);
            return false;
        }
        true
    }
}

fn uses_any(expr: &Expr, columns: &BTreeSet<ColumnId>) -> bool {
    let mut used = Used { own: columns, found: BTreeSet::new() };
    walk::expr(&mut expr.clone(), &mut used);
    !used.found.is_empty()
}

/// The names of a subquery's columns, each once: a second `a` is `a:1`.
pub(super) fn unique_names(names: Vec<Box<str>>) -> Vec<Box<str>> {
    let mut taken = std::collections::HashSet::with_capacity(names.len());
    let mut unique = Vec::with_capacity(names.len());
    for name in names {
        let mut own = name.clone();
        let mut number = 0;
        while !taken.insert(own.to_ascii_lowercase()) {
            number += 1;
            let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
            let base = base.strip_suffix(':').unwrap_or(&name);
            own = format!("{base}:{number}").into();
        }
        unique.push(own);
    }
    unique
}
