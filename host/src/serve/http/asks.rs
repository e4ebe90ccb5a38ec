//! Who asks: the first thing that is settled of a request.
//!
//! Takes: a request's head. Gives: [`Asks`], [`Hears`]. May name: identify, room, serve.

use super::body;
use super::problem::respond;
use crate::identify::Caller;
use crate::room::Strongroom;
use crate::serve::credential::{Kept, Shown};
use crate::serve::vigil::Vigil;
use axum::body::Body;
use axum::extract::{FromRef, FromRequestParts};
use axum::response::Response;
use http::request::Parts;
use std::sync::Arc;

/// The verified caller.
pub(super) struct Asks(pub(super) Caller);

impl<S: Sync> FromRequestParts<S> for Asks
where
    Strongroom: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, served: &S) -> Result<Self, Response> {
        match Shown::of(parts).identify(&Strongroom::from_ref(served)).await {
            Ok(caller) => Ok(Self(caller)),
            Err(receipt) => Err(respond(*receipt, None)),
        }
    }
}

/// The same for an answer that goes on, which ends when the credential does.
pub(super) struct Hears(pub(super) Caller, pub(super) Vigil);

impl<S: Sync> FromRequestParts<S> for Hears
where
    Strongroom: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, served: &S) -> Result<Self, Response> {
        let Asks(caller) = Asks::from_request_parts(parts, served).await?;
        let vigil = Vigil::of(&Strongroom::from_ref(served), Arc::new(Kept::of(parts)), &caller);
        Ok(Self(caller, vigil))
    }
}

/// The same for a request with a body, which is left unread for who asks rightly, and otherwise is not read.
pub(in crate::serve) async fn identified(
    room: &Strongroom,
    parts: &Parts,
    body: Body,
) -> Result<(Caller, Body), Response> {
    match Shown::of(parts).identify(room).await {
        Ok(caller) => Ok((caller, body)),
        Err(receipt) => {
            body::discard(&parts.headers, body).await;
            Err(respond(*receipt, None))
        }
    }
}
