//! Admission to Grant: may this caller call this function with these arguments, and with which rights?
//!
//! Takes: an [`Admission`]. Gives: a [`Grant`], or the earlier answer to the same call. May name: admit, audit, config,
//! id, identify, imports, reason, room, storage, tools, typed.
//!
//! Denials: `tool_unknown`, `policy_denied`, `arguments_invalid`, `storage_unavailable` (policies that look at budgets).

use super::policy::{self, Moment, Question, Standing};
use super::remember::remember;
use super::rights::Rights;
use crate::admit::places::Place;
use crate::admit::{Admission, CallerFacts, Claiming, Terms};
use crate::audit::bracket::{Bracket, Refused};
use crate::id::{IdempotencyKey, RunId};
use crate::identify::{TenantState, Whose};
use crate::imports::asking::Asking;
use crate::imports::{LogSender, ProgressSender};
use crate::reason::Reason;
use crate::room::Room;
use crate::storage::answers::{Kept, Ticket};
use crate::storage::ledger::{Amounts, Claim, Reservation, StoredAnswer};
use crate::tools::{Tool, ToolFunction};
use std::sync::Arc;
use wasmtime::component::Val;

/// Leave to run one function once, with these arguments and these rights.
///
/// It cannot be made without an admission:
/// ```compile_fail,E0061
/// # async fn skip(room: &strongroom::Strongroom) {
/// let grant = room.authorize().await; // where is the admission?
/// # }
/// ```
/// and a caller is not an admission:
/// ```compile_fail,E0308
/// # async fn skip(room: &strongroom::Strongroom, caller: strongroom::identify::Caller) {
/// let grant = room.authorize(caller).await;
/// # }
/// ```
#[must_use = "a grant that is not used gives its reservation back"]
pub struct Grant {
    pub(crate) bracket: Bracket,
    pub(crate) caller: CallerFacts,
    pub(crate) tool: Arc<Tool>,
    pub(crate) function: Arc<ToolFunction>,
    pub(crate) arguments: Vec<Val>,
    pub(crate) rights: Arc<Rights>,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) progress: Option<ProgressSender>,
    pub(crate) logs: Option<LogSender>,
    pub(crate) asking: Asking,
    pub(crate) reservation: Reservation,
    pub(crate) terms: Terms,
    pub(crate) claim: Option<Claim>,
    /// Leave to keep the answer for equal calls.
    pub(crate) ticket: Option<Ticket>,
    pub(crate) place: Place,
}

impl Grant {
    /// What the call may reach: what the tool needs and the tenant granted.
    #[must_use]
    pub fn rights(&self) -> &Rights {
        &self.rights
    }
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grant").field("function", &self.function.name).finish_non_exhaustive()
    }
}

/// An answer that was given before, to a caller who may have it.
pub struct Replay {
    pub(crate) bracket: Bracket,
    pub(crate) function: Arc<ToolFunction>,
    pub(crate) earlier: Earlier,
}

/// Where an earlier answer comes from.
#[expect(clippy::large_enum_variant, reason = "made once for a call and taken apart at once")]
pub(crate) enum Earlier {
    /// A write's, from the ledger: the first with the same idempotency key gave it. It costs nothing.
    Written(StoredAnswer),
    /// A read's, from memory: an equal call of the tenant gave it a moment ago. It costs a call.
    Read(Kept, Cost),
}

/// What a call holds that is charged although it does not run.
pub(crate) struct Cost {
    pub(crate) reservation: Reservation,
    pub(crate) terms: Terms,
    pub(crate) place: Place,
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay").field("function", &self.function.name).finish_non_exhaustive()
    }
}

/// What authorization gives.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "made once for a call and taken apart at once; a box would cost each call more"
)]
pub enum Authorized {
    /// The call may run.
    Fresh(Grant),
    /// The same call was answered before; nothing runs. The caller was checked like any other.
    Again(Replay),
}

pub(crate) fn authorize(room: &Room, admission: Admission) -> Result<Authorized, Refused> {
    let Admission { mut bracket, caller, request, found, reservation, terms, claiming, place } = admission;
    let Some((tool, function)) = found else {
        // A caller who may not call anything learns nothing about what is installed.
        let message = format!(
            "no tool function {:?} is installed; list them with `GET /v1/tools`",
            shorten(&request.function)
        );
        return Err(bracket.refuse(Reason::ToolUnknown, message));
    };
    if let Err((reason, message)) =
        judge(room, &mut bracket, &caller.tenant, &caller, (&tool, &function), Held::of(&reservation, &terms))
    {
        return Err(bracket.refuse(reason, message));
    }
    let arguments = match function.signature.decode_arguments(&request.arguments, &room.json_limits) {
        Ok(arguments) => arguments,
        Err(error) => return Err(bracket.refuse(Reason::ArgumentsInvalid, error.to_string())),
    };
    let claim = match claiming {
        Claiming::Again(answer, earlier) => {
            bracket.replays(earlier);
            let earlier = Earlier::Written(answer);
            return Ok(Authorized::Again(Replay { bracket, function, earlier }));
        }
        Claiming::First(claim) => Some(claim),
        Claiming::Read => None,
    };
    let rights = caller.tenant.rights(&tool, function.effect);
    let grant = Grant {
        bracket,
        caller,
        tool,
        function,
        arguments,
        rights,
        key: request.idempotency_key,
        progress: request.progress,
        logs: request.logs,
        asking: request.asking,
        reservation,
        terms,
        claim,
        ticket: None,
        place,
    };
    remember(room, grant, &request.arguments)
}

/// What a call that is judged holds back of its tenant's budgets, and the run that it is a step of.
#[derive(Clone, Copy, Default)]
pub(crate) struct Held<'a> {
    amounts: Amounts,
    run: Option<&'a RunId>,
}

impl<'a> Held<'a> {
    fn of(reservation: &Reservation, terms: &'a Terms) -> Self {
        Self { amounts: reservation.amounts(), run: terms.run.as_ref() }
    }
}

/// Whether the tenant's rules, as they are in this state of it, let the caller call the function.
pub(crate) fn judge(
    room: &Room,
    bracket: &mut Bracket,
    tenant: &TenantState,
    caller: &CallerFacts,
    (tool, function): (&Tool, &ToolFunction),
    held: Held<'_>,
) -> Result<(), (Reason, String)> {
    let whose = Whose { actor: Some(&caller.actor), tool: Some(&tool.name), run: held.run };
    let left = tenant.left(&room.ledger, whose, held.amounts);
    let left = left.map_err(|error| (Reason::StorageUnavailable, error.to_string()))?;
    let question = Question {
        tenant: &tenant.config,
        actor: &caller.actor,
        standing: Standing { role: caller.role.as_deref(), scopes: caller.scopes.as_deref() },
        function: &function.name,
        effect: function.effect,
        moment: Moment { unix_ms: room.clock.unix_ms(), left: &left },
    };
    match policy::decide(&question) {
        Ok(allowed) => {
            bracket.judged(tenant.config.digest, allowed.because, allowed.policies);
            Ok(())
        }
        Err(denied) => {
            bracket.judged(tenant.config.digest, denied.because.clone(), denied.policies);
            Err((Reason::PolicyDenied, denied.because))
        }
    }
}

/// The rights of a call that is about to run, or to be answered without that. When its tenant's rules are others by now than those it was authorized
/// by, it is judged once more by the new ones, and takes nothing from the old ones but its limits, for which its budget
/// was reserved.
pub(crate) fn judge_again(room: &Room, grant: &mut Grant) -> Result<(), (Reason, String)> {
    let Grant { bracket, caller, tool, function, rights, reservation, terms, .. } = grant;
    let now = {
        let current = room.current();
        match caller.keyless {
            true => current.tenants.single(),
            false => current.tenants.get(&caller.tenant.config.id),
        }
    };
    let Some(now) = now else {
        return Err((Reason::PolicyDenied, "the tenant was taken away before the call began to run".into()));
    };
    if Arc::ptr_eq(&now, &caller.tenant) {
        return Ok(());
    }
    if now.config.suspended {
        return Err((Reason::TenantSuspended, "the operator has suspended this tenant".into()));
    }
    judge(room, bracket, &now, caller, (tool, function), Held::of(reservation, terms)).map_err(
        |(reason, message)| (reason, format!("the rules changed before the call began to run: {message}")),
    )?;
    let mut new = now.rights(tool, function.effect);
    if new.limits.min(&rights.limits) != new.limits {
        Arc::make_mut(&mut new).limits = new.limits.min(&rights.limits);
    }
    (*rights, caller.tenant) = (new, now);
    Ok(())
}

fn shorten(text: &str) -> String {
    text.chars().take(128).collect()
}
