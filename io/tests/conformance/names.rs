//! Opening, naming, locking.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use heddle_io::{Env, LockKind, OpenOptions};

use crate::world::{read, write};

pub(crate) async fn open_options_mean_what_they_say(env: Env, dir: PathBuf) {
    let path = dir.join("a");
    assert!(env.io.open(&path, OpenOptions::READ).await.unwrap_err().is_not_found());
    assert!(env.io.open(&path, OpenOptions::WRITE).await.unwrap_err().is_not_found());
    write(&*env.io.open(&path, OpenOptions::CREATE_NEW).await.unwrap(), b"kept", 0).await;
    let again = env.io.open(&path, OpenOptions::CREATE_NEW).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    for options in [OpenOptions::CREATE, OpenOptions::WRITE, OpenOptions::READ] {
        let file = env.io.open(&path, options).await.unwrap();
        assert_eq!(read(&*file, 0, 10).await, b"kept");
    }
    let directory = env.io.open(&dir, OpenOptions::READ).await.unwrap_err();
    assert_eq!(directory.kind(), ErrorKind::IsADirectory);
}

pub(crate) async fn missing_files_are_not_found(env: Env, dir: PathBuf) {
    let (path, other) = (dir.join("absent"), dir.join("other"));
    assert!(env.io.open(&path, OpenOptions::READ).await.unwrap_err().is_not_found());
    assert!(env.io.remove(&path).await.unwrap_err().is_not_found());
    assert!(env.io.rename(&path, &other).await.unwrap_err().is_not_found());
    assert_eq!(env.io.metadata(&path).await.unwrap(), None);
}

pub(crate) async fn rename_replaces(env: Env, dir: PathBuf) {
    let (from, to) = (dir.join("from"), dir.join("to"));
    let moved = env.io.open(&from, OpenOptions::CREATE).await.unwrap();
    write(&*moved, b"new", 0).await;
    moved.sync_data().await.unwrap();
    let replaced = env.io.open(&to, OpenOptions::CREATE).await.unwrap();
    write(&*replaced, b"replaced", 0).await;
    env.io.rename(&from, &to).await.unwrap();
    env.io.sync_dir(&dir).await.unwrap();
    assert_eq!(env.io.metadata(&from).await.unwrap(), None);
    let found = env.io.open(&to, OpenOptions::READ).await.unwrap();
    assert_eq!(read(&*found, 0, 10).await, b"new");
    assert_eq!(read(&*replaced, 0, 10).await, b"replaced", "an open file keeps its content");
    assert_eq!(read(&*moved, 0, 10).await, b"new");
}

pub(crate) async fn a_removed_file_lives_while_open(env: Env, dir: PathBuf) {
    let path = dir.join("a");
    let file = env.io.open(&path, OpenOptions::CREATE).await.unwrap();
    write(&*file, b"still", 0).await;
    env.io.remove(&path).await.unwrap();
    env.io.sync_dir(&dir).await.unwrap();
    assert_eq!(env.io.metadata(&path).await.unwrap(), None);
    assert_eq!(read(&*file, 0, 10).await, b"still");
    let fresh = env.io.open(&path, OpenOptions::CREATE_NEW).await.unwrap();
    assert_eq!(fresh.len().await.unwrap(), 0);
}

pub(crate) async fn list_is_sorted_and_names_only(env: Env, dir: PathBuf) {
    for name in ["b", "a.db-log.2", "c", "a.db"] {
        env.io.open(&dir.join(name), OpenOptions::CREATE).await.unwrap();
    }
    let names = env.io.list(&dir).await.unwrap();
    assert_eq!(names, ["a.db", "a.db-log.2", "b", "c"].map(PathBuf::from));
}

pub(crate) async fn metadata_tells_identity_and_length(env: Env, dir: PathBuf) {
    let (a, b) = (dir.join("a"), dir.join("b"));
    write(&*env.io.open(&a, OpenOptions::CREATE).await.unwrap(), &[7; 4_097], 0).await;
    env.io.open(&b, OpenOptions::CREATE).await.unwrap();
    let first = env.io.metadata(&a).await.unwrap().unwrap();
    assert_eq!((first.len, first.writable, first.is_dir), (4_097, true, false));
    let second = env.io.metadata(&b).await.unwrap().unwrap();
    assert_ne!(first.identity, second.identity);
    env.io.rename(&a, &b).await.unwrap();
    assert_eq!(env.io.metadata(&b).await.unwrap(), Some(first));
    assert!(env.io.metadata(&dir).await.unwrap().unwrap().is_dir);
}

pub(crate) async fn unlinked_files_have_no_name(env: Env, dir: PathBuf) {
    let one = env.io.open_unlinked(&dir).await.unwrap();
    let two = env.io.open_unlinked(&dir).await.unwrap();
    write(&*one, b"one", 0).await;
    write(&*two, b"two", 0).await;
    assert_eq!(read(&*one, 0, 10).await, b"one");
    assert_eq!(read(&*two, 0, 10).await, b"two");
    assert_eq!(env.io.list(&dir).await.unwrap(), Vec::<PathBuf>::new());
}

pub(crate) async fn there_is_free_space(env: Env, dir: PathBuf) {
    env.io.open(&dir.join("a"), OpenOptions::CREATE).await.unwrap();
    assert!(env.io.free_space(&dir).await.unwrap() > 0);
}

pub(crate) async fn locks_keep_opens_apart(env: Env, dir: PathBuf) {
    let path = dir.join("a");
    let open = async |path: &Path| env.io.open(path, OpenOptions::CREATE).await.unwrap();
    let (one, two) = (open(&path).await, open(&path).await);
    // SQLite's own lock bytes lie at 1 GiB, beyond the end of a small file.
    let at = 1 << 30;
    assert!(one.try_lock(at..at + 1, LockKind::Shared).unwrap());
    assert!(two.try_lock(at..at + 1, LockKind::Shared).unwrap());
    assert!(!two.try_lock(at..at + 1, LockKind::Exclusive).unwrap());
    assert!(two.try_lock(at + 1..at + 512, LockKind::Exclusive).unwrap());
    one.unlock(at..at + 1).unwrap();
    assert!(two.try_lock(at..at + 1, LockKind::Exclusive).unwrap());
    assert!(!one.try_lock(at + 100..at + 101, LockKind::Shared).unwrap());
    two.unlock(at..at + 512).unwrap();
    assert!(one.try_lock(at..at + 512, LockKind::Exclusive).unwrap());
    let reader = env.io.open(&path, OpenOptions::READ).await.unwrap();
    one.unlock(at..at + 512).unwrap();
    assert!(reader.try_lock(at..at + 1, LockKind::Shared).unwrap());
    assert!(reader.try_lock(at..at + 1, LockKind::Exclusive).is_err());
}

pub(crate) async fn closing_gives_up_locks(env: Env, dir: PathBuf) {
    let path = dir.join("a");
    let holder = env.io.open(&path, OpenOptions::CREATE).await.unwrap();
    let other = env.io.open(&path, OpenOptions::CREATE).await.unwrap();
    let bystander = env.io.open(&path, OpenOptions::CREATE).await.unwrap();
    assert!(holder.try_lock(0..10, LockKind::Exclusive).unwrap());
    // Where POSIX locks would vanish.
    drop(bystander);
    assert!(!other.try_lock(5..6, LockKind::Shared).unwrap());
    drop(holder);
    assert!(other.try_lock(5..6, LockKind::Exclusive).unwrap());
}
