//! Constraints and what becomes of rows that break them.

use crate::support::Pair;

#[test]
fn every_clause_with_every_constraint() {
    let schema = "CREATE TABLE t(id INTEGER PRIMARY KEY, a UNIQUE, b NOT NULL DEFAULT 'd', c NOT NULL, d CHECK (d <> 0), e, f,
            CONSTRAINT named CHECK (e < 10), UNIQUE(e, f));
         INSERT INTO t VALUES(1, 1, 1, 1, 1, 1, 1), (2, 2, 2, 2, 2, 2, 2), (3, 3, 3, 3, 3, 3, 3);";
    for clause in ["", "OR ABORT", "OR FAIL", "OR IGNORE", "OR REPLACE"] {
        let mut pair = Pair::new(schema);
        let rows = [
            "(4, 4, 4, 4, 4, 4, 4), (1, 5, 5, 5, 5, 5, 5), (6, 6, 6, 6, 6, 6, 6)",
            "(14, 14, 4, 4, 4, 4, 14), (15, 2, 5, 5, 5, 5, 15), (16, 16, 6, 6, 6, 6, 16)",
            "(24, 24, 4, 4, 4, 4, 24), (25, 25, NULL, 5, 5, 5, 25), (26, 26, 6, 6, 6, 6, 26)",
            "(34, 34, 4, 4, 4, 4, 34), (35, 35, 5, NULL, 5, 5, 35), (36, 36, 6, 6, 6, 6, 36)",
            "(44, 44, 4, 4, 4, 4, 44), (45, 45, 5, 5, 0, 5, 45), (46, 46, 6, 6, 6, 6, 46)",
            "(54, 54, 4, 4, 4, 4, 54), (55, 55, 5, 5, 5, 55, 55), (56, 56, 6, 6, 6, 6, 56)",
            "(64, 64, 4, 4, 4, 4, 64), (65, 65, 5, 5, 5, 3, 3), (66, 66, 6, 6, 6, 6, 66)",
            "(1, 2, 5, 5, 5, 3, 3)",
            "(NULL, NULL, 1, 1, NULL, NULL, NULL), (NULL, NULL, 1, 1, NULL, NULL, NULL)",
        ];
        for row in rows {
            pair.run(&format!("INSERT {clause} INTO t VALUES{row}"));
        }
        let sets = [
            "id = 2",
            "a = 2",
            "b = NULL",
            "c = NULL",
            "d = d - 3",
            "e = id",
            "e = 3, f = 3",
            "id = id + 1, a = a + 1",
            "a = 5 - a",
            "id = -id, e = 9",
        ];
        for set in sets {
            pair.run(&format!("UPDATE {clause} t SET {set}"));
        }
        pair.finish();
    }
}

#[test]
fn clauses_of_columns() {
    let mut pair = Pair::new(
        "CREATE TABLE r(id INTEGER PRIMARY KEY ON CONFLICT REPLACE, a UNIQUE ON CONFLICT IGNORE, b NOT NULL ON CONFLICT REPLACE DEFAULT 7,
            c NOT NULL ON CONFLICT IGNORE, d UNIQUE ON CONFLICT FAIL, e UNIQUE ON CONFLICT REPLACE);
         CREATE TABLE w(a, b, c UNIQUE ON CONFLICT REPLACE, PRIMARY KEY(a, b) ON CONFLICT REPLACE) WITHOUT ROWID;
         CREATE TABLE x(a PRIMARY KEY ON CONFLICT IGNORE, b UNIQUE ON CONFLICT ROLLBACK);",
    );
    pair.run(
        "INSERT INTO r VALUES(1, 1, 1, 1, 1, 1), (2, 2, 2, 2, 2, 2), (3, 3, 3, 3, 3, 3);
         INSERT INTO r VALUES(1, 11, NULL, 1, 11, 11);
         INSERT INTO r VALUES(4, 2, 1, 1, 4, 4), (5, 5, 5, 5, 5, 5);
         INSERT INTO r VALUES(6, 6, 6, NULL, 6, 6), (7, 7, 7, 7, 7, 7);
         INSERT INTO r VALUES(8, 8, 8, 8, 8, 8), (9, 9, 9, 9, 2, 9), (10, 10, 10, 10, 10, 10);
         INSERT INTO r VALUES(11, 12, 11, 11, 12, 7);
         INSERT INTO r VALUES(1, 13, 1, 1, 13, 2);
         INSERT OR ABORT INTO r VALUES(1, 14, 1, 1, 14, 14);
         UPDATE r SET e = 3;
         UPDATE r SET id = 3;
         UPDATE r SET b = NULL, c = NULL;
         INSERT INTO w VALUES(1, 1, 1), (2, 2, 2), (3, 3, 3);
         INSERT INTO w VALUES(1, 1, 9);
         INSERT INTO w VALUES(4, 4, 2);
         INSERT INTO w VALUES(3, 3, 9);
         UPDATE w SET b = 3, a = 3;
         INSERT INTO x VALUES(1, 1), (1, 2), (2, 2);
         INSERT INTO x VALUES(3, 3), (4, 1);
         SELECT * FROM x;",
    );
    pair.finish();
}

#[test]
fn indexes_of_all_kinds() {
    let mut pair = Pair::new(
        "CREATE TABLE t(a, b, c);
         CREATE UNIQUE INDEX i1 ON t(a COLLATE NOCASE) WHERE b IS NOT NULL;
         CREATE UNIQUE INDEX i2 ON t(lower(c), b DESC);
         CREATE INDEX i3 ON t(c COLLATE RTRIM DESC, a + b) WHERE a > 1;
         CREATE INDEX i4 ON t(b, b, a);",
    );
    pair.run(
        "INSERT INTO t VALUES('x', 1, 'C'), ('X', NULL, 'C'), ('X', NULL, 'd ');
         INSERT INTO t VALUES('X', 2, 'q');
         INSERT INTO t VALUES('y', 1, 'c');
         UPDATE t SET b = 5;
         UPDATE t SET b = 5 WHERE rowid = 2;
         INSERT OR REPLACE INTO t VALUES('X', 7, 'C');
         UPDATE OR IGNORE t SET a = 'x', b = rowid;
         UPDATE OR REPLACE t SET a = 'x', b = rowid;
         DELETE FROM t WHERE a = 'x';
         SELECT * FROM t;",
    );
    pair.finish();
}
