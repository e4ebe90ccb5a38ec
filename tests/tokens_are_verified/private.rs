//! An issuer whose own server has a certificate of a private authority: asked when the operator names that authority, and trusted by no
//! other one.

use super::issuer::Keys;
use super::{AUDIENCE, TENANT, header};
use crate::certificates_say_who_calls::authority::Authority;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use std::sync::Arc;
use strongroom::identify::Credential;
use strongroom::reason::Reason;
use strongroom_tests::{Bytes, Then, house, request, wire};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Serves by TLS what is served in the clear at the address; gives its own URL.
async fn secured(authority: &Authority, listener: TcpListener, to: std::net::SocketAddr) {
    let [cert, key] = authority.server(&["localhost"]);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let acceptor =
        TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()));
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust this goes away.
                let Ok(mut from) = acceptor.accept(connection).await else { return };
                let mut to = TcpStream::connect(to).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut from, &mut to).await);
            });
        }
    });
}

#[tokio::test]
async fn an_issuer_of_a_private_authority_is_asked_when_the_operator_names_it() {
    let (private, other) = (Authority::new("private"), Authority::new("private"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let keys = Keys::own();
    let (set, origin) = (json!({ "keys": [keys.jwk("rsa", "RS256")] }), url.clone());
    let plain = wire(move |line| {
        let body = match line.split(' ').nth(1) {
            Some("/.well-known/openid-configuration") => {
                json!({ "issuer": origin, "jwks_uri": format!("{origin}/keys") })
            }
            Some("/keys") => set.clone(),
            _ => return Bytes(Vec::new(), Then::Close),
        };
        Bytes::whole("200 OK", "", body.to_string().as_bytes())
    })
    .await;
    secured(&private, listener, plain.address).await;
    let claims = json!({ "iss": url, "aud": AUDIENCE, "sub": "kim", "exp": 4_000_000_000_u64 }).to_string();
    let token = keys.token("RS256", &header("RS256", "rsa"), &claims);
    for (name, ca, reason) in [
        ("named", Some(&private.pem), Reason::Ok),
        ("another one of that name", Some(&other.pem), Reason::IssuerUnavailable),
        ("none", None, Reason::IssuerUnavailable),
        ("nothing in the file", Some(&String::new()), Reason::IssuerUnavailable),
    ] {
        let line = if ca.is_some() { "ca = \"tls/issuer.pem\"\n" } else { "" };
        let settings =
            format!("[[issuers]]\nurl = \"{url}\"\naudiences = [\"{AUDIENCE}\"]\ntenant = \"acme\"\n{line}");
        let mut plan = house().tool("echo").file("strongroom.toml", &settings).tenant("acme", TENANT);
        if let Some(ca) = ca {
            plan = plan.file("tls/issuer.pem", ca);
        }
        let house = plan.build().await;
        let receipt = house.room.call(Credential::Bearer(&token), request("echo.nothing", "{}")).await;
        assert_eq!(receipt.reason, reason, "{name}: {receipt:?}");
        let asked = house.room.ask_issuers().await;
        assert_eq!(asked[0].1.is_ok(), reason == Reason::Ok, "{name}: {asked:?}");
    }
}
