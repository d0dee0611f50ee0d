//! Rows as values of types with `Deserialize`.

use serde::de::value::{Error as SerdeError, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::{Error, Result, Row, Value};

impl Row {
    /// The row as a value of a type: a struct by the names of columns, a tuple or a single value by their order.
    ///
    /// # Errors
    /// [`Error::Conversion`] if it does not fit.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(RowDeserializer(self)).map_err(|error| Error::Conversion(error.to_string()))
    }
}

struct RowDeserializer<'a>(&'a Row);

impl RowDeserializer<'_> {
    fn values(&self) -> impl Iterator<Item = OneValue> {
        self.0.values().into_iter().map(OneValue)
    }

    fn first(&self) -> OneValue {
        OneValue(self.0.values().into_iter().next().unwrap_or_default())
    }
}

impl<'de> Deserializer<'de> for RowDeserializer<'_> {
    type Error = SerdeError;

    fn deserialize_any<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> std::result::Result<V::Value, SerdeError> {
        self.first().deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> std::result::Result<V::Value, SerdeError> {
        self.first().deserialize_option(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> std::result::Result<V::Value, SerdeError> {
        let names = (0..self.0.column_count())
            .map(|at| self.0.column_name(at).unwrap_or_default().to_owned());
        let names: Vec<String> = names.collect();
        visitor.visit_map(MapDeserializer::new(names.into_iter().zip(self.values())))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> std::result::Result<V::Value, SerdeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> std::result::Result<V::Value, SerdeError> {
        visitor.visit_seq(SeqDeserializer::new(self.values()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> std::result::Result<V::Value, SerdeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> std::result::Result<V::Value, SerdeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> std::result::Result<V::Value, SerdeError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct enum identifier
        ignored_any
    }
}

/// One column's value.
struct OneValue(Value);

impl IntoDeserializer<'_> for OneValue {
    type Deserializer = OneValue;

    fn into_deserializer(self) -> OneValue {
        self
    }
}

impl<'de> Deserializer<'de> for OneValue {
    type Error = SerdeError;

    fn deserialize_any<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> std::result::Result<V::Value, SerdeError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Integer(v) => visitor.visit_i64(v),
            Value::Real(v) => visitor.visit_f64(v),
            Value::Text(v) => visitor.visit_string(v),
            Value::Blob(v) => visitor.visit_byte_buf(v),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> std::result::Result<V::Value, SerdeError> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    /// SQL's truth values are integers.
    fn deserialize_bool<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> std::result::Result<V::Value, SerdeError> {
        match self.0 {
            Value::Integer(v) => visitor.visit_bool(v != 0),
            _ => self.deserialize_any(visitor),
        }
    }

    /// A blob as a `Vec<u8>`.
    fn deserialize_seq<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> std::result::Result<V::Value, SerdeError> {
        match self.0 {
            Value::Blob(v) => visitor.visit_seq(SeqDeserializer::new(v.into_iter())),
            _ => self.deserialize_any(visitor),
        }
    }

    /// A text names a variant.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> std::result::Result<V::Value, SerdeError> {
        match self.0 {
            Value::Text(v) => visitor.visit_enum(v.into_deserializer()),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> std::result::Result<V::Value, SerdeError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct
        map struct identifier ignored_any
    }
}
