//! Hand-made histories: each class in its smallest form, and good ones that look like it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on fails")]

use heddle_histories::{Class, History, Level, Op, Outcome, Report, Scope, Txn, check};
use heddle_histories::{Class::*, Op::*};

const C: Outcome = Outcome::Committed(None);

fn at(ticket: u64) -> Outcome {
    Outcome::Committed(Some(ticket))
}

/// Transactions that all overlap.
fn history(txns: impl IntoIterator<Item = (Outcome, Vec<Op>)>) -> History {
    let txn = |(outcome, ops)| Txn { ops, outcome, began: 0, ended: 1 };
    History { txns: txns.into_iter().map(txn).collect(), real_time: false }
}

fn report(txns: impl IntoIterator<Item = (Outcome, Vec<Op>)>) -> Report {
    check(&history(txns))
}

#[track_caller]
fn assert_classes(report: &Report, expected: &[Class]) {
    assert_eq!(report.classes(), expected, "{:#?}", report.anomalies);
}

#[track_caller]
fn assert_forbidden(report: &Report, serializable: bool, snapshot: bool) {
    assert_eq!(
        report.violations(Level::Serializable).next().is_some(),
        serializable,
        "{report:#?}"
    );
    assert_eq!(report.violations(Level::Snapshot).next().is_some(), snapshot, "{report:#?}");
}

#[test]
fn one_after_the_other_is_clean() {
    let report = report([
        (at(1), vec![Append(1, 1), Write(7, Some(1))]),
        (at(2), vec![ReadList(1, vec![1]), Append(1, 2), Read(7, Some(1)), Write(7, Some(2))]),
        (at(3), vec![ReadList(1, vec![1, 2]), ReadWhere(Scope::Keys(0, 9), vec![(7, 2)])]),
        (Outcome::Aborted, vec![Append(1, 9), Write(7, Some(9))]),
        (at(4), vec![Write(7, None), Read(7, None), ReadWhere(Scope::Values(0, 9), vec![])]),
    ]);
    assert_classes(&report, &[]);
    assert_eq!(report.committed, 4);
}

#[test]
fn g0_two_overwrite_each_other_in_both_orders() {
    let report = report([
        (C, vec![Append(1, 1), Append(2, 1)]),
        (C, vec![Append(1, 2), Append(2, 2)]),
        (C, vec![ReadList(1, vec![1, 2]), ReadList(2, vec![2, 1])]),
    ]);
    assert!(report.classes().contains(&G0), "{report:#?}");
    assert_forbidden(&report, true, true);
}

#[test]
fn g0_an_element_of_another_stands_between_two_of_one() {
    let report = report([
        (C, vec![Append(1, 1), Append(1, 2)]),
        (C, vec![Append(1, 3)]),
        (C, vec![ReadList(1, vec![1, 3, 2])]),
    ]);
    assert!(report.classes().contains(&G0), "{report:#?}");
}

#[test]
fn g1a_aborted_read() {
    for read in [vec![Read(1, Some(5))], vec![ReadWhere(Scope::Keys(0, 3), vec![(1, 5)])]] {
        let report = report([(Outcome::Aborted, vec![Write(1, Some(5))]), (C, read)]);
        assert_classes(&report, &[G1a]);
        assert_forbidden(&report, true, true);
    }
    let lists = report([
        (Outcome::Aborted, vec![Append(1, 5)]),
        (C, vec![Append(1, 6)]),
        (C, vec![ReadList(1, vec![5, 6])]),
    ]);
    assert!(lists.classes().contains(&G1a), "{lists:#?}");
}

#[test]
fn g1b_intermediate_read() {
    let registers =
        report([(C, vec![Write(1, Some(5)), Write(1, Some(6))]), (C, vec![Read(1, Some(5))])]);
    assert_classes(&registers, &[G1b]);
    assert_forbidden(&registers, true, true);
    let lists = report([
        (C, vec![Append(1, 5), Append(1, 6)]),
        (C, vec![ReadList(1, vec![5])]),
        (C, vec![ReadList(1, vec![5, 6])]),
    ]);
    assert!(lists.classes().contains(&G1b), "{lists:#?}");
}

#[test]
fn g1c_two_read_each_others_writes() {
    let report = report([
        (C, vec![Write(1, Some(1)), Read(2, Some(2))]),
        (C, vec![Write(2, Some(2)), Read(1, Some(1))]),
    ]);
    assert_classes(&report, &[G1c]);
    assert_forbidden(&report, true, true);
}

#[test]
fn lost_update_two_read_a_version_and_write() {
    let plain = report([
        (C, vec![Write(1, Some(1))]),
        (C, vec![Read(1, Some(1)), Write(1, Some(2))]),
        (C, vec![Read(1, Some(1)), Write(1, Some(3))]),
    ]);
    assert!(plain.classes().contains(&LostUpdate), "{plain:#?}");
    assert_forbidden(&plain, true, true);
    let with_tickets = report([
        (at(2), vec![Read(1, None), Write(1, Some(2))]),
        (at(3), vec![Read(1, None), Write(1, Some(3))]),
    ]);
    assert_classes(&with_tickets, &[LostUpdate, GSingle]);
    let lists = report([
        (C, vec![ReadList(1, vec![]), Append(1, 1)]),
        (C, vec![ReadList(1, vec![]), Append(1, 2)]),
        (C, vec![ReadList(1, vec![1, 2])]),
    ]);
    assert_classes(&lists, &[LostUpdate, GSingle]);
}

#[test]
fn g_single_read_skew() {
    let report = report([
        (at(1), vec![Write(1, Some(10)), Write(2, Some(20))]),
        (at(2), vec![Write(1, Some(11)), Write(2, Some(21))]),
        (at(3), vec![Read(1, Some(10)), Read(2, Some(21))]),
    ]);
    assert_classes(&report, &[GSingle]);
    assert_forbidden(&report, true, true);
    let anomaly = &report.anomalies[0];
    assert_eq!(anomaly.txns.len(), 2, "{anomaly}");
    assert!(
        anomaly.to_string().contains("T2 before T1: it read 1 = 10, which T1 followed by 11"),
        "{anomaly}"
    );
}

#[test]
fn g_single_a_predicate_read_twice_gives_two_answers() {
    let scope = Scope::Keys(0, 9);
    let report = report([
        (at(1), vec![Write(3, Some(30))]),
        (at(2), vec![ReadWhere(scope, vec![]), ReadWhere(scope, vec![(3, 30)])]),
    ]);
    assert_classes(&report, &[GSingle]);
}

#[test]
fn g_nonadjacent_two_observers_see_two_writers_in_two_orders() {
    // The long fork, which parallel snapshot isolation allows and snapshot isolation does not.
    let report = report([
        (at(1), vec![Write(1, Some(1))]),
        (at(2), vec![Write(2, Some(2))]),
        (C, vec![Read(1, Some(1)), Read(2, None)]),
        (C, vec![Read(1, None), Read(2, Some(2))]),
    ]);
    assert_classes(&report, &[GNonadjacent]);
    assert_forbidden(&report, true, true);
}

#[test]
fn g2_item_write_skew_is_what_snapshots_allow() {
    let report = report([
        (at(1), vec![Write(1, Some(10)), Write(2, Some(20))]),
        (at(2), vec![Read(1, Some(10)), Read(2, Some(20)), Write(1, Some(11))]),
        (at(3), vec![Read(1, Some(10)), Read(2, Some(20)), Write(2, Some(21))]),
    ]);
    assert_classes(&report, &[G2Item]);
    assert_forbidden(&report, true, false);
}

#[test]
fn g2_each_inserts_what_the_other_did_not_find() {
    for (scope, a, b) in [(Scope::Keys(0, 9), 3, 4), (Scope::Values(30, 49), 3, 4)] {
        let report = report([
            (C, vec![ReadWhere(scope, vec![]), Write(a, Some(30))]),
            (C, vec![ReadWhere(scope, vec![]), Write(b, Some(42))]),
        ]);
        assert_classes(&report, &[G2]);
        assert_forbidden(&report, true, false);
    }
}

#[test]
fn g2_a_row_moves_into_what_was_asked_for() {
    let scope = Scope::Values(30, 39);
    let report = report([
        (at(1), vec![Write(1, Some(10)), Write(2, Some(20))]),
        (at(2), vec![ReadWhere(scope, vec![]), Write(1, Some(31))]),
        (at(3), vec![ReadWhere(scope, vec![]), Write(2, Some(32))]),
    ]);
    assert_classes(&report, &[G2]);
}

#[test]
fn the_read_only_transaction_that_makes_snapshots_unserializable() {
    // Fekete, O'Neil, O'Neil 2004: two writers that alone would be serializable, and a reader between.
    let txns = vec![
        (at(1), vec![Write(1, Some(100)), Write(2, Some(200))]),
        (at(2), vec![Read(1, Some(100)), Read(2, Some(200)), Write(1, Some(101))]),
        (at(3), vec![Read(2, Some(200)), Write(2, Some(201))]),
    ];
    assert_classes(&report(txns.clone()), &[]);
    let reader = (C, vec![Read(1, Some(100)), Read(2, Some(201))]);
    let report = report(txns.into_iter().chain([reader]));
    assert_classes(&report, &[G2Item]);
    assert_forbidden(&report, true, false);
}

#[test]
fn internal_own_writes_are_not_seen() {
    let histories = [
        vec![Write(1, Some(1)), Read(1, None)],
        vec![Write(1, Some(1)), ReadWhere(Scope::Keys(0, 9), vec![])],
        vec![Write(1, None), ReadWhere(Scope::Keys(0, 9), vec![(1, 1)])],
        vec![Append(1, 1), ReadList(1, vec![])],
        vec![ReadWhere(Scope::Keys(0, 9), vec![(11, 1)])],
    ];
    for ops in histories {
        let report = report([(C, ops.clone())]);
        assert!(report.classes().contains(&Internal), "{ops:?}: {report:#?}");
        assert_forbidden(&report, true, true);
    }
}

#[test]
fn values_from_nowhere_and_twice_and_in_two_orders() {
    assert_classes(&report([(C, vec![Read(1, Some(9))])]), &[Garbage]);
    assert_classes(&report([(C, vec![ReadList(1, vec![9])])]), &[Garbage]);
    let twice = report([(C, vec![Append(1, 1)]), (C, vec![ReadList(1, vec![1, 1])])]);
    assert!(twice.classes().contains(&Duplicate), "{twice:#?}");
    let orders = report([
        (C, vec![Append(1, 1)]),
        (C, vec![Append(1, 2)]),
        (C, vec![ReadList(1, vec![1, 2])]),
        (C, vec![ReadList(1, vec![2])]),
    ]);
    assert!(orders.classes().contains(&IncompatibleOrder), "{orders:#?}");
}

#[test]
fn an_unknown_outcome_counts_once_somebody_saw_it() {
    let write = (Outcome::Unknown, vec![Write(1, Some(1)), Write(2, Some(2))]);
    assert_classes(&report([write.clone(), (C, vec![Read(1, None), Read(2, None)])]), &[]);
    assert_classes(&report([write.clone(), (C, vec![Read(1, Some(1)), Read(2, Some(2))])]), &[]);
    let half = report([write, (C, vec![Read(1, Some(1)), Read(2, None)])]);
    assert_classes(&half, &[GSingle]);
}

#[test]
fn an_unknown_outcome_may_be_the_one_who_removed_a_row() {
    let insert = (at(1), vec![Write(1, Some(1)), Write(2, Some(2))]);
    let remove = (Outcome::Unknown, vec![Read(1, Some(1)), Write(1, None)]);
    let gone = (C, vec![Read(2, Some(2)), Read(1, None)]);
    assert_classes(&report([insert.clone(), remove.clone(), gone.clone()]), &[]);
    let scope = Scope::Keys(1, 2);
    let scan = (C, vec![ReadWhere(scope, vec![(2, 2)])]);
    assert_classes(&report([insert.clone(), remove, scan]), &[]);
    assert_classes(&report([insert, gone]), &[GSingle]);
}

#[test]
fn real_time_a_read_of_what_was_replaced_before_it_began() {
    let txn = |began, ended, ops| Txn { ops, outcome: at(ended), began, ended };
    let txns = vec![
        txn(1, 2, vec![Write(1, Some(1))]),
        txn(3, 4, vec![Write(1, Some(2))]),
        txn(5, 6, vec![Read(1, Some(1))]),
    ];
    let mut history = History { txns, real_time: false };
    assert_classes(&check(&history), &[]);
    history.real_time = true;
    let report = check(&history);
    assert_classes(&report, &[RealTime]);
    assert_forbidden(&report, true, true);
    let text = report.counterexample(Level::Serializable, &history).unwrap();
    assert!(text.contains("T1 before T2: it had ended when T2 began"), "{text}");
    history.txns[2].began = 3;
    assert_classes(&check(&history), &[]);
}
