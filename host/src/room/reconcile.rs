//! Writes that broke off after they may have taken effect: what is known of them, and their end by an operator's word.
//!
//! Takes: a tenant, or a call and what the operator has found out. Gives: [`UnknownCall`]. May name: admit, audit,
//! call, config, id, identify, reason, settle, storage, tools, typed.

use super::{OperateError, Strongroom};
use crate::admit::{CallRequest, arguments_of};
use crate::audit::{self, Entry, Filter, Phase, ReadError};
use crate::config::Effect;
use crate::id::{ActorId, CallId, TenantId};
use crate::identify::operator;
use crate::reason::{Outcome, Reason};
use crate::settle::Receipt;
use crate::storage::ledger::{Settlement, StoredAnswer, UnknownWrite};
use crate::tools::ToolFunction;
use crate::typed::{self, Kind};
use cap_std::fs::Dir;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// The operator's acts in the book: `reconcile.done <function> <call>: <why>`.
pub(crate) const DONE: &str = "reconcile.done";
/// `reconcile.failed <function> <call>: <why>`.
pub(crate) const FAILED: &str = "reconcile.failed";
/// `reconcile.rerun <function> <call>: <why>`: it had no effect, and is run once more under its key.
pub(crate) const RERUN: &str = "reconcile.rerun";

/// A write that broke off, and what the audit log has of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCall {
    /// The write.
    pub write: UnknownWrite,
    /// Who called; `None` when the log has nothing of it any more.
    pub actor: Option<ActorId>,
    /// The effects that it announced before it broke off, in alphabetical order: any of them may have happened, and no
    /// other has. `None` when the log has nothing of it any more: its entries were dropped, or it is in memory.
    pub announced: Option<Vec<Announced>>,
}

/// An effect that was about to happen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Announced {
    /// The import, as `interface.function`.
    pub import: String,
    /// What it would be done to: a path, an origin, a bucket.
    pub target: Option<String>,
}

/// What an operator says of a write that broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettleAs {
    /// It took effect. The answer is JSON text of the function's result (the `ok` part of a WIT `result`), for those who send the
    /// call again; without it they hear `outcome_unknown` with the message that the write was made.
    Done(Option<String>),
    /// It had no effect. Its idempotency key is free: whoever sends the call again runs it.
    Failed,
}

impl Strongroom {
    /// The writes whose outcome nobody knows, oldest first, of all tenants or of one. Reads the whole audit log.
    ///
    /// # Errors
    /// When the ledger or the log cannot be read.
    pub async fn unknown_writes(&self, tenant: Option<&TenantId>) -> Result<Vec<UnknownCall>, OperateError> {
        let writes = self.room.ledger.unknown_writes(tenant)?;
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let home = self.room.home.try_clone().map_err(OperateError::Files)?;
        let calls = writes.iter().map(|write| write.call_id).collect();
        let told = tokio::task::spawn_blocking(move || in_the_book(&home, &calls));
        let mut told = told.await.map_err(|e| OperateError::Files(io::Error::other(e)))??;
        let calls = writes.into_iter().map(|write| {
            let (actor, announced) = match told.remove(&write.call_id) {
                Some((actor, announced)) => (actor, Some(announced.into_iter().collect())),
                None => (None, None),
            };
            UnknownCall { write, actor, announced }
        });
        Ok(calls.collect())
    }

    /// Settles a write whose outcome nobody knew. Gives what it was.
    ///
    /// # Errors
    /// [`OperateError::NotUnknown`] when there is no such write, also when it still runs or was settled before;
    /// [`OperateError::Answer`] when the answer is not what the function gives; when the ledger or the book cannot be
    /// written.
    pub async fn settle_unknown(
        &self,
        call: CallId,
        settle_as: SettleAs,
        why: &str,
    ) -> Result<UnknownWrite, OperateError> {
        let room = &self.room;
        room.journal.ready()?;
        let (what, how) = match settle_as {
            SettleAs::Failed => (FAILED, Settlement::Failed),
            SettleAs::Done(None) => (DONE, Settlement::Done(None)),
            SettleAs::Done(Some(json)) => {
                let known = self.unknown_write(call)?;
                let function = room.catalogue.function(&known.function);
                let value =
                    answer(function.as_ref().map(|(_, function)| &**function), &json, &room.json_limits)
                        .map_err(OperateError::Answer)?;
                let at_unix_ms = room.clock.unix_ms();
                let kept = StoredAnswer { reason: Reason::Ok, body: value.into_bytes(), fuel: 0, at_unix_ms };
                (DONE, Settlement::Done(Some(kept)))
            }
        };
        let write = room.ledger.settle_unknown(call, how).await?.ok_or(OperateError::NotUnknown(call))?;
        room.journal.append(self.said(what, &write, why))?.durable().await?;
        Ok(write)
    }

    /// Runs a write once more that broke off and had no effect, as the operator finds: the same function for the same tenant,
    /// under the same idempotency key, by the local actor ([`Builder::local_actor`](super::Builder::local_actor)), through every check
    /// that a call of the tenant's goes through. `arguments` are those of the call, in any spelling: the host has a digest
    /// of them. A repeat gets the new answer. A call that is refused, as the receipt says then, leaves the write unknown.
    ///
    /// # Errors
    /// [`OperateError::NotUnknown`] when there is no such write, also when it still runs or was settled before;
    /// [`OperateError::Rerun`] when the arguments are others, or the function cannot be called with them any more; when the
    /// ledger or the book cannot be written.
    pub async fn rerun_unknown(
        &self,
        call: CallId,
        arguments: String,
        why: &str,
    ) -> Result<Receipt, OperateError> {
        let room = &self.room;
        room.journal.ready()?;
        let write = self.unknown_write(call)?;
        if arguments_of(room, &arguments) != write.arguments {
            return Err(OperateError::Rerun(format!("{call} was called with other arguments")));
        }
        let function = room.catalogue.function(&write.function).map(|(_, function)| function);
        let function = function.filter(|function| function.effect == Effect::Write);
        let function = function.ok_or_else(|| {
            OperateError::Rerun(format!("there is no function {} any more that writes", write.function))
        })?;
        let decoded = function.signature.decode_arguments(&arguments, &room.json_limits);
        decoded.map_err(|error| OperateError::Rerun(error.to_string()))?;
        let caller = match operator(room, &write.tenant) {
            Ok(caller) => caller,
            Err(refused) => return Ok(refused.close().await),
        };
        let order = self.said(RERUN, &write, why);
        let request =
            CallRequest { function: write.function.to_string(), arguments, ..CallRequest::default() };
        Ok(crate::call::rerun(room, caller, request, &write, order).await?)
    }

    fn unknown_write(&self, call: CallId) -> Result<UnknownWrite, OperateError> {
        let known = self.room.ledger.unknown_writes(None)?.into_iter().find(|write| write.call_id == call);
        known.ok_or(OperateError::NotUnknown(call))
    }

    /// What the operator says of a write, for the book.
    fn said(&self, what: &str, write: &UnknownWrite, why: &str) -> Entry {
        let room = &self.room;
        let why: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
        let action = format!("{what} {} {}: {why}", write.function, write.call_id);
        let mut entry = Entry::outcome(room.clock.unix_us(), action, Reason::Ok, Outcome::Executed);
        entry.tenant_id = Some(write.tenant.clone());
        self.sign(&mut entry);
        (entry.idempotency_key, entry.arguments) = (Some(write.key), Some(write.arguments));
        entry
    }
}

/// The answer as the host would have given it. A function that is not installed any more cannot say what it gives.
fn answer(function: Option<&ToolFunction>, json: &str, limits: &typed::Limits) -> Result<String, String> {
    let Some(function) = function else {
        let valid = serde_json::from_str::<serde::de::IgnoredAny>(json);
        return valid.map(|_| json.trim().to_owned()).map_err(|e| format!("the answer is not JSON: {e}"));
    };
    let shape = match function.signature.result() {
        Some(shape) => match shape.kind() {
            Kind::Result(ok, _) => ok.as_deref(),
            _ => Some(shape),
        },
        None => None,
    };
    match shape {
        Some(shape) => {
            let value =
                shape.decode(json, limits).map_err(|e| format!("the answer is not the function's: {e}"))?;
            shape.encode(&value, limits).map_err(|e| e.to_string())
        }
        None if json.trim() == "null" => Ok("null".to_owned()),
        None => Err("the function gives nothing back: its answer is null".to_owned()),
    }
}

type Told = BTreeMap<CallId, (Option<ActorId>, BTreeSet<Announced>)>;

/// What the log has of some calls.
fn in_the_book(home: &Dir, calls: &BTreeSet<CallId>) -> Result<Told, OperateError> {
    let dir = match home.open_dir("audit") {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Told::new()),
        Err(error) => return Err(OperateError::Files(error)),
    };
    let entries = match audit::read(&dir, Filter::default()) {
        Ok(entries) => entries,
        Err(ReadError::File(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(Told::new()),
        Err(error) => return Err(error.into()),
    };
    let mut begins_us = None;
    let mut told = Told::new();
    for entry in entries {
        let entry = entry?;
        // Where older entries were dropped, a call's first ones may be among them.
        let from = *begins_us.get_or_insert(if entry.seq == 0 { 0 } else { entry.time_us });
        let whole = |call: &CallId| calls.contains(call) && call.unix_ms().saturating_mul(1000) >= from;
        let Some(call) = entry.call_id.filter(whole) else { continue };
        let (actor, announced) = told.entry(call).or_default();
        *actor = entry.actor_id.or_else(|| actor.take());
        if entry.phase == Phase::Intent {
            announced.extend(entry.imports.into_iter().map(|record| Announced {
                import: record.import.into_owned(),
                target: record.target.map(std::borrow::Cow::into_owned),
            }));
        }
    }
    Ok(told)
}
