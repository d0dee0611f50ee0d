//! What columns make of values, alone and in comparisons.

use super::*;
use heddle_value::{Affinity, Collation, StrictType, equal};

const COLUMNS: [(&str, Affinity); 5] = [
    ("INTEGER", Affinity::Integer),
    ("NUMERIC", Affinity::Numeric),
    ("REAL", Affinity::Real),
    ("TEXT", Affinity::Text),
    ("BLOB", Affinity::Blob),
];

#[test]
fn a1_columns_give_back_what_stocks_columns_give_back() {
    let stock = Stock::new();
    stock.0.execute_batch("CREATE TABLE t(i INTEGER, n NUMERIC, r REAL, x TEXT, b BLOB)").unwrap();
    let mut differences = Differences::default();
    for v in corners() {
        let row = stock.row("INSERT INTO t VALUES(?1, ?1, ?1, ?1, ?1) RETURNING *", &[&v]);
        let stored = stock.row("SELECT * FROM t ORDER BY rowid DESC LIMIT 1", &[]);
        drop(row);
        for ((name, affinity), theirs) in COLUMNS.iter().zip(&stored) {
            differences.check(&affinity.apply(v.clone()), theirs, || format!("{v:?} in {name}"));
        }
    }
}

#[test]
fn strict_columns_take_what_stocks_take() {
    let stock = Stock::new();
    stock.0.execute_batch("CREATE TABLE s(x)").unwrap();
    let mut differences = Differences::default();
    for name in ["INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY"] {
        stock.0.execute_batch(&format!("DROP TABLE s; CREATE TABLE s(x {name}) STRICT")).unwrap();
        let strict = StrictType::of_type(name).unwrap();
        for v in corners() {
            let taken = stock.0.execute("INSERT INTO s VALUES(?1)", [Bound(&v)]);
            match (strict.accept(v.clone()), taken) {
                (Ok(ours), Ok(_)) => {
                    let theirs = stock.one("SELECT x FROM s ORDER BY rowid DESC LIMIT 1", &[]);
                    differences.check(&ours, &theirs, || format!("{v:?} in {name}"));
                }
                (Err(ours), Err(error)) => {
                    // Stock knows an integer that came in for a blob column by the name of the type.
                    let class = match ours.type_name() {
                        "integer" => "INT".to_owned(),
                        other => other.to_ascii_uppercase(),
                    };
                    assert_eq!(
                        error.to_string(),
                        format!("cannot store {class} value in {name} column s.x")
                    );
                }
                (ours, theirs) => panic!("{v:?} in {name}: ours {ours:?}, stock {theirs:?}"),
            }
        }
    }
}

#[test]
fn comparisons_apply_affinity_as_stocks_do() {
    let stock = Stock::new();
    stock.0.execute_batch("CREATE TABLE t(i INTEGER, n NUMERIC, r REAL, x TEXT, b BLOB)").unwrap();
    let values: Vec<Value> = corners().into_iter().filter(|v| !v.is_null()).collect();
    let mut differences = Differences::default();
    let sides: Vec<(&str, Option<Affinity>)> = vec![
        ("i", Some(Affinity::Integer)),
        ("n", Some(Affinity::Numeric)),
        ("r", Some(Affinity::Real)),
        ("x", Some(Affinity::Text)),
        ("b", Some(Affinity::Blob)),
        ("?2", None),
    ];
    let other = |side: &str| if side == "?2" { "?3".to_owned() } else { format!("u.{side}") };
    let mut names = Vec::new();
    for (left, a) in &sides {
        for (right, b) in &sides {
            let left_sql = if *left == "?2" { "?2".to_owned() } else { format!("t.{left}") };
            names.push((format!("{left_sql} = {}", other(right)), *a, *b));
        }
    }
    let list: Vec<&str> = names.iter().map(|(sql, _, _)| sql.as_str()).collect();
    let sql = format!("SELECT {} FROM t, t u WHERE t.rowid = ?1 AND u.rowid = ?4", list.join(", "));
    for v in &values {
        stock.0.execute("INSERT INTO t VALUES(?1, ?1, ?1, ?1, ?1)", [Bound(v)]).unwrap();
    }
    for (i, v) in values.iter().enumerate() {
        for (j, w) in values.iter().enumerate().filter(|(j, _)| (i + j) % 5 == 0) {
            let (ri, rj) = (Value::Integer(i as i64 + 1), Value::Integer(j as i64 + 1));
            let row = stock.row(&sql, &[&ri, v, w, &rj]);
            for ((name, a, b), theirs) in names.iter().zip(&row) {
                let side = |v: &Value, own: &Option<Affinity>| {
                    own.map_or(v.clone(), |a| a.apply(v.clone()))
                };
                let (left, right) = (side(v, a), side(w, b));
                let (for_left, for_right) = Affinity::for_comparison(*a, *b);
                let (left, right) = (side(&left, &for_left), side(&right, &for_right));
                let ours = Value::from(equal(&left, &right, &Collation::BINARY));
                differences.check(&ours, theirs, || format!("{name} of {v:?}, {w:?}"));
            }
        }
    }
}
