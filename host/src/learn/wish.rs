//! What a denied call wanted, from its entry in the book.
//!
//! Takes: an entry. Gives: [`Wish`]es. May name: audit, id, imports, reason.

use super::{Denied, Seen};
use crate::audit::{Decision, Entry, ImportRecord, Phase};
use crate::id::{FunctionName, TenantId, ToolName};
use crate::imports::http::LEADS_INSIDE;
use crate::reason::Reason;

/// A function of a tenant, and what it was denied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wish {
    pub(super) tenant: TenantId,
    pub(super) tool: ToolName,
    pub(super) function: FunctionName,
    pub(super) want: Want,
}

/// What was denied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Want {
    /// To be called at all; with the rule that denied it.
    Call { rule: String },
    /// A request. Without a method the entry is older than the field for it.
    Http { method: Option<String>, write: bool, scheme: String, authority: String, path: String },
    /// A request whose name leads to an address inside.
    Inside { scheme: String, authority: String, path: String },
    /// A file or folder under a need.
    Dir { need: String, path: String, write: bool },
    /// A bucket, by the name that the guest opened it under, or by its own once it was open.
    Bucket { name: String, open: bool, write: bool },
    /// The memory.
    Memory { write: bool },
    /// The tool's cache.
    Cache,
    /// To ask the caller.
    Caller { kind: String },
    /// A configuration value.
    Config { key: String },
    /// Anything else.
    Other { import: String, target: String },
}

/// Everything that the entry's call was denied.
pub(super) fn of(entry: &Entry) -> Vec<Wish> {
    let called = entry.action.strip_prefix("call ").and_then(|name| FunctionName::new(name).ok());
    let (Some(tenant), Some(function)) = (entry.tenant_id.clone(), called) else { return Vec::new() };
    let Some(tool) = function.as_str().split_once('.').and_then(|(tool, _)| ToolName::new(tool).ok()) else {
        return Vec::new();
    };
    if entry.phase == Phase::Intent {
        return Vec::new();
    }
    let policy = (entry.reason_code == Reason::PolicyDenied)
        .then(|| Want::Call { rule: entry.note.clone().unwrap_or_default() });
    let imports = entry.imports.iter().filter(|record| record.decision == Decision::Deny).map(want);
    let wish = |want| Wish { tenant: tenant.clone(), tool: tool.clone(), function: function.clone(), want };
    policy.into_iter().chain(imports).map(wish).collect()
}

fn want(record: &ImportRecord) -> Want {
    let target = record.target.as_deref().unwrap_or_default();
    let write = record.class == "effect";
    let (interface, function) = record.import.split_once('.').unwrap_or((record.import.as_ref(), ""));
    match interface {
        "wasi:http/outgoing-handler" => {
            let (scheme, rest) = target.split_once("://").unwrap_or(("", target));
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let [scheme, authority, path] = [scheme, authority, path].map(str::to_owned);
            match record.why.as_deref() == Some(LEADS_INSIDE) {
                true => Want::Inside { scheme, authority, path },
                false => {
                    let method = record.method.as_deref().map(str::to_owned);
                    Want::Http { method, write, scheme, authority, path }
                }
            }
        }
        interface if interface.starts_with("wasi:filesystem/") => {
            let (need, path) = target.split_once(':').unwrap_or((target, ""));
            Want::Dir { need: need.to_owned(), path: path.to_owned(), write }
        }
        interface if interface.starts_with("wasi:keyvalue/") => {
            Want::Bucket { name: target.to_owned(), open: function == "open", write }
        }
        "strongroom:host/memory" => Want::Memory { write },
        "strongroom:host/cache" => Want::Cache,
        "strongroom:host/ask" => Want::Caller { kind: target.to_owned() },
        "wasi:config/store" => Want::Config { key: target.to_owned() },
        _ => Want::Other { import: record.import.to_string(), target: target.to_owned() },
    }
}

impl Wish {
    /// The wish in words, with what is said about it.
    pub(super) fn denied(&self, says: String, seen: &Seen) -> Denied {
        let seen = seen.clone();
        Denied { tenant: self.tenant.clone(), what: self.text(), says, seen }
    }

    fn text(&self) -> String {
        let function = &self.function;
        let mode = |write: &bool| if *write { "write" } else { "read" };
        let wanted = match &self.want {
            Want::Call { .. } => return format!("{function} to be called"),
            Want::Http { method, write, scheme, authority, path } => {
                let method = method.as_deref().unwrap_or(if *write { "a write" } else { "a read" });
                format!("{method} {scheme}://{authority}{path}")
            }
            Want::Inside { scheme, authority, path } => {
                format!("{scheme}://{authority}{path} at an address inside")
            }
            Want::Dir { need, path, write } => format!("{} dir {need}:{path}", mode(write)),
            Want::Bucket { name, write, .. } => format!("{} bucket {name:?}", mode(write)),
            Want::Memory { write } => format!("{} the memory", mode(write)),
            Want::Cache => "the cache".to_owned(),
            Want::Caller { kind } => format!("to ask its caller: {kind}"),
            Want::Config { key } => format!("config {key:?}"),
            Want::Other { import, target } if target.is_empty() => import.clone(),
            Want::Other { import, target } => format!("{import} {target}"),
        };
        format!("{function} {wanted}")
    }
}
