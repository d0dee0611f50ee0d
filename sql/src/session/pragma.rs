//! PRAGMA as a statement: questions are answered from [`crate::pragma::Facts`], the rest is set here.

use std::sync::Arc;
use std::time::Duration;

use heddle_engine::raw::HeaderField;
use heddle_engine::{Durability, Transaction};
use heddle_value::Value;

use super::facts::REMEMBERED;
use super::prepared::{OutputColumn, Prepared};
use super::run::Finished;
use super::state::Session;
use crate::ast::{Expr, Literal, PragmaValue, Statement, UnaryOp};
use crate::schema::DatabaseIndex;
use crate::{Error, Result, pragma};

/// What a pragma was given, as text.
fn argument(value: &PragmaValue) -> Result<String> {
    let (PragmaValue::Equals(expr) | PragmaValue::Call(expr)) = value;
    let text = |value: &Value| value.to_text().to_string_lossy().into_owned();
    match expr {
        Expr::Literal(Literal::Value(value)) => Ok(text(value)),
        Expr::Column { name, .. } => Ok(name.text.to_string()),
        Expr::Unary(UnaryOp::Negate, inner) => match &**inner {
            Expr::Literal(Literal::Value(value)) => Ok(format!("-{}", text(value))),
            _ => Err(Error::sql("near \"-\": syntax error")),
        },
        Expr::Unary(UnaryOp::Plus, inner) | Expr::Paren(inner) => {
            argument(&PragmaValue::Call(Expr::clone(inner)))
        }
        _ => Err(Error::sql("a pragma takes a name or a number")),
    }
}

/// A truth value as SQLite reads one: a number, or a word.
fn truth(word: &str) -> bool {
    match word.to_ascii_lowercase().as_str() {
        "on" | "yes" | "true" => true,
        other => integer(other) != 0,
    }
}

fn integer(word: &str) -> i64 {
    Value::text(word.as_bytes()).as_integer_lossy()
}

/// The field of the header that a pragma sets.
fn header_field(name: &str) -> Option<HeaderField> {
    match name {
        "user_version" => Some(HeaderField::UserVersion),
        "application_id" => Some(HeaderField::ApplicationId),
        "schema_version" => Some(HeaderField::SchemaCookie),
        "default_cache_size" => Some(HeaderField::DefaultCacheSize),
        _ => None,
    }
}

/// One row of one value.
fn single(column: &str, value: Value) -> Finished {
    Finished { changes: 0, columns: Arc::new([named(column)]), rows: vec![vec![value]] }
}

impl Session {
    /// PRAGMA.
    ///
    /// # Cancel safety
    /// As for any statement.
    pub(super) async fn pragma(
        &mut self,
        prepared: &Prepared,
        parameters: &Arc<[Value]>,
    ) -> Result<Finished> {
        self.check_usable()?;
        let Statement::Pragma { schema, name, value } = prepared.statement() else {
            return Ok(Finished::default());
        };
        let schema = schema.as_ref().map(|schema| &*schema.text);
        let name = name.text.to_ascii_lowercase();
        let argument = value.as_ref().map(argument).transpose()?;
        if let Some(schema) = schema
            && !self.attached.iter().flatten().any(|a| a.name.eq_ignore_ascii_case(schema))
            && !schema.eq_ignore_ascii_case("temp")
        {
            return Err(Error::sql(format!("unknown database {schema}")));
        }
        if let Some(done) = self.act(&name, schema, argument.as_deref()).await? {
            return Ok(done);
        }
        match argument {
            Some(_) if header_field(&name).is_some() => self.write(prepared, parameters).await,
            Some(argument) if self.set(&name, &argument)? => match &*name {
                "busy_timeout" | "journal_size_limit" | "mmap_size" | "secure_delete"
                | "wal_autocheckpoint" | "analysis_limit" | "soft_heap_limit"
                | "hard_heap_limit" | "max_page_count" | "threads" => {
                    self.answer(&name, schema, None).await
                }
                _ => Ok(Finished::default()),
            },
            argument => self.answer(&name, schema, argument.as_deref()).await,
        }
    }

    /// Pragmas that do something at once. `None` for all others.
    async fn act(
        &mut self,
        name: &str,
        schema: Option<&str>,
        argument: Option<&str>,
    ) -> Result<Option<Finished>> {
        let is = |attached: &&super::attached::Attached| {
            attached.name.eq_ignore_ascii_case(schema.unwrap_or("main"))
        };
        let database = self.attached.iter().flatten().find(is).map(|a| a.database.clone());
        let Some(database) = database else { return Ok(None) };
        match name {
            "wal_checkpoint" => {
                // Like SQLite's: not busy, and all that the log had is in the file.
                let changes = database.checkpoint().await?.changes;
                let changes = Value::Integer(i64::try_from(changes).unwrap_or(i64::MAX));
                let columns = ["busy", "log", "checkpointed"].map(named);
                let row = vec![Value::Integer(0), changes.clone(), changes];
                Ok(Some(Finished { changes: 0, columns: Arc::new(columns), rows: vec![row] }))
            }
            "incremental_vacuum" => {
                let pages = argument.map_or(0, integer);
                let pages = u32::try_from(pages).ok().filter(|pages| *pages > 0);
                database.incremental_vacuum(pages.unwrap_or(u32::MAX)).await?;
                Ok(Some(Finished::default()))
            }
            "journal_mode" if argument.is_some() => {
                Ok(Some(self.answer("journal_mode", schema, None).await?))
            }
            "locking_mode" => Ok(Some(single("locking_mode", Value::text("normal")))),
            // What they would do happens by itself.
            "optimize" => {
                let columns = Arc::new([named("optimize")]);
                Ok(Some(Finished { columns, ..Finished::default() }))
            }
            "shrink_memory" => Ok(Some(Finished::default())),
            _ => Ok(None),
        }
    }

    /// Sets what a pragma sets on the connection; whether it does.
    fn set(&mut self, name: &str, argument: &str) -> Result<bool> {
        match name {
            "query_only" => self.settings.query_only = truth(argument),
            "case_sensitive_like" => self.resources.case_sensitive_like = truth(argument),
            // As in SQLite, not in the middle of a transaction.
            "foreign_keys" if self.is_autocommit() => {
                self.resources.foreign_keys = truth(argument);
            }
            "foreign_keys" => {}
            "recursive_triggers" => self.resources.recursive_triggers = truth(argument),
            "defer_foreign_keys" => self.resources.defer_foreign_keys = truth(argument),
            "busy_timeout" => {
                let millis = u64::try_from(integer(argument)).unwrap_or(0);
                self.settings.busy_timeout = Some(Duration::from_millis(millis));
            }
            "synchronous" => {
                let durability = match argument.to_ascii_lowercase().as_str() {
                    "off" | "0" | "no" | "false" => Durability::Off,
                    "normal" | "1" | "on" | "yes" | "true" => Durability::Normal,
                    _ => Durability::Full,
                };
                self.settings.durability = Some(durability);
            }
            "temp_store" => {
                let store = match argument.to_ascii_lowercase().as_str() {
                    "file" | "1" => 1,
                    "memory" | "2" => 2,
                    _ => 0,
                };
                self.settings.remembered.insert("temp_store", store);
            }
            // They are those of a new file, which this one is no longer.
            "page_size" | "encoding" | "auto_vacuum" => {}
            _ => {
                let Some((name, _)) = REMEMBERED.iter().find(|(known, _)| *known == name) else {
                    return Ok(false);
                };
                let value = match argument.to_ascii_lowercase().as_str() {
                    "on" | "yes" | "true" => 1,
                    "off" | "no" | "false" => 0,
                    other => integer(other),
                };
                self.settings.remembered.insert(name, value);
            }
        }
        Ok(true)
    }

    /// The answer of a pragma; no columns for one that is not known.
    async fn answer(
        &mut self,
        name: &str,
        schema: Option<&str>,
        argument: Option<&str>,
    ) -> Result<Finished> {
        let columns = pragma::columns(name).unwrap_or_default();
        let columns: Vec<OutputColumn> = match columns {
            [] => {
                let known = REMEMBERED.iter().any(|(known, _)| *known == name);
                known.then_some(name).into_iter().map(named).collect()
            }
            columns => columns.iter().copied().map(named).collect(),
        };
        if columns.is_empty() {
            return Ok(Finished::default());
        }
        let rows = if self.is_autocommit() {
            let mut own = self.own_resources().await?;
            self.see(&own.transactions);
            self.facts(name, &mut own).await?.rows(name, argument, schema)?
        } else {
            self.begin_open().await?;
            let mut lent = self.lend();
            self.see(&lent.transactions);
            let facts = self.facts(name, &mut lent).await;
            self.take_back(lent);
            facts?.rows(name, argument, schema)?
        };
        Ok(Finished { changes: 0, columns: columns.into(), rows })
    }

    /// Sets a number of the header, in the transaction there is.
    pub(super) fn set_header(&mut self, statement: &Statement) -> Result<()> {
        let Statement::Pragma { schema, name, value: Some(value) } = statement else {
            return Ok(());
        };
        let Some(field) = header_field(&name.text.to_ascii_lowercase()) else { return Ok(()) };
        // Wraps around, as SQLite's does.
        let number = integer(&argument(value)?) as i32;
        let at = match schema {
            Some(schema) => self.known.find(&schema.text).unwrap_or(DatabaseIndex::MAIN),
            None => DatabaseIndex::MAIN,
        };
        let transaction: &mut Transaction = self.resources.transaction(at)?;
        Ok(transaction.set_header_field(field, number.cast_unsigned())?)
    }
}

fn named(name: &str) -> OutputColumn {
    OutputColumn { name: name.into(), declared_type: None, origin: None }
}
