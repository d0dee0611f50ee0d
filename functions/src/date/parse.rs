//! Moments in text.

use heddle_value::number::{is_space, parse_number};

use crate::Surroundings;

use super::calendar::{Date, days_of_month};
use super::moment::{Moment, Time, UNIX_EPOCH};

/// A number of digits and its least and largest value.
pub(super) type Field = (usize, i64, i64);

pub(super) const YEAR: Field = (4, 0, 9999);
const MONTH: Field = (2, 1, 12);
const DAY: Field = (2, 1, 31);
pub(super) const HOUR: Field = (2, 0, 24);
pub(super) const MINUTE: Field = (2, 0, 59);

/// What comes after `count` bytes.
pub(super) fn after(text: &[u8], count: usize) -> &[u8] {
    text.get(count..).unwrap_or_default()
}

pub(super) fn skip_spaces(text: &[u8]) -> &[u8] {
    after(text, text.iter().take_while(|&&b| is_space(b)).count())
}

/// One number of a fixed width.
pub(super) fn field(text: &[u8], (width, least, most): Field) -> Option<i64> {
    let digits = text.get(..width).filter(|d| d.iter().all(u8::is_ascii_digit))?;
    let value = digits.iter().fold(0, |sum, d| sum * 10 + i64::from(d - b'0'));
    (least..=most).contains(&value).then_some(value)
}

/// Numbers of fixed widths with a separator between them.
pub(super) fn fields<const N: usize>(
    mut text: &[u8],
    separator: u8,
    wanted: [Field; N],
) -> Option<[i64; N]> {
    let mut values = [0; N];
    for (index, (value, wanted)) in values.iter_mut().zip(wanted).enumerate() {
        if index > 0 {
            text = text.strip_prefix(&[separator])?;
        }
        *value = field(text, wanted)?;
        text = after(text, wanted.0);
    }
    Some(values)
}

/// The moment of the statement.
pub(super) fn now(around: &dyn Surroundings) -> Moment {
    Moment::of_utc(around.now_millis().saturating_add(UNIX_EPOCH))
}

/// A date, a time, both, a number, or a word for now.
pub(super) fn time_value(around: &dyn Surroundings, text: &[u8]) -> Option<Moment> {
    if let Some(moment) = date(text) {
        return Some(moment);
    }
    let mut moment = Moment::default();
    if time(text, &mut moment).is_some() {
        return Some(moment);
    }
    if text.eq_ignore_ascii_case(b"now") {
        return Some(now(around));
    }
    if let Some(number) = parse_number(text) {
        return Some(Moment::of_number(number.as_real_lossy()));
    }
    is_subsecond(text).then(|| Moment { subseconds: true, ..now(around) })
}

/// Whether a text asks for fractions of seconds.
pub(super) fn is_subsecond(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(b"subsec") || text.eq_ignore_ascii_case(b"subsecond")
}

/// `YYYY-MM-DD`, with a time behind it or not.
fn date(text: &[u8]) -> Option<Moment> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let [mut year, mut month, mut day] = fields(text, b'-', [YEAR, MONTH, DAY])?;
    let mut rest = after(text, 10);
    rest = after(rest, rest.iter().take_while(|&&b| is_space(b) || b == b'T').count());
    let mut moment = Moment::default();
    if !rest.is_empty() {
        time(rest, &mut moment)?;
    }
    if let Some(time) = moment.time.as_mut().filter(|t| t.hour == 24) {
        // The end of this day is the start of the next.
        time.hour = 0;
        day += 1;
        let most = days_of_month(year, month);
        if day > most {
            day -= most;
            month += 1;
        }
        if month > 12 {
            month = 1;
            year += 1;
        }
    }
    moment.set_date(Date { year: if negative { -year } else { year }, month, day });
    if moment.zone != 0 {
        moment.compute_julian();
    }
    Some(moment)
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SS.FFF`, with a time zone behind it or not.
pub(super) fn time(text: &[u8], moment: &mut Moment) -> Option<()> {
    let [hour, minute] = fields(text, b':', [HOUR, MINUTE])?;
    let mut rest = after(text, 5);
    let (mut second, mut fraction) = (0, 0.0);
    if let Some(seconds) = rest.strip_prefix(b":") {
        second = field(seconds, MINUTE)?;
        rest = after(seconds, 2);
        if let Some(digits) =
            rest.strip_prefix(b".").filter(|d| d.iter().take(1).any(u8::is_ascii_digit))
        {
            let mut scale = 1.0;
            rest = digits;
            while let Some((digit, after)) = rest.split_first().filter(|(d, _)| d.is_ascii_digit())
            {
                fraction = fraction * 10.0 + f64::from(digit - b'0');
                scale *= 10.0;
                rest = after;
            }
            fraction /= scale;
            if fraction.is_nan() {
                return None;
            }
            // Never rounded up to the next second.
            fraction = f64::min(fraction, 0.999);
        }
    }
    if hour == 24 && (minute != 0 || second != 0 || fraction != 0.0) {
        return None;
    }
    moment.julian = None;
    moment.number = None;
    moment.time = Some(Time { hour, minute, second: second as f64 + fraction });
    zone(rest, moment)
}

/// Nothing, `Z`, or `+HH:MM`.
fn zone(text: &[u8], moment: &mut Moment) -> Option<()> {
    let text = skip_spaces(text);
    moment.zone = 0;
    let rest = match text.split_first() {
        None => return Some(()),
        Some((b'Z' | b'z', rest)) => rest,
        Some((sign @ (b'+' | b'-'), rest)) => {
            let [hours, minutes] = fields(rest, b':', [(2, 0, 14), MINUTE])?;
            let minutes = hours * 60 + minutes;
            moment.zone = if *sign == b'-' { -minutes } else { minutes };
            after(rest, 5)
        }
        Some(_) => return None,
    };
    if moment.zone == 0 {
        moment.local = false;
        moment.utc = true;
    }
    skip_spaces(rest).is_empty().then_some(())
}
