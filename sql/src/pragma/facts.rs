//! What pragmas answer from: gathered when a statement begins, so that answering reads nothing.

use std::collections::HashMap;
use std::sync::Arc;

use heddle_value::Value;

use super::{indexes, listings, tables};
use crate::Result;
use crate::schema::{DatabaseIndex, Databases};
use crate::session::Extensions;

/// A row of an answer.
pub(super) type Row = Vec<Value>;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The schemas.
    pub databases: Arc<Databases>,
    /// A user's functions and collations.
    pub extensions: Extensions,
    /// Of each database, by [`DatabaseIndex`].
    pub files: Vec<Option<DatabaseFacts>>,
    /// What the connection's settings say, by the pragma's name.
    pub settings: HashMap<&'static str, Value>,
}

/// What pragmas say of one database.
#[derive(Debug, Clone, Default)]
pub struct DatabaseFacts {
    /// The file's path; nothing for one in memory.
    pub file: Box<str>,
    /// Single values, by the pragma's name.
    pub values: HashMap<&'static str, Value>,
    /// What looking through the file has found, if the statement asks for it.
    pub findings: Vec<Box<str>>,
    /// Rows of children without parents, if the statement asks for them.
    pub orphans: Vec<Vec<Value>>,
}

impl Facts {
    /// The rows of a pragma, with what it is about and in which database, if that was said.
    ///
    /// # Errors
    /// A schema that does not exist.
    pub fn rows(&self, name: &str, about: Option<&str>, schema: Option<&str>) -> Result<Vec<Row>> {
        let name = name.to_ascii_lowercase();
        let at = match schema {
            Some(schema) => match self.databases.find(schema) {
                Some(at) => Some(at),
                None => return Err(crate::Error::sql(format!("unknown database {schema}"))),
            },
            None => None,
        };
        let rows = match (&*name, about) {
            ("table_info", Some(table)) => tables::table_info(self, at, table, false),
            ("table_xinfo", Some(table)) => tables::table_info(self, at, table, true),
            ("foreign_key_list", Some(table)) => tables::foreign_keys(self, at, table),
            ("index_list", Some(table)) => indexes::list(self, at, table),
            ("index_info", Some(index)) => indexes::info(self, at, index, false),
            ("index_xinfo", Some(index)) => indexes::info(self, at, index, true),
            ("table_list", about) => tables::list(self, at, about),
            ("database_list", _) => listings::databases(self),
            ("collation_list", _) => listings::collations(self),
            ("function_list", _) => listings::functions(self),
            ("pragma_list", _) => listings::pragmas(),
            ("module_list", _) => listings::modules(),
            ("compile_options", _) => listings::compile_options(),
            ("integrity_check" | "quick_check", _) => self.findings(at),
            ("foreign_key_check", about) => self.orphans(at, about),
            _ => self.value(at, &name).map(|value| vec![value]).into_iter().collect(),
        };
        Ok(rows)
    }

    /// A single value: of the database, or of the connection.
    fn value(&self, at: Option<DatabaseIndex>, name: &str) -> Option<Value> {
        let at = usize::from(at.unwrap_or(DatabaseIndex::MAIN).0);
        let of_file =
            self.files.get(at).and_then(Option::as_ref).and_then(|of| of.values.get(name));
        of_file.or_else(|| self.settings.get(name)).cloned()
    }

    fn findings(&self, at: Option<DatabaseIndex>) -> Vec<Row> {
        let files = self.chosen(at);
        let rows: Vec<Row> = files
            .flat_map(|file| &file.findings)
            .map(|finding| vec![Value::text(finding.as_bytes())])
            .collect();
        if rows.is_empty() { vec![vec![Value::text("ok")]] } else { rows }
    }

    fn orphans(&self, at: Option<DatabaseIndex>, about: Option<&str>) -> Vec<Row> {
        let of_table = |row: &&Row| match (about, row.first()) {
            (Some(about), Some(Value::Text(table))) => {
                table.as_bytes().eq_ignore_ascii_case(about.as_bytes())
            }
            _ => true,
        };
        self.chosen(at).flat_map(|file| &file.orphans).filter(of_table).cloned().collect()
    }

    fn chosen(&self, at: Option<DatabaseIndex>) -> impl Iterator<Item = &DatabaseFacts> {
        let chosen = move |number: usize| at.is_none_or(|at| usize::from(at.0) == number);
        let files = self.files.iter().enumerate();
        files.filter(move |(number, _)| chosen(*number)).filter_map(|(_, file)| file.as_ref())
    }
}

/// A truth value.
pub(super) fn bit(is: bool) -> Value {
    Value::Integer(i64::from(is))
}

/// A text.
pub(super) fn text(text: &str) -> Value {
    Value::text(text.as_bytes())
}

/// A position.
pub(super) fn number(at: usize) -> Value {
    Value::Integer(i64::try_from(at).unwrap_or(i64::MAX))
}
