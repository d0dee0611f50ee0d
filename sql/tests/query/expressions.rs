//! Expressions in results and filters.

use crate::support::words;

#[test]
fn values_are_computed_as_stock_computes_them() {
    words().check_all(&[
        "SELECT 1, 'a', NULL, 1.5, x'00ff', -5, +7, ~1, NOT 0",
        "SELECT 1 + 2 * 3, 7 / 2, 7 % 3, 7.0 / 2, 1 || 2, 5 & 3, 5 | 3, 1 << 4, 256 >> 2",
        "SELECT 1/0, 1%0, 'abc' + 1, '12abc' * 2, NULL + 1",
        "SELECT id, a + c, b || d FROM t ORDER BY id",
        "SELECT id FROM t WHERE a BETWEEN 10 AND 20 ORDER BY id",
        "SELECT id FROM t WHERE a NOT BETWEEN 10 AND 20 ORDER BY id",
        "SELECT id, a IN (10, 30, NULL), a NOT IN (10), d IN ('10', 3) FROM t ORDER BY id",
        "SELECT id, a IS NULL, a ISNULL, a NOTNULL, a IS 10, a IS NOT 10, a IS DISTINCT FROM 20 FROM t ORDER BY id",
        "SELECT id, a IS TRUE, a IS NOT TRUE, c IS FALSE, TRUE, FALSE FROM t ORDER BY id",
        "SELECT id, CASE WHEN a > 15 THEN 'big' WHEN a IS NULL THEN 'none' ELSE 'small' END FROM t ORDER BY id",
        "SELECT id, CASE a WHEN 10 THEN 'ten' WHEN 20 THEN 'twenty' END FROM t ORDER BY id",
        "SELECT CAST('12x' AS INT), CAST(3.9 AS INTEGER), CAST(5 AS TEXT), CAST('1e2' AS REAL), CAST('7' AS NUMERIC)",
        "SELECT id FROM t WHERE b LIKE 't%' ORDER BY id",
        "SELECT id FROM t WHERE b GLOB 't*' ORDER BY id",
        "SELECT id FROM t WHERE b LIKE '%\\_%' ESCAPE '\\' ORDER BY id",
        "SELECT id FROM t WHERE b NOT LIKE 'o%' ORDER BY id",
        "SELECT 'a' = 'A', 'a' = 'A' COLLATE NOCASE, 'a ' = 'a' COLLATE RTRIM",
        "SELECT x FROM u WHERE y = 'ONE'",
        "SELECT id FROM t WHERE a = '10' ORDER BY id",
        "SELECT id FROM t WHERE b = 10 OR d = 10 OR d = '10' ORDER BY id",
        "SELECT id FROM t WHERE d > 2 ORDER BY id",
        "SELECT (1, 2) = (1, 2), (1, 2) < (1, 3), (1, NULL) = (1, 2), (2, NULL) = (1, NULL)",
        "SELECT id FROM t WHERE (a, b) > (10, 'p') ORDER BY id",
        "SELECT (1, 2) IS (1, 2), (NULL, 1) IS (NULL, 1), (1, 2) BETWEEN (0, 5) AND (1, 2)",
        "SELECT id FROM t WHERE a > 5 AND (b = 'one' OR c < 0) AND NOT id = 3 ORDER BY id",
        "SELECT coalesce(a, id * 100), ifnull(b, '-'), nullif(a, 10), iif(a > 15, 1, 0) FROM t ORDER BY id",
        "SELECT abs(c), round(c, 1), length(b), upper(b), lower(b), substr(b, 2, 2), typeof(d) FROM t ORDER BY id",
        "SELECT min(1, 'a', 2.5), max(1, 'a', 2.5), likely(1), unlikely(0), likelihood(1, 0.5)",
        "SELECT hex(d), quote(d), quote(c) FROM t ORDER BY id",
        "SELECT \"a\", \"nosuch\", 'it''s' FROM t ORDER BY id LIMIT 1",
        "SELECT json_extract('{\"a\":[1,2]}', '$.a[1]'), '{\"a\":1}' -> 'a', '{\"a\":\"x\"}' ->> '$.a'",
        "SELECT id FROM t WHERE 1",
        "SELECT id FROM t WHERE NULL",
        "SELECT id FROM t WHERE 'abc'",
        "SELECT -9223372036854775808, 9223372036854775807 + 1, - -5",
        "SELECT i, j, k FROM g",
        "SELECT j FROM g WHERE j > 2",
        "SELECT rowid, * FROM g ORDER BY rowid",
        "SELECT rowid, oid, _rowid_, id FROM t WHERE rowid = 3",
    ]);
}
