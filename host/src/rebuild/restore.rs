//! A copy of the ledger put in its place, and brought forward by the audit log, which is newer.
//!
//! Takes: the home folder, a copy, and nobody else at the home. Gives: [`Restored`]. May name: audit, config, id, powers,
//! room, storage.
//!
//! A copy by itself would be a step back in time: what was spent since could be spent again, and a write that was made since
//! could be made again. The log knows both. A log that is there and cannot be verified therefore restores nothing.

use super::backup::{CopyFile, check_copy};
use super::log::{self, Log};
use super::since::Since;
use super::{Means, RebuildError, facts, gives_way, runs_of};
use crate::config::Settings;
use crate::id::TenantId;
use crate::room::digests;
use crate::storage::Folder;
use crate::storage::ledger::{Brought, Later, Merged, take_over};
use std::collections::BTreeMap;

/// What was restored, and what could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// When the last thing happened that the copy knew, in milliseconds since 1970.
    pub copy_newest_ms: u64,
    /// Entries of the audit log by which it was brought forward; `None` when there is no log, and the ledger is as old as the
    /// copy: what was spent and written since is not in it.
    pub entries: Option<u64>,
    /// API keys that open.
    pub keys: u64,
    /// API keys of the copy that are not open any more: they were revoked since, or the log does not know them.
    pub revoked: u64,
    /// How many API keys each tenant made since; they are lost.
    pub lost_keys: BTreeMap<TenantId, u64>,
    /// Writes whose answers are given again.
    pub answers: u64,
    /// Writes that ended since: they do not run again, and their answers are lost.
    pub lost_answers: u64,
    /// Writes of which nobody knows whether they took effect.
    pub unknown: u64,
    /// Raised limits.
    pub raises: u64,
    /// Tenants with budgets per run: of their runs, what was used since the copy is not counted.
    pub runs_of: Vec<TenantId>,
    /// Tenants whose deletion was begun and not ended. They are stopped; the deletion has to be ordered again.
    pub leaving: Vec<TenantId>,
    /// The file that the ledger before is kept in, in the home folder, if there was one.
    pub kept: Option<String>,
}

/// Puts a copy of the ledger in its place, at once and when it is whole; the one before is kept under another name.
/// If there is an audit log, it is verified, and the copy is brought forward by it: budgets, the keys of writes and kill
/// switches are as the log has them, and what the copy alone knows (API keys, answers, raised limits, runs) is taken from it as
/// far as the log does not know better. `replace` allows it for a ledger that is whole. `progress` hears how much is done, and
/// of how much. Keeps other processes from opening the folder meanwhile.
///
/// # Errors
/// [`RebuildError`]; the ledger is as it was.
pub async fn restore(
    means: Means<'_>,
    copy: &CopyFile,
    replace: bool,
    mut progress: impl FnMut(u64, u64),
) -> Result<Restored, RebuildError> {
    let Means { home, environment, clock, entropy, who } = means;
    let folder = Folder::new(home.dir().try_clone()?, home.path());
    let was = gives_way(&folder, replace, RebuildError::Newer)?;
    check_copy(copy)?;
    let mac = digests(home)?.ok_or(RebuildError::NoHostKey)?;
    let settings = Settings::load_with(home.dir(), environment)?;
    let had_log = log::is_there(home)?;
    // Also where none was: whoever has it open keeps every host out.
    let log = Log::alone(home, clock.clone(), entropy).await?;
    let brought = Brought::new(&folder, &copy.folder, &copy.name, mac)?;
    let newest = brought.newest_ms()?;
    let (mut later, mut entries, mut leaving) = (None, None, Vec::new());
    if had_log {
        let mut since = Since::of(brought.open_calls()?, brought.raises()?);
        let (mut state, verified) = log.read(&mut progress, |entry| since.take(entry))?;
        state.end();
        let all = verified.dropped_below == 0 || since.knows_all_after(newest);
        if !all {
            since.lose_unknown(brought.tenants()?, &state);
        }
        let lowered = since.lowered(all);
        later = Some(Later {
            facts: facts(&state, &settings),
            newest_ms: state.newest_ms(),
            keys: state.open_keys().clone(),
            admin_keys: state.open_admin_keys(),
            gone: since.gone,
            ended: since.ended,
            lowered,
        });
        (entries, leaving) = (Some(verified.entries), state.leaving().to_vec());
    }
    let Merged { keys, revoked, lost_keys, answers, lost_answers, unknown, raises } =
        brought.put_new(later.as_ref(), clock.unix_ms())?;
    let note = match entries {
        Some(entries) => format!("a copy, brought forward by the {entries} entries before"),
        None => "a copy as it was: there was no audit log".to_owned(),
    };
    log.note("ledger.restore", who, note).await?;
    let kept = take_over(&folder, &was, clock.unix_ms())?;
    let runs_of = runs_of(&settings);
    Ok(Restored {
        copy_newest_ms: newest,
        entries,
        keys,
        revoked,
        lost_keys,
        answers,
        lost_answers,
        unknown,
        raises,
        runs_of,
        leaving,
        kept,
    })
}
