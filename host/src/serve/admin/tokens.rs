//! Access tokens of issuers: what is revoked, and orders to revoke and to take that back.
//!
//! Takes: requests. Gives: revocations. May name: admin, config, reason, serve, storage.

use super::guard::Text;
use super::json::{Answer, Why, answer, read};
use crate::admin::{Leave, Level, OfHost, Operate, Read, is_of_tokens};
use crate::config::WebUrl;
use crate::reason::Reason;
use crate::storage::ledger::{KillMode, KillScope, TokenScope, Which};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    issuer: WebUrl,
    id: Option<String>,
    subject: Option<String>,
    #[serde(default)]
    all: bool,
    why: Why,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restore {
    issuer: WebUrl,
    id: Option<String>,
    subject: Option<String>,
    #[serde(default)]
    all: bool,
}

pub(super) async fn list(leave: Leave<Read, OfHost>) -> Answer {
    let (call, mut kills) = leave.switches().await?;
    kills.retain(is_of_tokens);
    Ok(answer(call, json!({ "revoked": kills })))
}

pub(super) async fn revoke(leave: Leave<Operate, OfHost>, body: Text) -> Answer {
    let (leave, Revoke { issuer, id, subject, all, why }) = read(leave, &body).await?;
    let (leave, scope) = scope(leave, issuer, id, subject, all).await?;
    let known = leave.knows(&scope);
    let (call, _) = leave.begin().await?.switch(scope.clone(), KillMode::Stop, &why.0).await?;
    Ok(answer(call, json!({ "revoked": scope, "known": known })))
}

pub(super) async fn restore(leave: Leave<Operate, OfHost>, body: Text) -> Answer {
    let (leave, Restore { issuer, id, subject, all }) = read(leave, &body).await?;
    let (leave, scope) = scope(leave, issuer, id, subject, all).await?;
    let (call, ()) = leave.begin().await?.lift(scope.clone()).await?;
    Ok(answer(call, json!({ "restored": scope })))
}

async fn scope<L: Level>(
    leave: Leave<L, OfHost>,
    issuer: WebUrl,
    id: Option<String>,
    subject: Option<String>,
    all: bool,
) -> Result<(Leave<L, OfHost>, KillScope), super::json::Refused> {
    let which = match (id, subject, all) {
        (Some(id), None, false) => Which::Id(id),
        (None, Some(subject), false) => Which::Subject(subject),
        (None, None, true) => Which::All,
        _ => {
            let why = "name one of `id`, `subject` and `\"all\": true`";
            return Err(leave.refuse(Reason::ArgumentsInvalid, why).await.into());
        }
    };
    Ok((leave, KillScope::Token(TokenScope { issuer: issuer.to_string(), which })))
}
