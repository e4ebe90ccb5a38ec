//! A tool's manifest, `tool.toml`: what it is called, which functions write, and what it needs by name.
//!
//! Takes: the manifest's text. Gives: [`Manifest`]. May name: id, authorize.

use super::document::Document;
use super::error::{ConfigError, FileKind};
use super::limits::PartialLimits;
use super::list;
use super::names::ConfigKey;
use super::offered::ResourceRule;
use super::span::KeptFor;
use crate::authorize::method::Method;
use crate::authorize::path::PathPattern;
use crate::id::{FunctionName, NeedName, ToolName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The most needs of one kind, and the most functions with an entry.
pub const MAX_ENTRIES: usize = 256;
/// The longest description, in bytes.
pub(crate) const MAX_DESCRIPTION: usize = 4096;

/// What a tool declares about itself. It gives no rights: a tenant's grant binds what it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The tool's name; functions are called as `<name>.<function>`.
    pub name: ToolName,
    /// Its version, as `1.2.3` with an optional `-pre` or `+build`.
    pub version: String,
    /// What it is for, at most 4,096 bytes.
    #[serde(default)]
    pub description: String,
    /// Per function, by its name without the tool: what it does. A function without an entry writes.
    #[serde(default)]
    pub functions: BTreeMap<String, FunctionRule>,
    /// The capabilities that it needs.
    #[serde(default)]
    pub needs: Needs,
    /// The limits that it asks for.
    #[serde(default)]
    pub limits: PartialLimits,
}

/// What a manifest says about one function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionRule {
    /// Whether it changes anything.
    pub effect: Effect,
    /// How long its answers may be given again to equal calls of the same tenant. Only of a function that reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<KeptFor>,
    /// The resource of the Model Context Protocol that it gives. Only of a function that reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceRule>,
    /// Whether it is a prompt of the Model Context Protocol. Only of a function that reads and gives no resource.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prompt: bool,
}

/// Whether a function changes anything outside of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It only reads; a repeat does no harm.
    Read,
    /// It changes something; it needs an idempotency key, so that a repeat cannot change it twice.
    Write,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// The capabilities that a tool needs, each under a name that the tenant's grant binds to something real.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Needs {
    /// HTTP endpoints.
    pub http: BTreeMap<NeedName, HttpNeed>,
    /// Directories.
    pub dir: BTreeMap<NeedName, DirNeed>,
    /// Buckets of the tenant's keyvalue store.
    pub keyvalue: BTreeMap<NeedName, KvNeed>,
    /// The tenant's memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryNeed>,
    /// A cache of the tool's own for each tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheNeed>,
    /// Asking the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<AskNeed>,
    /// Configuration values.
    pub config: ConfigNeed,
}

/// An HTTP endpoint: which requests the tool sends there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpNeed {
    /// The methods, 1 to 64.
    #[serde(deserialize_with = "list::some")]
    pub methods: Vec<Method>,
    /// The paths, 1 to 64 patterns.
    #[serde(deserialize_with = "list::some")]
    pub paths: Vec<PathPattern>,
}

/// A directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirNeed {
    /// Read-only unless it says `rw`.
    #[serde(default)]
    pub mode: Mode,
}

/// A bucket of the tenant's keyvalue store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KvNeed {
    /// Read-only unless it says `rw`.
    #[serde(default)]
    pub mode: Mode,
}

/// The tenant's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryNeed {
    /// Read-only unless it says `rw`.
    #[serde(default)]
    pub mode: Mode,
}

/// A cache of the tool's own for each tenant. The table is empty: who caches reads and sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheNeed {}

/// Asking the caller for something while a function runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskNeed {
    /// What for, 1 to 3 kinds.
    #[serde(deserialize_with = "list::some")]
    pub kinds: Vec<AskKind>,
}

/// What a tool can ask its caller for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AskKind {
    /// A form that a person fills in.
    Elicit,
    /// Words of a model of the caller's.
    Sample,
    /// The folders that the caller works in.
    Roots,
}

impl AskKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Elicit, Self::Sample, Self::Roots];
}

/// A word that is no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is nothing that a caller can be asked for; write \"elicit\", \"sample\" or \"roots\"")]
pub struct InvalidAskKind(String);

impl TryFrom<String> for AskKind {
    type Error = InvalidAskKind;
    fn try_from(text: String) -> Result<Self, InvalidAskKind> {
        let known = Self::ALL.into_iter().find(|kind| kind.to_string() == text);
        known.ok_or_else(|| InvalidAskKind(text.chars().take(40).collect()))
    }
}

impl fmt::Display for AskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elicit => "elicit",
            Self::Sample => "sample",
            Self::Roots => "roots",
        })
    }
}

/// Configuration values.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigNeed {
    /// The keys that the tool asks for, at most 64.
    #[serde(deserialize_with = "list::any", default)]
    pub keys: Vec<ConfigKey>,
}

/// Whether something may also be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Mode {
    /// Read only.
    #[default]
    #[serde(rename = "ro")]
    ReadOnly,
    /// Read and write.
    #[serde(rename = "rw")]
    ReadWrite,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "ro",
            Self::ReadWrite => "rw",
        })
    }
}

impl Manifest {
    /// Reads a manifest. `file` is what error messages call it.
    ///
    /// # Errors
    /// [`ConfigError`] with the reason code `manifest_invalid` and the line, for text that is no TOML,
    /// unknown keys, wrong types, bad names and patterns, and more than 256 KiB.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let document = Document::new(FileKind::Manifest, file, text)?;
        let manifest: Self = document.read()?;
        manifest.check(&document)?;
        Ok(manifest)
    }

    /// The manifest of a component that has none: it needs nothing, and every function writes.
    #[must_use]
    pub fn bare(name: ToolName) -> Self {
        Self {
            name,
            version: "0.0.0".to_owned(),
            description: String::new(),
            functions: BTreeMap::new(),
            needs: Needs::default(),
            limits: PartialLimits::default(),
        }
    }

    /// The effect of a function, by its name without the tool.
    #[must_use]
    pub fn effect(&self, function: &str) -> Effect {
        self.functions.get(function).map_or(Effect::Write, |rule| rule.effect)
    }

    /// How long a function's answers may be given again, by its name without the tool.
    #[must_use]
    pub fn cache(&self, function: &str) -> Option<KeptFor> {
        self.functions.get(function).and_then(|rule| rule.cache)
    }

    fn check(&self, document: &Document) -> Result<(), ConfigError> {
        if !is_version(&self.version) {
            let what = "the version is not valid";
            return Err(document.fault_at(&["version"], what, "here", "write it as \"1.2.3\""));
        }
        if self.description.len() > MAX_DESCRIPTION {
            let what = "the description is longer than 4,096 bytes";
            return Err(document.fault_at(&["description"], what, "here", "shorten it"));
        }
        for (function, rule) in &self.functions {
            let offered = match (rule.effect, &rule.resource, rule.prompt) {
                (_, Some(_), true) => Some(("prompt", "is a resource and a prompt at once")),
                (Effect::Write, Some(_), _) => {
                    Some(("resource", "writes, and only what reads can be a resource"))
                }
                (Effect::Write, None, true) => {
                    Some(("prompt", "writes, and only what reads can be a prompt"))
                }
                _ => None,
            };
            if let Some((key, why)) = offered {
                let what = format!("{function:?} {why}");
                return Err(document.fault_at(&["functions", function, key], what, "here", "take it out"));
            }
            if let FunctionRule { effect: Effect::Write, cache: Some(_), .. } = rule {
                return Err(document.fault_at(
                    &["functions", function, "cache"],
                    format!("{function:?} writes, and only answers of functions that read may be kept"),
                    "here",
                    "take `cache` out, or say `effect = \"read\"` if it changes nothing",
                ));
            }
            if FunctionName::new(format!("{}.{function}", self.name)).is_err() || function.is_empty() {
                return Err(document.fault_at(
                    &["functions", function],
                    format!("function name {function:?} is not valid"),
                    "here",
                    "use letters, digits, '_', '-' and '.', at most 128 together with the tool's name",
                ));
            }
        }
        if self.functions.len() > MAX_ENTRIES {
            let what = format!("more than {MAX_ENTRIES} functions have an entry");
            return Err(document.fault_at(&["functions"], what, "here", "make several tools of it"));
        }
        let needs = &self.needs;
        let counts =
            [("http", needs.http.len()), ("dir", needs.dir.len()), ("keyvalue", needs.keyvalue.len())];
        if let Some((kind, _)) = counts.into_iter().find(|(_, count)| *count > MAX_ENTRIES) {
            let what = format!("more than {MAX_ENTRIES} needs of the kind {kind}");
            return Err(document.fault_at(
                &["needs", kind],
                what,
                "here",
                "needs are kinds of use, not single items",
            ));
        }
        Ok(())
    }
}

/// Three numbers, then visible characters after `-` or `+`; at most 64 bytes.
fn is_version(text: &str) -> bool {
    let (core, rest) = text.split_at(text.find(['-', '+']).unwrap_or(text.len()));
    let number = |part: &str| (1..=9).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    text.len() <= 64
        && core.split('.').count() == 3
        && core.split('.').all(number)
        && rest.len() != 1
        && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'))
}
