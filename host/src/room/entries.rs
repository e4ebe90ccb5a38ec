//! Entries of the audit log, page by page: a tenant's own, or for those who administrate the host all of them.
//!
//! Takes: a caller who stands for the whole tenant, or a tenant. Gives: [`Page`]. May name: audit, id, identify, powers, reason, settle.
//!
//! The log has the entries of all tenants in one order. How far a page goes is told in a word that only this host can read:
//! the number itself would tell a tenant how busy the others are.

use super::{OperateError, Strongroom, derive};
use crate::audit::{self, Entry, Filter};
use crate::id::TenantId;
use crate::identify::Caller;
use crate::powers::Entropy;
use crate::reason::Reason;
use crate::settle::Receipt;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::io;

/// Entries of a page at most.
pub const MOST_ENTRIES: usize = 1000;
/// Entries of the log, of whichever tenant, that are looked at for one page.
const LOOKED_AT: usize = 8192;

/// Some entries, oldest first.
#[derive(Debug)]
pub struct Page {
    /// The entries. Their `seq` is not for the tenant.
    pub entries: Vec<Entry>,
    /// Where the next page begins; also at the end of the log, for what will be written there.
    pub next: String,
    /// Whether the log had no more when it was read.
    pub end: bool,
}

/// Turns places in the log into words for one tenant, and back.
pub(crate) struct Cursors(LessSafeKey);

impl Cursors {
    pub(super) fn new(host_key: &[u8; 32]) -> io::Result<Self> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &derive(host_key, "places in the audit log"));
        Ok(Self(LessSafeKey::new(key.map_err(|_| io::Error::other("the cipher takes no key of 32 bytes"))?)))
    }

    fn word(&self, whose: &str, seq: u64, entropy: &dyn Entropy) -> io::Result<String> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce)?;
        let mut sealed = seq.to_be_bytes().to_vec();
        let aad = Aad::from(whose);
        let done = self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed);
        done.map_err(|_| io::Error::other("a place in the log could not be sealed"))?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    fn seq(&self, whose: &str, word: &str) -> Option<u64> {
        let whole = URL_SAFE_NO_PAD.decode(word).ok()?;
        let (nonce, sealed) = whole.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let aad = Aad::from(whose);
        let plain = self.0.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut sealed).ok()?;
        Some(u64::from_be_bytes(plain.try_into().ok()?))
    }
}

impl Strongroom {
    /// At most so many entries of the caller's tenant (and never more than [`MOST_ENTRIES`]) from a place on, which an earlier
    /// page gave; from the beginning when it is left out. A page can be empty and not be the last: the log is read a part at
    /// a time. Ends the caller's call, as `read audit log`.
    ///
    /// Only for callers who stand for the whole tenant: without a role, and not narrowed to some tools.
    ///
    /// # Errors
    /// The receipt of a refusal: `policy_denied`; `arguments_invalid` for a place that this host has not given to this tenant;
    /// when the log cannot be read or written.
    pub async fn entries_of(
        &self,
        caller: Caller,
        from: Option<&str>,
        most: usize,
    ) -> Result<Page, Box<Receipt>> {
        if !caller.is_whole() {
            let why = "the audit log is for callers who stand for the whole tenant: without a role and without scopes";
            return Err(self.refuse_look(caller, READ, Reason::PolicyDenied, why).await);
        }
        let tenant = caller.tenant().clone();
        match self.page(Some(tenant), from, most).await {
            Err(OperateError::Place) => {
                let why = OperateError::Place.to_string();
                Err(self.refuse_look(caller, READ, Reason::ArgumentsInvalid, &why).await)
            }
            page => self.looked(caller, READ, page).await,
        }
    }

    /// A page of one tenant's entries, or of all.
    pub(crate) async fn page(
        &self,
        tenant: Option<TenantId>,
        from: Option<&str>,
        most: usize,
    ) -> Result<Page, OperateError> {
        // No tenant's id looks so, so that a word for everything is none for a tenant.
        let whose = tenant.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string);
        let from = match from {
            None => 0,
            Some(word) => self.room.cursors.seq(&whose, word).ok_or(OperateError::Place)?,
        };
        let most = most.clamp(1, MOST_ENTRIES);
        let home = self.room.home.try_clone().map_err(OperateError::Files)?;
        let read = tokio::task::spawn_blocking(move || {
            let log = home.open_dir("audit").map_err(OperateError::Files)?;
            let filter = Filter { from_seq: Some(from), ..Filter::default() };
            let (mut entries, mut next, mut looked_at) = (Vec::new(), from, 0);
            for entry in audit::read(&log, filter)? {
                if entries.len() == most || looked_at == LOOKED_AT {
                    return Ok::<_, OperateError>((entries, next, false));
                }
                let entry = entry?;
                (next, looked_at) = (entry.seq.saturating_add(1), looked_at + 1);
                if tenant.is_none() || entry.tenant_id == tenant {
                    entries.push(entry);
                }
            }
            Ok((entries, next, true))
        });
        let (entries, next, end) =
            read.await.map_err(|error| OperateError::Files(io::Error::other(error)))??;
        let next =
            self.room.cursors.word(&whose, next, &*self.room.entropy).map_err(OperateError::Entropy)?;
        Ok(Page { entries, next, end })
    }
}

const READ: &str = "read audit log";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::powers::SystemEntropy;

    #[test]
    fn a_place_is_the_tenants_own_and_says_nothing() {
        let cursors = Cursors::new(&[7; 32]).unwrap();
        let (acme, globex) = ("acme", "globex");
        let word = |seq| cursors.word(acme, seq, &SystemEntropy).unwrap();
        assert_eq!(cursors.seq(acme, &word(12_345)), Some(12_345));
        assert_eq!(cursors.seq(globex, &word(12_345)), None);
        assert_eq!(Cursors::new(&[8; 32]).unwrap().seq(acme, &word(1)), None);
        assert_ne!(word(1), word(1));
        assert_eq!(word(1).len(), word(u64::MAX).len());
        for bad in ["", "0", "%", "AAAA", &format!("{}A", word(1))] {
            assert_eq!(cursors.seq(acme, bad), None, "{bad:?}");
        }
    }
}
