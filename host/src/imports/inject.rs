//! A credential on its way: put into the request after the request was checked.
//!
//! Takes: a credential, a request that may be sent. Gives: the request with it. May name: config.
//!
//! What the guest wrote in the same place does not survive: headers are replaced, whatever a server may take for the same
//! header too, and a query that already has the parameter is refused by the gate.

use crate::config::{Credential, Injection};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, TRAILER};
use http::uri::PathAndQuery;
use std::fmt;
use std::fmt::Write as _;
use wasmtime_wasi_http::Error;
use zeroize::Zeroizing;

/// A credential in the form in which it is sent. It prints nothing of itself.
pub(crate) enum Carried {
    /// A header and its whole value.
    Header(HeaderName, HeaderValue),
    /// A parameter, `name=value`, percent-encoded.
    Query(Zeroizing<String>),
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carried")
    }
}

impl Carried {
    /// `None` when the secret cannot stand in its place.
    pub(crate) fn new(credential: &Credential) -> Option<Self> {
        let header = |name: &HeaderName, text: &str| {
            let mut value = HeaderValue::try_from(text).ok()?;
            value.set_sensitive(true);
            Some(Self::Header(name.clone(), value))
        };
        let value = credential.value.expose();
        match &credential.injection {
            Injection::Header(name) => header(name, value),
            Injection::Basic(user) => header(&AUTHORIZATION, &basic(user.as_str(), value)),
            Injection::Query(name) => {
                let mut text = Zeroizing::new(String::with_capacity(value.len() * 3 + 80));
                percent(&mut text, name.as_str());
                text.push('=');
                percent(&mut text, value);
                Some(Self::Query(text))
            }
        }
    }

    /// Puts it into the request. No error quotes it.
    pub(crate) fn put<B>(self, request: &mut http::Request<B>) -> Result<(), Error> {
        // A service may take trailers for headers, and without this header none are sent.
        request.headers_mut().remove(TRAILER);
        match self {
            Self::Header(name, value) => {
                let headers = request.headers_mut();
                without_likes(headers, &name);
                headers.insert(name, value);
            }
            Self::Query(parameter) => {
                let uri = request.uri();
                let (path, query) = (uri.path(), uri.query().unwrap_or_default());
                let join = if query.is_empty() { "" } else { "&" };
                let whole = Zeroizing::new(format!("{path}?{query}{join}{}", *parameter));
                let target =
                    PathAndQuery::try_from(whole.as_str()).map_err(|_| Error::HttpRequestUriTooLong)?;
                *request.uri_mut() = target.into();
            }
        }
        Ok(())
    }
}

/// The texts that must not come back from a service that was given the credential.
pub(crate) fn secrets(credential: &Credential) -> Vec<Zeroizing<String>> {
    let value = credential.value.expose();
    let text = |text: &str| Zeroizing::new(text.to_owned());
    match &credential.injection {
        // The token alone where the value has the form `<scheme> <token>`.
        Injection::Header(_) => match value.split_once(' ') {
            Some((_, token)) => vec![text(value), text(token.trim())],
            None => vec![text(value)],
        },
        Injection::Query(_) => vec![text(value)],
        Injection::Basic(user) => {
            let whole = basic(user.as_str(), value);
            let encoded = text(whole.split_once(' ').map_or("", |(_, encoded)| encoded));
            vec![whole, encoded, text(&format!("{user}:{value}")), text(value)]
        }
    }
}

/// `Basic base64(user:password)`.
fn basic(user: &str, password: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{user}:{password}"));
    let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    Zeroizing::new(format!("Basic {}", *encoded))
}

/// Everything but RFC 3986's unreserved characters as `%XX`.
fn percent(into: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => into.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => into.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(into, "%{byte:02X}")),
        }
    }
}

/// Takes out every header that some servers do not tell apart from this one: they read `_` as `-`.
fn without_likes(headers: &mut HeaderMap, name: &HeaderName) {
    let plain = |name: &HeaderName| name.as_str().replace('_', "-");
    let wanted = plain(name);
    let likes: Vec<HeaderName> = headers.keys().filter(|other| plain(other) == wanted).cloned().collect();
    for like in likes {
        headers.remove(like);
    }
}

/// Whether a request's query already has the parameter that carries the credential, in any spelling that some server
/// would take for it: percent-encoded however often, in other letter case, as an element of an array, or with a
/// character that some servers read as another.
pub(crate) fn has_parameter(credential: &Credential, path_and_query: &str) -> bool {
    let Injection::Query(name) = &credential.injection else { return false };
    let Some((_, query)) = path_and_query.split_once('?') else { return false };
    let wanted = canonical(name.as_str().as_bytes());
    query.split(['&', ';', '?']).any(|parameter| {
        let mut spelt = parameter.split('=').next().unwrap_or_default().replace('+', " ").into_bytes();
        // Each round is shorter than the one before.
        loop {
            if canonical(&spelt) == wanted {
                return true;
            }
            let deeper = decoded(&spelt);
            if deeper == spelt {
                // What no decoding takes away (`%u0061`) some server may read in its own way.
                return spelt.contains(&b'%');
            }
            // The equals sign, or another parameter, may have been encoded too.
            let end = deeper.iter().position(|b| matches!(b, b'=' | b'&' | b';')).unwrap_or(deeper.len());
            spelt = deeper.get(..end).unwrap_or_default().to_vec();
        }
    })
}

/// A name as the most lenient servers see it.
fn canonical(name: &[u8]) -> Vec<u8> {
    let name = name.split(|b| matches!(b, b'[' | 0)).next().unwrap_or_default();
    let kept = name.iter().filter(|b| b.is_ascii_graphic() || **b == b' ');
    let mapped = kept.map(|b| if matches!(b, b'.' | b' ' | b'-') { b'_' } else { b.to_ascii_lowercase() });
    let mapped: Vec<u8> = mapped.collect();
    let outer = |b: &u8| *b == b'_';
    let start = mapped.iter().position(|b| !outer(b)).unwrap_or(mapped.len());
    let end = mapped.iter().rposition(|b| !outer(b)).map_or(start, |at| at + 1);
    mapped.get(start..end).unwrap_or_default().to_vec()
}

/// Decodes once; a percent sign without two digits stays.
fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let pair = match after {
            [high, low, ..] if *byte == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        decoded.push(pair.map_or(*byte, |(high, low)| high * 16 + low));
        rest = if pair.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use proptest::prelude::*;

    fn credential(injection: Injection, value: &str) -> Credential {
        Credential {
            tenant: "acme".parse().unwrap(),
            origins: Vec::new(),
            injection,
            value: Secret::new(value.to_owned()),
        }
    }

    fn query() -> Credential {
        credential(Injection::Query("api_key".parse().unwrap()), "s3cr/t &v=1%")
    }

    fn sent(credential: &Credential, uri: &str, headers: &[(&str, &str)]) -> http::Request<()> {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        Carried::new(credential).unwrap().put(&mut request).unwrap();
        request
    }

    #[test]
    fn a_query_credential_is_added_and_what_was_there_stays() {
        for (uri, expected) in [
            ("/x", "/x?api_key=s3cr%2Ft%20%26v%3D1%25"),
            ("/x?", "/x?api_key=s3cr%2Ft%20%26v%3D1%25"),
            ("/x?a=1&b", "/x?a=1&b&api_key=s3cr%2Ft%20%26v%3D1%25"),
            ("/?a=%", "/?a=%&api_key=s3cr%2Ft%20%26v%3D1%25"),
        ] {
            let request = sent(&query(), uri, &[("authorization", "the guest's own")]);
            assert_eq!(request.uri().to_string(), expected);
            assert_eq!(request.headers()["authorization"], "the guest's own");
        }
        let long = credential(Injection::Query("k".parse().unwrap()), &"ä".repeat(16_000));
        let mut request = http::Request::new(());
        let error = Carried::new(&long).unwrap().put(&mut request).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("%C3"), "{error:?}");
    }

    #[test]
    fn headers_of_the_guest_do_not_survive() {
        let own = [
            ("X-Api-Key", "a"),
            ("x_api_key", "b"),
            ("x-api_key", "c"),
            ("trailer", "x-api-key"),
            ("x-b", "d"),
        ];
        let request = sent(&credential(Injection::header("x-api-key").unwrap(), "s3cret"), "/", &own);
        let left: Vec<_> = request.headers().iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        assert_eq!(left, [("x-b", "d"), ("x-api-key", "s3cret")]);
        assert!(request.headers()["x-api-key"].is_sensitive());
        let robot = credential(Injection::Basic("robot".parse().unwrap()), "pass word");
        let request = sent(&robot, "/", &[("authorization", "x")]);
        assert_eq!(request.headers()["authorization"], "Basic cm9ib3Q6cGFzcyB3b3Jk");
        let all: Vec<_> = secrets(&robot).iter().map(|s| s.to_string()).collect();
        assert_eq!(
            all,
            ["Basic cm9ib3Q6cGFzcyB3b3Jk", "cm9ib3Q6cGFzcyB3b3Jk", "robot:pass word", "pass word"]
        );
        assert_eq!(format!("{:?}", Carried::new(&robot)), "Some(Carried)");
    }

    #[test]
    fn a_parameter_of_the_same_name_is_found_in_every_spelling() {
        for there in [
            "/x?api_key=1",
            "/x?a=1&api_key",
            "/x?a=1;api_key=2",
            "/x?API_KEY=1",
            "/x?api%5Fkey=1",
            "/x?%61pi_key=1",
            "/x?%2561pi_key=1",
            "/x?%252561pi_key=1",
            "/x?api.key=1",
            "/x?api-key=1",
            "/x?api+key=1",
            "/x?api%20key=1",
            "/x?+api_key=1",
            "/x?api_key[]=1",
            "/x?api_key%5B0%5D=1",
            "/x?api_key%00=1",
            "/x?api_key%0D=1",
            "/x?api_key%3D1",
            "/x?api_key%26b=1",
            "/x?%u0061pi_key=1",
            "/x?api%ff_key=1",
            "/x?a?api_key=1",
            "/x??api_key=1",
            "/x?&&api_key=1",
            "/x?a=1&=&api_key=",
        ] {
            assert!(has_parameter(&query(), there), "{there}");
        }
        for not in [
            "/x",
            "/x?",
            "/api_key=1",
            "/x?a=api_key",
            "/x?a=1&b=api_key%3D1",
            "/x?apikey=1",
            "/x?api_key2=1",
            "/x?my_api_key=1",
            "/x?a=%&b=100%25",
            "/x?=api_key",
        ] {
            assert!(!has_parameter(&query(), not), "{not}");
        }
        assert!(!has_parameter(&credential(Injection::default(), "x"), "/x?authorization=1"));
    }

    proptest! {
        #[test]
        fn no_encoding_of_single_letters_hides_the_name(letters in prop::collection::vec((any::<bool>(), any::<bool>()), 7)) {
            let mut name = String::new();
            for (c, (encode, upper)) in "api_key".chars().zip(letters) {
                let c = if upper { c.to_ascii_uppercase() } else { c };
                if encode { write!(name, "%{:02x}", u32::from(c)).unwrap() } else { name.push(c) }
            }
            let uri = format!("/x?a=1&{name}=2");
            prop_assert!(has_parameter(&query(), &uri));
        }

        #[test]
        fn what_is_sent_decodes_to_the_secret(value in "\\PC{1,60}") {
            let request = sent(&credential(Injection::Query("k".parse().unwrap()), &value), "/x?a=b", &[]);
            let pairs: Vec<_> = url::form_urlencoded::parse(request.uri().query().unwrap().as_bytes()).into_owned().collect();
            prop_assert_eq!(pairs, vec![("a".to_owned(), "b".to_owned()), ("k".to_owned(), value)]);
        }
    }
}
