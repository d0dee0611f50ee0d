//! Validation: two committers in write skew can't both pass, and why the order of steps matters.
//!
//! Two threads, two preemptions; 23 s in all. The tests named "would" leave out one rule each and show that
//! loom finds what the rule prevents.
#![cfg(heddle_loom)]

use heddle_base::Timestamp;
use heddle_loom_tests::{Order, World, check, finds, race};
use heddle_mvcc::{Status, TxnStatus, pin};
use loom::sync::Arc;
use loom::sync::atomic::Ordering;
use std::ops::Bound::{Excluded, Unbounded};

/// How a committer of the write skew goes about it.
#[derive(Clone, Copy)]
enum How {
    /// As designed, with a point read.
    Point,
    /// As designed, with a range read.
    Range,
    /// Wrong: validates before it draws.
    ValidateFirst,
    /// Wrong: draws without having said so.
    Unannounced,
}

/// Reads one key at snapshot 0, writes another. Whether it commits.
fn committer(world: &World, read: &[u8], write: &[u8], how: How) -> bool {
    let status = TxnStatus::new();
    let Some(chain) = world.lock(write, b"v", &status) else { return false };
    let validate = |me: Option<Timestamp>| {
        let guard = pin();
        let since = Timestamp(0);
        match how {
            How::Range if read < write => {
                world.overlay.range_changed(Unbounded, Excluded(write), since, me, &guard).is_none()
            }
            How::Range => {
                world.overlay.range_changed(Excluded(write), Unbounded, since, me, &guard).is_none()
            }
            _ => !world.overlay.changed(read, since, me, &guard),
        }
    };
    let (ticket, valid) = match how {
        How::Point | How::Range => {
            let ticket = world.draw(&status);
            (ticket, validate(Some(ticket)))
        }
        How::ValidateFirst => {
            let valid = validate(None);
            (world.draw(&status), valid)
        }
        How::Unannounced => {
            let ticket = Timestamp(1 + world.tickets.fetch_add(1, Ordering::SeqCst));
            let valid = validate(Some(ticket));
            status.set_drawn(ticket);
            (ticket, valid)
        }
    };
    if valid {
        status.set_committed(ticket)
    } else {
        status.set_void()
    }
    drop(chain);
    valid
}

/// Whether both pass.
fn write_skew(order: Order, how: How) -> bool {
    let world = World::new();
    let (first, second) = race(
        order,
        &world,
        move |world| committer(world, b"y", b"x", how),
        move |world| committer(world, b"x", b"y", how),
    );
    first && second
}

#[test]
fn x1_write_skew_over_points_never_passes_both() {
    check(|order| assert!(!write_skew(order, How::Point)));
}

#[test]
fn x1_write_skew_over_ranges_never_passes_both() {
    check(|order| assert!(!write_skew(order, How::Range)));
}

#[test]
fn validating_before_the_draw_would_pass_both() {
    assert!(finds(|order| write_skew(order, How::ValidateFirst)));
}

#[test]
fn drawing_unannounced_would_pass_both() {
    assert!(finds(|order| write_skew(order, How::Unannounced)));
}

/// S2: who has drawn and still finds `Locked` has the smaller ticket.
#[test]
fn s2_locked_after_my_draw_means_a_larger_ticket() {
    check(|order| {
        let world = World::new();
        let status = TxnStatus::new();
        let theirs = Arc::clone(&status);
        let (ticket, (mine, seen)) = race(
            order,
            &world,
            move |world| world.draw(&theirs),
            move |world| {
                let mine = Timestamp(1 + world.tickets.fetch_add(1, Ordering::SeqCst));
                (mine, status.get())
            },
        );
        match seen {
            Status::Locked => assert!(ticket > mine),
            Status::Drawn(drawn) => assert_eq!(drawn, ticket),
            other => assert_eq!(other, Status::Drawing),
        }
    });
}

/// L2: the short way past an untouched tree misses no commit with a smaller ticket.
#[test]
fn l2_an_untouched_tree_is_one_where_nobody_is_ahead_of_me() {
    check(|order| {
        let world = World::new();
        let (theirs, (mine, changed)) = race(
            order,
            &world,
            |world| world.commit(b"k", b"v"),
            |world| {
                let mine = Timestamp(1 + world.tickets.fetch_add(1, Ordering::SeqCst));
                (mine, world.overlay.changed(b"k", Timestamp(0), Some(mine), &pin()))
            },
        );
        assert!(changed || theirs > Some(mine), "a commit ahead of me was missed");
    });
}
