//! Foreign keys.

use crate::support::Pair;

fn enforced(schema: &str) -> Pair {
    let mut pair = Pair::new(schema);
    pair.pragma("foreign_keys", |resources| resources.foreign_keys = true);
    pair
}

const SCRIPT: &str = "
    INSERT INTO p VALUES(1, 'a', 'A'), (2, 'b', 'B'), (3, 'c', 'C'), (4, 'd', 'D');
    INSERT INTO c VALUES(10, 1), (20, 2), (30, NULL), (31, 3), (11, 1);
    INSERT INTO c VALUES(40, 9);
    INSERT INTO c VALUES(41, 4), (42, 9);
    UPDATE c SET r = 9 WHERE id = 10;
    UPDATE c SET r = 4 WHERE id = 10;
    UPDATE c SET id = id + 1;
    UPDATE p SET x = x || '!';
    UPDATE p SET id = 50 WHERE id = 4;
    UPDATE p SET id = 51 WHERE id = 2;
    UPDATE p SET id = id;
    DELETE FROM p WHERE id = 3;
    DELETE FROM p WHERE x = 'd!';
    REPLACE INTO p VALUES(1, 'new', 'N');
    INSERT OR IGNORE INTO c VALUES(60, 99);
    DELETE FROM c WHERE r = 1;
    DELETE FROM p;
    SELECT * FROM c;";

#[test]
fn every_action() {
    let actions = ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"];
    for (at, action) in actions.iter().enumerate() {
        let update = actions[(at + 2) % actions.len()];
        for index in ["", "CREATE INDEX cr ON c(r);"] {
            for deferral in ["", "DEFERRABLE INITIALLY DEFERRED"] {
                let mut pair = enforced(&format!(
                    "CREATE TABLE p(id INTEGER PRIMARY KEY, x, y);
                     CREATE TABLE c(id INTEGER PRIMARY KEY, r DEFAULT 1 REFERENCES p ON DELETE {action} ON UPDATE {update} {deferral}); {index}"
                ));
                pair.run(SCRIPT);
                pair.finish();
            }
        }
    }
}

#[test]
fn keys_of_several_columns() {
    let mut pair = enforced(
        "CREATE TABLE p(a TEXT COLLATE NOCASE, b INT, c, PRIMARY KEY(b, a)) WITHOUT ROWID; CREATE UNIQUE INDEX pc ON p(c);
         CREATE TABLE c(x, y TEXT, z, FOREIGN KEY(x, y) REFERENCES p(b, a) ON UPDATE CASCADE ON DELETE SET NULL);
         CREATE TABLE d(z REFERENCES p(c) ON DELETE CASCADE ON UPDATE CASCADE); CREATE INDEX cyx ON c(y COLLATE NOCASE, x);
         CREATE TRIGGER dd AFTER DELETE ON d BEGIN INSERT INTO log VALUES('deleted ' || OLD.z); END; CREATE TABLE log(x);",
    );
    pair.run(
        "INSERT INTO p VALUES('one', 1, 'c1'), ('two', 2, 'c2'), ('three', 3, NULL);
         INSERT INTO c VALUES('1', 'ONE', 1), (2, 'Two', 2), (NULL, 'x', 3), (9, NULL, 4);
         INSERT INTO c VALUES(1, 'two', 5);
         INSERT INTO d VALUES('c1'), ('c2'), (NULL);
         INSERT INTO d VALUES('C1');
         UPDATE p SET b = b + 10;
         UPDATE p SET a = upper(a), c = c || '!' WHERE b = 11;
         DELETE FROM p WHERE a = 'one';
         UPDATE c SET y = 'three', x = 13 WHERE z = 1;
         DELETE FROM p;
         SELECT * FROM log;",
    );
    pair.finish();
}

#[test]
fn tables_that_refer_to_themselves() {
    let mut pair = enforced(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, up REFERENCES t ON DELETE CASCADE); CREATE INDEX tu ON t(up);
         CREATE TABLE s(a PRIMARY KEY, b REFERENCES s(a)) WITHOUT ROWID;
         CREATE TABLE u(a UNIQUE, b REFERENCES u(a) ON UPDATE CASCADE);",
    );
    pair.run(
        "INSERT INTO t VALUES(1, 1), (2, 1), (3, 2), (4, 3), (5, NULL), (6, 5);
         INSERT INTO t VALUES(7, 8);
         INSERT INTO t VALUES(7, 8), (8, 7);
         DELETE FROM t WHERE id = 2;
         DELETE FROM t WHERE id = 1;
         UPDATE t SET id = 9 WHERE id = 5;
         UPDATE t SET up = id;
         INSERT INTO s VALUES(1, 1), (2, 1);
         UPDATE s SET a = 3, b = 3 WHERE a = 1;
         UPDATE s SET a = 3, b = 3 WHERE a = 2;
         DELETE FROM s WHERE a = 1;
         DELETE FROM s;
         INSERT INTO u VALUES(1, 1), (2, 1);
         UPDATE u SET a = a + 10;
         DELETE FROM u WHERE a = 12;
         DELETE FROM t;",
    );
    pair.finish();
}

#[test]
fn chains_are_followed_to_their_end() {
    let mut schema =
        "CREATE TABLE t0(a INTEGER PRIMARY KEY); INSERT INTO t0 VALUES(1), (2);".to_owned();
    for at in 1..30 {
        let up = at - 1;
        schema += &format!(
            "CREATE TABLE t{at}(a INTEGER PRIMARY KEY REFERENCES t{up} ON DELETE CASCADE ON UPDATE CASCADE); INSERT INTO t{at} VALUES(1), (2);"
        );
    }
    let mut pair = enforced(&schema);
    pair.run("UPDATE t0 SET a = a + 5 WHERE a = 1; DELETE FROM t0 WHERE a = 2; DELETE FROM t5; UPDATE t3 SET a = 100;");
    pair.finish();
}

#[test]
fn what_is_wrong_with_a_key() {
    let schema = "CREATE TABLE p(a, b UNIQUE, c); CREATE UNIQUE INDEX pc ON p(c) WHERE b > 0;
        CREATE TABLE c1(x REFERENCES missing); CREATE TABLE c2(x REFERENCES p); CREATE TABLE c3(x REFERENCES p(a));
        CREATE TABLE c4(x, y REFERENCES p(c)); CREATE TABLE q(k PRIMARY KEY, l); CREATE TABLE c5(x REFERENCES q, y);";
    let script = "INSERT INTO c1 VALUES(1); INSERT INTO c1 VALUES(NULL); INSERT INTO c2 VALUES(1); INSERT INTO c3 VALUES(1); INSERT INTO c4 VALUES(1, 1);
        UPDATE c4 SET x = 1; UPDATE c4 SET y = 1; DELETE FROM c1; INSERT INTO p VALUES(1, 1, 1); INSERT INTO p VALUES(2, 2, 2), (3, 3, 3); DELETE FROM p;
        INSERT INTO q VALUES(1, 1); INSERT INTO c5 VALUES(1, 1); UPDATE q SET l = 2; UPDATE q SET k = 2;";
    let mut pair = enforced(schema);
    pair.run(script);
    pair.finish();
    let mut pair = Pair::new(schema);
    pair.run(script);
    pair.finish();
}
