//! Expressions, row by row and in batches, filters, projections and limits.

use heddle_sql::ast::LikeOp;
use heddle_sql::plan::*;
use heddle_value::{Affinity, Collation, Value};

use crate::support::*;

const SQL: &str = "
    CREATE TABLE v (a, b, c);
    WITH x(v) AS (VALUES (NULL), (0), (1), (-1), (2), (9223372036854775807), (0.0), (1.5), (-2.5), (1e300),
        ('a'), ('A'), ('1'), ('1.5x'), (''), (x''), (x'61'), ('aba'))
    INSERT INTO v SELECT p.v, q.v, p.v || q.v FROM x p, x q;
    CREATE TABLE i (n INT, m INT, r REAL, q REAL);
    WITH x(v) AS (VALUES (NULL), (0), (1), (-1), (5), (9223372036854775807), (-9223372036854775808))
    INSERT INTO i SELECT p.v, q.v, p.v / 2.0, q.v * 1.5 FROM x p, x q;
    CREATE TABLE small (k INT);
    INSERT INTO small VALUES (1), (2), (NULL), (1);
    CREATE TABLE empty (k);
";

fn boxed(expr: Expr) -> Box<Expr> {
    Box::new(expr)
}

type Binary = Box<dyn Fn(Expr, Expr) -> Expr>;

/// Operators of two operands, each with its SQL.
fn binary() -> Vec<(&'static str, Binary)> {
    use Arithmetic::*;
    let mut out: Vec<(&'static str, Binary)> = Vec::new();
    for (sql, op) in [
        ("{} + {}", Add),
        ("{} - {}", Subtract),
        ("{} * {}", Multiply),
        ("{} / {}", Divide),
        ("{} % {}", Modulo),
        ("{} || {}", Concat),
        ("{} & {}", BitAnd),
        ("{} | {}", BitOr),
        ("{} << {}", ShiftLeft),
        ("{} >> {}", ShiftRight),
    ] {
        out.push((sql, Box::new(move |a, b| arithmetic(op, a, b))));
    }
    for (sql, op) in [
        ("{} = {}", CompareOp::Equal),
        ("{} <> {}", CompareOp::NotEqual),
        ("{} < {}", CompareOp::Less),
        ("{} <= {}", CompareOp::LessEqual),
        ("{} > {}", CompareOp::Greater),
        ("{} >= {}", CompareOp::GreaterEqual),
        ("{} IS {}", CompareOp::Is),
        ("{} IS NOT {}", CompareOp::IsNot),
    ] {
        out.push((sql, Box::new(move |a, b| compare(op, a, b))));
    }
    out.push(("{} AND {}", Box::new(|a, b| Expr::And(vec![a, b]))));
    out.push(("{} OR {}", Box::new(|a, b| Expr::Or(vec![a, b]))));
    out.push((
        "{} LIKE {}",
        Box::new(|a, b| Expr::Like {
            op: LikeOp::Like,
            value: boxed(a),
            pattern: boxed(b),
            escape: None,
            not: false,
        }),
    ));
    out.push((
        "{} NOT GLOB {}",
        Box::new(|a, b| Expr::Like {
            op: LikeOp::Glob,
            value: boxed(a),
            pattern: boxed(b),
            escape: None,
            not: true,
        }),
    ));
    out
}

#[test]
fn operators_over_columns_and_constants() {
    let f = Fixture::new(SQL);
    let (v, i) = (f.table("v"), f.table("i"));
    for (sql, make) in binary() {
        let sql = |a: &str, b: &str| sql.replacen("{}", a, 1).replacen("{}", b, 1);
        f.check(
            &format!("SELECT {} FROM v", sql("a", "b")),
            project(scan(&v, 0), vec![(90, make(col(0), col(1)))]),
            &ids(&[90]),
        );
        f.check(
            &format!("SELECT {}, {} FROM v", sql("a", "+1.5"), sql("+'a'", "b")),
            project(
                scan(&v, 0),
                vec![
                    (90, make(col(0), Expr::Constant(Value::Real(1.5)))),
                    (91, make(text("a"), col(1))),
                ],
            ),
            &ids(&[90, 91]),
        );
        if sql("", "").contains("LIKE") || sql("", "").contains("GLOB") {
            continue;
        }
        for (a, b) in [(0, 1), (1, 0), (2, 3), (0, 3), (2, 1)] {
            let name = |c: u32| ["n", "m", "r", "q"][c as usize];
            f.check(
                &format!(
                    "SELECT {}, {}, {} FROM i",
                    sql(name(a), name(b)),
                    sql(name(a), "5"),
                    sql("5", name(b))
                ),
                project(
                    scan(&i, 0),
                    vec![
                        (90, make(col(a), col(b))),
                        (91, make(col(a), int(5))),
                        (92, make(int(5), col(b))),
                    ],
                ),
                &ids(&[90, 91, 92]),
            );
        }
        f.check(
            &format!("SELECT rowid FROM v WHERE {}", sql("a", "b")),
            filter(scan(&v, 0), vec![make(col(0), col(1))]),
            &ids(&[50]),
        );
        f.check(
            &format!("SELECT n, q FROM i WHERE {} AND {}", sql("n", "m"), sql("r", "q")),
            filter(scan(&i, 0), vec![make(col(0), col(1)), make(col(2), col(3))]),
            &ids(&[0, 3]),
        );
    }
}

#[test]
fn operators_of_one_operand_and_conditions() {
    let f = Fixture::new(SQL);
    let v = f.table("v");
    let a = || boxed(col(0));
    let between = |not| Expr::Between {
        value: a(),
        low: Box::new(comparison(CompareOp::GreaterEqual, col(0), int(0))),
        high: Box::new(comparison(CompareOp::LessEqual, col(0), col(1))),
        not,
    };
    let is_truth = |wanted, not| Expr::IsTruth { value: a(), wanted, not };
    let cases: Vec<(&str, Expr)> = vec![
        ("-a", Expr::Negate(a())),
        ("~a", Expr::BitNot(a())),
        ("NOT a", Expr::Not(a())),
        ("a ISNULL", Expr::IsNull(a())),
        ("a NOTNULL", Expr::NotNull(a())),
        ("a IS TRUE", is_truth(true, false)),
        ("a IS NOT TRUE", is_truth(true, true)),
        ("a IS FALSE", is_truth(false, false)),
        ("a IS NOT FALSE", is_truth(false, true)),
        ("CAST(a AS INTEGER)", Expr::Cast(a(), Affinity::Integer)),
        ("CAST(a AS TEXT)", Expr::Cast(a(), Affinity::Text)),
        ("CAST(a AS NUMERIC)", Expr::Cast(a(), Affinity::Numeric)),
        ("a BETWEEN 0 AND b", between(false)),
        ("a NOT BETWEEN 0 AND b", between(true)),
        (
            "CASE WHEN a THEN b WHEN b THEN 7 ELSE 'no' END",
            Expr::Case {
                base: None,
                arms: vec![(col(0), col(1)), (col(1), int(7))],
                otherwise: Some(boxed(text("no"))),
            },
        ),
        (
            "CASE a WHEN 1 THEN 'one' WHEN b THEN 'same' END",
            Expr::Case {
                base: Some(a()),
                arms: vec![
                    (equal(col(0), int(1)), text("one")),
                    (equal(col(0), col(1)), text("same")),
                ],
                otherwise: None,
            },
        ),
        (
            "(a, b) = (b, 1)",
            Expr::CompareRows(
                CompareOp::Equal,
                vec![
                    comparison(CompareOp::Equal, col(0), col(1)),
                    comparison(CompareOp::Equal, col(1), int(1)),
                ],
            ),
        ),
        (
            "(a, b) <> (b, 1)",
            Expr::CompareRows(
                CompareOp::NotEqual,
                vec![
                    comparison(CompareOp::NotEqual, col(0), col(1)),
                    comparison(CompareOp::NotEqual, col(1), int(1)),
                ],
            ),
        ),
        (
            "(a, b) <= (b, 1)",
            Expr::CompareRows(
                CompareOp::LessEqual,
                vec![
                    comparison(CompareOp::LessEqual, col(0), col(1)),
                    comparison(CompareOp::LessEqual, col(1), int(1)),
                ],
            ),
        ),
        (
            "(a, b) > (b, 1)",
            Expr::CompareRows(
                CompareOp::Greater,
                vec![
                    comparison(CompareOp::Greater, col(0), col(1)),
                    comparison(CompareOp::Greater, col(1), int(1)),
                ],
            ),
        ),
        (
            "(a, b) IS (b, 1)",
            Expr::CompareRows(
                CompareOp::Is,
                vec![
                    comparison(CompareOp::Is, col(0), col(1)),
                    comparison(CompareOp::Is, col(1), int(1)),
                ],
            ),
        ),
    ];
    for (sql, expr) in cases {
        f.check(
            &format!("SELECT {sql} FROM v"),
            project(scan(&v, 0), vec![(90, expr.clone())]),
            &ids(&[90]),
        );
        f.check(
            &format!("SELECT rowid FROM v WHERE {sql}"),
            filter(scan(&v, 0), vec![expr]),
            &ids(&[50]),
        );
    }
}

fn is_in(values: Vec<Expr>, set: Members, not: bool) -> Expr {
    let parts = values.len();
    Expr::In(Box::new(InSet {
        values,
        affinities: vec![None; parts],
        collations: vec![Collation::BINARY; parts],
        set,
        not,
    }))
}

#[test]
fn in_lists_and_queries_with_nulls() {
    let f = Fixture::new(SQL);
    let (v, small, empty) = (f.table("v"), f.table("small"), f.table("empty"));
    let query = |table, n: u32, columns: &[u32]| {
        Members::Query(subquery(n, scan(table, 200), columns, &[]))
    };
    let cases = vec![
        (
            "a IN (1, 'a', 2)",
            is_in(vec![col(0)], Members::List(vec![int(1), text("a"), int(2)]), false),
        ),
        ("a NOT IN (1, NULL)", is_in(vec![col(0)], Members::List(vec![int(1), null()]), true)),
        ("a IN (b, 1)", is_in(vec![col(0)], Members::List(vec![col(1), int(1)]), false)),
        ("a IN (b, NULL)", is_in(vec![col(0)], Members::List(vec![col(1), null()]), false)),
        ("a IN ()", is_in(vec![col(0)], Members::List(vec![]), false)),
        ("a NOT IN ()", is_in(vec![col(0)], Members::List(vec![]), true)),
        ("+a IN (SELECT +k FROM small)", is_in(vec![col(0)], query(&small, 1, &[200]), false)),
        ("+a NOT IN (SELECT +k FROM small)", is_in(vec![col(0)], query(&small, 1, &[200]), true)),
        ("a IN (SELECT k FROM empty)", is_in(vec![col(0)], query(&empty, 2, &[200]), false)),
        (
            "(+a, +b) IN (SELECT +k, +k FROM small)",
            is_in(vec![col(0), col(1)], query(&small, 3, &[200, 200]), false),
        ),
        (
            "(+a, +b) NOT IN (SELECT +k, +rowid FROM small)",
            is_in(vec![col(0), col(1)], query(&small, 4, &[200, 250]), true),
        ),
    ];
    for (sql, expr) in cases {
        f.check(
            &format!("SELECT {sql} FROM v"),
            project(scan(&v, 0), vec![(90, expr.clone())]),
            &ids(&[90]),
        );
        f.check(
            &format!("SELECT rowid FROM v WHERE {sql}"),
            filter(scan(&v, 0), vec![expr]),
            &ids(&[50]),
        );
    }
}

#[test]
fn subqueries_alone_and_correlated() {
    let f = Fixture::new(SQL);
    let (small, i, empty) = (f.table("small"), f.table("i"), f.table("empty"));
    // The first row of `i` whose `m` is that of the row around, plus 1.
    let inner = || {
        limit(
            filter(
                scan(&i, 100),
                vec![equal(col(101), arithmetic(Arithmetic::Subtract, col(0), int(1)))],
            ),
            int(1),
            None,
        )
    };
    let correlated = Expr::Subquery(subquery(1, inner(), &[100], &[0]));
    f.check(
        "SELECT k, (SELECT n FROM i WHERE m = k - 1 LIMIT 1) FROM small",
        project(scan(&small, 0), vec![(0, col(0)), (90, correlated)]),
        &ids(&[0, 90]),
    );
    let exists = Expr::Exists(subquery(2, inner(), &[100], &[0]));
    f.check(
        "SELECT k FROM small WHERE NOT EXISTS (SELECT * FROM i WHERE m = k - 1)",
        filter(scan(&small, 0), vec![Expr::Not(boxed(exists))]),
        &ids(&[0]),
    );
    // Two levels: the inner one uses the outermost column.
    let innermost = limit(filter(scan(&small, 200), vec![equal(col(200), col(0))]), int(1), None);
    let middle = filter(
        scan(&i, 100),
        vec![equal(col(100), Expr::Subquery(subquery(4, innermost, &[200], &[0])))],
    );
    let two = Expr::Subquery(subquery(3, limit(middle, int(1), None), &[101], &[0]));
    f.check(
        "SELECT k, (SELECT m FROM i WHERE n = (SELECT k FROM small x WHERE x.k = small.k LIMIT 1) LIMIT 1) FROM small",
        project(scan(&small, 0), vec![(0, col(0)), (90, two)]),
        &ids(&[0, 90]),
    );
    let none = Expr::Subquery(subquery(5, scan(&empty, 100), &[100], &[]));
    f.check(
        "SELECT k, (SELECT k FROM empty) FROM small",
        project(scan(&small, 0), vec![(0, col(0)), (90, none)]),
        &ids(&[0, 90]),
    );
    let row = |column| Expr::SubqueryColumn(subquery(6, inner(), &[100, 102], &[0]), column);
    f.check(
        "SELECT k, (SELECT n FROM i WHERE m = k - 1 LIMIT 1), (SELECT r FROM i WHERE m = k - 1 LIMIT 1) FROM small",
        project(scan(&small, 0), vec![(0, col(0)), (90, row(0)), (91, row(1))]),
        &ids(&[0, 90, 91]),
    );
}

#[test]
fn limits_of_every_kind() {
    let f = Fixture::new(SQL);
    let v = f.table("v");
    let cases = [
        (int(5), None),
        (int(0), None),
        (int(-1), Some(int(300))),
        (int(7), Some(int(-3))),
        (int(7), Some(int(4))),
        (text("3"), Some(Expr::Constant(Value::Real(2.0)))),
        (int(1000), Some(int(1000))),
    ];
    for (count, offset) in cases {
        let show = |expr: &Expr| match expr {
            Expr::Constant(Value::Text(text)) => format!("'{}'", text.to_string_lossy()),
            Expr::Constant(value) => value.to_text().to_string_lossy().into_owned(),
            _ => unreachable!(),
        };
        let sql = format!(
            "SELECT rowid FROM v LIMIT {} OFFSET {}",
            show(&count),
            offset.as_ref().map_or("0".to_owned(), show)
        );
        f.check(&sql, limit(scan(&v, 0), count, offset), &ids(&[50]));
    }
    let failed = f.try_run(limit(scan(&v, 0), text("x"), None), &ids(&[50]), vec![], &[]);
    assert_eq!(failed, Err("datatype mismatch".to_owned()));
}

#[test]
fn what_need_not_be_evaluated_is_not() {
    let f = Fixture::new(SQL);
    let small = f.table("small");
    // Fails wherever it is evaluated.
    let fails = || Expr::Raise(heddle_sql::ast::ConflictClause::Abort, Some(boxed(text("no"))));
    let is_one = || equal(col(0), int(1));
    let guarded = vec![
        Expr::And(vec![equal(col(0), int(5)), fails()]),
        Expr::Or(vec![
            Expr::IsNull(boxed(col(0))),
            compare(CompareOp::Less, col(0), int(9)),
            fails(),
        ]),
        Expr::Case {
            base: None,
            arms: vec![(is_one(), int(1)), (Expr::NotNull(boxed(col(0))), int(2))],
            otherwise: Some(boxed(Expr::Case {
                base: None,
                arms: vec![(Expr::NotNull(boxed(col(0))), fails())],
                otherwise: None,
            })),
        },
    ];
    for (number, expr) in guarded.into_iter().enumerate() {
        let input = filter(scan(&small, 0), vec![Expr::NotNull(boxed(col(0)))]);
        let rows = f.try_run(project(input, vec![(90, expr)]), &ids(&[90]), vec![], &[]);
        assert_eq!(rows.map(|rows| rows.len()), Ok(3), "{number}");
    }
    let failed = f.try_run(project(scan(&small, 0), vec![(90, fails())]), &ids(&[90]), vec![], &[]);
    assert_eq!(failed, Err("no".to_owned()));
}

#[test]
fn parameters_and_deep_expressions() {
    let f = Fixture::new(SQL);
    let small = f.table("small");
    let mut deep = col(0);
    for _ in 0..5_000 {
        deep = arithmetic(Arithmetic::Add, deep, Expr::Parameter(0));
    }
    let plan = project(scan(&small, 0), vec![(90, deep)]);
    let rows = f.try_run(plan, &ids(&[90]), vec![], &[Value::Integer(2)]).unwrap();
    let expected =
        [Value::Integer(10_001), Value::Integer(10_002), Value::Null, Value::Integer(10_001)];
    assert_eq!(rows.concat(), expected);
}
