//! Common table expressions.

use crate::support::words;

#[test]
fn table_expressions_give_what_stock_gives() {
    words().check_all(&[
        "WITH c AS (SELECT a FROM t) SELECT * FROM c ORDER BY a",
        "WITH c (p, q) AS (SELECT a, b FROM t) SELECT q FROM c WHERE p = 20 ORDER BY q",
        "WITH c AS (SELECT a FROM t), d AS (SELECT a + 1 AS a FROM c) SELECT c.a, d.a FROM c JOIN d ON d.a = c.a + 1 ORDER BY 1, 2",
        "WITH c AS MATERIALIZED (SELECT a FROM t) SELECT count(*) FROM c, c AS d",
        "WITH c AS NOT MATERIALIZED (SELECT a FROM t) SELECT count(*) FROM c, c AS d",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT i FROM n ORDER BY i",
        "WITH RECURSIVE n (i) AS (VALUES (1) UNION SELECT (i * 2) % 11 FROM n) SELECT i FROM n ORDER BY i",
        "WITH RECURSIVE f (a, b) AS (SELECT 0, 1 UNION ALL SELECT b, a + b FROM f LIMIT 12) SELECT a FROM f",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i), count(*) FROM n",
        "WITH RECURSIVE walk (id, up, depth) AS (SELECT 1, 0, 0 UNION ALL SELECT w.n + walk.id, walk.id, depth + 1 FROM w, walk WHERE depth < 2 ORDER BY 3 DESC) SELECT id, up, depth FROM walk ORDER BY 1, 2, 3",
        "SELECT id, (WITH c AS (SELECT t.a AS q) SELECT q + 1 FROM c) FROM t ORDER BY id",
        "SELECT * FROM (WITH c AS (SELECT 1 AS one) SELECT one FROM c)",
        "WITH c AS (SELECT * FROM d), d AS (SELECT 7 AS x) SELECT x FROM c",
        "WITH t AS (SELECT 5 AS a) SELECT a FROM t",
        "WITH c AS (SELECT * FROM c) SELECT * FROM c",
        "WITH c (a, b) AS (SELECT 1) SELECT * FROM c",
        "WITH c AS (SELECT 1), c AS (SELECT 2) SELECT * FROM c",
        "WITH RECURSIVE m (x, y) AS (SELECT 1, 1 UNION ALL SELECT x + 1, y * 2 FROM m WHERE x < 5) SELECT a.x, b.y FROM m a JOIN m b ON a.x = b.x ORDER BY 1",
        "WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3 UNION ALL SELECT i + 10 FROM c WHERE i < 3) SELECT i FROM c ORDER BY i",
    ]);
}
