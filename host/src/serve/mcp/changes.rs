//! `notifications/tools/list_changed`, and those of resources and prompts: when what a subscriber may call is not what it was.
//!
//! Takes: an open subscription (protocol 2026-07-28, `subscriptions/listen`). Gives: notifications until it ends.
//! May name: id, identify, reason, room, serve.
//!
//! The list is made anew as the subscriber at each change of tools or settings, so that nobody hears of what changed for
//! others, and a credential that has ended hears nothing more.

use super::answer;
use super::surface::Surface;
use crate::id::{Digest, FunctionName};
use crate::reason::Reason;
use rmcp::ErrorData;
use rmcp::service::SubscriptionContext;
use std::time::Duration;

/// How long a subscription lasts; its client comes again.
const LASTS: Duration = Duration::from_secs(900);
/// Changes that follow one another this quickly are one.
const QUIET: Duration = Duration::from_millis(50);

pub(super) async fn tell(surface: &Surface, context: &SubscriptionContext) -> Result<(), ErrorData> {
    let mut changes = surface.room.changes();
    let caller = surface.caller().await?;
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
    let mut vigil = surface.door.vigil(&surface.room, &caller);
    let mut before = listed(surface, caller).await?;
    let stopping = async {
        match &surface.streams {
            Some(streams) => streams.stopping().await,
            None => std::future::pending().await,
        }
    };
    let follow = async {
        loop {
            changes.next().await;
            tokio::time::sleep(QUIET).await;
            let now = listed(surface, surface.caller().await?).await?;
            if now != before {
                before = now;
                if !notify(context).await {
                    return Ok(());
                }
            }
        }
    };
    let lost = async {
        match &mut vigil {
            Some(vigil) => vigil.ended().await,
            None => std::future::pending().await,
        }
    };
    let done = tokio::select! {
        done = follow => done,
        () = lost => Ok(()),
        () = context.cancelled() => Ok(()),
        () = stopping => Ok(()),
        () = tokio::time::sleep(LASTS) => Ok(()),
    };
    drop(place);
    done
}

/// Tells whoever asked for it; says whether somebody still listens.
async fn notify(context: &SubscriptionContext) -> bool {
    let (sink, accepted) = (context.sink(), context.accepted());
    let asked = |wanted: Option<bool>| wanted == Some(true);
    (!asked(accepted.tools_list_changed) || sink.notify_tool_list_changed().await.is_ok())
        && (!asked(accepted.resources_list_changed) || sink.notify_resource_list_changed().await.is_ok())
        && (!asked(accepted.prompts_list_changed) || sink.notify_prompt_list_changed().await.is_ok())
}

/// What the caller may call, in which edition.
async fn listed(
    surface: &Surface,
    caller: crate::identify::Caller,
) -> Result<Vec<(FunctionName, Digest)>, ErrorData> {
    let listed = surface.room.list(caller).await.map_err(|receipt| answer::refusal(*receipt))?;
    Ok(listed.into_iter().map(|listed| (listed.function.name.clone(), listed.tool.edition)).collect())
}
