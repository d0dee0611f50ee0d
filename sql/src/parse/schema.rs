//! Definitions: CREATE, ALTER, DROP.

use sqlite3_parser::ast as parsed;

use super::convert::Converter;
use super::expr::{conflict, type_text};
use super::select::columns as column_names;
use super::{name, text};
use crate::ast::{
    AlterTable, Column, ColumnConstraint, CreateIndex, CreateTable, CreateTrigger, CreateView,
    Deferral, Delete, ForeignKey, ForeignKeyAction, Generated, IndexHint, Insert, InsertSource,
    Name, Statement, TableBody, TableConstraint, TriggerEvent, TriggerTime, Update,
};
use crate::{Error, Result};

impl Converter<'_> {
    pub(super) fn definition(&mut self, statement: parsed::Stmt<'_>) -> Result<Statement> {
        Ok(match statement {
            parsed::Stmt::CreateTable { temporary, if_not_exists, tbl_name, body } => {
                Statement::CreateTable(Box::new(CreateTable {
                    temporary,
                    if_not_exists,
                    name: name::qualified(&tbl_name),
                    body: self.table_body(&body)?,
                }))
            }
            parsed::Stmt::CreateIndex {
                unique,
                if_not_exists,
                idx_name,
                tbl_name,
                columns,
                where_clause,
            } => Statement::CreateIndex(Box::new(CreateIndex {
                unique,
                if_not_exists,
                name: name::qualified(&idx_name),
                table: name::of(&tbl_name),
                columns: self.indexed_columns(columns)?,
                filter: self.maybe(where_clause.as_ref())?,
            })),
            parsed::Stmt::CreateView { temporary, if_not_exists, view_name, columns, select } => {
                Statement::CreateView(Box::new(CreateView {
                    temporary,
                    if_not_exists,
                    name: name::qualified(&view_name),
                    columns: column_names(columns)?,
                    select: Box::new(self.select(select)?),
                }))
            }
            parsed::Stmt::CreateTrigger { .. } => self.trigger(&statement)?,
            parsed::Stmt::CreateVirtualTable { if_not_exists, tbl_name, module_name, args } => {
                Statement::CreateVirtualTable {
                    if_not_exists,
                    name: name::qualified(&tbl_name),
                    module: name::of(&module_name),
                    arguments: args.unwrap_or_default().iter().map(|text| (*text).into()).collect(),
                }
            }
            parsed::Stmt::AlterTable(table, body) => Statement::AlterTable {
                table: name::qualified(&table),
                change: Box::new(self.alteration(&body)?),
            },
            parsed::Stmt::DropTable { if_exists, tbl_name } => {
                Statement::DropTable { if_exists, name: name::qualified(&tbl_name) }
            }
            parsed::Stmt::DropIndex { if_exists, idx_name } => {
                Statement::DropIndex { if_exists, name: name::qualified(&idx_name) }
            }
            parsed::Stmt::DropView { if_exists, view_name } => {
                Statement::DropView { if_exists, name: name::qualified(&view_name) }
            }
            parsed::Stmt::DropTrigger { if_exists, trigger_name } => {
                Statement::DropTrigger { if_exists, name: name::qualified(&trigger_name) }
            }
            _ => return Err(Error::sql("not a statement that is known here")),
        })
    }

    fn table_body(&mut self, body: &parsed::CreateTableBody<'_>) -> Result<TableBody> {
        Ok(match body {
            parsed::CreateTableBody::AsSelect(select) => {
                TableBody::Select(Box::new(self.select(select)?))
            }
            parsed::CreateTableBody::ColumnsAndConstraints { columns, constraints, flags } => {
                TableBody::Columns {
                    columns: columns
                        .iter()
                        .map(|column| self.column(column))
                        .collect::<Result<_>>()?,
                    constraints: constraints
                        .unwrap_or_default()
                        .iter()
                        .map(|named| {
                            let constraint = self.table_constraint(&named.constraint)?;
                            Ok((named.name.as_ref().map(name::of), constraint))
                        })
                        .collect::<Result<_>>()?,
                    without_rowid: flags.contains(parsed::TabFlags::WithoutRowid),
                    strict: flags.contains(parsed::TabFlags::Strict),
                }
            }
        })
    }

    fn column(&mut self, column: &parsed::ColumnDefinition<'_>) -> Result<Column> {
        let written = self.spans.next_type();
        let declared = column.col_type.as_ref().map(|declared| match self.text(written) {
            "" => type_text(declared),
            written => name::unquoted_first(written),
        });
        let declared = declared.filter(|text| !text.is_empty());
        let mut constraints: Vec<(Option<Name>, ColumnConstraint)> = Vec::new();
        for named in column.constraints {
            let constraint_name = named.name.as_ref().map(name::of);
            let constraint = match &named.constraint {
                parsed::ColumnConstraint::PrimaryKey { order, conflict_clause, auto_increment } => {
                    ColumnConstraint::PrimaryKey {
                        descending: *order == Some(parsed::SortOrder::Desc),
                        conflict: conflict_clause.map(conflict),
                        autoincrement: *auto_increment,
                    }
                }
                parsed::ColumnConstraint::NotNull { nullable: true, .. } => ColumnConstraint::Null,
                parsed::ColumnConstraint::NotNull { conflict_clause, .. } => {
                    ColumnConstraint::NotNull { conflict: conflict_clause.map(conflict) }
                }
                parsed::ColumnConstraint::Unique(clause) => {
                    ColumnConstraint::Unique { conflict: clause.map(conflict) }
                }
                parsed::ColumnConstraint::Check(expr) => {
                    let (expr, text) = self.check(expr)?;
                    ColumnConstraint::Check { expr, text }
                }
                parsed::ColumnConstraint::Default(expr) => {
                    let text = self.spans.next_default();
                    let text = self.text(text).into();
                    ColumnConstraint::Default { expr: self.expr(expr)?, text }
                }
                parsed::ColumnConstraint::Collate { collation_name } => {
                    ColumnConstraint::Collate(name::of(collation_name))
                }
                parsed::ColumnConstraint::ForeignKey { clause, defer_clause } => {
                    ColumnConstraint::References(foreign_key(clause, defer_clause.as_ref())?)
                }
                parsed::ColumnConstraint::Defer(clause) => {
                    // It belongs to the REFERENCES before it.
                    if let Some((_, ColumnConstraint::References(key))) = constraints.last_mut() {
                        key.deferral = deferral(Some(clause));
                    }
                    continue;
                }
                parsed::ColumnConstraint::Generated { expr, typ } => {
                    let stored = match typ.as_ref().map(|kind| kind.0) {
                        None => false,
                        Some(kind) if kind.eq_ignore_ascii_case("VIRTUAL") => false,
                        Some(kind) if kind.eq_ignore_ascii_case("STORED") => true,
                        Some(_) => {
                            return Err(Error::sql(format!(
                                "error in generated column \"{}\"",
                                name::of(&column.col_name)
                            )));
                        }
                    };
                    ColumnConstraint::Generated(Generated { expr: self.expr(expr)?, stored })
                }
            };
            constraints.push((constraint_name, constraint));
        }
        Ok(Column { name: name::of(&column.col_name), declared_type: declared, constraints })
    }

    fn check(&mut self, expr: &parsed::Expr<'_>) -> Result<(crate::ast::Expr, Box<str>)> {
        let text = self.spans.next_check();
        let text = self.text(text).into();
        Ok((self.expr(expr)?, text))
    }

    fn table_constraint(
        &mut self,
        constraint: &parsed::TableConstraint<'_>,
    ) -> Result<TableConstraint> {
        Ok(match constraint {
            parsed::TableConstraint::PrimaryKey { columns, auto_increment, conflict_clause } => {
                TableConstraint::PrimaryKey {
                    columns: self.indexed_columns(columns)?,
                    conflict: conflict_clause.map(conflict),
                    autoincrement: *auto_increment,
                }
            }
            parsed::TableConstraint::Unique { columns, conflict_clause } => {
                TableConstraint::Unique {
                    columns: self.indexed_columns(columns)?,
                    conflict: conflict_clause.map(conflict),
                }
            }
            parsed::TableConstraint::Check(expr, _) => {
                let (expr, text) = self.check(expr)?;
                TableConstraint::Check { expr, text }
            }
            parsed::TableConstraint::ForeignKey { columns, clause, defer_clause } => {
                TableConstraint::ForeignKey {
                    columns: column_names(Some(columns))?,
                    key: foreign_key(clause, defer_clause.as_ref())?,
                }
            }
        })
    }

    fn trigger(&mut self, statement: &parsed::Stmt<'_>) -> Result<Statement> {
        let parsed::Stmt::CreateTrigger {
            temporary,
            if_not_exists,
            trigger_name,
            time,
            event,
            tbl_name,
            when_clause,
            commands,
            ..
        } = statement
        else {
            return Err(Error::sql("no CREATE TRIGGER"));
        };
        Ok(Statement::CreateTrigger(Box::new(CreateTrigger {
            temporary: *temporary,
            if_not_exists: *if_not_exists,
            name: name::qualified(trigger_name),
            time: match time {
                None | Some(parsed::TriggerTime::Before) => TriggerTime::Before,
                Some(parsed::TriggerTime::After) => TriggerTime::After,
                Some(parsed::TriggerTime::InsteadOf) => TriggerTime::InsteadOf,
            },
            event: match event {
                parsed::TriggerEvent::Delete => TriggerEvent::Delete,
                parsed::TriggerEvent::Insert => TriggerEvent::Insert,
                parsed::TriggerEvent::Update => TriggerEvent::Update { of: Vec::new() },
                parsed::TriggerEvent::UpdateOf(names) => {
                    TriggerEvent::Update { of: names.iter().map(name::of).collect() }
                }
            },
            table: name::qualified(tbl_name),
            when: self.maybe(when_clause.as_ref())?,
            commands: commands
                .iter()
                .map(|command| self.trigger_command(command))
                .collect::<Result<_>>()?,
        })))
    }

    fn trigger_command(&mut self, command: &parsed::TriggerCmd<'_>) -> Result<Statement> {
        Ok(match command {
            parsed::TriggerCmd::Update { or_conflict, tbl_name, sets, from, where_clause } => {
                Statement::Update(Box::new(Update {
                    with: None,
                    conflict: or_conflict.map(conflict),
                    table: name::qualified(tbl_name),
                    alias: tbl_name.alias.as_ref().map(name::of),
                    hint: IndexHint::None,
                    sets: self.sets(sets)?,
                    from: from.as_ref().map(|from| self.from(from)).transpose()?.flatten(),
                    filter: self.maybe(where_clause.as_ref())?,
                    returning: Vec::new(),
                    order_by: Vec::new(),
                    limit: None,
                }))
            }
            parsed::TriggerCmd::Insert { or_conflict, tbl_name, col_names, select, upsert } => {
                Statement::Insert(Box::new(Insert {
                    with: None,
                    conflict: or_conflict.map(conflict),
                    table: name::qualified(tbl_name),
                    alias: tbl_name.alias.as_ref().map(name::of),
                    columns: col_names
                        .iter()
                        .flat_map(|names| names.iter())
                        .map(name::of)
                        .collect(),
                    source: InsertSource::Select(Box::new(self.select(select)?)),
                    upserts: self.upserts(*upsert)?,
                    returning: Vec::new(),
                }))
            }
            parsed::TriggerCmd::Delete { tbl_name, where_clause } => {
                Statement::Delete(Box::new(Delete {
                    with: None,
                    table: name::qualified(tbl_name),
                    alias: tbl_name.alias.as_ref().map(name::of),
                    hint: IndexHint::None,
                    filter: self.maybe(where_clause.as_ref())?,
                    returning: Vec::new(),
                    order_by: Vec::new(),
                    limit: None,
                }))
            }
            parsed::TriggerCmd::Select(select) => Statement::Select(Box::new(self.select(select)?)),
        })
    }

    fn alteration(&mut self, body: &parsed::AlterTableBody<'_>) -> Result<AlterTable> {
        Ok(match body {
            parsed::AlterTableBody::RenameTo(to) => AlterTable::RenameTo(name::of(to)),
            parsed::AlterTableBody::AddColumn(column) => {
                let text = self.after_keyword("ADD", &["COLUMN"]);
                AlterTable::AddColumn { column: self.column(column)?, text }
            }
            parsed::AlterTableBody::RenameColumn { old, new } => {
                AlterTable::RenameColumn { from: name::of(old), to: name::of(new) }
            }
            parsed::AlterTableBody::DropColumn(column) => AlterTable::DropColumn(name::of(column)),
            parsed::AlterTableBody::AddConstraint(named) => AlterTable::AddConstraint {
                name: named.name.as_ref().map(name::of),
                text: self.after_keyword("ADD", &[]),
                constraint: self.table_constraint(&named.constraint)?,
            },
            parsed::AlterTableBody::DropConstraint(constraint) => {
                AlterTable::DropConstraint(name::of(constraint))
            }
            parsed::AlterTableBody::SetColumnNotNull(column, clause) => {
                AlterTable::SetNotNull { column: name::of(column), conflict: clause.map(conflict) }
            }
            parsed::AlterTableBody::DropColumnNotNull(column) => {
                AlterTable::DropNotNull(name::of(column))
            }
        })
    }

    /// The rest of the statement after a keyword that stands once before anything but names, and perhaps another after it.
    fn after_keyword(&self, keyword: &str, then: &[&str]) -> Box<str> {
        let sql = self.whole();
        let tokens = text::tokens(sql);
        let is = |at: usize, word: &str| {
            tokens.get(at).is_some_and(|token| sql[token.range.clone()].eq_ignore_ascii_case(word))
        };
        // ALTER TABLE name ADD, or ALTER TABLE schema.name ADD.
        let Some(found) = (3..tokens.len()).find(|&at| is(at, keyword)) else { return "".into() };
        let mut from = found + 1;
        if then.iter().any(|word| is(from, word)) && tokens.len() > from + 1 {
            from += 1;
        }
        let end = tokens.iter().rev().find(|token| &sql[token.range.clone()] != ";");
        match (tokens.get(from), end) {
            (Some(first), Some(last)) => {
                sql.get(first.range.start..last.range.end).unwrap_or_default().into()
            }
            _ => "".into(),
        }
    }
}

fn foreign_key(
    clause: &parsed::ForeignKeyClause<'_>,
    defer: Option<&parsed::DeferSubclause>,
) -> Result<ForeignKey> {
    let mut key = ForeignKey {
        table: name::of(&clause.tbl_name),
        columns: column_names(clause.columns)?,
        on_delete: ForeignKeyAction::NoAction,
        on_update: ForeignKeyAction::NoAction,
        matching: None,
        deferral: deferral(defer),
    };
    for argument in clause.args {
        match argument {
            parsed::RefArg::OnDelete(to) => key.on_delete = action(*to),
            parsed::RefArg::OnUpdate(to) => key.on_update = action(*to),
            parsed::RefArg::OnInsert(_) => {}
            parsed::RefArg::Match(kind) => key.matching = Some(name::of(kind)),
        }
    }
    Ok(key)
}

fn action(action: parsed::RefAct) -> ForeignKeyAction {
    match action {
        parsed::RefAct::SetNull => ForeignKeyAction::SetNull,
        parsed::RefAct::SetDefault => ForeignKeyAction::SetDefault,
        parsed::RefAct::Cascade => ForeignKeyAction::Cascade,
        parsed::RefAct::Restrict => ForeignKeyAction::Restrict,
        parsed::RefAct::NoAction => ForeignKeyAction::NoAction,
    }
}

fn deferral(clause: Option<&parsed::DeferSubclause>) -> Deferral {
    let deferred = clause.is_some_and(|clause| {
        clause.deferrable
            && clause.init_deferred == Some(parsed::InitDeferredPred::InitiallyDeferred)
    });
    if deferred { Deferral::Deferred } else { Deferral::Immediate }
}
