//! Who asks, and whether he may: settled from a request's head before a handler begins.
//!
//! Takes: a request's head. Gives: [`Leave`]. May name: admin, serve.

use super::Action;
use super::guard::Text;
use crate::admin::{Door, Leave, Level, Over};
use crate::serve::credential::Shown;
use crate::serve::http::respond;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::Response;
use http::request::Parts;
use std::sync::Arc;

/// What a request without a route's name is called in the book; there is none.
const NAMELESS: &str = "admin.request";

impl<L: Level, O: Over> FromRequestParts<Door> for Leave<L, O> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Response> {
        let action = parts.extensions.get::<Action>().map_or(NAMELESS, |action| action.0);
        let admin =
            door.enter(action, Shown::of(parts).bearer()).await.map_err(|receipt| respond(*receipt, None))?;
        let tenant = match RawPathParams::from_request_parts(parts, door).await {
            Ok(all) => all.iter().find(|(name, _)| *name == "tenant").map(|(_, value)| value.to_owned()),
            Err(_) => None,
        };
        // Without one it names none, and no role is for that.
        admin.may(&tenant.unwrap_or_default()).await.map_err(|receipt| respond(*receipt, None))
    }
}

impl FromRequestParts<Door> for Text {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Door) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self(Arc::from(""))))
    }
}
