//! What a connection's pragmas answer from, gathered; and questions that the connection asks itself in SQL.

use std::collections::HashMap;
use std::sync::Arc;

use heddle_engine::raw::HeaderField;
use heddle_engine::{AutoVacuum, Durability, Encoding, Transaction};
use heddle_value::Value;

use super::state::Session;
use crate::bind::{self, Environment};
use crate::exec::{PragmaRows, Resources, Running};
use crate::optimize::optimize;
use crate::pragma::{DatabaseFacts, Facts};
use crate::schema::{Databases, Named, Table};
use crate::{Result, parse};

/// Pragmas that are only remembered, with what they are at first.
pub(super) const REMEMBERED: [(&str, i64); 26] = [
    ("analysis_limit", 0),
    ("automatic_index", 1),
    ("cache_size", -2000),
    ("cache_spill", 483),
    ("cell_size_check", 0),
    ("checkpoint_fullfsync", 0),
    ("count_changes", 0),
    ("empty_result_callbacks", 0),
    ("full_column_names", 0),
    ("fullfsync", 0),
    ("hard_heap_limit", 0),
    ("ignore_check_constraints", 0),
    ("journal_size_limit", -1),
    ("legacy_alter_table", 0),
    ("max_page_count", 4_294_967_294),
    ("mmap_size", 0),
    ("read_uncommitted", 0),
    ("reverse_unordered_selects", 0),
    ("secure_delete", 0),
    ("short_column_names", 1),
    ("soft_heap_limit", 0),
    ("temp_store", 0),
    ("threads", 0),
    ("trusted_schema", 1),
    ("wal_autocheckpoint", 1000),
    ("writable_schema", 0),
];

/// Whether a text has this word, in any case.
fn says(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

impl Session {
    /// What the tables of pragmas in a statement give, if it has any.
    ///
    /// # Cancel safety
    /// It only reads.
    pub(super) async fn pragmas_for(
        &mut self,
        text: &str,
        resources: &mut Resources,
    ) -> Result<Option<Arc<PragmaRows>>> {
        let in_views = self.known.list.iter().flatten().any(|database| {
            database.schema.all().any(|named| match named {
                Named::View(view) => says(&view.sql, "pragma_"),
                _ => false,
            })
        });
        if !in_views && !says(text, "pragma_") {
            return Ok(None);
        }
        let facts = self.facts(text, resources).await?;
        let rows = move |name: &str, arguments: &[Value]| {
            let argument = |at: usize| {
                let value = arguments.get(at).filter(|value| !value.is_null())?;
                Some(value.to_text().to_string_lossy().into_owned())
            };
            let (about, schema) = (argument(0), argument(1));
            let mut rows = facts.rows(name, about.as_deref(), schema.as_deref())?;
            let hidden = [0, 1].map(|at| arguments.get(at).cloned().unwrap_or_default());
            rows.iter_mut().for_each(|row| row.extend(hidden.clone()));
            Ok(rows)
        };
        Ok(Some(Arc::new(rows)))
    }

    /// As [`Session::pragmas_for`], for a statement in the connection's own transaction.
    ///
    /// # Cancel safety
    /// It only reads.
    pub(super) async fn lend_pragmas(&mut self, text: &str) -> Result<()> {
        let mut lent = self.lend();
        let pragmas = self.pragmas_for(text, &mut lent).await;
        self.take_back(lent);
        self.resources.pragmas = pragmas?;
        Ok(())
    }

    /// Everything that pragmas may be asked, as these transactions see it. `text` tells which of the costly answers are needed.
    ///
    /// # Cancel safety
    /// It only reads.
    pub(super) async fn facts(&mut self, text: &str, resources: &mut Resources) -> Result<Facts> {
        let mut files = Vec::new();
        for at in 0..self.attached.len() {
            files.push(self.file_facts(at, text, resources).await?);
        }
        Ok(Facts {
            databases: Arc::clone(&self.known),
            extensions: self.extensions.clone(),
            files,
            settings: self.setting_facts(),
        })
    }

    fn setting_facts(&self) -> HashMap<&'static str, Value> {
        let remembered = &self.settings.remembered;
        let mut values: HashMap<&'static str, Value> = REMEMBERED
            .iter()
            .map(|(name, first)| {
                (*name, Value::Integer(remembered.get(name).copied().unwrap_or(*first)))
            })
            .collect();
        let durability = self.settings.durability.unwrap_or(self.options.durability);
        let synchronous = match durability {
            Durability::Off => 0,
            Durability::Normal => 1,
            Durability::Full => 2,
        };
        let timeout = self.settings.busy_timeout.unwrap_or(self.options.busy_timeout);
        let timeout = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        let of = &self.resources;
        values.extend([
            ("synchronous", Value::Integer(synchronous)),
            ("busy_timeout", Value::Integer(timeout)),
            ("query_only", Value::from(self.settings.query_only)),
            ("locking_mode", Value::text("normal")),
            ("foreign_keys", Value::from(of.foreign_keys)),
            ("recursive_triggers", Value::from(of.recursive_triggers)),
            ("defer_foreign_keys", Value::from(of.defer_foreign_keys)),
            ("case_sensitive_like", Value::from(of.case_sensitive_like)),
        ]);
        values
    }

    async fn file_facts(
        &self,
        at: usize,
        text: &str,
        resources: &mut Resources,
    ) -> Result<Option<DatabaseFacts>> {
        let Some(attached) = self.attached.get(at).and_then(Option::as_ref) else {
            return Ok(None);
        };
        let mut facts = DatabaseFacts { file: attached.file.clone(), ..DatabaseFacts::default() };
        if says(text, "integrity_check") || says(text, "quick_check") {
            if !self.options.read_only {
                attached.database.checkpoint().await?;
            }
            let found = attached.database.check().await?;
            facts.findings = found.iter().map(|finding| finding.as_str().into()).collect();
        }
        if let Some(Some(transaction)) = resources.transactions.get_mut(at) {
            let in_memory = attached.file.is_empty();
            facts.values = values_of(transaction, in_memory).await?;
        }
        if says(text, "foreign_key_check") {
            facts.orphans = self.orphans(at, resources).await?;
        }
        Ok(Some(facts))
    }

    /// Rows of children without parents.
    async fn orphans(&self, at: usize, resources: &mut Resources) -> Result<Vec<Vec<Value>>> {
        let mut orphans = Vec::new();
        let Some(database) = self.known.list.get(at).and_then(Option::as_ref) else {
            return Ok(orphans);
        };
        for named in database.schema.all() {
            let Named::Table(table) = named else { continue };
            let first = orphans.len();
            for (id, key) in table.foreign_keys.iter().rev().enumerate() {
                let parent = database.schema.table(&key.parent);
                let sql = orphans_sql(&database.name, table, key, parent.map(|parent| &**parent));
                for rowid in self.ask(&sql, resources).await? {
                    let mut row = vec![Value::text(table.name.as_bytes())];
                    row.extend(rowid);
                    row.push(Value::text(key.parent.as_bytes()));
                    row.push(Value::Integer(i64::try_from(id).unwrap_or(i64::MAX)));
                    orphans.push(row);
                }
            }
            // Row by row, and of each row the keys in order.
            let rowid = |row: &Vec<Value>| row.get(1).map_or(0, Value::as_integer_lossy);
            if let Some(of_table) = orphans.get_mut(first..) {
                of_table.sort_by_key(rowid);
            }
        }
        Ok(orphans)
    }

    /// All rows of a query, through these resources, for the schemas that are known.
    ///
    /// # Errors
    /// What is wrong with it, and what reading meets.
    ///
    /// # Cancel safety
    /// It only reads.
    pub(super) async fn ask(
        &self,
        sql: &str,
        resources: &mut Resources,
    ) -> Result<Vec<Vec<Value>>> {
        let parsed = parse::parse_one(sql)?;
        let crate::ast::Statement::Select(select) = &parsed.statement else {
            return Ok(Vec::new());
        };
        let databases: &Databases = &self.known;
        let environment = Environment { databases, extensions: &self.extensions };
        let mut query = bind::query(environment, select, 0)?;
        optimize(&mut query);
        let mut running = Running::start(Arc::new(query), Arc::default())?;
        running.all_rows(resources).await
    }
}

async fn values_of(
    transaction: &mut Transaction,
    in_memory: bool,
) -> Result<HashMap<&'static str, Value>> {
    let facts = transaction.file_facts();
    let mut values = HashMap::new();
    for (name, field) in [
        ("user_version", HeaderField::UserVersion),
        ("application_id", HeaderField::ApplicationId),
        ("schema_version", HeaderField::SchemaCookie),
        ("default_cache_size", HeaderField::DefaultCacheSize),
    ] {
        // The header's numbers are signed to those who read them.
        let number = transaction.header_field(field).await?.cast_signed();
        values.insert(name, Value::Integer(i64::from(number)));
    }
    let auto_vacuum = match facts.auto_vacuum {
        AutoVacuum::None => 0,
        AutoVacuum::Full => 1,
        AutoVacuum::Incremental => 2,
    };
    let encoding = match facts.encoding {
        Encoding::Utf8 => "UTF-8",
        Encoding::Utf16Le => "UTF-16le",
        Encoding::Utf16Be => "UTF-16be",
    };
    let version = i64::try_from(transaction.snapshot().get()).unwrap_or(i64::MAX);
    values.extend([
        ("page_size", Value::Integer(i64::from(facts.page_size))),
        ("page_count", Value::Integer(i64::from(facts.page_count))),
        ("freelist_count", Value::Integer(i64::from(facts.freelist_count))),
        ("auto_vacuum", Value::Integer(auto_vacuum)),
        ("encoding", Value::text(encoding)),
        ("data_version", Value::Integer(version)),
        ("journal_mode", Value::text(if in_memory { "memory" } else { "wal" })),
    ]);
    Ok(values)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The query for rows of a child whose parent is missing. The parent's columns stand left, for it is their collations that count.
fn orphans_sql(
    database: &str,
    table: &Table,
    key: &crate::schema::ForeignKey,
    parent: Option<&Table>,
) -> String {
    let child = |at: &u16| {
        let column = table.columns.get(usize::from(*at));
        format!("c.{}", quoted(column.map_or("", |column| &column.name)))
    };
    let columns: Vec<String> = key.columns.iter().map(child).collect();
    let there: Vec<String> = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    let rowid = if table.has_rowid() { "c.rowid" } else { "NULL" };
    let mut sql = format!(
        "SELECT {rowid} FROM {}.{} AS c WHERE {}",
        quoted(database),
        quoted(&table.name),
        there.join(" AND ")
    );
    if let Some(parent) = parent {
        let named = key.parent_columns.iter().map(|name| quoted(name));
        let mut names: Vec<String> = named.collect();
        if names.is_empty() {
            names = match parent.rowid_alias {
                Some(_) => vec!["rowid".to_owned()],
                None => parent
                    .primary_key
                    .iter()
                    .filter_map(|key| parent.columns.get(usize::from(key.column?)))
                    .map(|column| quoted(&column.name))
                    .collect(),
            };
        }
        let equal: Vec<String> = names
            .iter()
            .zip(&columns)
            .map(|(name, column)| format!("p.{name} = {column}"))
            .collect();
        sql.push_str(&format!(
            " AND NOT EXISTS (SELECT 1 FROM {}.{} AS p WHERE {})",
            quoted(database),
            quoted(&parent.name),
            equal.join(" AND ")
        ));
    }
    sql
}
