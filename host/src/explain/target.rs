//! What is reached: an endpoint, a place on disk, a tool or one of its functions.
//!
//! Takes: a word of the command line. Gives: [`Target`]. May name: authorize, config.

use crate::authorize::origin::{Origin, Scheme};
use crate::config::ToolPattern;
use std::path::{Component, PathBuf};

/// Something that calls may reach.
#[derive(Debug, Clone)]
pub enum Target {
    /// One of these origins; a bare host stands for both of its schemes.
    Endpoint(Vec<Origin>),
    /// An absolute path without `..`.
    Path(PathBuf),
    /// A tool or a function.
    Tool(ToolPattern),
}

/// The text names nothing that a call could reach.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// It looks like an endpoint and is none.
    #[error("{0:?} is no endpoint: {1}")]
    Endpoint(String, String),
    /// A path that leads up.
    #[error("{0:?} climbs with `..`; write the path that it leads to")]
    Climbs(String),
    /// Nothing of all that.
    #[error(
        "{0:?} is no origin, host:port, absolute path, tool or tool.function; a host without a port is written with its scheme"
    )]
    Nothing(String),
}

impl Target {
    /// Reads `https://host[:port]`, `host:port`, an absolute path, `<tool>` or `<tool>.<function>`.
    ///
    /// # Errors
    /// [`InvalidTarget`] with what to write instead.
    pub fn parse(text: &str) -> Result<Self, InvalidTarget> {
        let endpoint = |e: &dyn std::fmt::Display| InvalidTarget::Endpoint(text.to_owned(), e.to_string());
        if text.contains("://") {
            let origin = Origin::parse(text).map_err(|e| endpoint(&e))?;
            return Ok(Self::Endpoint(vec![origin]));
        }
        let path = PathBuf::from(text);
        if path.is_absolute() {
            if path.components().any(|part| part == Component::ParentDir) {
                return Err(InvalidTarget::Climbs(text.to_owned()));
            }
            return Ok(Self::Path(path));
        }
        if text.contains(':') {
            let both = [Scheme::Http, Scheme::Https].map(|scheme| Origin::from_parts(scheme, text));
            let both: Result<Vec<_>, _> = both.into_iter().collect();
            return both.map(Self::Endpoint).map_err(|e| endpoint(&e));
        }
        ToolPattern::parse(text).map(Self::Tool).map_err(|_| InvalidTarget::Nothing(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_what_it_looks_like() {
        let origins = |text| match Target::parse(text).unwrap() {
            Target::Endpoint(origins) => origins.iter().map(ToString::to_string).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(origins("HTTPS://API.example.com:443"), ["https://api.example.com"]);
        assert_eq!(origins("127.0.0.1:80"), ["http://127.0.0.1", "https://127.0.0.1:80"]);
        assert_eq!(origins("[::1]:8080"), ["http://[::1]:8080", "https://[::1]:8080"]);
        assert!(matches!(Target::parse("/data/acme").unwrap(), Target::Path(_)));
        assert!(matches!(Target::parse("orders").unwrap(), Target::Tool(ToolPattern::Tool(_))));
        assert!(matches!(Target::parse("orders.list").unwrap(), Target::Tool(ToolPattern::Function(_))));
        assert!(matches!(Target::parse("*").unwrap(), Target::Tool(ToolPattern::Any)));
        for wrong in ["", "/data/../etc", "https://x/y", "ftp://x", "a b:80", "data/acme", "Orders!"] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
