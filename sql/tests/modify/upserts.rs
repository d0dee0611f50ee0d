//! ON CONFLICT and RETURNING.

use crate::support::Pair;

#[test]
fn on_conflict() {
    let mut pair = Pair::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a UNIQUE, b, c DEFAULT 0, UNIQUE(b COLLATE NOCASE, c));
         CREATE UNIQUE INDEX tp ON t(a + 1) WHERE c > 0; CREATE INDEX tb ON t(b);
         INSERT INTO t VALUES(1, 1, 'one', 1), (2, 2, 'two', 2), (3, 3, 'three', 3);",
    );
    pair.run(
        "INSERT INTO t VALUES(1, 9, 'x', 9) ON CONFLICT DO NOTHING;
         INSERT INTO t VALUES(1, 9, 'x', 9) ON CONFLICT(id) DO NOTHING;
         INSERT INTO t VALUES(1, 9, 'x', 9) ON CONFLICT(a) DO NOTHING;
         INSERT INTO t VALUES(1, 9, 'x', 9) ON CONFLICT(id) DO UPDATE SET b = excluded.b || b, c = c + 1;
         INSERT INTO t VALUES(9, 2, 'x', 9) ON CONFLICT(a) DO UPDATE SET b = excluded.b || t.b, a = excluded.id;
         INSERT INTO t VALUES(9, 3, 'x', 9) ON CONFLICT(a) DO UPDATE SET c = 7 WHERE c > 100;
         INSERT INTO t VALUES(9, 3, 'x', 9) ON CONFLICT(a) DO UPDATE SET c = 7 WHERE excluded.c < 100;
         INSERT INTO t VALUES(9, 30, 'THREE', 7) ON CONFLICT(c, b COLLATE NOCASE) DO UPDATE SET b = excluded.b;
         INSERT INTO t VALUES(9, 30, 'THREE', 7) ON CONFLICT(c, b) DO UPDATE SET b = excluded.b, id = excluded.rowid;
         INSERT INTO t VALUES(10, 30, 'x', 7) ON CONFLICT(c, b COLLATE BINARY) DO NOTHING;
         INSERT INTO t VALUES(10, 30, 'x', 7) ON CONFLICT(c) DO NOTHING;
         INSERT INTO t VALUES(10, 30, 'x', 7) ON CONFLICT(missing) DO NOTHING;
         INSERT INTO t VALUES(10, 3, 'x', 7) ON CONFLICT(a + 1) DO NOTHING;
         INSERT INTO t VALUES(10, 3, 'x', 7) ON CONFLICT(a + 1) WHERE c > 0 DO UPDATE SET c = 70;
         INSERT INTO t VALUES(1, 3, 'x', 8) ON CONFLICT(a) DO UPDATE SET c = 71 ON CONFLICT(id) DO UPDATE SET c = 72;
         INSERT INTO t VALUES(1, 3, 'x', 8) ON CONFLICT(id) DO UPDATE SET c = 73 ON CONFLICT DO UPDATE SET c = 74;
         INSERT INTO t VALUES(11, 3, 'x', 8) ON CONFLICT(id) DO UPDATE SET c = 73 ON CONFLICT DO UPDATE SET c = 74;
         INSERT INTO t VALUES(11, 3, 'x', 8) ON CONFLICT(c) DO NOTHING ON CONFLICT(b) DO NOTHING;
         INSERT INTO t(a) VALUES(1), (3), (100), (101) ON CONFLICT(a) DO UPDATE SET c = (SELECT count(*) FROM t WHERE c = excluded.c);
         INSERT INTO t(a, b) SELECT a, b FROM t WHERE true ON CONFLICT(a) DO UPDATE SET (b, c) = (excluded.a, 5 + t.id);
         INSERT INTO t VALUES(1, 1, 1, 1) ON CONFLICT(id) DO UPDATE SET a = 3;
         INSERT OR REPLACE INTO t VALUES(1, 3, 'rep', 1) ON CONFLICT(id) DO UPDATE SET c = 99;
         INSERT INTO t AS x VALUES(1, 1, 1, 1) ON CONFLICT(id) DO UPDATE SET c = x.c + 1, missing = 1;
         INSERT INTO t AS x VALUES(1, 1, 1, 1) ON CONFLICT(id) DO UPDATE SET c = x.c + excluded.c;
         SELECT * FROM t;",
    );
    pair.finish();
}

#[test]
fn on_conflict_without_rowid() {
    let mut pair = Pair::new(
        "CREATE TABLE w(a, b, c UNIQUE, PRIMARY KEY(a, b)) WITHOUT ROWID; INSERT INTO w VALUES(1, 1, 1), (2, 2, 2);
         CREATE TABLE count(word TEXT PRIMARY KEY, n INT DEFAULT 1) WITHOUT ROWID;",
    );
    pair.run(
        "INSERT INTO w VALUES(1, 1, 5) ON CONFLICT(b, a) DO UPDATE SET c = excluded.c;
         INSERT INTO w VALUES(3, 3, 2) ON CONFLICT(a, b) DO UPDATE SET c = excluded.c;
         INSERT INTO w VALUES(3, 3, 2) ON CONFLICT(c) DO UPDATE SET a = excluded.a;
         INSERT INTO w VALUES(3, 3, 2) ON CONFLICT(rowid) DO NOTHING;
         INSERT INTO count(word) VALUES('a'), ('b'), ('a'), ('c'), ('a') ON CONFLICT DO UPDATE SET n = n + 1;
         SELECT * FROM count;",
    );
    pair.finish();
}

#[test]
fn returning() {
    let mut pair = Pair::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a REAL, b TEXT AS (a || 'x'), c DEFAULT 'c');
         CREATE TABLE u(x UNIQUE); INSERT INTO u VALUES(1), (2);
         CREATE VIEW v AS SELECT id, c FROM t;
         CREATE TRIGGER vi INSTEAD OF INSERT ON v BEGIN INSERT INTO t(c) VALUES(NEW.c || '!'); END;
         CREATE TRIGGER vu INSTEAD OF UPDATE ON v BEGIN UPDATE t SET c = NEW.c || OLD.c WHERE id = OLD.id; END;
         CREATE TRIGGER vd INSTEAD OF DELETE ON v BEGIN DELETE FROM t WHERE id = OLD.id; END;",
    );
    pair.run(
        "INSERT INTO t(a) VALUES(1), (2), ('3') RETURNING *;
         INSERT INTO t(a) VALUES(1) RETURNING id, rowid, t.a + 1 AS n, b, (SELECT count(*) FROM u), c;
         INSERT INTO t AS z(a) VALUES(1) RETURNING z.id;
         INSERT INTO t(a) VALUES(1) RETURNING missing;
         INSERT INTO t(a) VALUES(1) RETURNING count(*);
         INSERT INTO t VALUES(1, 5) ON CONFLICT DO UPDATE SET a = excluded.a RETURNING a, id;
         INSERT INTO t(id, a) VALUES(1, 5) ON CONFLICT DO NOTHING RETURNING a, id;
         INSERT INTO t(id, a) VALUES(1, 5), (50, 6) ON CONFLICT DO UPDATE SET a = excluded.a + a RETURNING a, id;
         INSERT OR IGNORE INTO u VALUES(1), (5) RETURNING rowid, x;
         INSERT OR REPLACE INTO u VALUES(1), (5) RETURNING rowid, x;
         UPDATE t SET a = a + 1 WHERE id > 2 RETURNING id, a, b;
         UPDATE t SET a = u.x FROM u WHERE u.x = t.id RETURNING id, a;
         UPDATE t SET a = u.x FROM u WHERE u.x = t.id RETURNING u.x;
         DELETE FROM t WHERE id % 2 RETURNING *;
         DELETE FROM t RETURNING id || ':' || a, (SELECT max(x) FROM u WHERE x <> t.id);
         DELETE FROM u WHERE false RETURNING *;
         INSERT INTO v(c) VALUES('new'), ('other');
         UPDATE v SET c = 'old';
         DELETE FROM v WHERE id = 1;
         INSERT INTO v(c) VALUES(1) ON CONFLICT DO NOTHING;",
    );
    pair.finish();
}
