//! `reconcile`: writes that broke off after they may have taken effect, listed and settled.
//!
//! Takes: orders of the operator. Gives: their effect, and the list of what waits. May name: the library, World.

use super::out::Table;
use super::{Failure, Out, arguments, call, host, moment, selection};
use crate::World;
use serde_json::json;
use strongroom::id::{ActorId, CallId, TenantId};
use strongroom::reason::Outcome;
use strongroom::{Announced, OperateError, SettleAs, UnknownCall};

/// Settle writes that broke off after they may have taken effect (`outcome_unknown`)
///
/// Their idempotency keys are refused until somebody says what became of them: look at what the list shows that they were
/// about to do, then say `done` or `failed`. `failed` frees the key, and whoever sends the call again runs it; `rerun` runs it
/// here, with its arguments, which the host does not keep.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// List the writes whose outcome nobody knows, and what each was about to do
    List {
        /// Only writes of this tenant
        #[arg(long, value_name = "TENANT")]
        tenant: Option<TenantId>,
    },
    /// Say that a write took effect: a repeat is not run
    Done {
        #[command(flatten)]
        which: Which,
        /// What a repeat is answered for 24 hours: JSON of the function's result, `@file`, or `-` for stdin. Left out, a repeat
        /// hears that the write was made and its answer is not known
        #[arg(long, value_name = "JSON|@FILE")]
        answer: Option<String>,
    },
    /// Say that a write had no effect: its key is free, and a repeat runs
    Failed {
        #[command(flatten)]
        which: Which,
    },
    /// Run a write once more that had no effect, under its key: a repeat gets the answer
    ///
    /// It runs for the same tenant, by whoever `--by` says, through the tenant's rules, rights and budgets. When it is refused,
    /// nothing changes.
    Rerun {
        #[command(flatten)]
        which: Which,
        /// The arguments of the call, in any spelling: a JSON object, `@file`, or `-` for stdin. Others are refused
        #[arg(long, value_name = "JSON|@FILE")]
        arguments: String,
    },
}

/// Which write, and who says so.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// The call, from `strongroom reconcile list`
    #[arg(value_name = "CALL", value_parser = selection::call)]
    call: CallId,
    /// How it is known, for the audit log
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Who says so, for the audit log
    #[arg(long, value_name = "NAME", default_value = "local")]
    by: ActorId,
}

pub(crate) async fn run(action: Action, world: &World, out: &Out) -> Result<(), Failure> {
    match action {
        Action::List { tenant } => {
            let calls = host::with(host::builder(world)?, async |room| {
                Ok(room.unknown_writes(tenant.as_ref()).await?)
            });
            list(&calls.await?, out)
        }
        Action::Done { which, answer } => {
            let answer = answer.map(|text| arguments::json(&text, world)).transpose()?;
            let says = match answer {
                Some(_) => "done; a repeat gets this answer for 24 hours",
                None => "done; a repeat hears that the write was made, and is not run",
            };
            settle(which, SettleAs::Done(answer), says, world, out).await
        }
        Action::Failed { which } => {
            settle(which, SettleAs::Failed, "failed; the key is free, and a repeat runs", world, out).await
        }
        Action::Rerun { which: Which { call: broken, why, by }, arguments } => {
            let arguments = arguments::json(&arguments, world)?;
            let receipt = host::with(host::builder(world)?.local_actor(by), async |room| {
                room.rerun_unknown(broken, arguments, &why).await.map_err(failure)
            });
            let receipt = receipt.await?;
            if receipt.outcome == Outcome::Denied {
                out.note(format!("{broken} was not run again; nothing was changed"));
            }
            call::show(&receipt, false, out)
        }
    }
}

async fn settle(which: Which, how: SettleAs, says: &str, world: &World, out: &Out) -> Result<(), Failure> {
    let Which { call, why, by } = which;
    host::with(host::builder(world)?.local_actor(by), async |room| {
        let write = room.settle_unknown(call, how, &why).await.map_err(failure)?;
        out.note(format!("{} of {}: {says}", write.function, write.tenant));
        Ok(())
    })
    .await
}

fn failure(error: OperateError) -> Failure {
    match error {
        OperateError::NotUnknown(_) => Failure::not_found(error.to_string()).help(
            "`strongroom reconcile list` lists what waits; `strongroom explain CALL` tells how a call ended",
        ),
        OperateError::Answer(why) => {
            Failure::usage(why).help("`strongroom inspect` prints the schema of each function's result")
        }
        OperateError::Rerun(_) => Failure::usage(error.to_string()),
        other => other.into(),
    }
}

fn list(calls: &[UnknownCall], out: &Out) -> Result<(), Failure> {
    if out.is_json() {
        let call = |UnknownCall { write, actor, announced }: &UnknownCall| {
            json!({
                "call_id": write.call_id, "tenant": write.tenant, "actor": actor, "function": write.function,
                "at_ms": write.at_unix_ms, "arguments": write.arguments, "idempotency_key": write.key,
                "announced": announced,
            })
        };
        return out.json(json!({ "unknown": calls.iter().map(call).collect::<Vec<_>>() }));
    }
    if calls.is_empty() {
        out.note("no write waits to be settled");
        return Ok(());
    }
    let mut table = Table::new(["call", "tenant", "actor", "function", "since", "was about to", "arguments"]);
    for UnknownCall { write, actor, announced } in calls {
        table.row([
            write.call_id.to_string(),
            write.tenant.to_string(),
            actor.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            write.function.to_string(),
            moment::utc(write.at_unix_ms),
            effects(announced.as_deref()),
            write.arguments.to_string(),
        ]);
    }
    out.line(table)
}

/// What it announced. A call that announced nothing had no effect; one that the log does not have may have had any.
fn effects(announced: Option<&[Announced]>) -> String {
    let Some(announced) = announced else { return "not in the log any more".to_owned() };
    if announced.is_empty() {
        return "nothing: it had no effect".to_owned();
    }
    let effect = |Announced { import, target }: &Announced| match target {
        Some(target) => format!("{import} {target}"),
        None => import.clone(),
    };
    announced.iter().map(effect).collect::<Vec<_>>().join(", ")
}
