//! ALTER TABLE.

use crate::pair::{differences, same};

const SETUP: &str = "
    CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT UNIQUE, \"b c\" INT CHECK (\"b c\" > 0 OR t.a IS NULL), d AS (a || 'x'),
        FOREIGN KEY (a) REFERENCES p (a), CONSTRAINT u UNIQUE (a, \"b c\"));
    CREATE TABLE p (a TEXT PRIMARY KEY, z REFERENCES t (a), key INT) WITHOUT ROWID;
    INSERT INTO p VALUES ('one', NULL, 1), ('two', 'one', 2);
    INSERT INTO t (a, \"b c\") VALUES ('one', 1), ('two', 2);
    CREATE TABLE other (a, x, FOREIGN KEY (x) REFERENCES t, CHECK (a <> 't'));
    INSERT INTO other VALUES (1, 2);
    CREATE INDEX ti ON t (a, lower(\"b c\") DESC) WHERE a <> 'a' AND t.id > 0;
    CREATE INDEX oi ON other (a);
    CREATE VIEW v AS SELECT a, t.a AS again, \"b c\", 'a' FROM t WHERE a IN (SELECT a FROM other) ORDER BY a;
    CREATE VIEW aliased AS SELECT q.a, o.a FROM t AS q JOIN other o ON q.id = o.x GROUP BY q.a HAVING count(o.a) > 0;
    CREATE VIEW nested (n) AS WITH t2 (a) AS (SELECT a FROM other), c AS (SELECT a AS k FROM t) SELECT k FROM c WHERE k IN (SELECT a FROM t2);
    CREATE TRIGGER g AFTER UPDATE OF a, \"b c\" ON t WHEN new.a <> old.a BEGIN
        INSERT INTO other (a, x) SELECT a, id FROM t WHERE a = new.a;
        UPDATE t SET a = new.a, \"b c\" = t.id WHERE a = old.a;
        INSERT INTO p (a, z) VALUES (new.a, 1) ON CONFLICT (a) DO UPDATE SET z = excluded.a WHERE p.a > 'a';
        DELETE FROM other WHERE a = (SELECT max(a) FROM t);
    END;
    CREATE TRIGGER h AFTER INSERT ON other BEGIN UPDATE t SET a = 1 FROM p WHERE p.a = t.a; END;
";

#[test]
fn a_table_gets_another_name() {
    // Stock puts the new name in the place of `excluded` too, which then means the row that is there.
    same(
        &SETUP.replace("excluded.a", "new.a"),
        &[
            "ALTER TABLE t RENAME TO other",
            "ALTER TABLE t RENAME TO oi",
            "ALTER TABLE t RENAME TO T",
            "ALTER TABLE missing RENAME TO x",
            "ALTER TABLE v RENAME TO x",
            "ALTER TABLE sqlite_sequence RENAME TO x",
            "ALTER TABLE t RENAME TO sqlite_x",
            "ALTER TABLE t RENAME TO renamed",
            "ALTER TABLE p RENAME TO \"odd \"\" name\"",
            "ALTER TABLE renamed RENAME TO t",
            "ALTER TABLE other RENAME TO key",
        ],
    );
}

#[test]
fn the_row_that_was_to_be_inserted_keeps_its_name() {
    let setup = "CREATE TABLE t (a PRIMARY KEY, b); CREATE TABLE u (x);
        CREATE TRIGGER g AFTER INSERT ON u BEGIN
            INSERT INTO t VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET b = excluded.b + t.b;
        END;";
    let kept = differences(setup, &["ALTER TABLE t RENAME TO z"]).join("");
    assert!(kept.contains("SET b = excluded.b + \\\"z\\\".b"), "{kept}");
}

#[test]
fn a_column_gets_another_name() {
    same(
        SETUP,
        &[
            "ALTER TABLE t RENAME COLUMN nothing TO x",
            "ALTER TABLE t RENAME \"nothing\" TO x",
            "ALTER TABLE v RENAME COLUMN a TO x",
            "ALTER TABLE t RENAME COLUMN a TO id",
            "ALTER TABLE t RENAME COLUMN rowid TO x",
            "ALTER TABLE t RENAME COLUMN a TO rowid",
            "ALTER TABLE sqlite_sequence RENAME COLUMN name TO x",
            "ALTER TABLE t RENAME COLUMN a TO alpha",
            "ALTER TABLE t RENAME \"b c\" TO b",
            "ALTER TABLE t RENAME COLUMN b TO \"b c d\"",
            "ALTER TABLE t RENAME COLUMN id TO ident",
            "ALTER TABLE p RENAME COLUMN key TO value",
            "ALTER TABLE p RENAME COLUMN a TO [new a]",
            "ALTER TABLE other RENAME COLUMN a TO oa",
            "ALTER TABLE other RENAME COLUMN x TO y",
        ],
    );
}

#[test]
fn columns_come() {
    same(
        SETUP,
        &[
            "ALTER TABLE t ADD COLUMN e",
            "ALTER TABLE t ADD f INT DEFAULT 5 ;",
            "ALTER TABLE t ADD COLUMN a",
            "ALTER TABLE t ADD COLUMN g PRIMARY KEY",
            "ALTER TABLE t ADD COLUMN g UNIQUE",
            "ALTER TABLE t ADD COLUMN g NOT NULL",
            "ALTER TABLE t ADD COLUMN g NOT NULL DEFAULT NULL",
            "ALTER TABLE t ADD COLUMN g DEFAULT CURRENT_TIME",
            "ALTER TABLE t ADD COLUMN g DEFAULT (1 + 2)",
            "ALTER TABLE t ADD COLUMN g DEFAULT (-3)",
            "ALTER TABLE t ADD COLUMN h AS (a) STORED",
            "ALTER TABLE t ADD COLUMN h AS (a || e) NOT NULL",
            "ALTER TABLE t ADD COLUMN h AS (nothing)",
            "ALTER TABLE t ADD COLUMN h AS (a || 'h') CHECK (h <> 'x') NOT NULL",
            "ALTER TABLE t ADD COLUMN i CHECK (i > 1) DEFAULT 1",
            "ALTER TABLE t ADD COLUMN i CHECK (nothing > 1) DEFAULT 1",
            "ALTER TABLE t ADD COLUMN i CHECK (i > 1)",
            "ALTER TABLE t ADD COLUMN rowid",
            "ALTER TABLE t ADD COLUMN j REFERENCES p",
            "ALTER TABLE t ADD COLUMN k COLLATE nothing",
            "ALTER TABLE v ADD COLUMN k",
            "ALTER TABLE missing ADD COLUMN k",
            "ALTER TABLE sqlite_sequence ADD COLUMN k",
            "ALTER TABLE p ADD COLUMN k TEXT NOT NULL DEFAULT 'x'",
            "CREATE INDEX ki ON p (k, z)",
            "CREATE INDEX ei ON t (f, g, h)",
        ],
    );
}

#[test]
fn columns_come_to_empty_and_strict_tables() {
    same(
        "CREATE TABLE e (a); CREATE TABLE s (a INT) STRICT; INSERT INTO s VALUES (1);
         CREATE TABLE c (a CHECK (a > 0), b UNIQUE, CHECK (b < a) CHECK (b > 0));",
        &[
            "ALTER TABLE e ADD COLUMN b NOT NULL",
            "ALTER TABLE e ADD COLUMN c DEFAULT CURRENT_TIME",
            "ALTER TABLE e ADD COLUMN d AS (a) STORED",
            "ALTER TABLE s ADD COLUMN b",
            "ALTER TABLE s ADD COLUMN b foo",
            "ALTER TABLE s ADD COLUMN b INT DEFAULT 'x'",
            "ALTER TABLE s ADD COLUMN b INT DEFAULT '5'",
            "ALTER TABLE c ADD COLUMN d /* why */ TEXT",
        ],
    );
}

#[test]
fn columns_go() {
    same(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b UNIQUE, c, d CHECK (d > 0), e AS (c), f TEXT DEFAULT 'x', UNIQUE (f, a));
         INSERT INTO t (a, b, c, d) VALUES (1, 2, 3, 4), (5, 6, 7, 8);
         CREATE TABLE w (k PRIMARY KEY, x, y, z) WITHOUT ROWID;
         INSERT INTO w VALUES (1, 2, 3, 4), ('a', 'b', 'c', x'00');
         ALTER TABLE w ADD COLUMN more DEFAULT 9;
         INSERT INTO w VALUES (2, 3, 4, 5, 6);
         CREATE INDEX wi ON w (y);
         CREATE TABLE one (a); CREATE TABLE g (a, b AS (a));
         CREATE VIEW v AS SELECT x FROM w;",
        &[
            "ALTER TABLE t DROP COLUMN nothing",
            "ALTER TABLE t DROP COLUMN id",
            "ALTER TABLE t DROP b",
            "ALTER TABLE t DROP a",
            "ALTER TABLE t DROP c",
            "ALTER TABLE t DROP e",
            "ALTER TABLE t DROP COLUMN c",
            "ALTER TABLE t DROP COLUMN d",
            "ALTER TABLE t DROP rowid",
            "ALTER TABLE one DROP a",
            "ALTER TABLE g DROP a",
            "ALTER TABLE g DROP b",
            "ALTER TABLE v DROP x",
            "ALTER TABLE w DROP k",
            "ALTER TABLE w DROP y",
            "ALTER TABLE w DROP x",
            "DROP VIEW v",
            "ALTER TABLE w DROP x",
            "ALTER TABLE w DROP COLUMN more",
            "ALTER TABLE w DROP COLUMN z",
        ],
    );
}

#[test]
fn what_would_break_is_refused() {
    same(
        "CREATE TABLE t (a, b); CREATE TABLE u (a, c); CREATE VIEW v AS SELECT a FROM t; CREATE VIEW w AS SELECT a FROM v;
         CREATE VIEW x AS SELECT * FROM t JOIN u USING (a);
         CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT a FROM v; END;",
        &[
            "ALTER TABLE t RENAME a TO z",
            "ALTER TABLE u RENAME c TO d",
            "DROP VIEW w",
            "ALTER TABLE t RENAME a TO z",
            "DROP VIEW x",
            "ALTER TABLE t RENAME a TO z",
            "DROP TRIGGER g",
            "ALTER TABLE t RENAME a TO z",
            "ALTER TABLE t RENAME b TO a",
            "CREATE VIEW y AS SELECT nothing FROM t",
            "ALTER TABLE t RENAME b TO c",
            "ALTER TABLE t RENAME TO tt",
            "DROP VIEW y",
            "CREATE VIEW y AS SELECT * FROM missing",
            "ALTER TABLE u RENAME TO uu",
            "ALTER TABLE u RENAME a TO b",
            "ALTER TABLE u DROP a",
        ],
    );
}

#[test]
fn texts_in_double_quotes_become_texts() {
    same(
        "CREATE TABLE t (a, b); CREATE VIEW v AS SELECT \"text\", a FROM t WHERE b = \"it's\";
         CREATE TRIGGER g AFTER INSERT ON t WHEN new.a = \"zz\" BEGIN SELECT \"qq\"; END;",
        &["ALTER TABLE t RENAME a TO z", "ALTER TABLE t DROP b"],
    );
}

#[test]
fn names_that_are_keywords_or_texts_are_not_mixed_up() {
    same(
        "CREATE TABLE kv (id INTEGER PRIMARY KEY, key TEXT, by INT, of, \"desc\", \"text\" text, row);
         CREATE INDEX ki ON kv (key DESC, by, \"desc\" DESC);
         CREATE VIEW v AS SELECT 'key', key, \"by\", CAST(of AS text), \"desc\" FROM kv GROUP BY key, by ORDER BY key DESC, by;
         CREATE VIEW o AS SELECT row_number() OVER (PARTITION BY by ORDER BY key DESC) AS row, kv.* FROM kv;
         CREATE VIEW s AS SELECT kv.key FROM kv, (SELECT key AS k2 FROM kv AS inside WHERE inside.by > 1) AS sub WHERE kv.key = sub.k2;
         CREATE VIEW cte AS WITH RECURSIVE c(n) AS (SELECT by FROM kv UNION ALL SELECT n + 1 FROM c WHERE n < 5) SELECT n FROM c;
         CREATE TRIGGER g BEFORE UPDATE OF of, key ON kv FOR EACH ROW BEGIN UPDATE kv SET key = new.key, of = 'of' WHERE rowid = old.id; END;",
        &[
            "ALTER TABLE kv RENAME by TO of2",
            "ALTER TABLE kv RENAME key TO k",
            "ALTER TABLE kv RENAME of TO \"o f\"",
            "ALTER TABLE kv RENAME \"desc\" TO plain",
            "ALTER TABLE kv RENAME \"text\" TO t",
            "ALTER TABLE kv RENAME row TO r",
            "ALTER TABLE kv RENAME id TO i",
            "ALTER TABLE kv RENAME TO store",
        ],
    );
}
