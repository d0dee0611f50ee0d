//! Dates and times. The judge runs in UTC, or the tests of local time compare nothing.

use super::values::{Dice, corners};
use super::*;

const FUNCTIONS: [&str; 5] = ["date", "time", "datetime", "julianday", "unixepoch"];

/// Every letter of `strftime` that means something.
const ALL_LETTERS: &str =
    "%d|%e|%f|%F|%G|%g|%H|%I|%j|%J|%k|%l|%m|%M|%p|%P|%R|%s|%S|%T|%u|%U|%V|%w|%W|%Y|%%";

fn times() -> Vec<Value> {
    let texts = [
        "2023-11-14",
        "2023-11-14 22:13",
        "2023-11-14T22:13:20",
        "2023-11-14 22:13:20.123",
        "2023-11-14 22:13:20.9999",
        "2023-11-14   22:13:20.5+05:30",
        "2023-11-14 22:13:20Z",
        "2023-11-14 22:13:20 z ",
        "2023-11-14 22:13:20-00:00",
        "2023-11-14 00:00-14:59",
        "2023-11-14 24:00",
        "2023-12-31 24:00:00",
        "2023-11-14 24:01",
        "2023-02-29",
        "2023-02-31",
        "2024-02-29",
        "2024-01-31 23:59:59.999",
        "2000-01-01",
        "1970-01-01",
        "1969-12-31 23:59:59",
        "2038-01-19 03:14:08",
        "0000-01-01",
        "-0001-12-31",
        "-4713-11-24 12:00",
        "-4713-11-24",
        "-4714-01-01",
        "9999-12-31 23:59:59.999",
        "9999-12-31",
        "10000-01-01",
        "12:00",
        "24:00",
        "25:00",
        "23:59:60",
        "07:08:09.5",
        "07:08:09.5+02:00",
        "7:08",
        "2023-1-1",
        "2023-13-01",
        "2023-00-10",
        "2023-01-00",
        "2023-01-32",
        "2023-01-01x",
        "2023-01-01 x",
        "2023-01-01T",
        " 2023-01-01",
        "2023-01-01 12:00:00.",
        "2023-01-01 12:00:00.1234567890123456789",
        "2460263.5",
        "2460263.42592593",
        "0",
        "5373484.499999",
        "5373484.5",
        "-1",
        " 1e6 ",
        "1700000000",
        "",
        "x",
        "nox",
        "2023-11-14\u{0}x",
    ];
    let mut times: Vec<Value> = texts.map(Value::text).into();
    times.extend(
        [
            0,
            1,
            -1,
            2_460_263,
            5_373_484,
            5_373_485,
            1_700_000_000,
            -1_700_000_000,
            i64::MAX,
            i64::MIN,
        ]
        .map(Value::Integer),
    );
    times.extend(
        [
            0.5,
            2_460_263.425_925_93,
            1_700_000_000.123_4,
            -210_866_760_000.0,
            253_402_300_799.0,
            1e18,
            2e11,
        ]
        .map(Value::Real),
    );
    times.extend([Value::Null, Value::blob("2023-11-14"), Value::Real(f64::INFINITY)]);
    times
}

fn modifiers() -> Vec<&'static str> {
    vec![
        "auto",
        "AUTO",
        "unixepoch",
        "julianday",
        "ceiling",
        "floor",
        "Floor",
        "localtime",
        "utc",
        "subsec",
        "subsecond",
        "SUBSEC",
        "start of day",
        "start of month",
        "start of year",
        "Start Of Month",
        "start of week",
        "start of ",
        "end of day",
        "end of month",
        "end of year",
        "end of x",
        "weekday 0",
        "weekday 1",
        "weekday 6",
        "weekday 7",
        "weekday -0",
        "weekday -3",
        "weekday 1.5",
        "weekday 2.0",
        "weekday",
        "weekday x",
        "weekday  4",
        "+1 day",
        "-1 day",
        "1 day",
        "+1 days",
        "+1.5 days",
        "-0.5 hours",
        "+90 minutes",
        "+1 second",
        "-59.999 seconds",
        "0.0005 seconds",
        "+1 month",
        "-1 month",
        "+13 months",
        "-25 months",
        "+1.5 months",
        "+1 year",
        "-1 year",
        "+4 years",
        "-2.25 years",
        "+9999 years",
        "+14712 years",
        "-14713 years",
        "+176545 months",
        "+5373484 days",
        "-5373485 days",
        "+1e3 days",
        "+1 day ",
        "+1  DAYS",
        "+1day",
        "+1 week",
        "+ 1 day",
        "day",
        "+1 dayss",
        "+1",
        "+x days",
        "12:30",
        "+12:30",
        "-12:30:15",
        "+00:00:00.5",
        "-23:59:59.999",
        "+24:00",
        "24:01",
        "+12:30+01:00",
        "1:30",
        "+0001-02-03",
        "-0001-02-03",
        "+0000-00-30",
        "+0000-11-00",
        "+0000-12-00",
        "+0000-00-31",
        "0001-01-01",
        "+0001-01-01 12:30",
        "-0001-01-01 12:30:15.5",
        "+0001-01-01 12",
        "+0001-01-01x",
        "+0001-01-01 12:30x",
        "+12000-01-01",
        "-14712-00-00",
        "+14713-00-00",
        "+123-01-01",
        "",
        " ",
        "x",
        "localtimex",
        "now",
        "+0001-01-01T12:30",
        "-1 months\u{0}x",
    ]
}

#[test]
fn time_values_of_all_kinds() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    for time in times().into_iter().chain(corners()) {
        for name in FUNCTIONS {
            differences.call(&stock, name, std::slice::from_ref(&time));
        }
        differences.call(&stock, "strftime", &[Value::text(ALL_LETTERS), time]);
    }
}

#[test]
fn one_modifier() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    for time in times() {
        for modifier in modifiers() {
            let modifier = Value::text(modifier);
            for name in FUNCTIONS {
                differences.call(&stock, name, &[time.clone(), modifier.clone()]);
            }
        }
    }
}

#[test]
fn several_modifiers() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    let mut dice = Dice(41);
    let (times, modifiers) = (times(), modifiers());
    for _ in 0..60_000 {
        let mut arguments = vec![dice.pick(&times).clone()];
        for _ in 0..1 + dice.below(4) {
            arguments.push(Value::text(dice.pick(&modifiers)));
        }
        differences.call(&stock, FUNCTIONS[dice.below(FUNCTIONS.len())], &arguments);
    }
}

#[test]
fn random_moments_in_all_letters() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    let mut dice = Dice(43);
    for _ in 0..20_000 {
        let second = dice.below(464_269_061) as f64 * 1000.0 - 210_866_760_000.0;
        let time = Value::Real(second + dice.below(1_000_000) as f64 / 1000.0);
        let pattern = Value::text(ALL_LETTERS);
        let unix = Value::text("unixepoch");
        differences.call(&stock, "strftime", &[pattern.clone(), time.clone(), unix.clone()]);
        let subsecond = Value::text("subsec");
        differences.call(
            &stock,
            "strftime",
            &[pattern, time.clone(), unix.clone(), subsecond.clone()],
        );
        for name in FUNCTIONS {
            differences.call(&stock, name, &[time.clone(), unix.clone(), subsecond.clone()]);
        }
    }
}

#[test]
fn weekdays_before_julian_day_0() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    for day in 0..7 {
        for start in ["start of month", "start of year"] {
            let modifiers = [start.to_string(), format!("weekday {day}"), "+1000 days".to_string()];
            let mut arguments = vec![Value::text("-4713-11-28")];
            arguments.extend(modifiers.iter().map(Value::text));
            differences.call(&stock, "date", &arguments);
        }
    }
}

#[test]
fn patterns_of_strftime() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    let time = Value::text("2023-11-05 09:08:07.654");
    for letter in 0..=255_u8 {
        for pattern in [vec![b'a', b'%', letter, b'z'], vec![letter], vec![b'%', b'%', letter]] {
            let arguments = [Value::text(pattern), time.clone()];
            differences.call(&stock, "strftime", &arguments);
        }
    }
    for pattern in
        [Value::text("%"), Value::text("x%"), Value::text(""), Value::Null, Value::Integer(5)]
    {
        differences.call(&stock, "strftime", &[pattern, time.clone()]);
    }
    differences.call(&stock, "strftime", &[]);
    let far = Value::text("+1 second");
    let last = Value::text("9999-12-31 23:59:59");
    differences.call(&stock, "strftime", &[Value::text("%Y"), last, far]);
}

#[test]
fn differences_of_times() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    for a in times() {
        for b in times() {
            differences.call(&stock, "timediff", &[a.clone(), b]);
        }
    }
    let mut dice = Dice(47);
    for _ in 0..20_000 {
        let mut day = || {
            let year = 1990 + dice.below(30);
            let date = format!("{year}-{:02}-{:02}", 1 + dice.below(12), 1 + dice.below(31));
            Value::text(format!(
                "{date} {:02}:{:02}:{:02}.{:03}",
                dice.below(24),
                dice.below(60),
                dice.below(60),
                dice.below(1000)
            ))
        };
        let (a, b) = (day(), day());
        differences.call(&stock, "timediff", &[a, b]);
    }
}

#[test]
fn now_is_the_statements() {
    let stock = Stock::new();
    let fixed = [Value::Real(1_700_000_000.123), Value::text("unixepoch")];
    let subsecond = Value::text("subsec");
    for name in FUNCTIONS {
        let expected = stock.call(name, &fixed);
        assert_eq!(call(name, &[]), expected);
        assert_eq!(call(name, &[Value::text("now")]), expected);
        assert_eq!(call(name, &[Value::text("NOW")]), expected);
        let expected = stock.call(name, &[fixed[0].clone(), fixed[1].clone(), subsecond.clone()]);
        assert_eq!(call(name, std::slice::from_ref(&subsecond)), expected);
        assert_eq!(call(name, &[Value::text("now"), subsecond.clone()]), expected);
    }
    assert_eq!(call("current_date", &[]), Ok(Value::text("2023-11-14")));
    assert_eq!(call("current_time", &[]), Ok(Value::text("22:13:20")));
    assert_eq!(call("current_timestamp", &[]), Ok(Value::text("2023-11-14 22:13:20")));
}

/// A place one hour east, and two from April to October.
struct Summer(Around);

impl Surroundings for Summer {
    fn now_millis(&self) -> i64 {
        self.0.now
    }

    fn local_offset(&self, seconds: i64) -> i64 {
        let arguments = [Value::text("%m"), Value::Integer(seconds), Value::text("unixepoch")];
        let summer = match call("strftime", &arguments) {
            Ok(Value::Text(month)) => (b"04".as_slice()..=b"09").contains(&month.as_bytes()),
            _ => false,
        };
        if summer { 7200 } else { 3600 }
    }

    fn random(&mut self) -> u64 {
        0
    }

    fn changes(&self) -> i64 {
        0
    }

    fn total_changes(&self) -> i64 {
        0
    }

    fn last_insert_rowid(&self) -> i64 {
        0
    }
}

#[test]
fn local_time_and_back() {
    let mut around = Summer(Around::new());
    let mut datetime = |time: &str, modifiers: &[&str]| {
        let arguments: Vec<_> = std::iter::once(&time).chain(modifiers).map(Value::text).collect();
        let function = heddle_functions::scalar("datetime", arguments.len()).unwrap();
        match (function.code)(&mut around, &Collation::BINARY, &arguments).unwrap() {
            Value::Text(text) => text.to_string_lossy().into_owned(),
            other => panic!("{other:?}"),
        }
    };
    for (utc, local) in [
        ("2023-01-15 12:00:00", "2023-01-15 13:00:00"),
        ("2023-07-15 12:00:00", "2023-07-15 14:00:00"),
        ("2023-12-31 23:30:00", "2024-01-01 00:30:00"),
        ("1969-07-20 20:17:40", "1969-07-20 22:17:40"),
        ("1600-01-01 00:00:00", "1600-01-01 01:00:00"),
        ("2500-06-01 00:00:00", "2500-06-01 02:00:00"),
        ("-0200-06-01 00:00:00", "-0200-06-01 02:00:00"),
    ] {
        assert_eq!(datetime(utc, &["localtime"]), local);
        assert_eq!(datetime(utc, &["localtime", "localtime"]), local);
        assert_eq!(datetime(local, &["utc"]), utc);
        assert_eq!(datetime(local, &["utc", "utc"]), utc);
        assert_eq!(datetime(utc, &["localtime", "utc"]), utc);
    }
    assert_eq!(datetime("2023-07-15 12:00:00Z", &["utc"]), "2023-07-15 12:00:00");
    assert_eq!(datetime("now", &["utc"]), "2023-11-14 22:13:20");
    // Skipped by the clocks, and gone through twice.
    assert_eq!(datetime("2023-04-01 01:30:00", &["utc"]).len(), 19);
    assert_eq!(datetime("2023-10-01 01:30:00", &["utc", "localtime"]), "2023-10-01 01:30:00");
}

#[test]
fn modifiers_that_leave_64_bits() {
    let mut around = Summer(Around::new());
    for modifier in ["+464000000000000 seconds", "-464000000000000 seconds"] {
        for last in
            ["utc", "localtime", "start of month", "weekday 3", "+1 month", "floor", "end of year"]
        {
            let mut arguments = vec![Value::text("2000-01-01")];
            arguments.extend(std::iter::repeat_n(Value::text(modifier), 50));
            arguments.push(Value::text(last));
            for name in FUNCTIONS {
                let function = heddle_functions::scalar(name, arguments.len()).unwrap();
                let result = (function.code)(&mut around, &Collation::BINARY, &arguments);
                if last != "utc" && last != "localtime" {
                    assert_eq!(result, Ok(Value::Null), "{name} {modifier} {last}");
                }
            }
        }
    }
    around.0.now = i64::MAX;
    for name in FUNCTIONS {
        let function = heddle_functions::scalar(name, 0).unwrap();
        assert_eq!((function.code)(&mut around, &Collation::BINARY, &[]), Ok(Value::Null));
    }
}
