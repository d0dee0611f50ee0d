//! Order, cancellation, failure; and that what records reserve is what groups need.

use std::pin::Pin;

use proptest::prelude::*;

use super::*;
use crate::format::{BLOCK, GroupHeader, Kind};
use crate::pack::{Packer, Pending};

type Taking<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;

fn poll(taking: &mut Taking<'_>) -> Poll<Result<(), Error>> {
    taking.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn take(budget: &Budget, blocks: u64) -> Taking<'_> {
    let mut taking: Taking<'_> = Box::pin(budget.taken(blocks, || None));
    assert!(poll(&mut taking).is_pending());
    taking
}

#[test]
fn g2_nobody_overtakes_who_waits() {
    let budget = Budget::new(10);
    budget.give(0, 5);
    let mut large = take(&budget, 8);
    let mut small = take(&budget, 1);
    assert!(!budget.try_take(1));
    budget.give(0, 4);
    assert!(poll(&mut large).is_ready() && poll(&mut small).is_ready());
    assert_eq!(budget.free_blocks(), 0);
}

#[test]
fn g1_who_goes_away_gives_back_what_he_was_given_and_lets_others_pass() {
    let budget = Budget::new(10);
    let given = take(&budget, 3);
    let mut behind = take(&budget, 3);
    budget.give(0, 3);
    drop(given);
    assert!(poll(&mut behind).is_ready());

    let large = take(&budget, 100);
    let mut behind = take(&budget, 2);
    budget.give(0, 2);
    assert!(poll(&mut behind).is_pending());
    drop(large);
    assert!(poll(&mut behind).is_ready());
    assert_eq!(budget.free_blocks(), 0);
}

#[test]
fn a_full_disk_fails_only_those_who_need_more_than_there_is() {
    let budget = Budget::new(10);
    budget.give(0, 2);
    let mut large = take(&budget, 5);
    let mut small = take(&budget, 2);
    budget.fail_short(&Error::Closed);
    assert!(matches!(poll(&mut large), Poll::Ready(Err(Error::Closed))));
    assert!(matches!(poll(&mut small), Poll::Ready(Ok(()))));
}

#[test]
fn who_is_refused_leaves_the_line() {
    let budget = Budget::new(1);
    let mut refused: Taking<'_> = Box::pin(budget.taken(1, || Some(Error::Closed)));
    assert!(matches!(poll(&mut refused), Poll::Ready(Err(Error::Closed))));
    budget.give(0, 1);
    assert!(budget.try_take(1));
}

#[test]
fn slots_run_out_too() {
    let budget = Budget::new(1);
    budget.give(0, 100);
    assert!(budget.try_take(1));
    let mut waiting = take(&budget, 1);
    budget.give(1, 0);
    assert!(poll(&mut waiting).is_ready());
    assert_eq!(budget.shortage(), 0);
}

/// How many blocks the records take, if they come in bursts and groups are limited so.
fn used(bursts: &[Vec<usize>], limits: &[usize]) -> u64 {
    let mut limits = limits.iter().cycle();
    let (mut ticket, mut blocks) = (0, 0);
    let mut pending: std::collections::VecDeque<Pending> = std::collections::VecDeque::new();
    for burst in bursts {
        for size in burst {
            ticket += 1;
            let bytes = vec![0; *size].into();
            pending.push_back(Pending { ticket, kind: Kind::Control, bytes, continued: false });
        }
        while !pending.is_empty() {
            let limit = limits.next().map_or(BLOCK, |blocks| blocks * BLOCK);
            let mut packer = Packer::new(heddle_io::IoBuf::zeroed(BLOCK), limit, 0);
            while let Some(record) = pending.pop_front() {
                if let Some(rest) = packer.add(record) {
                    pending.push_front(rest);
                    break;
                }
            }
            let (buf, _) = packer.finish(GroupHeader::default());
            assert!(buf.len() <= limit);
            blocks += (buf.len() / BLOCK) as u64;
        }
    }
    blocks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn g3_what_records_reserve_covers_what_groups_take(
        bursts in prop::collection::vec(
            prop::collection::vec(
                prop_oneof![0..200_usize, 3800..4200_usize, 0..30_000_usize],
                1..12,
            ),
            1..12,
        ),
        limits in prop::collection::vec(1..5_usize, 1..5),
    ) {
        let reserved: u64 = bursts.iter().flatten().map(|size| blocks_for(*size)).sum();
        prop_assert!(used(&bursts, &limits) <= reserved);
    }
}
