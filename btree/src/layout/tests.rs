//! Pages of hostile bytes, and what the format says of lengths.

use proptest::prelude::*;

use super::*;

/// A leaf of a table tree with a two-byte record for each rowid.
fn leaf(rowids: &[i64]) -> Vec<u8> {
    let mut image = vec![0; 4096];
    image[0] = PageKind::TableLeaf as u8;
    image[3..5].copy_from_slice(&(rowids.len() as u16).to_be_bytes());
    let mut at = image.len();
    for (i, &rowid) in rowids.iter().enumerate() {
        let mut cell = vec![2];
        varint::push(rowid as u64, &mut cell);
        cell.extend([2, 0]);
        at -= cell.len();
        image[at..at + cell.len()].copy_from_slice(&cell);
        image[8 + 2 * i..10 + 2 * i].copy_from_slice(&(at as u16).to_be_bytes());
    }
    image
}

#[test]
fn local_lengths_are_those_of_the_format() {
    // From the format's description, for 4096 usable bytes: X is 4061 and 1002, M is 489.
    assert_eq!(PageKind::TableLeaf.local_len(4096, 4061), 4061);
    assert_eq!(PageKind::TableLeaf.local_len(4096, 4062), 489);
    assert_eq!(PageKind::TableLeaf.local_len(4096, 489 + 4092 + 50), 539);
    assert_eq!(PageKind::IndexLeaf.local_len(4096, 1002), 1002);
    assert_eq!(PageKind::IndexLeaf.local_len(4096, 1003), 489);
    assert_eq!(PageKind::IndexInterior.local_len(4096, 489 + 4092 + 100), 589);
}

#[test]
fn freeblocks_that_go_back_end_the_walk() {
    let mut image = leaf(&[1]);
    image[1..3].copy_from_slice(&100u16.to_be_bytes());
    image[100..104].copy_from_slice(&[0, 100, 0, 8]);
    let view = PageView::parse(PageNo(2), &image, 4096).expect("a leaf");
    let blocks: Vec<_> = view.freeblocks().collect();
    assert_eq!(blocks[0], Ok((100, 8)));
    assert!(blocks[1].is_err() && blocks.len() == 2);
}

proptest! {
    /// Interpolation, doubling steps and bisection find what a linear search finds, whatever
    /// the parent says about the range.
    #[test]
    fn a_rowid_is_found_where_it_is(
        mut rowids in prop_oneof![
            proptest::collection::vec(-50i64..200, 0..80),
            proptest::collection::vec(any::<i64>(), 0..80),
        ],
        wanted in prop_oneof![-60i64..210, any::<i64>()],
        pick in any::<usize>(),
        range in any::<Option<(i64, i64)>>(),
    ) {
        rowids.sort_unstable();
        rowids.dedup();
        let image = leaf(&rowids);
        let view = PageView::parse(PageNo(2), &image, 4096).unwrap();
        let bounds = match (rowids.first(), rowids.last()) {
            (Some(&first), Some(&last)) => (first.saturating_sub(1), last),
            _ => (0, 0),
        };
        let picked = rowids.get(pick % rowids.len().max(1)).copied().unwrap_or(0);
        for target in [wanted, picked] {
            for range in [(i64::MIN, i64::MAX), bounds, range.unwrap_or(bounds)] {
                let found = view.search_rowid(target, range).unwrap();
                prop_assert_eq!(found, rowids.binary_search(&target), "{} in {:?}", target, range);
            }
        }
    }

    /// Invariant 2: no bytes make a method panic, and what a cell names lies within the page.
    #[test]
    fn no_bytes_panic(
        kind in proptest::sample::select(vec![2u8, 5, 10, 13]),
        cells in 0u16..20,
        fill in proptest::collection::vec(any::<u8>(), 512),
        page in 1u32..3,
        reserved in 0usize..=32,
    ) {
        let mut image = fill;
        let start = if page == 1 { 100 } else { 0 };
        image[start] = kind;
        image[start + 3..start + 5].copy_from_slice(&cells.to_be_bytes());
        let usable = image.len() - reserved;
        let Ok(view) = PageView::parse(PageNo(page), &image, usable) else { return Ok(()) };
        for i in 0..=view.cell_count() {
            let _ = view.child(i);
            let _ = view.rowid(i);
            let row = view.row(i);
            let _ = view.payload(i);
            // The short way to a row finds what the other finds, and nothing else.
            let local = row.ok().filter(|(_, payload)| {
                view.kind() == PageKind::TableLeaf && payload.overflow.is_none()
            });
            let short = view.header().usual_row(&image, i).map(|(rowid, at, len)| {
                (rowid, &image[at as usize..(at + len) as usize])
            });
            prop_assert_eq!(short, local.map(|(rowid, payload)| (rowid, payload.local)));
            if let Ok(cell) = view.cell(i) {
                prop_assert!(cell.offset >= start + 8 && cell.offset + cell.size <= usable);
            }
        }
        let _ = view.search_rowid(7, (0, 9));
        prop_assert!(view.freeblocks().count() <= usable / 4 + 1);
        let _ = (view.content_start(), view.fragmented_bytes());
    }
}
