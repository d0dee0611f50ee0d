//! The codec: golden bytes, round trips, hostile bytes.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;

type Model = BTreeMap<(u32, Vec<u8>), (Option<Vec<u8>>, Option<Option<Vec<u8>>>)>;

fn encode(runs: &[Vec<u8>], model: &Model) -> Vec<u8> {
    let mut out = vec![9; 3];
    let mut encoder = Encoder::new(&mut out);
    for run in runs {
        encoder.run(run);
    }
    for ((tree, key), (value, old)) in model {
        let old = match old {
            None => Old::Unrecorded,
            Some(None) => Old::Absent,
            Some(Some(old)) => Old::Value(old),
        };
        encoder.change(Change { tree: TreeId(*tree), key, value: value.as_deref(), old });
    }
    out
}

fn items(bytes: &[u8]) -> Result<Vec<Item<'_>>, DecodeError> {
    match decode(bytes)? {
        Record::Commit(items) => items.collect(),
        Record::Control(_) => Ok(Vec::new()),
    }
}

#[test]
fn golden_bytes() {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out);
    encoder.run(b"r7");
    encoder.change(Change {
        tree: TreeId(300),
        key: b"a",
        value: Some(b"xy"),
        old: Old::Unrecorded,
    });
    encoder.change(Change { tree: TreeId(300), key: b"b", value: None, old: Old::Value(b"z") });
    encoder.change(Change { tree: TreeId(301), key: b"", value: Some(b""), old: Old::Absent });
    let golden = [
        1, 1, 16, 2, b'r', b'7', 9, 0xac, 2, 1, b'a', 2, b'x', b'y', 6, 1, b'b', 1, b'z', 11, 0xad,
        2, 0, 0,
    ];
    assert_eq!(out, golden);
    let done = Control {
        stage: Stage::Done,
        cut: Timestamp(200),
        counter: 5,
        previous: 4,
        write_version: 2,
        next_tree: TreeId(3),
        trees: vec![(TreeId(1), PageNo(1)), (TreeId(2), PageNo(9))],
    };
    assert_eq!(done.encode(), [1, 2, 3, 2, 0xc8, 1, 5, 4, 3, 2, 1, 1, 2, 9]);
}

#[test]
fn r1_disorder_is_refused() {
    for (bad, reason) in [
        (&[1, 1, 9, 5, 1, b'b', 0, 1, 1, b'a', 0][..], "keys do not ascend"),
        (&[1, 1, 9, 5, 1, b'b', 0, 1, 1, b'b', 0], "keys do not ascend"),
        (&[1, 1, 9, 5, 0, 0, 9, 5, 1, b'b', 0], "trees do not ascend"),
        (&[1, 1, 1, 1, b'b', 0], "trees do not ascend"),
        (&[1, 1, 9, 5, 0, 0, 16, 0], "unknown flags"),
        (&[1, 1, 12, 5, 0, 0], "unknown flags"),
        (&[2, 1], "unknown version"),
        (&[1, 3], "unknown kind"),
        (&[1, 2, 9], "unknown control"),
        (&[1, 2, 3, 1, 1, 1, 1, 1, 0, 0], "bytes after the end"),
        (&[1, 2, 2, 1, 1, 1, 1, 9, 0xff, 0xff, 0xff, 0x7f], "more trees than bytes"),
        (&[1], "ends early"),
    ] {
        assert_eq!(items(bad).map_err(|error| error.reason), Err(reason), "{bad:?}");
    }
}

fn model() -> impl Strategy<Value = Model> {
    let key = (0u32..4, vec(any::<u8>(), 0..6));
    let bytes = || proptest::option::of(vec(any::<u8>(), 0..200));
    btree_map(key, (bytes(), proptest::option::of(bytes())), 0..20)
}

fn control() -> impl Strategy<Value = Control> {
    let stage = prop_oneof![Just(Stage::Begin), Just(Stage::Intent), Just(Stage::Done)];
    let numbers = (any::<u64>(), any::<u32>(), any::<u32>(), any::<u8>());
    (numbers, btree_map(0u32..1000, any::<u32>(), 0..20), stage).prop_map(
        |((cut, counter, previous, write_version), trees, stage)| {
            let trees =
                trees.into_iter().map(|(tree, root)| (TreeId(tree), PageNo(root))).collect();
            let (cut, next_tree) = (Timestamp(cut), TreeId(1000));
            Control { stage, cut, counter, previous, write_version, next_tree, trees }
        },
    )
}

proptest! {
    #[test]
    fn commits_round_trip(runs in vec(vec(any::<u8>(), 0..9), 0..3), model in model()) {
        let bytes = encode(&runs, &model);
        let mut decoded = items(&bytes).unwrap().into_iter();
        for run in &runs {
            prop_assert_eq!(decoded.next(), Some(Item::Run(run)));
        }
        let mut seen = Model::new();
        let mut bound = HEADER_BYTES;
        for item in decoded {
            let Item::Change(change) = item else { panic!("a run after changes") };
            let old = match change.old {
                Old::Unrecorded => None,
                Old::Absent => Some(None),
                Old::Value(old) => Some(Some(old.to_vec())),
            };
            let old_len = old.iter().flatten().map(Vec::len).sum();
            bound += change_bound(change.key.len(), change.value.map_or(0, <[u8]>::len), old_len);
            seen.insert(
                (change.tree.get(), change.key.to_vec()),
                (change.value.map(<[u8]>::to_vec), old),
            );
        }
        prop_assert_eq!(&seen, &model);
        prop_assert!(!runs.is_empty() || bytes.len() <= bound);
    }

    #[test]
    fn controls_round_trip(control in control()) {
        let bytes = control.encode();
        prop_assert_eq!(decode(&bytes), Ok(Record::Control(control)));
        for cut in 0..bytes.len() {
            prop_assert!(decode(&bytes[..cut]).is_err());
        }
    }

    /// What decodes is canonical: writing it again gives the same bytes.
    #[test]
    fn hostile_bytes_are_refused_or_canonical(
        mut bytes in vec(prop_oneof![any::<u8>(), 0u8..20], 0..60),
        commit: bool,
    ) {
        bytes.splice(0..0, [1, if commit { 1 } else { 2 }]);
        let Ok(record) = decode(&bytes) else { return Ok(()) };
        let again = match record {
            Record::Control(control) => control.encode(),
            Record::Commit(items) => {
                let Ok(items) = items.collect::<Result<Vec<_>, _>>() else { return Ok(()) };
                let mut again = Vec::new();
                let mut encoder = Encoder::new(&mut again);
                for item in items {
                    match item {
                        Item::Run(name) => encoder.run(name),
                        Item::Change(change) => encoder.change(change),
                    }
                }
                again
            }
        };
        prop_assert_eq!(again, bytes);
    }

    /// One flipped bit in a good record never panics.
    #[test]
    fn damage_is_survived(model in model(), at: prop::sample::Index, bit in 0u8..8) {
        let mut bytes = encode(&[b"run".to_vec()], &model);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let _ = items(&bytes);
    }
}
