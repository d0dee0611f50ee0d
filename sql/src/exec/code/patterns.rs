//! LIKE and GLOB: patterns are made ready once for as long as they stay the same.

use heddle_value::{LikePattern, Text, Value, utf8};

use super::{Evaluated, LikeNode};
use crate::Error;
use crate::ast::LikeOp;
use crate::exec::context::{Context, ReadyPattern};
use crate::exec::{Builder, Vector};

impl LikeNode {
    /// The operator on evaluated operands; `None` is NULL.
    pub(super) fn test(
        &self,
        value: &Value,
        pattern: &Value,
        escape: Option<&Value>,
        cx: &mut Context<'_>,
    ) -> Evaluated<Option<bool>> {
        let pattern_text = match pattern {
            Value::Text(text) => text.clone(),
            other => other.to_text(),
        };
        if pattern_text.len() > LikePattern::MAX_LENGTH {
            return Err(Error::sql("LIKE or GLOB pattern too complex").into());
        }
        let escape = match escape {
            None => None,
            Some(Value::Null) => return Ok(None),
            Some(escape) => Some(escape_character(&escape.to_text())?),
        };
        if value.is_null() || pattern.is_null() {
            return Ok(None);
        }
        let case_sensitive = self.op == LikeOp::Glob || cx.resources.case_sensitive_like;
        if cx.state.patterns.len() <= self.cache {
            cx.state.patterns.resize_with(self.cache + 1, || None);
        }
        let Some(place) = cx.state.patterns.get_mut(self.cache) else { return Ok(None) };
        let fits = |ready: &ReadyPattern| {
            ready.case_sensitive == case_sensitive
                && ready.escape == escape
                && ready.text == pattern_text
        };
        if !place.as_ref().is_some_and(fits) {
            let bytes = pattern_text.as_bytes();
            let pattern = match self.op {
                LikeOp::Glob => LikePattern::glob(bytes),
                _ => LikePattern::like(bytes, escape, case_sensitive),
            };
            *place = Some(ReadyPattern { text: pattern_text, escape, case_sensitive, pattern });
        }
        let Some(ready) = place else { return Ok(None) };
        Ok(Some(matches(&ready.pattern, value) != self.not))
    }

    /// The operator on all values of a column and one pattern.
    pub(super) fn test_all(
        &self,
        values: &Vector,
        pattern: &Value,
        cx: &mut Context<'_>,
    ) -> Evaluated<Vector> {
        // The first makes the pattern ready, and finds what is wrong with it.
        self.test(&Value::text(""), pattern, None, cx)?;
        let ready = cx.state.patterns.get(self.cache).and_then(Option::as_ref);
        let Some(ready) = ready.filter(|_| !pattern.is_null()) else {
            return Ok(Vector::constant(Value::Null, values.len()));
        };
        let mut out = Builder::default();
        for row in 0..values.len() {
            match values.with(row, |v| (!v.is_null()).then(|| matches(&ready.pattern, v))) {
                Some(matched) => out.push_integer(i64::from(matched != self.not)),
                None => out.push_null(),
            }
        }
        Ok(out.finish())
    }
}

fn matches(pattern: &LikePattern, value: &Value) -> bool {
    match value {
        Value::Text(text) => pattern.matches(text.as_bytes()),
        Value::Blob(blob) => pattern.matches(blob.as_bytes()),
        other => pattern.matches(other.to_text().as_bytes()),
    }
}

fn escape_character(text: &Text) -> Evaluated<u32> {
    match utf8::next_char(text.as_bytes()) {
        Some((character, [])) => Ok(character),
        _ => Err(Error::sql("ESCAPE expression must be a single character").into()),
    }
}
