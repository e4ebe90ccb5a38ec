//! A tool's reports of how far it is, to the client that asked for them: as many as it can take, and never at the call's cost.
//!
//! Takes: a call and its reports. Gives: the call's outcome, after the last report was told. May name: imports.

use super::beside::beside;
use crate::imports::Progress;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RoleServer};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;

/// Reports that wait; a tool that reports faster than they are taken loses some.
pub(super) const WAITING: usize = 16;
/// Least time between two reports to a client; of those in between the latest counts.
const PACE: Duration = Duration::from_millis(50);

/// Where reports go.
pub(super) struct Listener {
    pub(super) peer: Peer<RoleServer>,
    pub(super) token: ProgressToken,
}

/// Runs the call to its end, and tells its reports meanwhile.
pub(super) async fn alongside<T>(
    call: impl Future<Output = T>,
    reports: Receiver<Progress>,
    listener: Listener,
) -> T {
    beside(call, paced(reports, listener)).await
}

/// Takes reports; says whether it takes more.
trait Hears: Send {
    fn hear(&mut self, report: Progress) -> impl Future<Output = bool> + Send;
}

impl Hears for Listener {
    async fn hear(&mut self, report: Progress) -> bool {
        let Progress { done, total, message } = report;
        let mut told = ProgressNotificationParam::new(self.token.clone(), number(done));
        told.total = total.map(number);
        told.message = Some(message).filter(|message| !message.is_empty());
        self.peer.notify_progress(told).await.is_ok()
    }
}

/// JSON's numbers are these; beyond 2^53 a report is exact enough.
fn number(count: u64) -> f64 {
    count as f64
}

/// Tells reports one after another, at most one in [`PACE`], until there are no more or nobody listens. Each is further than
/// the one before, as the protocol asks.
async fn paced(mut reports: Receiver<Progress>, mut listener: impl Hears) {
    let mut told = None;
    while let Some(mut report) = reports.recv().await {
        if told.is_some() {
            let mut pause = pin!(sleep(PACE));
            loop {
                tokio::select! {
                    biased;
                    newer = reports.recv() => match newer {
                        Some(newer) => report = newer,
                        None => break,
                    },
                    () = &mut pause => break,
                }
            }
        }
        if told.is_some_and(|told| report.done <= told) {
            continue;
        }
        told = Some(report.done);
        if !listener.hear(report).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    fn report(done: u64) -> Progress {
        Progress { done, total: Some(100), message: String::new() }
    }

    struct Notes(mpsc::UnboundedSender<u64>);

    impl Hears for Notes {
        async fn hear(&mut self, report: Progress) -> bool {
            self.0.send(report.done).is_ok()
        }
    }

    async fn told(reports: &[u64]) -> Vec<u64> {
        let (sender, receiver) = mpsc::channel(WAITING);
        for done in reports {
            sender.try_send(report(*done)).unwrap();
        }
        drop(sender);
        let (notes, mut told) = mpsc::unbounded_channel();
        paced(receiver, Notes(notes)).await;
        let mut all = Vec::new();
        while let Some(done) = told.recv().await {
            all.push(done);
        }
        all
    }

    #[tokio::test]
    async fn the_first_and_the_last_are_told_and_of_a_flood_no_more() {
        assert_eq!(told(&[1, 2, 3, 4, 100]).await, [1, 100]);
        assert_eq!(told(&[5]).await, [5]);
        assert_eq!(told(&[]).await, [] as [u64; 0]);
    }

    #[tokio::test]
    async fn what_is_no_further_is_not_told_again() {
        assert_eq!(told(&[7, 7, 7]).await, [7]);
    }
}
