//! Bodies as text.
//!
//! Takes: a response. Gives: its kind and its text. May name: the contract's types.

use crate::exports::strongroom::fetch::fetch::Error;
use strongroom_sdk::http::Response;

/// What the site says the body is, in lower case and without parameters, and the body as text.
///
/// A missing kind is taken as HTML, as browsers do. Bytes that are not of the stated encoding are replaced.
pub(crate) fn decode(answer: &Response) -> Result<(String, String), Error> {
    let stated = answer.header("content-type").unwrap_or("text/html").to_ascii_lowercase();
    let (kind, parameters) = stated.split_once(';').unwrap_or((&stated, ""));
    let kind = kind.trim().to_owned();
    if !is_text(&kind) {
        return Err(Error::NotText(kind));
    }
    let charset = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("charset="));
    let text = match charset.map(|name| name.trim_matches('"')) {
        Some("iso-8859-1" | "latin1" | "windows-1252" | "us-ascii") => {
            answer.body.iter().copied().map(char::from).collect()
        }
        _ => String::from_utf8_lossy(&answer.body).into_owned(),
    };
    Ok((kind, text))
}

fn is_text(kind: &str) -> bool {
    kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(kind, "application/json" | "application/xml" | "application/javascript")
}

/// Whether tags have to be taken out.
pub(crate) fn is_html(kind: &str) -> bool {
    matches!(kind, "text/html" | "application/xhtml+xml")
}

/// The first characters of a text, and whether there were more.
pub(crate) fn cut(mut text: String, most: u32) -> (String, bool) {
    let end = usize::try_from(most).ok().and_then(|most| text.char_indices().nth(most));
    if let Some((end, _)) = end {
        text.truncate(end);
    }
    (text, end.is_some())
}
