//! Access tokens on the command line: `call` with one, `token revoke`, `restore` and `list`, and what `doctor` says of issuers and TLS.

use crate::house::{House, component, told};
use crate::server::Server;
use crate::words;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A provider on loopback with one key. It serves until the test program ends.
struct Issuer {
    url: String,
    key: Ed25519KeyPair,
}

impl Issuer {
    fn start() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let x = b64(key.public_key().as_ref());
        let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x }] }).to_string();
        let found = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }).to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap_or(0) > 0 {}
                let body = if head.starts_with("GET /keys ") { &set } else { &found };
                let length = body.len();
                // Whoever asked may have gone away.
                let _ = write!(
                    stream.get_mut(),
                    "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
            }
        });
        Self { url, key }
    }

    fn token(&self, id: &str, subject: &str) -> String {
        let head = b64(json!({ "alg": "EdDSA", "kid": "one" }).to_string());
        let claims = json!({
            "iss": self.url, "aud": "https://tools.example", "sub": subject, "jti": id,
            "iat": 1_700_000_000, "exp": 4_000_000_000_u64,
        });
        let message = format!("{head}.{}", b64(claims.to_string()));
        format!("{message}.{}", b64(self.key.sign(message.as_bytes())))
    }

    fn settings(&self) -> String {
        format!(
            "public_url = \"https://tools.example\"\n[[issuers]]\nurl = \"{}\"\ntenant = \"acme\"\n",
            self.url
        )
    }
}

fn house() -> (House, Issuer) {
    let (house, issuer) = (House::new(), Issuer::start());
    house.file("strongroom.toml", &issuer.settings());
    house.file("tenants/acme.toml", "[tools]\nallow = [\"*\"]\n");
    house.run(words!["install", component("echo")]).ok();
    (house, issuer)
}

#[test]
fn a_call_takes_a_token_from_a_file_the_environment_or_stdin() {
    let (house, issuer) = house();
    let token = issuer.token("t-1", "kim");
    house.file("kim.token", &format!("{token}\n"));
    house.run(["call", "echo.nothing", "--token-file", "kim.token"]).ok();
    told(house.command().env("STRONGROOM_TOKEN", &token).args(["call", "echo.nothing"])).ok();
    let mut command = house.command();
    told(command.args(["call", "echo.nothing", "--token-file", "-"]).write_stdin(token.as_str())).ok();
    told(house.command().env("STRONGROOM_TOKEN", &token).arg("tools")).ok();
    assert!(house.book().contains(r#""actor_id":"kim""#));
    assert!(!house.book().contains(&token));
    // Not on the command line, not two at once, not nothing.
    let flag = house.run(["call", "echo.nothing", "--token", token.as_str()]);
    assert_eq!(flag.code, 2, "{flag:?}");
    let both = house.run(["call", "echo.nothing", "--token-file", "kim.token", "--key-file", "kim.token"]);
    assert_eq!(both.code, 2, "{both:?}");
    let mut command = house.command();
    let both = command.env("STRONGROOM_TOKEN", &token).env("STRONGROOM_KEY", "sr_live_a_b");
    told(both.args(["call", "echo.nothing"])).failed(2, "usage").says("both set");
    house.file("empty.token", "\n");
    house.run(["call", "echo.nothing", "--token-file", "empty.token"]).failed(4, "token_invalid");
    let wrong = told(house.command().env("STRONGROOM_TOKEN", "a.b.c").args(["call", "echo.nothing"]));
    wrong.failed(4, "token_invalid");
    house.run(["call", "echo.nothing"]).failed(4, "tenant_missing").says("STRONGROOM_TOKEN");
}

#[test]
fn tokens_are_revoked_listed_and_restored() {
    let (house, issuer) = house();
    let (one, two) = (issuer.token("t-1", "kim"), issuer.token("t-2", "kim"));
    let call =
        |token: &str| told(house.command().env("STRONGROOM_TOKEN", token).args(["call", "echo.nothing"]));
    let order = |action: &str, which: &[&str]| {
        let mut words = vec!["token", action, "--issuer", issuer.url.as_str()];
        words.extend(which);
        if action == "revoke" {
            words.extend(["--why", "lost laptop"]);
        }
        words.extend(["--by", "lee"]);
        house.run(words)
    };
    house.run(["token", "list"]).ok().says("no token is revoked");
    for (which, others) in [(&["--id", "t-1"][..], 0), (&["--subject", "kim"], 4), (&["--all"], 4)] {
        call(&one).ok();
        order("revoke", which).ok().says("revoked: ");
        call(&one).failed(4, "token_invalid");
        assert_eq!(call(&two).code, others, "{which:?}");
        let listed = house.run(["token", "list", "--format", "json"]).ok().json();
        let listed = listed["revoked"].as_array().unwrap().clone();
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!((&listed[0]["by"], &listed[0]["why"]), (&json!("lee"), &json!("lost laptop")));
        let text = house.run(["token", "list"]).ok().stdout.clone();
        assert!(text.contains(&issuer.url) && text.contains("lost laptop"), "{text}");
        order("restore", which).ok().says("good again");
        order("restore", which).failed(3, "not_found").says("token list");
    }
    let book = house.book();
    assert!(book.contains("lost laptop") && book.contains(r#""actor_id":"lee""#), "{book}");
    // Which ones, must be said, and once; and why.
    for which in [&["--why", "x"][..], &["--all", "--id", "a", "--why", "x"], &["--all"]] {
        let words = ["token", "revoke", "--issuer", issuer.url.as_str()];
        assert_eq!(house.run(words.iter().chain(which)).code, 2, "{which:?}");
    }
    let stranger = ["token", "revoke", "--issuer", "https://other.example", "--all", "--why", "x"];
    house.run(stranger).ok().says("although there is no such issuer");
}

#[test]
fn a_revocation_by_another_process_ends_what_is_open_and_refuses_what_comes() {
    let (house, issuer) = house();
    let (lost, kept) = (issuer.token("t-1", "kim"), issuer.token("t-2", "kim"));
    let server = Server::start(&house);
    assert!(server.post("/v1/tools/echo.nothing", &lost, "a", "{}").starts_with("HTTP/1.1 200"));
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let address = server.address();
    write!(
        stream,
        "GET /v1/usage/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {lost}\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    let mut stream = BufReader::new(stream);
    while !text.contains("retry: ") {
        assert!(stream.read_line(&mut text).unwrap() > 0, "{text}");
    }
    let words = ["token", "revoke", "--issuer", issuer.url.as_str(), "--id", "t-1", "--why", "lost"];
    house.run(words).ok().says("revoked: ");
    let mut byte = [0];
    // The last piece of a chunked answer is an empty one. A read that waits for longer than its time fails the test.
    while !text.ends_with("0\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        text.push(char::from(byte[0]));
    }
    assert!(server.post("/v1/tools/echo.nothing", &lost, "b", "{}").starts_with("HTTP/1.1 401"));
    assert!(server.post("/v1/tools/echo.nothing", &kept, "c", "{}").starts_with("HTTP/1.1 200"));
}

/// What `doctor` says of one thing.
fn checked<'a>(checks: &'a Value, name: &str) -> Vec<(&'a str, bool)> {
    let all = checks["checks"].as_array().unwrap().iter().filter(|check| check["check"] == name);
    all.map(|check| (check["detail"].as_str().unwrap(), check["ok"] == true)).collect()
}

#[test]
fn doctor_asks_issuers_and_looks_at_certificates_and_alerts() {
    let (house, issuer) = house();
    let doctor = || {
        let told = house.run(["doctor", "--format", "json"]);
        serde_json::from_str::<Value>(&told.stdout).map(|checks| (told.code, checks)).unwrap()
    };
    let (code, checks) = doctor();
    assert_eq!((code, checked(&checks, "issuer")), (0, vec![(&*format!("{}: 1 keys", issuer.url), true)]));
    assert!(checked(&checks, "tls").is_empty() && checked(&checks, "alerts").is_empty());
    let secret = |name: &str, text: &str| {
        let path = house.file(name, text);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    secret("alerts.secret", "whsec_Y2FuYXJ5LW9mLXRoZS1hbGVydHMtc2VjcmV0LTE=\n");
    house.file("tls/cert.pem", include_str!("../../../tests/connections_are_private/one.pem"));
    secret("tls/key.pem", include_str!("../../../tests/connections_are_private/one.key"));
    let rest = "[alerts]\nwebhook = \"https://ops.example/secret-path\"\nsecret_file = \"alerts.secret\"\n\
        [tls]\ncert = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n[[tls.trust_domains]]\nname = \"prod.example\"\n\
        bundle = \"tls/prod.pem\"\n[[tls.trust_domains.callers]]\npath = \"/*\"\ntenant = \"acme\"\n";
    house.file("strongroom.toml", &format!("{}{rest}", issuer.settings()));
    house.file("tls/prod.pem", include_str!("../../../tests/connections_are_private/ca.pem"));
    let (code, checks) = doctor();
    assert_eq!(code, 0, "{checks}");
    let [(cert, true), (bundle, true)] = checked(&checks, "tls")[..] else { panic!("{checks}") };
    assert!(
        cert.starts_with("tls/cert.pem is good until 2") && bundle.starts_with("prod.example: tls/prod.pem")
    );
    let [(alerts, true)] = checked(&checks, "alerts")[..] else { panic!("{checks}") };
    assert!(alerts.contains("https://ops.example") && !alerts.contains("secret-path"), "{alerts}");
    // What is wrong, is named.
    secret("tls/key.pem", include_str!("../../../tests/connections_are_private/two.key"));
    house.run(["doctor"]).failed(2, "config_invalid").says("tls/cert.pem");
    secret("tls/key.pem", include_str!("../../../tests/connections_are_private/one.key"));
    house.file("tls/prod.pem", "nothing");
    house.run(["doctor"]).failed(2, "config_invalid").says("tls/prod.pem: there is no certificate");
    let gone = "[[issuers]]\nurl = \"http://127.0.0.1:9\"\naudiences = [\"a\"]\ntenant = \"acme\"\n";
    house.file("strongroom.toml", gone);
    house.run(["doctor"]).failed(8, "issuer_unavailable").says("http://127.0.0.1:9");
    house.file(
        "strongroom.toml",
        "[alerts]\nwebhook = \"http://ops.example/\"\nsecret_file = \"alerts.secret\"\n",
    );
    house.run(["doctor"]).failed(2, "config_invalid").says("strongroom.toml:2");
}
