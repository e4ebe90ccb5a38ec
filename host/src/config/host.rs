//! The operator's file, `strongroom.toml`. Every key may be left out.
//!
//! Takes: the file's text. Gives: [`HostConfig`]. May name: id.

use super::alerts::{AlertsTable, WebhookRule};
use super::concurrency::{self, QueueRules};
use super::document::Document;
use super::error::{ConfigError, FileKind};
use super::hosts::HostNames;
use super::issuer::{self, IssuerRule, IssuerTable};
use super::keying::KeyRules;
use super::limits::{self, Limits, PartialLimits};
use super::mcp::McpRules;
use super::size::ByteSize;
use super::storage::StorageRules;
use super::telemetry::TelemetryConfig;
use super::tls::{TlsRule, TlsTable};
use super::url::WebUrl;
use crate::id::TenantId;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Settings of the host as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// `listen`: where `serve` listens. Default `127.0.0.1:8787`, reachable from this machine only.
    pub listen: SocketAddr,
    /// `audit.mode`: when a call is answered. Default `synced`.
    pub audit: AuditMode,
    /// `audit.keep`: for how long entries of the audit log keep their bodies, in milliseconds; at least a day. Default: for good.
    pub audit_keep_ms: Option<u64>,
    /// `[engine]`: what the engine takes on.
    pub engine: EngineConfig,
    /// `[limits]`: the limits of a call where neither manifest nor tenant say anything, and the upper bounds
    /// where the tenant says nothing. Defaults: fuel 1,000,000,000, memory 64 MiB, deadline 10,000 ms.
    pub limits: Limits,
    /// `http.max_request_body`: longest request body, in bytes. Default 1 MiB, at most 64 MiB.
    pub max_request_body: u64,
    /// `concurrency.calls`: how many calls of one tenant run at once where its own file says nothing. Default: three
    /// quarters of `engine.max_concurrent_calls`, and all of them when there is one tenant.
    pub calls_at_once: Option<u32>,
    /// `[queue]`: the line in which calls wait for a place.
    pub queue: QueueRules,
    /// `[storage]`: what each tenant may keep where its own file says nothing.
    pub storage: StorageRules,
    /// `[idempotency]`: what becomes of a write without an idempotency key where the tenant's own file says nothing.
    pub idempotency: KeyRules,
    /// `public_url`: under which URL clients reach this host. Default: none.
    pub public_url: Option<WebUrl>,
    /// `[hosts]`: which host names are which tenants'. Default: names are not looked at.
    pub hosts: HostNames,
    /// `[[issuers]]`: whose access tokens count. Default: nobody's.
    pub issuers: Vec<IssuerRule>,
    /// `[tls]`: by which certificate the host serves. Default: by none, in plain HTTP.
    pub tls: Option<TlsRule>,
    /// `[alerts]`: where budget alerts are sent. Default: nowhere.
    pub alerts: Option<WebhookRule>,
    /// `[mcp]`: names and web pages of the Model Context Protocol.
    pub mcp: McpRules,
    /// `[telemetry]`: what those who watch the host are told.
    pub telemetry: TelemetryConfig,
}

/// When a call is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditMode {
    /// After its outcome is on the disk.
    #[default]
    Synced,
    /// A call that only reads: at once, and its outcome is on the disk a few milliseconds later.
    Buffered,
}

/// What the engine takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// Largest component that is installed, in bytes. Default 16 MiB, at most 256 MiB.
    #[serde(deserialize_with = "limits::size::<1024, { 256 << 20 }, _>")]
    pub max_component: u64,
    /// Most memory of one call, in bytes, whatever a tenant's limits say. Default 64 MiB.
    #[serde(deserialize_with = "limits::size::<{ limits::MIN_MEMORY }, { limits::MAX_MEMORY }, _>")]
    pub max_memory: u64,
    /// Most calls that run at once. Default 256, at most 10,000.
    #[serde(deserialize_with = "concurrency::calls")]
    pub max_concurrent_calls: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { max_component: 16 << 20, max_memory: 64 << 20, max_concurrent_calls: 256 }
    }
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8787),
            audit: AuditMode::default(),
            audit_keep_ms: None,
            engine: EngineConfig::default(),
            limits: Limits::default(),
            max_request_body: 1 << 20,
            calls_at_once: None,
            queue: QueueRules::default(),
            storage: StorageRules::default(),
            idempotency: KeyRules::default(),
            public_url: None,
            hosts: HostNames::default(),
            issuers: Vec::new(),
            tls: None,
            alerts: None,
            mcp: McpRules::default(),
            telemetry: TelemetryConfig::default(),
        }
    }
}

/// The file as it is written.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct HostFile {
    #[serde(deserialize_with = "address")]
    listen: Option<SocketAddr>,
    audit: AuditTable,
    engine: EngineConfig,
    limits: PartialLimits,
    http: HttpTable,
    concurrency: ConcurrencyTable,
    queue: QueueRules,
    storage: StorageRules,
    idempotency: KeyRules,
    public_url: Option<WebUrl>,
    hosts: BTreeMap<String, TenantId>,
    issuers: Vec<IssuerTable>,
    tls: Option<TlsTable>,
    alerts: AlertsTable,
    mcp: McpRules,
    telemetry: TelemetryConfig,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ConcurrencyTable {
    #[serde(deserialize_with = "concurrency::at_once")]
    calls: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct AuditTable {
    mode: AuditMode,
    #[serde(deserialize_with = "days")]
    keep: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct HttpTable {
    #[serde(deserialize_with = "limits::optional_size::<1024, { 64 << 20 }, _>")]
    max_request_body: Option<u64>,
}

impl HostConfig {
    /// Reads `strongroom.toml`. `file` is what messages call it.
    ///
    /// # Errors
    /// [`ConfigError`] with the line, for text that is no TOML, unknown keys, wrong types and values out of
    /// range.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        Self::read(&Document::new(FileKind::Host, file, text)?)
    }

    pub(super) fn read(document: &Document) -> Result<Self, ConfigError> {
        let HostFile {
            listen,
            audit,
            engine,
            limits,
            http,
            concurrency,
            queue,
            storage,
            idempotency,
            public_url,
            hosts,
            issuers,
            tls,
            alerts,
            mcp,
            telemetry,
        } = document.read()?;
        let defaults = Self::default();
        let hosts = HostNames::read(document, hosts, public_url.as_ref())?;
        let config = Self {
            listen: listen.unwrap_or(defaults.listen),
            audit: audit.mode,
            audit_keep_ms: audit.keep,
            engine,
            limits: limits
                .or(&Limits { memory: defaults.limits.memory.min(engine.max_memory), ..defaults.limits }),
            max_request_body: http.max_request_body.unwrap_or(defaults.max_request_body),
            calls_at_once: concurrency.calls,
            queue,
            storage,
            idempotency,
            issuers: issuer::read(document, issuers, public_url.as_ref(), &hosts)?,
            hosts,
            public_url,
            tls: tls.map(|tls| tls.rule(document)).transpose()?,
            alerts: alerts.rule(document)?,
            mcp,
            telemetry,
        };
        if config.limits.memory > engine.max_memory {
            return Err(document.fault_at(
                &["limits", "memory"],
                format!("the engine gives a call at most {}", ByteSize(engine.max_memory)),
                "more than engine.max_memory",
                "lower it, or raise engine.max_memory",
            ));
        }
        Ok(config)
    }
}

pub(super) fn address<'de, D: Deserializer<'de>>(d: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(d)?;
    let address = text.parse().map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        D::Error::custom(format!(
            "{shown:?} is no address to listen on; write IP address and port, as \"127.0.0.1:8787\""
        ))
    });
    address.map(Some)
}

/// Milliseconds from `400d` or `60w`.
fn days<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(d)?;
    let read = || {
        let (number, days) = match (text.strip_suffix('d'), text.strip_suffix('w')) {
            (Some(number), _) => (number, 1),
            (None, number) => (number?, 7),
        };
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let number: u64 = digits.then(|| number.parse().ok()).flatten()?;
        number.checked_mul(days)?.checked_mul(86_400_000).filter(|ms| *ms > 0)
    };
    read().map(Some).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        D::Error::custom(format!("{shown:?} is no span of days; write \"400d\" or \"60w\", at least \"1d\""))
    })
}
