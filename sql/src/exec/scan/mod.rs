//! Scans of tables: over all rows, by rowid, or by an index.
//!
//! - `access`: which keys of which trees are walked. `decode`: from records to columns. `default`: what a column is in a record
//!   older than the column.

mod access;
mod decode;
mod default;
mod operator;

use std::sync::Arc;

use heddle_engine::raw::Tree;

use super::compile::{Compiled, Compiler};
use crate::plan::{self, Access, ColumnId};
use crate::schema::{Index, Table};
use crate::{Error, Result};
use access::AccessCode;
use decode::Decoder;
pub(crate) use decode::malformed;
pub(crate) use default::default_of;
pub(super) use operator::Scan;

/// A tree that a scan walks.
struct Walked {
    tree: Tree,
    /// How a row is had from a record of it.
    lookup: Lookup,
}

/// How a row is had from a record.
enum Lookup {
    /// The record has all columns.
    Here(Decoder),
    /// The record ends with the table's rowid: at this place.
    Rowid(usize),
    /// The record has the table's primary key: at these places.
    PrimaryKey(Vec<usize>),
}

/// A table's scan.
///
/// # Errors
/// What can't be compiled.
pub(super) fn compile(compiler: &mut Compiler<'_>, scan: &plan::Scan) -> Result<Compiled> {
    let (operator, columns) = build(compiler, scan)?;
    Ok(Compiled { operator: Box::new(operator), columns })
}

/// A table's scan and its columns.
///
/// # Errors
/// What can't be compiled.
pub(super) fn build(
    compiler: &mut Compiler<'_>,
    scan: &plan::Scan,
) -> Result<(Scan, Vec<ColumnId>)> {
    let mut columns: Vec<_> = scan.columns.iter().map(|(_, id)| *id).collect();
    columns.extend(scan.rowid);
    let decoder = Decoder::of_table(scan)?;
    let mut walked =
        vec![Walked { tree: scan.table.tree.clone(), lookup: Lookup::Here(decoder.clone()) }];
    let access = AccessCode::compile(compiler, &scan.access, &mut |index, covering| {
        walked.push(walk(scan, index, covering)?);
        Ok(walked.len() - 1)
    })?;
    Ok((Scan::new(scan, access, walked, decoder, columns.len()), columns))
}

fn walk(scan: &plan::Scan, index: &Arc<Index>, covering: bool) -> Result<Walked> {
    // Rows that can be found twice are told apart by the keys of the table.
    let lookup = if covering && !finds_twice(&scan.access) {
        Lookup::Here(Decoder::of_index(scan, index)?)
    } else if scan.table.has_rowid() {
        Lookup::Rowid(index.keys.len())
    } else {
        Lookup::PrimaryKey(primary_key_places(&scan.table, index)?)
    };
    Ok(Walked { tree: index.tree.clone(), lookup })
}

/// Where an index's record has the columns of the primary key.
fn primary_key_places(table: &Table, index: &Index) -> Result<Vec<usize>> {
    let place = |key: &crate::schema::IndexKey| {
        place_in_index(index, key.column)
            .ok_or_else(|| Error::sql(format!("index {} does not name its rows", index.name)))
    };
    table.primary_key.iter().map(place).collect()
}

/// The first place of an index's record that has a column of the table.
fn place_in_index(index: &Index, column: Option<u16>) -> Option<usize> {
    let mut keys = index.keys.iter().chain(&index.row_keys);
    keys.position(|key| column.is_some() && key.column == column)
}

/// Whether an access can find a row twice.
fn finds_twice(access: &Access) -> bool {
    match access {
        Access::Union(parts) => parts.len() > 1 || parts.iter().any(finds_twice),
        Access::Each { access, .. } => finds_twice(access),
        _ => false,
    }
}
