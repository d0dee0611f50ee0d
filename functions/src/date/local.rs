//! Local time, and back.
//!
//! # Invariant
//! - L1: the rules of local time are asked about years from 1970 to 2037 only. Another year takes those of the year of the same place in
//!   the leap years' cycle, from 2000 on.

use crate::Surroundings;

use super::calendar::{DAY, date_of};
use super::moment::{Moment, Time, UNIX_EPOCH};

/// 1970-01-01 and 2038-01-18, in milliseconds since julian day 0.
const RULES: std::ops::RangeInclusive<i64> = UNIX_EPOCH..=213_014_145_600_000;

/// Makes a moment of UTC one of local time.
pub(super) fn to_local(around: &dyn Surroundings, moment: &mut Moment) {
    moment.compute_julian();
    let mut mapped = *moment;
    let mut years = 0;
    if !RULES.contains(&moment.millis()) {
        let mut date = mapped.by_parts();
        years = 2000 + date.year % 4 - date.year;
        date.year += years;
        mapped.date = mapped.date.map(|_| date);
        mapped.compute_julian();
    }
    let seconds = mapped.millis() / 1000 - UNIX_EPOCH / 1000;
    let local = seconds.saturating_add(around.local_offset(seconds));
    let millis = local.saturating_mul(1000).saturating_add(UNIX_EPOCH);
    let mut date = date_of(millis);
    date.year -= years;
    let of_day = (millis + DAY / 2).rem_euclid(DAY) / 1000;
    let second = (of_day % 60) as f64 + (moment.millis() % 1000) as f64 * 0.001;
    let time = Time { hour: of_day / 3600, minute: of_day / 60 % 60, second };
    moment.julian = None;
    moment.date = Some(date);
    moment.time = Some(time);
    moment.number = None;
    moment.zone = 0;
    moment.failed = false;
}

/// Makes a moment of local time one of UTC: the one whose local time it is, or is nearly, where local time jumped over it.
pub(super) fn to_utc(around: &dyn Surroundings, moment: &mut Moment) {
    moment.compute_julian();
    let wanted = moment.millis();
    let mut guess = wanted;
    let mut error = 0;
    for _ in 0..4 {
        guess = guess.saturating_sub(error);
        let mut local = Moment { julian: Some(guess), ..Moment::default() };
        to_local(around, &mut local);
        local.compute_julian();
        error = local.millis().saturating_sub(wanted);
        if error == 0 {
            break;
        }
    }
    *moment = Moment::of_utc(guess);
}
