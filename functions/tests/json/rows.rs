//! The table-valued functions: all columns of all rows.

use heddle_value::Value;

use crate::documents::{PATHS, TEXTS, TREES};
use crate::{Around, Bound, Judge, Stock, call, message, t, value};

type Rows = Result<Vec<Vec<Value>>, String>;

const NAMES: [&str; 4] = ["json_each", "json_tree", "jsonb_each", "jsonb_tree"];

fn stock_rows(stock: &Stock, name: &str, arguments: &[Value]) -> Rows {
    let marks = vec!["?"; arguments.len()].join(",");
    let sql = format!(
        "SELECT key, value, type, atom, id, parent, fullkey, path, json, root FROM {name}({marks})"
    );
    let mut statement = stock.0.prepare_cached(&sql).map_err(message)?;
    let bound = rusqlite::params_from_iter(arguments.iter().cloned().map(Bound));
    let rows =
        statement.query_map(bound, |row| (0..10).map(|n| row.get_ref(n).map(value)).collect());
    rows.map_err(message)?.collect::<Result<_, _>>().map_err(message)
}

fn our_rows(name: &str, arguments: &[Value]) -> Rows {
    let function = heddle_functions::table(name).unwrap();
    let all = || {
        let mut open = (function.open)(&mut Around, arguments)?;
        let mut rows = Vec::new();
        while let Some(row) = open.next(&mut Around)? {
            assert_eq!(row.len(), function.columns.len() + function.parameters.len());
            rows.push(row);
        }
        Ok(rows)
    };
    all().map_err(|e: heddle_functions::FunctionError| e.to_string())
}

fn check(judge: &mut Judge, name: &str, arguments: &[Value]) {
    judge.calls += 1;
    let (ours, stock) = (our_rows(name, arguments), stock_rows(&judge.stock, name, arguments));
    if ours != stock {
        let count = |rows: &Rows| rows.clone().map(|rows| rows.len());
        let (n, m) = (count(&ours), count(&stock));
        let mut text = format!("{name}{arguments:?}: rows {n:?}, stock {m:?}");
        if let (Ok(ours), Ok(stock)) = (ours, stock) {
            for (ours, stock) in ours.iter().zip(&stock).filter(|(a, b)| a != b) {
                text += &format!("\n   ours {ours:?}\n  stock {stock:?}");
            }
        }
        judge.differences.push(text);
    }
}

#[test]
fn rows_of_documents_are_those_of_stock() {
    let mut judge = Judge::new();
    for tree in TREES.iter().chain(TEXTS) {
        for name in NAMES {
            check(&mut judge, name, &[Value::text(tree)]);
            if let Ok(blob) = judge.stock.answer(&call("jsonb", [t(tree)])) {
                check(&mut judge, name, &[blob]);
            }
        }
    }
    for tree in TREES {
        for path in PATHS {
            for name in NAMES {
                check(&mut judge, name, &[Value::text(tree), Value::text(path)]);
            }
        }
    }
    for name in NAMES {
        check(&mut judge, name, &[Value::text("[1]"), Value::Null]);
        check(&mut judge, name, &[Value::text("[1"), Value::Null]);
        check(&mut judge, name, &[Value::text("[1]"), Value::Integer(1)]);
        check(&mut judge, name, &[Value::Null, Value::text("x")]);
        check(&mut judge, name, &[]);
    }
    for odd in [Value::Null, Value::Integer(5), Value::Real(1.5), Value::blob("[1]")] {
        for name in NAMES {
            check(&mut judge, name, std::slice::from_ref(&odd));
        }
    }
}

#[test]
fn only_containers_among_the_values_count_as_json() {
    let rows = our_rows("json_each", &[Value::text("[[1],\"[1]\",{},2]")]).unwrap();
    let marked: Vec<_> =
        rows.iter().map(|row| matches!(&row[1], Value::Text(text) if text.is_json())).collect();
    let stock = Stock::new();
    let sql = "SELECT json_array(value) FROM json_each('[[1],\"[1]\",{},2]')";
    let mut statement = stock.0.prepare(sql).unwrap();
    let texts = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let texts: Vec<_> = texts.map(Result::unwrap).collect();
    assert_eq!(texts, ["[[1]]", "[\"[1]\"]", "[{}]", "[2]"]);
    assert_eq!(marked, [true, false, true, false]);
}

#[test]
fn a_deep_tree_is_walked_to_its_end() {
    let mut judge = Judge::new();
    let text = format!("{}{}", "[{\"a\":".repeat(100), "}]".repeat(100));
    check(&mut judge, "json_tree", &[Value::text(text.replace(":}", ":1}"))]);
}
