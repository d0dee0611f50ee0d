//! What the loom tests reach of this crate's insides: a face for each, and nothing of its own.
//!
//! Only there with `--cfg heddle_loom`.
#![allow(missing_docs, reason = "seen by the loom tests alone")]

use std::future::{Future, poll_fn};
use std::task::Poll;

use crate::Error;

/// See `bell.rs`.
#[derive(Debug, Default)]
pub struct Bell(crate::bell::Bell);

impl Bell {
    pub fn ring(&self) {
        self.0.ring();
    }

    /// Sleeps as the log's tasks do, until `work` says that there is some.
    pub async fn sleep_until(&self, work: impl Fn() -> bool) {
        poll_fn(|cx| {
            if work() {
                return Poll::Ready(());
            }
            self.0.arm(cx);
            if work() {
                self.0.disarm();
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

/// A question's two ends, see `bell.rs`.
pub fn reply() -> (impl FnOnce(Option<u32>) + Send, impl Future<Output = Option<u32>> + Send) {
    let (reply, answer) = crate::bell::reply();
    let respond = move |value: Option<u32>| match value {
        Some(value) => reply.send(value),
        None => drop(reply),
    };
    (respond, answer)
}

/// See `budget.rs`.
#[derive(Debug)]
pub struct Budget(crate::budget::Budget);

impl Budget {
    pub fn new(slots: usize) -> Self {
        Self(crate::budget::Budget::new(slots))
    }

    pub fn try_take(&self, blocks: u64) -> bool {
        self.0.try_take(blocks)
    }

    pub fn give(&self, slots: u64, blocks: u64) {
        self.0.give(slots, blocks);
    }

    pub fn fail_all(&self) {
        self.0.fail_all(&Error::Closed);
    }

    /// True if it was given, false if it was refused.
    pub async fn taken(&self, blocks: u64, refused: impl Fn() -> bool + Send) -> bool {
        self.0.taken(blocks, move || refused().then_some(Error::Closed)).await.is_ok()
    }
}
