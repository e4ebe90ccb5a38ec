//! Budget alerts, sent to the operator's webhook: each at least once, in the order of their numbers, by one process at a time.
//!
//! Takes: the webhook of the settings. Gives: requests to it. May name: config, post, powers, storage.

use super::letter::Letter;
use super::{Room, Strongroom};
use crate::config::Webhook;
use crate::post::{Answer, Poster};
use crate::powers::Clock;
use crate::storage::StorageError;
use crate::storage::ledger::{Alert, Cursor};
use cap_std::fs::{OpenOptions, OpenOptionsExt as _};
use http::header::{HeaderMap, RETRY_AFTER};
use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};
use tokio::sync::watch;

/// Whoever holds a lock on this file of the home folder delivers. The system lets it go when the process ends.
const TURN: &str = "webhook.lock";
/// How much of an answer is read, in bytes: nothing in it counts.
const READ: usize = 4096;
/// How often the log says that the webhook fails.
const TOLD: Duration = Duration::from_secs(60);

/// How long a delivery of alerts waits.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    /// The longest pause after a first failure. It doubles with each further one; how much of it is waited is left to
    /// chance. Default 1 s.
    pub first: Duration,
    /// The longest pause of all, also when the receiver asks for a longer one with `Retry-After`. Default 5 min.
    pub longest: Duration,
    /// How often it is looked whether another process of the home folder has ended its turn. Default 1 s.
    pub turn: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        let [first, longest, turn] = [1, 300, 1].map(Duration::from_secs);
        Self { first, longest, turn }
    }
}

impl Strongroom {
    /// Sends the budget alerts of all tenants to the webhook that the settings name (`[alerts]`), until this future is
    /// dropped or the host is closed. While the settings name none, it waits for one.
    ///
    /// Each alert is sent until the receiver answers with 2xx, and no later one before it. How far it came is in the
    /// ledger: an attempt that was broken off, also by a crash, is made again. Of several that run on one home folder, in
    /// any process, one delivers.
    pub async fn deliver_alerts(&self, pauses: Pauses) {
        let room = &*self.room;
        let settings = room.changed.subscribe();
        let faults = Faults { clock: room.clock.clone(), told: None, failed: 0 };
        let mut delivery = Delivery { room, pauses, settings, faults, failed: 0 };
        tokio::select! {
            biased;
            () = room.ledger.closed() => {}
            () = delivery.run() => {}
        }
    }
}

struct Delivery<'a> {
    room: &'a Room,
    pauses: Pauses,
    /// Changes with the settings.
    settings: watch::Receiver<()>,
    faults: Faults,
    /// Failures since the last success.
    failed: u32,
}

/// Why an alert was not delivered.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the ledger: {0}")]
    Ledger(#[from] StorageError),
    #[error("the message cannot be made: {0}")]
    Message(#[from] io::Error),
    #[error("{to}: {why}")]
    NoAnswer { to: String, why: io::Error },
    #[error("{to} answered with status {status}{}", redirects(*status))]
    Answered {
        to: String,
        status: u16,
        /// How long the receiver asks to be left alone.
        asks: Option<Duration>,
    },
}

fn redirects(status: u16) -> &'static str {
    if (300..=399).contains(&status) { ", and redirects are not followed" } else { "" }
}

impl Delivery<'_> {
    async fn run(&mut self) {
        loop {
            while self.room.settings().webhook.is_none() {
                // The sender lives as long as the room.
                let _ = self.settings.changed().await;
            }
            let Some(_turn) = self.turn().await else { continue };
            while self.room.settings().webhook.is_some() {
                if let Err(failed) = self.deliver().await {
                    if let Failed::Ledger(StorageError::Closed) = failed {
                        // It says so a moment before it tells everybody.
                        return self.room.ledger.closed().await;
                    }
                    self.faults.tell(&failed);
                    let asks = match failed {
                        Failed::Answered { asks, .. } => asks,
                        _ => None,
                    };
                    self.failed = self.failed.saturating_add(1);
                    let pause = self.pause(asks);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        // What failed may be what was mended.
                        _ = self.settings.changed() => {}
                    }
                }
            }
        }
    }

    /// Waits until no other process delivers. `None` when the settings name no webhook any more.
    async fn turn(&mut self) -> Option<File> {
        while self.room.settings().webhook.is_some() {
            match take(&self.room.home) {
                Ok(Some(turn)) => return Some(turn),
                Ok(None) => {}
                Err(error) => self.faults.tell(&format_args!("{TURN}: {error}")),
            }
            tokio::time::sleep(self.pauses.turn).await;
        }
        None
    }

    /// Delivers until something fails or the settings name no webhook. What is read again after a failure is what the
    /// ledger still has.
    async fn deliver(&mut self) -> Result<(), Failed> {
        let mut cursor = self.room.ledger.webhook().await?;
        let mut alerts = self.room.ledger.alerts(None, Some(cursor.delivered));
        loop {
            warn_of_lost(cursor);
            let alert = tokio::select! {
                biased;
                _ = self.settings.changed() => return Ok(()),
                alert = alerts.next() => alert?.ok_or(StorageError::Closed)?,
            };
            // This process may not have heard yet of the last one that another delivered.
            if alert.id <= cursor.delivered {
                continue;
            }
            let settings = self.room.settings();
            let Some(webhook) = &settings.webhook else { return Ok(()) };
            self.send(webhook, &alert).await?;
            cursor = self.room.ledger.webhook_delivered(alert.id).await?;
            self.failed = 0;
            self.faults.mended();
        }
    }

    async fn send(&self, webhook: &Webhook, alert: &Alert) -> Result<(), Failed> {
        let rule = &webhook.rule;
        let letter = Letter::new(alert, |bytes| self.room.mac_of(bytes))?;
        let headers = letter.headers(&webhook.secret, self.room.clock.unix_ms() / 1000)?;
        let poster = Poster::of(self.room.wire.clone()).within(Duration::from_millis(rule.timeout_ms), READ);
        // The path may be a secret between operator and receiver.
        let to = rule.url.origin().ascii_serialization();
        let answer = poster.post(&rule.url, headers, letter.body).await;
        match answer {
            Ok(answer) if (200..=299).contains(&answer.status) => Ok(()),
            Ok(Answer { status, headers, .. }) => {
                let asks = retry_after(&headers, self.room.clock.unix_ms());
                Err(Failed::Answered { to, status, asks })
            }
            Err(why) => Err(Failed::NoAnswer { to, why }),
        }
    }

    /// Exponential with full jitter: processes and hosts that fail together do not come again together.
    fn pause(&self, asks: Option<Duration>) -> Duration {
        let doubled = 1_u32.checked_shl(self.failed.saturating_sub(1)).unwrap_or(u32::MAX);
        let most = self.pauses.first.saturating_mul(doubled).min(self.pauses.longest);
        let mut random = [0; 4];
        let chance = match self.room.entropy.fill(&mut random) {
            Ok(()) => f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX),
            Err(_) => 1.0,
        };
        most.mul_f64(chance).max(asks.unwrap_or_default()).min(self.pauses.longest)
    }
}

fn take(home: &cap_std::fs::Dir) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let file = home.open_with(TURN, options.write(true).create(true).mode(0o600))?.into_std();
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn warn_of_lost(cursor: Cursor) {
    if cursor.lost > 0 {
        tracing::warn!(
            lost = cursor.lost,
            "the webhook missed alerts that became too old for the ledger before it took them"
        );
    }
}

/// Seconds or an HTTP date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now_ms: u64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(until.saturating_sub(Duration::from_millis(now_ms)))
}

/// Failures as the log tells them.
struct Faults {
    clock: Arc<dyn Clock>,
    told: Option<Instant>,
    failed: u64,
}

impl Faults {
    fn tell(&mut self, why: &dyn fmt::Display) {
        self.failed = self.failed.saturating_add(1);
        let now = self.clock.monotonic();
        if self.told.is_none_or(|told| now.saturating_duration_since(told) >= TOLD) {
            self.told = Some(now);
            tracing::warn!(failures = self.failed, "a budget alert is not delivered yet: {why}");
        }
    }

    fn mended(&mut self) {
        if std::mem::take(&mut self.failed) > 0 {
            tracing::info!("the webhook takes budget alerts again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_asks_for_time_in_seconds_or_by_date() {
        let asks = |text: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, http::HeaderValue::from_static(text))]);
            retry_after(&headers, 784_111_770_000)
        };
        assert_eq!(asks("120"), Some(Duration::from_secs(120)));
        assert_eq!(asks("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(asks("Sat, 06 Nov 1993 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!((asks("soon"), asks("-1"), asks("")), (None, None, None));
        assert_eq!(retry_after(&HeaderMap::new(), 0), None);
    }
}
