//! Subqueries: scalar, EXISTS, IN, correlated, row values.

use crate::support::words;

#[test]
fn subqueries_give_what_stock_gives() {
    words().check_all(&[
        "SELECT (SELECT 1), (SELECT a FROM t WHERE id = 2), (SELECT a FROM t WHERE id = 99)",
        "SELECT id, (SELECT y FROM u WHERE x = a ORDER BY y LIMIT 1) FROM t ORDER BY id",
        "SELECT id FROM t WHERE a IN (SELECT x FROM u) ORDER BY id",
        "SELECT id FROM t WHERE a NOT IN (SELECT x FROM u WHERE x IS NOT NULL) ORDER BY id",
        "SELECT id FROM t WHERE a NOT IN (SELECT x FROM u) ORDER BY id",
        "SELECT id, a IN (SELECT x FROM u) FROM t ORDER BY id",
        "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE x = a) ORDER BY id",
        "SELECT id FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE x = a AND z > 1) ORDER BY id",
        "SELECT id FROM t WHERE a = (SELECT max(x) FROM u WHERE x < 35) ORDER BY id",
        "SELECT id FROM t WHERE (a, b) IN (SELECT x, y FROM u) ORDER BY id",
        "SELECT id FROM t WHERE (a, 'two') = (SELECT x, y FROM u WHERE z = 2) ORDER BY id",
        "SELECT id FROM t WHERE b IN (SELECT y FROM u) ORDER BY id",
        "SELECT y FROM u WHERE y IN (SELECT b FROM t) ORDER BY y",
        "SELECT id FROM t WHERE id IN (1, 3, 5, 99) ORDER BY id",
        "SELECT id FROM t WHERE id IN () ORDER BY id",
        "SELECT id FROM t WHERE a IN empty",
        "SELECT id FROM t WHERE id IN (SELECT z FROM u) ORDER BY id",
        "SELECT id, (SELECT count(*) FROM t AS s WHERE s.a <= t.a) AS rank FROM t ORDER BY rank, id",
        "SELECT (SELECT group_concat(id) FROM (SELECT id FROM t WHERE a = x ORDER BY id)) FROM u ORDER BY u.rowid",
        "SELECT id FROM t WHERE a > ALL_X FROM (SELECT 1)",
        "SELECT * FROM (SELECT id, a FROM t WHERE a = 10) JOIN (SELECT x, y FROM u) ON a = x ORDER BY 1",
        "SELECT id FROM t WHERE (SELECT count(*) FROM u WHERE u.x > t.a) > 1 ORDER BY id",
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM empty) THEN 'y' ELSE 'n' END",
        "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE EXISTS (SELECT 1 FROM w WHERE w.n = u.z AND u.x = t.a)) ORDER BY id",
        "SELECT x, (SELECT (SELECT max(id) FROM t WHERE t.a = u.x)) FROM u ORDER BY x",
        "SELECT 1 IN (SELECT 1 UNION SELECT 2), 3 NOT IN (VALUES (1), (2))",
        "SELECT id FROM t ORDER BY (SELECT x FROM u WHERE x = a LIMIT 1), id",
        "SELECT (SELECT a, b FROM t)",
        "SELECT 1 IN (SELECT 1, 2)",
        "SELECT (1, 2) IN (SELECT 1)",
    ]);
}
