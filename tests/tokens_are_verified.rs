//! An access token counts when its issuer, signature, audience and time do, and the operator mapped it to a tenant; otherwise whoever
//! shows it learns nothing, and the operator finds in the audit log what was wrong.

mod forged;
pub(crate) mod issuer;
mod life;
mod private;

use issuer::{Issuer, Keys, b64};
use serde_json::{Value, json};
use std::sync::Arc;
use strongroom::identify::Credential;
use strongroom::reason::{Outcome, Reason};
use strongroom::settle::Receipt;
use strongroom_tests::{House, Still, house, request};

/// A Tuesday in 2026, in seconds since 1970.
pub(crate) const NOW: u64 = 1_790_000_000;
const AUDIENCE: &str = "https://tools.example.com";
const TENANT: &str = "[tools]\nallow = [\"echo\"]\n";
const ONE_TEXT: &str =
    "this token opens nothing here: it is not genuine, not meant for this host, has ended or was revoked";

pub(crate) struct Scene {
    pub(crate) issuer: Issuer,
    pub(crate) house: House,
    pub(crate) clock: Arc<Still>,
}

impl Scene {
    pub(crate) async fn new(more: &str) -> Self {
        let issuer = Issuer::start().await;
        let settings = format!(
            "public_url = \"https://tools.example.com/base/\"\n[[issuers]]\nurl = \"{}\"\naudiences = [\"{AUDIENCE}\"]\ntenant_claim = \"org_id\"\n{more}\n\
             [issuers.tenants]\norg_a = \"acme\"\norg_g = \"globex\"\norg_s = \"sleepy\"\norg_x = \"gone\"\n",
            issuer.url()
        );
        let clock = Still::at(NOW * 1000);
        let plan = house().tool("echo").file("strongroom.toml", &settings).tenant("acme", TENANT);
        let plan = plan.tenant("globex", TENANT).tenant("sleepy", &format!("suspended = true\n{TENANT}"));
        let time = clock.clone();
        let house = plan.build_with(|builder| builder.clock(time)).await;
        Self { issuer, house, clock }
    }

    /// Claims that are all right, with some of them changed, and without those that are null.
    pub(crate) fn claims(&self, changes: Value) -> String {
        let mut claims = json!({
            "iss": self.issuer.url(), "aud": AUDIENCE, "sub": "agent-7", "org_id": "org_a",
            "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 600, "jti": "t-1",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims.to_string()
    }

    pub(crate) fn token(&self, changes: Value) -> String {
        self.issuer.keys.token("RS256", &header("RS256", "rsa"), &self.claims(changes))
    }

    /// Gives a tenant another file.
    pub(crate) async fn rules(&self, tenant: &str, text: &str) {
        std::fs::write(self.house.path().join(format!("tenants/{tenant}.toml")), text).unwrap();
        let home = strongroom::powers::Home::open(self.house.path()).unwrap();
        self.house.room.reload(&home).await.unwrap();
    }

    async fn call(&self, token: &str) -> Receipt {
        self.house.room.call(Credential::Bearer(token), request("echo.nothing", "{}")).await
    }

    /// It is refused with this reason, tells nothing but the one text, and the log says why.
    async fn refuses(&self, name: &str, token: &str, reason: Reason, why: &str) {
        let receipt = self.call(token).await;
        assert_eq!(receipt.reason, reason, "{name}: {receipt:?}");
        assert_eq!(receipt.outcome, Outcome::Denied, "{name}");
        assert_eq!(receipt.message.as_deref(), Some(ONE_TEXT), "{name}");
        let book = self.house.book();
        let entry: Value = serde_json::from_str(book.lines().last().unwrap()).unwrap();
        assert_eq!(entry["call_id"], receipt.call_id.to_string(), "{name}");
        assert_eq!(entry["reason_code"], reason.code(), "{name}");
        assert!(entry["tenant_id"].is_null() && entry["actor_id"].is_null(), "{name}: {entry}");
        let note = entry["note"].as_str().unwrap();
        assert!(note.contains(why), "{name}: {note:?} does not say {why:?}");
    }
}

fn header(algorithm: &str, kid: &str) -> String {
    json!({ "alg": algorithm, "kid": kid, "typ": "at+jwt" }).to_string()
}

#[tokio::test]
async fn a_good_token_calls_for_its_tenant_and_its_actor() {
    let scene = Scene::new("").await;
    let claims = scene.claims(json!({}));
    for (algorithm, kid) in [("RS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")] {
        let token = scene.issuer.keys.token(algorithm, &header(algorithm, kid), &claims);
        // The second time it is one that was verified before.
        for _ in 0..2 {
            let receipt = scene.call(&token).await;
            assert_eq!(receipt.reason, Reason::Ok, "{algorithm}: {receipt:?}");
            assert_eq!(receipt.tenant.unwrap().as_str(), "acme");
            assert_eq!(receipt.actor.unwrap().as_str(), "agent-7");
        }
    }
    let good = [
        json!({ "aud": ["https://other.example", AUDIENCE] }),
        json!({ "exp": NOW as f64 + 0.5 }),
        json!({ "nbf": null, "iat": null, "jti": null }),
        // Within the leeway of a minute.
        json!({ "exp": NOW - 59 }),
        json!({ "nbf": NOW + 60, "iat": NOW + 60 }),
    ];
    for changes in good {
        let receipt = scene.call(&scene.token(changes.clone())).await;
        assert_eq!(receipt.reason, Reason::Ok, "{changes}: {receipt:?}");
    }
    let globex = scene.call(&scene.token(json!({ "org_id": "org_g" }))).await;
    assert_eq!(globex.tenant.unwrap().as_str(), "globex");
    for typ in ["JWT", "application/at+jwt", "AT+JWT"] {
        let head = json!({ "alg": "RS256", "kid": "rsa", "typ": typ }).to_string();
        assert_eq!(scene.call(&scene.issuer.keys.token("RS256", &head, &claims)).await.reason, Reason::Ok);
    }
    assert_eq!(scene.issuer.fetched(), 1);
    // An API key is one still, and a key's form is never taken for a token's.
    let key = scene.house.key("acme").await;
    assert_eq!(scene.call(&key).await.reason, Reason::Ok);
    assert_eq!(scene.call("sr_live_a_b").await.reason, Reason::TenantUnknown);
}

#[tokio::test]
async fn claims_that_are_not_right_are_refused() {
    let scene = Scene::new("").await;
    let slash = format!("{}/", scene.issuer.url());
    let table = [
        ("no aud", json!({ "aud": null }), "ud"),
        ("other aud", json!({ "aud": "https://evil.example" }), "ud"),
        ("aud with a slash", json!({ "aud": format!("{AUDIENCE}/") }), "ud"),
        ("aud in capitals", json!({ "aud": AUDIENCE.to_uppercase() }), "ud"),
        ("empty aud list", json!({ "aud": [] }), "ud"),
        ("aud list of others", json!({ "aud": ["a", "b"] }), "ud"),
        ("aud list with a number", json!({ "aud": [AUDIENCE, 1] }), "ud"),
        ("aud as object", json!({ "aud": { "a": AUDIENCE } }), "ud"),
        ("other iss", json!({ "iss": "https://evil.example" }), "issuer"),
        ("iss with a slash", json!({ "iss": slash }), "issuer"),
        ("no iss", json!({ "iss": null }), "`iss`"),
        ("iss list", json!({ "iss": [scene.issuer.url()] }), "`iss`"),
        ("expired", json!({ "exp": NOW - 60 }), "expired"),
        ("no exp", json!({ "exp": null }), "exp"),
        ("exp as text", json!({ "exp": (NOW + 600).to_string() }), "exp"),
        ("negative exp", json!({ "exp": -1 }), "exp"),
        ("huge exp", json!({ "exp": u64::MAX }), "exp"),
        ("huge float exp", json!({ "exp": 1e300 }), "exp"),
        ("exp as list", json!({ "exp": [NOW + 600] }), "exp"),
        ("exp true", json!({ "exp": true }), "exp"),
        ("nbf in the future", json!({ "nbf": NOW + 61 }), "`nbf` is in the future"),
        ("nbf as text", json!({ "nbf": "0" }), "`nbf` is no time"),
        ("iat in the future", json!({ "iat": NOW + 61 }), "`iat` is in the future"),
        ("no sub", json!({ "sub": null }), "`sub`"),
        ("sub as number", json!({ "sub": 7 }), "`sub`"),
        ("empty sub", json!({ "sub": "" }), "`sub`"),
        ("sub with a line break", json!({ "sub": "a\nb" }), "`sub`"),
        ("long sub", json!({ "sub": "a".repeat(129) }), "`sub`"),
        ("tenant claim as list", json!({ "org_id": ["org_a"] }), "`org_id`"),
        ("no tenant claim", json!({ "org_id": null }), "`org_id`"),
        ("tenant claim as number", json!({ "org_id": 1 }), "`org_id`"),
        ("jti as number", json!({ "jti": 1 }), "`jti`"),
    ];
    for (name, changes, why) in table {
        scene.refuses(name, &scene.token(changes), Reason::TokenInvalid, why).await;
    }
    // A claim's value is never a tenant by itself, and a tenant that is mapped must be there.
    for org in ["acme", "ORG_A", "org_a ", "org_x"] {
        let token = scene.token(json!({ "org_id": org }));
        scene.refuses(org, &token, Reason::TenantUnknown, "tenant").await;
    }
    let sleepy = scene.call(&scene.token(json!({ "org_id": "org_s" }))).await;
    assert_eq!(sleepy.reason, Reason::TenantSuspended);
    let good = scene.claims(json!({}));
    let (exp, twice) = (format!("\"exp\":{}", NOW + 600), format!("\"exp\":1,\"exp\":{}", NOW + 600));
    for (name, claims) in [
        ("exp twice", good.replace(&exp, &twice)),
        ("exp without end", good.replace(&exp, "\"exp\":1e999")),
        ("org twice", good.replace("\"org_id\"", "\"org_id\":\"org_g\",\"org_id\"")),
        ("org twice, escaped", good.replace("\"org_id\"", "\"org\\u005fid\":\"org_g\",\"org_id\"")),
        ("no object", "[]".to_owned()),
        ("no JSON", "exp".to_owned()),
        ("more after it", format!("{good} {{}}")),
    ] {
        let token = scene.issuer.keys.token("RS256", &header("RS256", "rsa"), &claims);
        scene.refuses(name, &token, Reason::TokenInvalid, "cannot be read").await;
    }
    assert_eq!(scene.call(&scene.token(json!({}))).await.reason, Reason::Ok);
}

#[tokio::test]
async fn headers_that_choose_their_own_check_are_refused() {
    let scene = Scene::new("").await;
    let (keys, claims) = (&scene.issuer.keys, scene.claims(json!({})));
    let foreign = Keys::foreign();
    let unsigned = |alg: &str| format!("{}.{}.", b64(json!({ "alg": alg }).to_string()), b64(&claims));
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        scene.refuses(alg, &unsigned(alg), Reason::TokenInvalid, "not signed").await;
        let signed = format!("{}AAAA", unsigned(alg));
        scene.refuses(alg, &signed, Reason::TokenInvalid, "algorithm").await;
    }
    // The public key as if it were a secret that both sides share.
    for (alg, digest) in [("HS256", ring::hmac::HMAC_SHA256), ("HS512", ring::hmac::HMAC_SHA512)] {
        let message = format!("{}.{}", b64(header(alg, "rsa")), b64(&claims));
        let mac = ring::hmac::sign(&ring::hmac::Key::new(digest, &keys.rsa_public()), message.as_bytes());
        scene.refuses(alg, &format!("{message}.{}", b64(mac)), Reason::TokenInvalid, "algorithm").await;
    }
    let jwk = foreign.jwk("rsa", "RS256");
    let with = |extra: Value| {
        let mut head = json!({ "alg": "RS256", "kid": "rsa" });
        for (name, value) in extra.as_object().unwrap() {
            head[name] = value.clone();
        }
        head.to_string()
    };
    for (name, extra) in [
        ("jwk", json!({ "jwk": jwk })),
        ("jku", json!({ "jku": "https://evil.example/keys" })),
        ("x5u", json!({ "x5u": "https://evil.example/cert" })),
        ("x5c", json!({ "x5c": ["MIIB"] })),
        ("crit", json!({ "crit": ["exp"], "exp": 1 })),
        ("b64", json!({ "b64": false })),
        ("zip", json!({ "zip": "DEF" })),
    ] {
        for signer in [keys, &foreign] {
            let token = signer.token("RS256", &with(extra.clone()), &claims);
            scene.refuses(name, &token, Reason::TokenInvalid, &format!("`{name}`")).await;
        }
    }
    for (name, extra, why) in [
        ("typ of another token", json!({ "typ": "logout+jwt" }), "`typ`"),
        ("typ as number", json!({ "typ": 1 }), "`typ`"),
        ("kid as number", json!({ "kid": 1 }), "`kid`"),
        ("kid as null", json!({ "kid": null }), "`kid`"),
        ("empty kid", json!({ "kid": "" }), "`kid`"),
        ("long kid", json!({ "kid": "k".repeat(600) }), "`kid`"),
        ("foreign kid", json!({ "kid": "other" }), "no such key"),
        ("kid as a path", json!({ "kid": "../../../../dev/null" }), "no such key"),
        ("kid as a query", json!({ "kid": "rsa' OR '1'='1" }), "no such key"),
        ("kid with an end", json!({ "kid": "rsa\u{0}" }), "no such key"),
        ("kid in capitals", json!({ "kid": "RSA" }), "no such key"),
        ("an algorithm that the key is not for", json!({ "alg": "PS256" }), "algorithm"),
        ("a key of another kind", json!({ "alg": "ES256" }), "no such key"),
        ("another kind's key", json!({ "kid": "ec" }), "no such key"),
    ] {
        let token = keys.token("RS256", &with(extra), &claims);
        scene.refuses(name, &token, Reason::TokenInvalid, why).await;
    }
    let none = json!({ "alg": "RS256" }).to_string();
    scene
        .refuses("no kid of three", &keys.token("RS256", &none, &claims), Reason::TokenInvalid, "no such key")
        .await;
    let twice = r#"{"alg":"none","alg":"RS256","kid":"rsa"}"#;
    let token = keys.token("RS256", twice, &claims);
    scene.refuses("alg twice", &token, Reason::TokenInvalid, "header cannot be read").await;
    // A stranger's ids cost the issuer one fetch a minute, whatever comes.
    assert!(scene.issuer.fetched() <= 2, "{}", scene.issuer.fetched());
}

#[tokio::test]
async fn signatures_and_forms_that_are_not_exact_are_refused() {
    let scene = Scene::new("").await;
    let (keys, claims) = (&scene.issuer.keys, scene.claims(json!({})));
    let good = scene.token(json!({}));
    let parts: Vec<_> = good.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    let es = format!("{}.{}", b64(header("ES256", "ec")), b64(&claims));
    let der = keys.sign("ES256-DER", es.as_bytes());
    let mut long = keys.sign("ES256", es.as_bytes());
    long.push(0);
    let other = b64(scene.claims(json!({ "org_id": "org_g" })));
    let foreign = Keys::foreign().token("RS256", &header("RS256", "rsa"), &claims);
    for (name, token) in [
        ("empty", String::new()),
        ("one part", head.to_owned()),
        ("two parts", format!("{head}.{body}")),
        ("four parts", format!("{good}.{signature}")),
        ("five parts, as if encrypted", format!("{good}.a.b")),
        ("empty signature", format!("{head}.{body}.")),
        ("empty claims", format!("{head}..{signature}")),
        ("empty header", format!(".{body}.{signature}")),
        ("truncated", good[..good.len() - 4].to_owned()),
        ("longer", format!("{good}AAAA")),
        ("padding", format!("{head}.{body}.{signature}==")),
        ("padded header", format!("{head}=.{body}.{signature}")),
        ("other alphabet", format!("{head}.{body}.{}", signature.replace(['-', '_'], "+"))),
        ("space in it", format!("{head}. {body}.{signature}")),
        ("line break after it", format!("{good}\n")),
        ("space before it", format!(" {good}")),
        ("other claims", format!("{head}.{other}.{signature}")),
        ("another's signature", foreign),
        ("r = s = 0", format!("{es}.{}", b64([0; 64]))),
        ("DER", format!("{es}.{}", b64(der))),
        ("one byte more", format!("{es}.{}", b64(long))),
        ("another algorithm's signature", format!("{es}.{signature}")),
        (
            "17 KiB",
            keys.token("RS256", &header("RS256", "rsa"), &scene.claims(json!({ "x": "x".repeat(17_000) }))),
        ),
    ] {
        scene.refuses(name, &token, Reason::TokenInvalid, "").await;
    }
    // What came close does not spoil what is right.
    assert_eq!(scene.call(&good).await.reason, Reason::Ok);
}

#[tokio::test]
async fn scopes_and_roles_narrow_and_types_can_be_closed() {
    let scene =
        Scene::new("scope_prefix = \"tools:\"\ntypes = [\"at+jwt\"]\nactor_prefix = \"okta:\"\nleeway = 0")
            .await;
    for (scope, reason) in [
        (json!("openid tools:echo.nothing"), Reason::Ok),
        (json!(["tools:echo"]), Reason::Ok),
        (json!("tools:*"), Reason::Ok),
        (json!("tools:echo.echo"), Reason::PolicyDenied),
        (json!("echo tools: tools:echo.* *"), Reason::PolicyDenied),
        (json!(null), Reason::PolicyDenied),
        (json!(7), Reason::TokenInvalid),
        (json!([7]), Reason::TokenInvalid),
    ] {
        let receipt = scene.call(&scene.token(json!({ "scope": scope }))).await;
        assert_eq!(receipt.reason, reason, "{scope}: {receipt:?}");
        if reason == Reason::Ok {
            assert_eq!(receipt.actor.unwrap().as_str(), "okta:agent-7");
        }
    }
    let claims = scene.claims(json!({ "scope": "tools:*" }));
    for head in
        [json!({ "alg": "RS256", "kid": "rsa" }), json!({ "alg": "RS256", "kid": "rsa", "typ": "JWT" })]
    {
        let token = scene.issuer.keys.token("RS256", &head.to_string(), &claims);
        scene.refuses("an identity token", &token, Reason::TokenInvalid, "`typ`").await;
    }
    scene.refuses("no leeway", &scene.token(json!({ "exp": NOW })), Reason::TokenInvalid, "expired").await;
}
