//! Which web pages may speak to `/mcp`: those of this machine, and those that the operator names.
//!
//! Takes: a request's head and the settings. Gives: why it is refused, if it is. May name: config, serve.
//!
//! The protocol asks every server for this check (Streamable HTTP, security warning). A key still decides who calls; on a
//! host without tenants, the guard before this has looked at Host and Origin already.

use crate::config::Settings;
use crate::serve::http::{Only, is_local_origin, only};
use http::header::ORIGIN;
use http::request::Parts;

pub(super) fn foreign(parts: &Parts, settings: &Settings) -> Option<&'static str> {
    let known = match only(&parts.headers, ORIGIN) {
        Only::None => true,
        Only::One(origin) => {
            is_local_origin(origin) || settings.host.mcp.origins.iter().any(|known| known == origin)
        }
        Only::Several => false,
    };
    (!known).then_some("the Origin header names a site that `mcp.origins` does not")
}
