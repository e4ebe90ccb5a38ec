//! The Authorization header to a credential. Nothing else of a request says who asks.
//!
//! Takes: headers. Gives: [`Presented`]. May name: identify, reason, settle.

use crate::identify::Credential;
use crate::reason::Reason;
use crate::settle::Receipt;
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// What a request shows for itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Presented<'a> {
    /// There is no such header.
    Nothing,
    /// What stands after `Bearer`.
    Bearer(&'a str),
    /// Something else. It is refused and never taken for nothing, which on a host without tenants opens the door.
    Malformed,
}

impl<'a> Presented<'a> {
    pub(super) fn read(headers: &'a HeaderMap) -> Self {
        let mut all = headers.get_all(AUTHORIZATION).iter();
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

    /// For the pipeline: what is malformed is a key that opens nothing, so that its refusal is in the book.
    pub(super) fn credential(self) -> Credential<'a> {
        match self {
            Self::Nothing => Credential::None,
            Self::Bearer(token) => Credential::Bearer(token),
            Self::Malformed => Credential::ApiKey(""),
        }
    }

    /// The refusal of a header that holds no key says so; of one that holds a wrong key, no more than the pipeline does.
    pub(super) fn explain(self, mut receipt: Receipt) -> Receipt {
        if self == Self::Malformed && receipt.reason == Reason::TenantUnknown {
            receipt.message =
                Some("send exactly one header `Authorization: Bearer …` with an API key or a token".into());
        }
        receipt
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
