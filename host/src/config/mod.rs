//! The operator's, tenants' and tools' files as validated types.
//!
//! Takes: the home folder, a manifest's text. Gives: [`Settings`], [`Manifest`] and what they consist of.
//! May name: id, reason, authorize, powers.
//!
//! Reading is strict: unknown keys, wrong types and values out of range are faults, shown with their line.
//! Nothing is taken over from files of which one has a fault.

mod check;
pub(crate) mod credentials;
mod document;
mod error;
mod grant;
mod host;
mod limits;
mod list;
mod load;
mod manifest;
mod names;
mod size;
mod tenant;

pub use credentials::seal::{InvalidKey, KeyRing};
pub use credentials::{Credential, CredentialEntry, CredentialSource, Credentials, Injection, Secret};
pub use document::{MAX_FILE_BYTES, line_of};
pub use error::{ConfigError, ConfigErrors, FileKind};
pub use grant::{
    ConfigGrant, DirGrant, DirPath, HttpGrant, InvalidDirPath, KvGrant, MemoryGrant, OWN_FILES, ToolGrant,
};
pub use host::{AuditMode, EngineConfig, HostConfig};
pub use limits::{Limits, MAX_DEADLINE_MS, MAX_FUEL, MAX_MEMORY, MIN_MEMORY, PartialLimits};
pub use list::MAX_ELEMENTS;
pub use load::Settings;
pub use manifest::{
    ConfigNeed, DirNeed, Effect, FunctionRule, HttpNeed, KvNeed, MAX_ENTRIES, Manifest, MemoryNeed, Mode,
    Needs,
};
pub use names::{
    BucketName, ConfigKey, CredentialHandle, InvalidName, QueryName, RoleName, ToolPattern, UserName,
};
pub use size::{ByteSize, InvalidSize};
pub use tenant::{BudgetOf, BudgetRule, Rate, Role, Tenant, ToolRules, Window};

#[cfg(test)]
mod tests;
