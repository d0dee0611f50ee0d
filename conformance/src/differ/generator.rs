//! A session's statements from a seed: what the generator remembers of the schema, and which kind of statement comes next.

use fastrand::Rng;

/// How the answers to a statement are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// Row by row.
    InOrder,
    /// As a bag of rows.
    AsBag,
    /// As a bag of rows whose values are taken for the same when they compare equal: 1 and 1.0, 'a' and 'A'.
    Loosely,
}

/// One statement of a session.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Its text.
    pub sql: String,
    /// How its answers are compared.
    pub compared: Compared,
}

impl Statement {
    /// One whose rows are compared in order, if it has any.
    pub fn new(sql: impl Into<String>) -> Statement {
        Statement { sql: sql.into(), compared: Compared::InOrder }
    }
}

/// What a column usually holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers.
    Integer,
    /// Multiples of a quarter.
    Real,
    /// Short words, of which some differ in case alone.
    Text,
    /// A few bytes.
    Blob,
    /// Anything.
    Any,
}

/// A column that statements can name.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it usually holds.
    pub kind: Kind,
    /// Whether values can be given for it.
    pub is_written: bool,
}

/// A table, or a view, that statements can name.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name, with its schema if it needs that.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The columns by which one row is found.
    pub key: Vec<String>,
    /// Whether it has rowids.
    pub has_rowid: bool,
    /// Whether it is a view.
    pub is_view: bool,
}

/// Makes statements.
pub struct Generator {
    pub(super) rng: Rng,
    pub(super) tables: Vec<Table>,
    pub(super) indexes: Vec<String>,
    pub(super) triggers: Vec<String>,
    pub(super) savepoints: Vec<String>,
    pub(super) in_transaction: bool,
    pub(super) has_attached: bool,
    next_name: u32,
}

/// The statements of the session of a seed.
pub fn session(seed: u64, count: usize) -> Vec<Statement> {
    let mut generator = Generator {
        rng: Rng::with_seed(seed),
        tables: Vec::new(),
        indexes: Vec::new(),
        triggers: Vec::new(),
        savepoints: Vec::new(),
        in_transaction: false,
        has_attached: false,
        next_name: 0,
    };
    let mut statements = Vec::new();
    if generator.one_in(3) {
        statements.push(Statement::new("PRAGMA foreign_keys = ON"));
    }
    if generator.one_in(8) {
        statements.push(Statement::new("PRAGMA recursive_triggers = ON"));
    }
    generator.beginning(&mut statements);
    while statements.len() < count {
        generator.next(&mut statements);
    }
    statements
}

impl Generator {
    pub(super) fn one_in(&mut self, times: u32) -> bool {
        self.rng.u32(0..times) == 0
    }

    pub(super) fn up_to(&mut self, most: usize) -> usize {
        self.rng.usize(0..=most)
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.rng.usize(0..from.len())]
    }

    pub(super) fn name(&mut self, prefix: &str) -> String {
        self.next_name += 1;
        format!("{prefix}{}", self.next_name)
    }

    /// A table that is no view.
    pub(super) fn table(&mut self) -> Table {
        let tables: Vec<usize> =
            (0..self.tables.len()).filter(|at| !self.tables[*at].is_view).collect();
        self.tables[tables[self.rng.usize(0..tables.len())]].clone()
    }

    /// A table or view.
    pub(super) fn source(&mut self) -> Table {
        self.tables[self.rng.usize(0..self.tables.len())].clone()
    }

    /// A few tables with rows.
    fn beginning(&mut self, statements: &mut Vec<Statement>) {
        for _ in 0..2 + self.up_to(2) {
            self.create_table(statements);
        }
        for _ in 0..8 {
            self.insert(statements);
        }
        for _ in 0..self.up_to(3) {
            self.create_index(statements);
        }
    }

    fn next(&mut self, statements: &mut Vec<Statement>) {
        match self.rng.u32(0..200) {
            0..110 => self.select(statements),
            110..130 => self.insert(statements),
            130..142 => self.update(statements),
            142..150 => self.delete(statements),
            150..156 => self.upsert(statements),
            156..160 => self.create_index(statements),
            160..162 => self.drop_something(statements),
            162..165 => self.create_view(statements),
            165..168 => self.create_trigger(statements),
            168..171 => self.alter(statements),
            171..173 if self.tables.len() < 9 => self.create_table(statements),
            173..185 => self.control(statements),
            185..188 => self.pragma(statements),
            188..190 => self.maintain(statements),
            _ => self.look(statements),
        }
    }

    /// BEGIN to ROLLBACK.
    fn control(&mut self, statements: &mut Vec<Statement>) {
        let sql = match self.rng.u32(0..10) {
            0..3 if !self.in_transaction => {
                self.in_transaction = true;
                self.pick(&["BEGIN", "BEGIN IMMEDIATE", "BEGIN DEFERRED TRANSACTION"]).to_owned()
            }
            0..3 => self.end(),
            3..6 => {
                let name = self.name("s");
                self.savepoints.push(name.clone());
                format!("SAVEPOINT {name}")
            }
            6..8 if !self.savepoints.is_empty() => {
                let at = self.rng.usize(0..self.savepoints.len());
                let name = self.savepoints[at].clone();
                self.savepoints.truncate(at);
                format!("RELEASE {name}")
            }
            8 if !self.savepoints.is_empty() => {
                let at = self.rng.usize(0..self.savepoints.len());
                self.savepoints.truncate(at + 1);
                format!("ROLLBACK TO {}", self.savepoints[at])
            }
            _ => self.end(),
        };
        statements.push(Statement::new(sql));
    }

    fn end(&mut self) -> String {
        self.in_transaction = false;
        self.savepoints.clear();
        self.pick(&["COMMIT", "COMMIT", "END TRANSACTION", "ROLLBACK"]).to_owned()
    }

    fn pragma(&mut self, statements: &mut Vec<Statement>) {
        let table = self.table();
        let name = table.name.rsplit('.').next().unwrap_or_default();
        let sql = match self.rng.u32(0..6) {
            0 => format!("PRAGMA table_info({name})"),
            1 => format!("PRAGMA table_xinfo({name})"),
            2 => format!("PRAGMA foreign_key_list({name})"),
            3 => {
                format!("SELECT name, \"unique\", origin, partial FROM pragma_index_list('{name}')")
            }
            4 => "PRAGMA foreign_keys".to_owned(),
            _ => "PRAGMA integrity_check".to_owned(),
        };
        statements.push(Statement { sql, compared: Compared::AsBag });
    }

    fn maintain(&mut self, statements: &mut Vec<Statement>) {
        let sql = self.pick(&["ANALYZE", "REINDEX", "VACUUM", "PRAGMA optimize"]);
        if sql == "PRAGMA optimize" {
            return;
        }
        statements.push(Statement::new(sql));
    }

    /// All of a table, or of the schema, or the counters.
    fn look(&mut self, statements: &mut Vec<Statement>) {
        let sql = match self.rng.u32(0..12) {
            0 => "SELECT changes(), total_changes()".to_owned(),
            1 => "SELECT last_insert_rowid()".to_owned(),
            2 => "SELECT type, name, tbl_name, sql FROM sqlite_schema".to_owned(),
            _ => {
                let table = self.table();
                let rowid = if table.has_rowid && self.one_in(2) { "rowid, " } else { "" };
                format!("SELECT {rowid}* FROM {}", table.name)
            }
        };
        statements.push(Statement { sql, compared: Compared::AsBag });
    }
}
