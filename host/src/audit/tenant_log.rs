//! The log of one tenant alone: what stands in its folder, and whether it is what the host has signed.
//!
//! Takes: the folder and the host's public keys, nothing else. Gives: whose log it is, [`TenantVerified`] or the first bad
//! place. May name: id.
//!
//! The folder is a C2SP tlog-tiles log of the tenant's entries. Its checkpoint is signed with the host's key under a name of
//! its own, so that it is never taken for the host's. Beside it stands the proof that the host's log tells this very head.

use super::heads::Heads;
use super::key::{BadCheckpoint, Known, Signed};
use super::shelf::{CHECKPOINT, Shelf};
use super::verify::Verifier;
use super::{Bad, Fact, Head, Phase, Proof};
use crate::id::{Digest, TenantId};
use cap_std::fs::Dir;
use std::io;

/// The proof that the host's log tells the head of the tenant's: a proof of inclusion of that entry.
pub const HEAD_PROOF: &str = "head.proof.json";
/// The host's public keys under the name of the tenant's log, for verifiers of C2SP logs.
pub const TENANT_KEYS: &str = "log.pub";

/// The name of a tenant's log behind the host's.
pub(super) fn part(tenant: &TenantId) -> String {
    format!("tenant/{tenant}")
}

/// What was verified of a tenant's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantVerified {
    /// Whose log it is.
    pub tenant: TenantId,
    /// How many entries it holds.
    pub entries: u64,
    /// The root of its tree, in base64.
    pub root: String,
    /// Where the host's log tells this head; `None` when the proof is not there.
    pub host: Option<Told>,
}

/// Where the host's log tells the head of a tenant's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The number of the entry that tells it.
    pub entry: u64,
    /// When it was told, in microseconds since 1970.
    pub time_us: u64,
    /// How many entries the host's log had that the proof leads to.
    pub size: u64,
    /// The root of that log, in base64.
    pub root: String,
}

/// A signed head that was kept elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// Of the tenant's log: this one has to continue it.
    Tenant(Signed),
    /// Of the host's log: it has to be the one that the proof leads to.
    Host(Signed),
}

impl Kept {
    /// Reads a checkpoint of a tenant's log, or of its host's.
    ///
    /// # Errors
    /// [`BadCheckpoint`] when it is of neither of the two.
    pub fn read(bytes: &[u8], known: &Known, tenant: &TenantId) -> Result<Self, BadCheckpoint> {
        match known.under(&part(tenant)).verify(bytes) {
            Ok(head) => Ok(Self::Tenant(head)),
            Err(BadCheckpoint::Origin(_)) => known.verify(bytes).map(Self::Host),
            Err(bad) => Err(bad),
        }
    }
}

/// The tenant whose log a folder says that it holds, by the name in its checkpoint alone; `None` for a host's log, and when
/// there is none.
///
/// # Errors
/// When the checkpoint cannot be read.
pub fn tenant_of(dir: &Dir, known: &Known) -> io::Result<Option<TenantId>> {
    let Some(bytes) = Shelf::new(dir)?.read(CHECKPOINT)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let name = text.lines().next().and_then(|line| line.strip_prefix(known.origin()));
    Ok(name.and_then(|name| TenantId::new(name.strip_prefix("/tenant/")?).ok()))
}

/// Verifies the log of one tenant alone, with the host's public keys. `progress` hears how many entries are done, and of how
/// many.
///
/// # Errors
/// [`Bad`]: the first place that is not what was signed.
pub fn verify_tenant(
    dir: &Dir,
    known: &Known,
    tenant: &TenantId,
    kept: Option<&Kept>,
    mut progress: impl FnMut(u64, u64),
) -> Result<TenantVerified, Bad> {
    let own = known.under(&part(tenant));
    let witness = match kept {
        Some(Kept::Tenant(head)) => Some(head),
        _ => None,
    };
    let mut verifier = Verifier::new(dir, &own, witness, Heads::none_in(tenant.clone()))?;
    let published = verifier.published_tree(&mut progress)?;
    let verified = verifier.end(published)?;
    for file in ["journal", "open"] {
        if dir.exists(file) {
            return Err(Bad::Beyond(file.to_owned()));
        }
    }
    keys(dir, &own)?;
    let host = told(dir, known, tenant, verified.entries, &verified.root)?;
    if let Some(Kept::Host(head)) = kept {
        agrees(host.as_ref().ok_or_else(|| Bad::Missing(HEAD_PROOF.to_owned()))?, head)?;
    }
    Ok(TenantVerified { tenant: tenant.clone(), entries: verified.entries, root: verified.root, host })
}

/// Others verify with the keys in the folder, so they have to be the host's.
fn keys(dir: &Dir, own: &Known) -> Result<(), Bad> {
    let Some(bytes) = read(dir, TENANT_KEYS)? else { return Ok(()) };
    let text = String::from_utf8_lossy(&bytes);
    let is_known = |line: &str| own.keys().iter().any(|key| line.strip_suffix('\n') == Some(key));
    if !text.is_empty() && text.split_inclusive('\n').all(is_known) {
        return Ok(());
    }
    Err(beside(TENANT_KEYS, "has a key that is none of the host's"))
}

fn told(dir: &Dir, known: &Known, tenant: &TenantId, entries: u64, root: &str) -> Result<Option<Told>, Bad> {
    let Some(bytes) = read(dir, HEAD_PROOF)? else { return Ok(None) };
    let proof: Proof =
        serde_json::from_slice(&bytes).map_err(|e| beside(HEAD_PROOF, &format!("is no proof: {e}")))?;
    let (told, head) = shown(&proof, known, tenant).map_err(|what| beside(HEAD_PROOF, &what))?;
    if head.size != entries {
        let what = format!("is of the tenant's log of {} entries, and this one has {entries}", head.size);
        return Err(beside(HEAD_PROOF, &what));
    }
    if tlog_tiles::Hash(*head.root.as_bytes()).to_string() != root {
        return Err(beside(HEAD_PROOF, "is of another log of the tenant's: there were two versions of it"));
    }
    Ok(Some(told))
}

/// The head of a tenant's tree that a proof shows to be told by the host's log; what is wrong, when it shows none.
pub(super) fn shown(proof: &Proof, known: &Known, tenant: &TenantId) -> Result<(Told, Head), String> {
    let proven = proof.check(known).map_err(|bad| format!("proves nothing: {bad}"))?;
    let Fact::Holds(entry, Some(body)) = proven.fact else {
        return Err("shows no entry of the host's log".to_owned());
    };
    let head = body.head.filter(|_| body.phase == Phase::Head && body.tenant_id.as_ref() == Some(tenant));
    let head = head.ok_or_else(|| format!("shows an entry that tells no head of {tenant}'s log"))?;
    Ok((Told { entry, time_us: body.time_us, size: proven.size, root: proven.root }, head))
}

/// The host's head that was kept against the one of the proof.
fn agrees(told: &Told, kept: &Signed) -> Result<(), Bad> {
    let what = match (kept.size == told.size, kept.root.to_string() == told.root) {
        (true, true) => return Ok(()),
        (true, false) => format!(
            "the host has signed two logs of {} entries: the checkpoint that was kept and the one in {HEAD_PROOF}; keep both",
            kept.size
        ),
        (false, _) => format!(
            "the checkpoint that was kept is of {} entries of the host's log and the one in {HEAD_PROOF} of {}: the host \
             shows with `audit prove --since` the older one that they are of one log, or exports again when its checkpoint is kept",
            kept.size, told.size
        ),
    };
    Err(Bad::Witness(what))
}

fn read(dir: &Dir, file: &str) -> Result<Option<Vec<u8>>, Bad> {
    let read = Shelf::new(dir).and_then(|shelf| shelf.read(file));
    read.map_err(|cause| Bad::File { file: file.to_owned(), cause })
}

fn beside(file: &'static str, what: &str) -> Bad {
    Bad::Beside { file, what: what.to_owned() }
}

/// A tree's head, as an entry tells it.
pub(super) fn head(size: u64, root: tlog_tiles::Hash) -> Head {
    Head { size, root: Digest::from_bytes(root.0) }
}
