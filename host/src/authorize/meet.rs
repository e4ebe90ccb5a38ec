//! The rights of a call: what the tool's manifest needs and the tenant grants, one need at a time.
//!
//! Takes: manifest, grant, limits. Gives: [`meet`]. May name: id, config.
//!
//! A pure function. Its properties are tested: the result is within the manifest and within the grant, it
//! grows with both and with nothing else, and taking away one need or one grant takes away exactly its right.

use super::path::PathPattern;
use super::rights::{CacheRight, DirRight, HttpRight, Kind, KvRight, Rights};
use crate::config::{
    AskKind, BucketName, ByteSize, CacheNeed, HttpGrant, HttpNeed, Limits, Manifest, PartialLimits, ToolGrant,
};
use crate::id::NeedName;

/// The rights that a tool has for a tenant: for each need that the grant binds, what both allow. Nothing
/// granted is nothing allowed.
///
/// Limits: what the manifest asks for, or else the host's default; at most the tenant's bound, or else the
/// host's default. So a tool can lower its limits by itself, and only the tenant's file can raise them.
#[must_use]
pub fn meet(manifest: &Manifest, grant: &ToolGrant, bounds: &PartialLimits, defaults: &Limits) -> Rights {
    let mut rights =
        Rights { limits: manifest.limits.or(defaults).min(&bounds.or(defaults)), ..Rights::default() };
    let needs = &manifest.needs;
    for (name, need) in &needs.http {
        match grant.http.get(name).and_then(|grant| http(name, need, grant)) {
            Some(right) => rights.http.push(right),
            None => rights.ungranted.push((Kind::Http, name.to_string())),
        }
    }
    for (name, need) in &needs.dir {
        match grant.dir.get(name) {
            Some(grant) => rights.dirs.push(DirRight {
                need: name.clone(),
                path: grant.path.clone(),
                mode: need.mode.min(grant.mode),
            }),
            None => rights.ungranted.push((Kind::Dir, name.to_string())),
        }
    }
    for (name, need) in &needs.keyvalue {
        let bound = grant.keyvalue.get(name).and_then(|grant| {
            let bucket = grant.bucket.clone().or_else(|| own_bucket(manifest, name))?;
            Some(KvRight { need: name.clone(), bucket, mode: need.mode.min(grant.mode) })
        });
        match bound {
            Some(right) => rights.kv.push(right),
            None => rights.ungranted.push((Kind::KeyValue, name.to_string())),
        }
    }
    match (&needs.memory, &grant.memory) {
        (Some(need), Some(grant)) => rights.memory = Some(need.mode.min(grant.mode)),
        (Some(_), None) => rights.ungranted.push((Kind::Memory, Kind::Memory.to_string())),
        (None, _) => {}
    }
    match (&needs.cache, &grant.cache) {
        (Some(CacheNeed {}), Some(grant)) => {
            rights.cache = Some(CacheRight { max_bytes: grant.max_bytes.map(|ByteSize(bytes)| bytes) });
        }
        (Some(CacheNeed {}), None) => rights.ungranted.push((Kind::Cache, Kind::Cache.to_string())),
        (None, _) => {}
    }
    if let Some(need) = &needs.ask {
        let granted = |kind: &AskKind| {
            let grant = grant.ask.as_ref();
            grant.is_some_and(|grant| grant.kinds.as_ref().is_none_or(|kinds| kinds.contains(kind)))
        };
        for kind in &need.kinds {
            match granted(kind) {
                true => drop(rights.ask.insert(*kind)),
                false => rights.ungranted.push((Kind::Ask, kind.to_string())),
            }
        }
    }
    for key in &needs.config.keys {
        match grant.config.values.get(key) {
            Some(value) => drop(rights.config.insert(key.clone(), value.clone())),
            None => rights.ungranted.push((Kind::Config, key.to_string())),
        }
    }
    rights
}

/// What both sides allow of an endpoint; `None` when that is nothing.
fn http(name: &NeedName, need: &HttpNeed, grant: &HttpGrant) -> Option<HttpRight> {
    let granted = |method| grant.methods.as_ref().is_none_or(|methods| methods.contains(method));
    let methods: Vec<_> = need.methods.iter().filter(|method| granted(method)).cloned().collect();
    let paths = match &grant.paths {
        None => need.paths.clone(),
        Some(paths) => paths_of_both(&need.paths, paths),
    };
    if grant.origins.is_empty() || methods.is_empty() || paths.is_empty() {
        return None;
    }
    Some(HttpRight {
        need: name.clone(),
        origins: grant.origins.clone(),
        methods,
        paths,
        credential: grant.credential.clone(),
        allow_private: grant.allow_private,
    })
}

/// The patterns of exactly the paths that both lists match, without those that another one covers.
fn paths_of_both(left: &[PathPattern], right: &[PathPattern]) -> Vec<PathPattern> {
    let mut both: Vec<PathPattern> = Vec::new();
    for pattern in left.iter().flat_map(|a| right.iter().filter_map(move |b| a.meet(b))) {
        if !both.iter().any(|wider| wider.covers(&pattern)) {
            both.retain(|narrower| !pattern.covers(narrower));
            both.push(pattern);
        }
    }
    both
}

/// `<tool>/<need>`: the bucket of a grant that names none.
fn own_bucket(manifest: &Manifest, need: &NeedName) -> Option<BucketName> {
    BucketName::new(format!("{}/{need}", manifest.name)).ok()
}

#[cfg(test)]
mod tests;
