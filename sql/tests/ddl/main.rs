//! Changes of the schema, beside stock SQLite: the same statements, the same words, the same `sqlite_schema`, and a file that
//! stock finds sound.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod alter;
mod analyze;
mod create;
mod drop;
mod pair;

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(future)
}
