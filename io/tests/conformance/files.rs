//! Reading and writing open files.

use std::path::PathBuf;

use heddle_io::{Access, Env, IoBuf, OpenOptions, TryRead};

use crate::world::{pattern, read, together, write};

pub(crate) async fn what_is_written_is_read(env: Env, dir: PathBuf) {
    let file = env.io.open(&dir.join("a"), OpenOptions::CREATE_NEW).await.unwrap();
    for (offset, len) in [(0, 1), (1, 4095), (4096, 4096), (8192, 70_000), (3, 5)] {
        let bytes = pattern(offset + 7, len);
        write(&*file, &bytes, offset).await;
        assert_eq!(read(&*file, offset, len).await, bytes);
    }
    let (done, buf) = file.write_here(IoBuf::copy_of(b"here"), 78_188).await;
    done.unwrap();
    assert_eq!((&*buf, &*read(&*file, 78_188, 9).await), (&b"here"[..], &b"here"[..]));
    assert_eq!(file.len().await.unwrap(), 78_192);
    file.sync_data().await.unwrap();
    assert_eq!(file.path(), dir.join("a"));
}

pub(crate) async fn a_read_across_the_end_is_short(env: Env, dir: PathBuf) {
    let file = env.io.open(&dir.join("a"), OpenOptions::CREATE).await.unwrap();
    write(&*file, &pattern(0, 100), 0).await;
    assert_eq!(read(&*file, 90, 50).await, &pattern(0, 100)[90..]);
    assert!(read(&*file, 100, 50).await.is_empty());
    assert!(read(&*file, 1 << 40, 50).await.is_empty());
    assert!(read(&*file, 0, 0).await.is_empty());
}

pub(crate) async fn a_hole_reads_as_zeros(env: Env, dir: PathBuf) {
    let file = env.io.open(&dir.join("a"), OpenOptions::CREATE).await.unwrap();
    write(&*file, b"end", 200_000).await;
    assert_eq!(read(&*file, 100_000, 100_000).await, vec![0; 100_000]);
    assert_eq!(file.len().await.unwrap(), 200_003);
}

pub(crate) async fn overlapping_writes_land_in_order(env: Env, dir: PathBuf) {
    let file = env.io.open(&dir.join("a"), OpenOptions::CREATE).await.unwrap();
    let mut model = vec![0; 40_000];
    for step in 0..40_u64 {
        let (offset, len) = (step * 811 % 20_000, 1 + (step * 1_237 % 20_000) as usize);
        let bytes = pattern(step, len);
        write(&*file, &bytes, offset).await;
        model[offset as usize..offset as usize + len].copy_from_slice(&bytes);
    }
    let len = file.len().await.unwrap() as usize;
    assert_eq!(read(&*file, 0, 40_000).await, &model[..len]);
}

pub(crate) async fn durable_writes_of_any_alignment(env: Env, dir: PathBuf) {
    for (name, access) in [("log", Access::Log), ("pages", Access::Pages)] {
        let options = OpenOptions::CREATE_NEW.with_access(access);
        let file = env.io.open(&dir.join(name), options).await.unwrap();
        file.preallocate(0..65_536).await.unwrap();
        for (offset, len) in [(0, 4096), (4096, 8192), (12_288, 100), (12_388, 4096), (512, 512)] {
            let bytes = pattern(offset, len);
            let (done, buf) = file.write_durable_at(IoBuf::copy_of(&bytes), offset).await;
            done.unwrap();
            assert_eq!(&*buf, bytes, "the buffer comes back as it was");
            assert_eq!(read(&*file, offset, len).await, bytes);
            let bytes = pattern(offset + 1, len);
            let (done, _) = file.write_durable_here(IoBuf::copy_of(&bytes), offset).await;
            done.unwrap();
            assert_eq!(read(&*file, offset, len).await, bytes);
        }
        assert_eq!(file.len().await.unwrap(), 65_536);
    }
}

pub(crate) async fn durable_writes_in_flight_together(env: Env, dir: PathBuf) {
    let options = OpenOptions::CREATE_NEW.with_access(Access::Log);
    let file = env.io.open(&dir.join("log"), options).await.unwrap();
    file.preallocate(0..64 * 4096).await.unwrap();
    let writes = (0..64_u64).map(|block| {
        let file = &file;
        async move {
            let buf = IoBuf::copy_of(&pattern(block, 4096));
            file.write_durable_at(buf, block * 4096).await.0.unwrap();
        }
    });
    together(writes).await;
    for block in 0..64 {
        assert_eq!(read(&*file, block * 4096, 4096).await, pattern(block, 4096));
    }
}

pub(crate) async fn try_read_agrees_with_read(env: Env, dir: PathBuf) {
    let file = env.io.open(&dir.join("a"), OpenOptions::CREATE).await.unwrap();
    let bytes = pattern(3, 10_000);
    write(&*file, &bytes, 0).await;
    for (offset, len) in [(0, 10_000), (4096, 4096), (9_000, 4096), (20_000, 10)] {
        let mut buf = vec![0xaa; len];
        if let TryRead::Done(count) = file.try_read_at(&mut buf, offset).unwrap() {
            assert_eq!(buf[..count], read(&*file, offset, len).await);
        }
    }
}

pub(crate) async fn set_len_cuts_and_grows_with_zeros(env: Env, dir: PathBuf) {
    let file = env.io.open(&dir.join("a"), OpenOptions::CREATE).await.unwrap();
    write(&*file, &pattern(1, 9_000), 0).await;
    file.set_len(5_000).await.unwrap();
    assert_eq!(file.len().await.unwrap(), 5_000);
    file.set_len(150_000).await.unwrap();
    let back = read(&*file, 0, 200_000).await;
    assert_eq!(back.len(), 150_000);
    assert_eq!(back[..5_000], pattern(1, 9_000)[..5_000]);
    assert!(back[5_000..].iter().all(|byte| *byte == 0));
}

pub(crate) async fn preallocate_makes_zeros(env: Env, dir: PathBuf) {
    let file = env.io.open(&dir.join("a"), OpenOptions::CREATE).await.unwrap();
    write(&*file, &pattern(1, 8_192), 0).await;
    file.preallocate(4_096..3_000_000).await.unwrap();
    assert_eq!(file.len().await.unwrap(), 3_000_000);
    assert_eq!(read(&*file, 0, 4_096).await, pattern(1, 8_192)[..4_096]);
    assert_eq!(read(&*file, 4_096, 4 << 20).await, vec![0; 3_000_000 - 4_096]);
    file.preallocate(10..10).await.unwrap();
}

pub(crate) async fn two_opens_share_the_content(env: Env, dir: PathBuf) {
    let path = dir.join("a");
    let one = env.io.open(&path, OpenOptions::CREATE).await.unwrap();
    let two = env.io.open(&path, OpenOptions::READ).await.unwrap();
    write(&*one, b"seen", 0).await;
    assert_eq!(read(&*two, 0, 10).await, b"seen");
}

pub(crate) async fn a_read_only_open_refuses_to_write(env: Env, dir: PathBuf) {
    let path = dir.join("a");
    write(&*env.io.open(&path, OpenOptions::CREATE).await.unwrap(), b"kept", 0).await;
    let file = env.io.open(&path, OpenOptions::READ).await.unwrap();
    let denied = std::io::ErrorKind::PermissionDenied;
    assert_eq!(file.write_at(IoBuf::copy_of(b"x"), 0).await.0.unwrap_err().kind(), denied);
    assert_eq!(file.write_durable_at(IoBuf::copy_of(b"x"), 0).await.0.unwrap_err().kind(), denied);
    assert_eq!(file.set_len(0).await.unwrap_err().kind(), denied);
    assert_eq!(file.preallocate(0..9).await.unwrap_err().kind(), denied);
    assert_eq!(read(&*file, 0, 10).await, b"kept");
}
