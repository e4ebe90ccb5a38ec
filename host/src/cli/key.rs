//! `key`: API keys are made, listed, rotated and ended.
//!
//! Takes: orders of the operator. Gives: a new key's text, once. May name: the library, World.

use super::out::Table;
use super::{Failure, Out, host, moment};
use crate::World;
use serde_json::{Value, json};
use strongroom::config::{RoleName, ToolPattern};
use strongroom::id::{ActorId, KeyId, TenantId};
use strongroom::identify::key::ApiKey;
use strongroom::powers::{Clock as _, SystemClock};
use strongroom::storage::ledger::StoredKey;
use strongroom::{LONGEST_GRACE_MS, NewKey};

/// Make, list, rotate and end API keys
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Make a key; its text is printed once and kept nowhere
    ///
    /// A server that runs on the same home folder knows it within half a second.
    Create {
        /// The tenant that it speaks for
        #[arg(long, value_name = "TENANT")]
        tenant: TenantId,
        /// Who uses it: an agent, a person, a service
        #[arg(long, value_name = "ACTOR")]
        actor: ActorId,
        /// A role of the tenant's file
        #[arg(long, value_name = "ROLE", value_parser = |t: &str| RoleName::new(t).map_err(|e| e.to_string()))]
        role: Option<RoleName>,
        /// Narrow it to a tool or a function, `orders` or `orders.get`; several times for several
        #[arg(long = "scope", value_name = "TOOL[.FUNCTION]", value_parser = |t: &str| ToolPattern::parse(t).map_err(|e| e.to_string()))]
        scopes: Vec<ToolPattern>,
        /// When it ends, counted from now, as `30d` [default: never]
        #[arg(long, value_name = "SPAN", value_parser = moment::span)]
        expires: Option<u64>,
    },
    /// List the keys, without their secrets
    List {
        /// Only those of one tenant
        #[arg(long, value_name = "TENANT")]
        tenant: Option<TenantId>,
    },
    /// Make a new key in the place of one; the old one goes on for a while
    ///
    /// The new key has the same tenant, actor, role, scopes and end. Its text is printed once.
    Rotate {
        /// The public part of the key: `sr_live_<id>_…`
        #[arg(value_name = "ID")]
        id: KeyId,
        /// How long the old key goes on, at most `90d`
        #[arg(long, value_name = "SPAN", value_parser = moment::span, default_value = "1d")]
        grace: u64,
    },
    /// End a key; servers on the same home folder refuse it within half a second
    Revoke {
        /// The public part of the key: `sr_live_<id>_…`
        #[arg(value_name = "ID")]
        id: KeyId,
    },
}

pub(crate) async fn run(action: Action, world: &World, out: &Out) -> Result<(), Failure> {
    host::with(host::builder(world)?, async |room| match action {
        Action::Create { tenant, actor, role, scopes, expires } => {
            let expires_ms = expires.map(|span| SystemClock.unix_ms().saturating_add(span));
            let key = NewKey { tenant, actor, role, scopes, expires_ms };
            self::made(&room.create_key(key).await?, json!({ "expires_ms": expires_ms }), out)
        }
        Action::Rotate { id, grace } => {
            may_go_on(grace)?;
            let made = room.rotate_key(&id, grace).await?;
            let ends_ms = room.keys(None).iter().find(|key| key.id == id).and_then(|key| key.expires_ms);
            goes_on(&id, ends_ms, out);
            self::made(&made, json!({ "old": { "id": id, "expires_ms": ends_ms } }), out)
        }
        Action::List { tenant } => list(&room.keys(tenant.as_ref()), out),
        Action::Revoke { id } => {
            room.revoke_key(&id).await?;
            out.note(format!("the key {id} opens nothing any more"));
            Ok(())
        }
    })
    .await
}

/// A new key, told once.
pub(super) fn made(made: &ApiKey, more: Value, out: &Out) -> Result<(), Failure> {
    out.note("keep it in a safe place: it is shown this once and kept nowhere");
    if !out.is_json() {
        return out.line(&*made.text);
    }
    let mut told = json!({ "id": made.id, "key": &*made.text });
    if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
        told.extend(more);
    }
    out.json(told)
}

/// Whether an old key may go on for so long.
pub(super) fn may_go_on(grace_ms: u64) -> Result<(), Failure> {
    match grace_ms <= LONGEST_GRACE_MS {
        true => Ok(()),
        false => Err(Failure::usage("an old key goes on for at most 90d".to_owned())),
    }
}

/// Until when the key goes on whose place another one takes.
pub(super) fn goes_on(id: &KeyId, ends_ms: Option<u64>, out: &Out) {
    let ends = ends_ms.map_or_else(|| "now".to_owned(), moment::utc);
    out.note(format!("the key {id} goes on until {ends}"));
}

/// Whether a key opens, and until when.
pub(super) fn state(revoked_ms: Option<u64>, expires_ms: Option<u64>, now: u64) -> String {
    match (revoked_ms, expires_ms) {
        (Some(at), _) => format!("revoked {}", moment::utc(at)),
        (None, Some(at)) if at <= now => format!("ended {}", moment::utc(at)),
        (None, Some(at)) => format!("until {}", moment::utc(at)),
        (None, None) => "valid".to_owned(),
    }
}

fn list(keys: &[std::sync::Arc<StoredKey>], out: &Out) -> Result<(), Failure> {
    let now = SystemClock.unix_ms();
    if out.is_json() {
        let shown = keys.iter().map(|key| key.shown_at(now)).collect::<Vec<_>>();
        return out.json(json!({ "keys": shown }));
    }
    if keys.is_empty() {
        out.note("there are no keys");
        return Ok(());
    }
    let mut table = Table::new(["id", "tenant", "actor", "role", "scopes", "created", "state"]);
    for key in keys {
        let state = state(key.revoked_ms, key.expires_ms, now);
        let scopes = if key.scopes.is_empty() { "*".to_owned() } else { key.scopes.join(" ") };
        table.row([
            key.id.to_string(),
            key.tenant.to_string(),
            key.actor.to_string(),
            key.role.clone().unwrap_or_else(|| "-".to_owned()),
            scopes,
            moment::utc(key.created_ms),
            state,
        ]);
    }
    out.line(table)
}
