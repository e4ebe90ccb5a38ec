//! What there is: who asks, the host's health, tenants, tools.
//!
//! Takes: requests. Gives: documents. May name: admin, audit, id, reason, room, serve, storage, tools.

use super::json::{Answer, answer};
use super::openapi;
use crate::admin::{Leave, OfHost, OfSelf, OfTenant, Read};
use crate::reason::Reason;
use crate::room::{GrantedDirectory, TenantReport, TenantSummary};
use crate::storage::ledger::Traces;
use crate::storage::tenant::Size;
use serde_json::{Map, Value, json};

pub(super) async fn oneself(leave: Leave<Read, OfSelf>) -> Answer {
    let (call, (role, key, actor, tenant)) = leave.oneself().await?;
    Ok(answer(call, json!({ "role": role, "key": key, "actor": actor, "tenant": tenant })))
}

pub(super) async fn document(leave: Leave<Read, OfSelf>) -> Answer {
    let (call, _) = leave.oneself().await?;
    let mut response = answer(call, Value::Null);
    *response.body_mut() = openapi::document().to_string().into();
    Ok(response)
}

pub(super) async fn health(leave: Leave<Read, OfHost>) -> Answer {
    let (call, health) = leave.health().await?;
    let word = |check: Result<(), Reason>| check.map_or_else(Reason::code, |()| Reason::Ok.code());
    let checks: Map<_, _> =
        health.checks().into_iter().map(|(name, check)| (name.to_owned(), json!(word(check)))).collect();
    Ok(answer(
        call,
        json!({
            "ready": health.is_ready(), "draining": health.draining, "checks": checks,
            "config": if health.stale_since.is_some() { "stale" } else { "current" },
            "stale_since_ms": health.stale_since,
        }),
    ))
}

pub(super) async fn tenants(leave: Leave<Read, OfHost>) -> Answer {
    let (call, tenants) = leave.tenants().await?;
    let tenant = |TenantSummary { id, standing, traces }: &TenantSummary| json!({ "id": id, "standing": standing.as_str(), "ledger": of_ledger(*traces) });
    Ok(answer(call, json!({ "tenants": tenants.iter().map(tenant).collect::<Vec<_>>() })))
}

pub(super) async fn tenant(leave: Leave<Read, OfTenant>) -> Answer {
    let (call, report) = leave.report().await?;
    let TenantReport { id, standing, traces, stored, quotas, budgets, credentials, directories, .. } =
        &report;
    let size = |size: Size| json!({ "bytes": size.bytes, "entries": size.entries });
    // Where on the host it is stays the operator's business.
    let directory = |GrantedDirectory { tool, need, mode, .. }: &GrantedDirectory| json!({ "tool": tool, "need": need, "mode": mode });
    Ok(answer(
        call,
        json!({
            "id": id, "standing": standing.as_str(), "ledger": of_ledger(*traces), "configured": report.file.is_some(),
            "keyvalue": { "used": stored.map(|s| size(s.0)), "quota": quotas.map(|q| size(q.keyvalue)) },
            "memory": { "used": stored.map(|s| size(s.1)), "quota": quotas.map(|q| size(q.memory)) },
            "budgets": budgets, "credentials": credentials,
            "directories": directories.iter().map(directory).collect::<Vec<_>>(),
        }),
    ))
}

pub(super) async fn tools(leave: Leave<Read, OfHost>) -> Answer {
    let (call, tools) = leave.tools().await?;
    let tools: Vec<_> = tools
        .iter()
        .map(|tool| {
            let functions: Vec<_> =
                tool.functions().map(|f| json!({ "name": f.name, "effect": f.effect })).collect();
            json!({ "name": tool.name, "version": tool.manifest.version, "component": tool.digest, "edition": tool.edition, "functions": functions })
        })
        .collect();
    Ok(answer(call, json!({ "tools": tools })))
}

fn of_ledger(traces: Traces) -> Value {
    json!({ "keys": traces.keys, "budgets": traces.budgets, "idempotency_keys": traces.claims, "results": traces.results, "switches": traces.kills })
}
