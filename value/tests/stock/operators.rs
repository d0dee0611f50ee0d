//! Operators and the order of values.

use super::*;
use heddle_value::{Collation, arithmetic, compare};
use std::cmp::Ordering;

#[test]
fn operators_over_all_pairs_of_corners_answer_as_stock() {
    type Operator = fn(&Value, &Value) -> Value;
    let operators: [(&str, Operator); 10] = [
        ("+", arithmetic::add),
        ("-", arithmetic::subtract),
        ("*", arithmetic::multiply),
        ("/", arithmetic::divide),
        ("%", arithmetic::remainder),
        ("&", arithmetic::bit_and),
        ("|", arithmetic::bit_or),
        ("<<", arithmetic::shift_left),
        (">>", arithmetic::shift_right),
        ("||", arithmetic::concat),
    ];
    let list: Vec<String> = operators.iter().map(|(o, _)| format!("?1 {o} ?2")).collect();
    let sql = format!("SELECT {}", list.join(", "));
    let stock = Stock::new();
    let mut differences = Differences::default();
    for a in corners() {
        for b in corners() {
            let row = stock.row(&sql, &[&a, &b]);
            for ((name, code), theirs) in operators.iter().zip(&row) {
                differences.check(&code(&a, &b), theirs, || format!("{a:?} {name} {b:?}"));
            }
        }
    }
}

#[test]
fn signs_and_truth_of_corners_are_stocks() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    for v in corners() {
        let row = stock.row("SELECT -?1, ~?1, ?1 IS TRUE, NOT ?1", &[&v]);
        differences.check(&arithmetic::negate(&v), &row[0], || format!("-{v:?}"));
        differences.check(&arithmetic::bit_not(&v), &row[1], || format!("~{v:?}"));
        let truth = v.is_true();
        differences.check(&Value::from(truth == Some(true)), &row[2], || format!("{v:?} IS TRUE"));
        let not = truth.map_or(Value::Null, |t| Value::from(!t));
        differences.check(&not, &row[3], || format!("NOT {v:?}"));
    }
}

#[test]
fn the_order_of_all_pairs_of_corners_is_stocks() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    for (name, collation) in
        [("BINARY", Collation::BINARY), ("NOCASE", Collation::NOCASE), ("RTRIM", Collation::RTRIM)]
    {
        let sql = format!("SELECT ?1 < ?2 COLLATE {name}, ?1 = ?2 COLLATE {name}");
        for a in corners() {
            for b in corners() {
                if a.is_null() || b.is_null() {
                    continue;
                }
                let row = stock.row(&sql, &[&a, &b]);
                let order = compare(&a, &b, &collation);
                let what = || format!("{a:?} against {b:?} by {name}");
                differences.check(&Value::from(order == Ordering::Less), &row[0], what);
                differences.check(&Value::from(order == Ordering::Equal), &row[1], what);
            }
        }
    }
}
