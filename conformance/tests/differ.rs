//! The generator of statements: that what it makes is mostly good SQL, the same for a seed, and that shrinking keeps a difference.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use heddle_conformance::differ::{compare::compare, generator, shrink};
use heddle_conformance::engine::{self, Kind, Place};

/// Statements of a session.
const SESSION: usize = 120;

#[test]
fn most_statements_are_good() {
    let (mut good, mut all) = (0, 0);
    for seed in 0..40 {
        let mut stock = engine::open(Kind::Stock, &Place::Memory).unwrap();
        for statement in generator::session(seed, SESSION) {
            let outcome = stock.run(&statement.sql, None);
            all += 1;
            match outcome.fault {
                None => good += 1,
                Some(fault) => {
                    assert!(
                        !fault.message.contains("syntax error"),
                        "{}: {}",
                        statement.sql,
                        fault.message
                    );
                }
            }
        }
    }
    assert!(good * 10 > all * 7, "{good} of {all}");
}

#[test]
fn a_seed_gives_the_same_statements_and_stock_agrees_with_itself() {
    for seed in 100..110 {
        let session = generator::session(seed, SESSION);
        let texts = |session: &[generator::Statement]| shrink::script(session);
        assert_eq!(texts(&session), texts(&generator::session(seed, SESSION)));
        assert!(compare(&session, Kind::Stock).unwrap().0.is_none());
    }
}
