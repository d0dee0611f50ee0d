//! The binder: from the syntax tree to a plan. Names get their meaning here, and so do types, collations and the places
//! where aggregates and window functions are computed.
//!
//! - [`scope`]: what a name can mean where; [`column`]: looking one up.
//! - [`expr`], [`compare`], [`call`], [`subquery`]: expressions; [`typed`]: what is known of one beside its value.
//! - [`classes`]: which storage classes a result can have.
//! - [`from`]: FROM clauses; [`select`]: one SELECT; [`compound`]: whole queries; [`cte`]: WITH; [`order`]: ORDER BY; [`window`]: OVER.
//! - [`modify`]: INSERT, UPDATE, DELETE and the programs of triggers.
//!
//! # Invariants
//! - B1: what a statement means is decided by names alone; no rule here looks at data or at indexes.
//! - B2: a plan from here is right as it is. Its filters stand where they were written, its joins in their order.
//! - B3: each subquery and common table expression notes the columns of relations around it ([`Binder::note_outer`]), however deep in it
//!   they are used.

mod call;
mod classes;
mod column;
mod compare;
mod compound;
mod cte;
mod expr;
mod from;
mod marks;
mod modify;
mod order;
mod scope;
mod select;
mod subquery;
mod typed;
mod window;

use std::collections::BTreeSet;

use heddle_value::Collation;

use crate::plan::{ColumnId, ColumnInfo, Expr, Query, Shared, SharedId, SubqueryId};
use crate::schema::{DatabaseIndex, Databases};
use crate::session::Extensions;
use crate::{Error, Result, ast};
pub use modify::modification;
pub use scope::RowScope;
use scope::Scope;
pub use typed::Typed;

/// How deep views and common table expressions may lie in each other.
const MAX_NESTED: usize = 200;

/// What names may refer to beside a statement's own tables.
#[derive(Debug, Clone, Copy)]
pub struct Environment<'a> {
    /// The connection's databases.
    pub databases: &'a Databases,
    /// The connection's own functions and collations.
    pub extensions: &'a Extensions,
}

/// A statement being bound.
pub struct Binder<'a> {
    pub(crate) environment: Environment<'a>,
    /// By [`ColumnId`].
    pub(crate) infos: Vec<ColumnInfo>,
    pub(crate) shared: Vec<Shared>,
    next_subquery: u32,
    /// The scopes around what is being bound, the innermost last.
    scopes: Vec<Scope>,
    frames: Vec<Frame>,
    ctes: Vec<cte::Entry>,
    /// Where a name without database is looked up first: inside a view or trigger, in its own database.
    home: Option<DatabaseIndex>,
    /// Views and common table expressions being bound, for what refers to itself.
    open: Vec<Box<str>>,
    /// What classes of values results can have, for the affinity of compound queries' columns.
    classes: std::collections::HashMap<ColumnId, classes::Of>,
    /// The innermost scope of which a column was met since an aggregate's arguments began.
    deepest: Option<usize>,
}

/// A subquery or common table expression being bound (B3).
#[derive(Debug)]
struct Frame {
    /// How many scopes were open around it.
    base: usize,
    /// The columns it uses of those.
    outer: BTreeSet<ColumnId>,
    /// Whether it gives the same each time.
    stable: bool,
}

/// A query in the making: what it reads and what it gives.
pub(crate) struct Bound {
    pub(crate) relation: crate::plan::Relation,
    pub(crate) columns: Vec<ColumnId>,
    pub(crate) names: Vec<Box<str>>,
}

/// The plan of a query.
///
/// # Errors
/// What is wrong with it, in SQLite's words.
pub fn query(environment: Environment<'_>, select: &ast::Select, parameters: u32) -> Result<Query> {
    let mut binder = Binder::new(environment);
    let bound = binder.select(select)?;
    Ok(binder.finish(bound, parameters))
}

impl<'a> Binder<'a> {
    /// Nothing is bound yet.
    pub fn new(environment: Environment<'a>) -> Binder<'a> {
        Binder {
            environment,
            infos: Vec::new(),
            shared: Vec::new(),
            next_subquery: 0,
            scopes: Vec::new(),
            frames: Vec::new(),
            ctes: Vec::new(),
            home: None,
            open: Vec::new(),
            deepest: None,
            classes: std::collections::HashMap::new(),
        }
    }

    /// Names are looked up as in a trigger or view of this database.
    #[must_use]
    pub fn at_home_in(mut self, database: DatabaseIndex) -> Self {
        self.home = Some(database);
        self
    }

    /// Binds an expression over the row of a table without any relation: CHECK, generated columns, index keys, a trigger's WHEN.
    ///
    /// # Errors
    /// What is wrong with it, in SQLite's words.
    pub fn row_expr(&mut self, row: &RowScope, expr: &ast::Expr) -> Result<Typed> {
        let depth = self.enter(Scope::of_row(row.clone()));
        let bound = self.expr(expr);
        self.leave(depth);
        bound
    }

    pub(crate) fn finish(self, bound: Bound, parameters: u32) -> Query {
        let mut query = Query {
            relation: bound.relation,
            columns: bound.columns,
            names: bound.names,
            infos: self.infos,
            shared: self.shared,
            parameters,
        };
        cte::inline_single_uses(&mut query);
        query
    }

    pub(crate) fn new_column(&mut self, info: ColumnInfo) -> ColumnId {
        let id = ColumnId(u32::try_from(self.infos.len()).unwrap_or(u32::MAX));
        self.infos.push(info);
        id
    }

    pub(crate) fn info(&self, column: ColumnId) -> ColumnInfo {
        self.infos.get(column.0 as usize).cloned().unwrap_or_default()
    }

    fn new_subquery(&mut self) -> SubqueryId {
        self.next_subquery += 1;
        SubqueryId(self.next_subquery - 1)
    }

    fn new_shared(&mut self) -> SharedId {
        let id = SharedId(u32::try_from(self.shared.len()).unwrap_or(u32::MAX));
        self.shared.push(Shared { id, relation: None, columns: Vec::new(), keep: false });
        id
    }

    /// Opens a scope; [`Binder::leave`] closes it and all above.
    pub(crate) fn enter(&mut self, scope: Scope) -> usize {
        self.scopes.push(scope);
        self.scopes.len() - 1
    }

    pub(crate) fn leave(&mut self, depth: usize) -> Option<Scope> {
        self.scopes.truncate(depth + 1);
        self.scopes.pop()
    }

    /// Binds something that runs apart from what is around it, and tells which columns of that it uses (B3).
    fn framed<T>(
        &mut self,
        bind: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<(T, Vec<ColumnId>, bool)> {
        let depth = self.frames.len();
        let base = self.scopes.len();
        self.frames.push(Frame { base, outer: BTreeSet::new(), stable: true });
        let bound = bind(self);
        let frame = self.frames.pop();
        self.frames.truncate(depth);
        let bound = bound?;
        let (outer, stable) = frame.map_or_else(Default::default, |f| (f.outer, f.stable));
        if !stable {
            self.note_unstable();
        }
        Ok((bound, outer.into_iter().collect(), stable))
    }

    /// Notes the use of a column of the scope at `depth` (B3).
    fn note_outer(&mut self, column: ColumnId, depth: usize) {
        for frame in self.frames.iter_mut().rev() {
            if frame.base <= depth {
                break;
            }
            frame.outer.insert(column);
        }
    }

    /// Notes a call that gives something else each time.
    fn note_unstable(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.stable = false;
        }
    }

    /// A view's or common table expression's query, bound as if it stood alone.
    fn nested<T>(
        &mut self,
        name: &str,
        circular: impl FnOnce() -> Error,
        bind: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        if self.open.len() >= MAX_NESTED
            || self.open.iter().any(|open| open.eq_ignore_ascii_case(name))
        {
            return Err(circular());
        }
        self.open.push(name.into());
        let bound = bind(self);
        self.open.pop();
        bound
    }

    pub(crate) fn collation(&self, name: &ast::Name) -> Result<Collation> {
        let found = self.environment.extensions.collation(&name.text);
        found.ok_or_else(|| Error::sql(format!("no such collation sequence: {name}")))
    }

    /// A column for an expression: the one that it is, or a new one with what is known of the expression.
    pub(crate) fn column_for(&mut self, name: Box<str>, value: &Typed) -> ColumnId {
        let info = match value.expr {
            Expr::Column(column) => {
                let known = self.info(column);
                ColumnInfo {
                    name,
                    affinity: value.affinity,
                    collation: value.collation.clone(),
                    ..known
                }
            }
            _ => ColumnInfo {
                name,
                affinity: value.affinity,
                collation: value.collation.clone(),
                declared_type: value.declared_type.clone(),
                ..ColumnInfo::default()
            },
        };
        self.new_column(info)
    }
}
