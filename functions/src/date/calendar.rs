//! Days and dates of the Gregorian calendar, carried back to before it was.

/// A day in milliseconds.
pub(super) const DAY: i64 = 86_400_000;

/// The start of March 1 of the year 0, in milliseconds since julian day 0. Years that begin in March end with the leap day.
const MARCH_OF_YEAR_0: i64 = 1_721_119 * DAY + DAY / 2;

/// The last millisecond of the year 9999.
const LAST: i64 = 464_269_060_799_999;

/// A date. The day can be beyond the end of its month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
}

/// Whether a moment lies in the range of results.
pub(super) fn is_valid(millis: i64) -> bool {
    (0..=LAST).contains(&millis)
}

/// The start of a date, in milliseconds since julian day 0.
pub(super) fn start_of(date: Date) -> i64 {
    let Date { year, month, day } = date;
    let year = if month <= 2 { year - 1 } else { year };
    // Months from March: 31, 30, 31, 30, 31 days and again.
    let before = (153 * ((month + 9) % 12) + 2) / 5;
    let (century, of_century) = (year.div_euclid(100), year.rem_euclid(100));
    let centuries = (century * 146_097).div_euclid(4);
    let days = centuries + of_century * 1461 / 4 + before + day - 1;
    MARCH_OF_YEAR_0 + days * DAY
}

/// The date of a moment.
pub(super) fn date_of(millis: i64) -> Date {
    let days = (millis - MARCH_OF_YEAR_0).div_euclid(DAY);
    let quarters = 4 * days + 3;
    let (century, of_century) = (quarters.div_euclid(146_097), quarters.rem_euclid(146_097) / 4);
    let quarters = 4 * of_century + 3;
    let (year, of_year) = (quarters / 1461, quarters % 1461 / 4);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    Date { year: century * 100 + year + i64::from(month <= 2), month, day }
}

/// How many days a month has.
pub(super) fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_has_its_date() {
        let mut expected = Date { year: -4713, month: 11, day: 24 };
        let mut millis = DAY / 2;
        assert_eq!(start_of(expected), -DAY / 2);
        assert_eq!(date_of(0), expected);
        while is_valid(millis) {
            expected.day += 1;
            if expected.day > days_of_month(expected.year, expected.month) {
                expected.day = 1;
                expected.month = expected.month % 12 + 1;
                expected.year += i64::from(expected.month == 1);
            }
            assert_eq!(date_of(millis), expected);
            assert_eq!(date_of(millis + DAY - 1), expected);
            assert_eq!(start_of(expected), millis);
            millis += DAY;
        }
        assert_eq!(expected, Date { year: 9999, month: 12, day: 31 });
    }
}
