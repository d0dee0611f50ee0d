//! libFuzzer's way into the target of that name.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| heddle_fuzz::targets::redo(bytes));
