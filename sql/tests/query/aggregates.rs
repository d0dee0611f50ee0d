//! Aggregates and groups.

use crate::support::words;

#[test]
fn groups_are_made_and_measured_as_stock_does() {
    words().check_all(&[
        "SELECT count(*), count(a), sum(a), avg(a), min(a), max(a), total(c) FROM t",
        "SELECT count(*), sum(e), min(e), total(e), group_concat(e) FROM empty",
        "SELECT a, count(*) FROM t GROUP BY a ORDER BY a",
        "SELECT a, b, count(*) FROM t GROUP BY a, b ORDER BY a, b",
        "SELECT a, count(*) AS n FROM t GROUP BY a HAVING n > 1 ORDER BY n, a",
        "SELECT a FROM t GROUP BY a HAVING count(*) > 1 ORDER BY a",
        "SELECT a + 1 AS g, sum(id) FROM t GROUP BY g ORDER BY g",
        // No row passes the filter, so no row stands for the group; its key is there all the same.
        "SELECT -a, max(id) FILTER (WHERE id < 0) FROM t GROUP BY -a ORDER BY 1",
        "SELECT (a + 1) * 2, min(id) FILTER (WHERE id < 0) FROM t GROUP BY a + 1 ORDER BY 1",
        "SELECT a, sum(id) FROM t GROUP BY 1 ORDER BY 2",
        "SELECT a, sum(id) FROM t GROUP BY a ORDER BY sum(id) DESC",
        "SELECT count(DISTINCT a), sum(DISTINCT a), group_concat(DISTINCT a) FROM t",
        "SELECT count(*) FILTER (WHERE a > 15), sum(a) FILTER (WHERE id < 4) FROM t",
        "SELECT group_concat(b, '-' ORDER BY id DESC) FROM t",
        "SELECT string_agg(b, ',' ORDER BY b) FROM t",
        "SELECT max(c), id FROM t",
        "SELECT min(c), id, b FROM t",
        "SELECT a, max(c), id FROM t GROUP BY a ORDER BY a",
        "SELECT y, count(*) FROM u GROUP BY y ORDER BY y",
        "SELECT b COLLATE NOCASE AS g, count(*) FROM t GROUP BY b COLLATE NOCASE ORDER BY 2, 1",
        "SELECT count(*) FROM t WHERE a = 10",
        "SELECT count(*) + 1, sum(a) * 2 FROM t",
        "SELECT a, count(*) * 2 FROM t GROUP BY a HAVING sum(id) > 3 AND a IS NOT NULL ORDER BY a",
        "SELECT sum(n) FROM (SELECT count(*) AS n FROM t GROUP BY a)",
        "SELECT (SELECT sum(x) FROM u), count(*) FROM t",
        "SELECT (SELECT count(*) FROM u WHERE x = a), a FROM t GROUP BY a ORDER BY a",
        "SELECT sum(a), (SELECT sum(t.a) FROM u LIMIT 1) FROM t",
        "SELECT a, (SELECT max(id) FROM t AS s WHERE s.a = t.a) FROM t GROUP BY a ORDER BY a",
        "SELECT count(*) FROM t HAVING count(*) > 100",
        "SELECT 1 FROM t GROUP BY a HAVING 1 ORDER BY 1",
        "SELECT DISTINCT count(*) FROM t GROUP BY a ORDER BY 1",
        "SELECT a, count(*) FROM t WHERE id > 100 GROUP BY a",
        "SELECT min(id), max(id) FROM t",
        "SELECT max(a) FROM t WHERE a < 25",
        "SELECT min(b) FROM t",
        "SELECT json_group_array(id ORDER BY id), json_group_object(id, b) FROM t WHERE id = 2",
        "SELECT n, sum(length(k)) FROM w GROUP BY n ORDER BY n",
        "SELECT k, group_concat(v) FROM w GROUP BY k ORDER BY k",
        "SELECT avg(a) AS m FROM t WHERE a > (SELECT avg(a) FROM t)",
    ]);
}
