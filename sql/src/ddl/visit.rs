//! All that a statement names, in the order of its text.
//!
//! # Invariant
//! - V1: names, texts and the words of types come in the order in which they stand; of the keywords those that can also be
//!   names, where they stand before a name.

use heddle_value::Value;

use crate::ast::{
    Column, ColumnConstraint, CreateIndex, CreateTable, CreateTrigger, CreateView, Cte, Delete,
    Expr, ForeignKey, From, FromItem, FunctionCall, InSource, IndexHint, IndexedColumn, Insert,
    InsertSource, Join, JoinConstraint, Limit, Literal, Name, OrderTerm, QualifiedName,
    ResultColumn, Select, SelectCore, Set, Statement, TableBody, TableConstraint, TriggerEvent,
    Update, UpsertAction, Window, WindowBound, WindowRef, With,
};

/// What is told of a statement.
pub(super) trait Visitor<'a> {
    /// A name.
    fn name(&mut self, _name: &'a Name) {}
    /// A table or view is named; its names come right after.
    fn table(&mut self, _name: &'a QualifiedName) {}
    /// A keyword that could be taken for a name.
    fn keyword(&mut self, _word: &'static str) {}
    /// A text in quotes.
    fn text(&mut self, _text: &str) {}
    /// The words of a type.
    fn type_words(&mut self, _words: &str) {}
}

/// Tells a visitor of a statement.
pub(super) fn statement<'a>(statement: &'a Statement, v: &mut dyn Visitor<'a>) {
    match statement {
        Statement::Select(select) => self::select(select, v),
        Statement::Insert(insert) => self::insert(insert, v),
        Statement::Update(update) => self::update(update, v),
        Statement::Delete(delete) => self::delete(delete, v),
        Statement::CreateTable(create) => create_table(create, v),
        Statement::CreateIndex(create) => create_index(create, v),
        Statement::CreateView(create) => create_view(create, v),
        Statement::CreateTrigger(create) => create_trigger(create, v),
        _ => {}
    }
}

fn qualified<'a>(name: &'a QualifiedName, v: &mut dyn Visitor<'a>) {
    name.schema.iter().for_each(|schema| v.name(schema));
    v.name(&name.name);
}

fn table<'a>(name: &'a QualifiedName, v: &mut dyn Visitor<'a>) {
    v.table(name);
    qualified(name, v);
}

fn created<'a>(name: &'a QualifiedName, if_not_exists: bool, v: &mut dyn Visitor<'a>) {
    if if_not_exists {
        v.keyword("IF");
    }
    qualified(name, v);
}

fn create_table<'a>(create: &'a CreateTable, v: &mut dyn Visitor<'a>) {
    created(&create.name, create.if_not_exists, v);
    match &create.body {
        TableBody::Columns { columns, constraints, .. } => {
            columns.iter().for_each(|column| self::column(column, v));
            for (name, constraint) in constraints {
                name.iter().for_each(|name| v.name(name));
                table_constraint(constraint, v);
            }
        }
        TableBody::Select(select) => self::select(select, v),
    }
}

/// A column's definition.
pub(super) fn column<'a>(column: &'a Column, v: &mut dyn Visitor<'a>) {
    v.name(&column.name);
    column.declared_type.iter().for_each(|words| v.type_words(words));
    for (name, constraint) in &column.constraints {
        name.iter().for_each(|name| v.name(name));
        match constraint {
            ColumnConstraint::PrimaryKey { .. } => v.keyword("KEY"),
            ColumnConstraint::NotNull { .. }
            | ColumnConstraint::Null
            | ColumnConstraint::Unique { .. } => {}
            ColumnConstraint::Check { expr, .. } | ColumnConstraint::Default { expr, .. } => {
                self::expr(expr, v);
            }
            ColumnConstraint::Collate(name) => v.name(name),
            ColumnConstraint::References(key) => foreign_key(key, v),
            ColumnConstraint::Generated(generated) => self::expr(&generated.expr, v),
        }
    }
}

fn table_constraint<'a>(constraint: &'a TableConstraint, v: &mut dyn Visitor<'a>) {
    match constraint {
        TableConstraint::PrimaryKey { columns, .. } => {
            v.keyword("KEY");
            indexed(columns, v);
        }
        TableConstraint::Unique { columns, .. } => indexed(columns, v),
        TableConstraint::Check { expr, .. } => self::expr(expr, v),
        TableConstraint::ForeignKey { columns, key } => {
            v.keyword("KEY");
            columns.iter().for_each(|name| v.name(name));
            foreign_key(key, v);
        }
    }
}

fn foreign_key<'a>(key: &'a ForeignKey, v: &mut dyn Visitor<'a>) {
    v.name(&key.table);
    key.columns.iter().for_each(|name| v.name(name));
    key.matching.iter().for_each(|name| v.name(name));
}

fn indexed<'a>(columns: &'a [IndexedColumn], v: &mut dyn Visitor<'a>) {
    for column in columns {
        expr(&column.expr, v);
        direction(column.descending, v);
    }
}

fn direction(descending: bool, v: &mut dyn Visitor<'_>) {
    if descending {
        v.keyword("DESC");
    }
}

fn create_index<'a>(create: &'a CreateIndex, v: &mut dyn Visitor<'a>) {
    created(&create.name, create.if_not_exists, v);
    v.name(&create.table);
    indexed(&create.columns, v);
    create.filter.iter().for_each(|filter| expr(filter, v));
}

fn create_view<'a>(create: &'a CreateView, v: &mut dyn Visitor<'a>) {
    created(&create.name, create.if_not_exists, v);
    create.columns.iter().for_each(|name| v.name(name));
    select(&create.select, v);
}

fn create_trigger<'a>(create: &'a CreateTrigger, v: &mut dyn Visitor<'a>) {
    created(&create.name, create.if_not_exists, v);
    if let TriggerEvent::Update { of } = &create.event
        && !of.is_empty()
    {
        v.keyword("OF");
        of.iter().for_each(|name| v.name(name));
    }
    table(&create.table, v);
    create.when.iter().for_each(|when| expr(when, v));
    create.commands.iter().for_each(|command| statement(command, v));
}

fn with<'a>(with: Option<&'a With>, v: &mut dyn Visitor<'a>) {
    for Cte { name, columns, select, .. } in with.iter().flat_map(|with| &with.ctes) {
        v.name(name);
        columns.iter().for_each(|name| v.name(name));
        self::select(select, v);
    }
}

/// A query.
pub(super) fn select<'a>(select: &'a Select, v: &mut dyn Visitor<'a>) {
    with(select.with.as_ref(), v);
    core(&select.body.first, v);
    select.body.rest.iter().for_each(|(_, core)| self::core(core, v));
    order_by(&select.order_by, v);
    limit(select.limit.as_ref(), v);
}

fn core<'a>(core: &'a SelectCore, v: &mut dyn Visitor<'a>) {
    match core {
        SelectCore::Select { columns, from, filter, group_by, having, windows, .. } => {
            result_columns(columns, v);
            from.iter().for_each(|from| self::from(from, v));
            filter.iter().for_each(|filter| expr(filter, v));
            if !group_by.is_empty() {
                v.keyword("BY");
            }
            group_by.iter().for_each(|term| expr(term, v));
            having.iter().for_each(|having| expr(having, v));
            for (name, window) in windows {
                v.name(name);
                self::window(window, v);
            }
        }
        SelectCore::Values(rows) => rows.iter().flatten().for_each(|value| expr(value, v)),
    }
}

fn result_columns<'a>(columns: &'a [ResultColumn], v: &mut dyn Visitor<'a>) {
    for column in columns {
        match column {
            ResultColumn::Expr { expr, alias, .. } => {
                self::expr(expr, v);
                alias.iter().for_each(|alias| v.name(alias));
            }
            ResultColumn::Star => {}
            ResultColumn::TableStar(name) => v.name(name),
        }
    }
}

fn from<'a>(from: &'a From, v: &mut dyn Visitor<'a>) {
    from_item(&from.first, v);
    for Join { item, constraint, .. } in &from.joins {
        from_item(item, v);
        match constraint {
            JoinConstraint::None => {}
            JoinConstraint::On(on) => expr(on, v),
            JoinConstraint::Using(names) => names.iter().for_each(|name| v.name(name)),
        }
    }
}

fn from_item<'a>(item: &'a FromItem, v: &mut dyn Visitor<'a>) {
    let alias = match item {
        FromItem::Table { name, alias, hint } => {
            table(name, v);
            alias.iter().for_each(|alias| v.name(alias));
            self::hint(hint, v);
            return;
        }
        FromItem::Function { name, arguments, alias } => {
            qualified(name, v);
            arguments.iter().for_each(|argument| expr(argument, v));
            alias
        }
        FromItem::Select { select, alias } => {
            self::select(select, v);
            alias
        }
        FromItem::Join { from, alias } => {
            self::from(from, v);
            alias
        }
    };
    alias.iter().for_each(|alias| v.name(alias));
}

fn hint<'a>(hint: &'a IndexHint, v: &mut dyn Visitor<'a>) {
    if let IndexHint::IndexedBy(name) = hint {
        v.keyword("BY");
        v.name(name);
    }
}

fn order_by<'a>(terms: &'a [OrderTerm], v: &mut dyn Visitor<'a>) {
    if !terms.is_empty() {
        v.keyword("BY");
    }
    for term in terms {
        expr(&term.expr, v);
        direction(term.descending, v);
    }
}

fn limit<'a>(limit: Option<&'a Limit>, v: &mut dyn Visitor<'a>) {
    if let Some(Limit { count, offset }) = limit {
        expr(count, v);
        offset.iter().for_each(|offset| expr(offset, v));
    }
}

fn insert<'a>(insert: &'a Insert, v: &mut dyn Visitor<'a>) {
    with(insert.with.as_ref(), v);
    table(&insert.table, v);
    insert.alias.iter().for_each(|alias| v.name(alias));
    insert.columns.iter().for_each(|name| v.name(name));
    match &insert.source {
        InsertSource::Select(select) => self::select(select, v),
        InsertSource::DefaultValues => {}
    }
    for upsert in &insert.upserts {
        v.keyword("CONFLICT");
        indexed(&upsert.target, v);
        upsert.target_filter.iter().for_each(|filter| expr(filter, v));
        v.keyword("DO");
        if let UpsertAction::Update { sets, filter } = &upsert.action {
            self::sets(sets, v);
            filter.iter().for_each(|filter| expr(filter, v));
        }
    }
    result_columns(&insert.returning, v);
}

fn sets<'a>(sets: &'a [Set], v: &mut dyn Visitor<'a>) {
    for set in sets {
        set.columns.iter().for_each(|name| v.name(name));
        expr(&set.value, v);
    }
}

fn update<'a>(update: &'a Update, v: &mut dyn Visitor<'a>) {
    with(update.with.as_ref(), v);
    table(&update.table, v);
    update.alias.iter().for_each(|alias| v.name(alias));
    hint(&update.hint, v);
    sets(&update.sets, v);
    update.from.iter().for_each(|from| self::from(from, v));
    update.filter.iter().for_each(|filter| expr(filter, v));
    result_columns(&update.returning, v);
    order_by(&update.order_by, v);
    limit(update.limit.as_ref(), v);
}

fn delete<'a>(delete: &'a Delete, v: &mut dyn Visitor<'a>) {
    with(delete.with.as_ref(), v);
    table(&delete.table, v);
    delete.alias.iter().for_each(|alias| v.name(alias));
    hint(&delete.hint, v);
    delete.filter.iter().for_each(|filter| expr(filter, v));
    result_columns(&delete.returning, v);
    order_by(&delete.order_by, v);
    limit(delete.limit.as_ref(), v);
}

fn window<'a>(window: &'a Window, v: &mut dyn Visitor<'a>) {
    window.base.iter().for_each(|base| v.name(base));
    if !window.partition_by.is_empty() {
        v.keyword("BY");
    }
    window.partition_by.iter().for_each(|term| expr(term, v));
    order_by(&window.order_by, v);
    if let Some(frame) = &window.frame {
        for bound in [&frame.start, &frame.end] {
            if let WindowBound::Preceding(by) | WindowBound::Following(by) = bound {
                expr(by, v);
            }
        }
    }
}

fn call<'a>(call: &'a FunctionCall, v: &mut dyn Visitor<'a>) {
    let is_operator = call.name.text.starts_with("->");
    if !is_operator {
        v.name(&call.name);
    }
    call.arguments.iter().for_each(|argument| expr(argument, v));
    order_by(&call.order_by, v);
    call.filter.iter().for_each(|filter| expr(filter, v));
    match &call.over {
        None => {}
        Some(WindowRef::Name(name)) => v.name(name),
        Some(WindowRef::Window(window)) => self::window(window, v),
    }
}

/// An expression.
pub(super) fn expr<'a>(expr: &'a Expr, v: &mut dyn Visitor<'a>) {
    match expr {
        Expr::Literal(Literal::Value(Value::Text(text))) => v.text(&text.to_string_lossy()),
        Expr::Literal(_) | Expr::Parameter { .. } => {}
        Expr::Column { schema, table, name } => {
            schema.iter().chain(table).for_each(|name| v.name(name));
            v.name(name);
        }
        Expr::Cast { value, to } => {
            self::expr(value, v);
            v.type_words(to);
        }
        Expr::Collate(inner, name) => {
            self::expr(inner, v);
            v.name(name);
        }
        Expr::Function(function) => call(function, v),
        Expr::Subquery(select) | Expr::Exists(select) => self::select(select, v),
        Expr::In { value, source, .. } => {
            self::expr(value, v);
            match source {
                InSource::List(list) => list.iter().for_each(|item| self::expr(item, v)),
                InSource::Select(select) => self::select(select, v),
                InSource::Table(name, arguments) => {
                    table(name, v);
                    arguments.iter().for_each(|argument| self::expr(argument, v));
                }
            }
        }
        Expr::Unary(_, a) | Expr::IsNull(a) | Expr::NotNull(a) | Expr::Paren(a) => {
            self::expr(a, v);
        }
        Expr::Binary(_, a, b) => {
            self::expr(a, v);
            self::expr(b, v);
        }
        Expr::Like { left, pattern, escape, .. } => {
            self::expr(left, v);
            self::expr(pattern, v);
            escape.iter().for_each(|escape| self::expr(escape, v));
        }
        Expr::Between { value, low, high, .. } => {
            [value, low, high].into_iter().for_each(|part| self::expr(part, v));
        }
        Expr::Case { base, arms, otherwise } => {
            base.iter().for_each(|base| self::expr(base, v));
            for (when, then) in arms {
                self::expr(when, v);
                self::expr(then, v);
            }
            otherwise.iter().for_each(|otherwise| self::expr(otherwise, v));
        }
        Expr::Row(items) => items.iter().for_each(|item| self::expr(item, v)),
        Expr::Raise(raise) => raise.message.iter().for_each(|message| self::expr(message, v)),
    }
}
