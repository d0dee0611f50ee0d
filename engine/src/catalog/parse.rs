//! From the text of `sqlite_schema.sql` to definitions.
//!
//! The grammar is that of the crate `sqlite3-parser`; nothing outside this file sees its types.
//! The text may come from a hostile file, so its length is limited and a panic of the parser
//! is an error here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bumpalo::Bump;
use heddle_btree::collation::Collation;
use heddle_btree::key::KeyColumn;
use heddle_value::number::{parse_literal, parse_number};
use heddle_value::{Affinity, StrictType};
use sqlite3_parser::FallibleIterator;
use sqlite3_parser::ast::{
    Cmd, ColumnConstraint, ColumnDefinition, CreateTableBody, Expr, Literal, NamedTableConstraint,
    SortOrder, SortedColumn, Stmt, TabFlags, TableConstraint, TypeSize, UnaryOperator,
};
use sqlite3_parser::lexer::sql::Parser;

use crate::catalog::column::{Column, DefaultValue};
use crate::catalog::definition::{IndexDef, KeyPart, KeyParts, TableDef};
use crate::{Error, Result, Value};

/// SQLite's own limit on the length of a statement, in bytes.
const MAX_SQL: usize = 1_000_000;
/// SQLite's limit on the columns of a table.
const MAX_COLUMNS: usize = 32_767;

/// What a statement of data definition defines.
#[derive(Debug)]
pub(crate) enum Definition {
    Table {
        def: TableDef,
        if_not_exists: bool,
    },
    Index {
        def: IndexDef,
        if_not_exists: bool,
    },
    /// A view, a trigger or a virtual table: kept as text.
    Other,
}

/// Understands one `CREATE` statement. `find_table` gives the table that an index is on.
///
/// # Errors
/// [`Error::Definition`] with the reason.
pub(crate) fn parse(
    sql: &str,
    find_table: impl FnOnce(&str) -> Option<TableDef>,
) -> Result<Definition> {
    if sql.len() > MAX_SQL {
        return Err(Error::TooBig {
            what: "an SQL statement",
            size: sql.len() as u64,
            limit: MAX_SQL as u64,
        });
    }
    // The parser keeps nothing of ours: what it leaves behind after a panic is dropped with it.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let arena = Bump::new();
        let mut parser = Parser::new(&arena, sql.as_bytes());
        let command = parser.next().map_err(|error| Error::definition(sql, error.to_string()))?;
        let Some(Cmd::Stmt(statement)) = command else {
            return Err(Error::definition(sql, "it is no CREATE statement"));
        };
        let definition = define(sql, statement, find_table)?;
        match parser.next() {
            Ok(None) => Ok(definition),
            _ => Err(Error::definition(sql, "something follows the statement")),
        }
    }));
    outcome.unwrap_or_else(|_| Err(Error::definition(sql, "the parser does not understand it")))
}

fn define(
    sql: &str,
    statement: Stmt<'_>,
    find_table: impl FnOnce(&str) -> Option<TableDef>,
) -> Result<Definition> {
    match statement {
        Stmt::CreateTable { temporary: false, if_not_exists, tbl_name, body } => {
            let CreateTableBody::ColumnsAndConstraints { columns, constraints, flags } = body
            else {
                return Err(Error::definition(
                    sql,
                    "a table made from a query has no columns here",
                ));
            };
            let name = unquote(tbl_name.name.0);
            let builder = TableBuilder::new(sql, name, flags.contains(TabFlags::Strict));
            let without_rowid = flags.contains(TabFlags::WithoutRowid);
            let def = builder.build(&columns, constraints.unwrap_or_default(), without_rowid)?;
            Ok(Definition::Table { def, if_not_exists })
        }
        Stmt::CreateIndex { unique, if_not_exists, idx_name, tbl_name, columns, where_clause } => {
            let table_name = unquote(tbl_name.0);
            let Some(table) = find_table(&table_name) else {
                return Err(Error::NoSuchTable { name: table_name.into() });
            };
            let mut parts = key_parts(sql, &table, columns)?;
            if where_clause.is_some() {
                parts.obstacle = Some("it is a partial index".to_owned());
            }
            let def = IndexDef::new(unquote(idx_name.name.0), table.name.clone(), unique, parts);
            Ok(Definition::Index { def, if_not_exists })
        }
        Stmt::CreateView { .. } | Stmt::CreateTrigger { .. } | Stmt::CreateVirtualTable { .. } => {
            Ok(Definition::Other)
        }
        _ => Err(Error::definition(sql, "it is no CREATE statement of a stored table or index")),
    }
}

struct TableBuilder<'s> {
    sql: &'s str,
    def: TableDef,
    strict: bool,
    /// How many indexes SQLite has counted so far: the number of the next automatic name.
    counted: usize,
    /// Whether an AUTOINCREMENT was seen.
    autoincrement: bool,
    /// For a WITHOUT ROWID table, the primary key as a constraint among the others.
    key_constraint: Option<IndexDef>,
}

impl<'s> TableBuilder<'s> {
    fn new(sql: &'s str, name: Box<str>, strict: bool) -> Self {
        let def = TableDef {
            name,
            columns: Vec::new(),
            rowid_alias: None,
            autoincrement: false,
            primary_key: None,
            without_rowid: false,
            automatic: Vec::new(),
            obstacle: None,
            unreadable: None,
            unordered: None,
        };
        TableBuilder { sql, def, strict, counted: 0, autoincrement: false, key_constraint: None }
    }

    fn build(
        mut self,
        columns: &[ColumnDefinition<'_>],
        constraints: &[NamedTableConstraint<'_>],
        without_rowid: bool,
    ) -> Result<TableDef> {
        if columns.len() > MAX_COLUMNS {
            return Err(self.fail("it has too many columns"));
        }
        self.def.without_rowid = without_rowid;
        for column in columns {
            self.column(column)?;
        }
        for constraint in constraints {
            self.constraint(&constraint.constraint)?;
        }
        self.finish()
    }

    fn fail(&self, reason: impl Into<String>) -> Error {
        Error::definition(self.sql, reason)
    }

    fn obstacle(&mut self, what: impl Into<String>) {
        self.def.obstacle.get_or_insert(what.into());
    }

    fn column(&mut self, definition: &ColumnDefinition<'_>) -> Result<()> {
        let name = unquote(definition.col_name.0);
        if self.def.column(&name).is_some() {
            return Err(self.fail(format!("duplicate column name: {name}")));
        }
        let declared = declared_type(definition);
        let strict = if self.strict { Some(self.strict_type(&name, &declared)?) } else { None };
        let affinity = match strict {
            Some(StrictType::Any) => Affinity::Blob,
            _ => Affinity::of_type(&declared),
        };
        let position = self.def.columns.len();
        self.def.columns.push(Column {
            name,
            affinity,
            exact_integer: declared.eq_ignore_ascii_case("INTEGER"),
            strict,
            collation: Collation::Binary,
            foreign_collation: None,
            not_null: false,
            default: DefaultValue::Constant(Value::Null),
        });
        // A COLLATE counts for a UNIQUE before it in the same column.
        for named in definition.constraints {
            if let ColumnConstraint::Collate { collation_name } = &named.constraint {
                let name = unquote(collation_name.0);
                match Collation::from_name(&name) {
                    Some(collation) => self.def.columns[position].collation = collation,
                    None => {
                        self.obstacle(format!("the collation {name} is not built in"));
                        self.def.columns[position].foreign_collation = Some(name);
                    }
                }
            }
        }
        for named in definition.constraints {
            self.column_constraint(position, &named.constraint)?;
        }
        Ok(())
    }

    fn strict_type(&self, column: &str, declared: &str) -> Result<StrictType> {
        StrictType::of_type(declared).ok_or_else(|| {
            self.fail(format!("column {column} of a STRICT table has the type {declared:?}"))
        })
    }

    fn column_constraint(
        &mut self,
        position: usize,
        constraint: &ColumnConstraint<'_>,
    ) -> Result<()> {
        match constraint {
            ColumnConstraint::PrimaryKey { order, auto_increment, .. } => {
                self.autoincrement |= auto_increment;
                let descending = *order == Some(SortOrder::Desc);
                let alias = self.is_integer(position) && !descending;
                self.primary_key(self.parts(position, descending), alias)
            }
            ColumnConstraint::NotNull { nullable, .. } => {
                self.def.columns[position].not_null = !nullable;
                Ok(())
            }
            ColumnConstraint::Unique(_) => {
                self.unique(self.parts(position, false));
                Ok(())
            }
            ColumnConstraint::Check(_) => {
                self.obstacle("a CHECK constraint");
                Ok(())
            }
            ColumnConstraint::Default(expr) => {
                self.def.columns[position].default = default_value(expr);
                Ok(())
            }
            ColumnConstraint::Generated { .. } => {
                let name = &self.def.columns[position].name;
                let what = format!("the generated column {name}");
                self.def.unreadable.get_or_insert(what.clone());
                self.obstacle(what);
                Ok(())
            }
            ColumnConstraint::Collate { .. }
            | ColumnConstraint::Defer(_)
            | ColumnConstraint::ForeignKey { .. } => Ok(()),
        }
    }

    fn constraint(&mut self, constraint: &TableConstraint<'_>) -> Result<()> {
        match constraint {
            TableConstraint::PrimaryKey { columns, auto_increment, .. } => {
                self.autoincrement |= auto_increment;
                let parts = key_parts(self.sql, &self.def, columns)?;
                if let Some(obstacle) = &parts.obstacle {
                    self.obstacle(obstacle.clone());
                }
                let alias = match (columns.len(), parts.columns.first()) {
                    (1, Some(part)) => self.is_integer(part.column),
                    _ => false,
                };
                self.primary_key(parts, alias)
            }
            TableConstraint::Unique { columns, .. } => {
                self.unique(key_parts(self.sql, &self.def, columns)?);
                Ok(())
            }
            TableConstraint::Check(..) => {
                self.obstacle("a CHECK constraint");
                Ok(())
            }
            TableConstraint::ForeignKey { .. } => Ok(()),
        }
    }

    fn is_integer(&self, column: usize) -> bool {
        self.def.columns.get(column).is_some_and(|c| c.exact_integer)
    }

    /// A key of one column.
    fn parts(&self, column: usize, descending: bool) -> KeyParts {
        let mut parts = KeyParts::default();
        let Column { collation, foreign_collation, .. } = &self.def.columns[column];
        parts.push(KeyPart { column, collation: *collation, descending });
        if let Some(foreign) = foreign_collation {
            parts.foreign(foreign);
        }
        parts
    }

    fn primary_key(&mut self, parts: KeyParts, alias: bool) -> Result<()> {
        if self.def.primary_key.is_some() || self.def.rowid_alias.is_some() {
            return Err(self.fail("it has more than one primary key"));
        }
        if alias && !self.def.without_rowid {
            self.def.rowid_alias = parts.columns.first().map(|part| part.column);
            return Ok(());
        }
        self.def.primary_key = Some(parts.columns.clone());
        if self.def.without_rowid {
            self.def.unordered.clone_from(&parts.unordered);
            // Counted where SQLite makes its index: here, or at the end if it were the rowid.
            let index = self.automatic(parts);
            if !alias {
                self.counted += 1;
            }
            self.key_constraint = Some(index);
        } else {
            self.unique(parts);
        }
        Ok(())
    }

    fn automatic(&self, parts: KeyParts) -> IndexDef {
        let table = self.def.name.clone();
        let name = format!("sqlite_autoindex_{table}_{}", self.counted + 1).into();
        IndexDef { automatic: true, ..IndexDef::new(name, table, true, parts) }
    }

    fn unique(&mut self, parts: KeyParts) {
        let index = self.automatic(parts);
        let mut others = self.def.automatic.iter().chain(&self.key_constraint);
        if !others.any(|other| other.same_constraint(&index)) {
            self.def.automatic.push(index);
            self.counted += 1;
        }
    }

    fn finish(mut self) -> Result<TableDef> {
        if self.autoincrement {
            if self.def.rowid_alias.is_none() {
                return Err(self.fail("AUTOINCREMENT is only allowed on an INTEGER PRIMARY KEY"));
            }
            self.def.autoincrement = true;
        }
        if self.def.without_rowid {
            let Some(key) = self.def.primary_key.as_mut() else {
                return Err(self.fail("a WITHOUT ROWID table needs a primary key"));
            };
            let mut kept: Vec<KeyPart> = Vec::new();
            for part in key.drain(..) {
                if !kept.iter().any(|k| k.column == part.column && k.collation == part.collation) {
                    kept.push(part);
                }
            }
            for part in &kept {
                self.def.columns[part.column].not_null = true;
            }
            *key = kept;
        }
        if self.def.columns.is_empty() {
            return Err(self.fail("a table needs a column"));
        }
        Ok(self.def)
    }
}

/// What a key is on.
///
/// As in SQLite an expression is ordered by the collation that a COLLATE names at its top, else binary, and the
/// parser there knows no parentheses: `(a)` is the column.
fn key_parts(sql: &str, table: &TableDef, columns: &[SortedColumn<'_>]) -> Result<KeyParts> {
    let mut parts = KeyParts::default();
    for column in columns {
        let descending = column.order == Some(SortOrder::Desc);
        let (expr, collation_name) = without_collation(&column.expr);
        let collation = collation_name.as_ref().map(|name| {
            Collation::from_name(name).unwrap_or_else(|| {
                parts.foreign(name);
                Collation::Binary
            })
        });
        match key_column(sql, table, expr)? {
            Some(position) => {
                let declared = &table.columns[position];
                if let (None, Some(foreign)) = (collation, &declared.foreign_collation) {
                    parts.foreign(foreign);
                }
                let collation = collation.unwrap_or(declared.collation);
                parts.push(KeyPart { column: position, collation, descending });
            }
            None => {
                parts.obstacle.get_or_insert_with(|| "it is on an expression".to_owned());
                parts
                    .order
                    .push(KeyColumn { collation: collation.unwrap_or_default(), descending });
            }
        }
    }
    Ok(parts)
}

/// An expression without what is around it, and the outermost collation that was.
fn without_collation<'e, 'a>(mut expr: &'e Expr<'a>) -> (&'e Expr<'a>, Option<Box<str>>) {
    let mut collation = None;
    loop {
        expr = match expr {
            Expr::Collate(inner, name) => {
                collation.get_or_insert_with(|| unquote(name));
                inner
            }
            Expr::Parenthesized(inner) => match &**inner {
                [one] => one,
                _ => return (expr, collation),
            },
            _ => return (expr, collation),
        };
    }
}

/// The column of the table that an expression is, if it is one.
fn key_column(sql: &str, table: &TableDef, expr: &Expr<'_>) -> Result<Option<usize>> {
    let written = match expr {
        Expr::Id(id) => id.0,
        Expr::Name(name) => name.0,
        Expr::Literal(Literal::String(text)) => text,
        _ => return Ok(None),
    };
    let name = unquote(written);
    let of_rowid = ["rowid", "oid", "_rowid_"].iter().any(|n| name.eq_ignore_ascii_case(n));
    match table.column(&name) {
        Some(position) => Ok(Some(position)),
        None if of_rowid && !table.without_rowid => Ok(table.rowid_alias),
        // Old versions of SQLite took it for a text.
        None if written.starts_with('"') => Ok(None),
        None => Err(Error::definition(sql, format!("there is no column {name}"))),
    }
}

fn declared_type(definition: &ColumnDefinition<'_>) -> String {
    let Some(declared) = &definition.col_type else {
        return String::new();
    };
    match declared.size {
        None => unquote(declared.name).into(),
        Some(TypeSize::MaxSize(a)) => format!("{}({a})", declared.name),
        Some(TypeSize::TypeSize(a, b)) => format!("{}({a},{b})", declared.name),
    }
}

fn default_value(expr: &Expr<'_>) -> DefaultValue {
    match constant(expr) {
        Some(value) => DefaultValue::Constant(value),
        None => DefaultValue::Expression(expr.to_string().into()),
    }
}

/// The value of an expression that is a constant as it stands.
fn constant(expr: &Expr<'_>) -> Option<Value> {
    match expr {
        Expr::Literal(literal) => match literal {
            Literal::Numeric(text) => number(text),
            Literal::String(text) => Some(Value::Text(unquote(text).into())),
            Literal::Blob(hex) => unhex(hex).map(Value::Blob),
            Literal::Null => Some(Value::Null),
            Literal::Keyword(word) => Some(Value::Text((*word).to_owned())),
            _ => None,
        },
        Expr::Parenthesized(inner) => match inner.as_slice() {
            [one] => constant(one),
            _ => None,
        },
        Expr::Unary(UnaryOperator::Positive, inner) => constant(inner),
        Expr::Unary(UnaryOperator::Negative, inner) => match constant(inner)? {
            Value::Integer(v) => {
                Some(v.checked_neg().map_or(Value::Real(-(v as f64)), Value::Integer))
            }
            Value::Real(9.223372036854775808e18) => Some(Value::Integer(i64::MIN)),
            Value::Real(v) => Some(Value::Real(-v)),
            _ => None,
        },
        Expr::Id(id) => Some(word(id.0)),
        Expr::Name(name) => Some(word(name.0)),
        _ => None,
    }
}

/// A bare word as a default: a truth value or a text.
fn word(text: &str) -> Value {
    match text {
        t if t.eq_ignore_ascii_case("true") => Value::Integer(1),
        t if t.eq_ignore_ascii_case("false") => Value::Integer(0),
        t => Value::Text(unquote(t).into()),
    }
}

/// A literal, whose sign belongs to it here.
fn number(text: &str) -> Option<Value> {
    let unsigned = text.trim_start_matches(['-', '+']);
    let plain = unsigned.trim_start_matches('0').starts_with(['x', 'X']) || unsigned.contains('_');
    let number = match plain {
        true => parse_literal(text),
        false => parse_number(text.as_bytes()),
    };
    match number? {
        heddle_value::Value::Integer(v) => Some(Value::Integer(v)),
        heddle_value::Value::Real(v) => Some(Value::Real(v)),
        _ => None,
    }
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let nibble = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    hex.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [a, b] => Some(nibble(*a)? << 4 | nibble(*b)?),
            _ => None,
        })
        .collect()
}

/// A name without its quotes.
pub(crate) fn unquote(name: &str) -> Box<str> {
    let close = match name.as_bytes().first() {
        Some(b'[') => ']',
        Some(&q @ (b'"' | b'\'' | b'`')) => q as char,
        _ => return name.into(),
    };
    let inner = name.get(1..name.len().saturating_sub(1)).unwrap_or_default();
    if close == ']' {
        return inner.into();
    }
    let doubled: String = [close, close].iter().collect();
    inner.replace(&doubled, &close.to_string()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(sql: &str) -> TableDef {
        match parse(sql, |_| None) {
            Ok(Definition::Table { def, .. }) => def,
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn the_rowid_alias_is_found_where_sqlite_finds_it() {
        assert_eq!(table("CREATE TABLE t(a INTEGER PRIMARY KEY)").rowid_alias, Some(0));
        assert_eq!(table("CREATE TABLE t(a, b integer, PRIMARY KEY(b DESC))").rowid_alias, Some(1));
        assert_eq!(table("CREATE TABLE t(a INT PRIMARY KEY)").rowid_alias, None);
        assert_eq!(table("CREATE TABLE t(a INTEGER PRIMARY KEY DESC)").rowid_alias, None);
        assert_eq!(table("CREATE TABLE t(a INTEGER(4) PRIMARY KEY)").rowid_alias, None);
        let without = table("CREATE TABLE t(a INTEGER PRIMARY KEY, b) WITHOUT ROWID");
        assert_eq!((without.rowid_alias, without.primary_key.is_some()), (None, true));
    }

    #[test]
    fn d1_automatic_indexes_are_numbered_as_sqlite_numbers_them() {
        let names = |sql| -> Vec<String> {
            table(sql).automatic.iter().map(|i| format!("{}:{}", i.name, i.parts.len())).collect()
        };
        assert_eq!(
            names("CREATE TABLE t(a UNIQUE, b TEXT PRIMARY KEY, c, UNIQUE(a), UNIQUE(c, a))"),
            ["sqlite_autoindex_t_1:1", "sqlite_autoindex_t_2:1", "sqlite_autoindex_t_3:2"]
        );
        assert_eq!(
            names("CREATE TABLE t(a TEXT PRIMARY KEY, b UNIQUE) WITHOUT ROWID"),
            ["sqlite_autoindex_t_2:1"]
        );
    }

    #[test]
    fn defaults_are_constants_or_kept_as_text() {
        let def = table(
            "CREATE TABLE [my t](a DEFAULT 'it''s', b DEFAULT -5, c DEFAULT (1.5), d DEFAULT x'00ff',
             e DEFAULT CURRENT_TIMESTAMP, f DEFAULT true, g, h DEFAULT 0x10)",
        );
        assert_eq!(&*def.name, "my t");
        let constant = |i: usize| match &def.columns[i].default {
            DefaultValue::Constant(value) => Some(value.clone()),
            DefaultValue::Expression(_) => None,
        };
        assert_eq!(constant(0), Some(Value::from("it's")));
        assert_eq!(constant(1), Some(Value::from(-5)));
        assert_eq!(constant(2), Some(Value::from(1.5)));
        assert_eq!(constant(3), Some(Value::Blob(vec![0, 255])));
        assert_eq!(constant(4), None);
        assert_eq!(constant(5), Some(Value::from(1)));
        assert_eq!(constant(6), Some(Value::Null));
        assert_eq!(constant(7), Some(Value::from(16)));
    }

    #[test]
    fn obstacles_are_named() {
        assert!(table("CREATE TABLE t(a CHECK (a > 0))").obstacle.is_some());
        assert!(table("CREATE TABLE t(a, b AS (a + 1))").unreadable.is_some());
        assert!(table("CREATE TABLE t(a COLLATE icu)").obstacle.is_some());
        assert!(table("CREATE TABLE t(a REFERENCES p(x) ON DELETE CASCADE)").obstacle.is_none());
    }

    #[test]
    fn nonsense_is_an_error() {
        for sql in [
            "",
            "SELECT 1",
            "CREATE TABLE t(a, a)",
            "CREATE TABLE t(a); DROP TABLE t",
            "CREATE TABLE t(a PRIMARY KEY, b PRIMARY KEY)",
            "CREATE TABLE t(a",
            "CREATE TABLE 'a",
            "\u{0}",
        ] {
            assert!(parse(sql, |_| None).is_err(), "{sql}");
        }
    }
}
