//! `like` and `glob`, the functions behind the operators. The pattern is the first argument.

use heddle_value::utf8::{count_chars, next_char, until_nul};
use heddle_value::{Collation, LikePattern, Value};

use crate::arguments::{argument, text_argument, text_of};
use crate::{FunctionError, Result, Surroundings};

fn check_pattern(pattern: &Value) -> Result<()> {
    let length = match pattern {
        Value::Text(text) => text.len(),
        Value::Blob(blob) => blob.len(),
        _ => 0,
    };
    if length > LikePattern::MAX_LENGTH {
        return Err(FunctionError::Failed("LIKE or GLOB pattern too complex".into()));
    }
    Ok(())
}

fn matches(args: &[Value], compile: impl FnOnce(&[u8]) -> LikePattern) -> Value {
    let (Some(pattern), Some(text)) = (text_argument(args, 0), text_argument(args, 1)) else {
        return Value::Null;
    };
    Value::from(compile(pattern.as_bytes()).matches(text.as_bytes()))
}

/// `like(PATTERN, TEXT, ESCAPE)`.
pub(super) fn like(around: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    check_pattern(argument(args, 0))?;
    let mut escape = None;
    if let Some(value) = args.get(2) {
        let Some(text) = text_of(value) else { return Ok(Value::Null) };
        let text = until_nul(text.as_bytes());
        if count_chars(text) != 1 {
            let message = "ESCAPE expression must be a single character";
            return Err(FunctionError::Failed(message.into()));
        }
        escape = next_char(text).map(|(code, _)| code);
    }
    let case_sensitive = around.case_sensitive_like();
    Ok(matches(args, |pattern| LikePattern::like(pattern, escape, case_sensitive)))
}

/// `glob(PATTERN, TEXT)`.
pub(super) fn glob(_: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    check_pattern(argument(args, 0))?;
    Ok(matches(args, LikePattern::glob))
}
