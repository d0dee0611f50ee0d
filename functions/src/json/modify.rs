//! JSON changed: `json_insert`, `json_replace`, `json_set`, `json_array_insert`, `json_remove`, `json_patch`.

use std::borrow::Cow;

use heddle_value::{Collation, Value};

use super::argument::{c_string, document, failed, give, to_element};
use super::edit::{Edit, edit, replace_all};
use super::patch::merge;
use super::path::Miss;
use crate::{Result, ScalarFunction, Surroundings};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("json_insert", 0, None, change::<false, INSERT>),
    ScalarFunction::new("jsonb_insert", 0, None, change::<true, INSERT>),
    ScalarFunction::new("json_replace", 0, None, change::<false, REPLACE>),
    ScalarFunction::new("jsonb_replace", 0, None, change::<true, REPLACE>),
    ScalarFunction::new("json_set", 0, None, change::<false, SET>),
    ScalarFunction::new("jsonb_set", 0, None, change::<true, SET>),
    ScalarFunction::new("json_array_insert", 0, None, change::<false, ARRAY_INSERT>),
    ScalarFunction::new("jsonb_array_insert", 0, None, change::<true, ARRAY_INSERT>),
    ScalarFunction::new("json_remove", 0, None, remove::<false>),
    ScalarFunction::new("jsonb_remove", 0, None, remove::<true>),
    ScalarFunction::new("json_patch", 2, Some(2), patch::<false>),
    ScalarFunction::new("jsonb_patch", 2, Some(2), patch::<true>),
];

const INSERT: u8 = 0;
const REPLACE: u8 = 1;
const SET: u8 = 2;
const ARRAY_INSERT: u8 = 3;

/// Changes the document in the first argument at each path that follows it to the value that follows that.
fn change<const JSONB: bool, const HOW: u8>(
    around: &mut dyn Surroundings,
    _: &Collation,
    arguments: &[Value],
) -> Result<Value> {
    let [json, changes @ ..] = arguments else { return Ok(Value::Null) };
    let (changes, []) = changes.as_chunks() else {
        let name = match HOW {
            INSERT => "insert",
            REPLACE => "replace",
            SET => "set",
            _ => "array_insert",
        };
        return failed(format!("json_{name}() needs an odd number of arguments"));
    };
    let Some(mut blob) = document(json)? else { return Ok(Value::Null) };
    for [path, value] in changes {
        let Some(path) = c_string(path) else { continue };
        let Some(steps) = path.strip_prefix(b"$") else { return Err(Miss::Bad.error(&path)) };
        let value = to_element(value)?;
        if steps.is_empty() {
            if matches!(HOW, REPLACE | SET) {
                replace_all(blob.to_mut(), &value);
            }
            continue;
        }
        let how = match HOW {
            INSERT => Edit::Insert(&value),
            REPLACE => Edit::Replace(&value),
            SET => Edit::Set(&value),
            _ => Edit::ArrayInsert(&value),
        };
        match edit(blob.to_mut(), steps, how) {
            Ok(()) | Err(Miss::NotFound) => {}
            Err(miss) => return Err(miss.error(&path)),
        }
        if blob.len() > around.max_length() {
            return Err(crate::FunctionError::TooBig);
        }
    }
    give::<JSONB>(around, blob)
}

fn remove<const JSONB: bool>(
    around: &mut dyn Surroundings,
    _: &Collation,
    arguments: &[Value],
) -> Result<Value> {
    let [json, paths @ ..] = arguments else { return Ok(Value::Null) };
    let Some(mut blob) = document(json)? else { return Ok(Value::Null) };
    for path in paths {
        let Some(path) = c_string(path) else { return Ok(Value::Null) };
        let Some(steps) = path.strip_prefix(b"$") else { return Err(Miss::Bad.error(&path)) };
        if steps.is_empty() {
            return Ok(Value::Null);
        }
        match edit(blob.to_mut(), steps, Edit::Remove) {
            Ok(()) | Err(Miss::NotFound) => {}
            Err(miss) => return Err(miss.error(&path)),
        }
    }
    give::<JSONB>(around, blob)
}

fn patch<const JSONB: bool>(
    around: &mut dyn Surroundings,
    _: &Collation,
    arguments: &[Value],
) -> Result<Value> {
    let [target, patch] = arguments else { return Ok(Value::Null) };
    let Some(target) = document(target)? else { return Ok(Value::Null) };
    let Some(patch) = document(patch)? else { return Ok(Value::Null) };
    give::<JSONB>(around, Cow::Owned(merge(&target, &patch)?))
}
