//! Orders are carried out to their end, also when their client goes away: what was begun is made whole, and written down.
//!
//! Takes: the work of a request. Gives: its answer, to whoever still waits. May name: reason, serve.

use crate::reason::Reason;
use crate::serve::http::Problem;
use crate::serve::report;
use axum::response::Response;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// The orders that are being carried out. Clones are handles to the same ones; with the last, those that still run break off.
#[derive(Clone, Default)]
pub(in crate::serve) struct Orders(Arc<Mutex<JoinSet<()>>>);

impl Orders {
    /// Carries one out, and waits for it.
    pub(super) async fn carry_out(&self, work: impl Future<Output = Response> + Send + 'static) -> Response {
        let (tell, told) = oneshot::channel();
        {
            let mut tasks = self.0.lock();
            while let Some(ended) = tasks.try_join_next() {
                report(ended);
            }
            // Nobody may wait any more, and that is what this is for.
            tasks.spawn(async move { drop(tell.send(work.await)) });
        }
        let broke_off = "the order broke off; the audit log says how far it came";
        told.await.unwrap_or_else(|_| Problem::new(Reason::OutcomeUnknown, broke_off).into())
    }

    /// Waits until those that run have ended. No other may begin meanwhile.
    pub(in crate::serve) async fn ended(&self) {
        let mut tasks = std::mem::take(&mut *self.0.lock());
        while let Some(ended) = tasks.join_next().await {
            report(ended);
        }
    }
}
