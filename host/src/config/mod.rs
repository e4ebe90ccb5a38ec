//! The operator's, tenants' and tools' files as validated types.
//!
//! Takes: the home folder, a manifest's text. Gives: [`Settings`], [`Manifest`] and what they consist of.
//! May name: id, reason, authorize, post, powers, storage.
//!
//! Reading is strict: unknown keys, wrong types and values out of range are faults, shown with their line.
//! Nothing is taken over from files of which one has a fault.

mod admin;
mod alerts;
mod budget;
mod check;
mod clients;
mod concurrency;
pub(crate) mod credentials;
mod document;
mod error;
mod grant;
mod host;
mod hosts;
mod issuer;
mod keying;
pub(crate) mod leaving;
mod limits;
mod list;
mod load;
mod manifest;
mod mcp;
mod names;
mod offered;
mod policies;
mod prices;
mod schema;
mod size;
mod span;
mod spiffe;
mod storage;
mod telemetry;
mod tenant;
mod tls;
mod url;
mod wassette;

pub use admin::AdminRule;
pub(crate) use alerts::is_file as is_secret_file;
pub use alerts::{SecretFrom, SigningSecret, Webhook, WebhookRule};
pub use budget::{ActorRule, BudgetRule};
pub use clients::{CallerRule, Meaning, Named, TrustRule};
pub(crate) use concurrency::price;
pub use concurrency::{ConcurrencyRules, Priority, QueueRules};
pub use credentials::seal::{InvalidKey, KeyRing};
pub use credentials::{Credential, CredentialEntry, CredentialSource, Credentials, Injection, Secret};
pub(crate) use document::{Document, span_of};
pub use document::{MAX_FILE_BYTES, line_of};
pub use error::{ConfigError, ConfigErrors, FileKind};
pub use grant::{
    AskGrant, CacheGrant, ConfigGrant, DirGrant, DirPath, HttpGrant, InvalidDirPath, KvGrant, MemoryGrant,
    OWN_FILES, ToolGrant,
};
pub use host::{AuditMode, EngineConfig, HostConfig};
pub use hosts::HostNames;
pub use issuer::{ClaimName, ClaimText, IssuerRule, MAX_ISSUERS, TenantRule, TokenAlgorithm, TokenType};
pub use keying::{KeyRules, Keyless};
pub use limits::{
    Limits, MAX_DEADLINE_MS, MAX_EGRESS, MAX_FUEL, MAX_MEMORY, MAX_STORED, MIN_MEMORY, PartialLimits,
};
pub use list::MAX_ELEMENTS;
pub use load::Settings;
pub use manifest::{
    AskKind, AskNeed, CacheNeed, ConfigNeed, DirNeed, Effect, FunctionRule, HttpNeed, KvNeed, MAX_ENTRIES,
    Manifest, MemoryNeed, Mode, Needs,
};
pub use mcp::{LEAST_INLINE, MOST_INLINE, McpRules};
pub use names::{
    BucketName, ConfigKey, CredentialHandle, InvalidName, QueryName, RoleName, ToolPattern, UserName,
};
pub use offered::{ResourceRule, Uri};
pub use prices::{MAX_COST, MAX_PRICE, Price, Prices};
pub use schema::manifest_schema;
pub use size::{ByteSize, InvalidSize};
pub use span::{InvalidTime, KeptFor};
pub use spiffe::{SpiffeId, TrustDomain};
pub use storage::{MAX_QUOTA_BYTES, MAX_QUOTA_ENTRIES, QuotaRule, StorageRules};
pub use telemetry::{MAX_COUNTED_TENANTS, TelemetryConfig};
pub use tenant::{LIST_RATE, Rate, Role, Tenant, TenantRules, ToolRules};
pub use tls::{ClientRule, HomeFile, TlsRule};
pub use url::WebUrl;
pub use wassette::{Imported, InvalidPolicy, import_wassette};

#[cfg(test)]
pub(crate) mod tests;
