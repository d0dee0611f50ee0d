//! The shell as a process: scripts in, text out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and runs processes"
)]

use std::io::Write;
use std::process::{Command, Stdio};

/// What the shell prints for a script, what it complains of, and whether all went well.
fn run(arguments: &[&str], script: &str) -> (String, String, bool) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_heddle"))
        .args(arguments)
        .env("HOME", "/nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.success())
}

const ROWS: &str = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT);\nINSERT INTO t VALUES (1, 'one'), (2, NULL);\n";

fn shown(mode: &str) -> String {
    run(&[], &format!("{ROWS}.mode {mode}\nSELECT * FROM t;\n")).0
}

#[test]
fn rows_are_shown_in_every_mode() {
    assert_eq!(shown("list"), "1|one\n2|\n");
    assert_eq!(shown("csv"), "1,one\r\n2,\r\n");
    assert_eq!(shown("json"), "[{\"a\":1,\"b\":\"one\"},\n{\"a\":2,\"b\":null}]\n");
    assert_eq!(shown("line"), "    a = 1\n    b = one\n\n    a = 2\n    b = \n");
    assert_eq!(
        shown("insert u"),
        "INSERT INTO u VALUES(1,'one');\nINSERT INTO u VALUES(2,NULL);\n"
    );
    assert_eq!(shown("quote"), "1,'one'\n2,NULL\n");
    assert_eq!(shown("tabs"), "1\tone\n2\t\n");
    assert_eq!(shown("markdown"), "| a |  b  |\n|---|-----|\n| 1 | one |\n| 2 |     |\n");
    assert_eq!(
        shown("table"),
        "+---+-----+\n| a |  b  |\n+---+-----+\n| 1 | one |\n| 2 |     |\n+---+-----+\n"
    );
    assert!(shown("box").contains("\u{251c}\u{2500}\u{2500}\u{2500}\u{253c}"), "{}", shown("box"));
    assert!(shown("column").starts_with("a  b\n-  ---\n1  one\n"));
}

#[test]
fn a_script_that_fails_says_so_and_goes_on_unless_told_to_stop() {
    let (out, err, fine) = run(&[], "SELECT nosuch;\nSELECT 1;\n");
    assert_eq!((out.as_str(), fine), ("1\n", false));
    assert!(err.contains("no such column: nosuch"), "{err}");
    let (out, _, fine) = run(&["-bail"], "SELECT nosuch;\nSELECT 1;\n");
    assert_eq!((out.as_str(), fine), ("", false));
    let (out, err, _) = run(&[], ".nosuch\n.mode nosuch\n");
    assert_eq!(out, "");
    assert!(err.contains("unknown command") && err.contains("mode should be one of"), "{err}");
}

#[test]
fn statements_go_over_lines_and_triggers_have_semicolons() {
    let (out, err, fine) = run(
        &[],
        "CREATE TABLE t (a);\nCREATE TRIGGER r AFTER INSERT ON t BEGIN\n  UPDATE t SET a = a + 1;\nEND;\nINSERT\n INTO t\n VALUES (1); SELECT a FROM t;\nSELECT 2",
    );
    assert_eq!((out.as_str(), fine), ("2\n2\n", true), "{err}");
}

#[test]
fn a_dump_makes_the_database_again() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("a.db"), dir.path().join("b.db"));
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let made = "CREATE TABLE t (a INT, b TEXT, c AS (a * 2));\nINSERT INTO t (a, b) VALUES (1, 'it''s'), (2.5, 'two\nlines'), (NULL, x'00ff');\nCREATE INDEX i ON t (b);\nCREATE VIEW v AS SELECT a FROM t;\n";
    let (_, err, fine) = run(&[first], made);
    assert!(fine, "{err}");
    let (dump, err, fine) = run(&[first, ".dump"], "");
    assert!(fine, "{err}");
    let (_, err, fine) = run(&[second], &dump);
    assert!(fine, "{err}\n{dump}");
    assert_eq!(run(&[second, ".dump"], "").0, dump);
    let (rows, _, _) = run(&[second, "SELECT a, quote(b), c FROM t"], "");
    assert_eq!(rows, "1|'it''s'|2\n2.5|'two\nlines'|5.0\n|X'00FF'|\n");
}

#[test]
fn files_are_imported_and_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rows.csv");
    std::fs::write(&file, "n,word\n1,\"a, b\"\n2,c\n").unwrap();
    let out = dir.path().join("out.txt");
    let script = format!(
        ".import --csv {} made\nSELECT * FROM made;\n.output {}\nSELECT count(*) FROM made;\n.output\n.tables\n.schema made\n",
        file.display(),
        out.display()
    );
    let (printed, err, fine) = run(&[], &script);
    assert!(fine, "{err}");
    assert_eq!(printed, "1|a, b\n2|c\nmade\nCREATE TABLE made (n TEXT, word TEXT);\n");
    assert_eq!(std::fs::read_to_string(out).unwrap(), "2\n");
}

#[test]
fn the_engine_tells_what_it_does() {
    let (out, err, fine) = run(&[], &format!("{ROWS}.concurrent\n"));
    assert!(fine, "{err}");
    assert!(out.contains("commits: ") && out.contains("conflicts: 0"), "{out}");
}

#[test]
fn a_shell_that_ends_leaves_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.db");
    let (_, err, fine) = run(
        &[file.to_str().unwrap()],
        &format!("{ROWS}BEGIN;\nINSERT INTO t VALUES (3, 'three');\n"),
    );
    assert!(fine, "{err}");
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["a.db"]);
    assert_eq!(run(&[file.to_str().unwrap(), "SELECT count(*) FROM t"], "").0, "2\n");
}
