//! Scans: every access path gives the rows that stock SQLite finds.

use std::fmt::Write;

use heddle_sql::plan::*;
use heddle_value::{Collation, Value};

use crate::support::*;

fn fixture() -> Fixture {
    let mut sql = String::from(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, r REAL, s TEXT);
         CREATE INDEX t_n ON t (n, s DESC);
         CREATE UNIQUE INDEX t_s ON t (s COLLATE NOCASE, r);
         CREATE INDEX t_r ON t (r DESC);
         CREATE TABLE w (a TEXT, b INT, c REAL, PRIMARY KEY (b DESC, a)) WITHOUT ROWID;
         CREATE INDEX w_c ON w (c);
         CREATE TABLE old (a);
         INSERT INTO old VALUES (1), (2);
         ALTER TABLE old ADD COLUMN b INT DEFAULT -7;
         ALTER TABLE old ADD COLUMN c REAL DEFAULT 3;
         ALTER TABLE old ADD COLUMN d DEFAULT 'x';
         ALTER TABLE old ADD COLUMN e;
         INSERT INTO old VALUES (3, 4, 5, 6, 7);",
    );
    for i in -40_i64..1500 {
        let n = if i % 7 == 0 { "NULL".to_owned() } else { (i % 10).to_string() };
        let r = if i % 11 == 0 { "NULL".to_owned() } else { format!("{}", i as f64 / 4.0) };
        let s = if i % 13 == 0 { "NULL".to_owned() } else { format!("'v{}'", i % 100) };
        // Equal texts differ in `r`.
        let _ = write!(sql, "INSERT OR IGNORE INTO t VALUES ({i}, {n}, {r}, {s});");
        if i < 300 {
            let _ = write!(sql, "INSERT INTO w VALUES ('a{}', {}, {r});", i.rem_euclid(3), i / 3);
        }
    }
    sql = sql.replace("INSERT INTO w", "INSERT OR IGNORE INTO w");
    Fixture::new(&sql)
}

#[test]
fn whole_tables_forward_and_backward() {
    let f = fixture();
    let (t, w, old) = (f.table("t"), f.table("w"), f.table("old"));
    f.check("SELECT *, rowid FROM t", scan(&t, 0), &ids(&[0, 1, 2, 3, 50]));
    f.check("SELECT * FROM w ORDER BY b DESC, a", scan(&w, 0), &ids(&[0, 1, 2]));
    f.check("SELECT * FROM old", scan(&old, 0), &ids(&[0, 1, 2, 3, 4]));
    f.check("SELECT rowid FROM old", scan(&old, 0), &ids(&[50]));
    let mut backward = scan_with(&t, 0, Access::Full);
    backward.backward = true;
    let backward = Relation::Scan(Box::new(backward));
    f.check("SELECT s, id FROM t ORDER BY id DESC", backward, &ids(&[3, 0]));
}

#[test]
fn rowids_by_value_and_range() {
    let f = fixture();
    let t = f.table("t");
    let by = |low: Option<(Expr, bool)>, high: Option<(Expr, bool)>| {
        Relation::Scan(Box::new(scan_with(&t, 0, Access::Rowid(Bound { low, high }))))
    };
    let real = |v: f64| Expr::Constant(Value::Real(v));
    let same = |expr: Expr| by(Some((expr.clone(), true)), Some((expr, true)));
    let all = ids(&[0, 1, 2, 3]);
    f.check("SELECT * FROM t WHERE id = 5", same(int(5)), &all);
    f.check("SELECT * FROM t WHERE id = 99999", same(int(99_999)), &all);
    f.check("SELECT * FROM t WHERE id = 5.5", same(real(5.5)), &all);
    f.check("SELECT * FROM t WHERE id = NULL", same(null()), &all);
    f.check(
        "SELECT * FROM t WHERE id > 1.5 AND id <= 40",
        by(Some((real(1.5), false)), Some((int(40), true))),
        &all,
    );
    f.check("SELECT * FROM t WHERE id < 'x'", by(None, Some((text("x"), false))), &all);
    f.check("SELECT * FROM t WHERE id > 'x'", by(Some((text("x"), false)), None), &all);
}

fn by_index(
    table: &std::sync::Arc<heddle_sql::schema::Table>,
    name: &str,
    equal: Vec<Expr>,
    range: Bound,
    covering: bool,
    backward: bool,
) -> Relation {
    let access = Access::Index {
        index: (!name.is_empty()).then(|| index(table, name)),
        is: vec![false; equal.len()],
        equal,
        range,
        covering,
    };
    let mut scan = scan_with(table, 0, access);
    scan.backward = backward;
    if covering && !name.is_empty() {
        let index = index(table, name);
        scan.columns.retain(|(column, _)| {
            index.keys.iter().chain(&index.row_keys).any(|key| key.column == Some(*column))
                || table.rowid_alias == Some(usize::from(*column))
        });
    }
    Relation::Scan(Box::new(scan))
}

#[test]
fn indexes_by_equality_and_range_in_either_direction() {
    let f = fixture();
    let (t, w) = (f.table("t"), f.table("w"));
    let low = |v: Expr, included: bool| Bound { low: Some((v, included)), high: None };
    let high = |v: Expr, included: bool| Bound { low: None, high: Some((v, included)) };
    let both = |a: Expr, b: Expr| Bound { low: Some((a, false)), high: Some((b, true)) };
    let none = Bound::default;
    let all = ids(&[0, 1, 2, 3]);
    for backward in [false, true] {
        let way = if backward { "DESC" } else { "ASC" };
        let other = if backward { "ASC" } else { "DESC" };
        let t_n = |equal, range, covering| by_index(&t, "t_n", equal, range, covering, backward);
        f.check(
            &format!("SELECT * FROM t INDEXED BY t_n WHERE n = 3 ORDER BY s {other}, id {way}"),
            t_n(vec![int(3)], none(), false),
            &all,
        );
        f.check(
            &format!("SELECT n, s, id FROM t WHERE n = 3 ORDER BY s {other}, id {way}"),
            t_n(vec![int(3)], none(), true),
            &ids(&[1, 3, 0]),
        );
        let cases = [
            ("s > 'v50'", low(text("v50"), false)),
            ("s >= 'v53'", low(text("v53"), true)),
            ("s < 'v50'", high(text("v50"), false)),
            ("s <= 'v53'", high(text("v53"), true)),
            ("s > 'v2' AND s <= 'v73'", both(text("v2"), text("v73"))),
            ("s > NULL", low(null(), false)),
        ];
        for (condition, range) in cases {
            f.check(
                &format!(
                    "SELECT * FROM t WHERE n = 3 AND {condition} ORDER BY s {other}, id {way}"
                ),
                t_n(vec![int(3)], range, false),
                &all,
            );
        }
        for (condition, range) in [
            ("n > 3", low(int(3), false)),
            ("n < 3", high(int(3), false)),
            ("n > 2 AND n <= 6", both(int(2), int(6))),
        ] {
            f.check(
                &format!("SELECT * FROM t WHERE {condition} ORDER BY n {way}, s {other}, id {way}"),
                t_n(vec![], range, false),
                &all,
            );
        }
        for (condition, range) in [
            ("r > 3", low(int(3), false)),
            ("r <= 3", high(int(3), true)),
            ("r > -2 AND r <= 60.5", both(int(-2), Expr::Constant(Value::Real(60.5)))),
        ] {
            f.check(
                &format!("SELECT r, id FROM t WHERE {condition} ORDER BY r {other}, id {way}"),
                by_index(&t, "t_r", vec![], range, true, backward),
                &ids(&[2, 0]),
            );
        }
        f.check(
            &format!("SELECT * FROM t WHERE s = 'V7' COLLATE NOCASE ORDER BY r {way}"),
            by_index(&t, "t_s", vec![text("V7")], none(), false, backward),
            &all,
        );
        f.check(
            &format!("SELECT * FROM w WHERE b = 4 ORDER BY a {way}"),
            by_index(&w, "", vec![int(4)], none(), true, backward),
            &ids(&[0, 1, 2]),
        );
        f.check(
            &format!("SELECT * FROM w WHERE b > 4 ORDER BY b {other}, a {way}"),
            by_index(&w, "", vec![], low(int(4), false), true, backward),
            &ids(&[0, 1, 2]),
        );
        f.check(
            &format!("SELECT * FROM w WHERE c < 44.4 ORDER BY c {way}, b {other}, a {way}"),
            by_index(
                &w,
                "w_c",
                vec![],
                high(Expr::Constant(Value::Real(44.4)), false),
                false,
                backward,
            ),
            &ids(&[0, 1, 2]),
        );
        f.check(
            &format!("SELECT c, b FROM w WHERE c < 44 ORDER BY c {way}, b {other}, a {way}"),
            by_index(&w, "w_c", vec![], high(int(44), false), true, backward),
            &ids(&[2, 1]),
        );
    }
    // IS finds NULL.
    let access = Access::Index {
        index: Some(index(&t, "t_n")),
        is: vec![true],
        equal: vec![null()],
        range: none(),
        covering: false,
    };
    f.check_set(
        "SELECT * FROM t WHERE n IS NULL",
        Relation::Scan(Box::new(scan_with(&t, 0, access))),
        &all,
    );
    f.check_set(
        "SELECT * FROM t WHERE n = NULL",
        by_index(&t, "t_n", vec![null()], none(), false, false),
        &all,
    );
}

#[test]
fn unions_and_lists_of_accesses() {
    let f = fixture();
    let (t, w) = (f.table("t"), f.table("w"));
    let on_n = |value: Expr, covering: bool| Access::Index {
        index: Some(index(&t, "t_n")),
        is: vec![false],
        equal: vec![value],
        range: Bound::default(),
        covering,
    };
    let rowid = |value: Expr| {
        Access::Rowid(Bound { low: Some((value.clone(), true)), high: Some((value, true)) })
    };
    let union = Access::Union(vec![on_n(int(3), true), rowid(int(13)), rowid(int(20))]);
    f.check_set(
        "SELECT * FROM t WHERE n = 3 OR id = 13 OR id = 20",
        Relation::Scan(Box::new(scan_with(&t, 0, union))),
        &ids(&[0, 1, 2, 3]),
    );
    let list = |items: Vec<Expr>| {
        Box::new(InSet {
            values: vec![],
            affinities: vec![None],
            collations: vec![Collation::BINARY],
            set: Members::List(items),
            not: false,
        })
    };
    for backward in [false, true] {
        let way = if backward { "DESC" } else { "ASC" };
        let other = if backward { "ASC" } else { "DESC" };
        let each = Access::Each {
            column: id(900),
            set: list(vec![int(7), int(2), null(), int(7)]),
            access: Box::new(on_n(col(900), false)),
        };
        let mut scanned = scan_with(&t, 0, each);
        scanned.backward = backward;
        f.check(
            &format!("SELECT * FROM t WHERE n IN (7, 2) ORDER BY n {way}, s {other}, id {way}"),
            Relation::Scan(Box::new(scanned)),
            &ids(&[0, 1, 2, 3]),
        );
        let each = Access::Each {
            column: id(900),
            set: list(vec![int(7), int(2), int(-3), int(7)]),
            access: Box::new(rowid(col(900))),
        };
        let mut scanned = scan_with(&t, 0, each);
        scanned.backward = backward;
        f.check(
            &format!("SELECT * FROM t WHERE id IN (7, 2, -3) ORDER BY id {way}"),
            Relation::Scan(Box::new(scanned)),
            &ids(&[0, 1, 2, 3]),
        );
    }
    // The values are those of a query, in an order that the tree turns around.
    let mut query = list(vec![]);
    let source = project(scan(&f.table("old"), 200), vec![(300, col(200))]);
    query.set = Members::Query(subquery(1, source, &[300], &[]));
    let each = Access::Each {
        column: id(900),
        set: query,
        access: Box::new(Access::Index {
            index: None,
            is: vec![false],
            equal: vec![col(900)],
            range: Bound::default(),
            covering: true,
        }),
    };
    f.check(
        "SELECT * FROM w WHERE b IN (SELECT a FROM old) ORDER BY b DESC, a",
        Relation::Scan(Box::new(scan_with(&w, 0, each))),
        &ids(&[0, 1, 2]),
    );
}
