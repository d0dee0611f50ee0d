//! Keys order values as stock SQLite's `ORDER BY` does, and records are written as stock writes them.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

mod common;

use common::stock;
use heddle_btree::collation::Collation;
use heddle_btree::key::{KeyColumn, KeyShape, encode_values};
use heddle_btree::record::{self, Record};
use heddle_btree::text::{self, Encoding};
use heddle_btree::value::ValueRef;
use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value;

fn value() -> impl Strategy<Value = Value> {
    let edge = 1i64 << 53;
    let integer = prop_oneof![
        -3i64..3,
        (-3i64..3).prop_map(move |d| edge + d),
        (-3i64..3).prop_map(move |d| -edge + d),
        (0i64..3).prop_map(|d| i64::MAX - d),
        (0i64..3).prop_map(|d| i64::MIN + d),
        any::<i64>(),
    ];
    let real = prop_oneof![
        (-3i32..3).prop_map(|v| f64::from(v) / 2.0),
        (-3i64..3).prop_map(move |d| (edge + d) as f64),
        Just(-0.0),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(9_223_372_036_854_775_807.0),
        Just(-9_223_372_036_854_775_808.0),
        any::<f64>().prop_filter("stock stores NaN as NULL", |v| !v.is_nan()),
    ];
    let text = proptest::collection::vec(
        prop_oneof![
            Just('a'),
            Just('A'),
            Just('b'),
            Just(' '),
            Just('\0'),
            Just('['),
            Just('\u{c4}'),
            Just('\u{e4}'),
            Just('\u{d7ff}'),
            Just('\u{e000}'),
            Just('\u{ffff}'),
            Just('\u{10000}'),
            any::<char>(),
        ],
        0..5,
    );
    prop_oneof![
        1 => Just(Value::Null),
        3 => integer.prop_map(Value::Integer),
        3 => real.prop_map(Value::Real),
        6 => text.prop_map(|chars| Value::Text(chars.into_iter().collect())),
        2 => proptest::collection::vec(any::<u8>(), 0..4).prop_map(Value::Blob),
    ]
}

fn column() -> impl Strategy<Value = KeyColumn> {
    let collations = vec![Collation::Binary, Collation::NoCase, Collation::RTrim];
    (proptest::sample::select(collations), any::<bool>())
        .prop_map(|(collation, descending)| KeyColumn { collation, descending })
}

/// The bytes of a text in the database, where it has one.
fn in_encoding(value: &Value, encoding: Encoding) -> Vec<u8> {
    match value {
        Value::Text(s) => text::from_str(s, encoding).into_owned(),
        Value::Blob(b) => b.clone(),
        _ => Vec::new(),
    }
}

fn as_ref<'a>(value: &Value, bytes: &'a [u8]) -> ValueRef<'a> {
    match value {
        Value::Null => ValueRef::Null,
        Value::Integer(v) => ValueRef::Integer(*v),
        Value::Real(v) => ValueRef::Real(*v),
        Value::Text(_) => ValueRef::Text(bytes),
        Value::Blob(_) => ValueRef::Blob(bytes),
    }
}

fn database(encoding: Encoding) -> Connection {
    let name = match encoding {
        Encoding::Utf8 => "UTF-8",
        Encoding::Utf16Le => "UTF-16le",
        Encoding::Utf16Be => "UTF-16be",
    };
    stock(
        std::path::Path::new(":memory:"),
        &format!("PRAGMA encoding = '{name}'; CREATE TABLE t(id INTEGER PRIMARY KEY, a, b);"),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn keys_order_as_stock_orders(
        rows in proptest::collection::vec((value(), value()), 2..40),
        a in column(),
        b in column(),
        encoding in proptest::sample::select(vec![Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be]),
    ) {
        let stock = database(encoding);
        let shape = KeyShape::new([a, b], encoding);
        let mut keys = Vec::new();
        for (id, (first, second)) in rows.iter().enumerate() {
            stock
                .execute("INSERT INTO t VALUES (?1, ?2, ?3)", (id as i64, first, second))
                .expect("inserts");
            let bytes = [in_encoding(first, encoding), in_encoding(second, encoding)];
            let values = [as_ref(first, &bytes[0]), as_ref(second, &bytes[1])];
            let mut key = Vec::new();
            encode_values(&shape, values, &mut key);
            keys.push(key);
        }
        let by = |name: &str, column: &KeyColumn| {
            let direction = if column.descending { "DESC" } else { "ASC" };
            format!("{name} COLLATE {} {direction}", column.collation.name())
        };
        let order = format!("{}, {}", by("a", &a), by("b", &b));
        // Equal rows get one rank from stock, and must have one key.
        let mut statement = stock
            .prepare(&format!("SELECT id, rank() OVER (ORDER BY {order}) FROM t ORDER BY {order}"))
            .expect("prepares");
        let ranked: Vec<(usize, i64)> = statement
            .query_map([], |r| Ok((r.get::<_, i64>(0)? as usize, r.get(1)?)))
            .expect("runs")
            .collect::<Result<_, _>>()
            .expect("rows");
        for pair in ranked.windows(2) {
            let ((left, rank), (right, next)) = (pair[0], pair[1]);
            prop_assert_eq!(
                keys[left].cmp(&keys[right]),
                rank.cmp(&next),
                "{:?} then {:?} by {}", rows[left], rows[right], order
            );
        }
    }

    #[test]
    fn records_come_back(values in proptest::collection::vec(value(), 0..30)) {
        let bytes: Vec<_> = values.iter().map(|v| in_encoding(v, Encoding::Utf8)).collect();
        let values: Vec<_> = values.iter().zip(&bytes).map(|(v, b)| as_ref(v, b)).collect();
        let mut out = Vec::new();
        record::encode(values.iter().copied(), &mut out).expect("within limits");
        let record = Record::parse(&out).expect("a record");
        prop_assert_eq!(record.column_count(), Ok(values.len()));
        for (i, value) in values.iter().enumerate() {
            prop_assert_eq!(record.column(i), Ok(Some(*value)));
        }
        prop_assert_eq!(record.column(values.len()), Ok(None));
    }

    #[test]
    fn arbitrary_bytes_are_no_danger(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(record) = Record::parse(&bytes) {
            let _ = record.column_count();
            let mut columns = record.columns();
            while let Ok(Some(_)) = columns.next_value() {}
        }
    }
}

/// Stock's own record of the same values, taken from the page it wrote.
#[test]
fn records_are_those_stock_writes() {
    let file = common::scratch();
    let stock = stock(&file.path, "CREATE TABLE t(a, b, c, d, e, f, g, h)");
    let blob = vec![3u8; 400];
    let rows: Vec<[Value; 8]> =
        [0, 1, 2, -1, 127, 128, -129, 32_768, 1 << 23, 1 << 31, 1 << 47, i64::MAX]
            .into_iter()
            .map(|v: i64| {
                [
                    Value::Integer(v),
                    Value::Integer(-v),
                    Value::Real(v as f64 + 0.5),
                    Value::Null,
                    Value::Text("x".repeat(v.clamp(0, 300) as usize)),
                    Value::Blob(blob.clone()),
                    Value::Integer(v / 3),
                    Value::Text("\u{fc}".to_owned()),
                ]
            })
            .collect();
    for row in &rows {
        stock
            .execute(
                "INSERT INTO t VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
                rusqlite::params_from_iter(row),
            )
            .expect("inserts");
    }
    let known = common::trees(&stock);
    let snapshot = common::snapshot(&file.path);
    for (i, row) in rows.iter().enumerate() {
        let bytes: Vec<_> = row.iter().map(|v| in_encoding(v, Encoding::Utf8)).collect();
        let mut ours = Vec::new();
        record::encode(row.iter().zip(&bytes).map(|(v, b)| as_ref(v, b)), &mut ours)
            .expect("encodes");
        let theirs = common::block_on(known[0].tree.get_row(&snapshot, i as i64 + 1));
        assert_eq!(theirs.expect("reads").as_deref(), Some(&ours[..]), "row {i}");
    }
}
