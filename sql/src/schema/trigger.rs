//! Views and triggers: statements kept for later.

use std::sync::Arc;

use super::DatabaseIndex;
use crate::ast;

/// A view.
#[derive(Debug, Clone)]
pub struct View {
    /// Its name.
    pub name: Box<str>,
    /// Its definition.
    pub definition: ast::CreateView,
    /// Its INSTEAD OF triggers, newest first.
    pub triggers: Vec<Arc<Trigger>>,
    /// The text that made it.
    pub sql: Box<str>,
}

/// A trigger.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// Its name.
    pub name: Box<str>,
    /// Where it is defined, which is where the names in it are looked up first.
    pub database: DatabaseIndex,
    /// Its definition.
    pub definition: ast::CreateTrigger,
    /// The text that made it.
    pub sql: Box<str>,
}
