//! The parameters of a statement: by position or by name.

use crate::value::{IntoValue, Value};
use crate::{Error, Result};

/// Parameters.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Params {
    /// None.
    #[default]
    None,
    /// In the order of their numbers, from 1.
    Positional(Vec<Value>),
    /// By name; the sign before it (`:`, `@`, `$`) may be left out.
    Named(Vec<(String, Value)>),
}

/// What can be given as the parameters of a statement: `()`, tuples, arrays, vectors, and what the macros [`crate::params!`] and
/// [`crate::named_params!`] make.
pub trait IntoParams {
    /// As parameters.
    ///
    /// # Errors
    /// [`Error::Conversion`] of a value that can't be stored.
    fn into_params(self) -> Result<Params>;
}

/// Parameters from whatever gives values, by position.
pub fn params_from_iter<I>(values: I) -> impl IntoParams
where
    I: IntoIterator,
    I::Item: IntoValue,
{
    values.into_iter().map(IntoValue::into_value).collect::<Vec<Result<Value>>>()
}

impl Params {
    /// The values in the order of a statement's parameters, whose names these are. What is not given is NULL.
    ///
    /// # Errors
    /// [`Error::Range`] for a value with no parameter.
    pub(crate) fn for_parameters(
        self,
        names: &[Option<Box<str>>],
    ) -> Result<Vec<heddle_value::Value>> {
        match self {
            Params::None => Ok(Vec::new()),
            Params::Positional(values) if values.len() > names.len() => {
                let (given, wanted) = (values.len(), names.len());
                Err(Error::Range(format!("{given} values for {wanted} parameters")))
            }
            Params::Positional(values) => Ok(values.into_iter().map(Into::into).collect()),
            Params::Named(given) => {
                let mut values = vec![heddle_value::Value::Null; names.len()];
                for (name, value) in given {
                    let is = |known: &Option<Box<str>>| {
                        known.as_ref().is_some_and(|known| is_name(known, &name))
                    };
                    let at = names.iter().position(is);
                    let slot = at.and_then(|at| values.get_mut(at));
                    let Some(slot) = slot else {
                        return Err(Error::Range(format!("there is no parameter {name}")));
                    };
                    *slot = value.into();
                }
                Ok(values)
            }
        }
    }
}

/// Whether a parameter, with its sign, has this name, with or without it.
fn is_name(known: &str, name: &str) -> bool {
    known == name || known.get(1..) == Some(name)
}

impl IntoParams for Params {
    fn into_params(self) -> Result<Params> {
        Ok(self)
    }
}

impl IntoParams for () {
    fn into_params(self) -> Result<Params> {
        Ok(Params::None)
    }
}

fn positional<T: IntoValue>(values: impl IntoIterator<Item = T>) -> Result<Params> {
    let values: Result<Vec<Value>> = values.into_iter().map(T::into_value).collect();
    Ok(Params::Positional(values?))
}

fn named<N: Into<String>, T: IntoValue>(
    values: impl IntoIterator<Item = (N, T)>,
) -> Result<Params> {
    let values = values.into_iter().map(|(name, value)| Ok((name.into(), value.into_value()?)));
    Ok(Params::Named(values.collect::<Result<_>>()?))
}

impl<T: IntoValue> IntoParams for Vec<T> {
    fn into_params(self) -> Result<Params> {
        positional(self)
    }
}

impl<T: IntoValue, const N: usize> IntoParams for [T; N] {
    fn into_params(self) -> Result<Params> {
        positional(self)
    }
}

impl<T: IntoValue + Clone, const N: usize> IntoParams for &[T; N] {
    fn into_params(self) -> Result<Params> {
        positional(self.iter().cloned())
    }
}

impl<T: IntoValue + Clone> IntoParams for &[T] {
    fn into_params(self) -> Result<Params> {
        positional(self.iter().cloned())
    }
}

impl<T: IntoValue> IntoParams for Vec<(String, T)> {
    fn into_params(self) -> Result<Params> {
        named(self)
    }
}

impl<T: IntoValue> IntoParams for Vec<(&str, T)> {
    fn into_params(self) -> Result<Params> {
        named(self)
    }
}

impl<T: IntoValue, const N: usize> IntoParams for [(&str, T); N] {
    fn into_params(self) -> Result<Params> {
        named(self)
    }
}

impl<T: IntoValue + Clone, const N: usize> IntoParams for &[(&str, T); N] {
    fn into_params(self) -> Result<Params> {
        named(self.iter().map(|(name, value)| (*name, value.clone())))
    }
}

macro_rules! tuples {
    ($($($name:ident $at:tt),+;)*) => {$(
        impl<$($name: IntoValue),+> IntoParams for ($($name,)+) {
            fn into_params(self) -> Result<Params> {
                Ok(Params::Positional(vec![$(self.$at.into_value()?),+]))
            }
        }
    )*};
}

tuples! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15;
}

/// Parameters by position, of any types: `params![1, "two", 3.0]`.
#[macro_export]
macro_rules! params {
    () => { () };
    ($($value:expr),+ $(,)?) => {
        [$($crate::IntoValue::into_value($value)),+]
    };
}

/// Parameters by name, of any types: `named_params! { ":id": 1, ":name": "Ada" }`.
#[macro_export]
macro_rules! named_params {
    () => { () };
    ($($name:literal: $value:expr),+ $(,)?) => {
        [$(($name, $crate::IntoValue::into_value($value))),+]
    };
}
