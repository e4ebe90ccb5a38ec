//! The bodies of old entries go; what they came to for the ledger is kept, and their hashes go on proving the log.
//!
//! Takes: an order of the operator's. Gives: [`Dropped`]. May name: audit, powers, rebuild.

use super::{OperateError, Strongroom};
use crate::audit::{DropError, Dropped, Dropping, Known, PUBLIC_FILE};
use crate::rebuild::state::State;
use std::io;
use std::time::Duration;

/// How long after its start a host first looks for what is too old.
const AT_FIRST: Duration = Duration::from_secs(60);
/// How long until it looks again.
const A_DAY: Duration = Duration::from_secs(86_400);

impl Strongroom {
    /// What [`Strongroom::drop_bodies`] would drop. Changes nothing.
    ///
    /// # Errors
    /// [`OperateError::Drop`] when the log cannot be read or is not what was signed.
    pub async fn droppable(&self, before_us: u64) -> Result<Dropped, OperateError> {
        let mut run = self.begin(before_us)?;
        on_a_thread(move || run.take(false, |_| {}, |_| {})).await
    }

    /// Drops the bodies of entries of the audit log that were written before a time (microseconds since 1970): those of full
    /// bundles (256 entries) in the published tree that lie wholly before it, up to the first that does not or that holds an
    /// intent which is still open. Their hashes stay, and with them everything that the log proves; so does whose they were,
    /// and what they came to: [`rebuild`](crate::rebuild::rebuild) does not need them. The order is an entry of the log itself.
    /// A run that broke off, also by a crash, is ended by the next. `progress` hears how many entries were looked at.
    ///
    /// # Errors
    /// [`OperateError::Drop`], and [`OperateError::Audit`] when the order cannot be written: then nothing was dropped.
    pub async fn drop_bodies(
        &self,
        before_us: u64,
        progress: impl FnMut(u64) + Send + 'static,
    ) -> Result<Dropped, OperateError> {
        let mut run = self.begin(before_us)?;
        let time_us = self.room.clock.unix_us();
        let prepare = move || {
            let damaged =
                |e: serde_json::Error| DropError::Damaged(format!("what was kept of dropped entries: {e}"));
            let mut state = match run.carried() {
                Some(bytes) => State::read(bytes).map_err(damaged)?,
                None => State::default(),
            };
            let found = run.take(true, |entry| state.take(entry), progress)?;
            let order = run.order(time_us, &state.bytes().map_err(damaged)?)?;
            Ok((run, found, order))
        };
        let (run, found, order) = on_a_thread(prepare).await?;
        if found.entries == 0 {
            return Ok(found);
        }
        if let Some(mut order) = order {
            order.actor_id = Some(self.room.local_actor());
            self.room.journal.append(order)?.durable().await?;
        }
        on_a_thread(move || run.finish()).await
    }

    /// Drops what `audit.keep` in the host's file says is too old, once a day and for the first time a minute after the start, until
    /// this future is dropped. `tell` hears what came of it each time that there was something to drop.
    pub async fn keep(&self, mut tell: impl FnMut(Result<Dropped, OperateError>)) {
        tokio::time::sleep(AT_FIRST).await;
        loop {
            match self.drop_old().await {
                // Another process of this home is at it.
                Ok(None) | Err(OperateError::Drop(DropError::Busy)) => {}
                Ok(Some(dropped)) => tell(Ok(dropped)),
                Err(error) => tell(Err(error)),
            }
            tokio::time::sleep(A_DAY).await;
        }
    }

    /// Drops what `audit.keep` in the host's file says is too old. `None` when it says nothing, or nothing is.
    ///
    /// # Errors
    /// As [`Strongroom::drop_bodies`].
    pub async fn drop_old(&self) -> Result<Option<Dropped>, OperateError> {
        let Some(keep_ms) = self.room.settings().host.audit_keep_ms else { return Ok(None) };
        let before_us = self.room.clock.unix_us().saturating_sub(keep_ms.saturating_mul(1000));
        let dropped = self.drop_bodies(before_us, |_| {}).await?;
        Ok(Some(dropped).filter(|dropped| dropped.entries > 0 || dropped.kept_for.is_some()))
    }

    fn begin(&self, before_us: u64) -> Result<Dropping, OperateError> {
        let home = &self.room.home;
        let dir = home.open_dir("audit").map_err(DropError::from)?;
        let known = match home.read_to_string(PUBLIC_FILE) {
            Ok(text) => Known::parse(&text),
            // A host with a book of its own has no key here, and nothing to drop.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(DropError::from(error).into()),
        };
        let known = known.ok_or_else(|| DropError::Damaged(format!("{PUBLIC_FILE} holds no public keys")))?;
        Ok(Dropping::begin(&dir, &known, before_us)?)
    }
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DropError> + Send + 'static,
) -> Result<T, OperateError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|error| DropError::File(io::Error::other(error)))??)
}
