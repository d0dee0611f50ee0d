//! A point in time while modifiers change it.
//!
//! # Invariants
//! - O1: of the milliseconds, the date and the time of day, those that are there agree; what is missing is computed from the others. With
//!   nothing there, it is the start of the year 2000.
//! - O2: a number is kept as it was given until it is clear whether it counts days or seconds.
//! - O3: once the year has left the range the moment has failed, but still takes modifiers.

use super::calendar::{DAY, Date, date_of, days_of_month, is_valid, start_of};

/// 1970-01-01, in milliseconds since julian day 0.
pub(super) const UNIX_EPOCH: i64 = 210_866_760_000_000;

/// A time of day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Time {
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: f64,
}

/// A point in time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moment {
    /// Milliseconds since julian day 0.
    pub(super) julian: Option<i64>,
    pub(super) date: Option<Date>,
    pub(super) time: Option<Time>,
    /// The number that it was given as (O2).
    pub(super) number: Option<f64>,
    /// Minutes by which date and time are ahead of UTC.
    pub(super) zone: i64,
    /// By how many days the date was beyond the end of its month.
    pub(super) overhang: i64,
    /// O3.
    pub(super) failed: bool,
    /// Whether fractions of seconds show.
    pub(super) subseconds: bool,
    /// Known to be UTC.
    pub(super) utc: bool,
    /// Known to be local time.
    pub(super) local: bool,
}

impl Moment {
    /// This one in UTC.
    pub(super) fn of_utc(julian: i64) -> Moment {
        Moment { julian: Some(julian), utc: true, ..Moment::default() }
    }

    /// One given as a number: a julian day if it can be one (O2).
    pub(super) fn of_number(number: f64) -> Moment {
        let day = (0.0..5_373_484.5).contains(&number);
        let julian = day.then_some((number * DAY as f64 + 0.5) as i64);
        Moment { julian, number: Some(number), ..Moment::default() }
    }

    /// Milliseconds since julian day 0, of one that has them.
    pub(super) fn millis(&self) -> i64 {
        self.julian.unwrap_or(0)
    }

    fn fail(&mut self) {
        *self = Moment { failed: true, ..Moment::default() };
    }

    /// Sets the milliseconds; nothing else counts any more.
    pub(super) fn set(&mut self, julian: i64) {
        self.julian = Some(julian);
        self.forget_parts();
        self.number = None;
    }

    /// Leaves the milliseconds only.
    pub(super) fn forget_parts(&mut self) {
        self.date = None;
        self.time = None;
        self.zone = 0;
    }

    /// Moves the milliseconds.
    pub(super) fn shift(&mut self, millis: i64) {
        if let Some(julian) = &mut self.julian {
            *julian = julian.saturating_add(millis);
        }
    }

    /// Computes the milliseconds.
    pub(super) fn compute_julian(&mut self) {
        if self.julian.is_some() {
            return;
        }
        let mut date = self.date.unwrap_or(Date { year: 2000, month: 1, day: 1 });
        if self.date.is_none()
            && let Some(time) = self.time.as_mut().filter(|t| t.hour == 24)
        {
            time.hour = 0;
            date.day = 2;
        }
        if !(-4713..=9999).contains(&date.year) || self.number.is_some() {
            self.fail();
            return;
        }
        let mut millis = start_of(date);
        if let Some(time) = self.time {
            millis += time.hour * 3_600_000 + time.minute * 60_000;
            millis += (time.second * 1000.0 + 0.5) as i64;
            millis -= self.zone * 60_000;
            if self.zone != 0 {
                self.forget_parts();
                self.utc = true;
                self.local = false;
            }
        }
        self.julian = Some(millis);
    }

    /// Computes the date.
    pub(super) fn compute_date(&mut self) -> Date {
        let date = match (self.date, self.julian) {
            (Some(date), _) => date,
            (None, None) => Date { year: 2000, month: 1, day: 1 },
            (None, Some(julian)) if is_valid(julian) => date_of(julian),
            _ => {
                self.fail();
                return Date { year: 0, month: 0, day: 0 };
            }
        };
        self.date = Some(date);
        date
    }

    /// Computes the time of day.
    pub(super) fn compute_time(&mut self) -> Time {
        if let Some(time) = self.time {
            return time;
        }
        self.compute_julian();
        let of_day = (self.millis() + DAY / 2) % DAY;
        let minutes = of_day / 60_000;
        let second = (of_day % 60_000) as f64 / 1000.0;
        let time = Time { hour: minutes / 60, minute: minutes % 60, second };
        self.number = None;
        self.time = Some(time);
        time
    }

    /// Makes date and time what counts, and gives the date to be changed.
    pub(super) fn by_parts(&mut self) -> Date {
        let date = self.compute_date();
        self.compute_time();
        self.julian = None;
        date
    }

    /// Sets the date and notes by how much it is beyond the end of its month.
    pub(super) fn set_date(&mut self, date: Date) {
        self.overhang = (date.day - days_of_month(date.year, date.month)).max(0);
        self.julian = None;
        self.date = Some(date);
    }
}
