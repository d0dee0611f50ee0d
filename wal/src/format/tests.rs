//! The bytes are those of `docs/format.md`; damage is noticed.

#![allow(clippy::unwrap_used, reason = "a test")]

use super::*;

const DOCS: &str = include_str!("../../../docs/format.md");

/// The bytes of the dump behind this opening of a code block.
fn dump(opening: &str) -> Vec<u8> {
    let (_, rest) = DOCS.split_once(&format!("```{opening}\n")).unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let bytes = |line: &str| -> Vec<u8> {
        let hex = line.get(6..line.len().min(53)).unwrap_or_default();
        hex.split_whitespace().map(|word| u8::from_str_radix(word, 16).unwrap()).collect()
    };
    block.lines().flat_map(bytes).collect()
}

fn show(bytes: &[u8]) -> String {
    let line = |(number, line): (usize, &[u8])| {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:04x}  {}\n", number * 16, hex.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

fn segment() -> SegmentHeader {
    SegmentHeader {
        version: VERSION,
        database_id: 0x1122_3344_5566_7788,
        segment: 1,
        capacity: 16384,
        window: 8 << 20,
        resume: NO_RESUME,
    }
}

fn group() -> (IoBuf, GroupHeader) {
    let mut buf = IoBuf::zeroed(BLOCK);
    let entry = |kind, delta| EntryHeader { kind, continued: false, delta };
    let at = put_entry(&mut buf, GROUP_HEADER, entry(Kind::Control, 0), b"hi");
    let end = put_entry(&mut buf, at, entry(Kind::Commit, 2), b"abc");
    let header = GroupHeader {
        length: end as u32,
        generation: 1,
        sequence: 1,
        last: 2,
        entries: 2,
        ..GroupHeader::default()
    };
    header.finish(&mut buf);
    (buf, header)
}

#[test]
fn a_segment_header_has_the_documented_bytes() {
    let encoded = segment().encode();
    let expected = dump("segment");
    assert!(encoded[..60] == expected[..], "the code writes:\n{}", show(&encoded[..60]));
    assert!(encoded[60..].iter().all(|byte| *byte == 0));
    assert_eq!(SegmentHeader::decode(&encoded), Some(segment()));
}

#[test]
fn a_group_has_the_documented_bytes() {
    let (encoded, header) = group();
    let length = header.length as usize;
    let expected = dump("group");
    assert!(encoded[..length] == expected[..], "the code writes:\n{}", show(&encoded[..length]));
    assert_eq!((encoded.len(), encoded[length]), (BLOCK, 0));
    let (decoded, _) = GroupHeader::decode(&encoded).unwrap();
    assert_eq!(decoded, header);
    let first = entry_at(&encoded[..length], GROUP_HEADER).unwrap();
    let second = entry_at(&encoded[..length], first.payload.end).unwrap();
    assert_eq!((first.header.kind, &encoded[first.payload]), (Kind::Control, &b"hi"[..]));
    assert_eq!((second.header.delta, &encoded[second.payload]), (2, &b"abc"[..]));
    assert_eq!(entry_at(&encoded[..length], length), None);
}

#[test]
fn f2_every_flipped_bit_is_noticed() {
    let (mut encoded, header) = group();
    for bit in 0..header.length as usize * 8 {
        encoded[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(GroupHeader::decode(&encoded), None, "bit {bit}");
        encoded[bit / 8] ^= 1 << (bit % 8);
    }
    let mut encoded = segment().encode();
    for bit in 0..60 * 8 {
        encoded[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(SegmentHeader::decode(&encoded), None, "bit {bit}");
        encoded[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn f2_any_bytes_are_decoded_without_panic() {
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..10_000 {
        let mut bytes = vec![0; rng.usize(..200)];
        rng.fill(&mut bytes);
        if rng.bool() && bytes.len() >= 8 {
            bytes[..8].copy_from_slice(SEGMENT_MAGIC);
        } else if bytes.len() >= 4 {
            bytes[..4].copy_from_slice(GROUP_MAGIC);
        }
        assert_eq!(SegmentHeader::decode(&bytes), None);
        assert_eq!(GroupHeader::decode(&bytes), None);
        let _ = GroupHeader::claimed(&bytes, rng.u64(..), rng.u64(..));
        let _ = entry_at(&bytes, rng.usize(..300));
    }
}
