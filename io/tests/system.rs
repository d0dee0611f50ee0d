//! What only a real system can show: full disks, cold caches, the kernel's hold on buffers.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use heddle_io::{Access, BlockingIo, Io, IoBuf, OpenOptions, ThreadRuntime, TryRead, UringIo};

/// The backends over a real system; without the ring where it is refused.
fn backends() -> Vec<Arc<dyn Io>> {
    let mut backends: Vec<Arc<dyn Io>> = vec![BlockingIo::new()];
    backends.extend(UringIo::new().ok().map(|io| -> Arc<dyn Io> { io }));
    backends
}

fn block_on<F: Future>(future: F) -> F::Output {
    ThreadRuntime::new().block_on(future)
}

/// Throws a file's pages out of the cache of the OS.
fn evict(path: &Path) {
    let file = std::fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

#[test]
fn a_full_disk_is_told_as_such() {
    for io in backends() {
        block_on(async {
            let full = io.open("/dev/full".as_ref(), OpenOptions::WRITE).await.unwrap();
            let error = full.write_at(IoBuf::zeroed(4096), 0).await.0.unwrap_err();
            assert!(error.is_disk_full(), "{}: {error}", io.name());
            let error = full.write_here(IoBuf::zeroed(4096), 0).await.0.unwrap_err();
            assert!(error.is_disk_full(), "{}: {error}", io.name());
        });
    }
}

#[test]
fn a_cached_read_needs_no_hop() {
    const EXT4: i64 = 0xef53;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    std::fs::write(&path, [7; 8192]).unwrap();
    let is_ext4 = rustix::fs::statfs(dir.path()).unwrap().f_type as i64 == EXT4;
    for io in backends() {
        block_on(async {
            let file = io.open(&path, OpenOptions::READ).await.unwrap();
            file.read_at(IoBuf::zeroed(8192), 0).await.0.unwrap();
            let mut buf = [0; 8192];
            match file.try_read_at(&mut buf, 0).unwrap() {
                TryRead::Done(count) => assert_eq!((count, buf), (8192, [7; 8192])),
                TryRead::WouldBlock => assert!(!is_ext4, "{}: ext4 can tell", io.name()),
            }
            if is_ext4 {
                evict(&path);
                let cold = file.try_read_at(&mut buf, 0).unwrap();
                assert!(matches!(cold, TryRead::WouldBlock), "{}: {cold:?}", io.name());
            }
        });
    }
}

/// Takes memory that others have given back, and says if anybody writes to it.
fn watch_the_heap(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let fresh: Vec<IoBuf> = (0..64).map(|_| IoBuf::zeroed(65_536)).collect();
        std::thread::yield_now();
        assert!(fresh.iter().all(|buf| buf.iter().all(|byte| *byte == 0)), "a freed buffer");
    }
}

/// U3: the kernel must be done with every buffer before it is freed, and by itself tokio-uring
/// 0.5 does not see to that.
#[test]
fn u3_shutdown_waits_for_reads_that_nobody_awaits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    std::fs::write(&path, vec![0xee; 256 * 65_536]).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| watch_the_heap(&stop));
        for round in 0..20_u64 {
            for io in backends() {
                evict(&path);
                block_on(begin_reads_and_go(&*io, &path, round % 2 == 0));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

async fn begin_reads_and_go(io: &dyn Io, path: &Path, shutdown: bool) {
    let file = io.open(path, OpenOptions::READ).await.unwrap();
    for block in 0..256 {
        let read = pin!(file.read_at(IoBuf::zeroed(65_536), block * 65_536));
        let _ = read.poll(&mut Context::from_waker(Waker::noop()));
    }
    if shutdown {
        io.shutdown().await;
    }
}

#[test]
fn callers_on_many_threads_share_one_backend() {
    for io in backends() {
        let dir = tempfile::tempdir().unwrap();
        let options = OpenOptions::CREATE.with_access(Access::Log);
        let file = block_on(io.open(&dir.path().join("a"), options)).unwrap();
        block_on(file.preallocate(0..8 * 65_536)).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                let file = &file;
                scope.spawn(move || {
                    block_on(async {
                        for step in 0..16 {
                            let offset = thread * 65_536 + step * 4_096;
                            let bytes = [(thread * 16 + step) as u8; 4_096];
                            let buf = IoBuf::copy_of(&bytes);
                            file.write_durable_at(buf, offset).await.0.unwrap();
                            let (done, back) = file.read_at(IoBuf::zeroed(4_096), offset).await;
                            assert_eq!((done.unwrap(), &*back), (4_096, &bytes[..]));
                        }
                    });
                });
            }
        });
        block_on(io.shutdown());
    }
}
