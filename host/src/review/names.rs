//! The rule on names that could be taken for well-known ones.
//!
//! Takes: a [`Subject`]. Gives: [`Finding`]s. May name: nothing.
//!
//! The names of the tool, of its http needs and of its functions, and each of their words of five letters and more,
//! are compared with a short list: after `0`, `1`, `3`, `5`, `rn` and `vv` were read as the letters that they look
//! like and joints were taken out, is it equal to a name that it is not, or one letter away from one? Names are
//! ASCII here, so other alphabets need no table.

use super::{Finding, Rule, Subject};

/// Services and tools that people trust by their name, of six letters and more: shorter ones are near to too many
/// words.
const KNOWN: &[&str] = &[
    "airtable",
    "amazon",
    "anthropic",
    "atlassian",
    "bitbucket",
    "cloudflare",
    "confluence",
    "discord",
    "dropbox",
    "filesystem",
    "github",
    "gitlab",
    "google",
    "hubspot",
    "instagram",
    "linkedin",
    "microsoft",
    "notion",
    "openai",
    "outlook",
    "paypal",
    "playwright",
    "postgres",
    "puppeteer",
    "salesforce",
    "sentry",
    "shopify",
    "stripe",
    "telegram",
    "twilio",
    "whatsapp",
    "zendesk",
];

/// English words that are one letter away from a name, and mean themselves.
const WORDS: &[&str] =
    &["motion", "nation", "option", "potion", "gentry", "strip", "strips", "stripes", "stripped", "notions"];

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let manifest = subject.manifest;
    let tool = manifest.name.as_str();
    if let Some(known) = resembles(tool) {
        let message = format!("the tool's name `{tool}` could be taken for `{known}`");
        findings.push(Finding::of_manifest(Rule::LookAlikeName, subject, &["name"], message));
    }
    for need in manifest.needs.http.keys() {
        if let Some(known) = resembles(need.as_str()) {
            let message = format!("the name of http need `{need}` could be taken for `{known}`");
            let path = ["needs", "http", need.as_str()];
            findings.push(Finding::of_manifest(Rule::LookAlikeName, subject, &path, message));
        }
    }
    for function in &subject.info.functions {
        let name = &function.name;
        if let Some(known) = resembles(name) {
            let message = format!("the name of function `{name}` could be taken for `{known}`");
            findings.push(Finding::of_component(Rule::LookAlikeName, format!("functions.{name}"), message));
        }
    }
}

/// The well-known name that this one is not, and looks like.
fn resembles(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let joints = ['-', '_', '.'];
    let words = name.split(joints).filter(|word| word.len() >= 5);
    let whole = name.replace(joints, "");
    std::iter::once(whole.as_str()).chain(words).find_map(|word| {
        if KNOWN.contains(&word) || WORDS.contains(&word) {
            return None;
        }
        let read = skeleton(word);
        KNOWN.iter().copied().find(|known| skeleton(known) == read || one_apart(&read, known))
    })
}

fn skeleton(word: &str) -> String {
    let digits = word.replace("rn", "m").replace("vv", "w");
    let letter = |c| match c {
        '0' => 'o',
        '1' => 'l',
        '3' => 'e',
        '5' => 's',
        c => c,
    };
    digits.chars().map(letter).collect()
}

/// Whether one letter more, less or other makes the one of the other, or two neighbours changed places.
fn one_apart(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let same = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    let (short, long) = (short.get(same..).unwrap_or_default(), long.get(same..).unwrap_or_default());
    match (short, long) {
        ([], [_]) => true,
        ([x, y, s @ ..], [p, q, l @ ..]) if (x, y) == (q, p) && s == l && x != y => true,
        ([_, s @ ..], [_, l @ ..]) if short.len() == long.len() => s == l,
        (s, [_, l @ ..]) => s == l,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_the_names_themselves_are_not() {
        for (near, known) in [
            ("githib", "github"),
            ("git-hub", "github"),
            ("g1thub", "github"),
            ("paypa1", "paypal"),
            ("rnicrosoft", "microsoft"),
            ("slripe-payments", "stripe"),
            ("gihtub", "github"),
            ("githubb", "github"),
            ("gthub", "github"),
        ] {
            let found = resembles(near);
            let joined = near.replace('-', "") == known;
            assert_eq!(found, (!joined).then_some(known), "{near}");
        }
        for plain in
            ["github", "github-issues", "orders", "files", "fetch", "list", "stripes", "notify", "googleplex"]
        {
            assert_eq!(resembles(plain), None, "{plain}");
        }
    }
}
