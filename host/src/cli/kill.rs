//! `kill`, `freeze`, `revive`, `kills`: the switches that stop calls at once.
//!
//! Takes: orders of the operator. Gives: their effect, and the list of what is stopped. May name: the library, World.

use super::out::Table;
use super::{Failure, Out, host, moment};
use crate::World;
use serde_json::json;
use std::time::Duration;
use strongroom::Builder;
use strongroom::id::ActorId;
use strongroom::storage::ledger::{KillMode, KillScope, Obeyed};

/// How long other processes have to say that they obey; they do within a quarter of a second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Let a host, a tenant, an actor, a tool or a component go on
#[derive(Debug, clap::Args)]
pub(crate) struct Scope {
    /// What kind of thing
    #[arg(value_enum, value_name = "WHAT")]
    what: What,
    /// Which: a tenant, `<tenant>/<actor>`, a tool, or a component's `sha256:…`
    #[arg(value_name = "NAME", required_if_eq_any = [
        ("what", "tenant"), ("what", "actor"), ("what", "tool"), ("what", "component")
    ])]
    name: Option<String>,
    /// Who orders it, for the audit log
    #[arg(long, value_name = "NAME", default_value = "local")]
    by: ActorId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Every call
    Host,
    /// Every call of a tenant
    Tenant,
    /// Every call of one actor of a tenant
    Actor,
    /// Every call of a tool's functions
    Tool,
    /// Every call of the component with this digest
    Component,
}

/// Stop a host, a tenant, an actor, a tool or a component at once, until it is revived
///
/// No call of it begins, and calls that run are broken off as `killed`, in every process on the home folder. `tools --format json`
/// has the components' digests. Writes that were broken off after they may have taken effect are `outcome_unknown` under
/// their idempotency keys.
#[derive(Debug, clap::Args)]
pub(crate) struct KillArgs {
    #[command(flatten)]
    order: OrderArgs,
}

/// Refuse writes of a host, a tenant, an actor, a tool or a component, until it is revived
///
/// Functions that write end as `writes_frozen`; writes that run end as they would, and reads go on. It replaces a `kill` of the
/// same thing.
#[derive(Debug, clap::Args)]
pub(crate) struct FreezeArgs {
    #[command(flatten)]
    order: OrderArgs,
}

#[derive(Debug, clap::Args)]
struct OrderArgs {
    #[command(flatten)]
    scope: Scope,
    /// Why, for the audit log and for whoever revives it
    #[arg(long, value_name = "TEXT")]
    why: String,
}

/// List what is stopped or frozen
#[derive(Debug, clap::Args)]
pub(crate) struct KillsArgs {}

impl Scope {
    fn read(&self) -> Result<KillScope, Failure> {
        let kind = match self.what {
            What::Host => "host",
            What::Tenant => "tenant",
            What::Actor => "actor",
            What::Tool => "tool",
            What::Component => "component",
        };
        let scope = KillScope::read(kind, self.name.as_deref().unwrap_or(""));
        scope.map_err(|error| Failure::usage(error.to_string()))
    }

    fn builder(&self, world: &World) -> Result<Builder, Failure> {
        Ok(host::builder(world)?.local_actor(self.by.clone()))
    }
}

pub(crate) async fn kill(args: KillArgs, world: &World, out: &Out) -> Result<(), Failure> {
    switch(args.order, KillMode::Stop, world, out).await
}

pub(crate) async fn freeze(args: FreezeArgs, world: &World, out: &Out) -> Result<(), Failure> {
    switch(args.order, KillMode::Freeze, world, out).await
}

async fn switch(args: OrderArgs, mode: KillMode, world: &World, out: &Out) -> Result<(), Failure> {
    let scope = args.scope.read()?;
    host::with(args.scope.builder(world)?, async |room| {
        let doubt = if room.knows(&scope) { "" } else { ", although there is none of this name now" };
        match mode {
            KillMode::Stop => {
                // No call runs in this process: those that do are in others, which see the switch by themselves.
                room.kill(scope.clone(), &args.why).await?;
                out.note(format!("stopped: {scope}{doubt}"));
            }
            KillMode::Freeze => {
                room.freeze(scope.clone(), &args.why).await?;
                out.note(format!("writes are frozen: {scope}{doubt}"));
                out.note("writes that run may end; `strongroom kill` breaks them off");
            }
        }
        let obeyed = room.others_obey(PATIENCE).await?;
        out.note(others(obeyed, mode));
        Ok(())
    })
    .await
}

/// What became of the order in other processes. The switch is on in any case, for whoever starts later too.
pub(crate) fn others(obeyed: Obeyed, mode: KillMode) -> String {
    let Obeyed { processes, calls, silent } = obeyed;
    let broken_off = match mode {
        KillMode::Stop => format!(", which broke off {}", counted(calls, "call")),
        KillMode::Freeze => String::new(),
    };
    match (processes, silent) {
        (0, 0) => "no other process runs on this home folder".to_owned(),
        (_, 0) => format!("in force in {}{broken_off}", counted(processes, "other process")),
        (_, _) => format!(
            "warning: {} did not answer within {} s; the switch is on, but look whether it stands still (in force in \
             {}{broken_off})",
            counted(silent, "other process"),
            PATIENCE.as_secs(),
            processes,
        ),
    }
}

fn counted(count: impl TryInto<u64>, what: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {what}"),
        count if what.ends_with('s') => format!("{count} {what}es"),
        count => format!("{count} {what}s"),
    }
}

pub(crate) async fn revive(args: Scope, world: &World, out: &Out) -> Result<(), Failure> {
    let scope = args.read()?;
    host::with(args.builder(world)?, async |room| match room.revive(scope.clone()).await? {
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
    let mut table = Table::new(["what", "mode", "since", "by", "why"]);
    for kill in kills {
        let (scope, mode) = (kill.scope.to_string(), kill.mode.as_str().to_owned());
        table.row([scope, mode, moment::utc(kill.at_unix_ms), kill.by, kill.why]);
    }
    out.line(table)
}
