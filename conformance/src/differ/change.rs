//! Statements that change rows.

use super::expression::{Named, Scope};
use super::generator::{Column, Compared, Generator, Kind, Statement, Table};

impl Generator {
    fn value(&mut self, column: &Column) -> String {
        // Now and then something that the column does not expect.
        let kind = if self.one_in(15) { Kind::Any } else { column.kind };
        match self.rng.u32(0..10) {
            0 => self.plain_expression(&Scope::default(), kind, 2),
            _ => self.literal(kind),
        }
    }

    /// A WITH for now and then, in front of a change.
    fn returning(&mut self, table: &Table) -> String {
        if !self.one_in(5) {
            return String::new();
        }
        if self.one_in(3) {
            return " RETURNING *".to_owned();
        }
        let scope = Scope::of(table.columns.iter().map(|column| Named::of(column, None)).collect());
        let first = self.plain_expression(&scope, Kind::Any, 2);
        format!(" RETURNING {first} AS x, {}", table.columns[0].name)
    }

    fn written(&mut self, table: &Table) -> Vec<Column> {
        let mut columns: Vec<Column> =
            table.columns.iter().filter(|column| column.is_written).cloned().collect();
        while columns.len() > 1 && self.one_in(4) {
            columns.remove(self.rng.usize(0..columns.len()));
        }
        columns
    }

    /// `INSERT`, all of it but an ON CONFLICT and a RETURNING.
    fn insertion(&mut self, table: &Table, columns: &[Column]) -> String {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let or =
            self.pick(&["", "", "", "", " OR IGNORE", " OR REPLACE", " OR FAIL", " OR ROLLBACK"]);
        let head = format!("INSERT{or} INTO {}({})", table.name, names.join(", "));
        if self.one_in(6) {
            let source = self.source();
            let scope =
                Scope::of(source.columns.iter().map(|column| Named::of(column, None)).collect());
            let values: Vec<String> = columns
                .iter()
                .map(|column| self.plain_expression(&scope, column.kind, 1))
                .collect();
            // A total order, for the order of the rows decides about conflicts and rowids.
            let order: Vec<String> =
                (1..=values.len()).map(|at| format!("{at} COLLATE BINARY")).collect();
            let limit = 1 + self.up_to(6);
            let (values, order) = (values.join(", "), order.join(", "));
            return format!(
                "{head} SELECT DISTINCT {values} FROM {} ORDER BY {order} LIMIT {limit}",
                source.name
            );
        }
        let mut rows = Vec::new();
        for _ in 0..1 + self.up_to(4) {
            let values: Vec<String> = columns.iter().map(|column| self.value(column)).collect();
            rows.push(format!("({})", values.join(", ")));
        }
        format!("{head} VALUES {}", rows.join(", "))
    }

    pub(super) fn insert(&mut self, statements: &mut Vec<Statement>) {
        let table = self.table();
        if self.one_in(25) {
            statements.push(Statement::new(format!("INSERT INTO {} DEFAULT VALUES", table.name)));
            return;
        }
        let columns = self.written(&table);
        let insertion = self.insertion(&table, &columns);
        let returning = self.returning(&table);
        statements.push(Statement { sql: insertion + &returning, compared: Compared::AsBag });
    }

    pub(super) fn upsert(&mut self, statements: &mut Vec<Statement>) {
        let table = self.table();
        let columns: Vec<Column> =
            table.columns.iter().filter(|column| column.is_written).cloned().collect();
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<String> = columns.iter().map(|column| self.value(column)).collect();
        let target = match table.key.first() {
            Some(key) if !self.one_in(4) => format!("({key})"),
            _ => String::new(),
        };
        let action = if self.one_in(3) || target.is_empty() {
            "NOTHING".to_owned()
        } else {
            let mut named: Vec<Named> =
                columns.iter().map(|column| Named::of(column, Some("excluded"))).collect();
            named.extend(columns.iter().map(|column| Named::of(column, None)));
            let scope = Scope::of(named);
            let column = &columns[self.rng.usize(0..columns.len())];
            let value = self.plain_expression(&scope, column.kind, 2);
            let condition = if self.one_in(3) {
                format!(" WHERE {}", self.plain_condition(&scope))
            } else {
                String::new()
            };
            format!("UPDATE SET {} = {value}{condition}", column.name)
        };
        let returning = self.returning(&table);
        let sql = format!(
            "INSERT INTO {}({}) VALUES ({}) ON CONFLICT {target} DO {action}{returning}",
            table.name,
            names.join(", "),
            values.join(", ")
        );
        statements.push(Statement { sql, compared: Compared::AsBag });
    }

    /// Which rows are changed: one by its key, or those of a condition.
    fn chosen(&mut self, table: &Table, scope: &Scope) -> String {
        match table.key.first() {
            Some(key) if self.one_in(2) => {
                let kind =
                    if table.columns[0].kind == Kind::Text { Kind::Text } else { Kind::Integer };
                format!(" WHERE {key} = {}", self.literal(kind))
            }
            _ if self.one_in(12) => String::new(),
            _ => format!(" WHERE {}", self.condition(scope)),
        }
    }

    pub(super) fn update(&mut self, statements: &mut Vec<Statement>) {
        let table = self.table();
        let scope = Scope::of(table.columns.iter().map(|column| Named::of(column, None)).collect());
        let columns = self.written(&table);
        let mut sets = Vec::new();
        for column in columns.iter().take(2) {
            sets.push(format!("{} = {}", column.name, self.expression(&scope, column.kind, 2)));
        }
        if columns.len() > 1 && self.one_in(8) {
            let (first, second) = (&columns[0], &columns[1]);
            let values = (self.literal(first.kind), self.leaf_of(&scope, second.kind));
            sets =
                vec![format!("({}, {}) = ({}, {})", first.name, second.name, values.0, values.1)];
        }
        let sets = sets.join(", ");
        let returning = self.returning(&table);
        let sql = match table.key.first() {
            // Joined on the key, so that each row has one partner at most.
            Some(key) if self.one_in(8) && !table.name.contains('.') => {
                let other = self.source();
                let from: Vec<String> =
                    other.columns.iter().map(|column| column.name.clone()).collect();
                let own = table.columns[table.columns.len() - 1].clone();
                if !own.is_written {
                    return;
                }
                let value = from[self.rng.usize(0..from.len())].clone();
                format!(
                    "UPDATE {0} SET {1} = f.v FROM (SELECT {2} AS k, max({value}) AS v FROM {3} GROUP BY 1) AS f \
                     WHERE {0}.{key} = f.k{returning}",
                    table.name, own.name, from[0], other.name
                )
            }
            _ => {
                let chosen = self.chosen(&table, &scope);
                // What happens with the first conflict depends on the order of rows, but for one row.
                let or = if chosen.contains(" = ") && self.one_in(4) {
                    self.pick(&[" OR IGNORE", " OR REPLACE", " OR FAIL"])
                } else {
                    ""
                };
                format!("UPDATE{or} {} SET {sets}{chosen}{returning}", table.name)
            }
        };
        statements.push(Statement { sql, compared: Compared::Loosely });
    }

    fn leaf_of(&mut self, scope: &Scope, kind: Kind) -> String {
        self.plain_expression(scope, kind, 0)
    }

    pub(super) fn delete(&mut self, statements: &mut Vec<Statement>) {
        let table = self.table();
        let scope = Scope::of(table.columns.iter().map(|column| Named::of(column, None)).collect());
        let chosen = self.chosen(&table, &scope);
        let returning = self.returning(&table);
        let sql = format!("DELETE FROM {}{chosen}{returning}", table.name);
        statements.push(Statement { sql, compared: Compared::AsBag });
    }
}
