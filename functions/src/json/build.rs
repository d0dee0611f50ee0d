//! JSON from values: `json_array`, `json_object`, `json_quote`, and JSON in its other form: `json`, `jsonb`, `json_pretty`.

use std::borrow::Cow;

use heddle_value::{Collation, Value};

use super::argument::{c_string, document, failed, give, give_text, json_text, plain_text, write};
use super::print::{print_pretty, quote};
use crate::{Result, ScalarFunction, Surroundings};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("json", 1, Some(1), json::<false>),
    ScalarFunction::new("jsonb", 1, Some(1), json::<true>),
    ScalarFunction::new("json_array", 0, None, array::<false>),
    ScalarFunction::new("jsonb_array", 0, None, array::<true>),
    ScalarFunction::new("json_object", 0, None, object::<false>),
    ScalarFunction::new("jsonb_object", 0, None, object::<true>),
    ScalarFunction::new("json_quote", 1, Some(1), json_quote),
    ScalarFunction::new("json_pretty", 1, Some(2), pretty),
];

fn json<const JSONB: bool>(
    around: &mut dyn Surroundings,
    _: &Collation,
    arguments: &[Value],
) -> Result<Value> {
    let Some(json) = arguments.first() else { return Ok(Value::Null) };
    let blob = document(json)?;
    blob.map_or(Ok(Value::Null), |blob| give::<JSONB>(around, blob))
}

fn array<const JSONB: bool>(
    around: &mut dyn Surroundings,
    _: &Collation,
    arguments: &[Value],
) -> Result<Value> {
    let mut out = vec![b'['];
    for argument in arguments {
        if out.len() > 1 {
            out.push(b',');
        }
        write(argument, &mut out)?;
    }
    out.push(b']');
    give_text::<JSONB>(around, out)
}

fn object<const JSONB: bool>(
    around: &mut dyn Surroundings,
    _: &Collation,
    arguments: &[Value],
) -> Result<Value> {
    let (pairs, []) = arguments.as_chunks() else {
        return failed("json_object() requires an even number of arguments");
    };
    if pairs.iter().any(|[label, _]| !matches!(label, Value::Text(_))) {
        return failed("json_object() labels must be TEXT");
    }
    let mut out = vec![b'{'];
    for [label, value] in pairs {
        if out.len() > 1 {
            out.push(b',');
        }
        if let Value::Text(label) = label {
            quote(label.as_bytes(), &mut out);
        }
        out.push(b':');
        write(value, &mut out)?;
    }
    out.push(b'}');
    give_text::<JSONB>(around, out)
}

fn json_quote(around: &mut dyn Surroundings, _: &Collation, arguments: &[Value]) -> Result<Value> {
    let mut out = Vec::new();
    write(arguments.first().unwrap_or(&Value::Null), &mut out)?;
    json_text(around, out)
}

fn pretty(around: &mut dyn Surroundings, _: &Collation, arguments: &[Value]) -> Result<Value> {
    let Some(blob) = document(arguments.first().unwrap_or(&Value::Null))? else {
        return Ok(Value::Null);
    };
    let indent = arguments.get(1).and_then(c_string).unwrap_or(Cow::Borrowed(b"    "));
    let mut out = Vec::with_capacity(blob.len());
    print_pretty(&blob, &indent, around.max_length(), &mut out)?;
    plain_text(around, out)
}
