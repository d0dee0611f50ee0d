//! `timediff(A, B)`: what has to be added to B to make A, as a modifier takes it.

use heddle_value::{Collation, Value};

use crate::arguments::text_result;
use crate::printf::render;
use crate::{Result, Surroundings};

use super::calendar::{Date, start_of};
use super::moment::Moment;

/// The years and months between two moments, after which `from` is as near to `to` as whole months bring it.
struct Months {
    years: i64,
    months: i64,
}

/// Moves `from` on to `to` by whole months; `sign` is 1 if `to` is the later one, else -1.
fn approach(to: &Moment, to_date: Date, from: &mut Moment, sign: i64) -> Option<Months> {
    let mut date = from.by_parts();
    let mut years = (to_date.year - date.year) * sign;
    let mut months = (to_date.month - date.month) * sign;
    date.year = to_date.year;
    date.month = to_date.month;
    if months < 0 {
        years -= 1;
        months += 12;
    }
    loop {
        from.julian = None;
        from.date = Some(date);
        from.compute_julian();
        if from.failed {
            return None;
        }
        if (to.millis() - from.millis()) * sign >= 0 {
            return Some(Months { years, months });
        }
        // Too far: one month back.
        months -= 1;
        if months < 0 {
            months = 11;
            years -= 1;
        }
        date.month -= sign;
        if !(1..=12).contains(&date.month) {
            date.month += 12 * sign;
            date.year -= sign;
        }
    }
}

/// `timediff(A, B)`.
pub(super) fn timediff(
    around: &mut dyn Surroundings,
    _: &Collation,
    args: &[Value],
) -> Result<Value> {
    let one = |index: usize| super::moment(around, args.get(index..=index)?);
    let (Some(mut to), Some(mut from)) = (one(0), one(1)) else { return Ok(Value::Null) };
    let to_date = to.compute_date();
    let sign = if to.millis() >= from.millis() { 1 } else { -1 };
    let Some(months) = approach(&to, to_date, &mut from, sign) else { return Ok(Value::Null) };
    // What is left is less than two months: shown as a moment in January of a leap year, then days and time.
    let left = (to.millis() - from.millis()) * sign;
    let mut rest = Moment::of_utc(start_of(Date { year: 0, month: 1, day: 1 }) + left);
    let (days, time) = (rest.compute_date().day - 1, rest.compute_time());
    let text = format!(
        "{}{:04}-{:02}-{days:02} {:02}:{:02}:",
        if sign < 0 { '-' } else { '+' },
        months.years,
        months.months,
        time.hour,
        time.minute
    );
    let mut text = text.into_bytes();
    text.extend(render(around, b"%06.3f", &[Value::Real(time.second)])?);
    text_result(around, text)
}
