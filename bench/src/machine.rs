//! What the machine says about this process and its disk.

use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// CPU time this process used so far.
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Bytes of memory this process holds now.
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// The disk under a folder.
#[derive(Debug, Clone)]
pub struct Disk {
    stat: PathBuf,
}

impl Disk {
    /// The disk that holds `folder`, if Linux tells its counters.
    pub fn under(folder: &Path) -> Option<Disk> {
        let device = fs::metadata(folder).ok()?.st_dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let node = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
        let whole = if node.join("partition").exists() { node.parent()?.to_owned() } else { node };
        let disk = Disk { stat: whole.join("stat") };
        disk.flushes().map(|_| disk)
    }

    /// Cache flushes the disk was asked for since boot, by anybody. A sync of a file is one (two
    /// if the file system's journal has to move as well).
    pub fn flushes(&self) -> Option<u64> {
        const FLUSHES: usize = 15;
        fs::read_to_string(&self.stat).ok()?.split_whitespace().nth(FLUSHES)?.parse().ok()
    }
}

/// Bytes of the files in a folder whose names `select` accepts.
pub fn file_bytes(folder: &Path, select: fn(&str) -> bool) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let mut bytes = 0;
    for entry in entries.flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        let chosen = entry.file_name().to_str().is_some_and(select);
        if meta.is_dir() && chosen {
            bytes += file_bytes(&entry.path(), |_| true);
        } else if chosen {
            bytes += meta.len();
        }
    }
    bytes
}
