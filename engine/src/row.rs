//! Rows on their way in ([`RowValues`]) and out ([`Row`]).
//!
//! A [`Row`] is the record's bytes and a borrowed view of the table's definition: a column is
//! decoded when it is asked for, and the others never.

use smallvec::SmallVec;

use heddle_base::RowId;

use crate::{Error, FromValue, Result, ToValue, Value, ValueRef};

/// The values of a whole row (or of a key), in the order of the columns: a tuple, an array, a
/// slice or a vector of anything that is [`ToValue`].
///
/// ```
/// # use heddle_engine::{RowValues, Value};
/// fn takes(row: impl RowValues) -> usize { row.to_values().len() }
/// assert_eq!(takes((1, "Ada", None::<f64>)), 3);
/// assert_eq!(takes(vec![Value::Null, Value::from("x")]), 2);
/// ```
pub trait RowValues: Send + Sync {
    /// A view of each value.
    fn to_values(&self) -> SmallVec<[ValueRef<'_>; 8]>;
}

impl<T: RowValues + ?Sized> RowValues for &T {
    fn to_values(&self) -> SmallVec<[ValueRef<'_>; 8]> {
        (**self).to_values()
    }
}

impl<T: ToValue> RowValues for [T] {
    fn to_values(&self) -> SmallVec<[ValueRef<'_>; 8]> {
        self.iter().map(ToValue::to_value).collect()
    }
}

impl<T: ToValue> RowValues for Vec<T> {
    fn to_values(&self) -> SmallVec<[ValueRef<'_>; 8]> {
        self.as_slice().to_values()
    }
}

impl<T: ToValue, const N: usize> RowValues for [T; N] {
    fn to_values(&self) -> SmallVec<[ValueRef<'_>; 8]> {
        self.as_slice().to_values()
    }
}

macro_rules! tuples {
    ($(($($t:ident $i:tt),+))*) => { $(
        impl<$($t: ToValue),+> RowValues for ($($t,)+) {
            fn to_values(&self) -> SmallVec<[ValueRef<'_>; 8]> {
                let mut values = SmallVec::new();
                $(values.push(self.$i.to_value());)+
                values
            }
        }
    )* };
}
tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
}

/// How a column is named: by name or by position.
pub trait ColumnName {
    #[doc(hidden)]
    fn position(&self, names: &[Box<str>]) -> Option<usize>;
    #[doc(hidden)]
    fn describe(&self) -> String;
}

impl ColumnName for str {
    fn position(&self, names: &[Box<str>]) -> Option<usize> {
        names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(self))
    }
    fn describe(&self) -> String {
        self.to_owned()
    }
}

impl ColumnName for usize {
    fn position(&self, names: &[Box<str>]) -> Option<usize> {
        (*self < names.len()).then_some(*self)
    }
    fn describe(&self) -> String {
        self.to_string()
    }
}

impl<T: ColumnName + ?Sized> ColumnName for &T {
    fn position(&self, names: &[Box<str>]) -> Option<usize> {
        (**self).position(names)
    }
    fn describe(&self) -> String {
        (**self).describe()
    }
}

/// A row, as the transaction that read it sees it.
#[derive(Debug)]
pub struct Row<'t> {
    _table: std::marker::PhantomData<&'t ()>,
}

#[allow(unused_variables, missing_docs)]
impl<'t> Row<'t> {
    /// The rowid; `None` in a WITHOUT ROWID table.
    pub fn rowid(&self) -> Option<RowId> {
        None
    }
    pub fn get<T: FromValue>(&self, column: impl ColumnName) -> Result<T> {
        Err(Error::NoSuchColumn {
            table: String::new(),
            column: column.describe(),
        })
    }
    pub fn value(&self, column: impl ColumnName) -> Result<ValueRef<'_>> {
        Err(Error::NoSuchColumn {
            table: String::new(),
            column: column.describe(),
        })
    }
    pub fn values(&self) -> Result<Vec<Value>> {
        Ok(Vec::new())
    }
}
