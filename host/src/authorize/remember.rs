//! A grant whose answer is known: an equal call of the same tenant was given it a moment ago.
//!
//! Takes: a [`Grant`] of a function whose manifest lets answers be kept. Gives: the earlier answer, or the grant with leave to
//! keep its own. May name: admit, audit, config, id, room, storage.
//!
//! The call was identified, admitted, judged, and its arguments were read, like any other; and because it may have waited
//! since, switches and rules are read once more, as they are for a call that is about to run.

use super::grant::{Authorized, Cost, Earlier, Grant, Replay, judge_again};
use crate::admit::killed;
use crate::audit::bracket::Refused;
use crate::config::Effect;
use crate::id::Digest;
use crate::room::Room;
use crate::storage::answers::{Asked, Looked};
use crate::storage::ledger::KillTarget;

/// Looks for the answer. `arguments` is the text that was sent.
pub(super) fn remember(room: &Room, mut grant: Grant, arguments: &str) -> Result<Authorized, Refused> {
    // A function that writes runs, whatever its manifest says. So does a call with a key of its own: the tool can see the key.
    let kept_for =
        grant.function.cache.filter(|_| grant.function.effect == Effect::Read && grant.key.is_none());
    let Some(kept_for) = kept_for else { return Ok(Authorized::Fresh(grant)) };
    if let Err((reason, message)) = judge_again(room, &mut grant) {
        return Err(grant.bracket.refuse(reason, message));
    }
    if !grant.caller.tenant.config.cache_results {
        return Ok(Authorized::Fresh(grant));
    }
    let Some(asked) = asked(&grant, arguments) else { return Ok(Authorized::Fresh(grant)) };
    let target = KillTarget {
        tenant: &asked.tenant,
        actor: Some(&grant.caller.actor),
        tool: Some(&asked.tool),
        component: Some(&grant.tool.digest),
        writes: false,
    };
    if let Some(kill) = room.ledger.killed(&target) {
        return Err(grant.bracket.refuse(kill.reason(), killed(&kill)));
    }
    match room.answers.look(asked, kept_for.duration()) {
        Looked::Missing(ticket) => Ok(Authorized::Fresh(Grant { ticket: Some(ticket), ..grant })),
        Looked::Found(kept) => {
            let Grant { mut bracket, function, reservation, terms, place, .. } = grant;
            bracket.replays(kept.call);
            let earlier = Earlier::Read(kept, Cost { reservation, terms, place });
            Ok(Authorized::Again(Replay { bracket, function, earlier }))
        }
    }
}

/// Everything that the answer may depend on, but for the tenant's rules and credentials: when those change, what was kept
/// under them is forgotten. `None` for arguments that are no JSON.
fn asked(grant: &Grant, arguments: &str) -> Option<Asked> {
    // Not RFC 8785: that takes whole numbers for one that differ beyond 2^53, and these would be two questions with one answer.
    let arguments = serde_json::from_str::<serde_json::Value>(arguments).ok()?.to_string();
    let caller = &grant.caller;
    let standing = serde_json::to_string(&(
        "strongroom answer",
        grant.tool.edition,
        &grant.function.name,
        &caller.actor,
        &caller.role,
        &caller.scopes,
        caller.keyless,
    ));
    // Neither text holds a line's end.
    let rest = Digest::of(format!("{}\n{arguments}", standing.ok()?).as_bytes());
    Some(Asked { tenant: caller.tenant.config.id.clone(), tool: grant.tool.name.clone(), rest })
}
