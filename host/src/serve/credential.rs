//! What a request shows to a caller: the Authorization header, the connection's certificate. Nothing else of it says who asks.
//!
//! Takes: headers, how the request came. Gives: [`Shown`], and by it callers. May name: id, identify, reason, room, serve, settle.
//!
//! | header | certificate | who asks |
//! |---|---|---|
//! | none | none | nobody, and on a host without tenants `default` |
//! | a key or a token | none | whose it is |
//! | none | one | whom it means |
//! | a key or a token | one | whose the key or the token is, when the certificate is of the same tenant |
//! | something else, or two | any | nobody |

use super::arrival::{Arrival, Narrowed};
use crate::identify::{Caller, Certificate, Credential, Standing};
use crate::reason::Reason;
use crate::room::Strongroom;
use crate::settle::Receipt;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue};
use std::sync::Arc;

/// What stands in the Authorization header.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presented<'a> {
    /// There is no such header.
    Nothing,
    /// What stands after `Bearer`.
    Bearer(&'a str),
    /// Something else. It is refused and never taken for nothing, which on a host without tenants opens the door.
    Malformed,
}

impl<'a> Presented<'a> {
    fn read(headers: &'a HeaderMap) -> Self {
        Self::of(headers.get_all(AUTHORIZATION).iter())
    }

    fn of(mut all: impl Iterator<Item = &'a HeaderValue>) -> Self {
        let value = match (all.next(), all.next()) {
            (None, _) => return Self::Nothing,
            (Some(value), None) => value,
            // Which of two would count? A proxy in between may have judged the other one.
            (Some(_), Some(_)) => return Self::Malformed,
        };
        let bearer = value.to_str().ok().and_then(|text| text.split_once(' '));
        let token = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = token.map(|(_, token)| token.trim_matches(' '));
        match token.filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_graphic())) {
            Some(token) => Self::Bearer(token),
            None => Self::Malformed,
        }
    }
}

/// What a request shows, and the host name that narrows it.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    header: Presented<'a>,
    certificate: Option<&'a Certificate>,
    host: Option<&'a Narrowed>,
}

impl<'a> Shown<'a> {
    pub(super) fn of(parts: &'a Parts) -> Self {
        Self::read(&parts.headers, &parts.extensions)
    }

    fn read(headers: &'a HeaderMap, extensions: &'a Extensions) -> Self {
        let arrival = extensions.get::<Arrival>();
        Self {
            header: Presented::read(headers),
            certificate: arrival.and_then(|arrival| arrival.certificate.as_deref()),
            host: extensions.get(),
        }
    }

    /// What stands after `Bearer`, where that alone counts.
    pub(super) fn bearer(&self) -> Option<&'a str> {
        match self.header {
            Presented::Bearer(text) => Some(text),
            Presented::Nothing | Presented::Malformed => None,
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.header == Presented::Nothing && self.certificate.is_none()
    }

    /// For the pipeline: what is malformed is a key that opens nothing, so that its refusal is in the book.
    fn credential(&self) -> Credential<'a> {
        match (self.header, self.certificate) {
            (Presented::Malformed, _) => Credential::ApiKey(""),
            (Presented::Nothing, None) => Credential::None,
            (Presented::Bearer(token), None) => Credential::Bearer(token),
            (Presented::Nothing, Some(certificate)) => Credential::Certificate(certificate),
            (Presented::Bearer(token), Some(certificate)) => Credential::Both(certificate, token),
        }
    }

    /// Who asks, by what is shown and by nothing else.
    pub(super) async fn identify(&self, room: &Strongroom) -> Result<Caller, Box<Receipt>> {
        let caller = room.identify(self.credential()).await.map_err(|receipt| self.explain(receipt))?;
        match self.host {
            Some(Narrowed(tenant)) if tenant != caller.tenant() => {
                Err(Box::new(room.mismatched(caller).await))
            }
            _ => Ok(caller),
        }
    }

    /// The refusal of a header that holds no key says so; of one that holds a wrong key, no more than the pipeline does.
    fn explain(&self, mut receipt: Box<Receipt>) -> Box<Receipt> {
        if self.header == Presented::Malformed && receipt.reason == Reason::TenantUnknown {
            receipt.message =
                Some("send exactly one header `Authorization: Bearer …` with an API key or a token".into());
        }
        receipt
    }
}

/// What a request has shown, for as long as its answer goes on.
pub(super) struct Kept {
    headers: Vec<HeaderValue>,
    certificate: Option<Arc<Certificate>>,
    host: Option<Narrowed>,
}

impl Kept {
    pub(super) fn of(parts: &Parts) -> Self {
        let headers = parts.headers.get_all(AUTHORIZATION).iter().cloned();
        let headers = headers.map(|mut value| {
            value.set_sensitive(true);
            value
        });
        let arrival = parts.extensions.get::<Arrival>();
        Self {
            headers: headers.collect(),
            certificate: arrival.and_then(|arrival| arrival.certificate.clone()),
            host: parts.extensions.get().cloned(),
        }
    }

    pub(super) fn shown(&self) -> Shown<'_> {
        Shown {
            header: Presented::of(self.headers.iter()),
            certificate: self.certificate.as_deref(),
            host: self.host.as_ref(),
        }
    }

    /// Why it does not stand any more for the same caller; `None` as long as it does. Asks the settings and the ledger, and leaves
    /// nothing in the book.
    pub(super) async fn lapsed(&self, room: &Strongroom, who: &Standing) -> Option<Reason> {
        room.lapsed(self.shown().credential(), who).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(values: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        match Presented::read(&headers) {
            Presented::Nothing => "nothing".into(),
            Presented::Bearer(token) => format!("bearer {token}"),
            Presented::Malformed => "malformed".into(),
        }
    }

    #[test]
    fn only_one_bearer_token_is_a_credential() {
        assert_eq!(read(&[]), "nothing");
        for good in
            ["Bearer sr_live_a_b", "bearer sr_live_a_b", "BEARER   sr_live_a_b", "Bearer sr_live_a_b "]
        {
            assert_eq!(read(&[good.as_bytes()]), "bearer sr_live_a_b", "{good}");
        }
    }

    #[test]
    fn what_is_no_bearer_token_is_never_taken_for_nothing() {
        for bad in [
            "",
            " ",
            "Bearer",
            "Bearer ",
            "sr_live_a_b",
            "Basic YWNtZTp4",
            "Bearer a b",
            "Bearer\ta",
            "Bearer a,Bearer b",
            "Bearerx a",
        ] {
            assert_eq!(read(&[bad.as_bytes()]), "malformed", "{bad:?}");
        }
        assert_eq!(read(&["Bearer a\u{e9}".as_bytes()]), "malformed");
        assert_eq!(read(&[b"Bearer a", b"Bearer a"]), "malformed");
        assert_eq!(read(&[b"", b"Bearer a"]), "malformed");
    }
}
