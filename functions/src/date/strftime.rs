//! `strftime(PATTERN, TIME, MODIFIER, ...)`.

use heddle_value::utf8::until_nul;
use heddle_value::{Collation, Value};

use crate::arguments::{text_argument, text_result};
use crate::printf::render;
use crate::{Result, Surroundings};

use super::calendar::{DAY, Date};
use super::moment::{Moment, UNIX_EPOCH};

/// `strftime`: NULL if the pattern has a letter that means nothing.
pub(super) fn strftime(
    around: &mut dyn Surroundings,
    _: &Collation,
    args: &[Value],
) -> Result<Value> {
    let Some(pattern) = text_argument(args, 0) else { return Ok(Value::Null) };
    let Some(moment) = super::moment(around, args.get(1..).unwrap_or_default()) else {
        return Ok(Value::Null);
    };
    let mut out = Vec::new();
    let mut rest = until_nul(pattern.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let Some((&letter, after)) = rest.split_first() else { return Ok(Value::Null) };
        rest = after;
        match part(around, letter, moment)? {
            Some(part) => out.extend(part),
            None => return Ok(Value::Null),
        }
    }
    text_result(around, out)
}

/// Days since the moment's January 1.
fn day_of_year(moment: &Moment) -> i64 {
    let mut first = *moment;
    let date = first.by_parts();
    first.date = Some(Date { month: 1, day: 1, ..date });
    first.compute_julian();
    (moment.millis() - first.millis() + DAY / 2) / DAY
}

/// Days since Monday.
fn since_monday(moment: &Moment) -> i64 {
    (moment.millis() + DAY / 2) / DAY % 7
}

/// Days since Sunday.
fn since_sunday(moment: &Moment) -> i64 {
    (moment.millis() + DAY / 2 + DAY) / DAY % 7
}

/// The Thursday of its week, whose year is the one that ISO 8601 counts the week to.
fn thursday(moment: &Moment) -> Moment {
    let mut thursday = *moment;
    thursday.shift((3 - since_monday(moment)) * DAY);
    thursday.date = None;
    thursday.compute_date();
    thursday
}

/// What a letter means; `None` for nothing.
fn part(around: &dyn Surroundings, letter: u8, mut moment: Moment) -> Result<Option<Vec<u8>>> {
    let Date { year, month, day } = moment.compute_date();
    let time = moment.compute_time();
    let (hour, minute, second) = (time.hour, time.minute, time.second as i64);
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let printed = |pattern: &[u8], real: f64| render(around, pattern, &[Value::Real(real)]);
    let text = match letter {
        b'd' => format!("{day:02}"),
        b'e' => format!("{day:2}"),
        b'f' => return printed(b"%06.3f", time.second.min(59.999)).map(Some),
        b'F' => format!("{year:04}-{month:02}-{day:02}"),
        b'g' => format!("{:02}", thursday(&moment).compute_date().year % 100),
        b'G' => format!("{:04}", thursday(&moment).compute_date().year),
        b'H' => format!("{hour:02}"),
        b'I' => format!("{twelve:02}"),
        b'j' => format!("{:03}", day_of_year(&moment) + 1),
        b'J' => return printed(b"%.16g", moment.millis() as f64 / DAY as f64).map(Some),
        b'k' => format!("{hour:2}"),
        b'l' => format!("{twelve:2}"),
        b'm' => format!("{month:02}"),
        b'M' => format!("{minute:02}"),
        b'p' => if hour >= 12 { "PM" } else { "AM" }.to_string(),
        b'P' => if hour >= 12 { "pm" } else { "am" }.to_string(),
        b'R' => format!("{hour:02}:{minute:02}"),
        b's' if moment.subseconds => {
            return printed(b"%.3f", (moment.millis() - UNIX_EPOCH) as f64 / 1000.0).map(Some);
        }
        b's' => (moment.millis() / 1000 - UNIX_EPOCH / 1000).to_string(),
        b'S' => format!("{second:02}"),
        b'T' => format!("{hour:02}:{minute:02}:{second:02}"),
        b'u' => (since_monday(&moment) + 1).to_string(),
        b'w' => since_sunday(&moment).to_string(),
        b'U' => format!("{:02}", (day_of_year(&moment) - since_sunday(&moment) + 7) / 7),
        b'V' => format!("{:02}", day_of_year(&thursday(&moment)) / 7 + 1),
        b'W' => format!("{:02}", (day_of_year(&moment) - since_monday(&moment) + 7) / 7),
        b'Y' => format!("{year:04}"),
        b'%' => "%".to_string(),
        _ => return Ok(None),
    };
    Ok(Some(text.into_bytes()))
}
