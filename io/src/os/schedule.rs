//! How soon the operating system runs a thread that was woken.

/// What a thread that is waited for by many takes of a processor at a time, in nanoseconds.
#[cfg(target_os = "linux")]
const SLICE: u64 = 100_000;

/// Asks for short slices for the calling thread, which then need not wait for a slice of somebody
/// else to end when it is woken. Linux from 6.12 on grants it to any thread without privileges;
/// where it is refused, nothing changes.
#[cfg(target_os = "linux")]
pub(crate) fn hasten_this_thread() {
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        // Keeps everything but what is named here, above all the nice value.
        sched_flags: libc::SCHED_FLAG_KEEP_POLICY as u64,
        sched_nice: nice(),
        sched_priority: 0,
        sched_runtime: SLICE,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel only reads the structure, whose size it is told; 0 is the calling thread.
    #[allow(unsafe_code)]
    let refused =
        unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) } != 0;
    if refused {
        let error = std::io::Error::last_os_error();
        tracing::debug!(%error, "no short slices for this thread");
    }
}

#[cfg(target_os = "linux")]
fn nice() -> i32 {
    // SAFETY: it only reads a number; 0 is the calling thread.
    #[allow(unsafe_code)]
    unsafe {
        libc::getpriority(libc::PRIO_PROCESS, 0)
    }
}

/// Nothing of the kind is known here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn hasten_this_thread() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_nice_value_stays_as_it_is() {
        let before = super::nice();
        super::hasten_this_thread();
        assert_eq!(super::nice(), before);
    }
}
