//! Statements that make, change and drop tables, indexes, views and triggers.

use super::expression::{Named, Scope};
use super::generator::{Column, Compared, Generator, Kind, Statement, Table};

const KINDS: [Kind; 7] =
    [Kind::Integer, Kind::Integer, Kind::Real, Kind::Text, Kind::Text, Kind::Blob, Kind::Any];

impl Generator {
    fn kind(&mut self) -> Kind {
        KINDS[self.rng.usize(0..KINDS.len())]
    }

    fn declared(&mut self, kind: Kind, is_strict: bool) -> &'static str {
        if is_strict {
            return match kind {
                Kind::Integer => self.pick(&["INTEGER", "INT"]),
                Kind::Real => "REAL",
                Kind::Text => "TEXT",
                Kind::Blob => "BLOB",
                Kind::Any => "ANY",
            };
        }
        match kind {
            Kind::Integer => self.pick(&["INTEGER", "INT", "BIGINT", "NUMERIC", "BOOLEAN"]),
            Kind::Real => self.pick(&["REAL", "DOUBLE PRECISION", "FLOAT", "DECIMAL(10,2)"]),
            Kind::Text => self.pick(&["TEXT", "VARCHAR(20)", "CLOB"]),
            Kind::Blob => "BLOB",
            Kind::Any => "",
        }
    }

    /// A column's definition after its name and type.
    fn constraints(&mut self, name: &str, kind: Kind) -> String {
        let mut text = String::new();
        if self.one_in(7) {
            text.push_str(" NOT NULL");
            if self.one_in(4) {
                text.push_str(self.pick(&[" ON CONFLICT IGNORE", " ON CONFLICT REPLACE"]));
            }
        }
        if self.one_in(5) {
            text.push_str(&format!(" DEFAULT {}", self.literal(kind)));
        }
        if self.one_in(8) {
            text.push_str(" UNIQUE");
            if self.one_in(3) {
                text.push_str(self.pick(&[" ON CONFLICT REPLACE", " ON CONFLICT IGNORE"]));
            }
        }
        if self.one_in(10) {
            let check = match kind {
                Kind::Integer | Kind::Real => format!("{name} < 900"),
                Kind::Text => format!("length({name}) < 12"),
                Kind::Blob | Kind::Any => format!("typeof({name}) <> 'nothing'"),
            };
            let named =
                if self.one_in(2) { format!(" CONSTRAINT ck_{name}") } else { String::new() };
            text.push_str(&format!("{named} CHECK ({check})"));
        }
        if kind == Kind::Text && self.one_in(4) {
            text.push_str(self.pick(&[" COLLATE NOCASE", " COLLATE RTRIM", " COLLATE BINARY"]));
        }
        text
    }

    pub(super) fn create_table(&mut self, statements: &mut Vec<Statement>) {
        let short = self.name("t");
        let place = match self.rng.u32(0..12) {
            0 => "temp.",
            1 if self.has_attached => "aux.",
            1 => {
                statements.push(Statement::new("ATTACH ':memory:' AS aux"));
                self.has_attached = true;
                "aux."
            }
            _ => "",
        };
        let name = format!("{place}{short}");
        let is_strict = self.one_in(6);
        let mut columns = Vec::new();
        let mut parts = Vec::new();
        let style = self.rng.u32(0..10);
        let key = format!("{short}k");
        match style {
            0..6 => {
                let auto = if self.one_in(5) { " AUTOINCREMENT" } else { "" };
                parts.push(format!("{key} INTEGER PRIMARY KEY{auto}"));
                columns.push(Column { name: key.clone(), kind: Kind::Integer, is_written: true });
            }
            6..8 => {
                parts.push(format!("{key} TEXT NOT NULL"));
                columns.push(Column { name: key.clone(), kind: Kind::Text, is_written: true });
            }
            _ => {}
        }
        for at in 0..2 + self.up_to(3) {
            let column = format!("{}{short}", char::from(b'a' + u8::try_from(at).unwrap_or(0)));
            let kind = self.kind();
            let declared = self.declared(kind, is_strict);
            let constraints = self.constraints(&column, kind);
            parts.push(format!("{column} {declared}{constraints}"));
            columns.push(Column { name: column, kind, is_written: true });
        }
        if self.one_in(6) {
            let named: Vec<Named> = columns.iter().map(|column| Named::of(column, None)).collect();
            let text = self.plain_expression(&Scope::of(named), Kind::Integer, 2);
            let column = format!("g{short}");
            let stored = self.pick(&["STORED", "VIRTUAL"]);
            let declared = self.declared(Kind::Integer, is_strict);
            parts.push(format!("{column} {declared} AS ({text}) {stored}"));
            columns.push(Column { name: column, kind: Kind::Any, is_written: false });
        }
        let mut has_rowid = true;
        let mut options = Vec::new();
        if (6..8).contains(&style) {
            parts.push(format!("PRIMARY KEY ({key})"));
            if self.one_in(2) {
                has_rowid = false;
                options.push("WITHOUT ROWID");
            }
        }
        if self.one_in(6) && columns.len() > 2 {
            parts.push(format!("UNIQUE ({}, {})", columns[1].name, columns[2].name));
        }
        if self.one_in(3) {
            self.reference(place, &columns, &mut parts);
        }
        if is_strict {
            options.push("STRICT");
        }
        let key = if style < 8 { vec![key] } else { Vec::new() };
        let body = parts.join(", ");
        let options =
            if options.is_empty() { String::new() } else { format!(" {}", options.join(", ")) };
        statements.push(Statement::new(format!("CREATE TABLE {name}({body}){options}")));
        self.tables.push(Table { name, columns, key, has_rowid, is_view: false });
    }

    /// A foreign key to the key of another table of the same schema.
    fn reference(&mut self, place: &str, columns: &[Column], parts: &mut Vec<String>) {
        let parents: Vec<Table> =
            self.tables.iter().filter(|table| !table.key.is_empty()).cloned().collect();
        let same = |table: &&Table| {
            let own = table.name.split_once('.').map_or("", |(schema, _)| schema);
            place.trim_end_matches('.') == own
        };
        let parents: Vec<&Table> = parents.iter().filter(same).collect();
        if parents.is_empty() {
            return;
        }
        let parent = parents[self.rng.usize(0..parents.len())];
        let own = &columns[self.rng.usize(0..columns.len())];
        if !own.is_written {
            return;
        }
        let actions = [
            "",
            " ON DELETE CASCADE",
            " ON DELETE SET NULL",
            " ON UPDATE CASCADE",
            " ON DELETE RESTRICT",
        ];
        let action = self.pick(&actions);
        let deferred = self.pick(&["", "", " DEFERRABLE INITIALLY DEFERRED"]);
        let name = parent.name.rsplit('.').next().unwrap_or_default();
        let key = parent.key.join(", ");
        parts
            .push(format!("FOREIGN KEY ({}) REFERENCES {name}({key}){action}{deferred}", own.name));
    }

    pub(super) fn create_index(&mut self, statements: &mut Vec<Statement>) {
        let table = self.table();
        let (schema, short) =
            table.name.split_once('.').map_or(("", table.name.as_str()), |both| both);
        let dot = if schema.is_empty() { "" } else { "." };
        let name = self.name("i");
        let scope = Scope::of(table.columns.iter().map(|column| Named::of(column, None)).collect());
        let mut keys = Vec::new();
        for _ in 0..1 + self.up_to(2) {
            let mut key = if self.one_in(5) {
                format!("({})", self.plain_expression(&scope, Kind::Any, 2))
            } else {
                table.columns[self.rng.usize(0..table.columns.len())].name.clone()
            };
            if self.one_in(6) {
                key.push_str(" COLLATE NOCASE");
            }
            if self.one_in(4) {
                key.push_str(" DESC");
            }
            keys.push(key);
        }
        let unique = if self.one_in(8) { "UNIQUE " } else { "" };
        let partial = if self.one_in(5) {
            format!(" WHERE {}", self.plain_condition(&scope))
        } else {
            String::new()
        };
        let keys = keys.join(", ");
        let sql = format!("CREATE {unique}INDEX {schema}{dot}{name} ON {short}({keys}){partial}");
        statements.push(Statement::new(sql));
        self.indexes.push(format!("{schema}{dot}{name}"));
    }

    pub(super) fn create_view(&mut self, statements: &mut Vec<Statement>) {
        let name = self.name("v");
        let (sql, columns) = self.view_query();
        let temp = if self.one_in(4) { "TEMP " } else { "" };
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let list = if self.one_in(3) { format!("({})", names.join(", ")) } else { String::new() };
        statements.push(Statement::new(format!("CREATE {temp}VIEW {name}{list} AS {sql}")));
        self.tables.push(Table { name, columns, key: Vec::new(), has_rowid: false, is_view: true });
    }

    pub(super) fn create_trigger(&mut self, statements: &mut Vec<Statement>) {
        let table = self.table();
        let other = self.table();
        if table.name.contains('.') || other.name.contains('.') {
            return;
        }
        let name = self.name("r");
        let time = self.pick(&["BEFORE", "AFTER", "AFTER"]);
        let event = match self.rng.u32(0..4) {
            0 => "INSERT".to_owned(),
            1 => "DELETE".to_owned(),
            2 => "UPDATE".to_owned(),
            _ => {
                format!("UPDATE OF {}", table.columns[self.rng.usize(0..table.columns.len())].name)
            }
        };
        let mut named = Vec::new();
        for column in &table.columns {
            if !event.starts_with("DELETE") {
                named.push(Named::of(column, Some("NEW")));
            }
            if !event.starts_with("INSERT") {
                named.push(Named::of(column, Some("OLD")));
            }
        }
        let scope = Scope::of(named);
        let when = if self.one_in(3) {
            format!(" WHEN {}", self.plain_condition(&scope))
        } else {
            String::new()
        };
        let body = match self.rng.u32(0..6) {
            0 => {
                let condition = self.plain_condition(&scope);
                let raise = self.pick(&[
                    "IGNORE",
                    "ABORT, 'refused'",
                    "FAIL, 'failed'",
                    "ROLLBACK, 'back'",
                ]);
                format!("SELECT RAISE({raise}) WHERE {condition}")
            }
            1 if !other.key.is_empty() => {
                let value = self.plain_expression(&scope, Kind::Integer, 1);
                format!("DELETE FROM {} WHERE {} = {value}", other.name, other.key[0])
            }
            2 if !other.key.is_empty() => {
                let written: Vec<&Column> =
                    other.columns.iter().filter(|column| column.is_written).collect();
                let column = written[self.rng.usize(0..written.len())];
                let value = self.plain_expression(&scope, column.kind, 1);
                format!(
                    "UPDATE {} SET {} = {value} WHERE {} = 3",
                    other.name, column.name, other.key[0]
                )
            }
            _ => {
                let written: Vec<&Column> =
                    other.columns.iter().filter(|column| column.is_written).collect();
                let names: Vec<&str> = written.iter().map(|column| column.name.as_str()).collect();
                let values: Vec<String> = written
                    .iter()
                    .map(|column| self.plain_expression(&scope, column.kind, 1))
                    .collect();
                let or = self.pick(&["", " OR IGNORE", " OR REPLACE"]);
                format!(
                    "INSERT{or} INTO {}({}) VALUES ({})",
                    other.name,
                    names.join(", "),
                    values.join(", ")
                )
            }
        };
        let sql = format!(
            "CREATE TRIGGER {name} {time} {event} ON {}{when} BEGIN {body}; END",
            table.name
        );
        statements.push(Statement::new(sql));
        self.triggers.push(name);
    }

    pub(super) fn alter(&mut self, statements: &mut Vec<Statement>) {
        let at: Vec<usize> =
            (0..self.tables.len()).filter(|at| !self.tables[*at].is_view).collect();
        let at = at[self.rng.usize(0..at.len())];
        let name = self.tables[at].name.clone();
        let place = name.split_once('.').map_or(String::new(), |(schema, _)| format!("{schema}."));
        let column = self.rng.usize(0..self.tables[at].columns.len());
        let old = self.tables[at].columns[column].name.clone();
        let sql = match self.rng.u32(0..4) {
            0 => {
                let new = self.name("t");
                self.tables[at].name = format!("{place}{new}");
                format!("ALTER TABLE {name} RENAME TO {new}")
            }
            1 => {
                let new = self.name("c");
                self.tables[at].columns[column].name.clone_from(&new);
                for key in &mut self.tables[at].key {
                    if *key == old {
                        key.clone_from(&new);
                    }
                }
                format!("ALTER TABLE {name} RENAME COLUMN {old} TO {new}")
            }
            2 => {
                let new = self.name("c");
                let kind = if self.one_in(2) { Kind::Integer } else { Kind::Text };
                let declared = if kind == Kind::Integer { "INTEGER" } else { "TEXT" };
                let default = if self.one_in(2) {
                    format!(" DEFAULT {}", self.literal(kind))
                } else {
                    String::new()
                };
                self.tables[at].columns.push(Column { name: new.clone(), kind, is_written: true });
                format!("ALTER TABLE {name} ADD COLUMN {new} {declared}{default}")
            }
            _ => format!("ALTER TABLE {name} DROP COLUMN {old}"),
        };
        statements.push(Statement::new(sql));
    }

    pub(super) fn drop_something(&mut self, statements: &mut Vec<Statement>) {
        let exists = if self.one_in(3) { "IF EXISTS " } else { "" };
        let sql = match self.rng.u32(0..4) {
            0 if self.tables.len() > 4 => {
                let table = self.tables.remove(self.rng.usize(1..self.tables.len()));
                let what = if table.is_view { "VIEW" } else { "TABLE" };
                format!("DROP {what} {exists}{}", table.name)
            }
            1 if !self.triggers.is_empty() => {
                let trigger = self.triggers.swap_remove(self.rng.usize(0..self.triggers.len()));
                format!("DROP TRIGGER {exists}{trigger}")
            }
            2 => format!("DROP TABLE {exists}absent"),
            _ if !self.indexes.is_empty() => {
                let index = self.indexes.swap_remove(self.rng.usize(0..self.indexes.len()));
                format!("DROP INDEX {exists}{index}")
            }
            _ => return,
        };
        statements.push(Statement { sql, compared: Compared::InOrder });
        if self.tables.iter().all(|table| table.is_view) {
            self.create_table(statements);
        }
    }
}
