//! More ways to forge a token, as attackers and their test suites know them, and the same answer for each on every way in.

use super::issuer::{Issuer, Keys, b64};
use super::{NOW, Scene, header};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};
use strongroom::reason::Reason;
use strongroom_tests::{Ask, Bytes, Caller, Serving, Way, book, house, wire};

/// A good token's claims signed under exactly this header.
fn under(scene: &Scene, header: &str) -> String {
    scene.issuer.keys.token("RS256", header, &scene.claims(json!({})))
}

#[tokio::test]
async fn headers_are_read_as_they_are_written_or_not_at_all() {
    let scene = Scene::new("").await;
    for (name, header) in [
        ("no alg", r#"{"kid":"rsa"}"#),
        ("alg null", r#"{"alg":null,"kid":"rsa"}"#),
        ("alg as list", r#"{"alg":["RS256"],"kid":"rsa"}"#),
        ("alg as object", r#"{"alg":{"RS256":1},"kid":"rsa"}"#),
        ("alg in lower case", r#"{"alg":"rs256","kid":"rsa"}"#),
        ("alg with a space", r#"{"alg":"RS256 ","kid":"rsa"}"#),
        ("alg with an end", "{\"alg\":\"RS256\\u0000\",\"kid\":\"rsa\"}"),
        ("alg of a key exchange", r#"{"alg":"RSA-OAEP","kid":"rsa"}"#),
        ("alg twice, escaped", r#"{"\u0061lg":"none","alg":"RS256","kid":"rsa"}"#),
        ("kid twice", r#"{"alg":"RS256","kid":"ec","kid":"rsa"}"#),
        ("kid as list", r#"{"alg":"RS256","kid":["rsa"]}"#),
        ("empty crit", r#"{"alg":"RS256","kid":"rsa","crit":[]}"#),
        ("crit of b64", r#"{"alg":"RS256","kid":"rsa","crit":["b64"],"b64":false}"#),
        ("crit null", r#"{"alg":"RS256","kid":"rsa","crit":null}"#),
        ("jku null", r#"{"alg":"RS256","kid":"rsa","jku":null}"#),
        ("encrypted", r#"{"alg":"RS256","kid":"rsa","enc":"A128GCM"}"#),
        ("a byte order mark", "\u{feff}{\"alg\":\"RS256\",\"kid\":\"rsa\"}"),
        ("a comment", "{\"alg\":\"RS256\",/**/\"kid\":\"rsa\"}"),
        ("a comma at the end", r#"{"alg":"RS256","kid":"rsa",}"#),
        ("more after it", r#"{"alg":"RS256","kid":"rsa"}{"alg":"none"}"#),
        ("an end after it", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}\u{0}"),
        ("single quotes", "{'alg':'RS256','kid':'rsa'}"),
        ("a list", r#"[{"alg":"RS256","kid":"rsa"}]"#),
        ("a text", r#""RS256""#),
        ("nothing", ""),
    ] {
        scene.refuses(name, &under(&scene, header), Reason::TokenInvalid, "").await;
    }
    // Deep and wide ones end the reading, not the host.
    for more in ["[".repeat(5000), format!("{}1{}", "{\"a\":".repeat(1000), "}".repeat(1000))] {
        let header = format!("{{\"alg\":\"RS256\",\"kid\":\"rsa\",\"x\":{more}}}");
        scene.refuses("deep", &under(&scene, &header), Reason::TokenInvalid, "").await;
    }
    let claims = scene.claims(json!({}));
    let bytes = [claims.as_bytes(), b"\xff"].concat();
    let message = format!("{}.{}", b64(header("RS256", "rsa")), b64(bytes));
    let token = format!("{message}.{}", b64(scene.issuer.keys.sign("RS256", message.as_bytes())));
    scene.refuses("claims that are no text", &token, Reason::TokenInvalid, "").await;
    let inner = scene.token(json!({}));
    for nested in [format!("\"{inner}\""), inner] {
        let head = json!({ "alg": "RS256", "kid": "rsa", "cty": "JWT" }).to_string();
        let token = scene.issuer.keys.token("RS256", &head, &nested);
        scene.refuses("nested", &token, Reason::TokenInvalid, "").await;
    }
    assert_eq!(scene.call(&scene.token(json!({}))).await.reason, Reason::Ok);
}

#[tokio::test]
async fn no_header_sends_the_host_anywhere() {
    let scene = Scene::new("").await;
    let foreign = Keys::foreign();
    let trap_keys =
        json!({ "keys": [foreign.jwk("rsa", "RS256"), foreign.jwk("evil", "RS256")] }).to_string();
    let trap =
        wire(move |_| Bytes::whole("200 OK", "content-type: application/json\r\n", trap_keys.as_bytes()))
            .await;
    for kid in ["rsa", "evil"] {
        for name in ["jku", "x5u", "iss", "jwks_uri", "kid"] {
            let mut head = json!({ "alg": "RS256", "kid": kid });
            head[name] = json!(format!("{}/keys", trap.origin()));
            let token = foreign.token("RS256", &head.to_string(), &scene.claims(json!({})));
            scene.refuses(name, &token, Reason::TokenInvalid, "").await;
        }
    }
    let claims = scene.claims(json!({ "iss": trap.origin(), "jku": trap.origin() }));
    scene
        .refuses(
            "iss",
            &foreign.token("RS256", &header("RS256", "rsa"), &claims),
            Reason::TokenInvalid,
            "issuer",
        )
        .await;
    assert_eq!(trap.heads(), Vec::<String>::new(), "nobody was asked for keys but the issuer");
}

#[tokio::test]
async fn a_signature_is_exactly_one_text() {
    let scene = Scene::new("").await;
    let (keys, claims) = (&scene.issuer.keys, scene.claims(json!({})));
    let signed = |algorithm: &str, kid: &str| {
        let message = format!("{}.{}", b64(header(algorithm, kid)), b64(&claims));
        let signature = keys.sign(algorithm, message.as_bytes());
        (message, signature)
    };
    let (rs, good) = signed("RS256", "rsa");
    let text = b64(&good);
    // The last character's unused bits: other texts that decode to the same bytes, and would pass by a list of revoked texts.
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = ALPHABET.find(&text[text.len() - 1..]).unwrap();
    assert_eq!(good.len() % 3, 1, "a signature of 256 bytes leaves four bits unused");
    for bits in 1..16 {
        let other = &ALPHABET[last + bits..=last + bits];
        let token = format!("{rs}.{}{other}", &text[..text.len() - 1]);
        scene.refuses("unused bits", &token, Reason::TokenInvalid, "").await;
    }
    let mut tables: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, message: &str, signature: &[u8]| {
        tables.push((name.to_owned(), format!("{message}.{}", b64(signature))));
    };
    add("RSA, zeros", &rs, &[0; 256]);
    add("RSA, one", &rs, &[vec![0; 255], vec![1]].concat());
    add("RSA, a zero before it", &rs, &[&[0], good.as_slice()].concat());
    add("RSA, a zero behind it", &rs, &[good.as_slice(), &[0]].concat());
    add("RSA, cut", &rs, &good[..255]);
    add("RSA, plus the modulus' size", &rs, &[0xff; 256]);
    add("RSA, twice", &rs, &[good.clone(), good.clone()].concat());
    let (es, good) = signed("ES256", "ec");
    let (r, s) = good.split_at(32);
    let order = hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").unwrap();
    let field = hex::decode("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff").unwrap();
    for (name, a, b) in [
        ("r = 0", &[0; 32], s),
        ("s = 0", r.try_into().unwrap(), &[0; 32]),
        ("r = n", order.as_slice().try_into().unwrap(), s),
        ("s = n", r.try_into().unwrap(), &order),
        ("r = n, s = n", order.as_slice().try_into().unwrap(), &order),
        ("r = p", field.as_slice().try_into().unwrap(), s),
        (
            "r = s = 1",
            &[&[0; 31], [1].as_slice()].concat().try_into().unwrap(),
            &[&[0; 31], [1].as_slice()].concat(),
        ),
        ("s, r", s.try_into().unwrap(), r),
        ("r, r", r.try_into().unwrap(), r),
    ] {
        let a: &[u8; 32] = a;
        add(&format!("ECDSA, {name}"), &es, &[a.as_slice(), b].concat());
    }
    add("ECDSA, empty halves", &es, &[]);
    add("ECDSA, of P-384's size", &es, &[0; 96]);
    let (ed, good) = signed("EdDSA", "ed");
    add("EdDSA, zeros", &ed, &[0; 64]);
    let mut more = good.clone();
    // The same scalar once more around the group: S + L (RFC 8032, 5.1.7).
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut carry = 0u16;
    for (byte, add) in more[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    add("EdDSA, S + L", &ed, &more);
    add("EdDSA, cut", &ed, &good[..63]);
    for (name, token) in tables {
        scene.refuses(&name, &token, Reason::TokenInvalid, "").await;
    }
    // Each of the three is accepted as it was made.
    for (algorithm, kid) in [("RS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")] {
        let (message, signature) = signed(algorithm, kid);
        assert_eq!(
            scene.call(&format!("{message}.{}", b64(signature))).await.reason,
            Reason::Ok,
            "{algorithm}"
        );
    }
    for (name, broken) in [
        ("a line break in it", text.replacen('A', "A\n", 1)),
        ("a tab in it", format!("{}\t{}", &text[..9], &text[9..])),
        ("percent signs", format!("{}%3D%3D", text)),
        ("padding", format!("{text}=")),
    ] {
        scene.refuses(name, &format!("{rs}.{broken}"), Reason::TokenInvalid, "").await;
    }
}

#[tokio::test]
async fn an_issuer_speaks_for_itself_alone() {
    let other = Issuer::start_with(Keys::foreign()).await;
    let second = format!(
        "[issuers.tenants]\norg_b = \"acme\"\n[[issuers]]\nurl = \"{}\"\naudiences = [\"https://tools.example.com\"]\ntenant_claim = \"org_id\"",
        other.url()
    );
    let scene = Scene::new(&second).await;
    let own = scene.claims(json!({}));
    let others = scene.claims(json!({ "iss": other.url() }));
    let token = |keys: &Keys, claims: &str| keys.token("RS256", &header("RS256", "rsa"), claims);
    // Each is good by itself; the first issuer maps another name.
    assert_eq!(scene.call(&token(&other.keys, &others)).await.reason, Reason::Ok);
    assert_eq!(scene.call(&token(&scene.issuer.keys, &own)).await.reason, Reason::TenantUnknown);
    for (name, keys, claims) in
        [("theirs by ours", &scene.issuer.keys, &others), ("ours by theirs", &other.keys, &own)]
    {
        scene.refuses(name, &token(keys, claims), Reason::TokenInvalid, "").await;
    }
    for iss in [
        other.url().replace("http://", "HTTP://"),
        other.url().replace("127.0.0.1", "localhost"),
        other.url().replace("127.0.0.1", "127.1"),
        other.url().replace("http://", "http://a@"),
        format!("{} ", other.url()),
        format!("{}/", other.url()),
        format!("{}/.", other.url()),
        format!("{}#x", other.url()),
        format!("{}?x", other.url()),
    ] {
        let token = token(&other.keys, &scene.claims(json!({ "iss": iss })));
        scene.refuses(&iss, &token, Reason::TokenInvalid, "issuer").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_with_a_token_each_way_in_says_the_same() {
    let issuer = Issuer::start().await;
    let settings = format!(
        "[[issuers]]\nurl = \"{}\"\naudiences = [\"strongroom\"]\ntenant_claim = \"org_id\"\n[issuers.tenants]\norg_a = \"acme\"\n",
        issuer.url()
    );
    let rules = "[tools]\nallow = [\"*\"]\n";
    let plan = house()
        .tool("prober")
        .file("strongroom.toml", &settings)
        .tenant("acme", rules)
        .tenant("globex", rules);
    let folder = plan.build().await.leave().await;
    let serving = Serving::start(folder.path());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = |changes: Value| {
        let mut claims = json!({ "iss": issuer.url(), "aud": "strongroom", "sub": "agent-7", "org_id": "org_a", "exp": now + 600 });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.to_string()
    };
    let (keys, good) = (&issuer.keys, claims(json!({})));
    let signed = |claims: &str| keys.token("RS256", &header("RS256", "rsa"), claims);
    let parts = |token: &str| token.split('.').map(ToOwned::to_owned).collect::<Vec<_>>();
    let [head, body, signature] = parts(&signed(&good)).try_into().unwrap();
    let hs = format!("{}.{}", b64(header("HS256", "rsa")), b64(&good));
    let mac =
        ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &keys.rsa_public()), hs.as_bytes());
    let jwk = json!({ "alg": "RS256", "kid": "rsa", "jwk": Keys::foreign().jwk("rsa", "RS256") }).to_string();
    let es = format!("{}.{}", b64(header("ES256", "ec")), b64(&good));
    let forged = [
        ("none", format!("{}.{body}.", b64(r#"{"alg":"none"}"#))),
        ("HS for RS", format!("{hs}.{}", b64(mac))),
        ("foreign kid", keys.token("RS256", &header("RS256", "other"), &good)),
        ("foreign key", Keys::foreign().token("RS256", &header("RS256", "rsa"), &good)),
        ("its own key", Keys::foreign().token("RS256", &jwk, &good)),
        ("other audience", signed(&claims(json!({ "aud": "https://evil.example" })))),
        ("expired", signed(&claims(json!({ "exp": now - 120 })))),
        ("not yet", signed(&claims(json!({ "nbf": now + 300 })))),
        ("iss with a slash", signed(&claims(json!({ "iss": format!("{}/", issuer.url()) })))),
        ("claims twice", signed(&good.replace("\"org_id\"", "\"org_id\":\"org_g\",\"org_id\""))),
        ("stripped", format!("{head}.{body}.")),
        ("other claims", format!("{head}.{}.{signature}", b64(claims(json!({ "sub": "root" }))))),
        ("r = s = 0", format!("{es}.{}", b64([0; 64]))),
        ("padding", format!("{head}.{body}.{signature}==")),
        ("more behind it", format!("{head}.{body}.{signature}.{signature}")),
    ];
    let mut texts = BTreeSet::new();
    for way in Way::OVER_HTTP {
        let ask = || Ask::new("prober.context", json!({}));
        let told = Caller::with(way, &serving, Some(&signed(&good))).call(ask()).await;
        assert_eq!(
            (&told.value["tenant"], &told.value["actor"]),
            (&json!("acme"), &json!("agent-7")),
            "{way:?}: {told:?}"
        );
        for (name, token) in &forged {
            let told = Caller::with(way, &serving, Some(token)).call(ask()).await;
            assert_eq!(
                (told.status, told.reason.as_str()),
                (401, "token_invalid"),
                "{way:?} {name}: {told:?}"
            );
            texts.insert(told.value["detail"].to_string());
            let raw = String::from_utf8_lossy(&told.raw).into_owned();
            assert!(
                !raw.contains(token.as_str()) && raw.to_lowercase().contains("error=\"invalid_token\""),
                "{way:?} {name}: {raw}"
            );
        }
        // Too long for a token, and too long for a head.
        for (length, status) in [(17 * 1024, 401), (200 * 1024, 431)] {
            let told = Caller::with(way, &serving, Some(&format!("{head}.{body}.{}", "A".repeat(length))))
                .call(ask())
                .await;
            assert_eq!(told.status, status, "{way:?} {length}: {:?}", told.reason);
        }
    }
    assert_eq!(texts.len(), 1, "what is wrong is for the operator: {texts:?}");
    let said = serving.said.lock().unwrap().clone();
    serving.stop();
    let entries = book(folder.path());
    let refused = entries.iter().filter(|entry| entry.reason_code == Reason::TokenInvalid);
    assert_eq!(
        refused.filter(|entry| entry.tenant_id.is_none() && entry.note.is_some()).count(),
        3 * (forged.len() + 1)
    );
    let all = format!("{said} {entries:?}");
    assert!(!all.contains(&signature) && !all.contains(&body), "no token is in the log or on standard error");
}

/// The time of [`Scene`] is used: a token that is right there and now.
#[tokio::test]
async fn times_at_their_edges() {
    let scene = Scene::new("leeway = 0").await;
    for (name, changes, good) in [
        ("exp now", json!({ "exp": NOW }), false),
        ("exp just after", json!({ "exp": NOW as f64 + 0.001 }), true),
        ("nbf now", json!({ "nbf": NOW }), true),
        ("nbf just after", json!({ "nbf": NOW as f64 + 0.001 }), false),
        ("nbf as text", json!({ "nbf": "" }), false),
        ("negative nbf", json!({ "nbf": -1 }), false),
        ("nbf as list", json!({ "nbf": [NOW] }), false),
        ("exp of the year 10000", json!({ "exp": 253_402_300_800u64 }), false),
        ("aud list within a list", json!({ "aud": [["https://tools.example.com"]] }), false),
        ("aud with a space", json!({ "aud": "https://tools.example.com " }), false),
        ("auds in one text", json!({ "aud": "https://tools.example.com https://b.example" }), false),
        (
            "aud twice in its list",
            json!({ "aud": ["https://tools.example.com", "https://tools.example.com"] }),
            true,
        ),
    ] {
        let receipt = scene.call(&scene.token(changes)).await;
        let must = if good { Reason::Ok } else { Reason::TokenInvalid };
        assert_eq!(receipt.reason, must, "{name}: {receipt:?}");
    }
}
