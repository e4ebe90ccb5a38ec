//! The ledger made anew from the audit log: budgets spent, idempotency keys, kill switches. And copies of it.
//!
//! Takes: the home folder, and nobody else at it. Gives: [`Rebuilt`], [`Restored`], a copy. May name: audit, config, id,
//! identify, powers, reason, room, storage.
//!
//! The log is verified first. It holds no answers of writes and no API keys: a write that was made is known and not made
//! again, but its answer cannot be given again; and new keys have to be made.

mod backup;
mod log;
mod restore;
mod since;
pub(crate) mod state;
#[cfg(test)]
mod state_tests;

use crate::audit::{AuditUnavailable, Bad, KeyError, ReadError};
use crate::config::{ConfigErrors, KeyRules, Settings, Tenant};
use crate::id::{ActorId, TenantId};
use crate::identify::counts;
use crate::powers::{Clock, Entropy, Environment, Home};
use crate::reason::Reason;
use crate::storage::ledger::{Facts, Per, Standing, put_new, standing, take_over};
use crate::storage::{Folder, StorageError};
use log::Log;
use state::State;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

pub use crate::storage::ledger::Sound;
pub use backup::{CopyError, CopyFile, backup, check, check_copy};
pub use restore::{Restored, restore};

/// What was rebuilt, and what could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Entries that the log has.
    pub entries: u64,
    /// Entries whose bodies were dropped; what they came to was kept.
    pub dropped: u64,
    /// Budgets of which something was spent.
    pub budgets: u64,
    /// Idempotency keys of writes that ended, within the last 24 hours. Their answers are lost.
    pub ended: u64,
    /// Idempotency keys of writes of which nobody knows whether they took effect.
    pub unknown: u64,
    /// Kill switches that are on.
    pub kills: u64,
    /// How many API keys each tenant had that were not revoked; all of them are lost.
    pub lost_keys: BTreeMap<TenantId, u64>,
    /// Tenants with budgets per run: their runs begin with nothing used, because the log does not say which runs there were.
    pub runs_of: Vec<TenantId>,
    /// Tenants whose deletion was begun and not ended. They are stopped; the deletion has to be ordered again.
    pub leaving: Vec<TenantId>,
    /// The file that the ledger before is kept in, in the home folder, if there was one.
    pub kept: Option<String>,
}

/// Why the ledger is as it was.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RebuildError {
    /// A host or another command works on the home folder.
    #[error("another process works on this home folder; stop the server, or wait for the other command")]
    Busy,
    /// There is nothing to rebuild.
    #[error(
        "the ledger is there and whole, and knows more than the audit log: its API keys and stored answers"
    )]
    Good,
    /// The same for a copy that is to be put in its place.
    #[error("the ledger is there and whole, and knows more than a copy that is older")]
    Newer,
    /// The copy cannot be believed.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The host's key is not there.
    #[error(
        "host.key is not there, without which no API key and no idempotency key of the copy counts; put it back first"
    )]
    NoHostKey,
    /// There is no log.
    #[error("there is no audit log that a ledger could be rebuilt from")]
    NoLog,
    /// The log cannot be believed.
    #[error("the audit log is not what was signed: {0}")]
    Log(#[from] Bad),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log cannot be opened or written.
    #[error(transparent)]
    Audit(#[from] AuditUnavailable),
    /// The log's key is not there.
    #[error("the audit log's key cannot be used: {0}")]
    Key(#[from] KeyError),
    /// The files that name the tenants' budgets are not valid.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] ConfigErrors),
    /// The new ledger could not be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A file or folder could not be used.
    #[error("the home folder cannot be used: {0}")]
    File(#[from] io::Error),
}

impl RebuildError {
    /// The stable word for it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Config(errors) => errors.reason(),
            Self::Storage(error) => error.reason(),
            Self::Log(_) | Self::Read(_) | Self::Audit(_) | Self::Key(_) | Self::NoLog => {
                Reason::AuditUnavailable
            }
            Self::Busy | Self::Good | Self::Newer | Self::Copy(_) | Self::NoHostKey | Self::File(_) => {
                Reason::StorageUnavailable
            }
        }
    }
}

/// What a rebuild works with.
#[derive(Debug)]
pub struct Means<'a> {
    /// The home folder.
    pub home: &'a Home,
    /// The variables that the operator's files name.
    pub environment: &'a dyn Environment,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for the log's key.
    pub entropy: &'a dyn Entropy,
    /// Who orders it.
    pub who: Option<ActorId>,
}

/// Rebuilds the ledger of a home folder from its audit log. The log is verified, the new ledger is written beside the old
/// one, and the old one is kept under another name. `replace` allows that for a ledger that is whole. `progress` hears how much
/// is done, and of how much. Keeps other processes from opening the folder meanwhile.
///
/// # Errors
/// [`RebuildError`]; the ledger is as it was.
pub async fn rebuild(
    means: Means<'_>,
    replace: bool,
    mut progress: impl FnMut(u64, u64),
) -> Result<Rebuilt, RebuildError> {
    let Means { home, environment, clock, entropy, who } = means;
    let folder = Folder::new(home.dir().try_clone()?, home.path());
    let was = gives_way(&folder, replace, RebuildError::Good)?;
    if !log::is_there(home)? {
        return Err(RebuildError::NoLog);
    }
    let settings = Settings::load_with(home.dir(), environment)?;
    let log = Log::alone(home, clock.clone(), entropy).await?;
    let (mut state, verified) = log.read(&mut progress, |_| {})?;
    state.end();
    let facts = facts(&state, &settings);
    let ended = facts.writes.iter().filter(|write| write.ended.is_some()).count();
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let mut rebuilt = Rebuilt {
        entries: verified.entries,
        dropped: verified.dropped,
        budgets: count(facts.spent.len()),
        ended: count(ended),
        unknown: count(facts.writes.len() - ended),
        kills: count(facts.kills.len()),
        lost_keys: state.keys(),
        runs_of: runs_of(&settings),
        leaving: state.leaving().to_vec(),
        kept: None,
    };
    put_new(&folder, &facts)?;
    log.note("ledger.rebuild", who, format!("from the {} entries before", verified.entries)).await?;
    rebuilt.kept = take_over(&folder, &was, clock.unix_ms())?;
    Ok(rebuilt)
}

/// How the ledger is found that another one is to replace; `whole` is the refusal of one that needs the operator's word.
fn gives_way(folder: &Folder, replace: bool, whole: RebuildError) -> Result<Standing, RebuildError> {
    match standing(folder)? {
        Standing::Open => Err(RebuildError::Busy),
        Standing::Good if !replace => Err(whole),
        was @ (Standing::Damaged(_) | Standing::Missing | Standing::Good) => Ok(was),
    }
}

/// Tenants that have budgets of which the log cannot tell what was used.
fn runs_of(settings: &Settings) -> Vec<TenantId> {
    let has = |tenant: &&Arc<Tenant>| tenant.budgets.iter().any(|rule| rule.per == Per::Run);
    settings.tenants.values().filter(has).map(|tenant| tenant.id.clone()).collect()
}

/// What the new ledger holds. Of a tenant that has a file, only the budgets that the file names: others began with
/// nothing when they were written there.
fn facts(state: &State, settings: &Settings) -> Facts {
    let mut spent: Vec<_> = state.spent().filter(|spent| spent.spent > 0).collect();
    spent.retain(|spent| {
        let budgets = settings.tenants.get(&spent.tenant).map(|tenant| &tenant.budgets);
        budgets.is_none_or(|budgets| budgets.iter().any(|rule| counts(rule, &spent.count)))
    });
    let host = &settings.host.idempotency;
    let window_ms = |tenant| match settings.tenants.get(tenant) {
        Some(tenant) => tenant.idempotency.window_ms(host),
        None => KeyRules::default().window_ms(host),
    };
    let mut writes: Vec<_> = state.writes().collect();
    for write in writes.iter_mut().filter(|write| write.derived) {
        write.kept_ms = window_ms(&write.tenant);
    }
    Facts { spent, writes, kills: state.kills() }
}
