//! Keys that change, an issuer that is down, tokens that end.

use super::{NOW, Scene, header};
use serde_json::{Value, json};
use strongroom::Strongroom;
use strongroom::powers::Home;
use strongroom::reason::Reason;
use strongroom::storage::ledger::{KillScope, TokenScope, Which};

use super::issuer::Keys;
use super::{AUDIENCE, TENANT};
use strongroom::admit::CallRequest;
use strongroom::identify::Credential;
use strongroom_tests::{Bytes, Then, house, wire};

#[tokio::test]
async fn a_token_that_was_verified_ends_when_it_says() {
    let scene = Scene::new("").await;
    let token = scene.token(json!({ "exp": NOW + 100 }));
    assert_eq!(scene.call(&token).await.reason, Reason::Ok);
    scene.clock.pass(159_000);
    assert_eq!(scene.call(&token).await.reason, Reason::Ok);
    scene.clock.pass(1_000);
    scene.refuses("ended", &token, Reason::TokenInvalid, "expired").await;
}

#[tokio::test]
async fn new_keys_are_found_and_withdrawn_ones_are_not_used() {
    let scene = Scene::new("").await;
    let old = scene.token(json!({}));
    assert_eq!(scene.call(&old).await.reason, Reason::Ok);
    let next = Keys::foreign();
    scene.issuer.publish(Some(&[next.jwk("next", "RS256")]));
    let new = next.token("RS256", &header("RS256", "next"), &scene.claims(json!({})));
    // Within a minute the issuer is not asked again, whoever comes with an unknown key.
    scene.refuses("too early", &new, Reason::TokenInvalid, "no such key").await;
    assert_eq!(scene.issuer.fetched(), 1);
    scene.clock.pass(60_000);
    assert_eq!(scene.call(&new).await.reason, Reason::Ok);
    assert_eq!(scene.issuer.fetched(), 2);
    // What was verified by a key that is gone counts no more.
    scene.refuses("withdrawn", &old, Reason::TokenInvalid, "no such key").await;
    // There is one key only, so its id may be left out.
    let bare = next.token("RS256", &json!({ "alg": "RS256" }).to_string(), &scene.claims(json!({})));
    assert_eq!(scene.call(&bare).await.reason, Reason::Ok);
}

#[tokio::test]
async fn while_the_issuer_is_down_its_keys_go_on_until_their_time_is_over() {
    let scene = Scene::new("keys_ttl = 600").await;
    let (token, late) = (scene.token(json!({ "exp": NOW + 6_000 })), json!({ "exp": NOW + 6_001 }));
    assert_eq!(scene.call(&token).await.reason, Reason::Ok);
    scene.issuer.publish(None);
    scene.clock.pass(599_000);
    assert_eq!(scene.call(&token).await.reason, Reason::Ok);
    assert_eq!(scene.call(&scene.token(late)).await.reason, Reason::Ok);
    scene.clock.pass(1_000);
    // Closed, also for the token that was verified before; and not the client's fault.
    for _ in 0..3 {
        let receipt = scene.call(&token).await;
        assert_eq!(receipt.reason, Reason::IssuerUnavailable, "{receipt:?}");
        assert!(receipt.retry_after_ms.is_some());
    }
    let keys = &scene.issuer.keys;
    scene.issuer.publish(Some(&[keys.jwk("rsa", "RS256")]));
    scene.clock.pass(60_000);
    assert_eq!(scene.call(&token).await.reason, Reason::Ok);
}

#[tokio::test]
async fn keys_that_prove_nothing_are_left_out() {
    let scene = Scene::new("").await;
    let keys = &scene.issuer.keys;
    let token = scene.token(json!({}));
    let changed = |name: &str, value: serde_json::Value| {
        let mut key = keys.jwk("rsa", "RS256");
        key[name] = value;
        key
    };
    let secret = json!({ "kty": "oct", "kid": "rsa", "k": "c2VjcmV0", "alg": "HS256" });
    for published in [
        vec![changed("use", json!("enc"))],
        vec![changed("key_ops", json!(["sign"]))],
        vec![changed("alg", json!("RS512"))],
        vec![changed("alg", json!("HS256"))],
        vec![changed("d", json!("AA"))],
        vec![changed("n", json!("AQAB"))],
        vec![changed("kid", json!("RSA"))],
        vec![secret],
        vec![],
        // Of two with one id, neither is meant.
        vec![keys.jwk("rsa", "RS256"), keys.jwk("rsa", "RS256")],
        vec![changed("kty", json!("oct"))],
    ] {
        scene.issuer.publish(Some(&published));
        scene.clock.pass(3_600_001 + 60_000);
        let late = scene.token(json!({ "exp": 4_000_000_000_u64, "iat": NOW }));
        let receipt = scene.call(&late).await;
        let refused = [Reason::IssuerUnavailable, Reason::TokenInvalid].contains(&receipt.reason);
        assert!(refused, "{published:?}: {receipt:?}");
    }
    scene.issuer.publish(Some(&[keys.jwk("rsa", "RS256")]));
    scene.clock.pass(60_000);
    let late = scene.token(json!({ "exp": 4_000_000_000_u64 }));
    assert_eq!(scene.call(&late).await.reason, Reason::Ok);
    scene.refuses("ended long ago", &token, Reason::TokenInvalid, "expired").await;
}

#[tokio::test]
async fn what_is_revoked_opens_nothing_also_where_it_was_verified_before() {
    let scene = Scene::new("").await;
    // Another process on the same home folder.
    let home = Home::open(scene.house.path()).unwrap();
    let other = Strongroom::builder(home).clock(scene.clock.clone()).build().await.unwrap();
    let revoke = |which| KillScope::Token(TokenScope { issuer: scene.issuer.url(), which });
    let token = |id: &str, sub: &str, iat: Value| scene.token(json!({ "jti": id, "sub": sub, "iat": iat }));
    let (one, kim) = (token("t-1", "agent-7", json!(NOW)), token("t-2", "kim", json!(NOW)));
    let (later, ageless) = (token("t-3", "kim", json!(NOW + 60)), token("t-4", "kim", json!(null)));
    for token in [&one, &kim, &ageless] {
        assert_eq!(scene.call(token).await.reason, Reason::Ok);
    }
    // Another process throws the switch; this one, which has the tokens in its memory, obeys.
    other.kill(revoke(Which::Id("t-1".into())), "lost laptop").await.unwrap();
    until_refused(&scene, &one).await;
    scene.refuses("by id", &one, Reason::TokenInvalid, "#id=t-1").await;
    assert_eq!(scene.call(&kim).await.reason, Reason::Ok);
    other.kill(revoke(Which::Subject("kim".into())), "left").await.unwrap();
    until_refused(&scene, &kim).await;
    scene.refuses("without a time", &ageless, Reason::TokenInvalid, "#subject=kim").await;
    // The issuer's clock may be ahead by the leeway, so what it issued then counts as issued before.
    scene.refuses("within the leeway", &later, Reason::TokenInvalid, "#subject=kim").await;
    scene.clock.pass(61_000);
    let fresh = token("t-5", "kim", json!(NOW + 61));
    assert_eq!(scene.call(&fresh).await.reason, Reason::Ok);
    other.kill(revoke(Which::All), "the issuer was broken into").await.unwrap();
    until_refused(&scene, &fresh).await;
    assert!(other.revive(revoke(Which::All)).await.unwrap());
    while scene.call(&fresh).await.reason != Reason::Ok {}
    // It outlives the process, and is in the book.
    assert!(scene.house.book().contains("#id=t-1: lost laptop"));
    let Scene { issuer, house, clock } = scene;
    let time = clock.clone();
    let house = house.between(async |_| {}, |builder| builder.clock(time)).await;
    let scene = Scene { issuer, house, clock };
    scene.refuses("by id", &one, Reason::TokenInvalid, "#id=t-1").await;
}

async fn until_refused(scene: &Scene, token: &str) {
    while scene.call(token).await.reason == Reason::Ok {}
}

#[tokio::test]
async fn one_fetch_serves_all_who_wait_and_nobody_else_waits() {
    let scene = Scene::new("").await;
    let tokens: Vec<_> = (0..20).map(|i| scene.token(json!({ "jti": format!("t-{i}") }))).collect();
    let mut calls = tokio::task::JoinSet::new();
    for token in tokens.clone() {
        let room = scene.house.room.clone();
        calls
            .spawn(async move { room.call(Credential::Bearer(&token), CallRequest::default()).await.reason });
    }
    // They ask for no tool at all, which is what they learn once they are known.
    while let Some(reason) = calls.join_next().await {
        assert_eq!(reason.unwrap(), Reason::ToolUnknown);
    }
    assert_eq!(scene.issuer.fetched(), 1);
    // Somebody waits for a key that is not there, from an issuer that does not answer; those whose keys are known do not.
    scene.issuer.hang();
    scene.clock.pass(60_000);
    let room = scene.house.room.clone();
    let claims = scene.claims(json!({}));
    let unknown = scene.issuer.keys.token("RS256", &header("RS256", "other"), &claims);
    let waits =
        tokio::spawn(async move { room.call(Credential::Bearer(&unknown), CallRequest::default()).await });
    let known = scene.token(json!({ "jti": "new" }));
    for token in tokens.iter().take(2).chain([&known]) {
        assert_eq!(scene.call(token).await.reason, Reason::Ok);
    }
    assert!(!waits.is_finished());
    assert_eq!(waits.await.unwrap().reason, Reason::TokenInvalid);
}

#[tokio::test]
async fn documents_that_are_not_the_issuers_own_prove_nothing() {
    let keys = Keys::own();
    let set = json!({ "keys": [keys.jwk("rsa", "RS256")] }).to_string();
    let found = |issuer: &str, uri: &str| json!({ "issuer": issuer, "jwks_uri": uri }).to_string();
    let long = format!("{{\"keys\":[{}]}}", " ".repeat(300_000));
    type Answer = (&'static str, String);
    // What comes for the discovery document, and for the keys; URL stands for the issuer's own.
    let table: [(&str, Answer, Answer, Reason); 9] = [
        ("right", ("200 OK", found("URL", "URL/keys")), ("200 OK", set.clone()), Reason::Ok),
        (
            "another issuer",
            ("200 OK", found("https://other.example", "URL/keys")),
            ("200 OK", set.clone()),
            Reason::IssuerUnavailable,
        ),
        (
            "with a slash",
            ("200 OK", found("URL/", "URL/keys")),
            ("200 OK", set.clone()),
            Reason::IssuerUnavailable,
        ),
        (
            "keys in the clear",
            ("200 OK", found("URL", "http://192.0.2.1/keys")),
            ("200 OK", set.clone()),
            Reason::IssuerUnavailable,
        ),
        (
            "keys in a file",
            ("200 OK", found("URL", "file:///etc/passwd")),
            ("200 OK", set.clone()),
            Reason::IssuerUnavailable,
        ),
        (
            "a redirect",
            ("302 Found", found("URL", "URL/keys")),
            ("200 OK", set.clone()),
            Reason::IssuerUnavailable,
        ),
        (
            "keys by a redirect",
            ("200 OK", found("URL", "URL/keys")),
            ("307 Temporary Redirect", set.clone()),
            Reason::IssuerUnavailable,
        ),
        ("too long", ("200 OK", found("URL", "URL/keys")), ("200 OK", long), Reason::IssuerUnavailable),
        (
            "no JSON",
            ("200 OK", found("URL", "URL/keys")),
            ("200 OK", "<html>".into()),
            Reason::IssuerUnavailable,
        ),
    ];
    for (name, discovery, published, reason) in table {
        let origin = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let own = origin.clone();
        let service = wire(move |line| {
            let origin = own.lock().unwrap().clone();
            let (status, body) = match line.split(' ').nth(1) {
                Some("/.well-known/openid-configuration") => &discovery,
                Some("/keys") => &published,
                _ => return Bytes(Vec::new(), Then::Close),
            };
            let location = format!("location: {origin}/keys\r\n");
            Bytes::whole(status, &location, body.replace("URL", &origin).as_bytes())
        })
        .await;
        *origin.lock().unwrap() = service.origin();
        let url = service.origin();
        let settings =
            format!("[[issuers]]\nurl = \"{url}\"\naudiences = [\"{AUDIENCE}\"]\ntenant = \"acme\"\n");
        let house =
            house().tool("echo").file("strongroom.toml", &settings).tenant("acme", TENANT).build().await;
        let claims =
            json!({ "iss": url, "aud": AUDIENCE, "sub": "kim", "exp": 4_000_000_000_u64 }).to_string();
        let token = keys.token("RS256", &header("RS256", "rsa"), &claims);
        let request = strongroom_tests::request("echo.nothing", "{}");
        let receipt = house.room.call(Credential::Bearer(&token), request).await;
        assert_eq!(receipt.reason, reason, "{name}: {receipt:?}");
    }
}
