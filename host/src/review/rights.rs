//! The rules on needs and imports: too wide, not used, not declared.
//!
//! Takes: a [`Subject`]. Gives: [`Finding`]s. May name: authorize, config, imports.

use super::surface::Capability;
use super::{Finding, Rule, Subject};
use crate::authorize::path::PathPattern;
use crate::config::Manifest;
use crate::imports::table;

/// Who asks for all of these asks for everything that a service offers.
const EVERY_METHOD: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for import in &subject.info.imports {
        let name = import.interface.clone().unwrap_or_else(|| import.functions.join(", "));
        if !import.interface.as_deref().is_some_and(table::knows_interface) {
            let message = format!("the component imports {name}, which this host gives to no tool");
            findings.push(Finding::of_component(Rule::ImportUnavailable, "imports", message));
        }
    }
    broad(subject, findings);
    for capability in Capability::ALL {
        let needs = needs(subject.manifest, capability);
        let key = capability.key();
        match (capability.imported(subject.info), needs.as_slice()) {
            (Some(import), []) => {
                let message = format!("the component imports {import}, and the manifest has no {key} need");
                findings.push(Finding::of_component(Rule::ImportWithoutNeed, "imports", message));
            }
            (None, needs) => findings.extend(needs.iter().map(|need| {
                let message =
                    format!("the manifest has the {key} need `{need}`, and the component imports no {key}");
                let path = ["needs", key, need];
                // Configuration and asking are one need with several items; memory and cache have no names.
                let whole = !matches!(capability, Capability::Http | Capability::Dir | Capability::KeyValue);
                let path = if whole { path.get(..2) } else { path.get(..) };
                Finding::of_manifest(Rule::NeedWithoutImport, subject, path.unwrap_or_default(), message)
            })),
            (Some(_), _) => {}
        }
    }
}

fn needs(manifest: &Manifest, capability: Capability) -> Vec<&str> {
    let needs = &manifest.needs;
    match capability {
        Capability::Http => needs.http.keys().map(|need| need.as_str()).collect(),
        Capability::Dir => needs.dir.keys().map(|need| need.as_str()).collect(),
        Capability::KeyValue => needs.keyvalue.keys().map(|need| need.as_str()).collect(),
        Capability::Memory => needs.memory.iter().map(|_| "memory").collect(),
        Capability::Cache => needs.cache.iter().map(|_| "cache").collect(),
        Capability::Ask => needs.ask.iter().map(|_| "ask").collect(),
        Capability::Config => needs.config.keys.iter().map(|key| key.as_str()).collect(),
    }
}

fn broad(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let everything = PathPattern::parse("/**").ok();
    for (name, need) in &subject.manifest.needs.http {
        let name = name.as_str();
        let every_path = need.paths.iter().any(|path| everything.as_ref() == Some(path));
        if every_path {
            let message = format!("http need `{name}` covers every path of whatever origin it is bound to");
            let path = ["needs", "http", name, "paths"];
            findings.push(Finding::of_manifest(Rule::OverBroadPaths, subject, &path, message));
        }
        let has = |method: &&str| need.methods.iter().any(|allowed| allowed.as_str() == *method);
        if EVERY_METHOD.iter().all(has) {
            let message = format!("http need `{name}` covers {}", EVERY_METHOD.join(", "));
            let path = ["needs", "http", name, "methods"];
            findings.push(Finding::of_manifest(Rule::OverBroadMethods, subject, &path, message));
        }
    }
}
