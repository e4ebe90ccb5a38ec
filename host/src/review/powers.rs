//! What a version of a tool could do, as data: what an operator accepts, and what an upgrade is measured by.
//!
//! Takes: a [`Version`]. Gives: [`Powers`]. May name: component, config, imports.

use super::difference::grown;
use super::surface::{bare, rows};
use super::{Difference, Severity, Version};
use crate::component::ComponentInfo;
use crate::config::{Effect, Limits, Needs};
use crate::imports::table::Class;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a version of a tool could do, as far as its imports and its manifest tell. It can be kept, so that a later
/// version is compared with what was accepted, also when the file it came from is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Powers {
    /// Imported functions that reach out of the call, as `interface#function`.
    pub(super) imports: BTreeSet<String>,
    pub(super) needs: Needs,
    pub(super) limits: Bounds,
    /// Every function that can be called, and its effect.
    pub(super) functions: BTreeMap<String, Effect>,
}

/// What a call may use at most, with the host's defaults where the manifest says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bounds {
    pub(super) fuel: u64,
    /// Bytes.
    pub(super) memory: u64,
    pub(super) deadline_ms: u64,
    /// Bytes. What was reviewed before there was such a limit had none.
    #[serde(default = "unlimited")]
    pub(super) egress: u64,
    /// The same.
    #[serde(default = "unlimited")]
    pub(super) stored: u64,
}

/// Both end here.
fn unlimited() -> u64 {
    const { assert!(crate::config::MAX_EGRESS == crate::config::MAX_STORED) };
    crate::config::MAX_EGRESS
}

impl Powers {
    /// The powers of a version.
    #[must_use]
    pub fn of(version: Version<'_>) -> Self {
        let Version { info, manifest } = version;
        let functions = info.functions.iter().map(|f| (f.name.clone(), manifest.effect(&f.name)));
        let Limits { fuel, memory, deadline_ms, egress, stored } = manifest.limits.or(&Limits::default());
        Self {
            imports: reach(info),
            needs: manifest.needs.clone(),
            limits: Bounds { fuel, memory, deadline_ms, egress, stored },
            functions: functions.collect(),
        }
    }

    /// Everything that these powers have and the old ones had not, in a fixed order; all of it
    /// [asks for more](super::Weight::AsksForMore).
    #[must_use]
    pub fn beyond(&self, old: &Self) -> Vec<Difference> {
        grown(old, self)
    }
}

/// Imported functions that reach out of the call. What the table does not know counts, since nothing is known of it;
/// `wasi:io` does not, since its streams lead only to what another import opened.
fn reach(info: &ComponentInfo) -> BTreeSet<String> {
    let functions = info.imports.iter().flat_map(|i| i.functions.iter().map(move |f| (bare(i), f)));
    let functions = functions.filter(|(interface, _)| !interface.starts_with("wasi:io/"));
    let reaching = functions.filter(|(interface, function)| {
        let mut rows = rows(interface, function).peekable();
        rows.peek().is_none() || rows.any(|row| row.class != Class::Local)
    });
    reaching.map(|(interface, function)| format!("{interface}#{function}")).collect()
}

/// How bad a new import can be, by its classes in the table. One that the table does not know can be anything.
pub(super) fn reach_severity(import: &str) -> Severity {
    let (interface, function) = import.split_once('#').unwrap_or((import, ""));
    let classes = rows(interface, function).map(|row| match row.class {
        Class::Effect => Severity::Error,
        Class::Observe => Severity::Warning,
        Class::Time | Class::Entropy | Class::Local => Severity::Note,
    });
    classes.max().unwrap_or(Severity::Error)
}
