//! Where the public suites and files lie: `shared` beside the repository, or beside a folder above it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A folder or file under `shared`, if it is there.
pub fn find(name: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .skip(1)
        .take(4)
        .map(|above| above.join("shared").join(name))
        .find(|path| path.exists())
}

/// [`find`], or says on the standard error that `what` is left out.
pub fn find_or_say(name: &str, what: &str) -> Option<PathBuf> {
    let found = find(name);
    if found.is_none() {
        eprintln!("{what} is left out: there is no folder shared/{name} beside the repository");
    }
    found
}

/// All files below `folder` whose name ends in `ending`, in the order of their paths.
///
/// # Errors
/// Those of reading folders.
pub fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Calls `each` for all of `items` on two threads and gives the results in their order.
///
/// # Errors
/// The first of `each`, and a panic on one of the threads.
pub fn on_two_threads<I: Sync, T: Send>(
    items: &[I],
    each: impl Fn(&I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            done.push((at, each(item)));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mut done = work();
        let others = other.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?;
        done.extend(others);
        anyhow::Ok(done)
    })?;
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
