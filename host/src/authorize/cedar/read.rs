//! A policy file, read strictly: everything that Cedar's parser and validator find, and what they leave open.
//!
//! Takes: the file's text. Gives: the parsed policies, or every fault with its place. May name: config, id.

use super::ask::{Asked, tells_of_budgets};
use super::depth::too_deep;
use super::words::{Words, words};
use super::{MAX_ID, MAX_POLICIES, Parsed};
use crate::config::{ConfigError, ConfigErrors, Document, FileKind};
use crate::id::Digest;
use cedar_policy::{Authorizer, Policy, PolicyId, PolicySet, ValidationError, ValidationMode};
use miette::Diagnostic;
use serde_json::Value;
use std::collections::HashSet;
use std::ops::Range;
use std::str::FromStr as _;

pub(super) fn read(file: &str, text: &str) -> Result<Parsed, ConfigErrors> {
    let source = Document::new(FileKind::Policies, file, text)?;
    let words = words().map_err(|error| {
        let what = format!("the schema that this program was built with cannot be read: {error}");
        ConfigError::of_file(FileKind::Policies, file, what, "use another build of the program")
    })?;
    if let Some((span, what)) = too_deep(text) {
        return Err(source.fault(span, what, "too much from here on", "write several policies").into());
    }
    let parsed = match PolicySet::from_str(text) {
        Ok(parsed) => parsed,
        Err(errors) => {
            let mut faults = errors.iter().map(|error| told(&source, error, None));
            let first = faults.next().unwrap_or_else(|| source.fault(0..0, errors.to_string(), "here", SEE));
            return Err(ConfigErrors::new(first, faults));
        }
    };
    let (set, ids) = named(&source, &parsed)?;
    let mut faults = validate(&source, &set, words);
    let mut budgets = false;
    for policy in set.policies() {
        match policy.to_json() {
            Ok(json) => budgets |= looks_at_budgets(&json),
            Err(error) => faults.push(told(&source, &error, Some(policy.id()))),
        }
    }
    ConfigErrors::none_of(faults)?;
    let mut entities: Vec<_> = set.policies().flat_map(Policy::entity_literals).collect();
    entities.sort();
    entities.dedup();
    Ok(Parsed {
        file: file.to_owned(),
        digest: Digest::of(text.as_bytes()),
        set,
        ids,
        entities,
        budgets,
        authorizer: Authorizer::new(),
        asked: Asked::new(),
        words,
    })
}

/// The policies under the ids that their authors gave them, and these ids in the order of the file.
fn named(source: &Document, parsed: &PolicySet) -> Result<(PolicySet, Vec<String>), ConfigErrors> {
    let mut faults = Vec::new();
    for _ in parsed.templates() {
        let slot = ["?principal", "?resource"].into_iter().find_map(|slot| place(source.text(), slot, 0));
        let what = "this is a template, and nothing fills its slots";
        let fix = "write a policy for each principal or resource that you mean";
        faults.push(source.fault(slot.unwrap_or(0..0), what, "a slot", fix));
    }
    let count = parsed.num_of_policies();
    if count > MAX_POLICIES {
        let fix = format!("keep at most {MAX_POLICIES}: every call asks each of them");
        faults.push(source.fault(0..0, format!("the file has {count} policies"), "in this file", fix));
    }
    ConfigErrors::none_of(std::mem::take(&mut faults))?;
    let (mut set, mut ids) = (PolicySet::new(), Vec::with_capacity(count));
    for policy in parsed.policies() {
        let given = policy.annotation("id");
        let id = given.map_or_else(|| policy.id().to_string(), str::to_owned);
        let earlier = ids.iter().filter(|known| **known == id).count();
        let at = || place_of_id(source.text(), &id, earlier).or_else(|| place_of_id(source.text(), &id, 0));
        let printable = |b: u8| (b' '..=b'~').contains(&b) && !matches!(b, b'"' | b'\\' | b',');
        if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(printable) || id.trim() != id {
            let what = "an id that would not be readable in the audit log";
            let fix = format!(
                "write 1 to {MAX_ID} printable ASCII characters, without quotes, commas and backslashes"
            );
            faults.push(source.fault(at().unwrap_or(0..0), what, "this id", fix));
        } else if set.add(policy.new_id(PolicyId::new(&id))).is_err() {
            let what = format!("a second policy \"{id}\"");
            faults.push(source.fault(
                at().unwrap_or(0..0),
                what,
                "this id",
                "give each policy an id of its own",
            ));
        }
        ids.push(id);
    }
    ConfigErrors::none_of(faults)?;
    Ok((set, ids))
}

/// Strict validation. What Cedar only warns of is a fault here: a policy that never applies, and texts that deceive. One
/// such fault a policy, and none where there are errors, of which it often follows.
fn validate(source: &Document, set: &PolicySet, words: &Words) -> Vec<ConfigError> {
    let found = words.validator.validate(set, ValidationMode::Strict);
    let errors = found.validation_errors().map(|error| told(source, error, Some(error.policy_id())));
    let mut at_fault: HashSet<_> = found.validation_errors().map(ValidationError::policy_id).collect();
    let warnings = found.validation_warnings().filter(|warning| at_fault.insert(warning.policy_id()));
    let warnings = warnings.map(|warning| told(source, warning, Some(warning.policy_id())));
    let mut faults: Vec<ConfigError> = errors.chain(warnings).collect();
    faults.sort_by_key(ConfigError::line);
    faults
}

const SEE: &str = "`strongroom policy schema` prints what a policy can speak of";

/// A fault that Cedar found, in the form of our own.
fn told(source: &Document, error: &dyn Diagnostic, id: Option<&PolicyId>) -> ConfigError {
    let label = error.labels().and_then(|mut labels| labels.next());
    let end = source.text().len();
    let span = label.as_ref().map_or(0..0, |label| {
        let start = label.offset().min(end);
        start..start.saturating_add(label.len()).min(end)
    });
    // The line says which policy it is.
    let plain = |text: String| match id {
        Some(id) => {
            text.replace(&format!("for policy `{id}`, "), "").replace(&format!("for policy `{id}`: "), "")
        }
        None => text,
    };
    let label = label.as_ref().and_then(|label| label.label()).unwrap_or("here").to_owned();
    let fix = error.help().map_or_else(|| SEE.to_owned(), |help| plain(help.to_string()));
    source.fault(span, plain(error.to_string()), label, fix)
}

/// Where a text stands for the time after so many others.
fn place(text: &str, what: &str, after: usize) -> Option<Range<usize>> {
    let (start, found) = text.match_indices(what).nth(after)?;
    Some(start..start + found.len())
}

/// Where an id stands as an annotation.
fn place_of_id(text: &str, id: &str, after: usize) -> Option<Range<usize>> {
    let quoted = format!("\"{id}\"");
    let annotates = |start: &usize| {
        let before = text.get(..*start).unwrap_or_default().trim_end();
        before.strip_suffix('(').is_some_and(|before| before.trim_end().ends_with("@id"))
    };
    let mut places = text.match_indices(&quoted).map(|(start, _)| start).filter(annotates);
    places.nth(after).map(|start| start..start + quoted.len())
}

/// Where a policy file names an entity: `Role::"agent"`. The beginning when it is spelt in another way.
pub(crate) fn place_of_entity(text: &str, kind: &str, id: &str) -> Range<usize> {
    let literal = place(text, &format!("{kind}::\"{id}\""), 0);
    literal.or_else(|| place(text, &format!("\"{id}\""), 0)).unwrap_or(0..0)
}

/// Whether a policy, in Cedar's JSON form, may look at what is left of a budget: by the attribute's name, or by using
/// the context as a whole.
fn looks_at_budgets(json: &Value) -> bool {
    match json {
        Value::Object(members) => members.iter().any(|(key, value)| {
            let attribute =
                matches!(key.as_str(), "." | "has").then(|| value.get("attr")?.as_str()).flatten();
            match attribute {
                Some(name) if value.get("left") == Some(&serde_json::json!({ "Var": "context" })) => {
                    tells_of_budgets(name)
                }
                _ if key == "Var" => value == "context",
                _ => looks_at_budgets(value),
            }
        }),
        Value::Array(items) => items.iter().any(looks_at_budgets),
        _ => false,
    }
}
