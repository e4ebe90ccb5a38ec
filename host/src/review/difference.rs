//! Two versions of a tool: what the new one could do that the old one could not, and what breaks for callers.
//!
//! Takes: two [`Subject`]s. Gives: [`Difference`]s. May name: authorize, component, config, imports, typed.

use super::surface::{bare, rows};
use super::{Subject, shapes};
use crate::component::{ComponentInfo, Function};
use crate::config::{ByteSize, Effect, HttpNeed, Limits, Manifest, Mode};
use crate::imports::table::Class;
use serde::Serialize;
use std::collections::BTreeSet;
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
}

/// Everything in which the new version asks for more or breaks callers, in a fixed order. Empty when whoever accepted
/// the old version has accepted the new one too, as far as imports, needs, effects, limits and types tell.
#[must_use]
pub fn differences(old: &Subject<'_>, new: &Subject<'_>) -> Vec<Difference> {
    let mut found = Vec::new();
    imports(old.info, new.info, &mut found);
    needs(old.manifest, new.manifest, &mut found);
    limits(old.manifest, new.manifest, &mut found);
    functions(old, new, &mut found);
    if old.manifest.name != new.manifest.name {
        let (old, new) = (&old.manifest.name, &new.manifest.name);
        breaks(&mut found, "name", format!("`{old}` became `{new}`: grants and callers name the old one"));
    }
    found.sort();
    found
}

fn more(found: &mut Vec<Difference>, item: impl Into<String>, message: impl Into<String>) {
    found.push(Difference { weight: Weight::AsksForMore, item: item.into(), message: message.into() });
}

fn breaks(found: &mut Vec<Difference>, item: impl Into<String>, message: impl Into<String>) {
    found.push(Difference { weight: Weight::Breaks, item: item.into(), message: message.into() });
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

fn imports(old: &ComponentInfo, new: &ComponentInfo, found: &mut Vec<Difference>) {
    for import in reach(new).difference(&reach(old)) {
        more(found, "imports", format!("it imports {import}"));
    }
}

fn needs(old: &Manifest, new: &Manifest, found: &mut Vec<Difference>) {
    let (before, after) = (&old.needs, &new.needs);
    for (name, need) in &after.http {
        let item = format!("needs.http.{name}");
        match before.http.get(name) {
            None => {
                more(found, item, format!("new need: {} on {}", listed(&need.methods), listed(&need.paths)))
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
            None => more(found, item, format!("new need: {mode}")),
            Some(Mode::ReadOnly) if mode == Mode::ReadWrite => more(found, item, "ro became rw"),
            Some(_) => {}
        }
    }
    if after.cache.is_some() && before.cache.is_none() {
        more(found, "needs.cache", "new need");
    }
    for key in after.config.keys.iter().filter(|key| !before.config.keys.contains(key)) {
        more(found, "needs.config", format!("new key `{key}`"));
    }
}

fn http(item: &str, before: &HttpNeed, after: &HttpNeed, found: &mut Vec<Difference>) {
    let methods: Vec<_> = after.methods.iter().filter(|method| !before.methods.contains(method)).collect();
    if !methods.is_empty() {
        more(found, item, format!("new methods: {}", listed(methods)));
    }
    let covered = |path| before.paths.iter().any(|wide| wide.covers(path));
    let paths: Vec<_> = after.paths.iter().filter(|path| !covered(path)).collect();
    if !paths.is_empty() {
        more(found, item, format!("new paths: {}", listed(paths)));
    }
}

fn listed<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// A limit that is left out is the host's default.
fn limits(old: &Manifest, new: &Manifest, found: &mut Vec<Difference>) {
    let (old, new) = (old.limits.or(&Limits::default()), new.limits.or(&Limits::default()));
    if new.fuel > old.fuel {
        more(found, "limits.fuel", format!("{} became {}", old.fuel, new.fuel));
    }
    if new.memory > old.memory {
        more(found, "limits.memory", format!("{} became {}", ByteSize(old.memory), ByteSize(new.memory)));
    }
    if new.deadline_ms > old.deadline_ms {
        more(found, "limits.deadline_ms", format!("{} ms became {} ms", old.deadline_ms, new.deadline_ms));
    }
}

fn functions(old: &Subject<'_>, new: &Subject<'_>, found: &mut Vec<Difference>) {
    let named = |info: &'_ ComponentInfo, name: &str| info.functions.iter().any(|f| f.name == name);
    for function in new.info.functions.iter().filter(|function| !named(old.info, &function.name)) {
        let effect = new.manifest.effect(&function.name);
        more(
            found,
            format!("functions.{}", function.name),
            format!("new function that can be called: {effect}"),
        );
    }
    for function in &old.info.functions {
        let name = &function.name;
        let item = format!("functions.{name}");
        let Some(after) = new.info.functions.iter().find(|after| after.name == *name) else {
            breaks(found, item, "the function is gone");
            continue;
        };
        match (old.manifest.effect(name), new.manifest.effect(name)) {
            (Effect::Read, Effect::Write) => {
                more(found, &item, "read became write");
                breaks(found, &item, "calls need an idempotency key now");
            }
            (Effect::Write, Effect::Read) => {
                more(found, &item, "write became read: callers who may only read can call it now");
            }
            _ => {}
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
