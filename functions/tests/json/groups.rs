//! The aggregates, whole and over frames that move.

use std::collections::VecDeque;

use heddle_value::{Collation, Value};

use crate::{Answer, Around, Bound, Expr, Judge, call, i, message, t, value};

/// Rows of names and values; `true` says that the value is JSON.
fn rows() -> Vec<(Value, Expr)> {
    let name = |text: &str| Value::text(text);
    vec![
        (name("a"), i(1)),
        (name("b"), t("text, with \"quotes\" and \\, [{")),
        (Value::Null, t("no name")),
        (name("c"), call("json", [t("[1,{\"x\":\"],\"}]")])),
        (name("@"), t("@,@")),
        (Value::Null, t("no name")),
        (Value::Null, t("no name")),
        (name("a"), Expr::Value(Value::Null)),
        (Value::Integer(5), Expr::Value(Value::Real(0.5))),
        (name("nul\u{0}x"), call("jsonb", [t("{\"k\":[true]}")])),
        (name("quo\"te"), Expr::Value(Value::Real(f64::INFINITY))),
        (name(""), t("")),
    ]
}

fn names() -> [(&'static str, bool); 4] {
    [
        ("json_group_array", false),
        ("jsonb_group_array", false),
        ("json_group_object", true),
        ("jsonb_group_object", true),
    ]
}

/// Our results for frames of each row and so many before it.
fn ours(name: &str, object: bool, rows: &[(Value, Expr)], before: usize) -> Vec<Answer> {
    let function = heddle_functions::aggregate(name, 1 + usize::from(object)).unwrap();
    assert!(function.invertible);
    let mut state = (function.start)(&Collation::BINARY);
    let mut frame = VecDeque::new();
    let mut results = Vec::new();
    for (name, value) in rows {
        let value = value.ours().unwrap();
        let arguments = if object { vec![name.clone(), value] } else { vec![value] };
        if let Err(error) = state.step(&mut Around, &arguments) {
            results.push(Err(error.to_string()));
            return results;
        }
        frame.push_back(arguments);
        if frame.len() > before + 1 {
            state.inverse(&mut Around, &frame.pop_front().unwrap()).unwrap();
        }
        results.push(state.value(&mut Around).map_err(|e| e.to_string()));
    }
    results
}

fn stock(
    judge: &Judge,
    name: &str,
    object: bool,
    rows: &[(Value, Expr)],
    before: usize,
) -> Result<Vec<Answer>, String> {
    let mut values = Vec::new();
    let mut selects = Vec::new();
    for (n, (name, value)) in rows.iter().enumerate() {
        values.push(Bound(name.clone()));
        let name = format!("?{}", values.len());
        selects.push(format!("({n},{name},{})", value.sql(&mut values)));
    }
    let arguments = if object { "column2, column3" } else { "column3" };
    // The values have to be calculated where they are aggregated: the mark of JSON does not go through VALUES.
    let cases: Vec<_> = rows
        .iter()
        .enumerate()
        .filter(|(_, (_, value))| matches!(value, Expr::Call("json", _)))
        .map(|(n, _)| format!("WHEN {n} THEN json(column3)"))
        .collect();
    let arguments = if cases.is_empty() {
        arguments.to_owned()
    } else {
        let case = format!("CASE column1 {} ELSE column3 END", cases.join(" "));
        arguments.replace("column3", &case)
    };
    let sql = format!(
        "SELECT {name}({arguments}) OVER (ORDER BY column1 ROWS {before} PRECEDING) \
         FROM (VALUES {})",
        selects.join(",")
    );
    let mut statement = judge.stock.0.prepare(&sql).map_err(message)?;
    let rows = statement
        .query_map(rusqlite::params_from_iter(values), |row| row.get_ref(0).map(value))
        .map_err(message)?;
    Ok(rows.map(|row| row.map_err(message)).collect())
}

#[test]
fn frames_that_move_give_what_stock_gives() {
    let mut judge = Judge::new();
    let rows = rows();
    for (name, object) in names() {
        for start in 0..rows.len() {
            for before in [0, 1, 2, 5, 100] {
                let rows = &rows[start..];
                judge.calls += 1;
                let ours = ours(name, object, rows, before);
                let stock = stock(&judge, name, object, rows, before).unwrap();
                if ours != stock {
                    judge.differences.push(format!(
                        "{name} from {start}, {before} before:\n   ours {ours:?}\n  stock {stock:?}"
                    ));
                }
            }
        }
    }
}

#[test]
fn no_rows_give_what_is_empty() {
    let mut judge = Judge::new();
    for (name, object) in names() {
        let function = heddle_functions::aggregate(name, 1 + usize::from(object)).unwrap();
        let ours = (function.start)(&Collation::BINARY).value(&mut Around).unwrap();
        let arguments = if object { "1, 2" } else { "1" };
        let sql = format!("SELECT {name}({arguments}) WHERE 0");
        let stock = judge.stock.0.query_row(&sql, [], |row| row.get_ref(0).map(value)).unwrap();
        judge.calls += 1;
        assert_eq!(ours, stock, "{name}");
        assert!(!matches!(&ours, Value::Text(text) if !text.is_json()));
    }
}

#[test]
fn blobs_are_refused() {
    let mut judge = Judge::new();
    let rows = [(Value::text("a"), Expr::Value(Value::blob("x")))];
    for (name, object) in names() {
        judge.calls += 1;
        let stock = stock(&judge, name, object, &rows, 1).unwrap();
        assert_eq!(ours(name, object, &rows, 1), stock, "{name}");
    }
}
