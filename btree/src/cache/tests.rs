//! Tests of the cache by itself.

use super::*;
use crate::page::PageBuf;

const SIZE: usize = 4096;

fn image(mark: u8) -> Page {
    let mut page = PageBuf::zeroed(SIZE);
    page[0] = mark;
    page.freeze()
}

fn cache(pages: usize) -> PageCache {
    PageCache::new(pages * cost(SIZE), SIZE)
}

fn mark(cache: &PageCache, page: u32, at: u64) -> Option<u8> {
    cache.get(PageNo(page), at, &crossbeam_epoch::pin()).map(|bytes| bytes[0])
}

#[test]
fn each_state_sees_its_own_image() {
    let cache = cache(10);
    cache.insert(PageNo(7), 3, PageCache::OPEN, image(1));
    assert_eq!(
        (mark(&cache, 7, 2), mark(&cache, 7, 3), mark(&cache, 7, 9)),
        (None, Some(1), Some(1))
    );
    cache.insert(PageNo(7), 2, PageCache::OPEN, image(1));
    assert_eq!((mark(&cache, 7, 2), cache.stats().images), (Some(1), 1), "one version, kept once");
    cache.replace([(PageNo(7), Some(image(2)))], 5, 2);
    assert_eq!((mark(&cache, 7, 4), mark(&cache, 7, 5)), (Some(1), Some(2)));
    cache.insert(PageNo(7), 4, 5, image(1));
    assert_eq!(cache.stats().images, 2);
    cache.replace([(PageNo(7), None)], 6, 6);
    assert_eq!((mark(&cache, 7, 4), mark(&cache, 7, 5), mark(&cache, 7, 6)), (None, None, None));
    assert_eq!((cache.stats().images, cache.stats().bytes), (0, 0));
}

#[test]
fn i2_the_budget_holds_and_a_scan_displaces_nothing_in_use() {
    let cache = cache(100);
    // Twenty pages in steady use, while ten thousand others pass by, each touched many times in a row.
    for round in 0..10_000_u32 {
        let hot = round % 20 + 1;
        if mark(&cache, hot, 1).is_none() {
            cache.insert(PageNo(hot), 1, PageCache::OPEN, image(1));
        }
        let scanned = 1000 + round;
        cache.insert(PageNo(scanned), 1, PageCache::OPEN, image(2));
        for _ in 0..50 {
            mark(&cache, scanned, 1);
        }
        assert!(cache.stats().bytes <= cache.budget);
    }
    let kept = (1..=20).filter(|&page| mark(&cache, page, 1).is_some()).count();
    assert_eq!(kept, 20);
    let policy = cache.policy.lock();
    let names = policy.small.names.len() + policy.main.names.len();
    assert!(names <= 400, "{names} names of at most 100 images");
}

#[test]
fn a_cache_without_room_keeps_nothing() {
    let cache = PageCache::new(0, SIZE);
    cache.insert(PageNo(1), 1, PageCache::OPEN, image(1));
    cache.replace([(PageNo(2), Some(image(1)))], 2, 1);
    assert_eq!(cache.stats().bytes, 0);
}

#[test]
fn versions_that_nobody_reads_do_not_pile_up() {
    let cache = cache(100);
    for generation in 2..5000 {
        cache.replace([(PageNo(1), Some(image(1)))], generation, generation - 1);
    }
    assert!(cache.stats().images <= 2);
    assert!(cache.policy.lock().small.names.len() <= 200);
}

#[test]
fn i3_what_is_lent_outlives_its_eviction() {
    let cache = cache(2);
    cache.insert(PageNo(1), 1, PageCache::OPEN, image(9));
    let guard = crossbeam_epoch::pin();
    let lent = cache.get(PageNo(1), 1, &guard).unwrap();
    for page in 2..100 {
        cache.insert(PageNo(page), 1, PageCache::OPEN, image(1));
    }
    assert_eq!((lent[0], mark(&cache, 1, 1)), (9, None));
}
