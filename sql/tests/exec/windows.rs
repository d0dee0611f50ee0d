//! Window functions: every function over every kind of frame.

use crate::support::*;

const SQL: &str = "
    CREATE TABLE w (g INT, o INT, r REAL, t TEXT, n);
    WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 60)
    INSERT INTO w SELECT i % 4, CASE WHEN i % 11 = 0 THEN NULL ELSE (i * 37) % 13 END, (i * 53 % 17) / 4.0,
        't' || (i * 7 % 10), CASE i % 9 WHEN 0 THEN 'x' || i WHEN 1 THEN NULL WHEN 2 THEN i + 0.5 ELSE i % 5 END FROM s;
";

const FUNCTIONS: &[&str] = &[
    "count(*)",
    "count(o)",
    "sum(o)",
    "avg(o)",
    "total(o)",
    "min(t)",
    "max(o)",
    "min(n)",
    "group_concat(t, '-')",
    "sum(o) FILTER (WHERE r > 2)",
    "max(r) FILTER (WHERE o < 6)",
    "first_value(t)",
    "last_value(t)",
    "nth_value(t, 3)",
    "row_number()",
    "rank()",
    "dense_rank()",
    "percent_rank()",
    "cume_dist()",
    "ntile(4)",
    "lag(t)",
    "lead(t, 2)",
    "lag(t, 3, o)",
    "lead(t, -1, 'none')",
    "json_group_array(o)",
];

#[test]
fn every_function_over_every_kind_of_frame() {
    let f = Fixture::new(SQL);
    let bounds = [
        "UNBOUNDED PRECEDING AND CURRENT ROW",
        "UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
        "CURRENT ROW AND UNBOUNDED FOLLOWING",
        "CURRENT ROW AND CURRENT ROW",
        "2 PRECEDING AND 1 FOLLOWING",
        "3 PRECEDING AND 1 PRECEDING",
        "1 PRECEDING AND 3 PRECEDING",
        "1 FOLLOWING AND 3 FOLLOWING",
        "UNBOUNDED PRECEDING AND 2 PRECEDING",
        "2 FOLLOWING AND UNBOUNDED FOLLOWING",
        "0 PRECEDING AND 0 FOLLOWING",
        "3 FOLLOWING AND 1 FOLLOWING",
    ];
    let excludes =
        ["", "EXCLUDE NO OTHERS", "EXCLUDE CURRENT ROW", "EXCLUDE GROUP", "EXCLUDE TIES"];
    let mut tried = 0;
    for kind in ["ROWS", "RANGE", "GROUPS"] {
        for (number, bound) in bounds.iter().enumerate() {
            for (turn, exclude) in excludes.iter().enumerate() {
                let order = ["o", "o DESC", "o NULLS LAST"][(number + turn) % 3];
                // Stable where the order leaves it open.
                let calls: Vec<String> =
                    FUNCTIONS.iter().map(|call| format!("{call} OVER w")).collect();
                let sql = format!(
                    "SELECT o, t, {} FROM w WINDOW w AS (PARTITION BY g ORDER BY {order} {kind} BETWEEN {bound} {exclude})",
                    calls.join(", ")
                );
                f.check_sql(&sql);
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 180);
}

#[test]
fn windows_without_order_or_partition_and_several_at_once() {
    let f = Fixture::new(SQL);
    for sql in [
        "SELECT t, count(*) OVER (), sum(o) OVER (PARTITION BY g) FROM w ORDER BY w.rowid",
        "SELECT t, row_number() OVER (ORDER BY o, rowid), rank() OVER (ORDER BY t DESC) FROM w ORDER BY w.rowid",
        "SELECT o, sum(r) OVER (ORDER BY o, rowid ROWS 3 PRECEDING) FROM w",
        "SELECT g, sum(o), rank() OVER (ORDER BY sum(o) DESC) FROM w GROUP BY g ORDER BY 1",
        "SELECT n, count(*) OVER (ORDER BY n RANGE BETWEEN 1 PRECEDING AND 1.5 FOLLOWING) FROM w ORDER BY w.rowid",
        "SELECT n, count(*) OVER (ORDER BY n DESC RANGE BETWEEN 1 PRECEDING AND 1.5 FOLLOWING) FROM w ORDER BY w.rowid",
        "SELECT n, count(*) OVER (ORDER BY n DESC NULLS FIRST RANGE BETWEEN 2 FOLLOWING AND UNBOUNDED FOLLOWING) FROM w ORDER BY w.rowid",
        "SELECT t, max(t) OVER (PARTITION BY g ORDER BY r, rowid ROWS BETWEEN 5 PRECEDING AND 2 FOLLOWING) FROM w ORDER BY w.rowid",
        "SELECT * FROM (SELECT t, row_number() OVER (PARTITION BY g ORDER BY r, rowid) AS n FROM w) WHERE n <= 2 ORDER BY 1, 2",
        "SELECT count(*) OVER () FROM w WHERE 0",
        "SELECT t, lag(t, NULL) OVER (ORDER BY rowid), lag(t, 1.5, 'd') OVER (ORDER BY rowid), lead(t, '2') OVER (ORDER BY rowid) FROM w",
        "SELECT ntile(7) OVER (ORDER BY rowid), ntile(100) OVER (ORDER BY rowid), ntile(1) OVER () FROM w",
        "SELECT (SELECT sum(x.o) OVER (ORDER BY x.rowid) FROM w x WHERE x.g = w.g LIMIT 1 OFFSET 2) FROM w",
    ] {
        f.check_sql(sql);
    }
}

#[test]
fn wrong_offsets_have_stocks_words() {
    let f = Fixture::new(SQL);
    for sql in [
        "SELECT sum(o) OVER (ORDER BY o ROWS -1 PRECEDING) FROM w",
        "SELECT sum(o) OVER (ORDER BY o ROWS BETWEEN 1 PRECEDING AND 1.5 FOLLOWING) FROM w",
        "SELECT sum(o) OVER (ORDER BY o GROUPS 'x' PRECEDING) FROM w",
        "SELECT sum(o) OVER (ORDER BY o RANGE BETWEEN CURRENT ROW AND 'x' FOLLOWING) FROM w",
        "SELECT sum(o) OVER (ORDER BY o RANGE -1 PRECEDING) FROM w",
        "SELECT ntile(0) OVER () FROM w",
        "SELECT nth_value(o, 0) OVER () FROM w",
        "SELECT nth_value(o, 1.5) OVER () FROM w",
    ] {
        assert_eq!(f.try_sql(sql), f.judge(sql), "{sql}");
    }
}
