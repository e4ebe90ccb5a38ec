//! Who asks: the first thing that is settled of a request.
//!
//! Takes: a request's head. Gives: [`Asks`]. May name: identify, room, serve.

use super::body;
use super::problem::respond;
use crate::identify::Caller;
use crate::room::Strongroom;
use crate::serve::credential::Presented;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;

/// The verified caller.
pub(super) struct Asks(pub(super) Caller);

impl FromRequestParts<Strongroom> for Asks {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, room: &Strongroom) -> Result<Self, Response> {
        let presented = Presented::read(&parts.headers);
        match room.identify(presented.credential()).await {
            Ok(caller) => Ok(Self(caller)),
            Err(receipt) => Err(respond(presented.explain(*receipt), None)),
        }
    }
}

/// The same for a request with a body, which is left unread for who asks rightly, and otherwise is not read.
pub(in crate::serve) async fn identified(
    room: &Strongroom,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Caller, Body), Response> {
    let presented = Presented::read(headers);
    match room.identify(presented.credential()).await {
        Ok(caller) => Ok((caller, body)),
        Err(receipt) => {
            body::discard(headers, body).await;
            Err(respond(presented.explain(*receipt), None))
        }
    }
}
