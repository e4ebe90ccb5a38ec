//! `budget`: a limit is raised for a while, and lowered again.
//!
//! Takes: orders of the operator. Gives: their effect, and the list of raises. May name: the library, World.

use super::out::Table;
use super::{Failure, Out, host, moment};
use crate::World;
use serde_json::json;
use strongroom::id::{ActorId, RunId, TenantId, ToolName};
use strongroom::powers::{Clock as _, SystemClock};
use strongroom::storage::ledger::{Of, Per, Raise};
use strongroom::{BudgetOf, OperateError};

/// Raise a tenant's budget for a while, and lower it again
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Raise a budget until a time at which it ends by itself
    ///
    /// For every window until then, the limit is higher by so much; another raise of the same budget takes the place of the
    /// first. A running host obeys within half a second. The order is in the audit log, with who gave it and why.
    Raise {
        #[command(flatten)]
        which: Which,
        /// By how much, in the budget's units
        #[arg(long, value_name = "NUMBER")]
        by: u64,
        /// Until when: a span from now, as `2h`, or a time in UTC, as `2026-01-31T08:15:00Z`; within 366 days
        #[arg(long, value_name = "SPAN|TIME", value_parser = moment::coming)]
        until: moment::Coming,
        /// Why, for the audit log
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// End a raise before its time
    Lower {
        #[command(flatten)]
        which: Which,
    },
    /// List the raises that hold now
    Raises,
}

/// Which budget, as the tenant's file counts it.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// The tenant
    #[arg(value_name = "TENANT")]
    tenant: TenantId,
    /// What it counts: calls, fuel, egress, stored or spend
    #[arg(long, value_name = "WHAT", value_parser = of)]
    of: Of,
    /// Its window: run, minute, hour, day, month or total
    #[arg(long, value_name = "WINDOW", value_parser = per)]
    per: Per,
    /// The actor, for a budget of each actor or of this one
    #[arg(long, value_name = "ACTOR")]
    actor: Option<ActorId>,
    /// The tool, for a budget of it
    #[arg(long, value_name = "TOOL")]
    tool: Option<ToolName>,
    /// The run, for a budget per run
    #[arg(long, value_name = "RUN")]
    run: Option<RunId>,
}

fn of(text: &str) -> Result<Of, String> {
    let found = Of::ALL.into_iter().find(|of| of.as_str() == text);
    found.ok_or_else(|| "write calls, fuel, egress, stored or spend".to_owned())
}

fn per(text: &str) -> Result<Per, String> {
    let found = Per::ALL.into_iter().find(|per| per.as_str() == text);
    found.ok_or_else(|| "write run, minute, hour, day, month or total".to_owned())
}

impl From<Which> for BudgetOf {
    fn from(Which { tenant, of, per, actor, tool, run }: Which) -> Self {
        Self { tenant, of, per, actor, tool, run }
    }
}

pub(crate) async fn run(action: Action, world: &World, out: &Out) -> Result<(), Failure> {
    host::with(host::builder(world)?, async |room| match action {
        Action::Raise { which, by, until, why } => {
            let (budget, until) = (BudgetOf::from(which), until.unix_ms(SystemClock.unix_ms()));
            room.raise_budget(&budget, by, until, &why).await.map_err(failure)?;
            out.note(format!("raised by {by} until {}", moment::utc(until)));
            Ok(())
        }
        Action::Lower { which } => match room.lower_budget(&BudgetOf::from(which)).await? {
            true => {
                out.note("the budget is as the tenant's file has it");
                Ok(())
            }
            false => Err(Failure::not_found("this budget was not raised")
                .help("`strongroom budget raises` lists what is raised")),
        },
        Action::Raises => list(&room.raises(), out),
    })
    .await
}

fn failure(error: OperateError) -> Failure {
    match error {
        OperateError::Budget(why) => {
            Failure::failed(why).help("`strongroom usage TENANT` lists the tenant's budgets")
        }
        other => other.into(),
    }
}

fn list(raises: &[Raise], out: &Out) -> Result<(), Failure> {
    if out.is_json() {
        let raise = |raise: &Raise| {
            let who = &raise.count.who;
            json!({
                "tenant": raise.tenant, "of": raise.count.of, "per": raise.count.per, "actor": who.actor(),
                "tool": who.tool(), "run": who.run(), "raised_by": raise.more, "until_ms": raise.until_ms, "by": raise.by,
                "why": raise.why, "at_ms": raise.at_ms,
            })
        };
        return out.json(json!({ "raises": raises.iter().map(raise).collect::<Vec<_>>() }));
    }
    if raises.is_empty() {
        out.note("no budget is raised");
        return Ok(());
    }
    let mut table = Table::new(["tenant", "budget", "raised by", "until", "by", "why"]);
    for raise in raises {
        let count = &raise.count;
        table.row([
            raise.tenant.to_string(),
            format!("{} per {}{}", count.of, count.per, count.who),
            raise.more.to_string(),
            moment::utc(raise.until_ms),
            raise.by.clone(),
            raise.why.clone(),
        ]);
    }
    out.line(table)
}
