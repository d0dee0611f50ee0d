//! ANALYZE.

use crate::pair::statistics;

const SETUP: &str = "
    CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b, c UNIQUE);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
        INSERT INTO t (a, b, c) SELECT char(65 + i % 7 + 32 * (i % 2)), iif(i % 9, i % 13, NULL), iif(i % 3, i, NULL) FROM n;
    CREATE INDEX ab ON t (a, b DESC); CREATE INDEX part ON t (b) WHERE b > 5; CREATE INDEX ex ON t (b % 4, a COLLATE BINARY);
    CREATE TABLE w (x, y, z, PRIMARY KEY (y, x DESC)) WITHOUT ROWID;
    INSERT INTO w SELECT id % 20, id % 11, a FROM t WHERE true ON CONFLICT DO NOTHING;
    CREATE INDEX wz ON w (z);
    CREATE TABLE plain (a); INSERT INTO plain VALUES (1), (2);
    CREATE TABLE none (a UNIQUE);
    CREATE TABLE only_part (a); INSERT INTO only_part VALUES (1), (2), (3); CREATE INDEX op ON only_part (a) WHERE a > 1;
    CREATE TABLE nearly (a); CREATE INDEX ni ON nearly (a);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO nearly SELECT max(i, 6) FROM n;
    CREATE VIEW v AS SELECT * FROM t;
";

#[test]
fn what_is_found_is_what_stock_finds() {
    for statements in [
        &["ANALYZE"][..],
        &["ANALYZE main"],
        &["ANALYZE t", "ANALYZE main.w"],
        &["ANALYZE ab"],
        &["ANALYZE", "ANALYZE", "ANALYZE wz", "ANALYZE t"],
        &["ANALYZE v"],
    ] {
        let [ours, stock] = statistics(SETUP, statements);
        assert_eq!(ours, stock, "{statements:?}");
    }
}
