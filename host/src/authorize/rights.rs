//! What one call may reach: asked by the gate at every import.
//!
//! Takes: what [`meet`](super::meet::meet) made of manifest and grant. Gives: [`Rights`], [`HttpTarget`],
//! [`Refusal`]. May name: id, config.

use super::method::Method;
use super::origin::{Origin, OriginPattern, Scheme};
use super::path::{PathPattern, RequestPath};
use crate::config::{AskKind, BucketName, ConfigKey, CredentialHandle, DirPath, Limits, Mode};
use crate::id::NeedName;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The effective rights of one call: what the tool needs and the tenant grants, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Rights {
    /// HTTP endpoints, sorted by need.
    pub http: Vec<HttpRight>,
    /// Directories, sorted by need.
    pub dirs: Vec<DirRight>,
    /// Keyvalue buckets, sorted by need.
    pub kv: Vec<KvRight>,
    /// The tenant's memory; `None` when it may not be used.
    pub memory: Option<Mode>,
    /// The tool's cache; `None` when it may not be used.
    pub cache: Option<CacheRight>,
    /// What the caller may be asked for.
    pub ask: BTreeSet<AskKind>,
    /// Configuration values.
    pub config: BTreeMap<ConfigKey, String>,
    /// The call's limits.
    pub limits: Limits,
    /// What the tool needs and the tenant does not grant; only for the texts of refusals.
    pub ungranted: Vec<(Kind, String)>,
}

/// Requests to some origins, with some methods, to some paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HttpRight {
    /// The need that it comes from.
    pub need: NeedName,
    /// Where to; never empty.
    pub origins: Vec<OriginPattern>,
    /// With which methods; never empty.
    pub methods: Vec<Method>,
    /// To which paths; never empty.
    pub paths: Vec<PathPattern>,
    /// The credential that the host adds.
    pub credential: Option<CredentialHandle>,
    /// Whether the origins may resolve to private, loopback and link-local addresses.
    pub allow_private: bool,
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DirRight {
    /// The need that it comes from; the guest sees the directory under this name.
    pub need: NeedName,
    /// The directory of the machine.
    pub path: DirPath,
    /// Whether it may be changed.
    pub mode: Mode,
}

/// A bucket of the tenant's keyvalue store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KvRight {
    /// The need that it comes from; the guest opens the bucket under this name.
    pub need: NeedName,
    /// The bucket in the store.
    pub bucket: BucketName,
    /// Whether it may be changed.
    pub mode: Mode,
}

/// The tool's cache for the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CacheRight {
    /// Bytes that the tool may have of what the tenant may cache; `None` is all of it.
    pub max_bytes: Option<u64>,
}

/// The kinds of needs, as they stand in manifests and grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An HTTP endpoint.
    Http,
    /// A directory.
    Dir,
    /// A keyvalue bucket.
    KeyValue,
    /// The tenant's memory.
    Memory,
    /// The tool's cache for the tenant.
    Cache,
    /// Asking the caller.
    Ask,
    /// A configuration key.
    Config,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Dir => "dir",
            Self::KeyValue => "keyvalue",
            Self::Memory => "memory",
            Self::Cache => "cache",
            Self::Ask => "ask",
            Self::Config => "config",
        })
    }
}

/// A request that may be sent, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    /// The real origin, in its normal form: connect to this, and write this into the request, whatever the
    /// guest wrote.
    pub origin: Origin,
    /// The need that allows it.
    pub need: NeedName,
    /// The credential to add.
    pub credential: Option<CredentialHandle>,
    /// Whether the origin may resolve to private, loopback and link-local addresses.
    pub allow_private: bool,
    /// The target for people and the audit log: origin and path, without the query.
    pub display: String,
}

/// Why an import was refused. The text is safe to show and to record: it holds no query, no credential and
/// nothing of the guest's that was not read strictly before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// One sentence.
    pub why: Cow<'static, str>,
}

fn refuse<T>(why: impl Into<Cow<'static, str>>) -> Result<T, Refusal> {
    Err(Refusal { why: why.into() })
}

impl Rights {
    /// Whether a request may be sent. `authority` is a need's name, which stands for the one exact origin
    /// that the grant binds it to, or the `host[:port]` of a real origin. Of several rights that allow the
    /// request, the first by name is taken.
    ///
    /// # Errors
    /// [`Refusal`] when no right covers origin, method and path together, or when the request is not one that
    /// every server would read the same way.
    pub fn http(
        &self,
        method: &str,
        scheme: &str,
        authority: &str,
        path_and_query: &str,
    ) -> Result<HttpTarget, Refusal> {
        let path = match RequestPath::parse(path_and_query) {
            Ok(path) => path,
            Err(unclear) => return refuse(format!("{unclear}, so servers could differ on what it is")),
        };
        let Some(scheme) = Scheme::parse(scheme) else {
            return refuse("only http and https requests can be sent");
        };
        let named = |need: &str| need.eq_ignore_ascii_case(authority);
        if let Some(right) = self.http.iter().find(|right| named(right.need.as_str())) {
            let [OriginPattern::Exact(origin)] = right.origins.as_slice() else {
                let need = &right.need;
                return refuse(format!(
                    "need `{need}` is bound to more than one origin: call one of them by its real name"
                ));
            };
            return match right.lacks(method, &path) {
                None => Ok(right.target(origin, &path)),
                Some(lack) => refuse(lack),
            };
        }
        if let Some((_, need)) = self.ungranted.iter().find(|(kind, need)| *kind == Kind::Http && named(need))
        {
            return refuse(ungranted(Kind::Http, need));
        }
        let Ok(origin) = Origin::from_parts(scheme, authority) else {
            return refuse("the authority is neither a need of the tool nor a plain host and port");
        };
        let mut lack = None;
        for right in
            self.http.iter().filter(|right| right.origins.iter().any(|pattern| pattern.matches(&origin)))
        {
            match right.lacks(method, &path) {
                None => return Ok(right.target(&origin, &path)),
                some => lack = lack.or(some),
            }
        }
        refuse(lack.unwrap_or_else(|| format!("no granted need of the tool leads to {origin}")))
    }

    /// The directory that the guest sees under this name (`workspace` or `/workspace`).
    ///
    /// # Errors
    /// [`Refusal`] when no such directory is both needed and granted.
    pub fn dir(&self, guest_root: &str) -> Result<&DirRight, Refusal> {
        let name = guest_root.strip_prefix('/').unwrap_or(guest_root);
        match self.dirs.iter().find(|right| right.need.as_str() == name) {
            Some(right) => Ok(right),
            None => refuse(self.unknown(Kind::Dir, name)),
        }
    }

    /// The bucket that the guest opens under this name, a need's; `""` and `"default"` are the only need if
    /// there is exactly one.
    ///
    /// # Errors
    /// [`Refusal`] when no such bucket is both needed and granted, or when it would be changed and is
    /// read-only.
    pub fn bucket(&self, identifier: &str, write: bool) -> Result<&KvRight, Refusal> {
        let right = match (self.kv.iter().find(|right| right.need.as_str() == identifier), self.kv.as_slice())
        {
            (Some(right), _) => right,
            (None, [only]) if matches!(identifier, "" | "default") => only,
            (None, [_, _, ..]) if matches!(identifier, "" | "default") => {
                return refuse("the tool has several buckets: open one by its need's name");
            }
            (None, _) => return refuse(self.unknown(Kind::KeyValue, identifier)),
        };
        if write && right.mode == Mode::ReadOnly {
            return refuse(format!("the bucket of need `{}` is read-only", right.need));
        }
        Ok(right)
    }

    /// Whether the tenant's memory may be searched, and with `write` changed.
    ///
    /// # Errors
    /// [`Refusal`] when it is not both needed and granted, or when it would be changed and is read-only.
    pub fn memory(&self, write: bool) -> Result<(), Refusal> {
        match self.memory {
            Some(Mode::ReadOnly) if write => {
                refuse("the memory is granted for reading only, or the function is declared to read")
            }
            Some(_) => Ok(()),
            None if self.ungranted.iter().any(|(kind, _)| *kind == Kind::Memory) => {
                refuse("the tenant does not grant its memory to the tool")
            }
            None => refuse("the tool's manifest does not need the memory"),
        }
    }

    /// The tool's cache.
    ///
    /// # Errors
    /// [`Refusal`] when it is not both needed and granted.
    pub fn cache(&self) -> Result<CacheRight, Refusal> {
        match self.cache {
            Some(right) => Ok(right),
            None if self.ungranted.iter().any(|(kind, _)| *kind == Kind::Cache) => {
                refuse("the tenant does not grant a cache to the tool")
            }
            None => refuse("the tool's manifest does not need a cache"),
        }
    }

    /// Whether the caller may be asked for this.
    ///
    /// # Errors
    /// [`Refusal`] when it is not both needed and granted.
    pub fn ask(&self, kind: AskKind) -> Result<(), Refusal> {
        match self.ask.contains(&kind) {
            true => Ok(()),
            false => refuse(self.unknown(Kind::Ask, &kind.to_string())),
        }
    }

    /// The value of a configuration key.
    ///
    /// # Errors
    /// [`Refusal`] when the tool does not need the key, or the tenant gives it no value.
    pub fn config(&self, key: &str) -> Result<&str, Refusal> {
        match self.config.get(key) {
            Some(value) => Ok(value),
            None => refuse(self.unknown(Kind::Config, key)),
        }
    }

    /// Whether every right here is also in `other`, at least as wide: nothing that these rights allow is
    /// refused by those. Conservative: a right that only several together would cover counts as missing.
    #[must_use]
    pub fn within(&self, other: &Self) -> bool {
        let http = self.http.iter().all(|right| other.http.iter().any(|wider| right.within(wider)));
        let dirs = self.dirs.iter().all(|right| {
            other.dirs.iter().any(|wider| {
                (&wider.need, &wider.path) == (&right.need, &right.path) && right.mode <= wider.mode
            })
        });
        let kv = self.kv.iter().all(|right| {
            other.kv.iter().any(|wider| {
                (&wider.need, &wider.bucket) == (&right.need, &right.bucket) && right.mode <= wider.mode
            })
        });
        let config = self.config.iter().all(|(key, value)| other.config.get(key) == Some(value));
        http && dirs
            && kv
            && self.memory <= other.memory
            && self.cache.is_none_or(|right| other.cache.is_some_and(|wider| right.within(wider)))
            && self.ask.is_subset(&other.ask)
            && config
            && self.limits.min(&other.limits) == self.limits
    }

    /// Whether a call may change what other tools of the tenant can be granted too: its memory, buckets, directories.
    #[must_use]
    pub fn changes_what_tools_share(&self) -> bool {
        self.memory == Some(Mode::ReadWrite)
            || self.kv.iter().any(|right| right.mode == Mode::ReadWrite)
            || self.dirs.iter().any(|right| right.mode == Mode::ReadWrite)
    }

    fn unknown(&self, kind: Kind, name: &str) -> String {
        match self.ungranted.iter().find(|(k, need)| *k == kind && need == name) {
            Some((_, need)) => ungranted(kind, need),
            None => format!("the tool's manifest has no {kind} need of this name"),
        }
    }
}

impl CacheRight {
    fn within(self, other: Self) -> bool {
        other.max_bytes.is_none_or(|wider| self.max_bytes.is_some_and(|bytes| bytes <= wider))
    }
}

impl HttpRight {
    /// What of the request this right does not cover, if anything.
    fn lacks(&self, method: &str, path: &RequestPath<'_>) -> Option<String> {
        let need = &self.need;
        if !self.methods.iter().any(|allowed| allowed.as_str() == method) {
            return Some(format!("need `{need}` allows {}, and not this method", Listed(&self.methods)));
        }
        if !self.paths.iter().any(|allowed| allowed.matches(path)) {
            return Some(format!("need `{need}` allows the paths {}, and not this one", Listed(&self.paths)));
        }
        None
    }

    fn target(&self, origin: &Origin, path: &RequestPath<'_>) -> HttpTarget {
        HttpTarget {
            origin: origin.clone(),
            need: self.need.clone(),
            credential: self.credential.clone(),
            allow_private: self.allow_private,
            display: format!("{origin}{}", path.as_str()),
        }
    }

    fn within(&self, other: &Self) -> bool {
        self.need == other.need
            && self.credential == other.credential
            && (!self.allow_private || other.allow_private)
            && self.origins.iter().all(|narrow| other.origins.iter().any(|wide| wide.covers(narrow)))
            && self.methods.iter().all(|method| other.methods.contains(method))
            && self.paths.iter().all(|narrow| other.paths.iter().any(|wide| wide.covers(narrow)))
    }
}

fn ungranted(kind: Kind, need: &str) -> String {
    match kind {
        Kind::Config => format!("the tenant gives configuration key `{need}` no value"),
        kind => format!("the tenant does not grant {kind} need `{need}`"),
    }
}

/// At most eight of a list, for a sentence.
struct Listed<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().take(8).enumerate() {
            write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
        }
        if self.0.len() > 8 { f.write_str(", …") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
