//! A prepared statement.

use std::sync::Arc;

use heddle_sql::session::Prepared;

use crate::rows::Column;
use crate::{Connection, Error, IntoParams, Result, Row, Rows};

/// A prepared statement of a connection. When the schema changes it is prepared anew by itself.
#[derive(Debug, Clone)]
pub struct Statement {
    connection: Connection,
    prepared: Arc<Prepared>,
}

impl Statement {
    pub(crate) fn new(connection: Connection, prepared: Arc<Prepared>) -> Statement {
        Statement { connection, prepared }
    }

    pub(crate) fn prepared(&self) -> &Arc<Prepared> {
        &self.prepared
    }

    /// Runs it for its rows.
    ///
    /// # Errors
    /// What running it meets.
    ///
    /// # Cancel safety
    /// As [`Connection::execute`].
    pub async fn query(&self, params: impl IntoParams) -> Result<Rows> {
        let params = params.into_params()?;
        self.connection.run(&self.prepared, params).await
    }

    /// Runs it: how many rows it inserted, updated or deleted.
    ///
    /// # Errors
    /// What running it meets.
    ///
    /// # Cancel safety
    /// As [`Connection::execute`].
    pub async fn execute(&self, params: impl IntoParams) -> Result<u64> {
        let params = params.into_params()?;
        self.connection.run_to_end(&self.prepared, params).await
    }

    /// Runs it for its first row.
    ///
    /// # Errors
    /// What running it meets; [`Error::QueryReturnedNoRows`].
    ///
    /// # Cancel safety
    /// As [`Connection::execute`].
    pub async fn query_row(&self, params: impl IntoParams) -> Result<Row> {
        let params = params.into_params()?;
        let mut rows = self.connection.run(&self.prepared, params).await?;
        rows.next().await?.ok_or(Error::QueryReturnedNoRows)
    }

    /// The columns of its rows.
    pub fn columns(&self) -> Vec<Column> {
        let columns = self.prepared.columns().unwrap_or_default();
        columns.iter().map(Column::new).collect()
    }

    /// The names of the columns of its rows.
    pub fn column_names(&self) -> Vec<String> {
        self.columns().iter().map(|column| column.name().to_owned()).collect()
    }

    /// How many columns its rows have.
    pub fn column_count(&self) -> usize {
        self.prepared.columns().map_or(0, |columns| columns.len())
    }

    /// How many parameters it has.
    pub fn parameter_count(&self) -> usize {
        self.prepared.parameters().len()
    }

    /// The name of a parameter with its sign, counted from 1.
    pub fn parameter_name(&self, number: usize) -> Option<&str> {
        self.prepared.parameters().get(number.checked_sub(1)?)?.as_deref()
    }

    /// Whether it writes nothing.
    pub fn is_readonly(&self) -> bool {
        self.prepared.is_read_only()
    }

    /// Nothing has to be done before it is run again; for those who are used to it.
    pub fn reset(&self) {}
}
