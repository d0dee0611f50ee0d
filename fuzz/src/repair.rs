//! Makes checksums right again after a mutation, in place: else nothing behind them would ever be reached.

/// Of SQLite's `-wal`: the header's, and each frame's over all before it; the frames' salts are made the header's.
pub fn sqlite_wal(bytes: &mut [u8]) {
    const HEADER: usize = 32;
    const FRAME_HEADER: usize = 24;
    let Some((header, mut frames)) = bytes.split_at_mut_checked(HEADER) else {
        return;
    };
    let big = header[3] & 1 == 1;
    let mut sum = (0, 0);
    add(&mut sum, &header[..24], big);
    header[24..28].copy_from_slice(&sum.0.to_be_bytes());
    header[28..32].copy_from_slice(&sum.1.to_be_bytes());
    let page = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
    let page = if (512..=65536).contains(&page) { page as usize } else { return };
    while let Some((frame, rest)) = frames.split_at_mut_checked(FRAME_HEADER + page) {
        frame[8..16].copy_from_slice(&header[16..24]);
        add(&mut sum, &frame[..8], big);
        add(&mut sum, &frame[FRAME_HEADER..], big);
        frame[16..20].copy_from_slice(&sum.0.to_be_bytes());
        frame[20..24].copy_from_slice(&sum.1.to_be_bytes());
        frames = rest;
    }
}

fn add(sum: &mut (u32, u32), bytes: &[u8], big: bool) {
    let word = |bytes: &[u8]| {
        let bytes = bytes.try_into().unwrap_or_default();
        if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    for pair in bytes.chunks_exact(8) {
        sum.0 = sum.0.wrapping_add(word(&pair[..4])).wrapping_add(sum.1);
        sum.1 = sum.1.wrapping_add(word(&pair[4..])).wrapping_add(sum.0);
    }
}

/// Of a segment of the log: the header's, and those of groups, each of which names the one before it. The header
/// says how long the file is; that is made right, too.
pub fn log_segment(bytes: &mut Vec<u8>) {
    const BLOCK: usize = 4096;
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    let len = bytes.len() as u64;
    if let Some(header) = bytes.get_mut(..60) {
        header[32..40].copy_from_slice(&len.to_le_bytes());
        let crc = crc32c::crc32c(&header[12..]);
        header[8..12].copy_from_slice(&crc.to_le_bytes());
    }
    let mut previous = None;
    let mut at = BLOCK;
    while let Some(group) = bytes.get_mut(at..).filter(|rest| rest.len() >= 80) {
        let length = u32::from_le_bytes([group[8], group[9], group[10], group[11]]) as usize;
        if &group[..4] != b"HGRP" || length < 80 || length > group.len() {
            at += BLOCK;
            continue;
        }
        if let Some(previous) = previous {
            group[12..16].copy_from_slice(&u32::to_le_bytes(previous));
        }
        let crc = crc32c::crc32c(&group[8..length]);
        group[4..8].copy_from_slice(&crc.to_le_bytes());
        previous = Some(crc);
        at += length.next_multiple_of(BLOCK);
    }
}

/// Of a run: header, footer, index, and the blocks where each says it ends.
pub fn run(bytes: &mut [u8]) {
    const HEADER: usize = 32;
    const FOOTER: usize = 64;
    let len = bytes.len();
    if len < HEADER + FOOTER {
        return;
    }
    let crc = crc32c::crc32c(&bytes[12..HEADER]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    let footer = len - FOOTER;
    bytes[footer + 24..footer + 32].copy_from_slice(&(len as u64).to_le_bytes());
    let index = bytes[footer + 32..footer + 40].try_into().map_or(0, u64::from_le_bytes);
    let index = usize::try_from(index).unwrap_or(usize::MAX).clamp(HEADER, footer);
    let crc = crc32c::crc32c(&bytes[index..footer]);
    bytes[footer + 40..footer + 44].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[footer + 12..]);
    bytes[footer + 8..footer + 12].copy_from_slice(&crc.to_le_bytes());
    let mut at = HEADER;
    while at + 24 <= index {
        let length = bytes[at + 4..at + 8].try_into().map_or(0, u32::from_le_bytes) as usize;
        if length < 24 || length > index - at {
            return;
        }
        let crc = crc32c::crc32c(&bytes[at + 4..at + length]);
        bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
        at += length;
    }
}
