//! The rows of `sqlite_schema`: type, name, tbl_name, rootpage, sql.
//!
//! # Invariant
//! - R1: in `x.db` `rootpage` is a page. In a row version that no checkpoint has merged it is the
//!   negated [`TreeId`], since the tree may have no page yet and auto_vacuum may move it; the checkpointer
//!   puts the page in. Objects without a tree have 0 or NULL in both.

use heddle_base::{PageNo, TreeId};
use heddle_btree::record::{self, Record};
use heddle_btree::text::Encoding;
use heddle_btree::value::ValueRef;
use heddle_value::Affinity;

use crate::ValueRef as Given;
use crate::catalog::column::{Stored, apply};

/// One row of `sqlite_schema`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaRow {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) table: String,
    pub(crate) place: Place,
    /// NULL for automatic indexes.
    pub(crate) sql: Option<String>,
}

/// Where an object's tree is (R1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Page(PageNo),
    Tree(TreeId),
    /// Views, triggers and virtual tables have no tree.
    None,
}

impl SchemaRow {
    /// Reads a record.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn decode(bytes: &[u8], encoding: Encoding) -> Result<SchemaRow, String> {
        let fail = |error: record::RecordError| error.to_string();
        let mut columns = Record::parse(bytes).map_err(fail)?.columns();
        let mut next = || columns.next_value().map_err(fail).map(|v| v.unwrap_or(ValueRef::Null));
        let text = |value: ValueRef<'_>| value.text(encoding).map(|text| text.into_owned());
        let kind = text(next()?).ok_or("an object without a type")?;
        let name = text(next()?).ok_or("an object without a name")?;
        let table = text(next()?).unwrap_or_default();
        let place = Place::of(next()?)?;
        let sql = text(next()?);
        Ok(SchemaRow { kind, name, table, place, sql })
    }

    /// The record.
    pub(crate) fn encode(&self, encoding: Encoding) -> Result<Vec<u8>, record::RecordError> {
        let texts = [&self.kind, &self.name, &self.table].map(|text| Given::Text(text.into()));
        let sql = self.sql.as_ref().map_or(Given::Null, |sql| Given::Text(sql.into()));
        let [kind, name, table] =
            texts.each_ref().map(|text| apply(Affinity::Text, text, encoding));
        let sql = apply(Affinity::Text, &sql, encoding);
        let place = Stored::Integer(self.place.number());
        let values = [kind, name, table, place, sql];
        let mut out = Vec::new();
        record::encode(values.iter().map(Stored::as_record), &mut out)?;
        Ok(out)
    }
}

impl Place {
    fn of(value: ValueRef<'_>) -> Result<Place, String> {
        match value.integer().unwrap_or(0) {
            0 => Ok(Place::None),
            n => match (u32::try_from(n), u32::try_from(n.unsigned_abs())) {
                (Ok(page), _) => Ok(Place::Page(PageNo(page))),
                (Err(_), Ok(tree)) if n < 0 => Ok(Place::Tree(TreeId(tree))),
                _ => Err(format!("impossible root page {n}")),
            },
        }
    }

    fn number(self) -> i64 {
        match self {
            Place::Page(page) => i64::from(page.0),
            Place::Tree(tree) => -i64::from(tree.0),
            Place::None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r1_places_survive_the_record() {
        for encoding in [Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be] {
            for place in [Place::Page(PageNo(7)), Place::Tree(TreeId(9)), Place::None] {
                let row = SchemaRow {
                    kind: "table".into(),
                    name: "t\u{e9}".into(),
                    table: "t".into(),
                    place,
                    sql: Some("CREATE TABLE t(a)".into()),
                };
                let bytes = row.encode(encoding).unwrap();
                assert_eq!(SchemaRow::decode(&bytes, encoding).unwrap(), row);
            }
        }
    }
}
