//! Foreign keys of a table: those it has, and those that refer to it with what they do.
//!
//! # Invariant
//! - F1: what is wrong with a key is kept beside it. It is an error when the key is to be checked, and that is known when the
//!   statement runs (`PRAGMA foreign_keys`).

use std::sync::Arc;

use super::{Around, Maker, Pending, Target};
use crate::ast::{
    self, BinaryOp, ConflictClause, Deferral, Expr, ForeignKeyAction, Literal, Name, QualifiedName,
    Statement,
};
use crate::bind::RowScope;
use crate::plan::{ActionProgram, ChildKey, ForeignKeys, KeyLookup, ParentKey, ProgramId};
use crate::schema::{ForeignKey, IndexOrigin, Named, Schema, Table, TableKind, Trigger};
use heddle_value::Value;

/// Where the key is that a foreign key refers to: where to look, and the parent's columns in the order of the child's.
type Found = (KeyLookup, Vec<u16>);

impl Maker<'_> {
    /// The foreign keys of a target.
    pub(super) fn foreign_keys(&mut self, target: &Target) -> ForeignKeys {
        let databases = self.environment.databases;
        let table = &target.table;
        let Some(schema) = databases.schema(target.database).cloned() else {
            return ForeignKeys::default();
        };
        if target.view.is_some() || table.kind != TableKind::Ordinary {
            return ForeignKeys::default();
        }
        let name = databases.get(target.database).map(|d| d.name.clone()).unwrap_or_default();
        // The last key that was made is the first to be looked at.
        let own = table.foreign_keys.iter().rev();
        let children = own.map(|key| child_key(&schema, &name, table, key)).collect();
        let mut parents = Vec::new();
        for child in all_tables(&schema).into_iter().rev() {
            for key in child.foreign_keys.iter().rev() {
                if key.parent.eq_ignore_ascii_case(&table.name) {
                    parents.push(self.parent_key(target, &child, key));
                }
            }
        }
        ForeignKeys { children, parents }
    }

    fn parent_key(
        &mut self,
        target: &Target,
        child: &Arc<Table>,
        key: &Arc<ForeignKey>,
    ) -> ParentKey {
        let table = &target.table;
        let deferred = key.deferral == Deferral::Deferred;
        let (columns, problem) = match locate(table, child, key) {
            Ok((_, columns)) => (columns, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        let mut on_delete = None;
        let mut on_update = None;
        if problem.is_none() {
            on_delete = self.action(target, child, key, &columns, false);
            on_update = self.action(target, child, key, &columns, true);
        }
        ParentKey {
            child: Arc::clone(child),
            is_self: child.name.eq_ignore_ascii_case(&table.name),
            child_columns: key.columns.clone(),
            columns,
            deferred,
            on_delete,
            on_update,
            problem,
        }
    }

    /// The program of what a key says of a deleted or changed parent.
    fn action(
        &mut self,
        target: &Target,
        child: &Arc<Table>,
        key: &Arc<ForeignKey>,
        columns: &[u16],
        is_update: bool,
    ) -> Option<ActionProgram> {
        let action = if is_update { key.on_update } else { key.on_delete };
        if action == ForeignKeyAction::NoAction {
            return None;
        }
        let restrict = action == ForeignKeyAction::Restrict;
        let known = (Arc::as_ptr(key).cast::<u8>() as usize, is_update);
        if let Some(program) = self.actions.get(&known) {
            return Some(ActionProgram { program: *program, restrict });
        }
        let parts = Parts { target, child, key, columns };
        let program = ProgramId(self.programs.len());
        self.programs.push(None);
        self.actions.insert(known, program);
        let trigger = Trigger {
            name: "".into(),
            database: target.database,
            definition: parts.trigger(action, is_update),
            sql: "".into(),
        };
        let trigger = Arc::new(trigger);
        self.triggers.push(Arc::clone(&trigger));
        let row =
            RowScope { table: Arc::clone(&target.table), new: is_update, old: true, bare: None };
        let home = Some(target.database);
        self.pending.push(Pending {
            program: program.0,
            number: self.triggers.len() - 1,
            trigger,
            around: Around { row: Some(row), home, conflict: Some(ConflictClause::Abort) },
            is_action: true,
            soft: true,
        });
        Some(ActionProgram { program, restrict })
    }
}

fn all_tables(schema: &Schema) -> Vec<Arc<Table>> {
    let table = |named: &Named| match named {
        Named::Table(table) => Some(Arc::clone(table)),
        _ => None,
    };
    schema.all().filter_map(table).collect()
}

fn child_key(schema: &Schema, database: &str, table: &Arc<Table>, key: &ForeignKey) -> ChildKey {
    let parent = match schema.table(&key.parent) {
        Some(parent) => Ok(Arc::clone(parent)),
        None => Err(format!("no such table: {database}.{}", key.parent).into()),
    };
    let found = parent.and_then(|parent| Ok((locate(&parent, table, key)?, parent)));
    let deferred = key.deferral == Deferral::Deferred;
    let is_self = key.parent.eq_ignore_ascii_case(&table.name);
    match found {
        Ok(((lookup, parent_columns), parent)) => ChildKey {
            columns: key.columns.clone(),
            parent: Some(parent),
            lookup,
            parent_columns,
            is_self,
            deferred,
            problem: None,
        },
        Err(problem) => ChildKey {
            columns: key.columns.clone(),
            parent: None,
            lookup: KeyLookup::Rowid,
            parent_columns: Vec::new(),
            is_self,
            deferred,
            problem: Some(problem),
        },
    }
}

/// The unique key of the parent that a foreign key refers to.
fn locate(parent: &Table, child: &Table, key: &ForeignKey) -> Result<Found, Box<str>> {
    let mismatch = || -> Box<str> {
        format!("foreign key mismatch - \"{}\" referencing \"{}\"", child.name, key.parent).into()
    };
    let named: Vec<Option<u16>> = key
        .parent_columns
        .iter()
        .map(|name| parent.column(name).and_then(|place| u16::try_from(place).ok()))
        .collect();
    let implicit = named.is_empty();
    if let (1, Some(alias)) = (key.columns.len(), parent.rowid_alias) {
        let alias = u16::try_from(alias).map_err(|_| mismatch())?;
        if implicit || named == [Some(alias)] {
            return Ok((KeyLookup::Rowid, vec![alias]));
        }
    }
    let keys_of = |keys: &[crate::schema::IndexKey], is_primary: bool| {
        if keys.len() != key.columns.len() {
            return None;
        }
        let columns: Vec<u16> = keys.iter().map(|key| key.column).collect::<Option<_>>()?;
        if implicit {
            return is_primary.then_some(columns);
        }
        let as_declared = keys.iter().zip(&columns).all(|(key, place)| {
            let column = parent.columns.get(usize::from(*place));
            column.is_some_and(|column| column.collation.name() == key.collation.name())
        });
        let all = columns.iter().all(|column| named.contains(&Some(*column)));
        if !as_declared || !all {
            return None;
        }
        named.iter().copied().collect::<Option<Vec<u16>>>()
    };
    if parent.without_rowid
        && let Some(columns) = keys_of(&parent.primary_key, true)
    {
        return Ok((KeyLookup::Primary, columns));
    }
    for (at, index) in parent.indexes.iter().enumerate() {
        if index.unique
            && index.filter.is_none()
            && let Some(columns) = keys_of(&index.keys, index.origin == IndexOrigin::PrimaryKey)
        {
            return Ok((KeyLookup::Index(at), columns));
        }
    }
    Err(mismatch())
}

/// What an action's statement is made of.
struct Parts<'p> {
    target: &'p Target,
    child: &'p Table,
    key: &'p ForeignKey,
    columns: &'p [u16],
}

fn column(table: &str, name: &str) -> Expr {
    Expr::Column { schema: None, table: Some(Name::new(table)), name: Name::new(name) }
}

fn all_of(parts: Vec<Expr>) -> Option<Expr> {
    parts
        .into_iter()
        .reduce(|left, right| Expr::Binary(BinaryOp::And, Box::new(left), Box::new(right)))
}

fn null() -> Expr {
    Expr::Literal(Literal::Value(Value::Null))
}

impl Parts<'_> {
    fn parent_name(&self, place: u16) -> &str {
        let column = self.target.table.columns.get(usize::from(place));
        column.map_or("", |column| &column.name)
    }

    fn child_names(&self) -> impl Iterator<Item = &str> {
        let column = |place: &u16| self.child.columns.get(usize::from(*place));
        self.key.columns.iter().map(move |place| column(place).map_or("", |column| &column.name))
    }

    fn trigger(&self, action: ForeignKeyAction, is_update: bool) -> ast::CreateTrigger {
        let pairs = || self.columns.iter().zip(self.child_names());
        let equal = pairs().map(|(parent, child)| {
            let (old, child) =
                (column("old", self.parent_name(*parent)), column(&self.child.name, child));
            Expr::Binary(BinaryOp::Equal, Box::new(old), Box::new(child))
        });
        let filter = all_of(equal.collect());
        let same = self.columns.iter().map(|parent| {
            let name = self.parent_name(*parent);
            let (old, new) = (column("old", name), column("new", name));
            Expr::Binary(BinaryOp::Is, Box::new(old), Box::new(new))
        });
        let same = all_of(same.collect()).filter(|_| is_update);
        let when = same.map(|same| Expr::Unary(ast::UnaryOp::Not, Box::new(same)));
        let table = QualifiedName { schema: None, name: Name::new(self.child.name.clone()) };
        let command = match (action, is_update) {
            (ForeignKeyAction::Restrict, _) => self.refuse(table, filter),
            (ForeignKeyAction::Cascade, false) => Statement::Delete(Box::new(ast::Delete {
                with: None,
                table,
                alias: None,
                hint: ast::IndexHint::None,
                filter,
                returning: Vec::new(),
                order_by: Vec::new(),
                limit: None,
            })),
            _ => Statement::Update(Box::new(ast::Update {
                with: None,
                conflict: None,
                table,
                alias: None,
                hint: ast::IndexHint::None,
                sets: self.sets(action),
                from: None,
                filter,
                returning: Vec::new(),
                order_by: Vec::new(),
                limit: None,
            })),
        };
        ast::CreateTrigger {
            temporary: false,
            if_not_exists: false,
            name: QualifiedName { schema: None, name: Name::new("") },
            time: ast::TriggerTime::After,
            event: match is_update {
                true => ast::TriggerEvent::Update { of: Vec::new() },
                false => ast::TriggerEvent::Delete,
            },
            table: QualifiedName { schema: None, name: Name::new(self.target.table.name.clone()) },
            when,
            commands: vec![command],
        }
    }

    fn sets(&self, action: ForeignKeyAction) -> Vec<ast::Set> {
        let one = |((parent, child), name): ((&u16, &u16), &str)| {
            let default = || {
                let column = self.child.columns.get(usize::from(*child));
                column.and_then(|column| column.default.as_ref())
            };
            let value = match action {
                ForeignKeyAction::Cascade => column("new", self.parent_name(*parent)),
                ForeignKeyAction::SetDefault => default().map_or_else(null, |d| d.expr.clone()),
                _ => null(),
            };
            ast::Set { columns: vec![Name::new(name)], value }
        };
        self.columns.iter().zip(&self.key.columns).zip(self.child_names()).map(one).collect()
    }

    /// `SELECT RAISE(ABORT, ..) FROM child WHERE ..`.
    fn refuse(&self, table: QualifiedName, filter: Option<Expr>) -> Statement {
        let message = Literal::Value(Value::text("FOREIGN KEY constraint failed"));
        let raise = Expr::Raise(ast::Raise {
            action: ConflictClause::Abort,
            message: Some(Box::new(Expr::Literal(message))),
        });
        let first = ast::FromItem::Table { name: table, alias: None, hint: ast::IndexHint::None };
        let core = ast::SelectCore::Select {
            distinct: false,
            columns: vec![ast::ResultColumn::Expr { expr: raise, alias: None, text: "".into() }],
            from: Some(ast::From { first, joins: Vec::new() }),
            filter,
            group_by: Vec::new(),
            having: None,
            windows: Vec::new(),
        };
        let body = ast::SelectBody { first: core, rest: Vec::new() };
        Statement::Select(Box::new(ast::Select {
            with: None,
            body,
            order_by: Vec::new(),
            limit: None,
        }))
    }
}
