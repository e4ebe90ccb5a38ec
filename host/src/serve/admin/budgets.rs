//! The budgets of a tenant: how far they are used, and raised for a while.
//!
//! Takes: requests. Gives: usage. May name: admin, id, room, serve, storage.

use super::guard::Text;
use super::json::{Answer, Why, answer, read};
use crate::admin::{Leave, OfTenant, Operate, Read};
use crate::id::{ActorId, RunId, TenantId, ToolName};
use crate::room::BudgetOf;
use crate::storage::ledger::{Of, Per};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raise {
    of: Of,
    per: Per,
    actor: Option<ActorId>,
    tool: Option<ToolName>,
    run: Option<RunId>,
    more: u64,
    until_ms: u64,
    why: Why,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lower {
    of: Of,
    per: Per,
    actor: Option<ActorId>,
    tool: Option<ToolName>,
    run: Option<RunId>,
}

pub(super) async fn usage(leave: Leave<Read, OfTenant>) -> Answer {
    let (call, (tenant, budgets)) = leave.usage().await?;
    Ok(answer(call, json!({ "tenant": tenant, "budgets": budgets })))
}

pub(super) async fn raise(leave: Leave<Operate, OfTenant>, body: Text) -> Answer {
    let (leave, Raise { of, per, actor, tool, run, more, until_ms, why }) = read(leave, &body).await?;
    let budget = BudgetOf { tenant: leave.tenant().clone(), of, per, actor, tool, run };
    let told = shown(&budget);
    let (call, ()) = leave.begin().await?.raise(budget, more, until_ms, &why.0).await?;
    Ok(answer(call, json!({ "raised": told, "more": more, "until_ms": until_ms })))
}

pub(super) async fn lower(leave: Leave<Operate, OfTenant>, body: Text) -> Answer {
    let (leave, Lower { of, per, actor, tool, run }) = read(leave, &body).await?;
    let budget = BudgetOf { tenant: leave.tenant().clone(), of, per, actor, tool, run };
    let told = shown(&budget);
    let (call, ()) = leave.begin().await?.lower(budget).await?;
    Ok(answer(call, json!({ "lowered": told })))
}

fn shown(BudgetOf { tenant, of, per, actor, tool, run }: &BudgetOf) -> serde_json::Value {
    let tenant: &TenantId = tenant;
    json!({ "tenant": tenant, "of": of, "per": per, "actor": actor, "tool": tool, "run": run })
}
