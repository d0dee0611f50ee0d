//! The functions of dates and times.
//!
//! - [`moment`]: a point in time and its parts. [`calendar`]: days and dates. [`parse`]: moments in text. [`modifier`]: what changes them.
//!   [`local`]: local time. [`strftime`]: as text after a pattern. [`difference`]: `timediff`.
//!
//! # Invariants
//! - D1: a moment is whole milliseconds since noon of November 24, 4714 BC (julian day 0), Gregorian throughout; results lie between
//!   then and the end of the year 9999.
//! - D2: what cannot be read, or leaves that range, is NULL.
//! - D3: all calls in a statement have the same `now`.

mod calendar;
mod difference;
mod local;
mod modifier;
mod moment;
mod parse;
mod strftime;

use heddle_value::utf8::until_nul;
use heddle_value::{Collation, Value};

use crate::arguments::{argument, text_argument};
use crate::{Result, ScalarFunction, Surroundings};

use moment::{Moment, UNIX_EPOCH};

/// The functions of dates and times.
pub(crate) const SCALARS: &[ScalarFunction] = &[
    ScalarFunction::new("current_date", 0, Some(0), date),
    ScalarFunction::new("current_time", 0, Some(0), time),
    ScalarFunction::new("current_timestamp", 0, Some(0), datetime),
    ScalarFunction::new("date", 0, None, date),
    ScalarFunction::new("datetime", 0, None, datetime),
    ScalarFunction::new("julianday", 0, None, julianday),
    ScalarFunction::new("strftime", 0, None, strftime::strftime),
    ScalarFunction::new("time", 0, None, time),
    ScalarFunction::new("timediff", 2, Some(2), difference::timediff),
    ScalarFunction::new("unixepoch", 0, None, unixepoch),
];

/// The moment that a time value and its modifiers mean; `None` for none (D2).
fn moment(around: &dyn Surroundings, args: &[Value]) -> Option<Moment> {
    let mut moment = match argument(args, 0) {
        _ if args.is_empty() => parse::now(around),
        Value::Integer(v) => Moment::of_number(*v as f64),
        Value::Real(v) => Moment::of_number(*v),
        Value::Null => return None,
        other => parse::time_value(around, until_nul(other.to_text().as_bytes()))?,
    };
    for index in 1..args.len() {
        let text = text_argument(args, index)?;
        modifier::apply(around, until_nul(text.as_bytes()), &mut moment, index == 1)?;
    }
    moment.compute_julian();
    if moment.failed || !moment.julian.is_some_and(calendar::is_valid) {
        return None;
    }
    if args.len() == 1 && moment.date.is_some_and(|d| d.day > 28) {
        // Beyond the end of its month it is one in the next month.
        moment.date = None;
    }
    Some(moment)
}

fn shown(
    around: &dyn Surroundings,
    args: &[Value],
    show: impl FnOnce(&mut Moment) -> String,
) -> Value {
    moment(around, args).map_or(Value::Null, |mut m| Value::text(show(&mut m)))
}

fn date_text(moment: &mut Moment) -> String {
    let date = moment.compute_date();
    let sign = if date.year < 0 { "-" } else { "" };
    format!("{sign}{:04}-{:02}-{:02}", date.year.abs(), date.month, date.day)
}

fn time_text(moment: &mut Moment) -> String {
    let time = moment.compute_time();
    let start = format!("{:02}:{:02}", time.hour, time.minute);
    if moment.subseconds {
        let millis = (time.second * 1000.0 + 0.5) as i64;
        format!("{start}:{:02}.{:03}", millis / 1000, millis % 1000)
    } else {
        format!("{start}:{:02}", time.second as i64)
    }
}

/// `date(TIME, MODIFIER, ...)`.
fn date(around: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    Ok(shown(around, args, date_text))
}

/// `time(TIME, MODIFIER, ...)`.
fn time(around: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    Ok(shown(around, args, time_text))
}

/// `datetime(TIME, MODIFIER, ...)`.
fn datetime(around: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    Ok(shown(around, args, |moment| format!("{} {}", date_text(moment), time_text(moment))))
}

/// `julianday(TIME, MODIFIER, ...)`: a real.
fn julianday(around: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    let moment = moment(around, args);
    Ok(moment.map_or(Value::Null, |m| Value::real(m.millis() as f64 / 86_400_000.0)))
}

/// `unixepoch(TIME, MODIFIER, ...)`: whole seconds, or with `subsec` a real.
fn unixepoch(around: &mut dyn Surroundings, _: &Collation, args: &[Value]) -> Result<Value> {
    Ok(match moment(around, args) {
        None => Value::Null,
        Some(m) if m.subseconds => Value::real((m.millis() - UNIX_EPOCH) as f64 / 1000.0),
        Some(m) => Value::Integer(m.millis() / 1000 - UNIX_EPOCH / 1000),
    })
}
