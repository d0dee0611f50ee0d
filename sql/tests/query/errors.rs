//! What is wrong, in stock SQLite's words.

use crate::support::words;

#[test]
fn wrong_queries_are_refused_in_stocks_words() {
    words().check_all(&[
        "SELECT nosuch FROM t",
        "SELECT t.nosuch FROM t",
        "SELECT q.a FROM t",
        "SELECT * FROM nosuch",
        "SELECT * FROM nosuch.t",
        "SELECT nosuch(1)",
        "SELECT abs()",
        "SELECT abs(1, 2)",
        "SELECT sum(a, b) FROM t",
        "SELECT id FROM t, t AS s",
        "SELECT a FROM t WHERE sum(a) > 1",
        "SELECT sum(a) FROM t WHERE sum(a) > 1",
        "SELECT sum(sum(a)) FROM t",
        "SELECT a FROM t GROUP BY sum(a)",
        "SELECT a FROM t HAVING a > 1",
        "SELECT a FROM t ORDER BY 3",
        "SELECT a FROM t GROUP BY 0",
        "SELECT a FROM t UNION SELECT a, b FROM t",
        "SELECT a FROM t UNION SELECT b FROM t ORDER BY id",
        "SELECT a FROM t ORDER BY a COLLATE nosuch",
        "SELECT *",
        "SELECT q.* FROM t",
        "SELECT count(DISTINCT a, b) FROM t",
        "SELECT abs(DISTINCT a) FROM t",
        "SELECT a FROM t JOIN u USING (nosuch)",
        "SELECT * FROM t INDEXED BY nosuch",
        "SELECT (1, 2)",
        "SELECT (1, 2) = 3",
        "SELECT 1 WHERE (1, 2)",
        "SELECT RAISE(ABORT, 'x')",
        "SELECT * FROM json_each(1, 2, 3, 4)",
        "SELECT * FROM nosuch(1)",
        "SELECT * FROM t(1)",
        "SELECT 'a' MATCH 'b'",
        "SELECT 'a' REGEXP 'b'",
    ]);
}
