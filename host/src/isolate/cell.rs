//! A box for one call: a store that nothing else has touched, opened just before it is used.
//!
//! Takes: a [`Grant`]. Gives: a [`Cell`]. May name: admit, audit, authorize, config, execute, id, imports, reason, room,
//! storage, tools.

use super::running::{RunningCall, Stay};
use super::store::{self, Tenancy};
use crate::admit::places::Place;
use crate::admit::{Terms, killed};
use crate::audit::bracket::{Bracket, Refused};
use crate::authorize::{Grant, judge_again, rights::DirRight};
use crate::config::Effect;
use crate::execute::turns::Seat;
use crate::imports::asking::WAIT;
use crate::imports::state::State;
use crate::reason::Reason;
use crate::room::Room;
use crate::storage::answers::{Ticket, Writing};
use crate::storage::ledger::{Charge, Counted, Started};
use crate::tools::{Tool, ToolFunction};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::Store;
use wasmtime::component::Val;

/// A store that is ready to run one call. From here on the call is charged, and a write that breaks off is unknown.
///
/// A grant is used up by it:
/// ```compile_fail,E0382
/// # async fn twice(room: &strongroom::Strongroom, grant: strongroom::authorize::Grant) {
/// let cell = room.isolate(grant).await;
/// let again = room.isolate(grant).await;
/// # }
/// ```
/// and nothing runs without one:
/// ```compile_fail,E0308
/// # async fn skip(room: &strongroom::Strongroom, admission: strongroom::admit::Admission) {
/// let cell = room.isolate(admission).await;
/// # }
/// ```
#[must_use = "a cell that is not run is charged all the same"]
pub struct Cell {
    pub(crate) bracket: Bracket,
    pub(crate) tool: Arc<Tool>,
    pub(crate) function: Arc<ToolFunction>,
    pub(crate) arguments: Vec<Val>,
    pub(crate) store: Store<State>,
    pub(crate) guest_fuel: u64,
    pub(crate) deadline: Duration,
    pub(crate) charge: Charge,
    pub(crate) terms: Terms,
    pub(crate) started: Option<Started>,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) writing: Option<Writing>,
    pub(crate) stay: Stay,
    pub(crate) seat: Seat,
    pub(crate) place: Place,
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cell").field("function", &self.function.name).finish_non_exhaustive()
    }
}

/// Reads the tenant's rules and the kill switch once more, makes the store, and notes durably in the ledger that a
/// write begins.
pub(crate) async fn isolate(room: &Room, mut grant: Grant) -> Result<Cell, Refused> {
    if let Err((reason, message)) = judge_again(room, &mut grant) {
        return Err(grant.bracket.refuse(reason, message));
    }
    let Grant {
        mut bracket,
        caller,
        tool,
        function,
        arguments,
        rights,
        key,
        progress,
        logs,
        asking,
        reservation,
        terms,
        claim,
        ticket,
        place,
    } = grant;
    let tenant = &caller.tenant.config.id;
    let call = RunningCall {
        call_id: bracket.call_id(),
        tenant: tenant.clone(),
        actor: caller.actor.clone(),
        tool: tool.name.clone(),
        component: tool.digest,
        writes: function.effect == Effect::Write,
    };
    // First entered, then checked: a switch that is thrown in between finds the call among those that run.
    let stay = room.running.enter(call.clone());
    if let Some(kill) = room.ledger.killed(&call.target()) {
        return Err(bracket.refuse(kill.reason(), killed(&kill)));
    }
    bracket.holds(reservation.amounts());
    let seat = room.turns.seat(tenant, caller.tenant.config.priority.weight());
    let deadline = Duration::from_millis(rights.limits.deadline_ms);
    let longest = match asking.waits() && !rights.ask.is_empty() {
        true => deadline.saturating_add(WAIT),
        false => deadline,
    };
    let tenancy = Tenancy {
        tenant: tenant.clone(),
        quotas: caller.tenant.quotas(),
        actor: caller.actor,
        call: bracket.call_id(),
        tool: tool.name.clone(),
        function: function.name.clone(),
        key,
        progress,
        logs,
        asking,
        deadline,
        counted: Counted::new(&room.ledger, tenant, &terms.budgets, reservation.amounts()),
    };
    let Some(announcer) = bracket.announcer() else {
        return Err(bracket.refuse(Reason::AuditUnavailable, "the call is in the audit log already"));
    };
    let (store, guest_fuel) = match store::fresh(room, tenancy, &rights, announcer) {
        Ok(made) => made,
        Err(error) => return Err(bracket.refuse(Reason::StorageUnavailable, format!("{error:#}"))),
    };
    // Held from before anything is changed until it is known what came of it, also when this breaks off.
    let writing = (function.effect == Effect::Write)
        .then(|| room.answers.writing(tenant.clone(), tool.name.clone(), rights.changes_what_tools_share()));
    let started = match claim {
        None => None,
        Some(claim) => match claim.start(longest).await {
            Ok(started) => Some(started),
            Err(error) => return Err(bracket.refuse(error.reason(), error.to_string())),
        },
    };
    bracket.runs();
    let charge = reservation.commit();
    Ok(Cell {
        bracket,
        tool,
        function,
        arguments,
        store,
        guest_fuel,
        deadline,
        charge,
        terms,
        started,
        ticket,
        writing,
        stay,
        seat,
        place,
    })
}

/// The path at which a guest sees a directory: `/<need>`.
pub(super) fn guest_path(right: &DirRight) -> String {
    format!("/{}", right.need)
}
