//! A statement, and its plan for as long as that holds.

use std::sync::{Arc, Mutex, PoisonError};

use crate::ast::Statement;
use crate::exec::Running;
use crate::parse::{self, Parsed};
use crate::plan::{ColumnInfo, Modification, Origin, Query};
use crate::schema::Databases;
use crate::{Error, Result, modify};

/// A statement that was parsed. Its plan is made when it is first needed, and anew when a schema that it was made with changes.
#[derive(Debug)]
pub struct Prepared {
    text: Box<str>,
    statement: Statement,
    parameters: Vec<Option<Box<str>>>,
    planned: Mutex<Option<Arc<Planned>>>,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name.
    pub name: Box<str>,
    /// The declared type of the table's column that it is.
    pub declared_type: Option<Box<str>>,
    /// The table's column that it is.
    pub origin: Option<Origin>,
}

/// What a statement does, once names have a meaning.
#[derive(Debug)]
pub(crate) enum Body {
    /// It gives rows and changes nothing.
    Query(Arc<Query>),
    /// It writes rows.
    Modify(Arc<Modification>),
    /// All is in its tree.
    Other,
}

/// A plan, and what it holds for.
#[derive(Debug)]
pub(crate) struct Planned {
    /// Names were looked up here. It holds for these very schemas.
    pub(crate) databases: Arc<Databases>,
    pub(crate) body: Body,
    pub(crate) columns: Arc<[OutputColumn]>,
    /// A run of it that has ended, to be started again.
    spare: Mutex<Option<Running>>,
    /// The same of one that writes.
    spare_write: Mutex<Option<modify::Running>>,
}

impl OutputColumn {
    /// Those of a query.
    pub(crate) fn of_query(query: &Query) -> Arc<[OutputColumn]> {
        let known = |at: usize| query.columns.get(at).and_then(|id| query.infos.get(id.0 as usize));
        let columns = query.names.iter().enumerate();
        columns.map(|(at, name)| OutputColumn::new(name, known(at))).collect()
    }

    /// Those of RETURNING.
    pub(crate) fn of_modification(modification: &Modification) -> Arc<[OutputColumn]> {
        let columns = modification.names.iter().enumerate();
        columns.map(|(at, name)| OutputColumn::new(name, modification.infos.get(at))).collect()
    }

    fn new(name: &str, info: Option<&ColumnInfo>) -> OutputColumn {
        OutputColumn {
            name: name.into(),
            declared_type: info.and_then(|info| info.declared_type.clone()),
            origin: info.and_then(|info| info.origin.clone()),
        }
    }
}

impl Planned {
    pub(crate) fn new(
        databases: &Arc<Databases>,
        body: Body,
        columns: Arc<[OutputColumn]>,
    ) -> Planned {
        let databases = Arc::clone(databases);
        Planned { databases, body, columns, spare: Mutex::default(), spare_write: Mutex::default() }
    }

    /// A run that has ended, if there is one.
    pub(crate) fn take_spare(&self) -> Option<Running> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// As [`Planned::take_spare`], of a run that writes.
    pub(crate) fn take_spare_write(&self) -> Option<modify::Running> {
        self.spare_write.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps a run that has ended.
    pub(crate) fn keep_write(&self, running: modify::Running) {
        *self.spare_write.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
    }

    /// Keeps a run that has ended.
    pub(crate) fn keep(&self, running: Running) {
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
    }
}

impl Prepared {
    /// Parses the first statement of a text: the statement, and where the rest begins. `None` if there is none.
    ///
    /// # Errors
    /// As [`parse::parse`].
    pub fn parse(sql: &str) -> Result<Option<(Prepared, usize)>> {
        Ok(parse::parse(sql)?.map(|parsed| {
            let end = parsed.end;
            (Prepared::new(sql, parsed), end)
        }))
    }

    fn new(sql: &str, parsed: Parsed) -> Prepared {
        Prepared {
            text: sql.get(parsed.text).unwrap_or_default().into(),
            statement: parsed.statement,
            parameters: parsed.parameters,
            planned: Mutex::new(None),
        }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it says.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// For each parameter its name with its sign, if it has one.
    pub fn parameters(&self) -> &[Option<Box<str>>] {
        &self.parameters
    }

    /// Whether it writes nothing but the connection's own state.
    pub fn is_read_only(&self) -> bool {
        match &self.statement {
            Statement::Select(_) | Statement::Explain(..) => true,
            Statement::Begin(_)
            | Statement::Commit
            | Statement::Rollback { .. }
            | Statement::Savepoint(_)
            | Statement::Release(_)
            | Statement::Attach { .. }
            | Statement::Detach(_) => true,
            Statement::Pragma { value, .. } => value.is_none(),
            _ => false,
        }
    }

    /// The columns of its rows, as they were when it was last planned; `None` before.
    pub fn columns(&self) -> Option<Arc<[OutputColumn]>> {
        self.planned().map(|planned| Arc::clone(&planned.columns))
    }

    pub(crate) fn planned(&self) -> Option<Arc<Planned>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_planned(&self, planned: &Arc<Planned>) {
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(planned));
    }

    /// The plan that is kept, if it was made with these schemas.
    pub(crate) fn planned_for(&self, databases: &Arc<Databases>) -> Option<Arc<Planned>> {
        let planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        planned.as_ref().filter(|planned| Arc::ptr_eq(&planned.databases, databases)).cloned()
    }

    /// The number of parameters.
    pub(crate) fn parameter_count(&self) -> u32 {
        u32::try_from(self.parameters.len()).unwrap_or(u32::MAX)
    }

    /// # Errors
    /// [`Error::Range`] if there are more values than parameters.
    pub(crate) fn check_parameters(&self, given: usize) -> Result<()> {
        if given > self.parameters.len() { Err(Error::Range) } else { Ok(()) }
    }
}
