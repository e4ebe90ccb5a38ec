//! `kill`, `revive`, `kills`: the switches that stop a host, a tenant or a tool at once.
//!
//! Takes: orders of the operator. Gives: their effect, and the list of what is stopped. May name: the library, World.

use super::out::Table;
use super::{Failure, Out, host, moment};
use crate::World;
use serde_json::json;
use strongroom::id::{TenantId, ToolName};
use strongroom::storage::ledger::KillScope;

/// Let a host, a tenant or a tool go on
#[derive(Debug, clap::Args)]
pub(crate) struct Scope {
    /// What kind of thing
    #[arg(value_enum, value_name = "WHAT")]
    what: What,
    /// Which tenant or tool
    #[arg(value_name = "NAME", required_if_eq_any = [("what", "tenant"), ("what", "tool")])]
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Every call
    Host,
    /// Every call of a tenant
    Tenant,
    /// Every call of a tool's functions
    Tool,
}

/// Stop a host, a tenant or a tool at once, until it is revived
#[derive(Debug, clap::Args)]
pub(crate) struct KillArgs {
    #[command(flatten)]
    scope: Scope,
    /// Why, for the audit log and for whoever revives it
    #[arg(long, value_name = "TEXT")]
    why: String,
}

/// List what is stopped
#[derive(Debug, clap::Args)]
pub(crate) struct KillsArgs {}

impl Scope {
    fn read(&self) -> Result<KillScope, Failure> {
        let bad = |error: strongroom::id::InvalidId| Failure::usage(error.to_string());
        let name = self.name.as_deref();
        match (self.what, name) {
            (What::Host, None) => Ok(KillScope::Host),
            (What::Host, Some(name)) => Err(Failure::usage(format!("{name}: a host has no name here"))),
            (What::Tenant, name) => TenantId::new(name.unwrap_or("")).map(KillScope::Tenant).map_err(bad),
            (What::Tool, name) => ToolName::new(name.unwrap_or("")).map(KillScope::Tool).map_err(bad),
        }
    }
}

pub(crate) async fn kill(args: KillArgs, world: &World, out: &Out) -> Result<(), Failure> {
    let scope = args.scope.read()?;
    host::with(host::builder(world)?, async |room| {
        let known = match &scope {
            KillScope::Host => true,
            KillScope::Tenant(tenant) => room.settings().tenants.contains_key(tenant),
            KillScope::Tool(tool) => room.catalogue().tool(tool).is_some(),
        };
        room.kill(scope.clone(), &args.why).await?;
        let doubt = if known { "" } else { ", although there is none of this name now" };
        out.note(format!("stopped: {scope}{doubt}"));
        Ok(())
    })
    .await
}

pub(crate) async fn revive(scope: Scope, world: &World, out: &Out) -> Result<(), Failure> {
    let scope = scope.read()?;
    host::with(host::builder(world)?, async |room| match room.revive(scope.clone()).await? {
        true => {
            out.note(format!("goes on: {scope}"));
            Ok(())
        }
        false => Err(Failure::not_found(format!("{scope} was not stopped"))
            .help("`strongroom kills` lists what is stopped")),
    })
    .await
}

pub(crate) async fn list(world: &World, out: &Out) -> Result<(), Failure> {
    let kills = host::with(host::builder(world)?, async |room| Ok(room.kills())).await?;
    if out.is_json() {
        return out.json(json!({ "kills": kills }));
    }
    if kills.is_empty() {
        out.note("nothing is stopped");
        return Ok(());
    }
    let mut table = Table::new(["stopped", "since", "by", "why"]);
    for kill in kills {
        table.row([kill.scope.to_string(), moment::utc(kill.at_unix_ms), kill.by, kill.why]);
    }
    out.line(table)
}
