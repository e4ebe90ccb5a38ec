//! What is told of a call while it runs: it ends with the call, and costs the call nothing but a moment for the last of it.
//!
//! Takes: a call, and something that tells until there is no more to tell. Gives: the call's outcome. May name: nothing.

use futures::FutureExt as _;
use futures::future::FusedFuture as _;
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// How long a call that has ended waits for a client to take the last that is told.
const LAST: Duration = Duration::from_secs(1);

/// Runs the call to its end, and tells meanwhile.
pub(super) async fn beside<T>(call: impl Future<Output = T>, telling: impl Future<Output = ()>) -> T {
    let mut call = pin!(call);
    let mut telling = pin!(telling.fuse());
    let done = loop {
        tokio::select! {
            biased;
            done = &mut call => break done,
            () = &mut telling, if !telling.is_terminated() => {}
        }
    };
    if !telling.is_terminated() {
        // What is told ends with the call; what nobody takes in time is lost.
        drop(timeout(LAST, telling).await);
    }
    done
}
