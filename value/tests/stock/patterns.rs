//! LIKE and GLOB.

use super::*;
use heddle_value::LikePattern;
use proptest::prelude::*;

fn agree(stock: &Stock, pattern: &[u8], text: &[u8]) -> Result<(), TestCaseError> {
    let (p, t) = (Value::text(pattern), Value::text(text));
    let row = stock.row(
        "SELECT ?2 LIKE ?1, ?2 LIKE ?1 ESCAPE '\\', ?2 GLOB ?1, ?2 LIKE ?1 ESCAPE '%'",
        &[&p, &t],
    );
    let ours = [
        LikePattern::like(pattern, None, false).matches(text),
        LikePattern::like(pattern, Some(u32::from(b'\\')), false).matches(text),
        LikePattern::glob(pattern).matches(text),
        LikePattern::like(pattern, Some(u32::from(b'%')), false).matches(text),
    ];
    for (ours, theirs) in ours.iter().zip(&row) {
        prop_assert_eq!(&Value::from(*ours), theirs, "{:?} {:?} {:?}", p, t, row);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn patterns_match_what_stocks_match(
        pattern in proptest::collection::vec(prop::sample::select(b"aAb%_*?[]^-\\\xc3\xa9\xff\x00".to_vec()), 0..9),
        text in proptest::collection::vec(prop::sample::select(b"aAbB%_-]^\\\xc3\xa9\x89\xff\x00".to_vec()), 0..9),
    ) {
        thread_local!(static STOCK: Stock = Stock::new());
        STOCK.with(|stock| agree(stock, &pattern, &text))?;
    }
}

#[test]
fn the_last_numbers_of_a_plane_are_characters() {
    let stock = Stock::new();
    let [last, before, none] = [b"\xef\xbf\xbf", b"\xef\xbf\xbe", b"\xef\xbf\xbd"];
    for pattern in [last, before, none] {
        for text in [last, before, none] {
            agree(&stock, pattern, text).unwrap();
        }
    }
}
