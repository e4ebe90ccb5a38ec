//! The rules on functions: described, with a declared effect, and an effect that can be true.
//!
//! Takes: a [`Subject`]. Gives: [`Finding`]s. May name: config.

use super::surface::Capability;
use super::{Finding, Rule, Subject};
use crate::config::{Effect, Manifest, Mode};

/// Requests with these methods change nothing.
pub(super) const SAFE: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let Subject { info, manifest, .. } = subject;
    for function in &info.functions {
        let name = &function.name;
        let item = format!("functions.{name}");
        if function.signature.docs().is_none_or(|docs| docs.trim().is_empty()) {
            let message = format!("function `{name}` has no description");
            findings.push(Finding::of_component(Rule::FunctionWithoutDocs, &item, message));
        }
        if !manifest.functions.contains_key(name) {
            let message = format!("function `{name}` has no declared effect, and counts as a write");
            let path = ["functions", name];
            findings.push(Finding::of_manifest(Rule::FunctionWithoutEffect, subject, &path, message));
        }
    }
    for name in manifest.functions.keys() {
        if !info.functions.iter().any(|function| function.name == *name) {
            let message = format!("the component exports no function `{name}`");
            let path = ["functions", name];
            findings.push(Finding::of_manifest(Rule::UnknownFunction, subject, &path, message));
        }
    }
    read_with_effects(subject, findings);
}

/// What the manifest rules out, the gate refuses: an import can have an effect only where a need allows one.
fn read_with_effects(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let Subject { info, manifest, .. } = subject;
    let mut ways = Vec::new();
    for capability in Capability::ALL.into_iter().filter(|capability| can_write(manifest, *capability)) {
        ways.extend(capability.effects(info));
    }
    if ways.is_empty() {
        return;
    }
    let more = ways.len().saturating_sub(3);
    let mut shown = ways.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        shown.push_str(&format!(" and {more} more"));
    }
    let readers = info.functions.iter().filter(|function| {
        manifest.functions.get(&function.name).is_some_and(|rule| rule.effect == Effect::Read)
    });
    for function in readers {
        let name = &function.name;
        let message = format!(
            "function `{name}` is declared `read`, and the component can change things by {shown}; imports belong to \
             the whole component, so only its source tells whether `{name}` does"
        );
        let path = ["functions", name, "effect"];
        findings.push(Finding::of_manifest(Rule::ReadWithEffects, subject, &path, message));
    }
}

fn can_write(manifest: &Manifest, capability: Capability) -> bool {
    let needs = &manifest.needs;
    match capability {
        Capability::Http => {
            let mut methods = needs.http.values().flat_map(|need| &need.methods);
            methods.any(|method| !SAFE.contains(&method.as_str()))
        }
        Capability::Dir => needs.dir.values().any(|need| need.mode == Mode::ReadWrite),
        Capability::KeyValue => needs.keyvalue.values().any(|need| need.mode == Mode::ReadWrite),
        Capability::Memory => needs.memory.as_ref().is_some_and(|need| need.mode == Mode::ReadWrite),
        // What a cache holds is nothing to rely on, so setting it is no effect; what is asked goes to the caller.
        Capability::Cache | Capability::Ask | Capability::Config => false,
    }
}
