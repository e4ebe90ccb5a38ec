//! Requests of one stream that carry an id of a request which still runs: each gets its own answer, under the id that it came with.
//!
//! Takes: a transport. Gives: the same, whose ids are each in use once. May name: nothing.
//!
//! A client must not use an id again (2025-11-25, base protocol, Requests). One that does would get the answer of one of them and
//! end the other by it, so here the later one goes by a name of our own on the way in and by the client's on the way out.

use rmcp::model::{ClientNotification, JsonRpcMessage, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use std::collections::{HashMap, HashSet, VecDeque};

/// Ids of cancelled requests that are remembered: their answers are never sent, so nobody says when they have ended.
const CANCELLED: usize = 1024;

/// A transport whose ids are each in use once.
pub(super) struct Ids<T> {
    inner: T,
    names: Names,
    /// Cancellations of requests that go by a name of ours.
    pending: VecDeque<RxJsonRpcMessage<RoleServer>>,
}

/// Which ids are in use.
#[derive(Default)]
struct Names {
    running: HashSet<RequestId>,
    /// By the name of ours, the client's.
    ours: HashMap<RequestId, RequestId>,
    cancelled: VecDeque<RequestId>,
    next: u64,
}

impl Names {
    /// The id by which a request goes here.
    fn begin(&mut self, id: RequestId) -> RequestId {
        if self.running.insert(id.clone()) {
            return id;
        }
        loop {
            self.next = self.next.wrapping_add(1);
            let name = RequestId::String(format!("strongroom-{}", self.next).into());
            if self.running.insert(name.clone()) {
                self.ours.insert(name.clone(), id);
                return name;
            }
        }
    }

    /// The id by which an answer goes out; its request has ended.
    fn end(&mut self, id: RequestId) -> RequestId {
        self.running.remove(&id);
        self.ours.remove(&id).unwrap_or(id)
    }

    /// A client's id is cancelled: gives the names of ours that mean the same.
    fn cancel(&mut self, id: &RequestId) -> Vec<RequestId> {
        let ours: Vec<_> =
            self.ours.iter().filter(|(_, theirs)| *theirs == id).map(|(name, _)| name.clone()).collect();
        for gone in ours.iter().chain([id]) {
            if self.running.contains(gone) {
                self.cancelled.push_back(gone.clone());
            }
        }
        while self.cancelled.len() > CANCELLED {
            let Some(oldest) = self.cancelled.pop_front() else { break };
            self.end(oldest);
        }
        ours
    }
}

impl<T> Ids<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, names: Names::default(), pending: VecDeque::new() }
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Ids<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        mut item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        match &mut item {
            JsonRpcMessage::Response(answer) => answer.id = self.names.end(answer.id.clone()),
            JsonRpcMessage::Error(error) => error.id = error.id.take().map(|id| self.names.end(id)),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => {}
        }
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        if let Some(message) = self.pending.pop_front() {
            return Some(message);
        }
        let mut message = self.inner.receive().await?;
        match &mut message {
            JsonRpcMessage::Request(request) => request.id = self.names.begin(request.id.clone()),
            JsonRpcMessage::Notification(told) => {
                if let ClientNotification::CancelledNotification(cancelled) = &told.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    for name in self.names.cancel(id) {
                        let mut same = told.clone();
                        if let ClientNotification::CancelledNotification(cancelled) = &mut same.notification {
                            cancelled.params.request_id = Some(name);
                        }
                        self.pending.push_back(JsonRpcMessage::Notification(same));
                    }
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        Some(message)
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(id: i64) -> RequestId {
        RequestId::Number(id)
    }

    #[test]
    fn an_id_is_in_use_once_and_goes_back_as_it_came() {
        let mut names = Names::default();
        assert_eq!(names.begin(number(7)), number(7));
        let twins = [names.begin(number(7)), names.begin(number(7))];
        assert_ne!(twins[0], twins[1]);
        // Whoever uses a name of ours meets no request of another's.
        let theirs = RequestId::String("strongroom-3".into());
        assert_eq!(names.begin(theirs.clone()), theirs);
        let fourth = names.begin(number(7));
        assert_eq!(fourth, RequestId::String("strongroom-4".into()));
        assert_eq!(names.end(theirs.clone()), theirs);
        for twin in twins.into_iter().chain([number(7), fourth]) {
            assert_eq!(names.end(twin), number(7));
        }
        assert_eq!(names.begin(number(7)), number(7));
    }

    #[test]
    fn a_cancelled_id_ends_all_that_came_with_it_and_is_remembered_for_a_while() {
        let mut names = Names::default();
        names.begin(number(7));
        let twin = names.begin(number(7));
        assert_eq!(names.cancel(&number(7)), [twin]);
        assert_eq!(names.cancel(&number(8)), []);
        // Its answer may still be under way, and is not taken for another one's.
        assert_ne!(names.begin(number(7)), number(7));
        for id in 100..2000 {
            names.begin(number(id));
            names.cancel(&number(id));
        }
        assert!(names.cancelled.len() <= CANCELLED && names.running.len() <= CANCELLED + 2);
    }
}
