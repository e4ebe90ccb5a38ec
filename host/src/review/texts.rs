//! The rules on texts that people and models read: hidden characters, mixed alphabets, instructions to the model.
//!
//! Takes: a [`Subject`]. Gives: [`Finding`]s. May name: nothing.
//!
//! The texts are the manifest as it stands, comments too, and every description of functions, parameters and types.
//! Instructions are found by phrases in English, after everything but letters and digits was made a space. That finds
//! the careless and the copied; it is no proof that a text is harmless.

use super::{Finding, Rule, Subject};
use serde_json::Value;

/// What descriptions of tools do not say.
const PHRASES: &[&str] = &[
    "ignore previous instructions",
    "ignore all previous",
    "ignore the previous",
    "ignore your instructions",
    "ignore the above",
    "disregard previous",
    "disregard all",
    "disregard the above",
    "forget previous instructions",
    "forget your instructions",
    "do not tell the user",
    "don t tell the user",
    "never tell the user",
    "do not inform the user",
    "do not mention this",
    "without telling the user",
    "without informing the user",
    "hide this from the user",
    "keep this from the user",
    "system prompt",
    "you are now",
    "you must call this tool",
    "always call this tool",
    "before using any other tool",
    "before calling any other tool",
    "instead of any other tool",
    "send the conversation",
    "include the conversation",
];

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    if let Some(text) = subject.text {
        for (index, line) in text.lines().enumerate() {
            judge(line, "manifest", Some(index + 1), findings);
        }
        // A phrase over several lines of one description is on none of them.
        let description = &subject.manifest.description;
        if description.lines().count() > 1
            && let Some(message) = instruction(description)
        {
            let rule = Rule::InstructionsToModel;
            findings.push(Finding::of_manifest(rule, subject, &["description"], message));
        }
    }
    for function in &subject.info.functions {
        let item = format!("functions.{}", function.name);
        let mut texts: Vec<String> = function.signature.docs().map(str::to_owned).into_iter().collect();
        descriptions(&function.signature.arguments_schema(), &mut texts);
        descriptions(&function.signature.result_schema(), &mut texts);
        for text in texts {
            judge(&text, &item, None, findings);
        }
    }
}

/// Every description of a schema; a property of that name is an object and no text.
fn descriptions(schema: &Value, texts: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == "description" => texts.push(text.clone()),
                    value => descriptions(value, texts),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| descriptions(item, texts)),
        _ => {}
    }
}

fn judge(text: &str, item: &str, line: Option<usize>, findings: &mut Vec<Finding>) {
    let mut found = |rule: Rule, message: String| {
        let mut finding = Finding::of_component(rule, item, message);
        finding.place.line = line;
        findings.push(finding);
    };
    let mut hidden: Vec<char> = text.chars().filter(|c| is_hidden(*c)).collect();
    hidden.sort_unstable();
    hidden.dedup();
    if !hidden.is_empty() {
        let names: Vec<String> = hidden.iter().take(8).map(|c| format!("U+{:04X}", u32::from(*c))).collect();
        found(Rule::HiddenCharacters, format!("the text holds {}", names.join(", ")));
    }
    if let Some(word) = text.split(|c: char| !c.is_alphabetic()).find(|word| is_mixed(word)) {
        let shown = |c: char| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() };
        let word: String = word.chars().take(40).map(shown).collect();
        found(Rule::MixedScripts, format!("the word `{word}` mixes alphabets that look alike"));
    }
    if let Some(message) = instruction(text) {
        found(Rule::InstructionsToModel, message);
    }
}

fn instruction(text: &str) -> Option<String> {
    let visible = text.chars().filter(|c| !is_hidden(*c) || c.is_control()).flat_map(char::to_lowercase);
    let spaced: String = visible.map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let plain = format!(" {} ", spaced.split_whitespace().collect::<Vec<_>>().join(" "));
    let phrase = PHRASES.iter().find(|phrase| plain.contains(&format!(" {phrase} ")))?;
    Some(format!("the text speaks to the model: \"{phrase}\""))
}

/// Nobody sees these, or they turn the reading direction: controls, zero-width and bidirectional characters, tags,
/// and selectors of variants that no font has. Emoji's own selector (U+FE0F) is left alone.
fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0e}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e01ef}')
}

fn is_mixed(word: &str) -> bool {
    let latin = |c: char| c.is_ascii_alphabetic() || matches!(c, '\u{c0}'..='\u{24f}');
    // The micro sign and the Greek mu stand before units in Latin letters.
    let other = |c: char| matches!(c, '\u{370}'..='\u{52f}') && c != '\u{3bc}';
    word.chars().any(latin) && word.chars().any(other)
}
