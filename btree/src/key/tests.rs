//! Keys in the order of stock SQLite.

use super::*;
use crate::record;

fn shape(columns: &[(Collation, bool)]) -> KeyShape {
    let columns: Vec<_> = columns
        .iter()
        .map(|&(collation, descending)| KeyColumn { collation, descending })
        .collect();
    KeyShape::new(columns, Encoding::Utf8)
}

fn key(shape: &KeyShape, values: &[ValueRef<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_values(shape, values.iter().copied(), &mut out);
    out
}

/// Invariant 1 for numbers: every neighbour of every interesting number, in exact order.
#[test]
fn integers_and_reals_have_one_exact_order() {
    let ascending = [
        ValueRef::Real(f64::NEG_INFINITY),
        ValueRef::Real(-1e300),
        ValueRef::Real((i64::MIN as f64).next_down()),
        ValueRef::Integer(i64::MIN),
        ValueRef::Integer(i64::MIN + 1),
        ValueRef::Integer(-(1 << 53) - 1),
        ValueRef::Integer(-(1 << 53)),
        ValueRef::Integer(-(1 << 53) + 1),
        ValueRef::Real(-1.5),
        ValueRef::Integer(-1),
        ValueRef::Real(-f64::MIN_POSITIVE),
        ValueRef::Real(-5e-324),
        ValueRef::Integer(0),
        ValueRef::Real(5e-324),
        ValueRef::Integer(1),
        ValueRef::Real(1.0f64.next_up()),
        ValueRef::Integer((1 << 53) - 1),
        ValueRef::Integer(1 << 53),
        ValueRef::Integer((1 << 53) + 1),
        ValueRef::Real(((1u64 << 53) + 2) as f64),
        ValueRef::Integer((1 << 53) + 3),
        ValueRef::Integer(i64::MAX - 1024),
        ValueRef::Integer(i64::MAX - 1),
        ValueRef::Integer(i64::MAX),
        ValueRef::Real(i64::MAX as f64),
        ValueRef::Real(f64::INFINITY),
    ];
    for descending in [false, true] {
        let shape = shape(&[(Collation::Binary, descending)]);
        for pair in ascending.windows(2) {
            let order = key(&shape, &pair[..1]).cmp(&key(&shape, &pair[1..]));
            let expected = if descending { Ordering::Greater } else { Ordering::Less };
            assert_eq!(order, expected, "{pair:?}");
        }
    }
}

#[test]
fn equal_numbers_have_one_key() {
    let shape = shape(&[(Collation::Binary, false)]);
    let exact = [0, 1, -7, 1 << 53, -(1 << 53), 1 << 62, i64::MIN];
    for integer in exact {
        assert_eq!(
            key(&shape, &[ValueRef::Integer(integer)]),
            key(&shape, &[ValueRef::Real(integer as f64)]),
        );
    }
    assert_eq!(key(&shape, &[ValueRef::Real(-0.0)]), key(&shape, &[ValueRef::Integer(0)]));
}

#[test]
fn rowids_keep_their_order() {
    let ascending = [i64::MIN, -1, 0, 1, i64::MAX];
    for pair in ascending.windows(2) {
        assert!(encode_rowid(pair[0]) < encode_rowid(pair[1]));
    }
    for rowid in ascending {
        assert_eq!(decode_rowid(&encode_rowid(rowid)), Some(rowid));
    }
    assert_eq!(decode_rowid(b"short"), None);
}

#[test]
fn a_unique_key_ends_with_the_declared_columns_unless_one_is_null() {
    let asc = (Collation::Binary, false);
    let unique = shape(&[asc, asc, asc]).unique(2);
    let (a, b) = (ValueRef::Text(b"a"), ValueRef::Integer(5));
    assert_eq!(
        key(&unique, &[a, b, ValueRef::Integer(1)]),
        key(&unique, &[a, b, ValueRef::Integer(2)]),
    );
    assert!(
        key(&unique, &[a, ValueRef::Null, ValueRef::Integer(1)])
            < key(&unique, &[a, ValueRef::Null, ValueRef::Integer(2)])
    );
}

/// Invariant 2: a prefix's keys are exactly those from it to its successor.
#[test]
fn a_prefix_and_its_successor_enclose_its_keys() {
    for descending in [false, true] {
        let shape = shape(&[(Collation::Binary, descending), (Collation::Binary, false)]);
        let prefix = key(&shape, &[ValueRef::Text(b"ab")]);
        let mut end = prefix.clone();
        assert!(prefix_successor(&mut end));
        for (first, inside) in [("ab", true), ("a", false), ("ab\0", false), ("abc", false)] {
            let whole = key(&shape, &[ValueRef::Text(first.as_bytes()), ValueRef::Integer(3)]);
            assert_eq!(whole >= prefix && whole < end, inside, "{first:?}");
        }
    }
    assert!(!prefix_successor(&mut vec![0xff, 0xff]));
    assert!(!prefix_successor(&mut Vec::new()));
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Owned {
        Null,
        Integer(i64),
        Real(f64),
        Text(Vec<u8>),
        Blob(Vec<u8>),
    }

    impl Owned {
        fn value(&self) -> ValueRef<'_> {
            match self {
                Owned::Null => ValueRef::Null,
                Owned::Integer(v) => ValueRef::Integer(*v),
                Owned::Real(v) => ValueRef::Real(*v),
                Owned::Text(v) => ValueRef::Text(v),
                Owned::Blob(v) => ValueRef::Blob(v),
            }
        }
    }

    fn owned() -> impl Strategy<Value = Owned> {
        let bytes = || {
            proptest::collection::vec(
                prop_oneof![Just(0), Just(b' '), Just(b'a'), any::<u8>()],
                0..6,
            )
        };
        prop_oneof![
            Just(Owned::Null),
            prop_oneof![-3i64..3, any::<i64>()].prop_map(Owned::Integer),
            prop_oneof![(-3i32..3).prop_map(f64::from), any::<f64>()].prop_map(Owned::Real),
            bytes().prop_map(Owned::Text),
            bytes().prop_map(Owned::Blob),
        ]
    }

    fn column() -> impl Strategy<Value = (Collation, bool)> {
        let collation =
            prop_oneof![Just(Collation::Binary), Just(Collation::NoCase), Just(Collation::RTrim)];
        (collation, any::<bool>())
    }

    proptest! {
        /// Invariant 3: also for the local part of a record, if that says anything.
        #[test]
        fn comparing_a_record_is_comparing_its_key(
            columns in proptest::collection::vec(column(), 1..4),
            unique in any::<Option<usize>>(),
            left in proptest::collection::vec(owned(), 3),
            right in proptest::collection::vec(owned(), 1..4),
            cut in any::<usize>(),
        ) {
            let mut shape = shape(&columns);
            if let Some(n) = unique {
                shape = shape.unique(n % 4);
            }
            let mut bytes = Vec::new();
            record::encode(left.iter().map(Owned::value), &mut bytes).unwrap();
            let whole = Record::parse(&bytes).unwrap();
            let mut ours = Vec::new();
            encode_record(&shape, &whole, &mut ours).unwrap();
            prop_assert_eq!(&ours, &key(&shape, &left.iter().map(Owned::value).collect::<Vec<_>>()));
            let mut theirs = key(&shape, &right.iter().map(Owned::value).collect::<Vec<_>>());
            prop_assert_eq!(compare_record(&shape, &whole, &theirs), Ok(ours.cmp(&theirs)));
            theirs.truncate(cut % (theirs.len() + 1));
            prop_assert_eq!(compare_record(&shape, &whole, &theirs), Ok(ours.cmp(&theirs)));
            let local = Record::parse_local(&bytes[..cut % bytes.len()], bytes.len() as u64);
            match local.and_then(|local| compare_record(&shape, &local, &theirs)) {
                Ok(order) => prop_assert_eq!(order, ours.cmp(&theirs)),
                Err(e) => prop_assert_eq!(e, RecordError::NotLocal),
            }
        }
    }
}
