//! What a function is offered as besides a tool: a resource by its URI, or a prompt.
//!
//! Takes: the manifest's words. Gives: [`ResourceRule`]. May name: nothing.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

/// The longest URI, in bytes.
pub(crate) const MAX_URI: usize = 1024;
/// A scheme, then anything visible; parameters stand in braces.
pub(crate) const URI: &str = r#"^[a-z][a-z0-9+.-]*:([!#-;=?-\[\]_a-z~]|\{[a-z][a-z0-9-]*\})+$"#;
/// The scheme of what the host itself gives.
const RESERVED: &str = "strongroom";
/// A media type, as `text/markdown`.
pub(crate) const MIME: &str = r"^[a-z0-9.+-]+/[a-z0-9.+-]+(;[ -~]+)?$";

/// A resource of the Model Context Protocol that a function gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceRule {
    /// Its URI; `{name}` stands for the parameter of that name, which is a string.
    pub uri: Uri,
    /// What kind of document it is. `text/plain` for text where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "mime")]
    pub mime_type: Option<String>,
}

/// A URI with the parameters in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uri(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Parameter(String),
}

impl Uri {
    /// The names of the parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Parameter(name) => Some(name.as_str()),
        })
    }

    /// What the parameters are in a URI of this form; `None` for a URI of another form. A parameter is at least one
    /// character and no `/`.
    #[must_use]
    pub fn read<'a>(&'a self, uri: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        let mut rest = uri;
        let mut found = Vec::new();
        let mut parts = self.0.iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Text(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Parameter(name) => {
                    let end = match parts.peek() {
                        Some(Part::Text(text)) => rest.find(text.as_str())?,
                        _ => rest.len(),
                    };
                    let (value, after) = rest.split_at_checked(end)?;
                    if value.is_empty() || value.contains('/') {
                        return None;
                    }
                    found.push((name.as_str(), value));
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(found)
    }
}

impl TryFrom<String> for Uri {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let shown: String = text.chars().take(80).collect();
        let bad = |what: &str| Err(format!("{shown:?} is no URI: {what}"));
        let scheme = text.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
        let in_scheme =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'.' | b'-');
        if !scheme.starts_with(|c: char| c.is_ascii_lowercase()) || !scheme.bytes().all(in_scheme) {
            return bad("it begins with a scheme, as \"guide://\"");
        }
        if scheme == RESERVED {
            return bad("the scheme \"strongroom\" is the host's own");
        }
        if text.len() > MAX_URI {
            return bad("it is longer than 1,024 bytes");
        }
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else { return bad("a brace is not closed") };
            let in_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.bytes().all(in_name) {
                return bad("what stands in braces is the name of a parameter");
            }
            if before.is_empty() {
                return bad("two parameters need something between them");
            }
            parts.extend([Part::Text(before.to_owned()), Part::Parameter(name.to_owned())]);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let visible = |b: u8| {
            b.is_ascii_graphic()
                && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
        };
        let plain = parts.iter().all(|part| match part {
            Part::Text(text) => text.bytes().all(visible),
            Part::Parameter(_) => true,
        });
        if !plain || text.len() == scheme.len() + 1 {
            return bad("use the visible characters of ASCII that URIs have");
        }
        Ok(Self(parts))
    }
}

impl From<Uri> for String {
    fn from(uri: Uri) -> Self {
        uri.to_string()
    }
}

impl std::fmt::Display for Uri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Parameter(name) => write!(f, "{{{name}}}"),
        })
    }
}

fn mime<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(d)?;
    let (essence, more) = text.split_once(';').map_or((text.as_str(), None), |(e, more)| (e, Some(more)));
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-');
    let halves = essence.split_once('/');
    let good = halves
        .is_some_and(|(a, b)| [a, b].iter().all(|half| !half.is_empty() && half.bytes().all(word)))
        && more.is_none_or(|more| !more.is_empty() && more.bytes().all(|b| (b' '..=b'~').contains(&b)))
        && text.len() <= 128;
    match good {
        true => Ok(Some(text)),
        false => Err(D::Error::custom("a media type is written as \"text/markdown\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn parameters_are_read_from_a_uri_of_the_form() {
        let form = uri("orders://{shop}/items/{id}.json");
        assert_eq!(form.to_string(), "orders://{shop}/items/{id}.json");
        assert_eq!(form.parameters().collect::<Vec<_>>(), ["shop", "id"]);
        assert_eq!(form.read("orders://a/items/7.json").unwrap(), [("shop", "a"), ("id", "7")]);
        for other in ["orders:///items/7.json", "orders://a/items/7", "orders://a/b/items/7.json", "x", ""] {
            assert_eq!(form.read(other), None, "{other}");
        }
        assert_eq!(uri("guide://x").read("guide://x"), Some(Vec::new()));
        assert_eq!(uri("guide://x").read("guide://xy"), None);
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for bad in [
            "",
            "guide",
            "Guide://x",
            "g:",
            "g:{a}{b}",
            "g:{",
            "g:{A}",
            "g:}",
            "g:a b",
            "g:ü",
            "1g:x",
            "g:<",
            "strongroom://x",
        ] {
            assert!(Uri::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
