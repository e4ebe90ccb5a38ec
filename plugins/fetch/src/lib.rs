//! Pages as readable text.
//!
//! Takes: need `http.web`. Gives: the interface `strongroom:fetch/fetch`. May name: html, text.

mod entity;
mod html;
#[cfg(test)]
mod tests;
mod text;

use exports::strongroom::fetch::fetch::{Error, Guest, Page};
use strongroom_sdk::http::{self, Response};

strongroom_sdk::tool!(Fetch, additional_derives: [PartialEq]);

/// The most bytes of a page.
const MOST_BYTES: usize = 2 << 20;
const DEFAULT_CHARS: u32 = 20_000;
const MOST_CHARS: u32 = 200_000;

struct Fetch;

impl Guest for Fetch {
    fn get(url: String, max_chars: Option<u32>) -> Result<Page, Error> {
        let accept = "text/html, text/*;q=0.9, application/json;q=0.8";
        let answer = http::get(&url).header("accept", accept).max_body(MOST_BYTES).send()?;
        let answer = arrived(answer)?;
        let (content_type, body) = text::decode(&answer)?;
        let (title, text) = if text::is_html(&content_type) { html::readable(&body) } else { (None, body) };
        let (text, truncated) = text::cut(text, max_chars.unwrap_or(DEFAULT_CHARS).clamp(1, MOST_CHARS));
        Ok(Page { url, title, content_type, text, truncated })
    }
}

/// The answer, if it is the page itself.
fn arrived(answer: Response) -> Result<Response, Error> {
    match (answer.status, answer.header("location")) {
        (301 | 302 | 303 | 307 | 308, Some(place)) => Err(Error::Moved(place.to_owned())),
        _ => Ok(answer.success()?),
    }
}

impl From<http::Error> for Error {
    fn from(error: http::Error) -> Self {
        match error {
            http::Error::Denied => Self::NotPermitted,
            http::Error::Invalid(_) => Self::InvalidUrl,
            http::Error::Status(status) => Self::Status(status),
            http::Error::TooLarge(_) => Self::TooLarge,
            http::Error::Timeout => Self::Timeout,
            other => Self::Unreachable(other.to_string()),
        }
    }
}
