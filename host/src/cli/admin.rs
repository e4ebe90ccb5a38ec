//! `admin key`: keys of those who administrate the host are made, listed, rotated and ended.
//!
//! Takes: orders of the operator. Gives: a new key's text, once. May name: the library, World.

use super::out::Table;
use super::{Failure, Out, host, key, moment};
use crate::World;
use serde_json::{Value, json};
use std::sync::Arc;
use strongroom::NewAdminKey;
use strongroom::id::{ActorId, KeyId, TenantId};
use strongroom::powers::{Clock as _, SystemClock};
use strongroom::storage::ledger::{AdminKey, AdminRole};

/// Longest name of an admin, so that it has room in the audit log beside the role.
const MOST: usize = 100;

/// Administrate the host over the network: `[admin]` in strongroom.toml
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Make, list, rotate and end the keys of admins
    #[command(subcommand)]
    Key(KeyAction),
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum KeyAction {
    /// Make a key of an admin; its text is printed once and kept nowhere
    ///
    /// It opens the admin API and nothing of the tenants', as no tenant's key opens the admin API. A server that runs on the
    /// same home folder knows it within half a second.
    Create {
        /// What it may do
        #[arg(long, value_enum, value_name = "ROLE")]
        role: Role,
        /// The tenant, for the role tenant-admin
        #[arg(long, value_name = "TENANT", required_if_eq("role", "tenant-admin"))]
        tenant: Option<TenantId>,
        /// Who uses it, for the audit log
        #[arg(long, value_name = "ACTOR")]
        actor: ActorId,
        /// When it ends, counted from now, as `30d` [default: never]
        #[arg(long, value_name = "SPAN", value_parser = moment::span)]
        expires: Option<u64>,
    },
    /// List the keys of admins, without their secrets
    List,
    /// Make a new key in the place of one; the old one goes on for a while
    ///
    /// The new key has the same role, tenant, actor and end. Its text is printed once.
    Rotate {
        /// The public part of the key: `sr_admin_<id>_…`
        #[arg(value_name = "ID")]
        id: KeyId,
        /// How long the old key goes on, at most `90d`
        #[arg(long, value_name = "SPAN", value_parser = moment::span, default_value = "1d")]
        grace: u64,
    },
    /// End a key; servers on the same home folder refuse it within half a second
    Revoke {
        /// The public part of the key: `sr_admin_<id>_…`
        #[arg(value_name = "ID")]
        id: KeyId,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    /// Everything
    Operator,
    /// Read everything, and change nothing
    Auditor,
    /// Read and change what is one tenant's own
    TenantAdmin,
}

impl Role {
    fn of(self, tenant: Option<TenantId>) -> Result<AdminRole, Failure> {
        match (self, tenant) {
            (Self::Operator, None) => Ok(AdminRole::Operator),
            (Self::Auditor, None) => Ok(AdminRole::Auditor),
            (Self::TenantAdmin, Some(tenant)) => Ok(AdminRole::TenantAdmin(tenant)),
            (Self::TenantAdmin, None) => Err(Failure::usage("say with --tenant whose admin it is")),
            (_, Some(_)) => Err(Failure::usage(
                "--tenant is for the role tenant-admin; the others are for the whole host",
            )),
        }
    }
}

pub(crate) async fn run(Action::Key(action): Action, world: &World, out: &Out) -> Result<(), Failure> {
    host::with(host::builder(world)?, async |room| match action {
        KeyAction::Create { role, tenant, actor, expires } => {
            let role = role.of(tenant)?;
            if actor.as_str().len() > MOST {
                return Err(Failure::usage(format!("an admin's name has at most {MOST} characters")));
            }
            let expires_ms = expires.map(|span| SystemClock.unix_ms().saturating_add(span));
            let made = room.create_admin_key(NewAdminKey { role, actor, expires_ms }).await?;
            if room.settings().host.admin.listen.is_none() {
                out.note("the admin API is off: set `listen` under [admin] in strongroom.toml");
            }
            key::made(&made, json!({ "expires_ms": expires_ms }), out)
        }
        KeyAction::Rotate { id, grace } => {
            key::may_go_on(grace)?;
            let made = room.rotate_admin_key(&id, grace).await?;
            let ends_ms = room.admin_keys().iter().find(|key| key.id == id).and_then(|key| key.expires_ms);
            key::goes_on(&id, ends_ms, out);
            key::made(&made, json!({ "old": { "id": id, "expires_ms": ends_ms } }), out)
        }
        KeyAction::List => list(&room.admin_keys(), out),
        KeyAction::Revoke { id } => {
            room.revoke_admin_key(&id).await?;
            out.note(format!("the key {id} opens nothing any more"));
            Ok(())
        }
    })
    .await
}

fn list(keys: &[Arc<AdminKey>], out: &Out) -> Result<(), Failure> {
    let now = SystemClock.unix_ms();
    if out.is_json() {
        let key = |key: &Arc<AdminKey>| -> Value {
            json!({
                "id": key.id,
                "role": key.role.as_str(),
                "tenant": key.role.tenant(),
                "actor": key.actor,
                "created_ms": key.created_ms,
                "expires_ms": key.expires_ms,
                "revoked_ms": key.revoked_ms,
                "valid": key.is_valid_at(now),
            })
        };
        return out.json(json!({ "keys": keys.iter().map(key).collect::<Vec<_>>() }));
    }
    if keys.is_empty() {
        out.note("there are no keys of admins");
        return Ok(());
    }
    let mut table = Table::new(["id", "role", "tenant", "actor", "created", "state"]);
    for key in keys {
        table.row([
            key.id.to_string(),
            key.role.as_str().to_owned(),
            key.role.tenant().map_or_else(|| "-".to_owned(), ToString::to_string),
            key.actor.to_string(),
            moment::utc(key.created_ms),
            key::state(key.revoked_ms, key.expires_ms, now),
        ]);
    }
    out.line(table)
}
