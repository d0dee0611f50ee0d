//! What the planner chooses, and that it answers the same.

use crate::support::{Fixture, words};

#[track_caller]
fn has(fixture: &Fixture, sql: &str, part: &str) {
    let plan = fixture.planned(sql);
    assert!(plan.contains(part), "{sql}: no {part} in {plan}");
}

#[track_caller]
fn lacks(fixture: &Fixture, sql: &str, part: &str) {
    let plan = fixture.planned(sql);
    assert!(!plan.contains(part), "{sql}: {part} in {plan}");
}

#[test]
fn rows_are_found_by_rowid_and_by_index() {
    let words = words();
    has(&words, "SELECT a FROM t WHERE id = 3", "access: Rowid");
    has(&words, "SELECT a FROM t WHERE rowid > 3", "access: Rowid");
    has(&words, "SELECT a FROM t WHERE id IN (1, 2)", "access: Each");
    has(&words, "SELECT b FROM t WHERE a = 10", "access: Index");
    has(&words, "SELECT b FROM t WHERE a = 10 OR id = 3", "access: Union");
    has(&words, "SELECT v FROM w WHERE k = 'a'", "access: Index");
    has(&words, "SELECT id FROM t WHERE b = 'x' COLLATE NOCASE", "access: Index");
    lacks(&words, "SELECT id FROM t WHERE b = 'x'", "access: Index");
    lacks(&words, "SELECT id FROM t WHERE a + 0 = 10", "access: Index");
    lacks(&words, "SELECT id FROM t NOT INDEXED WHERE a = 10", "access: Index");
    has(&words, "SELECT t.id FROM u JOIN t ON t.id = u.z WHERE u.x = 10", "access: Rowid");
    has(&words, "SELECT * FROM (SELECT a, b FROM t) WHERE a = 10", "access: Index");
    has(&words, "SELECT q FROM v WHERE p = 10", "access: Index");
}

#[test]
fn an_order_that_is_there_is_not_sorted_for() {
    let words = words();
    lacks(&words, "SELECT id, b FROM t ORDER BY id DESC", "Sort");
    lacks(&words, "SELECT id FROM t WHERE a = 10 ORDER BY id", "Sort");
    lacks(&words, "SELECT b FROM t ORDER BY a LIMIT 2", "Sort");
    lacks(&words, "SELECT k, n FROM w ORDER BY k, n", "Sort");
    has(&words, "SELECT b FROM t ORDER BY c", "Sort");
    has(&words, "SELECT b FROM t ORDER BY a NULLS LAST LIMIT 2", "Sort");
    lacks(&words, "SELECT max(a) FROM t", "access: Full");
}

#[test]
fn accesses_answer_as_stock_does() {
    words().check_all(&[
        "SELECT id FROM t WHERE id = '3'",
        "SELECT id FROM t WHERE id = 3.0",
        "SELECT id FROM t WHERE id = 3.5",
        "SELECT id FROM t WHERE id = 'x'",
        "SELECT id FROM t WHERE id > 2.5 AND id <= 5.5 ORDER BY id",
        "SELECT id FROM t WHERE id > '2' ORDER BY id",
        "SELECT id FROM t WHERE id < 'a' ORDER BY id",
        "SELECT id FROM t WHERE id < x'00' ORDER BY id",
        "SELECT id FROM t WHERE id BETWEEN 2 AND 4 ORDER BY id DESC",
        "SELECT id FROM t WHERE id > NULL",
        "SELECT id FROM t WHERE id = NULL",
        "SELECT id FROM t WHERE a = 10 AND b = 'one' ORDER BY id",
        "SELECT id FROM t WHERE a IS NULL",
        "SELECT id FROM t WHERE a IS 10 ORDER BY id",
        "SELECT id FROM t WHERE a > 10 ORDER BY a, id",
        "SELECT id FROM t WHERE a < 30 ORDER BY a DESC, id DESC",
        "SELECT id FROM t WHERE a >= 10 AND a < 30 ORDER BY id",
        "SELECT id FROM t WHERE a IN (10, 20, 10, NULL) ORDER BY id",
        "SELECT id FROM t WHERE a IN (SELECT x FROM u) AND id > 1 ORDER BY id",
        "SELECT id FROM t WHERE a = 10 OR a = 30 OR id = 4 ORDER BY id",
        "SELECT id FROM t WHERE (a = 10 AND c > 2) OR id IN (2, 3) ORDER BY id",
        "SELECT id FROM t WHERE b = 'two' COLLATE NOCASE ORDER BY id",
        "SELECT id FROM t WHERE b = 'two' COLLATE NOCASE AND a = 20 ORDER BY id",
        "SELECT id FROM t WHERE b COLLATE NOCASE > 'p' ORDER BY id",
        "SELECT a, b FROM t ORDER BY b COLLATE NOCASE, a DESC LIMIT 4",
        "SELECT x FROM u WHERE x = 20 AND y = 'TWO'",
        "SELECT x, y FROM u WHERE x = 20 ORDER BY y DESC",
        "SELECT * FROM w WHERE k > 'a' ORDER BY k, n",
        "SELECT * FROM w WHERE k IN ('a', 'c') AND n >= 2 ORDER BY k, n",
        "SELECT * FROM w WHERE n = 1 AND k = 'b'",
        "SELECT id FROM t ORDER BY a, id LIMIT 3",
        "SELECT id FROM t ORDER BY a DESC, id DESC LIMIT 3",
        "SELECT max(a), min(a) FROM t",
        "SELECT max(id) FROM t WHERE a = 10",
        "SELECT min(n) FROM w WHERE k = 'a'",
        "SELECT p FROM v WHERE p BETWEEN 15 AND 25 AND q IS NOT NULL ORDER BY p",
        "SELECT n FROM v2 WHERE m = 10",
        "SELECT a FROM (SELECT a FROM t UNION ALL SELECT x FROM u) WHERE a = 10",
        "SELECT a FROM (SELECT a FROM t ORDER BY id LIMIT 3) WHERE a > 10 ORDER BY a",
        "SELECT DISTINCT a FROM (SELECT DISTINCT a, b FROM t) WHERE a > 5 ORDER BY a",
    ]);
}

fn computed() -> Fixture {
    Fixture::new(
        "CREATE TABLE e (a INT, b TEXT, c);
         WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
           INSERT INTO e SELECT i, 'b' || (i % 7), CASE WHEN i % 5 = 0 THEN i END FROM n;
         CREATE INDEX upper_b ON e (upper(b), a);
         CREATE INDEX twice ON e (a * 2);
         CREATE INDEX some ON e (a) WHERE c IS NOT NULL;
         CREATE INDEX few ON e (b) WHERE a > 100 AND b = 'b3'",
    )
}

#[test]
fn partial_indexes_and_those_on_expressions_are_used_where_they_hold_all() {
    let e = computed();
    has(&e, "SELECT a FROM e WHERE upper(b) = 'B3'", "upper_b");
    has(&e, "SELECT a FROM e WHERE a * 2 > 380", "name: \"twice\"");
    has(&e, "SELECT a FROM e WHERE a = 10 AND c > 3", "access: Index");
    lacks(&e, "SELECT a FROM e WHERE a = 10", "access: Index");
    has(&e, "SELECT a FROM e WHERE a > 100 AND b = 'b3'", "access: Index");
    lacks(&e, "SELECT a FROM e WHERE a > 101 AND b = 'b3'", "access: Index");
    e.check_all(&[
        "SELECT a FROM e WHERE upper(b) = 'B3' ORDER BY a",
        "SELECT a, b FROM e WHERE upper(b) = 'B3' AND a > 50 ORDER BY a",
        "SELECT a FROM e WHERE a * 2 > 380 ORDER BY a",
        "SELECT a FROM e WHERE a * 2 = '20'",
        "SELECT a, c FROM e WHERE a BETWEEN 10 AND 20 AND c IS NOT NULL ORDER BY a",
        "SELECT a FROM e WHERE a = 10 AND c > 3",
        "SELECT a FROM e WHERE a = 11 AND c IS NULL",
        "SELECT a FROM e WHERE a > 100 AND b = 'b3' ORDER BY a",
        "SELECT count(*) FROM e WHERE a = 10 OR upper(b) = 'B2'",
        "SELECT max(a) FROM e WHERE c IS NOT NULL",
        "SELECT max(a) FROM e WHERE c IS NULL",
        "SELECT a FROM e ORDER BY a LIMIT 3",
        "SELECT a FROM e ORDER BY a * 2 DESC LIMIT 3",
    ]);
}

#[test]
fn correlated_subqueries_become_joins() {
    let words = words();
    has(&words, "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE z = c)", "kind: Semi");
    has(&words, "SELECT id FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE z = c)", "kind: Anti");
    has(&words, "SELECT id FROM t WHERE a IN (SELECT x FROM u WHERE z = c)", "kind: Semi");
    has(&words, "SELECT id FROM t WHERE c < (SELECT avg(z) FROM u WHERE z = d)", "Hash");
    has(&words, "SELECT id FROM t WHERE c < (SELECT max(z) FROM u WHERE x = a)", "Subquery");
    words.check_all(&[
        "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE z = c) ORDER BY id",
        "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE x = a AND z > c) ORDER BY id",
        "SELECT id FROM t WHERE NOT EXISTS (SELECT * FROM u WHERE x = a AND z > c) ORDER BY id",
        "SELECT id FROM t WHERE NOT EXISTS (SELECT * FROM u JOIN w ON n = z WHERE x = a) ORDER BY id",
        "SELECT id FROM t WHERE a IN (SELECT x FROM u WHERE z = c OR z < id) ORDER BY id",
        "SELECT id FROM t WHERE a NOT IN (SELECT x FROM u WHERE z = c OR z < id) ORDER BY id",
        "SELECT id FROM t WHERE id < (SELECT sum(z) FROM u WHERE u.x = t.a + 0) ORDER BY id",
        "SELECT id FROM t WHERE id >= (SELECT max(n) + 1 FROM w WHERE length(k) = id % 2) ORDER BY id",
        "SELECT id FROM t WHERE 0 = (SELECT count(*) FROM u WHERE z = d) ORDER BY id",
        "SELECT id FROM t WHERE (SELECT max(z) FROM u WHERE z = d) IS NULL ORDER BY id",
        "SELECT id FROM t AS o WHERE c = (SELECT max(c) FROM t WHERE b = o.b) ORDER BY id",
        "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE y = b) AND EXISTS (SELECT 1 FROM w WHERE n = id) ORDER BY id",
        "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.x = t.a AND EXISTS (SELECT 1 FROM w WHERE w.n = u.z AND t.id > 1)) ORDER BY id",
        "SELECT rowid FROM u AS o WHERE x IN (SELECT x FROM u AS i WHERE i.rowid = o.rowid) ORDER BY rowid",
        "SELECT rowid FROM u AS o WHERE EXISTS (SELECT x FROM u AS i WHERE i.rowid = o.rowid) ORDER BY rowid",
        "SELECT rowid FROM u AS o WHERE NOT EXISTS (SELECT x FROM u AS i WHERE i.rowid = o.rowid AND x > 10) ORDER BY rowid",
        "SELECT x FROM u WHERE NOT EXISTS (SELECT 1 FROM t WHERE id = x) ORDER BY x",
        "SELECT id FROM t LEFT JOIN u ON x = a WHERE EXISTS (SELECT 1 FROM w WHERE n = z) ORDER BY id",
    ]);
}
