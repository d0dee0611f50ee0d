//! One input as several files: a table of their lengths, then their bytes.
//!
//! Whatever the lengths say, every input has a meaning: they are cut to what there is, and the last file gets the rest.

use heddle_io::{Env, IoBuf, OpenOptions};
use std::path::Path;

/// Takes an input apart. The byte before the lengths is for the target to use.
pub fn split<const N: usize>(input: &[u8]) -> (u8, [Vec<u8>; N]) {
    let (choice, mut rest) = input.split_first().map_or((0, input), |(first, rest)| (*first, rest));
    let mut lengths = [usize::MAX; N];
    for length in lengths.iter_mut().take(N.saturating_sub(1)) {
        let Some((number, after)) = rest.split_first_chunk::<4>() else { break };
        *length = u32::from_le_bytes(*number) as usize;
        rest = after;
    }
    let files = lengths.map(|length| {
        let (file, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        file.to_vec()
    });
    (choice, files)
}

/// Puts files together, as [`split`] takes them apart.
pub fn join<const N: usize>(choice: u8, files: [&[u8]; N]) -> Vec<u8> {
    let mut input = vec![choice];
    for file in files.iter().take(N.saturating_sub(1)) {
        input.extend_from_slice(&(file.len() as u32).to_le_bytes());
    }
    input.extend(files.concat());
    input
}

/// Writes a file, unless it is empty.
pub async fn write(env: &Env, path: &Path, bytes: &[u8]) -> heddle_io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let file = env.io.open(path, OpenOptions::CREATE).await?;
    file.write_at(IoBuf::copy_of(bytes), 0).await.0
}

/// Reads a whole file; nothing if it is not there.
pub async fn read(env: &Env, path: &Path) -> Vec<u8> {
    let Ok(file) = env.io.open(path, OpenOptions::READ).await else {
        return Vec::new();
    };
    let len = file.len().await.unwrap_or(0) as usize;
    let (count, buf) = file.read_at(IoBuf::zeroed(len), 0).await;
    buf[..count.unwrap_or(0)].to_vec()
}
