//! The table of decisions over all sights, and logs laid down by hand.

use std::cmp::Ordering::{Equal, Greater, Less};

use heddle_io::Simulation;

use super::*;
use crate::format::{EntryHeader, Kind, VERSION, put_entry};
use crate::{Log, LogOptions, Recovered};

fn positions() -> Vec<Position> {
    let mut all = Vec::new();
    for sight in [Sight::Group, Sight::Full, Sight::Other] {
        for resume in [Less, Equal, Greater] {
            for bits in 0..16_u8 {
                let bit = |n: u8| bits & (1 << n) != 0;
                let (resumed, more, first, claimed) = (bit(0), bit(1), bit(2), bit(3));
                all.push(Position { sight, resume, resumed, more, first, claimed });
            }
        }
    }
    all
}

#[test]
fn every_sight_has_the_decision_that_its_rule_asks_for() {
    for at in positions() {
        let void = at.resumed && at.resume != Less;
        let expected = match decide(at) {
            Decision::Take => !void && at.sight == Sight::Group,
            Decision::NextSegment => !void && at.sight == Sight::Full && at.more,
            Decision::TakeOver => at.resumed && at.resume == Equal,
            // The log ends only where nothing says that more was there.
            Decision::End => {
                let torn = at.sight == Sight::Other && !at.claimed;
                let whole = at.sight == Sight::Full && !at.more;
                !at.resumed && !at.first && (torn || whole)
            }
            Decision::Corrupt(_) => {
                let crossing = at.resumed && at.resume == Greater;
                let hole = at.sight == Sight::Other || (at.sight == Sight::Full && !at.more);
                crossing || (hole && !void && (at.resumed || at.first || at.claimed))
            }
        };
        assert!(expected, "{at:?} gives {:?}", decide(at));
    }
}

/// A segment laid down by hand: for each group, how many groups before it it calls durable.
fn lay(simulation: &Simulation, durable: &[usize]) {
    lay_as(simulation, durable, Odd::default());
}

/// What may be odd about a segment.
struct Odd {
    segment: u64,
    /// Of the first group.
    sequence: u64,
    /// What each group says that it has; it has one.
    entries: u32,
}

impl Default for Odd {
    fn default() -> Self {
        Odd { segment: 1, sequence: 1, entries: 1 }
    }
}

fn lay_as(simulation: &Simulation, durable: &[usize], odd: Odd) {
    let Odd { segment, sequence, entries } = odd;
    let header = SegmentHeader {
        version: VERSION,
        database_id: 1,
        segment,
        capacity: 32 * BLOCK as u64,
        window: 16 * BLOCK as u64,
        resume: NO_RESUME,
    };
    let mut file = header.encode().to_vec();
    let mut previous = 0;
    for (n, durable) in durable.iter().enumerate() {
        let mut buf = IoBuf::zeroed(BLOCK);
        let entry = EntryHeader { kind: Kind::Commit, continued: false, delta: 1 };
        let end = put_entry(&mut buf, GROUP_HEADER, entry, &[n as u8; 50]);
        let header = GroupHeader {
            length: end as u32,
            previous,
            generation: segment,
            sequence: sequence.wrapping_add(n as u64),
            lsn: (n * BLOCK) as u64,
            durable: (durable * BLOCK) as u64,
            before: n as u64,
            last: n as u64 + 1,
            entries,
            seal: false,
        };
        previous = header.finish(&mut buf);
        file.extend_from_slice(&buf);
    }
    file.resize(32 * BLOCK, 0);
    simulation.disk().write(format!("/d/x.db-log-{segment:010}"), &file);
}

/// How many commits come back.
fn recovered(simulation: &Simulation) -> Result<usize> {
    let env = simulation.env();
    simulation.block_on(async {
        let options = LogOptions::default();
        let mut opened = Log::open(&env, "/d/x.db".as_ref(), options).await?;
        let mut count = 0;
        while let Some(record) = opened.recovery.next().await? {
            assert!(matches!(record, Recovered::Commit { .. }));
            count += 1;
        }
        opened.recovery.finish().await?;
        opened.log.close(false).await?;
        Ok(count)
    })
}

#[test]
fn of_several_in_flight_what_precedes_the_torn_one_comes_back() {
    for torn in 1..8 {
        let simulation = Simulation::new(1);
        // Groups 1 to 7 were in flight at the same time: none of them knows of another.
        lay(&simulation, &[0, 1, 1, 1, 1, 1, 1, 1]);
        let at = ((torn + 1) * BLOCK + 100) as u64;
        assert!(simulation.disk().flip_bit("/d/x.db-log-0000000001", at, 3));
        assert_eq!(recovered(&simulation).unwrap(), torn);
    }
}

#[test]
fn a_damaged_group_that_a_later_one_calls_durable_is_corruption() {
    for damaged in 0..8 {
        let simulation = Simulation::new(1);
        lay(&simulation, &[0, 1, 2, 3, 4, 5, 6, 7]);
        let at = ((damaged + 1) * BLOCK + 100) as u64;
        assert!(simulation.disk().flip_bit("/d/x.db-log-0000000001", at, 3));
        match recovered(&simulation) {
            // Of the last group nobody can tell.
            Ok(count) => assert_eq!((count, damaged), (7, 7)),
            Err(Error::Corrupt { offset, .. }) => {
                assert_eq!(offset, ((damaged + 1) * BLOCK) as u64);
                assert!(damaged < 7);
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_group_that_follows_another_history_is_not_taken() {
    let simulation = Simulation::new(1);
    lay(&simulation, &[0, 1, 1, 1]);
    let path = "/d/x.db-log-0000000001";
    let older = simulation.disk().read(path).unwrap();
    // The same positions, written by another life: the second group differs.
    lay(&simulation, &[0, 0, 1, 1]);
    let mut mixed = simulation.disk().read(path).unwrap();
    mixed[3 * BLOCK..].copy_from_slice(&older[3 * BLOCK..]);
    simulation.disk().write(path, &mixed);
    assert_eq!(recovered(&simulation).unwrap(), 2);
}

#[test]
fn a_number_that_nothing_can_follow_is_corruption() {
    for (segment, sequence) in [(u64::MAX, 1), (1, u64::MAX), (1, u64::MAX - 1)] {
        let simulation = Simulation::new(1);
        lay_as(&simulation, &[0, 1, 2], Odd { segment, sequence, ..Odd::default() });
        let error = recovered(&simulation).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{segment} {sequence}: {error}");
    }
}

#[test]
fn a_log_that_could_not_be_read_is_not_finished() {
    let simulation = Simulation::new(1);
    lay_as(&simulation, &[0, 1, 2], Odd { entries: 0, ..Odd::default() });
    let path = "/d/x.db-log-0000000001";
    let before = simulation.disk().read(path).unwrap();
    let env = simulation.env();
    simulation.block_on(async {
        let mut opened = Log::open(&env, "/d/x.db".as_ref(), LogOptions::default()).await.unwrap();
        for _ in 0..4 {
            let error = opened.recovery.next().await.unwrap_err();
            assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        }
        let error = opened.recovery.finish().await.unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    });
    // Nor is anything written or removed.
    assert_eq!(simulation.disk().read(path), Some(before));
    assert_eq!(simulation.disk().files().len(), 1);
}
