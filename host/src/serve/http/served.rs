//! What the handlers of one server share.
//!
//! Takes: the host, and what lasts from request to request. Gives: [`Served`], and each part of it to who asks for that. May name: room, serve.

use crate::room::Strongroom;
use crate::serve::later::Later;
use crate::serve::mcp::Halls;
use crate::serve::streams::Streams;
use axum::extract::FromRef;
use std::sync::Arc;

/// In one piece, because each request has it copied.
#[derive(Clone)]
pub(super) struct Served(Arc<Parts>);

macro_rules! parts {
    ($($part:ident: $type:ty),+ $(,)?) => {
        pub(super) struct Parts {
            $(pub(super) $part: $type),+
        }

        $(impl FromRef<Served> for $type {
            fn from_ref(served: &Served) -> Self {
                served.0.$part.clone()
            }
        })+
    };
}

parts! {
    room: Strongroom,
    later: Later,
    streams: Streams,
    halls: Arc<Halls>,
}

impl From<Parts> for Served {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}
