//! A key is asked for: what became of its write, or the right to be it.
//!
//! Takes: a key in its scope, and the fingerprint of the arguments. Gives: [`Claimed`]. May name: id.

use super::claim::{Claim, ClaimScope, Claimed, GRACE_MS};
use super::claims::{self, Found, Held, State};
use super::unknown::UnknownWrite;
use super::{KEPT_MS, SqliteLedger, StorageError, owner};
use crate::id::CallId;
use crate::storage::batch;

impl SqliteLedger {
    /// Asks for the right to be the one write of a key. `fingerprint` is the keyed digest of the canonical arguments,
    /// `call_id` the call that asks. Reads the file, and waits for no sync.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read; nothing is claimed.
    pub async fn claim(
        &self,
        scope: ClaimScope,
        fingerprint: [u8; 32],
        call_id: CallId,
    ) -> Result<Claimed, StorageError> {
        self.ask(scope, Held { fingerprint, call_id, until_ms: 0, kept_ms: KEPT_MS, instead_of: None }).await
    }

    /// Asks for the place of a write that broke off, for the call that is to be made in its stead: nothing changes before
    /// that starts. Whoever comes second, also with another word of an operator's, finds the place taken.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read; nothing is claimed.
    pub async fn retake(&self, write: &UnknownWrite, call_id: CallId) -> Result<Claimed, StorageError> {
        let UnknownWrite { tenant, function, key, kept_ms, .. } = write.clone();
        let (fingerprint, instead_of) = (*write.arguments.as_bytes(), Some(write.call_id));
        let scope = ClaimScope { tenant, function, key };
        self.ask(scope, Held { fingerprint, call_id, until_ms: 0, kept_ms, instead_of }).await
    }

    async fn ask(&self, scope: ClaimScope, mut call: Held) -> Result<Claimed, StorageError> {
        self.inner.writer()?;
        loop {
            let now = self.inner.clock.unix_ms();
            call.until_ms = now.saturating_add(GRACE_MS);
            if let Some(held) = self.inner.in_flight.enter(&scope, call, now) {
                return Ok(match held.fingerprint == call.fingerprint {
                    true => Claimed::InProgress { call_id: held.call_id },
                    false => Claimed::Mismatch,
                });
            }
            let claim = Claim::of(self.clone(), scope.clone(), call);
            let found = claims::find(&self.inner.reader.lock(), &scope, now)?;
            let Some(found) = found else { return Ok(Claimed::Fresh(claim)) };
            match found.state {
                State::Done { answer, file: Some(file) } if found.fingerprint == call.fingerprint => {
                    drop(claim);
                    if let Some(claimed) = self.reread(&scope, found.call_id, answer, file).await? {
                        return Ok(claimed);
                    }
                }
                _ => {
                    return Ok(match self.known(found, call.fingerprint, now)? {
                        Claimed::Unknown { call_id } if call.instead_of == Some(call_id) => {
                            Claimed::Fresh(claim)
                        }
                        known => known,
                    });
                }
            }
        }
    }

    fn known(&self, found: Found, fingerprint: [u8; 32], now_ms: u64) -> Result<Claimed, StorageError> {
        let Found { call_id, owner, until_ms, state, .. } = found;
        Ok(match state {
            _ if found.fingerprint != fingerprint => Claimed::Mismatch,
            State::Done { answer, .. } => Claimed::Replay { answer, call_id },
            State::Lost { reason } => Claimed::Lost { call_id, reason },
            State::Unknown => Claimed::Unknown { call_id },
            // This process holds every key that it runs, and the caller has just got the place: so it broke off.
            State::Started if owner == self.inner.presence.id => Claimed::Unknown { call_id },
            State::Started if self.inner.presence.lives(owner)? => match until_ms >= now_ms {
                true => Claimed::InProgress { call_id },
                false => Claimed::Unknown { call_id },
            },
            State::Started => {
                let ledger = self.clone();
                let recovered = move |result: Result<(), StorageError>| match result {
                    Ok(()) => ledger.inner.presence.remove_lock(owner),
                    Err(e) => tracing::warn!(error = %e, "a process that died is not yet recovered"),
                };
                self.inner.writer()?.post(batch::job(move |c| owner::recover(c, owner), recovered));
                Claimed::Unknown { call_id }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOON, acme, call, on_disk};
    use super::super::{Amounts, Settlement, StartError, StoredAnswer};
    use super::*;
    use crate::id::{Digest, FunctionName};
    use crate::reason::Reason;
    use std::time::Duration;

    const RUNS: Duration = Duration::from_secs(5);

    async fn fresh(ledger: &SqliteLedger, key: &str) -> Claim {
        let (function, key) = (FunctionName::new("orders.pay").unwrap(), Digest::of(key.as_bytes()));
        let scope = ClaimScope { tenant: acme(), function, key };
        match ledger.claim(scope, [7; 32], call(1)).await.unwrap() {
            Claimed::Fresh(claim) => claim.kept_for(500),
            other => panic!("{other:?}"),
        }
    }

    async fn broken(ledger: &SqliteLedger, key: &str) -> UnknownWrite {
        fresh(ledger, key).await.start(RUNS).await.unwrap().lose().await.unwrap();
        ledger.unknown_writes(None).unwrap().remove(0)
    }

    async fn retake(ledger: &SqliteLedger, write: &UnknownWrite, n: u8) -> Claim {
        match ledger.retake(write, call(n)).await.unwrap() {
            Claimed::Fresh(claim) => claim,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn of_two_who_take_the_place_of_one_write_one_starts() {
        let (_guard, folder, clock, ledger) = on_disk();
        let other = SqliteLedger::open(&folder, clock).unwrap();
        let write = broken(&ledger, "k").await;
        assert_eq!(write.kept_ms, 500);
        drop(retake(&ledger, &write, 2).await);
        assert_eq!(
            ledger.unknown_writes(None).unwrap(),
            std::slice::from_ref(&write),
            "before the start nothing changes"
        );
        let (one, two) = (retake(&ledger, &write, 3).await, retake(&other, &write, 4).await);
        let started = one.start(RUNS).await.unwrap();
        assert_eq!(two.start(RUNS).await.unwrap_err(), StartError::Taken);
        assert_eq!(other.settle_unknown(write.call_id, Settlement::Failed).await, Ok(None));
        let told = other.retake(&write, call(5)).await.unwrap();
        assert!(matches!(told, Claimed::InProgress { call_id } if call_id == call(3)), "{told:?}");
        let charge = ledger.reserve(&acme(), &[], Amounts::call(1)).await.unwrap().commit();
        let answer = StoredAnswer { reason: Reason::Ok, body: b"1".to_vec(), fuel: 0, at_unix_ms: NOON };
        started.complete(answer.clone(), charge, Amounts::call(1)).await.unwrap();
        let told = other.retake(&write, call(5)).await.unwrap();
        assert!(matches!(told, Claimed::Replay { answer: given, .. } if given == answer));
    }

    #[tokio::test]
    async fn whoever_settles_it_in_between_is_heard_and_another_write_is_left_alone() {
        let (_guard, _folder, _clock, ledger) = on_disk();
        let write = broken(&ledger, "k").await;
        let late = retake(&ledger, &write, 2).await;
        ledger.settle_unknown(write.call_id, Settlement::Failed).await.unwrap().unwrap();
        assert_eq!(late.start(RUNS).await.unwrap_err(), StartError::Taken);
        let again = UnknownWrite { call_id: call(9), ..broken(&ledger, "k").await };
        let told = ledger.retake(&again, call(3)).await.unwrap();
        assert!(matches!(told, Claimed::Unknown { call_id } if call_id == call(1)), "{told:?}");
        let others = UnknownWrite { arguments: Digest::of(b"others"), call_id: call(1), ..again };
        assert!(matches!(ledger.retake(&others, call(3)).await.unwrap(), Claimed::Mismatch));
    }
}
