//! What the call could reach, need by need, and its limits.
//!
//! Takes: the tool's manifest and the rights of the call. Gives: steps, and the needs that are bound to nothing.
//! May name: authorize, config, isolate, reason, tools.

use super::{Caller, Telling};
use crate::authorize::rights::{CacheRight, DirRight, Kind, Rights};
use crate::config::ByteSize;
use crate::explain::{Facts, Stage};
use crate::isolate::store::holds_own_files;
use crate::reason::Reason;
use crate::tools::Described;
use std::fmt::Display;

pub(super) fn judge(
    facts: &Facts<'_>,
    caller: &Caller<'_>,
    tool: &Described,
    rights: &Rights,
    telling: &mut Telling,
) -> Vec<String> {
    let tenant = &caller.tenant.config.id;
    let bound = |telling: &mut Telling, kind: Kind, need: &str, to: String| {
        let (kind_word, tool) = (kind.to_string(), tool.name.as_str());
        let path = ["grants", tool, kind_word.as_str(), need];
        // There is one memory and one cache, which have no names.
        let path = if need.is_empty() { path.get(..3).unwrap_or_default() } else { &path };
        let place = facts.place(tenant, path);
        telling.pass(Stage::Authorize, format!("{place} {}: {to}", path.join(".")));
    };
    let mut unbound: Vec<String> = Vec::new();
    for right in &rights.http {
        if right.methods.is_empty() {
            unbound.push(format!("http {}", right.need));
            let says =
                format!("http {} is granted, and none of its methods to a function that reads", right.need);
            telling.open(Stage::Authorize, Reason::CapabilityDenied, says);
            continue;
        }
        let mut to = format!("{} {} at {}", list(&right.methods), list(&right.paths), list(&right.origins));
        if let Some(credential) = &right.credential {
            to = format!("{to} with credential {credential}");
        }
        if right.allow_private {
            to.push_str(", private addresses too");
        }
        bound(telling, Kind::Http, right.need.as_str(), to);
    }
    for right in &rights.dirs {
        bound(telling, Kind::Dir, right.need.as_str(), format!("{} {}", right.mode, right.path));
    }
    for right in &rights.kv {
        bound(
            telling,
            Kind::KeyValue,
            right.need.as_str(),
            format!("{} bucket {}", right.mode, right.bucket),
        );
    }
    if let Some(mode) = rights.memory {
        bound(telling, Kind::Memory, "", format!("{mode} the tenant's memory"));
    }
    if let Some(CacheRight { max_bytes }) = rights.cache {
        let part = max_bytes.map_or_else(String::new, |bytes| format!(", at most {}", ByteSize(bytes)));
        bound(telling, Kind::Cache, "", format!("the tool's own cache{part}"));
    }
    if !rights.ask.is_empty() {
        let kinds: Vec<_> = rights.ask.iter().map(ToString::to_string).collect();
        bound(telling, Kind::Ask, "", format!("{} of the caller", kinds.join(", ")));
    }
    for key in rights.config.keys() {
        telling.pass(Stage::Authorize, format!("config {key} has a value"));
    }
    for (kind, need) in &rights.ungranted {
        let nameless = matches!(kind, Kind::Memory | Kind::Cache);
        let need = if nameless { kind.to_string() } else { format!("{kind} {need}") };
        let says = format!("{need} is needed and not granted: its imports are denied");
        telling.open(Stage::Authorize, Reason::CapabilityDenied, says);
        unbound.push(need);
    }
    for right in &rights.dirs {
        if let Some(fault) = closed(facts, right) {
            telling.stop(Stage::Isolate, Reason::StorageUnavailable, fault);
        }
    }
    let limits = &rights.limits;
    let (fuel, memory, ms) = (limits.fuel, ByteSize(limits.memory), limits.deadline_ms);
    let (egress, stored) = (ByteSize(limits.egress), ByteSize(limits.stored));
    let says =
        format!("limits: fuel {fuel}, memory {memory}, egress {egress}, stored {stored}, deadline {ms} ms");
    telling.pass(Stage::Isolate, says);
    unbound
}

/// Why a granted directory could not be opened for a call, if so.
fn closed(facts: &Facts<'_>, right: &DirRight) -> Option<String> {
    // The dot at the end asks for a directory: a file in its place has no such path.
    let place = facts.home.join(right.path.as_str()).join(".");
    let (need, path) = (&right.need, &right.path);
    match (facts.real)(&place) {
        None => Some(format!("the directory {path} of dir {need} is not there")),
        Some(real) if holds_own_files(facts.home, &real) => {
            Some(format!("the directory {path} of dir {need} holds the host's own files"))
        }
        Some(_) => None,
    }
}

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
