//! Taking up what changed on disk, settings and tools, whole or not at all, while calls run.
//!
//! Takes: the home folder. Gives: [`Reload`]. May name: audit, config, id, powers, reason, tools.
//!
//! A call goes on with the rules that it began with. A tenant whose rules stay as they are keeps its very state, so that
//! a change for one tenant neither fills another's rate up again nor has its rights computed anew.

use super::{Current, OperateError, Strongroom};
use crate::config::{ConfigError, ConfigErrors, FileKind, HostConfig, Settings, TelemetryConfig};
use crate::id::TenantId;
use crate::powers::Home;
use crate::reason::Reason;
use crate::tools::Change;
use std::collections::BTreeSet;
use std::io;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

/// What reading the files again came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// Whether other settings are in force now.
    pub changed: bool,
    /// Settings that are other than those the host started with and wait for its next start, as `engine.max_component`.
    pub restart: Vec<&'static str>,
}

/// How the files on disk stand to what is in force.
pub(crate) struct OnDisk {
    /// One reload after the other, so that an older state of the files never comes after a newer one. Holds the fault
    /// that was told last.
    turn: tokio::sync::Mutex<Option<String>>,
    /// Milliseconds since 1970; 0 when the files are those in force.
    stale_since: AtomicU64,
    started: HostConfig,
}

impl OnDisk {
    pub(super) fn new(host: &HostConfig) -> Self {
        Self { turn: tokio::sync::Mutex::default(), stale_since: AtomicU64::new(0), started: host.clone() }
    }

    /// Whether the files are not what is in force.
    pub(super) fn is_stale(&self) -> bool {
        self.stale_since.load(Ordering::Relaxed) > 0
    }

    /// What of these settings only the next start takes up.
    fn restart(&self, host: &HostConfig) -> Vec<&'static str> {
        let (old, new) = (&self.started, host);
        let changes = [
            ("listen", old.listen != new.listen),
            ("tls", old.tls.is_some() != new.tls.is_some()),
            ("audit.mode", old.audit != new.audit),
            ("engine.max_component", old.engine.max_component != new.engine.max_component),
            (
                "engine.max_concurrent_calls",
                old.engine.max_concurrent_calls != new.engine.max_concurrent_calls,
            ),
            ("telemetry", telemetry(old) != telemetry(new)),
        ];
        changes.into_iter().filter_map(|(name, changed)| changed.then_some(name)).collect()
    }
}

impl Strongroom {
    /// Replaces the settings. Calls that run go on with the ones they began with.
    ///
    /// # Errors
    /// When the book cannot be written, or the ledger for a webhook that was not there before; the old settings stay in
    /// force then.
    pub async fn apply(&self, settings: Settings) -> Result<(), OperateError> {
        self.enter("reload", None, Reason::Ok, None).await?;
        if settings.webhook.is_some() && self.room.settings().webhook.is_none() {
            // Whatever is raised from here on is sent.
            self.room.ledger.webhook().await?;
        }
        let mut current = self.room.current.write().unwrap_or_else(PoisonError::into_inner);
        self.room.places.queue_by(settings.host.queue);
        self.room.turns.share(settings.tenants.len() <= 1);
        let next = Current::new(settings, self.room.quotas, Some(&*current));
        let old = current.others_than(&next);
        *current = next;
        // Before anybody is judged by the new rules.
        match old {
            Old::All => self.room.answers.forget_all(),
            Old::Of(tenants) => self.room.answers.forget_tenants(&tenants),
        }
        drop(current);
        self.room.on_disk.stale_since.store(0, Ordering::Relaxed);
        self.room.changed.send_replace(());
        Ok(())
    }

    /// Reads the settings from the home folder again and takes them over, whole or not at all.
    ///
    /// # Errors
    /// [`OperateError::Config`] when a file is at fault, or when the tenants' folder is gone: a host that asked for
    /// keys does not stop to ask while it runs. The old settings stay in force, and the refusal is in the book.
    pub async fn reload(&self, home: &Home) -> Result<Reload, OperateError> {
        let mut told = self.room.on_disk.turn.lock().await;
        match self.read(home) {
            Ok(settings) => self.take_over(settings, &mut told).await,
            Err(errors) => Err(self.refuse_files(errors, &mut told).await),
        }
    }

    /// The same for files that nobody has pointed at: `None` when there is nothing to tell, because what they say is in
    /// force, or because the same fault was told before.
    pub(super) async fn notice(&self, home: &Home) -> Option<Result<Reload, OperateError>> {
        let mut told = self.room.on_disk.turn.lock().await;
        match self.read(home) {
            Ok(settings) if settings != *self.room.settings() => {
                Some(self.take_over(settings, &mut told).await)
            }
            Ok(settings) => {
                self.room.on_disk.stale_since.store(0, Ordering::Relaxed);
                let restart = self.room.on_disk.restart(&settings.host);
                told.take().map(|_| Ok(Reload { changed: false, restart }))
            }
            Err(errors) if told.as_deref() == Some(text(&errors).as_str()) => None,
            Err(errors) => Some(Err(self.refuse_files(errors, &mut told).await)),
        }
    }

    fn read(&self, home: &Home) -> Result<Settings, ConfigErrors> {
        let settings = Settings::load_with(home.dir(), &*self.room.environment)?;
        if settings.single_tenant && !self.room.settings().single_tenant {
            let what = "is gone, and without this folder nobody would be asked for a key";
            let fix = "put it back (an empty one serves nobody), or start the host anew";
            return Err(ConfigError::of_file(FileKind::Tenant, "tenants", what, fix).into());
        }
        Ok(settings)
    }

    async fn take_over(&self, settings: Settings, told: &mut Option<String>) -> Result<Reload, OperateError> {
        let changed = settings != *self.room.settings();
        let restart = self.room.on_disk.restart(&settings.host);
        self.apply(settings).await?;
        *told = None;
        Ok(Reload { changed, restart })
    }

    async fn refuse_files(&self, errors: ConfigErrors, told: &mut Option<String>) -> OperateError {
        *told = Some(text(&errors));
        let since = self.room.clock.unix_ms().max(1);
        // Since the first of several faulty states.
        let _ =
            self.room.on_disk.stale_since.compare_exchange(0, since, Ordering::Relaxed, Ordering::Relaxed);
        if let Err(error) = self.enter("reload", None, errors.reason(), None).await {
            tracing::error!("a refused reload could not be written to the audit log: {error}");
        }
        OperateError::Config(errors)
    }

    /// Since when the files on disk are not what is in force, in milliseconds since 1970, because one of them is at
    /// fault; `None` when they are.
    #[must_use]
    pub fn stale_since(&self) -> Option<u64> {
        Some(self.room.on_disk.stale_since.load(Ordering::Relaxed)).filter(|since| *since > 0)
    }

    /// Looks at the tools folder again, so that what was installed meanwhile, also another edition of a tool, serves the
    /// calls that begin from now on. A tool that cannot be loaded is left as it was, with a warning. What changed is in
    /// the book.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn refresh_tools(&self) -> io::Result<Vec<Change>> {
        let changes = self.room.catalogue.load().await?;
        if let Err(error) = self.enter_acts().await {
            tracing::error!("what became of a tool could not be written to the audit log: {error}");
        }
        for change in &changes {
            let tool = match change {
                Change::Loaded(tool) => &tool.name,
                Change::Gone(tool) => tool,
            };
            self.room.answers.forget_tool(tool);
            let (action, component) = match change {
                Change::Loaded(tool) => (format!("load {}", tool.name), Some(tool.digest)),
                Change::Gone(tool) => (format!("unload {tool}"), None),
            };
            if let Err(error) = self.enter(&action, None, Reason::Ok, component).await {
                tracing::error!("`{action}` could not be written to the audit log: {error}");
            }
        }
        Ok(changes)
    }
}

/// What of `[telemetry]` only the next start takes up: all of it but what tools write.
fn telemetry(host: &HostConfig) -> TelemetryConfig {
    TelemetryConfig { tool_messages: false, ..host.telemetry.clone() }
}

/// Whose calls may be answered otherwise under other settings.
enum Old {
    All,
    Of(BTreeSet<TenantId>),
}

impl Current {
    /// Those whose rules or credentials are others there; all, when the host's own settings are.
    fn others_than(&self, next: &Self) -> Old {
        if self.settings.host != next.settings.host {
            return Old::All;
        }
        let mut others: BTreeSet<_> = self.tenants.others_than(&next.tenants).cloned().collect();
        let (before, after) = (&self.settings.credentials, &next.settings.credentials);
        for (one, other) in [(before, after), (after, before)] {
            let changed = one.iter().filter(|(handle, credential)| other.get(handle) != Some(*credential));
            others.extend(changed.map(|(_, credential)| credential.tenant.clone()));
        }
        Old::Of(others)
    }
}

/// What tells one fault from another.
fn text(errors: &ConfigErrors) -> String {
    format!("{errors:?}")
}
