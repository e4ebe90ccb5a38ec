//! Two versions of a tool: what the new one could do that the old one could not, and what breaks for callers.
//!
//! Takes: two [`Version`]s. Gives: [`Difference`]s. May name: authorize, component, config, typed.

use super::functions::SAFE;
use super::powers::{Bounds, Powers, reach_severity};
use super::{Severity, Version, shapes};
use crate::authorize::method::Method;
use crate::component::Function;
use crate::config::{AskKind, ByteSize, Effect, HttpNeed, Mode, Needs};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

/// What a difference means for whoever has the old version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// The new version could do something that the old one could not, or more callers could do it.
    AsksForMore,
    /// Callers of the old version are refused, or get what they do not know.
    Breaks,
}

/// Something that the new version does more, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// What it means.
    pub weight: Weight,
    /// What it is about: `imports`, `needs.http.web`, `functions.get`, `limits.fuel`, `name`.
    pub item: String,
    /// What changed, in a sentence.
    pub message: String,
    /// How bad it can be: an error when more can be changed or sent, a warning when more can be read or done or a
    /// caller is refused, a note when it can only use more fuel, memory or time.
    pub severity: Severity,
}

/// Everything in which the new version asks for more or breaks callers, in a fixed order. Empty when whoever accepted
/// the old version has accepted the new one too, as far as imports, needs, effects, limits and types tell.
#[must_use]
pub fn differences(old: Version<'_>, new: Version<'_>) -> Vec<Difference> {
    let mut found = Powers::of(new).beyond(&Powers::of(old));
    breaking(old, new, &mut found);
    found.sort();
    found
}

/// What the powers of a new version have that those of the old one had not.
pub(super) fn grown(old: &Powers, new: &Powers) -> Vec<Difference> {
    let mut found = Vec::new();
    imports(&old.imports, &new.imports, &mut found);
    needs(&old.needs, &new.needs, &mut found);
    limits(&old.limits, &new.limits, &mut found);
    effects(&old.functions, &new.functions, &mut found);
    found.sort();
    found
}

fn more(
    found: &mut Vec<Difference>,
    severity: Severity,
    item: impl Into<String>,
    message: impl Into<String>,
) {
    let (item, message) = (item.into(), message.into());
    found.push(Difference { weight: Weight::AsksForMore, item, message, severity });
}

fn breaks(found: &mut Vec<Difference>, item: impl Into<String>, message: impl Into<String>) {
    let (item, message) = (item.into(), message.into());
    found.push(Difference { weight: Weight::Breaks, item, message, severity: Severity::Warning });
}

fn imports(old: &BTreeSet<String>, new: &BTreeSet<String>, found: &mut Vec<Difference>) {
    for import in new.difference(old) {
        more(found, reach_severity(import), "imports", format!("it imports {import}"));
    }
}

/// To change or send more is worse than to read more.
fn of_mode(mode: Mode) -> Severity {
    match mode {
        Mode::ReadOnly => Severity::Warning,
        Mode::ReadWrite => Severity::Error,
    }
}

fn of_methods<'a>(methods: impl IntoIterator<Item = &'a Method>) -> Severity {
    match methods.into_iter().all(|method| SAFE.contains(&method.as_str())) {
        true => Severity::Warning,
        false => Severity::Error,
    }
}

fn needs(before: &Needs, after: &Needs, found: &mut Vec<Difference>) {
    for (name, need) in &after.http {
        let item = format!("needs.http.{name}");
        match before.http.get(name) {
            None => {
                let what = format!("new need: {} on {}", listed(&need.methods), listed(&need.paths));
                more(found, of_methods(&need.methods), item, what);
            }
            Some(before) => http(&item, before, need, found),
        }
    }
    let dirs =
        after.dir.iter().map(|(name, need)| ("dir", name, before.dir.get(name).map(|n| n.mode), need.mode));
    let keyvalue = &before.keyvalue;
    let buckets = after
        .keyvalue
        .iter()
        .map(|(name, need)| ("keyvalue", name, keyvalue.get(name).map(|n| n.mode), need.mode));
    let named =
        dirs.chain(buckets).map(|(kind, name, before, mode)| (format!("{kind}.{name}"), before, mode));
    let memory = after
        .memory
        .iter()
        .map(|need| ("memory".to_owned(), before.memory.as_ref().map(|need| need.mode), need.mode));
    for (need, before, mode) in named.chain(memory) {
        let item = format!("needs.{need}");
        match before {
            None => more(found, of_mode(mode), item, format!("new need: {mode}")),
            Some(Mode::ReadOnly) if mode == Mode::ReadWrite => {
                more(found, of_mode(mode), item, "ro became rw");
            }
            Some(_) => {}
        }
    }
    if after.cache.is_some() && before.cache.is_none() {
        more(found, Severity::Warning, "needs.cache", "new need");
    }
    let asked = |kind: &&AskKind| before.ask.as_ref().is_some_and(|need| need.kinds.contains(kind));
    for kind in after.ask.iter().flat_map(|need| &need.kinds).filter(|kind| !asked(kind)) {
        more(found, Severity::Warning, "needs.ask", format!("new kind `{kind}`"));
    }
    for key in after.config.keys.iter().filter(|key| !before.config.keys.contains(key)) {
        more(found, Severity::Warning, "needs.config", format!("new key `{key}`"));
    }
}

fn http(item: &str, before: &HttpNeed, after: &HttpNeed, found: &mut Vec<Difference>) {
    let methods: Vec<_> = after.methods.iter().filter(|method| !before.methods.contains(method)).collect();
    if !methods.is_empty() {
        more(found, of_methods(methods.iter().copied()), item, format!("new methods: {}", listed(methods)));
    }
    let covered = |path| before.paths.iter().any(|wide| wide.covers(path));
    let paths: Vec<_> = after.paths.iter().filter(|path| !covered(path)).collect();
    if !paths.is_empty() {
        more(found, of_methods(&after.methods), item, format!("new paths: {}", listed(paths)));
    }
}

fn listed<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

fn limits(old: &Bounds, new: &Bounds, found: &mut Vec<Difference>) {
    let mut more = |item: &str, message: String| more(found, Severity::Note, item, message);
    if new.fuel > old.fuel {
        more("limits.fuel", format!("{} became {}", old.fuel, new.fuel));
    }
    if new.memory > old.memory {
        more("limits.memory", format!("{} became {}", ByteSize(old.memory), ByteSize(new.memory)));
    }
    if new.egress > old.egress {
        more("limits.egress", format!("{} became {}", ByteSize(old.egress), ByteSize(new.egress)));
    }
    if new.stored > old.stored {
        more("limits.stored", format!("{} became {}", ByteSize(old.stored), ByteSize(new.stored)));
    }
    if new.deadline_ms > old.deadline_ms {
        more("limits.deadline_ms", format!("{} ms became {} ms", old.deadline_ms, new.deadline_ms));
    }
}

/// Which functions there are, and what they are declared to do.
fn effects(old: &BTreeMap<String, Effect>, new: &BTreeMap<String, Effect>, found: &mut Vec<Difference>) {
    for (name, after) in new {
        let item = format!("functions.{name}");
        match (old.get(name), after) {
            (None, effect) => {
                let severity = match effect {
                    Effect::Read => Severity::Warning,
                    Effect::Write => Severity::Error,
                };
                more(found, severity, item, format!("new function that can be called: {effect}"));
            }
            (Some(Effect::Read), Effect::Write) => more(found, Severity::Error, item, "read became write"),
            (Some(Effect::Write), Effect::Read) => {
                let what = "write became read: callers who may only read can call it now";
                more(found, Severity::Warning, item, what);
            }
            (Some(Effect::Read), Effect::Read) | (Some(Effect::Write), Effect::Write) => {}
        }
    }
}

fn breaking(old: Version<'_>, new: Version<'_>, found: &mut Vec<Difference>) {
    if old.manifest.name != new.manifest.name {
        let (old, new) = (&old.manifest.name, &new.manifest.name);
        breaks(found, "name", format!("`{old}` became `{new}`: grants and callers name the old one"));
    }
    for function in &old.info.functions {
        let name = &function.name;
        let item = format!("functions.{name}");
        let Some(after) = new.info.functions.iter().find(|after| after.name == *name) else {
            breaks(found, item, "the function is gone");
            continue;
        };
        if (old.manifest.effect(name), new.manifest.effect(name)) == (Effect::Read, Effect::Write) {
            breaks(found, &item, "calls need an idempotency key now");
        }
        types(&item, function, after, found);
    }
}

/// New arguments must take what callers send, and the old result must hold what they get.
fn types(item: &str, before: &Function, after: &Function, found: &mut Vec<Difference>) {
    let (sent, taken) = (before.signature.params(), after.signature.params());
    for argument in sent {
        let name = &argument.name;
        match shapes::find(taken, name) {
            None => breaks(found, item, format!("argument `{name}` is gone")),
            Some(same) => {
                if let Some(why) = shapes::misfit(&same.value, &argument.value) {
                    breaks(found, item, format!("argument `{name}` takes less: {why}"));
                }
            }
        }
    }
    for argument in taken {
        if shapes::find(sent, &argument.name).is_none() && !shapes::is_option(&argument.value) {
            breaks(found, item, format!("argument `{}` is new and required", argument.name));
        }
    }
    match (before.signature.result(), after.signature.result()) {
        (None, None) => {}
        (Some(known), Some(given)) => {
            // The types that callers know are the ones that have to take the values.
            if let Some(why) = shapes::misfit(known, given) {
                breaks(found, item, format!("the result is more than callers know: {why}"));
            }
        }
        (Some(_), None) => breaks(found, item, "the result is gone"),
        (None, Some(_)) => breaks(found, item, "there is a result now"),
    }
}
