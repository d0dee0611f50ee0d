//! What a user may choose about the log.

use std::time::Duration;

/// When a commit counts as done. Ordered: [`Durability::Full`] is the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Durability {
    /// Written to the file; nobody syncs it before the next stricter commit or checkpoint.
    Off,
    /// Written to the file, so that it survives a kill; synced at intervals.
    Normal,
    /// On disk.
    #[default]
    Full,
}

/// Sizes and intervals of a log. Sizes are in bytes and are rounded up to 4 KiB.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Size of the first segment of a log.
    pub first_segment_bytes: u64,
    /// Size of later segments.
    pub segment_bytes: u64,
    /// How far groups may be written beyond what is known durable, and so how far recovery looks
    /// behind an invalid group. At least `group_bytes`.
    pub window_bytes: u64,
    /// Largest group.
    pub group_bytes: usize,
    /// Most groups in flight.
    pub max_in_flight: usize,
    /// Largest record.
    pub max_record_bytes: usize,
    /// Most commits between reservation and the flusher. Rounded up to a power of two.
    pub ring_slots: usize,
    /// How long [`Durability::Normal`] commits stay unsynced.
    pub normal_sync_interval: Duration,
    /// How long the flusher spins for work before it sleeps, where the runtime permits spinning.
    pub spin: Duration,
    /// How long a lone committer asks again and again instead of sleeping, its executor running
    /// others in between, where the runtime permits spinning and the disk is no slower than this.
    pub wait_spin: Duration,
    /// After how long without a commit the log is sealed: one more group, which says that all
    /// before it is on disk.
    pub seal_after: Duration,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            first_segment_bytes: 4 << 20,
            segment_bytes: 32 << 20,
            window_bytes: 8 << 20,
            group_bytes: 1 << 20,
            max_in_flight: 4,
            max_record_bytes: 256 << 20,
            ring_slots: 4096,
            normal_sync_interval: Duration::from_millis(200),
            spin: Duration::from_micros(30),
            wait_spin: Duration::from_micros(300),
            seal_after: Duration::from_millis(50),
        }
    }
}

impl LogOptions {
    /// The same within the limits that the format and W4 need.
    pub(crate) fn checked(mut self) -> Self {
        let block = crate::format::BLOCK as u64;
        self.group_bytes = self.group_bytes.clamp(8192, 64 << 20).next_multiple_of(4096);
        let least = 4 * block;
        self.first_segment_bytes = self.first_segment_bytes.clamp(least, 1 << 40);
        self.first_segment_bytes = self.first_segment_bytes.next_multiple_of(block);
        self.segment_bytes = self.segment_bytes.clamp(least, 1 << 40).next_multiple_of(block);
        self.window_bytes = self.window_bytes.clamp(self.group_bytes as u64, 1 << 30);
        self.max_in_flight = self.max_in_flight.clamp(1, 64);
        self.max_record_bytes = self.max_record_bytes.min(1 << 30);
        self.ring_slots = self.ring_slots.clamp(2, 1 << 20).next_power_of_two();
        self
    }
}
