//! What changes a moment: `start of month`, `+3 days`, `localtime` and the others.
//!
//! # Invariant
//! - M1: a modifier that means nothing makes no moment at all, so each returns `None` for that.

use heddle_value::number::{is_space, parse_number};

use crate::Surroundings;

use super::calendar::{DAY, Date};
use super::local::{to_local, to_utc};
use super::moment::{Moment, Time, UNIX_EPOCH};
use super::parse::{HOUR, MINUTE, YEAR, after, field, fields, is_subsecond, skip_spaces, time};

/// Applies a modifier. Those that say what a number means must come `first`.
pub(super) fn apply(
    around: &dyn Surroundings,
    text: &[u8],
    moment: &mut Moment,
    first: bool,
) -> Option<()> {
    let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
    let behind = |word: &str| {
        let start = text.get(..word.len())?;
        start.eq_ignore_ascii_case(word.as_bytes()).then(|| after(text, word.len()))
    };
    if matches!(text.first(), Some(b'+' | b'-' | b'0'..=b'9')) {
        add(text, moment)
    } else if is("auto") {
        first.then(|| auto(moment))
    } else if is("julianday") {
        // Only of a number that can be one.
        (first && moment.number.is_some() && moment.julian.is_some()).then(|| moment.number = None)
    } else if is("unixepoch") {
        let number = moment.number.filter(|_| first)?;
        seconds(moment, number).then_some(())
    } else if is("ceiling") {
        moment.compute_julian();
        moment.forget_parts();
        moment.overhang = 0;
        Some(())
    } else if is("floor") {
        moment.compute_julian();
        moment.shift(-moment.overhang * DAY);
        moment.forget_parts();
        Some(())
    } else if is("localtime") {
        if !moment.local {
            to_local(around, moment);
        }
        moment.utc = false;
        moment.local = true;
        Some(())
    } else if is("utc") {
        if !moment.utc {
            to_utc(around, moment);
        }
        Some(())
    } else if is_subsecond(text) {
        moment.subseconds = true;
        Some(())
    } else if let Some(unit) = behind("start of ") {
        start(moment, unit)
    } else if let Some(unit) = behind("end of ") {
        end(moment, unit)
    } else {
        weekday(moment, behind("weekday ")?)
    }
}

/// Takes the number for seconds since 1970; whether it can be.
fn seconds(moment: &mut Moment, number: f64) -> bool {
    let millis = number * 1000.0 + UNIX_EPOCH as f64;
    let fits = (0.0..464_269_060_800_000.0).contains(&millis);
    if fits {
        moment.set((millis + 0.5) as i64);
    }
    fits
}

/// A number that cannot be a julian day is taken for seconds since 1970.
fn auto(moment: &mut Moment) {
    match moment.number {
        Some(number) if moment.julian.is_none() => {
            if (-210_866_760_000.0..=253_402_300_799.0).contains(&number) {
                seconds(moment, number);
            }
        }
        _ => moment.number = None,
    }
}

/// Whether there is anything whose day could start or end.
fn has_day(moment: &Moment) -> bool {
    moment.julian.is_some() || moment.date.is_some() || moment.time.is_some()
}

/// The date, to be given another time of day.
fn with_time(moment: &mut Moment, time: Time) -> Date {
    let date = moment.compute_date();
    moment.time = Some(time);
    moment.number = None;
    moment.zone = 0;
    moment.julian = None;
    date
}

/// `start of day`, `month` or `year`.
fn start(moment: &mut Moment, unit: &[u8]) -> Option<()> {
    if !has_day(moment) {
        return None;
    }
    let mut date = with_time(moment, Time { hour: 0, minute: 0, second: 0.0 });
    match unit.to_ascii_lowercase().as_slice() {
        b"day" => {}
        b"month" => date.day = 1,
        b"year" => (date.month, date.day) = (1, 1),
        _ => return None,
    }
    moment.date = moment.date.map(|_| date);
    Some(())
}

/// `end of day`, `month` or `year`: its last millisecond.
fn end(moment: &mut Moment, unit: &[u8]) -> Option<()> {
    if !has_day(moment) {
        return None;
    }
    let mut date = with_time(moment, Time { hour: 23, minute: 59, second: 59.999 });
    match unit.to_ascii_lowercase().as_slice() {
        b"day" => {}
        b"year" => (date.month, date.day) = (12, 31),
        b"month" => {
            date.day = 1;
            date.month += 1;
            if date.month > 12 {
                date.month = 1;
                date.year += 1;
            }
            if moment.date.is_some() {
                moment.set_date(date);
            }
            moment.compute_julian();
            moment.shift(-DAY);
            moment.forget_parts();
            return Some(());
        }
        _ => return None,
    }
    moment.date = moment.date.map(|_| date);
    Some(())
}

/// `weekday N`: on to this day of the week, 0 for Sunday, unless it is that; back to it with a minus.
fn weekday(moment: &mut Moment, text: &[u8]) -> Option<()> {
    let number = parse_number(text)?.as_real_lossy();
    if !(-6.0..=6.0).contains(&number) || number.trunc() != number {
        return None;
    }
    let wanted = number.abs() as i64;
    moment.by_parts();
    moment.zone = 0;
    moment.compute_julian();
    let today = (moment.millis() + DAY / 2 + DAY) / DAY % 7;
    if today != wanted {
        // Before julian day 0 `today` is negative, and it can be over a week.
        let ahead = if today > wanted { wanted - today + 7 } else { wanted - today };
        moment.shift(ahead * DAY);
        if text.contains(&b'-') {
            moment.shift(-7 * DAY);
        }
    }
    moment.forget_parts();
    Some(())
}

/// What begins with a sign or a digit: a number of units, a time of day, or a span of a date with or without one.
fn add(text: &[u8], moment: &mut Moment) -> Option<()> {
    let end = number_end(text);
    let (number, mut rest) = text.split_at(end);
    let number = parse_number(number)?.as_real_lossy();
    let negative = text.first() == Some(&b'-');
    let mut of_day = text;
    match rest.first() {
        Some(b'-') => {
            rest = add_date(text, end, moment)?;
            if rest.is_empty() {
                return Some(());
            }
            of_day = after(rest, 1);
            // Only a space stands between, and then a time.
            rest.first().filter(|&&b| is_space(b))?;
            fields(of_day, b':', [HOUR, MINUTE])?;
            add_time(of_day, negative, moment)
        }
        Some(b':') => {
            if !of_day.first().is_some_and(u8::is_ascii_digit) {
                of_day = after(of_day, 1);
            }
            add_time(of_day, negative, moment)
        }
        _ => add_units(number, skip_spaces(rest), moment),
    }
}

/// Where the number that a modifier begins with ends: at a space, a colon, or the first minus of a date.
fn number_end(text: &[u8]) -> usize {
    let year = |index: usize| match index {
        5 => field(after(text, 1), YEAR).is_some(),
        6 => field(after(text, 1), LONG_YEAR).is_some(),
        _ => false,
    };
    let ends = |(index, byte): (usize, &u8)| {
        *byte == b':' || is_space(*byte) || (*byte == b'-' && year(index))
    };
    text.iter().enumerate().skip(1).find(|at| ends(*at)).map_or(text.len(), |(index, _)| index)
}

/// The years of a span can have five digits.
const LONG_YEAR: (usize, i64, i64) = (5, 0, 14_712);

/// Adds `+YYYY-MM-DD`, and gives what comes after it.
fn add_date<'a>(text: &'a [u8], end: usize, moment: &mut Moment) -> Option<&'a [u8]> {
    let (sign, span) = match text.split_first()? {
        (b'+', span) => (1, span),
        (b'-', span) => (-1, span),
        _ => return None,
    };
    let year = if end == 5 { YEAR } else { LONG_YEAR };
    let [years, months, days] = fields(span, b'-', [year, (2, 0, 11), (2, 0, 30)])?;
    let date = moment.by_parts();
    let month = date.month + sign * months;
    set_month(moment, Date { year: date.year + sign * years, month, ..date });
    moment.compute_julian();
    moment.date = None;
    moment.time = None;
    moment.shift(sign * days * DAY);
    Some(after(span, end + 5))
}

/// Sets a date whose month can be any number.
fn set_month(moment: &mut Moment, mut date: Date) {
    date.year += (date.month - 1).div_euclid(12);
    date.month = (date.month - 1).rem_euclid(12) + 1;
    if moment.date.is_some() {
        moment.set_date(date);
    }
}

/// Adds `HH:MM:SS.FFF`, which can have a time zone, as of a moment.
fn add_time(text: &[u8], negative: bool, moment: &mut Moment) -> Option<()> {
    let mut span = Moment::default();
    time(text, &mut span)?;
    span.compute_julian();
    let millis = (span.millis() - DAY / 2) % DAY;
    moment.compute_julian();
    moment.forget_parts();
    moment.shift(if negative { -millis } else { millis });
    Some(())
}

/// Adds a number of seconds, minutes, hours, days, months or years. Of the last two whole ones count by the calendar, and what is left
/// over as 30 or 365 days each.
fn add_units(number: f64, unit: &[u8], moment: &mut Moment) -> Option<()> {
    /// A name, the seconds in it, and the number below which it must be.
    const UNITS: [(&str, f64, f32); 6] = [
        ("second", 1.0, 4.6427e14),
        ("minute", 60.0, 7.7379e12),
        ("hour", 3600.0, 1.2897e11),
        ("day", 86_400.0, 5_373_485.0),
        ("month", 2_592_000.0, 176_546.0),
        ("year", 31_536_000.0, 14_713.0),
    ];
    if !(3..=10).contains(&unit.len()) {
        return None;
    }
    let one = unit.strip_suffix(b"s").or(unit.strip_suffix(b"S")).unwrap_or(unit);
    moment.compute_julian();
    moment.overhang = 0;
    let (name, seconds, _) = UNITS.iter().find(|(name, _, limit)| {
        one.eq_ignore_ascii_case(name.as_bytes()) && number.abs() < f64::from(*limit)
    })?;
    let whole = number.trunc();
    let mut left = number;
    if matches!(*name, "month" | "year") {
        let mut date = moment.by_parts();
        left -= whole;
        match *name {
            "month" => date.month += whole as i64,
            _ => date.year += whole as i64,
        }
        set_month(moment, date);
    }
    moment.compute_julian();
    let half = if number < 0.0 { -0.5 } else { 0.5 };
    moment.shift((left * 1000.0 * seconds + half) as i64);
    moment.forget_parts();
    Some(())
}
