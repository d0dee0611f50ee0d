//! The simulator is itself under test: same seed, same run; what was synced survives, and of the
//! rest everything that is allowed to happen does happen for some seed.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use heddle_io::{
    Access, Env, Fault, File, Io, IoBuf, OpenOptions, Operation, Result, Simulation, TryRead,
};

const DIR: &str = "/d";

async fn open(io: &dyn Io, name: &str) -> Arc<dyn File> {
    io.open(&Path::new(DIR).join(name), OpenOptions::CREATE).await.unwrap()
}

async fn write(file: &dyn File, bytes: &[u8], offset: u64) -> Result<()> {
    file.write_at(IoBuf::copy_of(bytes), offset).await.0
}

async fn sync_all(env: &Env, file: &dyn File) {
    file.sync_data().await.unwrap();
    env.io.sync_dir(DIR.as_ref()).await.unwrap();
}

/// A busy world: tasks that write, sleep, fail and read, and a crash in the middle.
fn busy_run(seed: u64) -> (u64, u64, Vec<u8>) {
    let simulation = Simulation::new(seed);
    simulation.inject(Fault::on(Operation::Write).probability(0.05));
    simulation.power_off_at(150);
    let env = simulation.env();
    let ended = simulation.run(async {
        let file = open(&*env.io, "a").await;
        let done = Arc::new(AtomicU64::new(0));
        for task in 0..8_u64 {
            let runtime = Arc::clone(&env.runtime);
            let (file, done) = (Arc::clone(&file), Arc::clone(&done));
            let work = async move {
                for step in 0..20 {
                    let nap = runtime.random() % 3_000;
                    runtime.sleep(Duration::from_micros(nap)).await;
                    let _ = write(&*file, &[task as u8; 700], task * 700 + step).await;
                    if step % 5 == 0 {
                        let _ = file.sync_data().await;
                    }
                }
                done.fetch_add(1, Ordering::Relaxed);
            };
            env.runtime.spawn("busy", Box::pin(work));
        }
        env.io.sync_dir(DIR.as_ref()).await.unwrap();
        while done.load(Ordering::Relaxed) < 8 {
            env.runtime.sleep(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(ended, None, "the power goes before the tasks are done");
    simulation.crash();
    let content = simulation.disk().read("/d/a").unwrap_or_default();
    (simulation.fingerprint(), simulation.operations(), content)
}

#[test]
fn s1_the_same_seed_gives_the_same_run() {
    let runs: Vec<_> = (0..20).map(busy_run).collect();
    assert_eq!(runs, (0..20).map(busy_run).collect::<Vec<_>>());
    let different: BTreeSet<u64> = runs.iter().map(|(fingerprint, ..)| *fingerprint).collect();
    assert_eq!(different.len(), runs.len());
}

/// Runs `scene` under many seeds, crashes each, and gives what is left of file `a`.
fn after_crashes<F: Future<Output = ()>>(scene: impl Fn(Env) -> F) -> BTreeSet<Option<Vec<u8>>> {
    let left = |seed| {
        let simulation = Simulation::new(seed);
        simulation.block_on(scene(simulation.env()));
        simulation.crash();
        simulation.disk().read("/d/a")
    };
    (0..300).map(left).collect()
}

#[test]
fn s2_what_was_synced_survives_and_the_rest_may_not() {
    let left = after_crashes(|env| async move {
        let file = open(&*env.io, "a").await;
        write(&*file, &[1; 1024], 0).await.unwrap();
        sync_all(&env, &*file).await;
        write(&*file, &[2; 1024], 1024).await.unwrap();
        write(&*file, &[3; 512], 1024).await.unwrap();
    });
    let left: BTreeSet<Vec<u8>> = left.into_iter().map(Option::unwrap).collect();
    for content in &left {
        assert_eq!(content[..1024], [1; 1024]);
        for sector in content[1024..].chunks(512) {
            assert!(matches!(sector, [byte @ 0..=3, ..] if sector == vec![*byte; 512]));
        }
    }
    let tails = |tail: &[u8]| left.iter().any(|content| &content[1024..] == tail);
    assert!(tails(&[]), "all lost");
    assert!(tails(&[[3; 512], [2; 512]].concat()), "all kept");
    assert!(tails(&[2; 1024]), "the last write lost");
    assert!(tails(&[[3; 512], [0; 512]].concat()), "out of order");
    assert!(tails(&[[0; 512], [2; 512]].concat()), "torn");
}

#[test]
fn s2_a_durable_write_is_never_undone_by_what_was_pending() {
    let left = after_crashes(|env| async move {
        let options = OpenOptions::CREATE.with_access(Access::Log);
        let file = env.io.open("/d/a".as_ref(), options).await.unwrap();
        file.preallocate(0..8192).await.unwrap();
        sync_all(&env, &*file).await;
        write(&*file, &[1; 8192], 0).await.unwrap();
        file.write_durable_at(IoBuf::copy_of(&[2; 4096]), 0).await.0.unwrap();
        file.write_durable_here(IoBuf::copy_of(&[3; 1024]), 1024).await.0.unwrap();
    });
    for content in left.into_iter().map(Option::unwrap) {
        assert_eq!(content.len(), 8192);
        assert_eq!(content[..1024], [2; 1024]);
        assert_eq!(content[1024..2048], [3; 1024]);
        assert_eq!(content[2048..4096], [2; 2048]);
    }
}

#[test]
fn s2_a_lost_truncation_loses_nothing_else() {
    let left = after_crashes(|env| async move {
        let file = open(&*env.io, "a").await;
        write(&*file, &[1; 2000], 0).await.unwrap();
        sync_all(&env, &*file).await;
        file.set_len(600).await.unwrap();
        file.set_len(1500).await.unwrap();
    });
    let cut = [vec![1; 600], vec![0; 900]].concat();
    let expected = [vec![1; 2000], vec![1; 600], cut].map(Some);
    assert_eq!(left, BTreeSet::from(expected));
}

#[test]
fn s2_names_survive_only_a_sync_of_their_directory() {
    let left = after_crashes(|env| async move {
        let file = open(&*env.io, "a").await;
        write(&*file, b"old", 0).await.unwrap();
        sync_all(&env, &*file).await;
        let new = open(&*env.io, "a.new").await;
        write(&*new, b"new", 0).await.unwrap();
        new.sync_data().await.unwrap();
        env.io.rename("/d/a.new".as_ref(), "/d/a".as_ref()).await.unwrap();
    });
    assert_eq!(left, BTreeSet::from([b"old", b"new"].map(|name| Some(name.to_vec()))));

    let left = after_crashes(|env| async move {
        let file = open(&*env.io, "a").await;
        write(&*file, b"x", 0).await.unwrap();
        file.sync_data().await.unwrap();
    });
    assert_eq!(left, BTreeSet::from([None, Some(b"x".to_vec())]));

    let left = after_crashes(|env| async move {
        let file = open(&*env.io, "a").await;
        sync_all(&env, &*file).await;
        env.io.remove("/d/a".as_ref()).await.unwrap();
        env.io.sync_dir(DIR.as_ref()).await.unwrap();
    });
    assert_eq!(left, BTreeSet::from([None]));
}

#[test]
fn s2_a_write_in_flight_is_torn_by_sectors() {
    let mut left = BTreeSet::new();
    for seed in 0..200 {
        let simulation = Simulation::new(seed);
        let env = simulation.env();
        simulation.block_on(async {
            let file = open(&*env.io, "a").await;
            file.preallocate(0..2048).await.unwrap();
            sync_all(&env, &*file).await;
        });
        simulation.power_off_at(2);
        let cut = simulation.run(async {
            let file = open(&*env.io, "a").await;
            file.write_durable_at(IoBuf::copy_of(&[9; 2048]), 0).await.0
        });
        assert!(cut.is_none());
        simulation.crash();
        left.insert(simulation.disk().read("/d/a").unwrap());
    }
    assert!(left.iter().all(|content| content.len() == 2048));
    assert_eq!(left.len(), 16, "each of 4 sectors with and without");
}

#[test]
fn s3_a_sync_that_fails_lies_ever_after() {
    let mut kept = BTreeSet::new();
    for seed in 0..100 {
        let simulation = Simulation::new(seed);
        simulation.inject(Fault::on(Operation::Sync).path_suffix("/a").nth(2));
        let env = simulation.env();
        simulation.block_on(async {
            let file = open(&*env.io, "a").await;
            write(&*file, &[1; 1024], 0).await.unwrap();
            sync_all(&env, &*file).await;
            write(&*file, &[2; 1024], 0).await.unwrap();
            let error = file.sync_data().await.unwrap_err();
            assert_eq!((error.operation(), error.path()), (Operation::Sync, file.path()));
            file.sync_data().await.unwrap();
            let (done, seen) = file.read_at(IoBuf::zeroed(1024), 0).await;
            assert_eq!((done.unwrap(), &*seen), (1024, &[2; 1024][..]));
        });
        assert_eq!(simulation.faults_fired(), 1);
        simulation.crash();
        let content = simulation.disk().read("/d/a").unwrap();
        kept.insert((content[0], content[512]));
    }
    assert_eq!(kept, BTreeSet::from([(1, 1), (1, 2), (2, 1), (2, 2)]));
}

#[test]
fn s4_handles_of_before_the_crash_are_dead() {
    let simulation = Simulation::new(1);
    let before = simulation.env();
    let file = simulation.block_on(async {
        let file = open(&*before.io, "a").await;
        write(&*file, b"kept", 0).await.unwrap();
        sync_all(&before, &*file).await;
        assert!(file.try_lock(0..1, heddle_io::LockKind::Exclusive).unwrap());
        file
    });
    let after = simulation.restart();
    simulation.block_on(async {
        assert!(write(&*file, b"gone", 0).await.unwrap_err().is_closed());
        assert!(file.try_read_at(&mut [0], 0).unwrap_err().is_closed());
        drop(file);
        let again = open(&*after.io, "a").await;
        assert!(again.try_lock(0..1, heddle_io::LockKind::Exclusive).unwrap());
        let (done, buf) = again.read_at(IoBuf::zeroed(9), 0).await;
        assert_eq!(&buf[..done.unwrap()], b"kept");
    });
}

#[test]
fn tasks_of_before_the_crash_are_gone() {
    let simulation = Simulation::new(3);
    let env = simulation.env();
    let ticks = Arc::new(AtomicU64::new(0));
    let (clock, counter) = (env.clone(), Arc::clone(&ticks));
    let tick = async move {
        loop {
            clock.runtime.sleep(Duration::from_secs(1)).await;
            counter.fetch_add(1, Ordering::Relaxed);
        }
    };
    env.runtime.spawn("tick", Box::pin(tick));
    simulation.block_on(env.runtime.sleep(Duration::from_secs(10)));
    assert!((8..=10).contains(&ticks.load(Ordering::Relaxed)));
    let env = simulation.restart();
    assert_eq!(Arc::strong_count(&ticks), 1, "the task was dropped");
    simulation.block_on(env.runtime.sleep(Duration::from_secs(10)));
    assert!(ticks.load(Ordering::Relaxed) <= 10);
}

#[test]
fn a_full_disk_refuses_growth_only() {
    let simulation = Simulation::new(1);
    simulation.set_capacity(Some(10_000));
    let env = simulation.env();
    simulation.block_on(async {
        let file = open(&*env.io, "a").await;
        file.preallocate(0..8_000).await.unwrap();
        assert_eq!(env.io.free_space(DIR.as_ref()).await.unwrap(), 2_000);
        assert!(file.preallocate(8_000..16_000).await.unwrap_err().is_disk_full());
        assert!(write(&*file, &[1; 4_000], 8_000).await.unwrap_err().is_disk_full());
        write(&*file, &[1; 8_000], 0).await.unwrap();
        env.io.remove(file.path()).await.unwrap();
        assert_eq!(env.io.free_space(DIR.as_ref()).await.unwrap(), 2_000, "still open");
        drop(file);
        assert_eq!(env.io.free_space(DIR.as_ref()).await.unwrap(), 10_000);
    });
}

#[test]
fn any_operation_fails_with_any_error() {
    let simulation = Simulation::new(1);
    let env = simulation.env();
    let file = simulation.block_on(open(&*env.io, "a"));
    // 13 is EACCES.
    simulation.inject(Fault::on_any().os_error(13));
    simulation.block_on(async {
        let path = file.path();
        let errors = [
            env.io.open(path, OpenOptions::READ).await.err(),
            env.io.open_unlinked(DIR.as_ref()).await.err(),
            env.io.metadata(path).await.err(),
            env.io.rename(path, "/d/b".as_ref()).await.err(),
            env.io.remove(path).await.err(),
            env.io.list(DIR.as_ref()).await.err(),
            env.io.sync_dir(DIR.as_ref()).await.err(),
            env.io.free_space(path).await.err(),
            file.read_at(IoBuf::zeroed(1), 0).await.0.err(),
            file.try_read_at(&mut [0], 0).err(),
            write(&*file, b"x", 0).await.err(),
            file.write_durable_at(IoBuf::zeroed(1), 0).await.0.err(),
            file.sync_data().await.err(),
            file.set_len(1).await.err(),
            file.len().await.err(),
            file.preallocate(0..1).await.err(),
            file.try_lock(0..1, heddle_io::LockKind::Shared).err(),
        ];
        for (at, error) in errors.into_iter().enumerate() {
            let kind = error.unwrap_or_else(|| panic!("operation {at} succeeded")).kind();
            assert_eq!(kind, std::io::ErrorKind::PermissionDenied, "operation {at}");
        }
    });
    simulation.clear_faults();
    simulation.block_on(async { file.len().await.unwrap() });
}

#[test]
fn some_reads_are_not_in_the_cache() {
    let simulation = Simulation::new(1);
    simulation.disk().write("/d/a", b"content");
    let env = simulation.env();
    simulation.block_on(async {
        let file = open(&*env.io, "a").await;
        let mut buf = [0; 7];
        let answers = (0..100).map(|_| file.try_read_at(&mut buf, 0).unwrap());
        let done = answers.filter(|answer| matches!(answer, TryRead::Done(7))).count();
        assert!((10..90).contains(&done), "{done}");
        assert_eq!(&buf, b"content");
    });
}

#[test]
fn bits_rot_and_files_go_in_and_out() {
    let real = tempfile::tempdir().unwrap();
    std::fs::write(real.path().join("x.db"), b"0123456789").unwrap();
    let simulation = Simulation::new(5);
    simulation.disk().import(real.path(), DIR).unwrap();
    assert!(simulation.disk().flip_bit("/d/x.db", 3, 0));
    assert!(!simulation.disk().flip_bit("/d/x.db", 10, 0));
    simulation.crash();
    simulation.disk().export(DIR, real.path()).unwrap();
    assert_eq!(std::fs::read(real.path().join("x.db")).unwrap(), b"0122456789");
    let at = simulation.disk().flip_any_bit("/d/x.db").unwrap() as usize;
    assert_ne!(simulation.disk().read("/d/x.db").unwrap()[at], b"0122456789"[at]);
    simulation.disk().remove("/d/x.db");
    assert!(simulation.disk().files().is_empty());
}

#[test]
#[should_panic(expected = "seed 9: a deadlock")]
fn a_deadlock_is_found() {
    Simulation::new(9).block_on(std::future::pending::<()>());
}

#[test]
fn a_transfer_that_is_cut_short_is_whole_in_the_end_and_seen_half_done_before() {
    let mut seen = BTreeSet::new();
    for seed in 0..40 {
        let simulation = Simulation::new(seed);
        simulation.set_short_transfers(0.9);
        simulation.block_on(async {
            let env = simulation.env();
            let file = open(&*env.io, "a").await;
            write(&*file, &[1; 4], 0).await.unwrap();
            let writer = Arc::clone(&file);
            let done = Arc::new(AtomicU64::new(0));
            let over = Arc::clone(&done);
            env.runtime.spawn(
                "writer",
                Box::pin(async move {
                    write(&*writer, &[2; 4], 0).await.unwrap();
                    over.fetch_add(1, Ordering::Relaxed);
                }),
            );
            while done.load(Ordering::Relaxed) == 0 {
                env.runtime.sleep(Duration::from_micros(20)).await;
                seen.extend(simulation.disk().read("/d/a"));
            }
            let (count, bytes) = file.read_at(IoBuf::zeroed(4), 0).await;
            assert_eq!((count.unwrap(), &bytes[..]), (4, &[2; 4][..]));
        });
        assert!(simulation.short_transfers() > 0);
    }
    assert!(seen.contains(&vec![2, 1, 1, 1]) && seen.contains(&vec![2, 2, 2, 1]), "{seen:?}");
}
