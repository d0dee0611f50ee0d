//! From records to columns of a batch.

use heddle_btree::record::{Record, RecordError};
use heddle_btree::text::{Encoding, to_utf8};
use heddle_btree::value::ValueRef;
use heddle_value::{Affinity, Value};

use super::default::default_of;
use super::place_in_index;
use crate::exec::batch::BatchBuilder;
use crate::plan;
use crate::schema::Index;
use crate::{Error, Result};

/// Which columns of a record are wanted, and where they go.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    /// By place.
    fields: Vec<Field>,
    /// The slots that get the rowid.
    rowids: Vec<usize>,
    /// Where the record itself has the rowid, if it has.
    rowid_place: Option<usize>,
}

#[derive(Debug, Clone)]
struct Field {
    /// In the record.
    place: usize,
    /// In the batch.
    slot: usize,
    /// Whether integers are reals that are stored small.
    real: bool,
    /// What it is in a record that ends before it.
    missing: Value,
}

impl Decoder {
    /// For the table's own records.
    ///
    /// # Errors
    /// If a column is asked for that no record has.
    pub(super) fn of_table(scan: &plan::Scan) -> Result<Decoder> {
        let order = &scan.table.record_order;
        Decoder::new(scan, None, |column| order.iter().position(|at| *at == column))
    }

    /// For the records of an index that has all the columns.
    ///
    /// # Errors
    /// If it has not.
    pub(super) fn of_index(scan: &plan::Scan, index: &Index) -> Result<Decoder> {
        let rowid = scan.table.has_rowid().then_some(index.keys.len());
        Decoder::new(scan, rowid, |column| place_in_index(index, Some(column)))
    }

    fn new(
        scan: &plan::Scan,
        rowid_place: Option<usize>,
        place: impl Fn(u16) -> Option<usize>,
    ) -> Result<Decoder> {
        let mut fields = Vec::with_capacity(scan.columns.len());
        let mut rowids = Vec::new();
        for (slot, (column, _)) in scan.columns.iter().enumerate() {
            if scan.table.rowid_alias == Some(usize::from(*column)) {
                rowids.push(slot);
                continue;
            }
            let definition = scan.table.columns.get(usize::from(*column));
            let (Some(place), Some(definition)) = (place(*column), definition) else {
                return Err(Error::sql(format!("{} does not store it", scan.table.name)));
            };
            let real = definition.affinity == Affinity::Real;
            fields.push(Field { place, slot, real, missing: default_of(definition) });
        }
        if scan.rowid.is_some() {
            rowids.push(scan.columns.len());
        }
        fields.sort_by_key(|field| field.place);
        Ok(Decoder { fields, rowids, rowid_place })
    }

    /// Adds the row of a record to a batch. `rowid`: of the table's row, if the record is one.
    ///
    /// # Errors
    /// If the record is malformed.
    pub(super) fn decode(
        &self,
        rowid: Option<i64>,
        record: &[u8],
        encoding: Encoding,
        out: &mut BatchBuilder,
    ) -> Result<()> {
        if !self.fields.is_empty() {
            self.fields_of(record, encoding, out).map_err(malformed)?;
        }
        if !self.rowids.is_empty() {
            let rowid = match self.rowid_place {
                Some(place) => integer_at(record, place)?,
                None => rowid.unwrap_or(0),
            };
            for slot in &self.rowids {
                if let Some(column) = out.column(*slot) {
                    column.push_integer(rowid);
                }
            }
        }
        out.pushed();
        Ok(())
    }

    fn fields_of(
        &self,
        record: &[u8],
        encoding: Encoding,
        out: &mut BatchBuilder,
    ) -> std::result::Result<(), RecordError> {
        let record = Record::parse(record)?;
        let mut columns = record.columns();
        // The place that `columns` is before, and the value of the one before that.
        let (mut at, mut last) = (0, None);
        for field in &self.fields {
            while at <= field.place {
                if at < field.place {
                    columns.skip()?;
                } else {
                    last = columns.next_value()?;
                }
                at += 1;
            }
            let Some(column) = out.column(field.slot) else { continue };
            match last {
                Some(ValueRef::Integer(value)) if field.real => column.push_real(value as f64),
                Some(ValueRef::Text(text)) if encoding != Encoding::Utf8 => {
                    column.push_ref(ValueRef::Text(&to_utf8(text, encoding)));
                }
                Some(value) => column.push_ref(value),
                None => column.push(field.missing.clone()),
            }
        }
        Ok(())
    }
}

/// The integer at a place of a record.
///
/// # Errors
/// If there is none.
pub(super) fn integer_at(record: &[u8], place: usize) -> Result<i64> {
    let value = Record::parse(record).and_then(|record| record.column(place));
    match value.map_err(malformed)? {
        Some(ValueRef::Integer(value)) => Ok(value),
        _ => Err(malformed(RecordError::Malformed("an index entry without rowid"))),
    }
}

/// The error for a record that can't be read.
pub(crate) fn malformed(error: RecordError) -> Error {
    Error::sql(format!("database disk image is malformed: {error}"))
}
