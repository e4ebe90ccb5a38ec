//! A box for one call: a store that nothing else has touched, opened just before it is used.
//!
//! Takes: a [`Grant`]. Gives: a [`Cell`]. May name: audit, authorize, id, imports, reason, room, storage, tools.

use super::store::{self, Tenancy};
use crate::admit::{Terms, killed};
use crate::audit::bracket::{Bracket, Refused};
use crate::authorize::{Grant, judge_again, rights::DirRight};
use crate::imports::state::State;
use crate::reason::Reason;
use crate::room::Room;
use crate::storage::ledger::{Charge, Counted, Started};
use crate::tools::{Tool, ToolFunction};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
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
    pub(crate) place: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cell").field("function", &self.function.name).finish_non_exhaustive()
    }
}

/// Reads the tenant's rules and the kill switch once more, makes the store, and makes the intent to write durable.
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
        reservation,
        terms,
        claim,
        place,
    } = grant;
    let tenant = &caller.tenant.config.id;
    if let Some(kill) = room.ledger.is_killed(tenant, &tool.name) {
        return Err(bracket.refuse(Reason::Killed, killed(&kill)));
    }
    let deadline = Duration::from_millis(rights.limits.deadline_ms);
    let tenancy = Tenancy {
        tenant: tenant.clone(),
        quotas: caller.tenant.quotas,
        actor: caller.actor,
        call: bracket.call_id(),
        tool: tool.name.clone(),
        function: function.name.clone(),
        key,
        progress,
        deadline,
        counted: Counted::new(&room.ledger, tenant, &terms.budgets, reservation.amounts()),
    };
    let (store, guest_fuel) = match store::fresh(room, tenancy, &rights) {
        Ok(made) => made,
        Err(error) => return Err(bracket.refuse(Reason::StorageUnavailable, format!("{error:#}"))),
    };
    let started = match claim {
        None => None,
        Some(claim) => {
            // Two files, one wait: the book has the intent, the ledger has the claim, then the effect may happen.
            let intent = bracket.intend()?;
            let (intended, started) = tokio::join!(intent.durable(), claim.start());
            if intended.is_err() {
                return Err(bracket.refuse(Reason::AuditUnavailable, "the audit log cannot be written"));
            }
            match started {
                Ok(started) => Some(started),
                Err(error) => return Err(bracket.refuse(error.reason(), error.to_string())),
            }
        }
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
        place,
    })
}

/// The path at which a guest sees a directory: `/<need>`.
pub(super) fn guest_path(right: &DirRight) -> String {
    format!("/{}", right.need)
}
