//! CREATE.

use crate::pair::same;

const ROWS: &str = "
    CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b REAL, c, d AS (a || c), e INT AS (id * 2) STORED);
    INSERT INTO t (a, b, c) VALUES ('x', 1, 5), ('Y', 2.5, x'00'), (NULL, NULL, 'z'), ('x', 3, 5);
    CREATE TABLE w (k TEXT COLLATE NOCASE, n INT, v, PRIMARY KEY (k, n DESC)) WITHOUT ROWID;
    INSERT INTO w VALUES ('a', 1, 10), ('A', 2, 20), ('b', 1, NULL);
    ALTER TABLE t ADD COLUMN later REAL DEFAULT 7;
    ALTER TABLE w ADD COLUMN more DEFAULT 'm';
    INSERT INTO t (a, later) VALUES ('last', 8);
    CREATE VIEW v AS SELECT a, b FROM t;
";

#[test]
fn tables() {
    same(
        "",
        &[
            "CREATE TABLE  a ( x , y )  -- why",
            "create table if not exists \"a\" (x)",
            "CREATE TABLE \"a\" (x)",
            "CREATE TABLE main . b (x INTEGER PRIMARY KEY AUTOINCREMENT, y UNIQUE, z UNIQUE)",
            "CREATE TABLE c (x PRIMARY KEY, y UNIQUE) WITHOUT ROWID, STRICT",
            "CREATE TABLE c2 (x INT PRIMARY KEY, y TEXT UNIQUE) WITHOUT ROWID, STRICT",
            "CREATE TABLE sqlite_x (a)",
            "CREATE TABLE nowhere.x (a)",
            "CREATE TEMP TABLE main.x (a)",
            "CREATE TEMP TABLE t (a)",
            "CREATE TABLE temp.t (a)",
            "CREATE TABLE sqlite_autoindex_c_1 (a)",
            "CREATE TABLE d (x, y, CHECK (nothing_known(x)))",
            "CREATE TABLE d (x, y AS (nothing_known(x)))",
            "CREATE TABLE d (x, y AS (random()))",
            "CREATE TABLE r (x CHECK (x > random()))",
            "CREATE TABLE d (x CHECK (count(x) > 1))",
            "CREATE TABLE d (x, y AS (abs(x)), CHECK (length(y) > 3))",
            "CREATE INDEX i ON a (x)",
            "CREATE TABLE i (x)",
            "CREATE VIEW i AS SELECT 1",
            "CREATE TABLE e (a, b, a)",
            "CREATE TABLE f (a INTEGER PRIMARY KEY AUTOINCREMENT)",
        ],
    );
}

#[test]
fn tables_made_of_queries() {
    same(
        ROWS,
        &[
            "CREATE TABLE made AS SELECT 1",
            "DROP TABLE made",
            "CREATE TABLE IF NOT EXISTS made AS SELECT id, a, b, c, later, a || 'x' AS joined, 1 AS one FROM t",
            "CREATE TABLE IF NOT EXISTS made AS SELECT 1",
            "CREATE TABLE made AS SELECT 1",
            "DROP TABLE made",
            "CREATE TABLE \"made\" AS SELECT a, a, b AS \"order\", CAST(c AS INTEGER) AS n FROM t",
            "CREATE TABLE made2 AS SELECT nothing FROM t",
        ],
    );
}

#[test]
fn indexes() {
    same(
        ROWS,
        &[
            "CREATE INDEX i1 ON t (a, b DESC)",
            "create unique index  main.i2  on t (id, later)",
            "CREATE UNIQUE INDEX twice ON t (a)",
            "CREATE UNIQUE INDEX twice ON t (lower(a), c)",
            "CREATE INDEX i3 ON t (lower(a) COLLATE NOCASE, b + 1, d) WHERE a IS NOT NULL",
            "CREATE INDEX i4 ON t (e DESC, d, later)",
            "CREATE INDEX i5 ON w (v)",
            "CREATE INDEX i6 ON w (n, more COLLATE RTRIM DESC, k COLLATE BINARY)",
            "CREATE UNIQUE INDEX i7 ON w (v, n)",
            "CREATE INDEX i1 ON t (a)",
            "CREATE INDEX IF NOT EXISTS i1 ON t (a)",
            "CREATE INDEX t ON t (a)",
            "CREATE INDEX i8 ON missing (a)",
            "CREATE INDEX i8 ON v (a)",
            "CREATE INDEX i8 ON sqlite_schema (name)",
            "CREATE INDEX sqlite_i ON t (a)",
            "CREATE INDEX i8 ON t (zzz)",
            "CREATE INDEX i8 ON t (nothing_known(a))",
            "CREATE INDEX i8 ON t (a) WHERE zzz > 1",
            "CREATE INDEX i8 ON t (a) WHERE a IN (SELECT 1)",
            "CREATE INDEX i8 ON t (a COLLATE zzz)",
            "CREATE INDEX i8 ON t (a) WHERE ?1 > 2",
            "CREATE INDEX i8 ON t (count(a))",
            "CREATE INDEX i8 ON t (random())",
            "CREATE INDEX i8 ON t (a) WHERE b > random()",
            "CREATE INDEX i8 ON t (sqlite_version() || a)",
            "CREATE INDEX i8 ON t (a || CURRENT_TIME)",
            "CREATE INDEX temp.i8 ON t (a)",
            "CREATE INDEX zzz.i8 ON t (a)",
        ],
    );
}

#[test]
fn indexes_of_other_encodings() {
    let setup = "PRAGMA encoding = 'UTF-16be'; CREATE TABLE t (a TEXT, b); INSERT INTO t VALUES ('b', 1), ('a', 'x'), ('\u{e9}', 2.5);";
    same(setup, &["CREATE INDEX i ON t (a)", "CREATE INDEX j ON t (upper(a), b || 'q')"]);
}

#[test]
fn views() {
    same(
        ROWS,
        &[
            "CREATE VIEW  one (x, y)  AS SELECT 1, 2",
            "create temp view if not exists one as select 1",
            "CREATE VIEW IF NOT EXISTS one AS SELECT 2",
            "CREATE VIEW \"one\" AS SELECT 2",
            "CREATE VIEW t AS SELECT 2",
            "CREATE TABLE v (a)",
            "CREATE VIEW broken AS SELECT nothing FROM missing",
            "CREATE VIEW p AS SELECT ?1",
            "CREATE VIEW p AS SELECT * FROM temp.x",
            "CREATE VIEW sqlite_v AS SELECT 1",
        ],
    );
}

#[test]
fn triggers() {
    same(
        ROWS,
        &[
            "CREATE TRIGGER  g  AFTER INSERT ON t BEGIN SELECT 1; END",
            "create trigger if not exists main.h before update of a, b on t for each row when new.a > 1 begin insert into w values (1, 2, 3, 4); update t set a = 1; delete from w; end",
            "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END",
            "CREATE TRIGGER IF NOT EXISTS g AFTER INSERT ON t BEGIN SELECT 1; END",
            "CREATE TRIGGER i INSTEAD OF INSERT ON v BEGIN SELECT 1; END",
            "CREATE TRIGGER j BEFORE INSERT ON v BEGIN SELECT 1; END",
            "CREATE TRIGGER j AFTER INSERT ON main.v BEGIN SELECT 1; END",
            "CREATE TRIGGER j INSTEAD OF INSERT ON t BEGIN SELECT 1; END",
            "CREATE TRIGGER j AFTER INSERT ON missing BEGIN SELECT 1; END",
            "CREATE TEMP TRIGGER j AFTER INSERT ON missing BEGIN SELECT 1; END",
            "CREATE TEMP TRIGGER main.j AFTER INSERT ON t BEGIN SELECT 1; END",
            "CREATE TEMP TRIGGER j AFTER INSERT ON t BEGIN SELECT 1; END",
            "CREATE TRIGGER j AFTER INSERT ON sqlite_schema BEGIN SELECT 1; END",
            "CREATE TRIGGER sqlite_j AFTER INSERT ON t BEGIN SELECT 1; END",
            "CREATE TRIGGER k AFTER INSERT ON t BEGIN SELECT ?1; END",
            "CREATE TRIGGER k AFTER INSERT ON t BEGIN INSERT INTO main.w VALUES (1, 2, 3, 4); END",
            "CREATE TRIGGER k AFTER INSERT ON t BEGIN SELECT * FROM temp.x; END",
            "CREATE TRIGGER k AFTER INSERT ON temp.t BEGIN SELECT 1; END",
            "CREATE TRIGGER k AFTER INSERT ON t BEGIN UPDATE missing SET nothing = 1; END",
            "CREATE TRIGGER l AFTER INSERT ON t WHEN zzz BEGIN SELECT 1; END",
        ],
    );
}
