//! Cancellation, crowds, shutdown, errors.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use heddle_io::{Access, Env, File, IoBuf, OpenOptions, Operation};

use crate::world::{pattern, read, together, write};

/// Polls a future once, then drops it.
fn begin_and_drop(future: impl Future) {
    let _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
}

pub(crate) async fn i3_dropped_operations_are_whole_or_absent(env: Env, dir: PathBuf) {
    let options = OpenOptions::CREATE.with_access(Access::Log);
    let file = env.io.open(&dir.join("a"), options).await.unwrap();
    file.preallocate(0..256 * 4096).await.unwrap();
    for block in 0..256_u64 {
        let buf = IoBuf::copy_of(&pattern(block, 4096));
        match block % 3 {
            0 => begin_and_drop(file.write_at(buf, block * 4096)),
            1 => begin_and_drop(file.write_durable_at(buf, block * 4096)),
            _ => drop(file.write_at(buf, block * 4096)),
        }
        // I1: these buffers belong to the reads, which the kernel may be filling still.
        begin_and_drop(file.read_at(IoBuf::zeroed(4096), block * 4096));
        begin_and_drop(file.sync_data());
    }
    // A later write of our own is behind them in no order; settle by shutting down a copy of the
    // question: poll until every begun write is there.
    for block in (0..256_u64).filter(|block| block % 3 != 2) {
        while read(&*file, block * 4096, 4096).await != pattern(block, 4096) {
            env.runtime.sleep(std::time::Duration::from_millis(1)).await;
        }
    }
    for block in (0..256_u64).filter(|block| block % 3 == 2) {
        assert_eq!(read(&*file, block * 4096, 4096).await, vec![0; 4096], "never begun");
    }
}

pub(crate) async fn thousands_in_flight(env: Env, dir: PathBuf) {
    let file = env.io.open(&dir.join("a"), OpenOptions::CREATE).await.unwrap();
    file.set_len(4_000 * 512).await.unwrap();
    together((0..4_000_u64).map(|n| {
        let file = &file;
        async move { write(&**file, &pattern(n, 512), n * 512).await }
    }))
    .await;
    together((0..4_000_u64).map(|n| {
        let file = &file;
        async move { assert_eq!(read(&**file, n * 512, 512).await, pattern(n, 512)) }
    }))
    .await;
}

pub(crate) async fn shutdown_drains_and_then_refuses(env: Env, dir: PathBuf) {
    let path = dir.join("a");
    let file = env.io.open(&path, OpenOptions::CREATE).await.unwrap();
    file.set_len(500 * 4096).await.unwrap();
    for block in 0..500_u64 {
        begin_and_drop(file.write_at(IoBuf::copy_of(&pattern(block, 4096)), block * 4096));
        begin_and_drop(file.read_at(IoBuf::zeroed(4096), block * 4096));
    }
    env.io.shutdown().await;

    let (done, buf) = file.write_at(IoBuf::copy_of(b"late"), 0).await;
    assert!(done.unwrap_err().is_closed());
    assert_eq!(&*buf, b"late", "a refused operation gives the buffer back");
    assert!(file.read_at(IoBuf::zeroed(1), 0).await.0.unwrap_err().is_closed());
    assert!(file.write_durable_at(IoBuf::zeroed(1), 0).await.0.unwrap_err().is_closed());
    assert!(file.write_durable_here(IoBuf::zeroed(1), 0).await.0.unwrap_err().is_closed());
    assert!(file.try_read_at(&mut [0], 0).unwrap_err().is_closed());
    assert!(file.sync_data().await.unwrap_err().is_closed());
    assert!(file.len().await.unwrap_err().is_closed());
    assert!(env.io.open(&path, OpenOptions::READ).await.unwrap_err().is_closed());
    assert!(env.io.list(&dir).await.unwrap_err().is_closed());
    env.io.shutdown().await;

    // What was begun before is on the disk, where there is one that others can look at.
    if let Ok(content) = std::fs::read(&path) {
        let expected: Vec<u8> = (0..500).flat_map(|block| pattern(block, 4096)).collect();
        assert!(content == expected, "a write was lost in shutdown");
    }
}

pub(crate) async fn errors_name_operation_file_and_offset(env: Env, dir: PathBuf) {
    let path = dir.join("a");
    env.io.open(&path, OpenOptions::CREATE).await.unwrap();
    let file: Arc<dyn File> = env.io.open(&path, OpenOptions::READ).await.unwrap();
    let error = file.write_at(IoBuf::zeroed(3), 77).await.0.unwrap_err();
    assert_eq!(error.operation(), Operation::Write);
    assert_eq!((error.path(), error.offset()), (&*path, Some(77)));
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("Write of {} at byte 77 failed: ", path.display())),
        "{text}"
    );

    let absent = dir.join("absent");
    let error = env.io.open(&absent, OpenOptions::READ).await.unwrap_err();
    assert_eq!(
        (error.operation(), error.path(), error.offset()),
        (Operation::Open, &*absent, None)
    );
    let error = env.io.remove(&absent).await.unwrap_err();
    assert_eq!((error.operation(), error.path()), (Operation::Remove, &*absent));
    let error = env.io.rename(&absent, &path).await.unwrap_err();
    assert_eq!((error.operation(), error.path()), (Operation::Rename, &*absent));
}
