//! What a view or trigger may refer to.

use super::Change;
use super::visit::{self, Visitor};
use crate::ast::{CreateTrigger, Name, QualifiedName, Select};
use crate::schema::{DatabaseIndex, Databases};
use crate::{Error, Result};

/// Finds the first table of another database.
struct Elsewhere<'a> {
    databases: &'a Databases,
    own: DatabaseIndex,
    found: Option<&'a Name>,
}

impl<'a> Visitor<'a> for Elsewhere<'a> {
    fn table(&mut self, name: &'a QualifiedName) {
        if let Some(schema) = &name.schema
            && self.databases.find(&schema.text) != Some(self.own)
        {
            self.found = self.found.or(Some(schema));
        }
    }
}

impl<'e> Change<'e> {
    /// Whether a query uses only tables of the database that the view is in; one in `temp` may use all.
    pub(super) fn check_view(&self, written: &str, select: &Select) -> Result<()> {
        self.check("view", written, |found| visit::select(select, found))
    }

    /// As [`Change::check_view`], of a trigger.
    pub(super) fn check_trigger(&self, written: &str, create: &CreateTrigger) -> Result<()> {
        self.check("trigger", written, |found| {
            found.table(&create.table);
            create.when.iter().for_each(|when| visit::expr(when, found));
            create.commands.iter().for_each(|command| visit::statement(command, found));
        })
    }

    fn check<'a>(
        &self,
        kind: &str,
        written: &str,
        visit: impl FnOnce(&mut Elsewhere<'a>),
    ) -> Result<()>
    where
        'e: 'a,
    {
        if self.database == DatabaseIndex::TEMP {
            return Ok(());
        }
        let databases = self.environment.databases;
        let mut visitor = Elsewhere { databases, own: self.database, found: None };
        visit(&mut visitor);
        match visitor.found {
            None => Ok(()),
            Some(schema) => Err(Error::sql(format!(
                "{kind} {written} cannot reference objects in database {schema}"
            ))),
        }
    }
}
