//! DROP.

use crate::pair::same;

const SETUP: &str = "
    CREATE TABLE a (x INTEGER PRIMARY KEY AUTOINCREMENT, y UNIQUE, z);
    INSERT INTO a (y, z) VALUES (1, 2), (3, 4);
    CREATE TABLE b (x PRIMARY KEY, y) WITHOUT ROWID;
    INSERT INTO b VALUES (1, 2);
    CREATE TABLE other (x);
    CREATE INDEX ai ON a (z); CREATE INDEX bi ON b (y); CREATE INDEX oi ON other (x);
    INSERT INTO other VALUES (1);
    ANALYZE;
    CREATE VIEW v AS SELECT * FROM a;
    CREATE TRIGGER g AFTER INSERT ON a BEGIN SELECT 1; END;
    CREATE TRIGGER h INSTEAD OF INSERT ON v BEGIN SELECT 1; END;
    CREATE TRIGGER k AFTER INSERT ON b BEGIN SELECT 1; END;
";

#[test]
fn what_there_is_and_what_there_is_not() {
    same(
        SETUP,
        &[
            "DROP TABLE v",
            "DROP VIEW a",
            "DROP TABLE missing",
            "DROP TABLE main.missing",
            "DROP TABLE zzz.a",
            "DROP TABLE IF EXISTS missing",
            "DROP TABLE IF EXISTS v",
            "DROP VIEW missing",
            "DROP VIEW IF EXISTS missing",
            "DROP INDEX missing",
            "DROP INDEX main.missing",
            "DROP INDEX IF EXISTS missing",
            "DROP INDEX sqlite_autoindex_a_1",
            "DROP TRIGGER missing",
            "DROP TRIGGER temp.g",
            "DROP TRIGGER IF EXISTS missing",
            "DROP TABLE sqlite_schema",
            "DROP TABLE sqlite_sequence",
            "DROP INDEX AI",
            "DROP TRIGGER main.K",
            "DROP TABLE A",
            "DROP VIEW V",
            "DROP TABLE b",
            "DROP TABLE sqlite_stat1",
            "CREATE TABLE a (x INTEGER PRIMARY KEY AUTOINCREMENT)",
        ],
    );
}
