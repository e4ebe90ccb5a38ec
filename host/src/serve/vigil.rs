//! Answers that go on end when the credential does by which they were asked for.
//!
//! Takes: what a request has shown. Gives: [`Vigil`]. May name: identify, reason, room, serve.
//!
//! A key, token or certificate that ends or is revoked, a role or a tenant that changes, an actor who is stopped: whatever would refuse
//! the next request ends the stream, within a few seconds.

use super::credential::Kept;
use crate::identify::{Caller, Standing};
use crate::reason::Reason;
use crate::room::Strongroom;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often it is asked.
const LOOK: Duration = Duration::from_secs(2);

/// Who hears a stream, and by what.
pub(super) struct Vigil {
    room: Strongroom,
    kept: Arc<Kept>,
    who: Standing,
    looks: Interval,
    due: bool,
}

impl Vigil {
    pub(super) fn of(room: &Strongroom, kept: Arc<Kept>, caller: &Caller) -> Self {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { room: room.clone(), kept, who: caller.standing(), looks, due: false }
    }

    /// Waits until the credential stands for its caller no more, and says why: the reason by which the next request is refused. It
    /// may be dropped and asked again.
    pub(super) async fn ended(&mut self) -> Reason {
        loop {
            if !self.due {
                self.looks.tick().await;
                self.due = true;
            }
            if let Some(reason) = self.kept.lapsed(&self.room, &self.who).await {
                return reason;
            }
            self.due = false;
        }
    }
}
