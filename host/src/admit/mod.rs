//! Caller to Admission: may this call begin at all, now?
//!
//! Takes: a [`Caller`] and a request. Gives: an [`Admission`], which holds the call's place, its reserved budget and,
//! for a write, its idempotency claim. May name: audit, config, id, identify, imports,
//! powers, reason, room, storage, telemetry, tools.
//!
//! Denials: `killed`, `writes_frozen`, `rate_limited`, `overloaded`, `idempotency_key_required`, `idempotency_mismatch`, `in_progress`,
//! `outcome_unknown`, `tenant_budget_exceeded`, `storage_unavailable`. An admission that is dropped gives everything
//! back: the place, the budget, the claim.

mod fingerprint;
pub(crate) mod line;
pub(crate) mod places;

use crate::audit::bracket::{Bracket, Refused};
use crate::config::{Effect, Keyless, Price, Prices};
use crate::id::{ActorId, CallId, Digest, FunctionName, IdempotencyKey, RunId, ToolName};
use crate::identify::{Caller, TenantState, Whose};
use crate::imports::asking::Asking;
use crate::imports::{LogSender, ProgressSender};
use crate::reason::Reason;
use crate::room::Room;
use crate::storage::ledger::{
    Amounts, Budget, Claim, ClaimScope, Claimed, Counted, Kill, KillMode, KillTarget, Reservation,
    ReserveError, StoredAnswer, UnknownWrite,
};
use crate::telemetry::TraceParent;
use crate::tools::{Tool, ToolFunction};
use fingerprint::derived_key;
pub(crate) use fingerprint::is_derived;
use places::Place;
use std::sync::Arc;

/// What a caller asks for.
#[derive(Debug, Default)]
pub struct CallRequest {
    /// `<tool>.<function>`.
    pub function: String,
    /// The arguments: the text of a JSON object.
    pub arguments: String,
    /// For functions that write: the same key and arguments give the same answer and no second effect.
    pub idempotency_key: Option<IdempotencyKey>,
    /// What becomes of a write without a key where the operator's files say nothing about it: it is refused, unless its way
    /// to the host is one on which clients have no keys to send.
    pub keyless: Keyless,
    /// The run that the call is a step of, by the caller's own name for it. It counts under the caller's tenant alone.
    pub run: Option<RunId>,
    /// Where the tool's progress goes, when somebody wants to see it.
    pub progress: Option<ProgressSender>,
    /// Where the tool's log messages go, when the caller wants to see them.
    pub logs: Option<LogSender>,
    /// Whether the tool can ask the caller something while it runs.
    pub asking: Asking,
    /// The trace that the call is shown in, by the caller's own word; it decides nothing.
    pub trace: Option<TraceParent>,
}

/// What the claim on an idempotency key came to.
pub(crate) enum Claiming {
    /// A function that only reads claims nothing, nor does one that may run as often as it is sent.
    Read,
    /// The call is the first with its key.
    First(Claim),
    /// The call was answered before, by that call.
    Again(StoredAnswer, CallId),
}

/// A call that may begin. Made from a [`Caller`], which it consumes:
/// ```compile_fail,E0382
/// # async fn twice(room: &strongroom::Strongroom, caller: strongroom::identify::Caller) {
/// let first = room.admit(caller, Default::default()).await;
/// let second = room.admit(caller, Default::default()).await; // the caller was used up
/// # }
/// ```
#[must_use = "an admission that is not used gives its reservation back"]
pub struct Admission {
    pub(crate) bracket: Bracket,
    pub(crate) caller: CallerFacts,
    pub(crate) request: CallRequest,
    pub(crate) found: Option<(Arc<Tool>, Arc<ToolFunction>)>,
    pub(crate) reservation: Reservation,
    pub(crate) terms: Terms,
    pub(crate) claiming: Claiming,
    pub(crate) place: Place,
}

/// What a call is charged by, as it was when the call was admitted.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) price: Price,
    pub(crate) budgets: Arc<[Budget]>,
    pub(crate) run: Option<RunId>,
}

impl Terms {
    fn of(
        room: &Room,
        tenant: &TenantState,
        actor: &ActorId,
        tool: Option<&ToolName>,
        run: Option<&RunId>,
    ) -> Self {
        Self::by(&room.current().settings.prices, tenant, actor, tool, run)
    }

    pub(crate) fn by(
        prices: &Prices,
        tenant: &TenantState,
        actor: &ActorId,
        tool: Option<&ToolName>,
        run: Option<&RunId>,
    ) -> Self {
        let price = tool.map_or_else(Price::default, |tool| prices.of(tool));
        let budgets = tenant.budgets(Whose { actor: Some(actor), tool, run });
        Self { price, budgets, run: run.cloned() }
    }

    /// What one call with this fuel, and so many bytes sent and stored, costs.
    pub(crate) fn amounts(&self, fuel: u64, egress: u64, stored: u64) -> Amounts {
        Amounts { calls: 1, fuel, egress, stored, spend: self.price.of_call(fuel, egress, stored) }
    }
}

/// A caller whose credential has done its work.
pub(crate) struct CallerFacts {
    pub(crate) tenant: Arc<TenantState>,
    pub(crate) actor: crate::id::ActorId,
    pub(crate) role: Option<String>,
    pub(crate) scopes: Option<Vec<crate::config::ToolPattern>>,
    /// Nobody was asked for a credential, because the host has no tenants.
    pub(crate) keyless: bool,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("function", &self.request.function).finish_non_exhaustive()
    }
}

/// Checks switches, rate, key, place, budget and claim, in this order: the cheapest refusal first, and nothing durable
/// before everything that can refuse without it. A call may wait for its place.
pub(crate) async fn admit(room: &Room, caller: Caller, request: CallRequest) -> Result<Admission, Refused> {
    admit_for(room, caller, request, None).await
}

/// The same for a call that is to be made in place of one that broke off, under its key. Of that there is only the digest,
/// so no request can carry it.
pub(crate) async fn admit_again(
    room: &Room,
    caller: Caller,
    request: CallRequest,
    broken: &UnknownWrite,
) -> Result<Admission, Refused> {
    admit_for(room, caller, request, Some(broken)).await
}

async fn admit_for(
    room: &Room,
    caller: Caller,
    mut request: CallRequest,
    broken: Option<&UnknownWrite>,
) -> Result<Admission, Refused> {
    let (mut bracket, caller) = caller.into_parts();
    bracket.wants(&request.function);
    bracket.continues(request.trace);
    let tenant = caller.tenant.clone();
    let found = find(room, &request.function).await;
    let writes = found.as_ref().is_some_and(|(_, function)| function.effect == Effect::Write);
    // Only a write is compared with another: its canonical form costs as much as a fifth of a small call.
    let arguments = match writes {
        true => arguments_of(room, &request.arguments),
        false => room.mac_of(Digest::of(request.arguments.as_bytes()).as_bytes()),
    };
    bracket.asks(arguments, request.arguments.len());
    let key = match &found {
        Some(_) if let Some(broken) = broken => Key::ByDigest(broken.key, broken.kept_ms),
        Some((_, function)) if writes => Key::of(room, &caller, &request, &function.name, &arguments),
        _ => Key::None,
    };
    if let Some((tool, function)) = &found {
        bracket.calls(&tool.digest, function, key.digest());
    }
    let tool_name = found.as_ref().map(|(tool, _)| tool.name.clone()).or_else(|| tool_of(&request.function));
    let terms = Terms::of(room, &tenant, &caller.actor, tool_name.as_ref(), request.run.as_ref());
    bracket.counts(Counted::new(&room.ledger, &tenant.config.id, &terms.budgets, Amounts::default()));
    let target = KillTarget {
        tenant: &tenant.config.id,
        actor: Some(&caller.actor),
        tool: tool_name.as_ref(),
        component: found.as_ref().map(|(tool, _)| &tool.digest),
        writes,
    };
    if let Some(kill) = room.ledger.killed(&target) {
        return Err(bracket.refuse(kill.reason(), killed(&kill)));
    }
    if let Err(ms) = tenant.in_time() {
        return Err(bracket.refuse(Reason::RateLimited, too_fast(ms)).retry_after(ms));
    }
    if key == Key::Missing {
        return Err(bracket.refuse(Reason::IdempotencyKeyRequired, KEY_NEEDED));
    }
    let ask = tenant.asks(tool_name, room.places.all());
    let place = match room.places.take(ask).await {
        Ok(place) => place,
        Err(full) => {
            return Err(bracket.refuse(Reason::Overloaded, full.text()).retry_after(full.retry_after_ms()));
        }
    };
    let most = found.as_ref().map_or(terms.amounts(0, 0, 0), |(tool, function)| {
        let limits = tenant.rights(tool, function.effect).limits;
        terms.amounts(limits.fuel, limits.egress, limits.stored)
    });
    let reservation = match room.ledger.reserve(&tenant.config.id, &terms.budgets, most).await {
        Ok(reservation) => reservation,
        Err(ReserveError::Exceeded(exceeded)) => {
            let refused = bracket.refuse(Reason::BudgetExceeded, exceeded.to_string());
            return Err(match exceeded.retry_after_ms {
                Some(ms) => refused.retry_after(ms),
                None => refused,
            });
        }
        Err(ReserveError::Storage(error)) => {
            return Err(bracket.refuse(Reason::StorageUnavailable, error.to_string()));
        }
    };
    let kept_for = match key {
        Key::ByDigest(_, kept_ms) => Some(kept_ms),
        _ => None,
    };
    if kept_for.is_some() {
        // What the function passes on to other services must not make two calls one beyond the window.
        request.idempotency_key = IdempotencyKey::new(bracket.call_id().to_string()).ok();
    }
    let claiming = match (key.digest(), &found) {
        (Some(key), Some((_, function))) => {
            let scope = ClaimScope { tenant: tenant.config.id.clone(), function: function.name.clone(), key };
            match claim(room, scope, arguments, &bracket, broken).await {
                Ok(Claiming::First(claim)) => Claiming::First(match kept_for {
                    Some(kept_ms) => claim.kept_for(kept_ms),
                    None => claim,
                }),
                Ok(claiming) => claiming,
                Err((reason, message)) => return Err(bracket.refuse(reason, message)),
            }
        }
        _ => Claiming::Read,
    };
    Ok(Admission { bracket, caller, request, found, reservation, terms, claiming, place })
}

/// The key that a call counts under, as the ledger and the book have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// It needs none.
    None,
    /// It needs one, and has none.
    Missing,
    /// The client's own.
    Sent(Digest),
    /// One that nobody has the text of, because the host has derived it or only its digest is left, and how long an answer is
    /// given again under it, in milliseconds.
    ByDigest(Digest, u64),
}

impl Key {
    /// The key of a call of a function that writes.
    fn of(
        room: &Room,
        caller: &CallerFacts,
        request: &CallRequest,
        function: &FunctionName,
        arguments: &Digest,
    ) -> Self {
        if let Some(key) = &request.idempotency_key {
            return Self::Sent(room.mac_of(key.as_str().as_bytes()));
        }
        let (tenant, current) = (&caller.tenant.config, room.current());
        let host = &current.settings.host.idempotency;
        match tenant.idempotency.of(host, function, request.keyless) {
            Keyless::Require => Self::Missing,
            Keyless::Off => Self::None,
            Keyless::Derive => {
                let key = derived_key(&tenant.id, &caller.actor, function, arguments);
                Self::ByDigest(key, tenant.idempotency.window_ms(host))
            }
        }
    }

    fn digest(self) -> Option<Digest> {
        match self {
            Self::None | Self::Missing => None,
            Self::Sent(key) | Self::ByDigest(key, _) => Some(key),
        }
    }
}

/// The keyed digest of a write's arguments, whatever their spelling: the ledger and the book have it.
pub(crate) fn arguments_of(room: &Room, arguments: &str) -> Digest {
    room.mac_of(&fingerprint::of(arguments))
}

/// The function by its name, also when another process has installed it a moment ago.
async fn find(room: &Room, name: &str) -> Option<(Arc<Tool>, Arc<ToolFunction>)> {
    let name = FunctionName::new(name).ok()?;
    if let Some(found) = room.catalogue.function(&name) {
        return Some(found);
    }
    let tool = tool_of(name.as_str())?;
    if room.catalogue.tool(&tool).is_some() || !room.follows_disk {
        return None;
    }
    room.catalogue.look_again(&tool).await?;
    room.catalogue.function(&name)
}

/// What a call is told that came too early by so many milliseconds.
pub(crate) fn too_fast(ms: u64) -> String {
    format!("more calls than the tenant's rate allows; try again in {ms} ms")
}

/// What a writing call without an idempotency key is told.
pub(crate) const KEY_NEEDED: &str =
    "this function writes: send an `Idempotency-Key` (1 to 255 visible ASCII characters) of your own";

/// The tool's part of a function's name, whether or not it is installed.
pub(crate) fn tool_of(function: &str) -> Option<ToolName> {
    ToolName::new(function.split_once('.')?.0).ok()
}

/// A kill switch in the words of an answer: its reason is the operator's, and not for tenants.
pub(crate) fn killed(kill: &Kill) -> String {
    let scope = &kill.scope;
    match kill.mode {
        KillMode::Stop => format!("stopped by an operator ({scope}); it is lifted by `strongroom revive`"),
        KillMode::Freeze => format!(
            "writes are frozen by an operator ({scope}), reads go on; send it again, with the same idempotency key, when \
             `strongroom revive` has lifted it"
        ),
    }
}

async fn claim(
    room: &Room,
    scope: ClaimScope,
    arguments: Digest,
    bracket: &Bracket,
    broken: Option<&UnknownWrite>,
) -> Result<Claiming, (Reason, String)> {
    // Arguments that are not JSON have no canonical form; authorize will refuse them and release the claim.
    let claimed = match broken {
        None => room.ledger.claim(scope, *arguments.as_bytes(), bracket.call_id()).await,
        Some(broken) => room.ledger.retake(broken, bracket.call_id()).await,
    };
    match claimed {
        Ok(Claimed::Fresh(claim)) => Ok(Claiming::First(claim)),
        Ok(Claimed::Replay { answer, call_id }) => Ok(Claiming::Again(answer, call_id)),
        Ok(Claimed::InProgress { .. }) => {
            Err((Reason::InProgress, "a call with this idempotency key is still running".into()))
        }
        Ok(Claimed::Mismatch) => {
            Err((Reason::IdempotencyMismatch, "this idempotency key was used with other arguments".into()))
        }
        Ok(Claimed::Unknown { .. }) => Err((
            Reason::OutcomeUnknown,
            "an earlier call with this key broke off and may have taken effect; an operator must settle it \
             (`strongroom reconcile`)"
                .into(),
        )),
        Ok(Claimed::Lost { call_id, reason }) => Err((
            Reason::OutcomeUnknown,
            format!(
                "a write with this key has been made: {call_id} ended as {reason}. Its answer is not known any more, so it \
                 cannot be given again, and nothing ran"
            ),
        )),
        Err(error) => Err((Reason::StorageUnavailable, error.to_string())),
    }
}
