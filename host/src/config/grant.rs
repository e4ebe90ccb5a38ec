//! What a tenant grants to one tool: each named need bound to something real.
//!
//! Takes: `[grants.<tool>]` of a tenant's file. Gives: [`ToolGrant`]. May name: id, authorize.

use super::list;
use super::manifest::{AskKind, Mode};
use super::names::{BucketName, ConfigKey, CredentialHandle};
use super::size::ByteSize;
use crate::authorize::method::Method;
use crate::authorize::origin::OriginPattern;
use crate::authorize::path::PathPattern;
use crate::id::NeedName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The rights that a tenant gives to one tool. What the tool's manifest does not need stays without effect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ToolGrant {
    /// HTTP endpoints, by need.
    pub http: BTreeMap<NeedName, HttpGrant>,
    /// Directories, by need.
    pub dir: BTreeMap<NeedName, DirGrant>,
    /// Keyvalue buckets, by need.
    pub keyvalue: BTreeMap<NeedName, KvGrant>,
    /// The tenant's memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryGrant>,
    /// A cache of the tool's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheGrant>,
    /// Asking the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<AskGrant>,
    /// Configuration values.
    pub config: ConfigGrant,
}

/// Where an HTTP need leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "HttpGrantTable")]
pub struct HttpGrant {
    /// The origins, 1 to 64. With a single exact one, the tool may write the need's name in place of the
    /// host.
    pub origins: Vec<OriginPattern>,
    /// The credential that the host adds to every request.
    pub credential: Option<CredentialHandle>,
    /// Whether the origins may resolve to private, loopback and link-local addresses.
    pub allow_private: bool,
    /// Only these of the methods that the tool needs; `None` is all of them.
    pub methods: Option<Vec<Method>>,
    /// Only these of the paths that the tool needs; `None` is all of them.
    pub paths: Option<Vec<PathPattern>>,
}

impl HttpGrant {
    /// A grant of these origins, public addresses only, without a credential, and no narrower than the need.
    #[must_use]
    pub fn to(origins: Vec<OriginPattern>) -> Self {
        Self { origins, credential: None, allow_private: false, methods: None, paths: None }
    }
}

/// The table as it is written: one `origin`, or `origins`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpGrantTable {
    origin: Option<OriginPattern>,
    #[serde(default, deserialize_with = "list::optional_some")]
    origins: Option<Vec<OriginPattern>>,
    credential: Option<CredentialHandle>,
    #[serde(default)]
    allow_private: bool,
    #[serde(default, deserialize_with = "list::optional_some")]
    methods: Option<Vec<Method>>,
    #[serde(default, deserialize_with = "list::optional_some")]
    paths: Option<Vec<PathPattern>>,
}

/// Neither or both of `origin` and `origins`.
#[derive(Debug, thiserror::Error)]
#[error("the grant leads {0}; write either `origin` or `origins`")]
struct OneOfOrigins(&'static str);

impl TryFrom<HttpGrantTable> for HttpGrant {
    type Error = OneOfOrigins;
    fn try_from(table: HttpGrantTable) -> Result<Self, OneOfOrigins> {
        let origins = match (table.origin, table.origins) {
            (Some(origin), None) => vec![origin],
            (None, Some(origins)) => origins,
            (None, None) => return Err(OneOfOrigins("nowhere")),
            (Some(_), Some(_)) => return Err(OneOfOrigins("to `origin` and to `origins`")),
        };
        let HttpGrantTable { credential, allow_private, methods, paths, .. } = table;
        Ok(Self { origins, credential, allow_private, methods, paths })
    }
}

/// Which directory of the machine a need is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirGrant {
    /// The directory.
    pub path: DirPath,
    /// Read-only unless it says `rw`.
    #[serde(default)]
    pub mode: Mode,
}

/// Which bucket of the tenant's store a need is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KvGrant {
    /// The bucket; `None` is `<tool>/<need>`. Tools that name the same bucket share it, within the tenant.
    pub bucket: Option<BucketName>,
    /// Read-only unless it says `rw`.
    #[serde(default)]
    pub mode: Mode,
}

/// The tenant's memory. There is one for each tenant: tools to which it is granted share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryGrant {
    /// Read-only unless it says `rw`.
    #[serde(default)]
    pub mode: Mode,
}

/// A cache of the tool's own, within what the tenant's tools may cache together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheGrant {
    /// The tool's part of it; `None` is all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<ByteSize>,
}

/// Asking the caller for something while a function runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AskGrant {
    /// Only these of the kinds that the tool needs; `None` is all of them.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "list::optional_some")]
    pub kinds: Option<Vec<AskKind>>,
}

/// Values for configuration keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigGrant {
    /// The values by key. Not for secrets: the guest reads them.
    #[serde(default)]
    pub values: BTreeMap<ConfigKey, String>,
}

/// Why a path cannot be granted: what is wrong, and after the semicolon what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("directory {path:?} {what}; {fix}")]
pub struct InvalidDirPath {
    path: String,
    what: &'static str,
    fix: &'static str,
}

/// The first parts of paths in the home folder that hold the host's own files, which no tool may see.
pub const OWN_FILES: &[&str] = &[
    "answers",
    "audit",
    "book.key",
    "book.pub",
    "book.seen",
    "cache",
    "credentials.toml",
    "empty",
    "host.key",
    "ledger.db",
    "policies",
    "prices.toml",
    "stores",
    "strongroom.toml",
    "tenant-cache",
    "tenants",
    "tools",
];

/// A directory to grant: relative to the host's home folder, or absolute. It has no `..`, and is neither the
/// home folder, nor one of [`OWN_FILES`], nor the root of the file system.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DirPath(Arc<str>);

impl DirPath {
    /// Checks and normalises (`./a//b/` becomes `a/b`).
    ///
    /// # Errors
    /// [`InvalidDirPath`] for paths that are empty, climb with `..`, hold control characters or backslashes,
    /// or would grant the host's own files.
    pub fn new(text: &str) -> Result<Self, InvalidDirPath> {
        let bad = |what, fix| Err(InvalidDirPath { path: text.chars().take(80).collect(), what, fix });
        if text.chars().any(|c| c.is_control()) || (text.contains('\\') && cfg!(not(windows))) {
            return bad("holds control characters or backslashes", "write it with forward slashes");
        }
        let absolute = Path::new(text).is_absolute();
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            return bad("climbs out with `..`", "write the path that it leads to");
        }
        let Some(first) = parts.first() else {
            return bad(
                "is the home folder or the whole machine",
                "name a directory below it, as \"data/acme\"",
            );
        };
        if !absolute && OWN_FILES.iter().any(|own| first.eq_ignore_ascii_case(own)) {
            return bad(
                "holds the host's own files",
                "keep a tenant's data in a folder of its own, as \"data/acme\"",
            );
        }
        let root = if absolute && text.starts_with('/') { "/" } else { "" };
        Ok(Self(format!("{root}{}", parts.join("/")).into()))
    }

    /// The normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it starts at the root of the file system and not at the host's home folder.
    #[must_use]
    pub fn is_absolute(&self) -> bool {
        Path::new(&*self.0).is_absolute()
    }
}

impl fmt::Display for DirPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DirPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl TryFrom<String> for DirPath {
    type Error = InvalidDirPath;
    fn try_from(text: String) -> Result<Self, InvalidDirPath> {
        Self::new(&text)
    }
}

impl From<DirPath> for String {
    fn from(path: DirPath) -> String {
        path.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_stays_below_where_it_starts() {
        for (text, normal) in [
            ("data/acme", "data/acme"),
            ("./data//acme/", "data/acme"),
            ("/srv/acme/", "/srv/acme"),
            ("tenants-data", "tenants-data"),
            ("/tenants", "/tenants"),
            ("data/..a", "data/..a"),
        ] {
            assert_eq!(DirPath::new(text).unwrap().as_str(), normal, "{text}");
        }
        assert!(DirPath::new("/srv").unwrap().is_absolute() && !DirPath::new("srv").unwrap().is_absolute());
        for text in [
            "",
            ".",
            "./",
            "/",
            "//",
            "..",
            "data/../..",
            "data/..",
            "a\0b",
            "a\nb",
            "a\\b",
            "tenants",
            "./Tenants/acme",
            "credentials.toml",
        ] {
            assert!(DirPath::new(text).is_err(), "{text:?}");
        }
    }
}
