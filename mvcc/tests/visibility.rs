//! What becomes visible, to whom, and when; first-committer-wins.

mod common;

use bytes::Bytes;
use common::{World, get, view};
use heddle_base::Timestamp;
use heddle_mvcc::{Contended, Status, TxnStatus, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

#[test]
fn a_version_is_visible_from_its_ticket_on_and_not_before() {
    let world = World::new();
    world.commit(10, b"k", Some(b"ten"));
    world.commit(20, b"k", None);
    world.commit(30, b"k", Some(b"thirty"));
    assert_eq!(world.get(9, b"k"), None);
    assert_eq!(world.get(10, b"k"), Some(Some(b"ten".to_vec())));
    assert_eq!(world.get(19, b"k"), Some(Some(b"ten".to_vec())));
    assert_eq!(world.get(20, b"k"), Some(None));
    assert_eq!(world.get(u64::MAX, b"k"), Some(Some(b"thirty".to_vec())));
    assert_eq!(world.get(u64::MAX, b"other"), None);
}

#[test]
fn what_the_base_holds_is_read_there() {
    let world = World::new();
    world.commit(10, b"k", Some(b"ten"));
    assert_eq!(get(&world.overlay, view(9, 11), b"k"), Some(Some(b"ten".to_vec())));
    assert_eq!(get(&world.overlay, view(10, 11), b"k"), None);
}

#[test]
fn m1_nothing_is_visible_before_the_status_says_committed() {
    let world = World::new();
    world.commit(1, b"k", Some(b"old"));
    let status = TxnStatus::new();
    let mut chain = world.overlay.try_lock(b"k").expect("free");
    chain.link(Some(Bytes::from_static(b"new")), &status);
    let old = Some(Some(b"old".to_vec()));
    assert_eq!(world.get(u64::MAX, b"k"), old);
    status.set_drawing();
    assert_eq!(world.get(u64::MAX, b"k"), old);
    status.set_drawn(Timestamp(2));
    assert_eq!((world.get(u64::MAX, b"k"), status.get()), (old, Status::Drawn(Timestamp(2))));
    status.set_committed(Timestamp(2));
    // Visible by one store, with the chain still locked.
    assert_eq!(world.get(2, b"k"), Some(Some(b"new".to_vec())));
    assert_eq!(world.get(1, b"k"), Some(Some(b"old".to_vec())));
}

#[test]
fn all_writes_of_a_transaction_become_visible_by_one_store() {
    let world = World::new();
    let status = TxnStatus::new();
    let keys: Vec<[u8; 1]> = (0..20).map(|key| [key]).collect();
    let chains: Vec<_> = keys
        .iter()
        .map(|key| {
            let mut chain = world.overlay.try_lock(key).expect("free");
            chain.link(Some(Bytes::from_static(b"v")), &status);
            chain
        })
        .collect();
    status.set_drawing();
    status.set_drawn(Timestamp(5));
    assert!(keys.iter().all(|key| world.get(9, key).is_none()));
    status.set_committed(Timestamp(5));
    assert!(keys.iter().all(|key| world.get(9, key).is_some()));
    drop(chains);
    assert!(keys.iter().all(|key| world.get(5, key).is_some() && world.get(4, key).is_none()));
}

#[test]
fn a_void_transaction_leaves_nothing() {
    let world = World::new();
    world.commit(1, b"k", Some(b"old"));
    let memory = world.store.memory();
    let status = TxnStatus::new();
    let mut chain = world.overlay.try_lock(b"k").expect("free");
    chain.link(Some(Bytes::from_static(b"first try")), &status);
    chain.link(Some(Bytes::from_static(b"second")), &status);
    status.set_drawing();
    status.set_drawn(Timestamp(2));
    status.set_void();
    drop(chain);
    assert_eq!(world.get(u64::MAX, b"k"), Some(Some(b"old".to_vec())));
    assert_eq!(world.newest(b"k"), 1);
    assert_eq!(world.store.memory(), memory);
    assert!(!world.changed(b"k", 1, 9));
}

#[test]
fn first_committer_wins_compares_with_the_newest_stamp() {
    let world = World::new();
    assert_eq!(world.newest(b"k"), 0);
    world.commit(10, b"k", Some(b"ten"));
    assert_eq!(world.newest(b"k"), 10);
    world.commit(20, b"k", None);
    assert_eq!(world.newest(b"k"), 20);
    // One's own pending version does not count.
    let status = TxnStatus::new();
    let mut chain = world.overlay.try_lock(b"k").expect("free");
    chain.link(None, &status);
    assert_eq!(chain.newest(), Timestamp(20));
    assert_eq!(chain.newest_version(&pin()), Some((Timestamp(20), None)));
}

#[test]
fn a_held_chain_is_contended_until_it_is_let_go() {
    let world = World::new();
    let held = world.overlay.try_lock(b"k").expect("free");
    assert_eq!(world.overlay.try_lock(b"k").err(), Some(Contended));
    assert!(world.overlay.try_lock(b"l").is_ok());
    drop(held);
    assert!(world.overlay.try_lock(b"k").is_ok());
}

#[test]
fn recovery_links_what_is_committed_already() {
    let world = World::new();
    for ts in 1..=3 {
        let status = TxnStatus::committed_at(Timestamp(ts));
        let mut chain = world.overlay.try_lock(b"k").expect("free");
        chain.link(Some(Bytes::copy_from_slice(&[ts as u8])), &status);
    }
    assert_eq!(world.get(2, b"k"), Some(Some(vec![2])));
    assert_eq!(world.newest(b"k"), 3);
}

/// Writers increment numbers under the chains' locks; readers at any published timestamp must find
/// the sum that the timestamp stands for; the collector takes away whatever it may.
#[test]
fn readers_find_one_consistent_state_beside_writers_and_collector() {
    const KEYS: u8 = 8;
    const COMMITS: u64 = 4_000;
    let world = World::new();
    let (installed, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let turn = std::sync::Mutex::new(0u64);
    thread::scope(|scope| {
        for writer in 0..2u64 {
            let (world, turn, installed, done) = (&world, &turn, &installed, &done);
            scope.spawn(move || {
                let mut rng = common::rng(writer);
                loop {
                    // One at a time, so that the nth commit makes the sum n.
                    let mut at = turn.lock().expect("no panic");
                    if *at == COMMITS {
                        done.store(true, Ordering::SeqCst);
                        break;
                    }
                    *at += 1;
                    let key = [rng.u8(0..KEYS)];
                    let old = number(world.get(*at, &key));
                    world.commit(*at, &key, Some(&(old + 1).to_be_bytes()));
                    installed.store(*at, Ordering::SeqCst);
                }
            });
        }
        let (world, installed, done) = (&world, &installed, &done);
        scope.spawn(move || {
            while !done.load(Ordering::SeqCst) {
                world.collect_from(0, installed.load(Ordering::SeqCst));
            }
        });
        scope.spawn(move || {
            while !done.load(Ordering::SeqCst) {
                let ts = Timestamp(installed.load(Ordering::SeqCst));
                let Ok(slot) = world.registry.register(ts, Timestamp(0), Default::default()) else {
                    continue;
                };
                let sum: u64 = (0..KEYS).map(|key| number(world.get(ts.get(), &[key]))).sum();
                assert_eq!(sum, ts.get());
                drop(slot);
            }
        });
    });
    // What superseded versions took went long ago.
    world.collect_from(0, COMMITS);
    world.collect_from(0, COMMITS);
    assert!(world.collect(COMMITS).versions <= usize::from(KEYS));
}

fn number(value: Option<Option<Vec<u8>>>) -> u64 {
    value.flatten().and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?))).unwrap_or(0)
}
