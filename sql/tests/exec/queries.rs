//! Whole queries of SQL, by way of the binder.

use crate::support::*;

const SQL: &str = "
    CREATE TABLE a (id INTEGER PRIMARY KEY, k INT, s TEXT, r REAL);
    CREATE TABLE b (x INT, y TEXT COLLATE NOCASE, z);
    CREATE TABLE e (p, q);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
    INSERT INTO a SELECT i, CASE WHEN i % 17 = 0 THEN NULL ELSE (i * 7919) % 101 END,
        CASE WHEN i % 13 = 0 THEN NULL ELSE 's' || (i * 31 % 57) END, i / 8.0 FROM n;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
    INSERT INTO b SELECT CASE WHEN i % 19 = 0 THEN NULL ELSE i % 41 END,
        CASE i % 3 WHEN 0 THEN 'S' ELSE 's' END || (i % 57), i % 5 FROM n;
    CREATE TABLE tree (id INT, parent INT, name TEXT);
    INSERT INTO tree VALUES (1, NULL, 'root'), (2, 1, 'b'), (3, 1, 'a'), (4, 2, 'd'), (5, 2, 'c'), (6, 4, 'f'), (7, 3, 'e');
    CREATE TABLE edge (f, t);
    INSERT INTO edge VALUES (1, 2), (2, 3), (3, 1), (3, 4), (4, 4), (2, 5);
";

fn check_all(queries: &[&str]) {
    let f = Fixture::new(SQL);
    for sql in queries {
        f.check_sql(sql);
    }
}

#[test]
fn joins_of_every_kind() {
    check_all(&[
        "SELECT a.id, b.x, b.y FROM a JOIN b ON a.k = b.x WHERE a.id < 200 ORDER BY 1, 2, 3",
        "SELECT a.id, b.x FROM a LEFT JOIN b ON a.k = b.x AND b.z > 2 WHERE a.id < 200 ORDER BY 1, 2, b.rowid",
        "SELECT a.id, b.x FROM a RIGHT JOIN b ON a.id = b.x + 20 ORDER BY b.rowid, a.id",
        "SELECT a.id, b.x, b.rowid FROM a FULL JOIN b ON a.id = b.x + 1480 ORDER BY a.id, b.rowid",
        "SELECT count(*) FROM a, b",
        "SELECT count(*) FROM a LEFT JOIN e ON 1",
        "SELECT count(*) FROM e LEFT JOIN a ON 1",
        "SELECT count(*), sum(a.id) FROM e RIGHT JOIN a ON 1",
        "SELECT count(*), sum(a.id) FROM a FULL JOIN e ON 1",
        "SELECT * FROM e FULL JOIN e e2 ON 1",
        "SELECT t.name, u.name, v.name FROM tree t LEFT JOIN tree u ON u.parent = t.id LEFT JOIN tree v ON v.parent = u.id ORDER BY 1, 2, 3",
        "SELECT t.name FROM tree t WHERE EXISTS (SELECT 1 FROM tree u WHERE u.parent = t.id) ORDER BY 1",
        "SELECT t.name FROM tree t WHERE NOT EXISTS (SELECT 1 FROM tree u WHERE u.parent = t.id) ORDER BY 1",
        "SELECT t.name, (SELECT group_concat(u.name) FROM tree u WHERE u.parent = t.id) FROM tree t ORDER BY t.id",
        "SELECT b.x, (SELECT count(*) FROM a WHERE a.k = b.x AND a.r > b.z * 30) FROM b ORDER BY b.rowid",
        "SELECT * FROM tree NATURAL JOIN (SELECT 2 AS parent, 'c' AS name UNION SELECT 1, 'a')",
        "SELECT id, name FROM tree JOIN (SELECT parent AS id, count(*) AS n FROM tree GROUP BY parent) USING (id) ORDER BY id",
        "SELECT x.i, j.value FROM (SELECT 1 i UNION SELECT 2) x, json_each('[10,20]') j ORDER BY 1, 2",
    ]);
}

#[test]
fn joins_that_look_rows_up() {
    let f = Fixture::new(&format!(
        "{SQL} CREATE INDEX a_k ON a (k, r); CREATE INDEX b_x ON b (x); CREATE INDEX b_zx ON b (z, x);"
    ));
    for sql in [
        "SELECT b.rowid, a.id, a.s FROM b CROSS JOIN a ON a.id = b.x * 30 ORDER BY 1, 2",
        "SELECT b.rowid, a.id, a.s FROM b LEFT JOIN a ON a.id = b.x * 60 ORDER BY 1, 2",
        "SELECT b.rowid, a.id FROM b LEFT JOIN a ON a.k = b.x AND a.r > b.z * 20 ORDER BY 1, 2",
        "SELECT a.id, b.rowid FROM a LEFT JOIN b ON b.x = a.k AND b.y > 's3' ORDER BY 1, 2",
        "SELECT a.id, b.rowid, c.id FROM a LEFT JOIN b ON b.x = a.k LEFT JOIN a c ON c.id = b.rowid AND c.s < a.s ORDER BY 1, 2",
        "SELECT count(*), sum(c.id) FROM b JOIN a ON a.k = b.x JOIN a c ON c.k = a.k",
        "SELECT a.id, (SELECT count(*) FROM b LEFT JOIN a c ON c.id = b.x + a.id WHERE b.z = a.k % 5) FROM a WHERE a.id < 40 ORDER BY 1",
        "SELECT x.id FROM a x LEFT JOIN b ON b.x = x.k WHERE b.rowid IS NULL ORDER BY 1",
        "SELECT b.rowid, a.id FROM b LEFT JOIN a ON a.id IN (b.x, b.z, b.x) ORDER BY 1, 2",
        "SELECT b.rowid, a.id FROM b LEFT JOIN a ON a.id = b.x OR a.k = b.z ORDER BY 1, 2",
        "SELECT b.rowid, a.id FROM b LEFT JOIN a ON a.k = b.x AND (SELECT max(z) FROM b c WHERE c.x = a.k) > 3 ORDER BY 1, 2",
        "SELECT b.rowid FROM b LEFT JOIN a ON a.k = b.z ORDER BY b.rowid LIMIT 30",
    ] {
        f.check_sql(sql);
    }
}

#[test]
fn groups_and_their_aggregates() {
    check_all(&[
        "SELECT count(*), count(k), sum(k), avg(r), min(s), max(s), total(k) FROM a",
        "SELECT count(*), sum(p), min(q), max(q), group_concat(p) FROM e",
        "SELECT k, count(*), sum(r), min(s), max(id) FROM a GROUP BY k",
        "SELECT y, count(*) FROM b GROUP BY y",
        "SELECT y, z, count(DISTINCT x), sum(DISTINCT x) FROM b GROUP BY y, z",
        "SELECT x, z FROM b GROUP BY z",
        "SELECT x, z, count(*) FROM b GROUP BY x % 7",
        "SELECT x, rowid, max(z) FROM b GROUP BY y",
        "SELECT x, rowid, min(x) FROM b GROUP BY z",
        "SELECT x, rowid, max(x), count(*) FROM b WHERE x IS NULL",
        "SELECT rowid, z, min(x), max(z) FROM b",
        "SELECT rowid, z, max(z), min(x) FROM b GROUP BY y",
        "SELECT x, rowid, max(x), count(*) FROM b",
        "SELECT x, rowid, count(*) FROM b",
        "SELECT x, rowid FROM b GROUP BY 1 HAVING max(z) > 3",
        "SELECT k % 3 AS g, count(*) FILTER (WHERE id > 700), sum(id) FILTER (WHERE s IS NULL) FROM a GROUP BY g HAVING g > 0 ORDER BY g DESC",
        "SELECT z, group_concat(x, '-' ORDER BY x DESC, rowid) FROM b GROUP BY z",
        "SELECT z, group_concat(DISTINCT x) FROM b GROUP BY z",
        "SELECT count(*) FROM (SELECT k FROM a GROUP BY k, s)",
        "SELECT sum(n) FROM (SELECT count(*) AS n FROM a GROUP BY k)",
        "SELECT max(id) + min(id), count(*) * 2 FROM a WHERE k > (SELECT avg(k) FROM a)",
        "SELECT 1 FROM e GROUP BY p",
        "SELECT count(*) FROM e GROUP BY p",
        "SELECT k, count(*) AS n FROM a GROUP BY k ORDER BY n DESC, k LIMIT 10",
    ]);
}

#[test]
fn orders_and_limits() {
    check_all(&[
        "SELECT id FROM a ORDER BY k, s DESC, id",
        "SELECT id FROM a ORDER BY k DESC NULLS FIRST, s NULLS LAST, id DESC",
        "SELECT id FROM a ORDER BY k",
        "SELECT id, k FROM a ORDER BY k DESC LIMIT 20 OFFSET 5",
        "SELECT id FROM a ORDER BY s, k LIMIT 3",
        "SELECT y FROM b ORDER BY y, rowid DESC",
        "SELECT x, y FROM b ORDER BY y COLLATE BINARY DESC, x LIMIT 7",
        "SELECT id FROM a ORDER BY -r LIMIT 1400 OFFSET 90",
        "SELECT id FROM a ORDER BY 1 LIMIT 0",
        "SELECT s, r FROM a ORDER BY length(s), r DESC LIMIT -1 OFFSET 1490",
        "SELECT DISTINCT k FROM a",
        "SELECT DISTINCT y FROM b",
        "SELECT DISTINCT z, x % 2 FROM b ORDER BY 2, 1",
        "SELECT DISTINCT k FROM a ORDER BY k LIMIT 5",
    ]);
}

#[test]
fn compounds_as_sets() {
    check_all(&[
        "SELECT k FROM a UNION SELECT x FROM b",
        "SELECT k FROM a UNION ALL SELECT x FROM b",
        "SELECT k FROM a EXCEPT SELECT x FROM b",
        "SELECT x FROM b INTERSECT SELECT k FROM a",
        "SELECT y FROM b UNION SELECT s FROM a",
        "SELECT s FROM a UNION SELECT y FROM b",
        "SELECT y FROM b EXCEPT SELECT s FROM a",
        "SELECT s FROM a INTERSECT SELECT y FROM b",
        "SELECT k, s FROM a UNION SELECT x, y FROM b ORDER BY 2, 1 LIMIT 40",
        "SELECT 1 UNION ALL SELECT 2 UNION SELECT 1 UNION ALL SELECT 1",
        "SELECT 1 UNION SELECT 1.0 UNION SELECT '1' UNION SELECT NULL UNION SELECT x'31' UNION SELECT NULL",
        "SELECT * FROM (VALUES (3, 'c'), (1, 'a'), (2, NULL)) ORDER BY 1",
        "SELECT * FROM (SELECT k FROM a UNION ALL SELECT x FROM b) WHERE k = 7",
    ]);
}

#[test]
fn recursions() {
    check_all(&[
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT count(*), sum(i), max(i) FROM n",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT 20",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 7 OFFSET 3) SELECT i FROM n",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT t FROM edge, r WHERE f = n) SELECT n FROM r",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT t FROM r JOIN edge ON f = n) SELECT n FROM r ORDER BY n",
        "WITH RECURSIVE d(id, name, depth) AS (SELECT id, name, 0 FROM tree WHERE parent IS NULL
            UNION ALL SELECT tree.id, tree.name, depth + 1 FROM tree JOIN d ON tree.parent = d.id) SELECT * FROM d",
        "WITH RECURSIVE d(id, name, depth) AS (SELECT id, name, 0 FROM tree WHERE parent IS NULL
            UNION ALL SELECT tree.id, tree.name, depth + 1 FROM tree JOIN d ON tree.parent = d.id ORDER BY 3 DESC) SELECT * FROM d",
        "WITH RECURSIVE d(id, name, depth) AS (SELECT id, name, 0 FROM tree WHERE parent IS NULL
            UNION ALL SELECT tree.id, tree.name, depth + 1 FROM tree JOIN d ON tree.parent = d.id ORDER BY 3 DESC, 2) SELECT * FROM d",
        "WITH c AS (SELECT k, count(*) AS n FROM a GROUP BY k) SELECT x.k, y.n FROM c x JOIN c y ON x.k = y.k + 1 ORDER BY 1",
        "WITH c AS MATERIALIZED (SELECT k FROM a LIMIT 3) SELECT * FROM c UNION ALL SELECT * FROM c",
        "SELECT name, (WITH RECURSIVE up(id, parent) AS (SELECT t.id, t.parent UNION ALL
            SELECT tree.id, tree.parent FROM tree, up WHERE tree.id = up.parent) SELECT count(*) FROM up) FROM tree t",
        "WITH RECURSIVE x(i) AS (VALUES (1), (2) UNION ALL SELECT i * 2 FROM x WHERE i < 50) SELECT i FROM x",
    ]);
}

#[test]
fn errors_have_stocks_words() {
    let f = Fixture::new(SQL);
    for sql in [
        "SELECT abs(-9223372036854775807 - 1)",
        "SELECT sum(9223372036854775807) FROM b",
        "SELECT 'a' LIKE 'b' ESCAPE 'cd'",
        "SELECT id FROM a LIMIT 'x'",
        "SELECT json_extract('{', '$')",
    ] {
        assert_eq!(f.try_sql(sql), f.judge(sql), "{sql}");
    }
}

#[test]
fn a_million_rows_of_a_cross_join_stop_when_they_are_interrupted() {
    let f = Fixture::new(SQL);
    block_on(async {
        let resources = f.resources().await;
        resources.interrupt.store(true, std::sync::atomic::Ordering::Relaxed);
        let failed = f.try_sql_with("SELECT count(*) FROM a x, a y, a z", resources, false).await;
        assert_eq!(failed, Err("interrupted".to_owned()));
    });
}

#[test]
fn what_does_not_fit_into_memory_goes_through_a_file() {
    let f = Fixture::new(SQL);
    for sql in [
        "SELECT id, s, r FROM a ORDER BY k, s DESC, id",
        "SELECT * FROM a ORDER BY r % 3, k DESC NULLS FIRST",
        "SELECT id, s FROM a ORDER BY s",
        "SELECT x.id, y.id, x.s, y.r FROM a x JOIN a y ON x.k = y.k AND y.id < 200 ORDER BY y.r DESC, x.s, x.id LIMIT 3000",
        "SELECT y, x FROM b ORDER BY y, x, rowid LIMIT 200 OFFSET 50",
        "SELECT k, s, count(*), sum(r), min(id) FROM a GROUP BY k, s",
        "SELECT s, group_concat(id), k, r FROM a GROUP BY s",
        "SELECT y, count(*), max(x) FROM b GROUP BY y",
        "SELECT s, max(id), k FROM a GROUP BY s, id % 2 HAVING count(*) > 1",
        "SELECT count(*) FROM (SELECT DISTINCT k, s FROM a)",
        "SELECT DISTINCT k, s FROM a ORDER BY 1, 2",
    ] {
        for memory_budget in [0, 10_000, 60_000] {
            let ours = block_on(async {
                let resources = f.resources().await;
                let resources = heddle_sql::exec::Resources { memory_budget, ..resources };
                f.try_sql_with(sql, resources, false).await
            });
            assert_eq!(ours, f.judge(sql), "{sql} with {memory_budget}");
        }
    }
}
