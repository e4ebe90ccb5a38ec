//! The kill switches: what is stopped or frozen, and orders to stop, to freeze and to let go on.
//!
//! Takes: requests. Gives: switches, and how many calls were stopped. May name: admin, id, room, serve, storage.

use super::guard::Text;
use super::json::{Answer, Why, answer, read};
use crate::admin::{Change, Leave, OfHost, OfTenant, Operate, Read, is_of_tokens};
use crate::id::ActorId;
use crate::reason::Reason;
use crate::room::Stopped;
use crate::storage::ledger::{Kill, KillMode, KillScope};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfOneTenant {
    actor: Option<ActorId>,
    mode: KillMode,
    why: Why,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LiftOfTenant {
    actor: Option<ActorId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfAnything {
    scope: Scope,
    #[serde(default)]
    name: String,
    mode: KillMode,
    why: Why,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LiftOfAnything {
    scope: Scope,
    #[serde(default)]
    name: String,
}

/// Tokens have routes of their own.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Scope {
    Host,
    Tenant,
    Actor,
    Tool,
    Component,
}

impl Scope {
    fn named(self, name: &str) -> Result<KillScope, String> {
        let kind = match self {
            Self::Host => "host",
            Self::Tenant => "tenant",
            Self::Actor => "actor",
            Self::Tool => "tool",
            Self::Component => "component",
        };
        KillScope::read(kind, name).map_err(|error| error.to_string())
    }
}

pub(super) async fn list(leave: Leave<Read, OfHost>) -> Answer {
    let (call, kills) = leave.switches().await?;
    Ok(answer(call, shown(kills)))
}

pub(super) async fn list_of_tenant(leave: Leave<Read, OfTenant>) -> Answer {
    let (call, kills) = leave.switches().await?;
    Ok(answer(call, shown(kills)))
}

pub(super) async fn switch(leave: Leave<Operate, OfHost>, body: Text) -> Answer {
    let (leave, OfAnything { scope, name, mode, why }) = read(leave, &body).await?;
    let scope = match scope.named(&name) {
        Ok(scope) => scope,
        Err(why) => return Err(leave.refuse(Reason::ArgumentsInvalid, why).await.into()),
    };
    let known = leave.knows(&scope);
    let (call, stopped) = leave.begin().await?.switch(scope.clone(), mode, &why.0).await?;
    Ok(answer(call, switched(&scope, mode, stopped, known)))
}

pub(super) async fn switch_of_tenant(leave: Leave<Change, OfTenant>, body: Text) -> Answer {
    let (leave, OfOneTenant { actor, mode, why }) = read(leave, &body).await?;
    let scope = leave.scope(actor.clone());
    let known = leave.knows(&scope);
    let (call, stopped) = leave.begin().await?.switch(actor, mode, &why.0).await?;
    Ok(answer(call, switched(&scope, mode, stopped, known)))
}

pub(super) async fn lift(leave: Leave<Operate, OfHost>, body: Text) -> Answer {
    let (leave, LiftOfAnything { scope, name }) = read(leave, &body).await?;
    let scope = match scope.named(&name) {
        Ok(scope) => scope,
        Err(why) => return Err(leave.refuse(Reason::ArgumentsInvalid, why).await.into()),
    };
    let (call, ()) = leave.begin().await?.lift(scope.clone()).await?;
    Ok(answer(call, json!({ "lifted": scope })))
}

pub(super) async fn lift_of_tenant(leave: Leave<Change, OfTenant>, body: Text) -> Answer {
    let (leave, LiftOfTenant { actor }) = read(leave, &body).await?;
    let scope = leave.scope(actor.clone());
    let (call, ()) = leave.begin().await?.lift(actor).await?;
    Ok(answer(call, json!({ "lifted": scope })))
}

fn shown(mut kills: Vec<Kill>) -> Value {
    kills.retain(|kill| !is_of_tokens(kill));
    json!({ "switches": kills })
}

fn switched(scope: &KillScope, mode: KillMode, stopped: Option<Stopped>, known: bool) -> Value {
    json!({
        "switched": scope,
        "mode": mode,
        // Whether there is such a thing now; a switch for one that is not there yet is on all the same.
        "known": known,
        "stopped_calls": stopped.map_or(0, |stopped| stopped.calls),
        "gone": stopped.is_none_or(|stopped| stopped.gone),
    })
}
