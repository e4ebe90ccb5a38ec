//! `notifications/tools/list_changed`, those of resources and prompts, and `notifications/resources/updated`: when what a
//! subscriber may call, or where a resource comes from, is not what it was.
//!
//! Takes: an open subscription (protocol 2026-07-28, `subscriptions/listen`), or a session that follows resources. Gives:
//! notifications until it ends. May name: id, identify, reason, room, serve.
//!
//! The list is made anew as the subscriber at each change of tools or settings, so that nobody hears of what changed for
//! others, and a credential that has ended hears nothing more. A resource is updated when the tool that gives it was replaced.

use super::answer;
use super::door::Door;
use super::sessions::Session;
use super::surface::Surface;
use crate::id::{Digest, FunctionName};
use crate::identify::Caller;
use crate::reason::Reason;
use crate::room::{Listed, Strongroom};
use crate::serve::streams;
use rmcp::ErrorData;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::{Peer, RoleServer, SubscriptionContext};
use std::sync::Arc;
use std::time::Duration;

/// How long a subscription lasts; its client comes again.
const LASTS: Duration = Duration::from_secs(900);
/// Changes that follow one another this quickly are one.
const QUIET: Duration = Duration::from_millis(50);

/// Who is told.
trait Hears {
    /// The resources that it follows at the moment.
    fn followed(&self) -> Vec<String>;
    /// Tells that the lists changed; says whether somebody still listens.
    async fn lists(&self) -> bool;
    /// Tells that a resource changed; says whether somebody still listens.
    async fn updated(&self, uri: &str) -> bool;
}

impl Hears for &SubscriptionContext {
    fn followed(&self) -> Vec<String> {
        self.accepted().resource_subscriptions.clone().unwrap_or_default()
    }

    async fn lists(&self) -> bool {
        let (sink, accepted) = (self.sink(), self.accepted());
        let asked = |wanted: Option<bool>| wanted == Some(true);
        (!asked(accepted.tools_list_changed) || sink.notify_tool_list_changed().await.is_ok())
            && (!asked(accepted.resources_list_changed) || sink.notify_resource_list_changed().await.is_ok())
            && (!asked(accepted.prompts_list_changed) || sink.notify_prompt_list_changed().await.is_ok())
    }

    async fn updated(&self, uri: &str) -> bool {
        self.sink().notify_resource_updated(uri).await.is_ok()
    }
}

impl Hears for (&Session, &Peer<RoleServer>) {
    fn followed(&self) -> Vec<String> {
        self.0.followed.lock().iter().cloned().collect()
    }

    async fn lists(&self) -> bool {
        self.1.notify_tool_list_changed().await.is_ok()
            && self.1.notify_resource_list_changed().await.is_ok()
            && self.1.notify_prompt_list_changed().await.is_ok()
    }

    async fn updated(&self, uri: &str) -> bool {
        self.1.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await.is_ok()
    }
}

/// Tells a subscription until it ends.
pub(super) async fn tell(surface: &Surface, context: &SubscriptionContext) -> Result<(), ErrorData> {
    let entry = surface.entry(&context.request_context().extensions)?;
    let caller = surface.enter(&entry).await?;
    let place = match &surface.streams {
        None => None,
        Some(streams) => match streams.enter(caller.tenant()) {
            Some(place) => Some(place),
            None => {
                let what = "this tenant, or the host, has as many streams open as it may";
                let refused = surface.room.refuse(caller, "/mcp", Reason::Overloaded, what).await;
                return Err(answer::refusal(refused));
            }
        },
    };
    let done = tokio::select! {
        done = follow(&surface.room, &entry.door, Some(caller), context) => done,
        () = context.cancelled() => Ok(()),
        () = streams::stopping(surface.streams.as_ref()) => Ok(()),
        () = tokio::time::sleep(LASTS) => Ok(()),
    };
    drop(place);
    done
}

/// Tells a session, once its handshake is done, until nobody may be told any more.
pub(super) async fn tell_session(room: &Strongroom, door: &Arc<Door>, session: &Session) {
    let Some(peer) = session.peer.get() else { return };
    if let Err(refused) = follow(room, door, None, (session, peer)).await {
        tracing::debug!("a session is told no more changes: {refused}");
    }
}

async fn follow(
    room: &Strongroom,
    door: &Arc<Door>,
    first: Option<Caller>,
    hears: impl Hears,
) -> Result<(), ErrorData> {
    let mut changes = room.changes();
    let first = match first {
        Some(caller) => caller,
        None => door.enter(room).await.map_err(|receipt| answer::refusal(*receipt))?,
    };
    let mut vigil = door.vigil(room, &first);
    let mut before = listed(room, first).await?;
    loop {
        let lost = async {
            match &mut vigil {
                Some(vigil) => drop(vigil.ended().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = lost => return Ok(()),
            _ = changes.next() => {}
        }
        tokio::time::sleep(QUIET).await;
        let caller = door.enter(room).await.map_err(|receipt| answer::refusal(*receipt))?;
        let now = room.list_again(caller).await.map_err(|receipt| answer::refusal(*receipt))?;
        if editions(&now) != editions(&before) && !hears.lists().await {
            return Ok(());
        }
        for uri in hears.followed() {
            if origin(&now, &uri) != origin(&before, &uri) && !hears.updated(&uri).await {
                return Ok(());
            }
        }
        before = now;
    }
}

/// What may be called, in which edition.
fn editions(listed: &[Listed]) -> Vec<(&FunctionName, Digest)> {
    listed.iter().map(|listed| (&listed.function.name, listed.tool.edition)).collect()
}

/// Where a resource comes from.
fn origin<'a>(listed: &'a [Listed], uri: &str) -> Vec<(&'a FunctionName, Digest)> {
    let gives = |listed: &&Listed| {
        let rule = listed.function.resource.as_ref();
        rule.is_some_and(|rule| rule.uri.read(uri).is_some())
    };
    listed.iter().filter(gives).map(|listed| (&listed.function.name, listed.tool.edition)).collect()
}

/// Whether somebody gives this resource.
pub(super) fn is_given(listed: &[Listed], uri: &str) -> bool {
    !origin(listed, uri).is_empty()
}

async fn listed(room: &Strongroom, caller: Caller) -> Result<Vec<Listed>, ErrorData> {
    room.list(caller).await.map_err(|receipt| answer::refusal(*receipt))
}
