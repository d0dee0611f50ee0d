//! The workshop: `cargo xtask`.
fn main() {}
