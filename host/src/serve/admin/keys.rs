//! The API keys of a tenant: listed, made, rotated and ended.
//!
//! Takes: requests. Gives: keys, and the text of a new one, once. May name: admin, config, id, room, serve, storage.

use super::guard::Text;
use super::json::{Answer, answer, created, named, once, read, replayed};
use crate::admin::{Change, KeyOrder, Leave, OfTenant, Ordered, Read, Rotation};
use crate::config::{RoleName, ToolPattern};
use crate::id::{ActorId, CallId, KeyId};
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    actor: ActorId,
    role: Option<RoleName>,
    #[serde(default)]
    scopes: Vec<ToolPattern>,
    expires_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grace {
    grace_ms: u64,
}

pub(super) async fn list(leave: Leave<Read, OfTenant>) -> Answer {
    let now = leave.now_ms();
    let (call, keys) = leave.keys().await?;
    let keys: Vec<_> = keys.iter().map(|key| key.shown_at(now)).collect();
    Ok(answer(call, json!({ "keys": keys })))
}

pub(super) async fn create(leave: Leave<Change, OfTenant>, headers: HeaderMap, body: Text) -> Answer {
    let (leave, NewKey { actor, role, scopes, expires_ms }) = read(leave, &body).await?;
    let (leave, once) = once(leave, &headers).await?;
    let now = leave.now_ms();
    let order = KeyOrder { actor, role, scopes, expires_ms, once };
    let (call, ordered) = leave.begin().await?.create_key(order).await?;
    Ok(made(call, &ordered, now))
}

pub(super) async fn rotate(
    leave: Leave<Change, OfTenant>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Text,
) -> Answer {
    let (leave, id) = named(leave, path, |text| KeyId::new(text).ok()).await?;
    let (leave, Grace { grace_ms }) = read(leave, &body).await?;
    let (leave, once) = once(leave, &headers).await?;
    let now = leave.now_ms();
    let (call, ordered) = leave.begin().await?.rotate_key(Rotation { id, grace_ms, once }).await?;
    Ok(made(call, &ordered, now))
}

pub(super) async fn revoke(
    leave: Leave<Change, OfTenant>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Answer {
    let (leave, id) = named(leave, path, |text| KeyId::new(text).ok()).await?;
    let (call, ()) = leave.begin().await?.revoke_key(&id).await?;
    Ok(answer(call, json!({ "revoked": id })))
}

fn made(call: CallId, Ordered { stored, made }: &Ordered, now: u64) -> Response {
    let mut key = stored.shown_at(now);
    if let Some(fields) = key.as_object_mut() {
        // Shown by the order that made it, and kept nowhere.
        fields.insert("key".to_owned(), json!(made.as_ref().map(|made| made.text.as_str())));
    }
    match made {
        Some(_) => created(call, key),
        None => replayed(call, key),
    }
}
