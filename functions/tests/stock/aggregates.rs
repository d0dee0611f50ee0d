//! Aggregates over rows and over frames that move.

use super::values::{Dice, corners};
use super::*;

fn start(name: &str, arguments: usize, by: &Collation) -> Box<dyn heddle_functions::Aggregate> {
    (heddle_functions::aggregate(name, arguments).unwrap().start)(by)
}

fn over(name: &str, rows: &[Vec<Value>]) -> Outcome {
    let mut around = Around::new();
    let mut aggregate = start(name, rows[0].len(), &Collation::BINARY);
    for row in rows {
        aggregate.step(&mut around, row).map_err(|e| e.to_string())?;
    }
    aggregate.value(&mut around).map_err(|e| e.to_string())
}

/// The results over each frame of `width` rows up to the current one, by taking rows out again: as stock does, before the next one
/// comes.
fn moving(name: &str, rows: &[Vec<Value>], width: usize) -> Result<Vec<Value>, String> {
    let mut around = Around::new();
    let mut aggregate = start(name, rows[0].len(), &Collation::BINARY);
    let mut results = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        aggregate.step(&mut around, row).map_err(|e| e.to_string())?;
        results.push(aggregate.value(&mut around).map_err(|e| e.to_string())?);
        if index + 1 >= width {
            let gone = &rows[index + 1 - width];
            aggregate.inverse(&mut around, gone).map_err(|e| e.to_string())?;
        }
    }
    Ok(results)
}

/// A table `t(i, a, b)` of these rows.
fn fill(stock: &Stock, rows: &[Vec<Value>]) {
    stock
        .0
        .execute_batch("DROP TABLE IF EXISTS t; CREATE TABLE t(i INTEGER PRIMARY KEY, a, b)")
        .unwrap();
    let mut insert = stock.0.prepare_cached("INSERT INTO t VALUES (NULL, ?, ?)").unwrap();
    for row in rows {
        insert.execute((Bound(&row[0]), Bound(row.get(1).unwrap_or(&Value::Null)))).unwrap();
    }
}

fn columns(rows: &[Vec<Value>]) -> &'static str {
    if rows[0].len() == 2 { "a, b" } else { "a" }
}

fn numbers(dice: &mut Dice) -> Vec<Vec<Value>> {
    let corners = corners();
    let kind = dice.below(5);
    (0..1 + dice.below(9))
        .map(|_| {
            vec![match kind {
                0 => dice.pick(&corners).clone(),
                1 => Value::Integer(dice.roll() as i64 >> 2),
                2 => Value::Integer(dice.below(100) as i64 - 50),
                3 => Value::Real(dice.real()),
                _ if dice.below(2) == 0 => Value::Real(dice.real()),
                _ => Value::Integer(dice.roll() as i64),
            }]
        })
        .collect()
}

#[test]
fn sums_counts_and_extremes() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    let mut dice = Dice(3);
    for _ in 0..3000 {
        let rows = numbers(&mut dice);
        fill(&stock, &rows);
        for name in ["sum", "total", "avg", "count", "min", "max", "group_concat"] {
            let sql = format!("SELECT {name}(a) FROM (SELECT a FROM t ORDER BY i)");
            differences
                .check(&over(name, &rows), &stock.one(&sql, &[]), || format!("{name}{rows:?}"));
        }
    }
}

#[test]
fn nothing_is_an_aggregate_too() {
    let stock = Stock::new();
    let mut around = Around::new();
    stock.0.execute_batch("CREATE TABLE t(a)").unwrap();
    for name in ["sum", "total", "avg", "count", "min", "max", "group_concat"] {
        let ours = start(name, 1, &Collation::BINARY).value(&mut around);
        let stock = stock.one(&format!("SELECT {name}(a) FROM t"), &[]);
        assert!(same(&ours.map_err(|e| e.to_string()), &stock), "{name}");
    }
    let mut count = start("count", 0, &Collation::BINARY);
    count.step(&mut around, &[]).unwrap();
    count.step(&mut around, &[]).unwrap();
    count.inverse(&mut around, &[]).unwrap();
    assert_eq!(count.value(&mut around), Ok(Value::Integer(1)));
}

#[test]
fn frames_that_move() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    let mut dice = Dice(11);
    for _ in 0..2000 {
        let rows = numbers(&mut dice);
        let width = 1 + dice.below(4);
        check_frames(&stock, &mut differences, &["sum", "total", "avg", "count"], &rows, width);
    }
}

fn check_frames(
    stock: &Stock,
    differences: &mut Differences,
    names: &[&str],
    rows: &[Vec<Value>],
    width: usize,
) {
    fill(stock, rows);
    for name in names {
        let sql = format!(
            "SELECT {name}({}) OVER (ORDER BY i ROWS {} PRECEDING) FROM t",
            columns(rows),
            width - 1
        );
        let mut statement = stock.0.prepare_cached(&sql).unwrap();
        let theirs: Result<Vec<Value>, String> = statement
            .query_map([], |row| Ok(value(row.get_ref(0)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .map_err(message);
        match (moving(name, rows, width), theirs) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(ours.len(), theirs.len());
                for (ours, theirs) in ours.into_iter().zip(theirs) {
                    differences
                        .check(&Ok(ours), &Ok(theirs), || format!("{name} of {width} {rows:?}"));
                }
            }
            (ours, theirs) => {
                let nothing = |r: Result<Vec<Value>, String>| r.map(|_| Value::Null);
                differences.check(&nothing(ours), &nothing(theirs), || {
                    format!("{name} of {width} {rows:?}")
                });
            }
        }
    }
}

#[test]
fn concatenations_with_changing_separators() {
    let stock = Stock::new();
    let mut differences = Differences::default();
    let mut dice = Dice(23);
    let texts = ["a", "bc", "\u{e9}", "long enough to be shared"].map(Value::text);
    let separators = ["", ",", "; ", "\u{20ac}", "---"].map(Value::text);
    for _ in 0..3000 {
        let changing = dice.below(2) == 0;
        let mut separator = dice.pick(&separators).clone();
        let rows: Vec<Vec<Value>> = (0..1 + dice.below(9))
            .map(|_| {
                if changing {
                    separator = dice.pick(&separators).clone();
                }
                let text = if dice.below(5) == 0 { Value::Null } else { dice.pick(&texts).clone() };
                let separator = if dice.below(8) == 0 { Value::Null } else { separator.clone() };
                vec![text, separator]
            })
            .collect();
        fill(&stock, &rows);
        let sql = "SELECT string_agg(a, b) FROM (SELECT a, b FROM t ORDER BY i)";
        differences.check(&over("string_agg", &rows), &stock.one(sql, &[]), || format!("{rows:?}"));
        let width = 1 + dice.below(4);
        check_frames(&stock, &mut differences, &["group_concat"], &rows, width);
    }
}

#[test]
fn empty_texts_leave_a_frame_with_their_separators() {
    // Stock forgets how many rows there are when the text becomes empty.
    let rows = ["a", "", "b", "", "c"].map(|t| vec![Value::text(t)]);
    let results = moving("group_concat", &rows, 2).unwrap();
    let expected = ["a", "a,", ",b", "b,", ",c"].map(Value::text);
    assert_eq!(results, expected);
}

#[test]
fn a_concatenation_over_the_limit_is_refused() {
    let mut around = Around { max_length: 5, ..Around::new() };
    let mut aggregate = start("group_concat", 1, &Collation::BINARY);
    aggregate.step(&mut around, &[Value::text("ab")]).unwrap();
    aggregate.step(&mut around, &[Value::text("cd")]).unwrap();
    let error = aggregate.step(&mut around, &[Value::text("e")]).unwrap_err();
    assert_eq!(error.to_string(), "string or blob too big");
}

#[test]
fn extremes_go_by_their_collation() {
    let mut around = Around::new();
    for (by, least) in [(Collation::NOCASE, "a"), (Collation::BINARY, "B")] {
        let mut aggregate = start("min", 1, &by);
        for text in ["a", "B", "A"] {
            if text != "A" || by == Collation::NOCASE {
                aggregate.step(&mut around, &[Value::text(text)]).unwrap();
            }
        }
        assert_eq!(aggregate.value(&mut around), Ok(Value::text(least)));
    }
}

#[test]
fn percentiles() {
    let rows = |fraction: Option<f64>| -> Vec<Vec<Value>> {
        [Value::Integer(4), Value::Null, Value::Real(1.5), Value::Integer(10), Value::Integer(2)]
            .into_iter()
            .map(|v| std::iter::once(v).chain(fraction.map(Value::Real)).collect())
            .collect()
    };
    assert_eq!(over("median", &rows(None)), Ok(Value::Real(3.0)));
    assert_eq!(over("percentile", &rows(Some(100.0))), Ok(Value::Real(10.0)));
    assert_eq!(over("percentile_cont", &rows(Some(0.25))), Ok(Value::Real(1.875)));
    assert_eq!(over("percentile_disc", &rows(Some(0.5))), Ok(Value::Real(2.0)));
    assert_eq!(
        over("percentile", &rows(Some(101.0))),
        Err("the fraction argument to percentile() is not between 0.0 and 100.0".into())
    );
    let text = [vec![Value::text("1")]];
    assert_eq!(over("median", &text), Err("input to median() is not numeric".into()));
    let infinite = [vec![Value::Real(f64::INFINITY)]];
    assert_eq!(over("median", &infinite), Err("Inf input to median()".into()));
    let changing = [0.1, 0.2].map(|f| vec![Value::Integer(1), Value::Real(f)]);
    assert_eq!(
        over("percentile_cont", &changing),
        Err("the fraction argument to percentile_cont() is not the same for all input rows".into())
    );
    let moved = moving("median", &rows(None), 2).unwrap();
    let expected = [4.0, 4.0, 1.5, 5.75, 6.0].map(Value::Real);
    assert_eq!(moved, expected);
}
