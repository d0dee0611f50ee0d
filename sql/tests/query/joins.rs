//! Joins of all kinds.

use crate::support::words;

#[test]
fn joins_pair_rows_as_stock_does() {
    words().check_all(&[
        "SELECT id, y FROM t, u WHERE a = x ORDER BY id, y",
        "SELECT id, y FROM t JOIN u ON a = x ORDER BY id, y",
        "SELECT id, y FROM t INNER JOIN u ON a = x AND z IS NOT NULL ORDER BY id, y",
        "SELECT count(*) FROM t CROSS JOIN u",
        "SELECT id, y FROM t LEFT JOIN u ON a = x ORDER BY id, y",
        "SELECT id, y FROM t LEFT JOIN u ON a = x AND y > 'p' ORDER BY id, y",
        "SELECT id, y FROM t LEFT JOIN u ON a = x WHERE y IS NULL ORDER BY id",
        "SELECT id, y FROM t LEFT JOIN u ON a = x WHERE y = 'two' ORDER BY id",
        "SELECT id, y FROM t LEFT JOIN u ON a = x AND id > 2 ORDER BY id, y",
        "SELECT id, x FROM t RIGHT JOIN u ON a = x ORDER BY id, x",
        "SELECT id, x, y FROM t FULL JOIN u ON a = x ORDER BY id, x, y",
        "SELECT id, x FROM t FULL OUTER JOIN u ON a > x AND b > y ORDER BY id, x",
        "SELECT * FROM (SELECT a AS x, id FROM t) NATURAL JOIN u ORDER BY id, y",
        "SELECT * FROM (SELECT a AS x, id FROM t) JOIN u USING (x) ORDER BY id, y",
        "SELECT x FROM (SELECT a AS x, id FROM t) LEFT JOIN u USING (x) ORDER BY id, y",
        "SELECT x, id, z FROM (SELECT a AS x, id FROM t) FULL JOIN u USING (x) ORDER BY x, id, z",
        "SELECT x, id, z FROM (SELECT a AS x, id FROM t) RIGHT JOIN u USING (x) ORDER BY x, id, z",
        "SELECT a.id, b.id FROM t a JOIN t b ON a.a = b.a AND a.id < b.id ORDER BY 1, 2",
        "SELECT a.id, b.x, c.k FROM t a, u b, w c WHERE a.a = b.x AND c.n = a.id ORDER BY 1, 2, 3",
        "SELECT t.id, s.n FROM t LEFT JOIN (SELECT x, count(*) AS n FROM u GROUP BY x) s ON s.x = t.a ORDER BY 1",
        "SELECT id, y, k FROM t LEFT JOIN u ON a = x LEFT JOIN w ON w.n = u.z ORDER BY 1, 2, 3",
        "SELECT id, y, k FROM t LEFT JOIN (u JOIN w ON w.n = u.z) ON a = x ORDER BY 1, 2, 3",
        "SELECT * FROM empty, t",
        "SELECT id, e FROM t LEFT JOIN empty ON e = id ORDER BY id",
        "SELECT e, id FROM empty RIGHT JOIN t ON 1 ORDER BY id",
        "SELECT t.id, u.rowid FROM t JOIN u ON t.id = u.rowid ORDER BY 1",
        "SELECT w.k, t.id FROM w JOIN t ON w.n = t.id AND w.k = 'a' ORDER BY 1, 2",
        "SELECT u.y, t.b FROM u JOIN t ON u.y = t.b ORDER BY 1, 2",
        "SELECT t.b, u.y FROM t JOIN u ON t.b = u.y ORDER BY 1, 2",
        "SELECT value, id FROM json_each('[1,3]') JOIN t ON id = value ORDER BY 1",
        "SELECT id, value FROM t, json_each('[' || id || ',' || a || ']') WHERE id < 4 ORDER BY 1, 2",
        "SELECT id, e.value FROM t, json_each('[1,2,3]') e WHERE e.value = id ORDER BY id",
        "SELECT count(*) FROM t a, t b, t c WHERE a.id = b.id AND b.id = c.id",
        "SELECT count(*) FROM t a JOIN t b USING (id) JOIN t c USING (id)",
        "SELECT id FROM t a JOIN t b USING (id) NATURAL JOIN t c ORDER BY id",
    ]);
}
