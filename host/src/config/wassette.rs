//! Another host's rules in our terms: wassette's `policy.yaml` as a tenant's grant and a tool's manifest.
//!
//! Takes: the policy's text. Gives: [`Imported`]. May name: authorize, id.
//!
//! What comes out never allows more than the policy did. What has no equal here, or only a wider one, is left out and
//! named; a key that is not known makes the whole policy unreadable, because it could be one that forbids.

mod policy;
mod write;

use super::document::MAX_FILE_BYTES;
use super::error::ConfigError;
use super::grant::DirPath;
use super::limits::{MAX_MEMORY, MIN_MEMORY};
use super::manifest::Mode;
use crate::authorize::address::is_public;
use crate::authorize::origin::OriginPattern;
use crate::id::{NeedName, TenantId, ToolName};
use policy::{Access, Denied, Memory, Network, Policy, Storage};
use std::collections::BTreeMap;
use url::Host;

/// A policy in our terms. The texts are TOML, and were read back by the readers of the files that they are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Tables for `tenants/<id>.toml`.
    pub grant: String,
    /// `<tool>.tool.toml`, to stand beside a component that carries no manifest.
    pub manifest: String,
    /// What of the policy is not in them, and why: one sentence each.
    pub left_out: Vec<String>,
    /// What a person should look at before the texts are used.
    pub notes: Vec<String>,
}

/// Why nothing came of a policy.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPolicy {
    /// The text is longer than 256 KiB.
    #[error("the policy is longer than 256 KiB")]
    TooLong,
    /// The text is no YAML, or has keys that no version 1 of the format has.
    #[error("the policy cannot be read: {0}")]
    Unreadable(String),
    /// Another version of the format.
    #[error("the policy has version {0:?}; this program knows 1.x")]
    Version(String),
    /// More than our files may hold.
    #[error("the policy does not fit into our files: {0}")]
    TooMuch(#[from] ConfigError),
}

/// Reads a policy and says it in our terms, for one tool of one tenant.
///
/// # Errors
/// [`InvalidPolicy`]; nothing is taken over then.
pub fn import_wassette(text: &str, tool: &ToolName, tenant: &TenantId) -> Result<Imported, InvalidPolicy> {
    if text.len() > MAX_FILE_BYTES {
        return Err(InvalidPolicy::TooLong);
    }
    let policy: Policy =
        serde_norway::from_str(text).map_err(|e| InvalidPolicy::Unreadable(visible(&e.to_string(), 400)))?;
    if policy.version != "1" && !policy.version.starts_with("1.") {
        return Err(InvalidPolicy::Version(visible(&policy.version, 40)));
    }
    let mut found = Found::default();
    let permissions = policy.permissions;
    let storage = permissions.storage.unwrap_or_default();
    found.storage(&storage.allow.unwrap_or_default(), &storage.deny.unwrap_or_default());
    let network = permissions.network.unwrap_or_default();
    found.network(&network.allow.unwrap_or_default(), &network.deny.unwrap_or_default());
    for variable in permissions.environment.and_then(|environment| environment.allow).unwrap_or_default() {
        let why = "tools see no environment; a secret goes into credentials.toml, and the host adds it to requests, and a \
                   plain value is a configuration key, for tools that ask wasi:config";
        found.leave(format!("environment {:?}", visible(&variable.key, 80)), why);
    }
    let resources = permissions.resources.unwrap_or_default();
    let limits = resources.limits.unwrap_or_default();
    found.memory(resources.memory.map(Memory::Megabytes), "resources.memory");
    found.memory(limits.memory, "resources.limits.memory");
    let no_equal = "no such limit here; fuel, memory and a deadline bound what a call uses";
    for (name, given) in [
        ("resources.cpu", resources.cpu.is_some()),
        ("resources.limits.cpu", limits.cpu.is_some()),
        ("resources.io", resources.io.is_some()),
    ] {
        if given {
            found.leave(name.into(), no_equal);
        }
    }
    if let Some(runtime) = permissions.runtime {
        for name in runtime.0.keys() {
            let why = "settings of another runtime; here a tool has no rights but its grants";
            found.leave(format!("runtime.{}", visible(name, 80)), why);
        }
    }
    for pipe in permissions.ipc.and_then(|ipc| ipc.allow).unwrap_or_default() {
        found.leave(format!("ipc {:?}", visible(&pipe.uri, 80)), "tools have no pipes and no sockets");
    }
    found.written(tool, tenant)
}

/// What the policy comes to, until it is written.
#[derive(Debug, Default)]
struct Found {
    dirs: BTreeMap<NeedName, (DirPath, Mode)>,
    origins: BTreeMap<NeedName, OriginPattern>,
    memory: Option<u64>,
    left_out: Vec<String>,
    notes: Vec<String>,
}

impl Found {
    fn leave(&mut self, what: String, why: &str) {
        self.left_out.push(format!("{what}: {why}"));
    }

    /// Directories. One that is named twice has the access of both entries.
    fn storage(&mut self, allowed: &[Storage], denied: &[Storage]) {
        let mut access: BTreeMap<DirPath, (Vec<Access>, Vec<&str>)> = BTreeMap::new();
        for entry in allowed {
            let path = match directory(&entry.uri) {
                Ok(path) => path,
                Err(why) => {
                    self.leave(format!("storage {:?}", visible(&entry.uri, 80)), &why);
                    continue;
                }
            };
            if let Some(deny) = denied.iter().find(|deny| meets(&deny.uri, path.as_str())) {
                let why = format!(
                    "the policy denies {:?} in it, and a grant here is a whole directory",
                    visible(&deny.uri, 80)
                );
                self.leave(format!("storage {:?}", visible(&entry.uri, 80)), &why);
                continue;
            }
            let (all, uris) = access.entry(path).or_default();
            all.extend(&entry.access);
            uris.push(&entry.uri);
        }
        for (path, (access, uris)) in access {
            let mode = match (access.contains(&Access::Read), access.contains(&Access::Write)) {
                (true, true) => Mode::ReadWrite,
                (true, false) => Mode::ReadOnly,
                (false, _) => {
                    let uris = uris.iter().map(|uri| visible(uri, 80)).collect::<Vec<_>>().join(", ");
                    self.leave(
                        format!("storage {uris:?}"),
                        "no reading is allowed, and a grant to write is also one to read",
                    );
                    continue;
                }
            };
            let last = path.as_str().rsplit('/').next().unwrap_or_default();
            let Some(need) = need(last, |need| self.dirs.contains_key(need)) else {
                self.leave(
                    format!("storage {:?}", path.as_str()),
                    "no name for the need could be made of it",
                );
                continue;
            };
            self.notes.push(format!(
                "the tool sees {:?} as \"/{need}\"{}",
                path.as_str(),
                if path.is_absolute() { "" } else { ", and it lies in the host's home folder" }
            ));
            self.dirs.insert(need, (path, mode));
        }
    }

    /// Origins. A policy names hosts, for any scheme and port; here they are https on its own port unless it says more.
    fn network(&mut self, allowed: &[Network], denied: &[Network]) {
        let denials: Vec<Denied> = denied.iter().filter_map(Network::denied).collect();
        for entry in allowed {
            let named = entry.named();
            let origin =
                entry.origin().and_then(|origin| match denials.iter().find(|denied| denied.meets(&origin)) {
                    Some(denied) => {
                        Err(format!("the policy denies {denied}, which a grant cannot take away from it"))
                    }
                    None => Ok(origin),
                });
            match origin {
                Err(why) => self.leave(named, &why),
                Ok(origin) if self.origins.values().any(|known| *known == origin) => {}
                Ok(origin) => {
                    let host = origin
                        .to_string()
                        .split_once("://")
                        .map_or(String::new(), |(_, host)| host.replace("*.", "any."));
                    match need(&host, |need| self.origins.contains_key(need)) {
                        Some(need) => drop(self.origins.insert(need, origin)),
                        None => self.leave(named, "no name for the need could be made of it"),
                    }
                }
            }
        }
        if !self.origins.is_empty() {
            self.notes.push(
                "the policy names neither methods nor paths, so the manifest has all of them: narrow them"
                    .into(),
            );
            self.notes.push("hosts without a scheme became https origins on port 443; plain http and other ports are left out".into());
        }
    }

    fn memory(&mut self, limit: Option<Memory>, name: &str) {
        let Some(limit) = limit else { return };
        match limit.bytes().filter(|bytes| (MIN_MEMORY..=MAX_MEMORY).contains(bytes)) {
            // The smaller of two.
            Some(bytes) => self.memory = Some(self.memory.map_or(bytes, |known| known.min(bytes))),
            None => self.leave(name.into(), "not a size from 64KiB to 4GiB; the host's own limit counts"),
        }
    }
}

/// The directory of `fs://<path>` or `fs://<path>/**`.
fn directory(uri: &str) -> Result<DirPath, String> {
    let path = uri.strip_prefix("fs://").ok_or("only fs:// is a directory here")?;
    let (path, whole) = path.strip_suffix("/**").map_or((path, false), |path| (path, true));
    if path.contains('*') {
        return Err(
            "a grant here is a whole directory with all that is in it, which is wider than this pattern"
                .into(),
        );
    }
    let path = DirPath::new(path).map_err(|e| e.to_string())?;
    let last = path.as_str().rsplit('/').next().unwrap_or_default();
    if !whole && last.trim_start_matches('.').contains('.') {
        return Err(
            "this looks like a single file, and a grant here is a whole directory, which is wider".into()
        );
    }
    Ok(path)
}

/// Whether a denied pattern could name something in a directory, or the directory something in it.
fn meets(denied: &str, directory: &str) -> bool {
    let Some(denied) = denied.strip_prefix("fs://").filter(|path| !path.split('/').any(|part| part == ".."))
    else {
        return true;
    };
    // Up to the first wildcard; what comes after it could be anything.
    let denied: Vec<&str> = parts(denied).take_while(|part| !part.contains('*')).collect();
    parts(directory).zip(&denied).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

/// A need's name made of a text, with a number when the name is taken.
fn need(text: &str, taken: impl Fn(&NeedName) -> bool) -> Option<NeedName> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let slug: String = text.chars().map(plain).take(48).collect();
    let slug = slug.trim_matches('-');
    let slug = if slug.is_empty() { "data" } else { slug };
    let names = std::iter::once(slug.to_owned()).chain((2..1000).map(|n| format!("{slug}-{n}")));
    names.filter_map(|name| NeedName::new(name).ok()).find(|name| !taken(name))
}

/// A stranger's text for a message: nothing that steers a terminal, and not without end.
fn visible(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Whether an origin is this machine's or an inner network's by its very name.
fn is_inner(origin: &OriginPattern) -> bool {
    let (OriginPattern::Exact(origin) | OriginPattern::Below(origin)) = origin;
    match origin.host() {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(v4) => !is_public((*v4).into()),
        Host::Ipv6(v6) => !is_public((*v6).into()),
    }
}

#[cfg(test)]
mod tests;
