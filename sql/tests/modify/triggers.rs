//! Triggers.

use crate::support::Pair;

#[test]
fn before_and_after() {
    let mut pair = Pair::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b INT); CREATE INDEX tb ON t(b); CREATE TABLE log(n INTEGER PRIMARY KEY, what, x, y);
         CREATE TRIGGER bi BEFORE INSERT ON t BEGIN INSERT INTO log(what, x, y) VALUES('bi', NEW.id, NEW.a || typeof(NEW.b)); END;
         CREATE TRIGGER ai AFTER INSERT ON t BEGIN INSERT INTO log(what, x, y) VALUES('ai', NEW.id, NEW.a || typeof(NEW.b)); END;
         CREATE TRIGGER ai2 AFTER INSERT ON t WHEN NEW.b > 5 BEGIN UPDATE t SET a = a || '+' WHERE id = NEW.id; SELECT 1; END;
         CREATE TRIGGER bu BEFORE UPDATE ON t BEGIN INSERT INTO log(what, x, y) VALUES('bu', OLD.id || '>' || NEW.id, OLD.a || '>' || NEW.a); END;
         CREATE TRIGGER au AFTER UPDATE OF b ON t WHEN OLD.b IS NOT NEW.b BEGIN INSERT INTO log(what, x, y) SELECT 'au', OLD.b, count(*) FROM t WHERE b = NEW.b; END;
         CREATE TRIGGER bd BEFORE DELETE ON t BEGIN INSERT INTO log(what, x, y) VALUES('bd', OLD.rowid, OLD.a); END;
         CREATE TRIGGER ad AFTER DELETE ON t BEGIN DELETE FROM log WHERE x = OLD.id AND what = 'bi'; INSERT INTO log(what, x, y) VALUES('ad', changes(), last_insert_rowid()); END;",
    );
    pair.run(
        "INSERT INTO t VALUES(NULL, 1, '2'), (7, 'x', 9);
         INSERT INTO t(a) SELECT a FROM t;
         INSERT INTO t VALUES('x', 1, 1);
         INSERT OR IGNORE INTO t VALUES(7, 'again', 1);
         INSERT OR REPLACE INTO t VALUES(7, 'again', 1);
         UPDATE t SET a = a || b;
         UPDATE t SET b = 3 WHERE id > 1;
         UPDATE t SET id = id + 10, b = b;
         INSERT INTO t VALUES(17, 'up', 3) ON CONFLICT DO UPDATE SET b = 4;
         DELETE FROM t WHERE id = 11;
         DELETE FROM t;
         SELECT * FROM log;",
    );
    pair.finish();
}

#[test]
fn raise() {
    let mut pair = Pair::new(
        "CREATE TABLE t(a PRIMARY KEY, b); CREATE TABLE log(x);
         CREATE TRIGGER b BEFORE INSERT ON t BEGIN
            INSERT INTO log VALUES('before ' || NEW.a);
            SELECT CASE NEW.b WHEN 'ignore' THEN RAISE(IGNORE) WHEN 'abort' THEN RAISE(ABORT, 'aborted') WHEN 'fail' THEN RAISE(FAIL, 'failed') END;
            INSERT INTO log VALUES('passed ' || NEW.a);
         END;
         CREATE TRIGGER a AFTER INSERT ON t WHEN NEW.b = 'late' BEGIN SELECT RAISE(IGNORE); END;
         CREATE TRIGGER u BEFORE UPDATE ON t WHEN OLD.b = 2 BEGIN SELECT RAISE(IGNORE); END;
         CREATE TRIGGER d BEFORE DELETE ON t WHEN OLD.b = 2 BEGIN SELECT RAISE(ABORT, 'no ' || OLD.a); END;
         CREATE TABLE outer_t(a); CREATE TRIGGER o AFTER INSERT ON outer_t BEGIN INSERT INTO t VALUES(NEW.a, 'ignore'); INSERT INTO log VALUES('outer'); END;",
    );
    pair.run(
        "INSERT INTO t VALUES(1, 1), (2, 'ignore'), (3, 2);
         INSERT INTO t VALUES(4, 1), (5, 'abort'), (6, 2);
         INSERT INTO t VALUES(7, 1), (8, 'fail'), (9, 2);
         INSERT INTO t VALUES(10, 'late'), (11, 1);
         UPDATE t SET b = b + 10;
         DELETE FROM t WHERE a = 1;
         DELETE FROM t;
         INSERT INTO outer_t VALUES(20), (21);
         SELECT RAISE(IGNORE);
         SELECT * FROM log;",
    );
    pair.finish();
}

#[test]
fn triggers_change_what_is_being_changed() {
    let mut pair = Pair::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a UNIQUE, b); INSERT INTO t VALUES(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4);
         CREATE TRIGGER bu BEFORE UPDATE OF a ON t WHEN OLD.id = 1 BEGIN DELETE FROM t WHERE id = 2; UPDATE t SET b = 100 WHERE id IN (1, 3); END;
         CREATE TRIGGER bd BEFORE DELETE ON t WHEN OLD.id = 3 BEGIN DELETE FROM t WHERE id = 3; DELETE FROM t WHERE id = 4; END;
         CREATE TABLE q(x UNIQUE, y); CREATE TRIGGER qi BEFORE INSERT ON q BEGIN INSERT OR IGNORE INTO q VALUES(NEW.x, 'first'); END;",
    );
    pair.run(
        "UPDATE t SET a = a + 10;
         DELETE FROM t WHERE id > 1;
         INSERT INTO q VALUES(1, 'second');
         INSERT OR REPLACE INTO q VALUES(1, 'second');
         INSERT OR IGNORE INTO q VALUES(2, 'second');",
    );
    pair.finish();
}

#[test]
fn conflict_clauses_reach_into_triggers() {
    let mut pair = Pair::new(
        "CREATE TABLE t(a UNIQUE); CREATE TABLE u(b UNIQUE, c); INSERT INTO u VALUES(1, 'old');
         CREATE TRIGGER ti AFTER INSERT ON t BEGIN INSERT INTO u VALUES(NEW.a, 'new'); END;
         CREATE TRIGGER tu AFTER UPDATE ON t BEGIN INSERT OR REPLACE INTO u VALUES(NEW.a, 'update'); END;",
    );
    pair.run(
        "INSERT INTO t VALUES(1);
         INSERT OR IGNORE INTO t VALUES(1);
         INSERT OR REPLACE INTO t VALUES(1);
         INSERT OR FAIL INTO t VALUES(2), (3), (2);
         UPDATE t SET a = a;
         UPDATE OR ABORT t SET a = a;
         UPDATE OR IGNORE t SET a = a;
         INSERT INTO t VALUES(1) ON CONFLICT DO UPDATE SET a = 3 - a;",
    );
    pair.finish();
}

#[test]
fn replaced_rows_fire_delete_triggers_if_they_may() {
    for recursive in [false, true] {
        let mut pair = Pair::new(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, a UNIQUE, b UNIQUE); CREATE TABLE log(what, x);
             CREATE TRIGGER bd BEFORE DELETE ON t BEGIN INSERT INTO log VALUES('bd', OLD.id); END;
             CREATE TRIGGER ad AFTER DELETE ON t BEGIN INSERT INTO log VALUES('ad', OLD.id); END;
             INSERT INTO t VALUES(1, 1, 1), (2, 2, 2), (3, 3, 3);",
        );
        if recursive {
            pair.pragma("recursive_triggers", |resources| resources.recursive_triggers = true);
        }
        pair.run(
            "REPLACE INTO t VALUES(1, 2, 3);
             INSERT INTO t VALUES(4, 4, 4), (5, 5, 5);
             UPDATE OR REPLACE t SET a = 4 WHERE id = 5;
             SELECT * FROM log;",
        );
        pair.finish();
    }
}

#[test]
fn recursion() {
    let schema = "CREATE TABLE t(n); CREATE TRIGGER r AFTER INSERT ON t WHEN NEW.n > 0 BEGIN INSERT INTO t VALUES(NEW.n - 1); END;
         CREATE TABLE a(n); CREATE TABLE b(n);
         CREATE TRIGGER ab AFTER INSERT ON a BEGIN INSERT INTO b VALUES(NEW.n - 1); END;
         CREATE TRIGGER ba AFTER INSERT ON b WHEN NEW.n > 0 BEGIN INSERT INTO a VALUES(NEW.n - 1); END;";
    let mut pair = Pair::new(schema);
    pair.run("INSERT INTO t VALUES(5); INSERT INTO a VALUES(6);");
    pair.finish();
    let mut pair = Pair::new(schema);
    pair.pragma("recursive_triggers", |resources| resources.recursive_triggers = true);
    pair.run(
        "INSERT INTO t VALUES(5);
         INSERT INTO a VALUES(6);
         INSERT INTO t VALUES(900);
         INSERT INTO t VALUES(2000);
         SELECT count(*) FROM t;",
    );
    pair.finish();
}

#[test]
fn views() {
    let mut pair = Pair::new(
        "CREATE TABLE t(a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES(1, 'x'), (2, 'y'), (3, 'z'); CREATE TABLE log(x, y, z);
         CREATE VIEW v(k, v2) AS SELECT a, b || '!' FROM t WHERE a < 100;
         CREATE VIEW plain AS SELECT * FROM t;
         CREATE TRIGGER vi INSTEAD OF INSERT ON v BEGIN INSERT INTO t VALUES(NEW.k, NEW.v2); INSERT INTO log VALUES('i', NEW.k, NEW.v2); END;
         CREATE TRIGGER vu INSTEAD OF UPDATE OF v2 ON v BEGIN UPDATE t SET b = NEW.v2 WHERE a = OLD.k; INSERT INTO log VALUES('u', OLD.v2, NEW.v2); END;
         CREATE TRIGGER vd INSTEAD OF DELETE ON v WHEN OLD.k > 1 BEGIN DELETE FROM t WHERE a = OLD.k; END;",
    );
    pair.run(
        "INSERT INTO v VALUES(10, 'ten'), ('11', 'eleven');
         INSERT INTO v(v2) VALUES('none');
         INSERT INTO v(k, missing) VALUES(1, 2);
         UPDATE v SET v2 = k || v2 WHERE k < 3;
         UPDATE v SET k = 5;
         UPDATE v SET v2 = t.b FROM t WHERE t.a = v.k AND v.k > 2;
         DELETE FROM v WHERE k <> 3;
         DELETE FROM plain;
         INSERT INTO plain VALUES(1, 2);
         UPDATE plain SET b = 1;
         SELECT * FROM log;",
    );
    pair.finish();
}
