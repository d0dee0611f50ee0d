//! Window functions.

use crate::support::words;

#[test]
fn windows_give_what_stock_gives() {
    words().check_all(&[
        "SELECT id, row_number() OVER (ORDER BY id) FROM t ORDER BY id",
        "SELECT id, rank() OVER (ORDER BY a), dense_rank() OVER (ORDER BY a) FROM t ORDER BY id",
        "SELECT id, percent_rank() OVER (ORDER BY a), cume_dist() OVER (ORDER BY a) FROM t ORDER BY id",
        "SELECT id, ntile(3) OVER (ORDER BY id) FROM t ORDER BY id",
        "SELECT id, lag(a) OVER (ORDER BY id), lead(a, 2, -1) OVER (ORDER BY id) FROM t ORDER BY id",
        "SELECT id, first_value(b) OVER w, last_value(b) OVER w, nth_value(b, 2) OVER w FROM t WINDOW w AS (ORDER BY id) ORDER BY id",
        "SELECT id, sum(id) OVER (ORDER BY id) FROM t ORDER BY id",
        "SELECT id, sum(id) OVER (PARTITION BY a ORDER BY id) FROM t ORDER BY id",
        "SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM t ORDER BY id",
        "SELECT id, count(*) OVER (ORDER BY a RANGE BETWEEN 10 PRECEDING AND CURRENT ROW) FROM t ORDER BY id",
        "SELECT id, group_concat(id) OVER (ORDER BY a GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM t ORDER BY id",
        "SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW) FROM t ORDER BY id",
        "SELECT id, count(*) OVER (ORDER BY a ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING EXCLUDE TIES) FROM t ORDER BY id",
        "SELECT id, count(*) OVER (ORDER BY a ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING EXCLUDE GROUP) FROM t ORDER BY id",
        "SELECT id, sum(a) FILTER (WHERE id > 2) OVER (ORDER BY id) FROM t ORDER BY id",
        "SELECT a, sum(count(*)) OVER (ORDER BY a) FROM t GROUP BY a ORDER BY a",
        "SELECT a, rank() OVER (ORDER BY sum(id) DESC) FROM t GROUP BY a ORDER BY a",
        "SELECT id, max(a) OVER (PARTITION BY b), min(c) OVER () FROM t ORDER BY id",
        "SELECT id, sum(id) OVER (w ROWS 1 PRECEDING) FROM t WINDOW w AS (PARTITION BY a ORDER BY id) ORDER BY id",
        "SELECT id, avg(c) OVER (ORDER BY id DESC ROWS BETWEEN CURRENT ROW AND 2 FOLLOWING) FROM t ORDER BY id",
        "SELECT id FROM t ORDER BY row_number() OVER (ORDER BY b, id)",
        "SELECT * FROM (SELECT id, row_number() OVER (PARTITION BY a ORDER BY id DESC) AS n FROM t) WHERE n = 1 ORDER BY id",
        "SELECT id, row_number() OVER (ORDER BY id) + 1 AS n FROM t ORDER BY id LIMIT 3",
        "SELECT id, sum(id) OVER nosuch FROM t",
        "SELECT id FROM t WHERE row_number() OVER () = 1",
        "SELECT row_number() FROM t",
        "SELECT abs(a) OVER () FROM t",
    ]);
}
