//! Rows in, changed and out: values, defaults, generated columns, keys, indexes.

use heddle_value::Value;

use crate::support::Pair;

#[test]
fn values_get_the_affinity_of_their_columns() {
    let mut pair = Pair::new(
        "CREATE TABLE t(a INTEGER, b TEXT, c REAL, d NUMERIC, e BLOB, f);
         CREATE INDEX tc ON t(c); CREATE INDEX tb ON t(b DESC, a);",
    );
    pair.run(
        "INSERT INTO t VALUES('12', 12, 12, '12.0', '12', '12');
         INSERT INTO t VALUES(1.0, 1.5, 1e300, 'x', x'01', NULL), (1.5, NULL, 9007199254740993, 3.0, 7, 7);
         INSERT INTO t VALUES('abc', x'00', '1.5', ' 5 ', 'abc', -0.0);
         INSERT INTO t(c, a) VALUES(5, 6);
         INSERT INTO t DEFAULT VALUES;
         INSERT INTO t SELECT b, a, d, c, f, e FROM t;
         INSERT INTO t(rowid, a) VALUES(100, 1), ('101', 2), (NULL, 3);
         INSERT INTO t(oid, a) VALUES(1.0, 'taken');
         INSERT INTO t(rowid) VALUES(1.5);
         INSERT INTO t(rowid) VALUES('x');
         INSERT INTO t(a, nix) VALUES(1, 2);
         INSERT INTO t VALUES(1, 2);
         INSERT INTO t(a, b) VALUES(1, 2, 3);
         INSERT INTO main.t VALUES(1);
         INSERT INTO t AS x VALUES(1);
         INSERT INTO missing VALUES(1);
         INSERT INTO sqlite_schema VALUES(1);
         UPDATE t SET a = b, b = a WHERE rowid < 5;
         UPDATE t SET c = c + 1, d = d || 'x';
         UPDATE t SET (a, b) = (b, a), c = NULL WHERE rowid % 2;
         UPDATE t SET (a, b) = (SELECT 1, 2), f = (SELECT count(*) FROM t);
         UPDATE t SET (a, b) = (1, 2, 3);
         UPDATE t SET a = 1, a = 2 WHERE rowid = 1;
         UPDATE t SET missing = 1;
         UPDATE t SET a = missing;
         UPDATE t SET rowid = rowid + 1000 WHERE rowid > 100;
         UPDATE t SET rowid = NULL;
         UPDATE t SET rowid = 3 WHERE rowid = 2;
         DELETE FROM t WHERE rowid IN (SELECT rowid FROM t WHERE rowid % 3 = 0);
         DELETE FROM t WHERE missing;
         DELETE FROM t AS x WHERE x.a = 12;
         INSERT INTO t SELECT * FROM t WHERE a > (SELECT avg(a) FROM t);
         DELETE FROM t WHERE c IS NULL;
         DELETE FROM t;
         INSERT INTO t(a) VALUES('after');",
    );
    pair.finish();
}

#[test]
fn rowids_are_chosen_as_sqlite_does() {
    let mut pair = Pair::new(
        "CREATE TABLE p(id INTEGER PRIMARY KEY, a);
         CREATE TABLE s(id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE);",
    );
    pair.run(
        "INSERT INTO p VALUES(NULL, 'a'), (5, 'b'), (NULL, 'c'), ('9', 'd');
         INSERT INTO p(a) VALUES('e');
         INSERT INTO p VALUES(5, 'again');
         INSERT INTO p(rowid, a) VALUES(20, 'x');
         INSERT INTO p VALUES('x', 1);
         DELETE FROM p WHERE id = 20;
         INSERT INTO p(a) VALUES('f');
         UPDATE p SET id = id * 10;
         UPDATE p SET id = 'x';
         UPDATE p SET id = '77' WHERE a = 'a';
         UPDATE p SET rowid = id + 1, a = a || id WHERE a = 'a';
         INSERT INTO s(a) VALUES(1), (2);
         DELETE FROM s;
         INSERT INTO s(a) VALUES(3);
         INSERT INTO s VALUES(100, 4);
         INSERT INTO s VALUES(50, 5);
         DELETE FROM s WHERE id = 100;
         INSERT INTO s(a) VALUES(6);
         INSERT OR IGNORE INTO s(a) VALUES(6);
         INSERT OR REPLACE INTO s(a) VALUES(6);
         UPDATE s SET id = 500 WHERE a = 5;
         INSERT INTO s(a) VALUES(7);",
    );
    pair.finish();
}

#[test]
fn defaults_and_generated_columns() {
    let mut pair = Pair::new(
        "CREATE TABLE d(a DEFAULT 5, b TEXT DEFAULT 7, c DEFAULT (1 + 2), d DEFAULT 'x', e DEFAULT -1.5, f DEFAULT true, g DEFAULT NULL, h);
         CREATE TABLE g(a INT, b TEXT AS (c || 'v'), c TEXT AS (a * 2) STORED, d INT AS (length(b)) STORED, e, CHECK (a < 100));
         CREATE INDEX gb ON g(b); CREATE INDEX gc ON g(c) WHERE d > 2; CREATE UNIQUE INDEX gd ON g(a + 1, e COLLATE NOCASE);
         CREATE TABLE old(a); INSERT INTO old VALUES(1), (2);
         ALTER TABLE old ADD COLUMN b TEXT DEFAULT 5; ALTER TABLE old ADD COLUMN c REAL DEFAULT 7;
         CREATE INDEX oldb ON old(b, c);",
    );
    pair.run(
        "INSERT INTO d DEFAULT VALUES;
         INSERT INTO d(h) VALUES(1), (2);
         INSERT INTO d(b, a) SELECT 1, 2;
         INSERT INTO g(a, e) VALUES(1, 'A'), (10, 'B'), (NULL, NULL);
         INSERT INTO g VALUES(5, 'c');
         INSERT INTO g(a, b) VALUES(1, 2);
         INSERT INTO g VALUES(1, 2, 3);
         INSERT INTO g(a, e) VALUES(1, 'a');
         INSERT INTO g(a) VALUES(100);
         UPDATE g SET a = a + 10;
         UPDATE g SET b = 1;
         UPDATE g SET e = b WHERE a < 15;
         UPDATE g SET a = 11, e = 'x';
         UPDATE g SET a = a * 100;
         DELETE FROM g WHERE b = '30v';
         UPDATE old SET a = 3 WHERE a = 1;
         UPDATE old SET c = 8;
         DELETE FROM old WHERE b = '5' AND a = 2;
         SELECT *, b, c, d FROM g;",
    );
    pair.finish();
}

#[test]
fn without_rowid() {
    let mut pair = Pair::new(
        "CREATE TABLE w(a TEXT COLLATE NOCASE, b REAL, c, d, PRIMARY KEY(b, a)) WITHOUT ROWID;
         CREATE INDEX wc ON w(c); CREATE UNIQUE INDEX wd ON w(d DESC, a);
         CREATE TABLE v(x INTEGER PRIMARY KEY, y) WITHOUT ROWID;",
    );
    pair.run(
        "INSERT INTO w VALUES('a', 1, 2, 3), ('b', 1, 2, 3), ('a', 2, 2, NULL), ('c', 1.5, NULL, NULL);
         INSERT INTO w VALUES('A', 1.0, 0, 0);
         INSERT INTO w VALUES('B', 7, 0, 3);
         INSERT INTO w VALUES('x', NULL, 0, 3);
         INSERT INTO w(rowid) VALUES(1);
         UPDATE w SET a = upper(a);
         UPDATE w SET b = b + 1;
         UPDATE w SET b = 5;
         UPDATE w SET c = d, d = c;
         UPDATE w SET b = NULL WHERE a = 'c';
         INSERT OR REPLACE INTO w VALUES('a', 2, 'new', 2);
         DELETE FROM w WHERE c = 2;
         INSERT INTO v VALUES(1, 1), ('2', 2);
         INSERT INTO v VALUES('x', 2);
         INSERT INTO v VALUES(NULL, 2);
         INSERT OR IGNORE INTO v VALUES(1, 9), (3, 3);
         UPDATE v SET x = -x;
         SELECT * FROM v;",
    );
    pair.finish();
}

#[test]
fn strict_tables() {
    let mut pair = Pair::new(
        "CREATE TABLE s(a INT, b INTEGER, c REAL, d TEXT, e BLOB, f ANY, g TEXT AS (a) STORED) STRICT;",
    );
    pair.run(
        "INSERT INTO s VALUES(1, '2', 3, 4, x'05', '6');
         INSERT INTO s VALUES('x', 2, 3, 4, x'05', 6);
         INSERT INTO s VALUES(1.5, 2, 3, 4, x'05', 6);
         INSERT INTO s VALUES(1, x'00', 3, 4, x'05', 6);
         INSERT INTO s VALUES(1, 2, 'y', 4, x'05', 6);
         INSERT INTO s VALUES(1, 2, 3, x'00', x'05', 6);
         INSERT INTO s VALUES(1, 2, 3, 4, 5, 6);
         INSERT OR IGNORE INTO s VALUES(1, 2, 3, 4, 'b', 6);
         INSERT INTO s VALUES(NULL, NULL, NULL, NULL, NULL, NULL);
         UPDATE s SET a = 'z';
         UPDATE s SET f = e, a = '7';",
    );
    pair.finish();
}

#[test]
fn sources_and_targets_are_the_same_table() {
    let mut pair = Pair::new(
        "CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE INDEX tb ON t(b);
         INSERT INTO t VALUES(1, 10), (2, 20), (3, 30);
         CREATE TABLE u(a, c); INSERT INTO u VALUES(1, 'x'), (3, 'y'), (9, 'z');",
    );
    pair.run(
        "INSERT INTO t(b) SELECT b + 1 FROM t;
         WITH c AS (SELECT max(a) AS m FROM t) INSERT INTO t SELECT m + 1, m FROM c;
         WITH c AS (SELECT max(a) AS m FROM t) UPDATE t SET b = (SELECT m FROM c) WHERE a = 1;
         WITH c(x) AS (VALUES(2), (3)) DELETE FROM t WHERE a IN (SELECT x FROM c) AND a > (SELECT min(x) FROM c);
         UPDATE t SET b = a + b WHERE b IN (SELECT b FROM t WHERE a < 5);
         UPDATE t SET a = a + 100 WHERE a < 100;
         DELETE FROM t WHERE b = (SELECT max(b) FROM t);
         DELETE FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a - 100);
         DELETE FROM t ORDER BY a;
         UPDATE t SET a = 1 LIMIT 1;",
    );
    pair.finish();
}

#[test]
fn update_from() {
    let mut pair = Pair::new(
        "CREATE TABLE t(a INTEGER PRIMARY KEY, b, c); INSERT INTO t VALUES(1, 10, 0), (2, 20, 0), (3, 30, 0);
         CREATE TABLE u(a, c); INSERT INTO u VALUES(1, 'x'), (3, 'y'), (9, 'z');
         CREATE TABLE v(d, e); INSERT INTO v VALUES('x', 'xx'), ('y', 'yy');",
    );
    pair.run(
        "UPDATE t SET b = u.c FROM u WHERE u.a = t.a;
         UPDATE t AS z SET b = u.c, c = e FROM u JOIN v ON v.d = u.c WHERE u.a = z.a;
         UPDATE t SET c = s.n FROM (SELECT count(*) AS n FROM u) AS s;
         UPDATE t SET c = u.missing FROM u;
         UPDATE t SET a = t.a + 10 FROM u WHERE u.a = t.a;",
    );
    pair.finish();
}

#[test]
fn parameters_are_given() {
    let mut pair = Pair::new("CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE INDEX tb ON t(b);");
    for number in 0..20 {
        let given = [Value::Integer(number), Value::text(format!("row {number}"))];
        pair.check("INSERT INTO t VALUES(?, ?)", &given);
    }
    pair.check("UPDATE t SET b = ?2 WHERE a = ?1", &[Value::Integer(3), Value::text("three")]);
    pair.check("DELETE FROM t WHERE a > ?", &[Value::Integer(10)]);
    pair.finish();
}

#[test]
fn texts_of_utf_16_databases() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let mut pair = Pair::new(&format!(
            "PRAGMA encoding = '{encoding}';
             CREATE TABLE t(a TEXT UNIQUE, b TEXT COLLATE NOCASE); CREATE INDEX tb ON t(b, a);
             CREATE TABLE w(a TEXT PRIMARY KEY, b) WITHOUT ROWID;"
        ));
        pair.run(
            "INSERT INTO t VALUES('a', 'b'), ('\u{e9}', '\u{10000}'), ('B', 'B');
             INSERT INTO t VALUES('a', 'c');
             UPDATE t SET b = b || '\u{20ac}';
             INSERT INTO w SELECT a, b FROM t;
             INSERT INTO w VALUES('\u{e9}', 1);
             DELETE FROM w WHERE a = 'a';
             DELETE FROM t WHERE a = 'B';",
        );
        pair.finish();
    }
}
