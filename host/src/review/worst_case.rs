//! The worst that a component could do, in one plain sentence for each of its needs.
//!
//! Takes: what was read from a component, its manifest. Gives: [`WorstCase`]s. May name: component, config, imports.
//!
//! What the manifest allows, what the component imports, and what its functions declare all have to agree before it can
//! do anything: a sentence says what is left. Which origin, directory or value stands behind a need is the tenant's
//! choice.

use super::functions::SAFE;
use super::surface::{Capability, bare, rows};
use crate::authorize::path::PathPattern;
use crate::component::ComponentInfo;
use crate::config::{AskKind, ByteSize, Effect, HttpNeed, Limits, Manifest, Mode};
use crate::imports::table::{self, Class};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Display;

/// What a component could do with one need at worst.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorstCase {
    /// The need: `http.api`, `dir.workspace`, `memory`, `config`; `none` for what takes no need, and `imports` for what
    /// it imports and has no need for.
    pub need: String,
    /// What it could do, in a sentence.
    pub sentence: String,
}

/// The worst that calls of this component could do: a sentence for each need, in the order of the manifest's kinds, then
/// `none` and `imports`.
#[must_use]
pub fn worst_case(info: &ComponentInfo, manifest: &Manifest) -> Vec<WorstCase> {
    let tool = Tool { info, manifest, limits: manifest.limits.or(&Limits::default()) };
    let needs = &manifest.needs;
    let mut found = Vec::new();
    let mut say = |need: String, sentence: String| found.push(WorstCase { need, sentence });
    for (name, need) in &needs.http {
        say(format!("http.{name}"), tool.http(name.as_str(), need));
    }
    for (name, need) in &needs.dir {
        let can = format!(
            "it can list and read every file in the directory that the tenant binds to `{name}`, and in all folders \
             below it"
        );
        let change = "create, overwrite, rename and delete files there";
        say(
            format!("dir.{name}"),
            tool.stored(Capability::Dir, &format!("dir.{name}"), need.mode, &can, change),
        );
    }
    for (name, need) in &needs.keyvalue {
        let can = format!("it can read every key and value of the bucket that the tenant binds to `{name}`");
        let need_name = format!("keyvalue.{name}");
        let told =
            tool.stored(Capability::KeyValue, &need_name, need.mode, &can, "set and delete any of them");
        say(need_name, told);
    }
    if let Some(need) = &needs.memory {
        let can = "it can search everything in the tenant's memory, also what other tools have put there";
        let change = "add, replace and forget entries";
        say("memory".into(), tool.stored(Capability::Memory, "memory", need.mode, can, change));
    }
    if needs.cache.is_some() {
        let told = match Capability::Cache.imported(info) {
            None => useless("cache", Capability::Cache.interface()),
            Some(_) => "With `cache` it can read and replace what its own earlier calls for the same tenant have cached, \
                        also from functions that only read."
                .to_owned(),
        };
        say("cache".into(), told);
    }
    if let Some(need) = &needs.ask {
        let told = match Capability::Ask.imported(info) {
            None => useless("ask", Capability::Ask.interface()),
            Some(_) => {
                let kinds = need.kinds.iter().map(|kind| match kind {
                    AskKind::Elicit => "show a person a form and read what they fill in".to_owned(),
                    AskKind::Sample => {
                        "have the caller's model answer any prompt, at the caller's cost".to_owned()
                    }
                    AskKind::Roots => "learn which folders the caller works in".to_owned(),
                });
                format!(
                    "With `ask` it can, in the middle of each call, {}; whatever it asks comes from the tool, and not from you.",
                    and(kinds)
                )
            }
        };
        say("ask".into(), told);
    }
    if !needs.config.keys.is_empty() {
        let keys = needs.config.keys.iter().map(|key| format!("`{key}`"));
        say("config".into(), tool.config(&and(keys)));
    }
    say("none".into(), tool.without_need());
    say("imports".into(), tool.unexplained());
    found
}

/// What the sentences are about.
struct Tool<'a> {
    info: &'a ComponentInfo,
    manifest: &'a Manifest,
    limits: Limits,
}

/// Which of a tool's functions may change things.
enum Writers {
    All,
    None,
    /// In words.
    Some(String),
}

impl Tool<'_> {
    fn http(&self, name: &str, need: &HttpNeed) -> String {
        if Capability::Http.imported(self.info).is_none() {
            return useless(&format!("http.{name}"), "wasi:http");
        }
        let safe = |method: &&str| SAFE.contains(method);
        let methods: Vec<&str> = need.methods.iter().map(|method| method.as_str()).collect();
        let (reading, writing): (Vec<&str>, Vec<&str>) = methods.iter().partition(|method| safe(method));
        let (sent, end) = match self.writers() {
            _ if writing.is_empty() => (reading, String::new()),
            Writers::All => (methods, String::new()),
            Writers::Some(functions) => {
                let only = if reading.is_empty() { String::new() } else { format!(" {}", and(&writing)) };
                (methods, format!(";{only} only from {functions}"))
            }
            Writers::None => {
                let are = if writing.len() == 1 { "is" } else { "are" };
                let refused = and(&writing);
                (reading, format!("; {refused} {are} refused, because no function is declared `write`"))
            }
        };
        if sent.is_empty() {
            return format!("With `http.{name}` it can do nothing{}.", end.replacen(';', ":", 1));
        }
        // The host's part of the fuel pays for what crosses the border, and a byte out costs more than a byte in.
        let pot = self.limits.fuel / table::HOST_SHARE;
        let (out, back) = (pot / table::OUT_WRITE.per_byte.max(1), pot / table::IN_READ.per_byte.max(1));
        let out = out.min(self.limits.egress);
        format!(
            "With `http.{name}` it can send {} requests to {} of whatever origin the tenant binds, with the tenant's \
             credential if the grant names one, up to {} out and {} back in each call{end}.",
            and(&sent),
            places(&need.paths),
            megabytes(out),
            megabytes(back),
        )
    }

    /// A need that is a place of the tenant's, to read or also to change.
    fn stored(&self, capability: Capability, need: &str, mode: Mode, can: &str, change: &str) -> String {
        let Some(_) = capability.imported(self.info) else {
            return useless(need, capability.interface());
        };
        let most = format!("writing up to {} in each call", ByteSize(self.limits.stored));
        let end = match (mode, capability.effects(self.info).is_empty(), self.writers()) {
            (Mode::ReadOnly, ..) => ", and change nothing there".to_owned(),
            (Mode::ReadWrite, true, _) => {
                ", and change nothing there: it asks to, but imports nothing that could".to_owned()
            }
            (Mode::ReadWrite, false, Writers::None) => {
                ", and change nothing there: it asks to, but no function is declared `write`".to_owned()
            }
            (Mode::ReadWrite, false, Writers::All) => format!(", and {change}, {most}"),
            (Mode::ReadWrite, false, Writers::Some(functions)) => {
                format!(", and, only from {functions}, {change}, {most}")
            }
        };
        format!("With `{need}` {can}{end}.")
    }

    fn config(&self, keys: &str) -> String {
        match Capability::Config.imported(self.info) {
            None => useless("config", "wasi:config"),
            Some(_) => format!("With `config` it can read the values that the tenant sets for {keys}."),
        }
    }

    fn without_need(&self) -> String {
        let Limits { fuel, memory, deadline_ms, egress: _, stored: _ } = self.limits;
        let mut can = vec![format!(
            "burn up to {} fuel, fill up to {} of memory and run for up to {} s",
            grouped(fuel),
            ByteSize(memory),
            seconds(deadline_ms)
        )];
        let imports = |test: &dyn Fn(&str) -> bool| {
            self.info.imports.iter().any(|import| !import.functions.is_empty() && test(bare(import)))
        };
        for (what, there) in [
            (
                "write text to the host's log",
                imports(&|i| matches!(i, "wasi:logging/logging" | "wasi:cli/stdout" | "wasi:cli/stderr")),
            ),
            ("read the clock", imports(&|i| i.starts_with("wasi:clocks/"))),
            ("draw random numbers", imports(&|i| i.starts_with("wasi:random/"))),
            ("learn the ids of its tenant and of who acts", imports(&|i| i == "strongroom:host/call")),
        ] {
            if there {
                can.push(what.to_owned());
            }
        }
        format!(
            "With no need at all, each call of it can {}, and answer its caller with any text that fits its result type.",
            can.join(", ")
        )
    }

    /// Imports that reach out of the call and that no need explains.
    fn unexplained(&self) -> String {
        let needs = &self.manifest.needs;
        let has = |capability: Capability| match capability {
            Capability::Http => !needs.http.is_empty(),
            Capability::Dir => !needs.dir.is_empty(),
            Capability::KeyValue => !needs.keyvalue.is_empty(),
            Capability::Memory => needs.memory.is_some(),
            Capability::Cache => needs.cache.is_some(),
            Capability::Ask => needs.ask.is_some(),
            Capability::Config => !needs.config.keys.is_empty(),
        };
        let mut unexplained: BTreeSet<&str> = Capability::ALL
            .into_iter()
            .filter(|capability| !has(*capability) && capability.imported(self.info).is_some())
            .map(Capability::interface)
            .collect();
        let mut strange = BTreeSet::new();
        for import in &self.info.imports {
            let name = bare(import);
            if !import.interface.as_deref().is_some_and(table::knows_interface) {
                strange.extend(import.interface.as_deref().or(import.functions.first().map(String::as_str)));
            } else if name.starts_with("wasi:sockets/") {
                let reaches = |function: &String| rows(name, function).any(|row| row.class != Class::Local);
                unexplained.extend(import.functions.iter().any(reaches).then_some("wasi:sockets"));
            }
        }
        if !strange.is_empty() {
            return format!(
                "It imports {}, which no tool gets, so that it cannot be installed.",
                and(strange)
            );
        }
        if unexplained.is_empty() {
            return "It imports nothing that reaches out of a call but what its needs explain.".to_owned();
        }
        let no_need = if unexplained.contains("wasi:sockets") { " (for sockets there is none)" } else { "" };
        format!(
            "It imports {} without a need for it{no_need}: it finds nothing there, and each attempt is refused and \
             recorded.",
            and(unexplained)
        )
    }

    fn writers(&self) -> Writers {
        let writes = |name: &str| self.manifest.effect(name) == Effect::Write;
        let all: Vec<&str> = self.info.functions.iter().map(|function| function.name.as_str()).collect();
        let writers: Vec<&str> = all.iter().copied().filter(|name| writes(name)).collect();
        match writers.len() {
            0 => Writers::None,
            count if count == all.len() => Writers::All,
            count if count > 4 => Writers::Some(format!("its {count} functions that are declared `write`")),
            _ => Writers::Some(and(writers.iter().map(|name| format!("`{name}`")))),
        }
    }
}

fn useless(need: &str, interface: &str) -> String {
    format!("With `{need}` it can do nothing, because it does not import {interface}.")
}

/// `/orders and /files/…`; what the stars stand for is said once.
fn places(paths: &[PathPattern]) -> String {
    if paths.iter().any(PathPattern::is_everything) {
        return "any path".to_owned();
    }
    let texts: Vec<String> = paths.iter().map(ToString::to_string).collect();
    let shown = texts.iter().map(|text| match text.strip_suffix("**") {
        Some(folder) => format!("any path under {folder}"),
        None => text.clone(),
    });
    let star = texts.iter().any(|text| text.trim_end_matches("**").contains('*'));
    let star = if star { " (a `*` is any one segment)" } else { "" };
    format!("{}{star}", and(shown))
}

/// `a, b and c`.
fn and<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Rounded up, because it is a bound.
fn megabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000);
    match tenths % 10 {
        0 => format!("{} MB", grouped(tenths / 10)),
        rest => format!("{}.{rest} MB", grouped(tenths / 10)),
    }
}

fn seconds(ms: u64) -> String {
    let text = format!("{}.{:03}", ms / 1000, ms % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `1,000,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
