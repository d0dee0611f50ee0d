//! Numbers in text.

use super::*;
use heddle_value::number::{parse_integer_prefix, parse_number, parse_prefix, parse_real_prefix};
use proptest::prelude::*;

#[test]
fn casts_of_corners_are_stocks() {
    use heddle_value::{Affinity, cast};
    let stock = Stock::new();
    let mut differences = Differences::default();
    for v in corners() {
        for (name, affinity) in [
            ("INTEGER", Affinity::Integer),
            ("REAL", Affinity::Real),
            ("NUMERIC", Affinity::Numeric),
            ("TEXT", Affinity::Text),
            ("BLOB", Affinity::Blob),
        ] {
            let theirs = stock.one(&format!("SELECT CAST(?1 AS {name})"), &[&v]);
            differences
                .check(&cast(v.clone(), affinity), &theirs, || format!("CAST({v:?} AS {name})"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn texts_of_digits_are_read_as_stock_reads_them(text in "[ ]{0,2}[-+]{0,1}[0-9]{0,24}[.]{0,1}[0-9]{0,24}([eE][-+]{0,1}[0-9]{0,3}){0,1}[ x]{0,1}") {
        let stock = Stock::new();
        let v = Value::text(&text);
        let row = stock.row("SELECT ?1 + 0, CAST(?1 AS REAL), CAST(?1 AS INTEGER)", &[&v]);
        prop_assert!(same(&heddle_value::arithmetic::add(&v, &Value::Integer(0)), &row[0]), "{:?}", row);
        prop_assert!(same(&Value::Real(parse_real_prefix(text.as_bytes())), &row[1]), "{:?}", row);
        prop_assert!(same(&Value::Integer(parse_integer_prefix(text.as_bytes())), &row[2]), "{:?}", row);
        if let Some(number) = parse_number(text.as_bytes()) {
            prop_assert_eq!(number, parse_prefix(text.as_bytes()));
        }
    }
}

#[test]
fn reals_are_printed_as_stock_prints_them() {
    let stock = Stock::new();
    let mut random = proptest::test_runner::TestRng::deterministic_rng(
        proptest::test_runner::RngAlgorithm::ChaCha,
    );
    let mut differences = Differences::default();
    for round in 0..200_000 {
        let bits = random.next_u64();
        let real = match round % 4 {
            0 => f64::from_bits(bits),
            1 => (bits >> 20) as f64 / 1000.0,
            2 => (bits >> (bits & 31)) as f64 / (1 + (random.next_u64() >> 40)) as f64,
            _ => {
                format!("{}e{}", bits >> (bits & 63), random.next_u32() % 24)
                    .parse::<f64>()
                    .unwrap()
                    / 1e12
            }
        };
        if !real.is_finite() {
            continue;
        }
        let theirs = stock.one("SELECT CAST(?1 AS TEXT)", &[&Value::Real(real)]);
        let ours = Value::Text(Value::Real(real).to_text());
        differences.check(&ours, &theirs, || format!("{real:e}"));
    }
}
