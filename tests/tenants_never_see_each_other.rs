//! Tenant A plants a canary in every place that a call can reach; B, with every tool, does not find it.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom::audit::{Filter, read};
use strongroom::identify::Credential;
use strongroom::powers::Home;
use strongroom::reason::{Outcome, Reason};
use strongroom_tests::{House, house, request_with_key};

const CANARY: &str = "canary-of-acme-7f3a91";
const SECRET_A: &str = "Bearer credential-of-acme-51c0ffee";
const SECRET_B: &str = "Bearer credential-of-globex-badc0de5";

/// A service that gives back, in body and headers, everything that it was sent: the worst that a credential can meet.
async fn mirror() -> String {
    let app = Router::new().fallback(any(|headers: HeaderMap, body: String| async move {
        let seen = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or("none").to_owned();
        let token = seen.trim_start_matches("Bearer ").to_owned();
        let all = format!(
            "{seen} {token} {} {} {} {body}",
            hex::encode(&seen),
            STANDARD.encode(&seen),
            STANDARD.encode(format!("x{token}")),
        );
        let status = if seen == "none" { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        (status, [("x-echo", seen), ("x-plain", "kept".into())], all)
    }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    origin
}

fn rules(tenant: &str, origin: &str) -> String {
    format!(
        "[tools]\nallow = [\"*\"]\n[grants.prober.http.api]\norigin = \"{origin}\"\ncredential = \"{tenant}-api\"\n\
         allow_private = true\n[grants.prober.dir.data]\npath = \"shared/{tenant}\"\nmode = \"rw\"\n\
         [grants.prober.keyvalue.cart]\nmode = \"rw\"\n[grants.prober.config]\n\
         values = {{ greeting = \"hello {tenant}\", region = \"eu\" }}\n"
    )
}

async fn two() -> (House, String, String, String) {
    let origin = mirror().await;
    let credentials = format!(
        "[acme-api]\ntenant = \"acme\"\norigins = [\"{origin}\"]\nvalue = \"{SECRET_A}\"\n\
         [globex-api]\ntenant = \"globex\"\norigins = [\"{origin}\"]\nvalue = \"{SECRET_B}\"\n"
    );
    let plan = house()
        .tenant("acme", &rules("acme", &origin))
        .tenant("globex", &rules("globex", &origin))
        .file("credentials.toml", &credentials)
        .tool("prober");
    for tenant in ["acme", "globex"] {
        std::fs::create_dir_all(plan.path().join("shared").join(tenant)).unwrap();
    }
    let house = plan.build().await;
    let (a, b) = (house.key("acme").await, house.key("globex").await);
    (house, a, b, origin)
}

async fn ok(house: &House, key: &str, function: &str, arguments: &str) -> String {
    let receipt = house.call_as(key, function, arguments).await;
    assert_eq!(receipt.reason, Reason::Ok, "{function}: {receipt:?}");
    receipt.value.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_tenant_plants_the_other_does_not_find() {
    let (house, a, b, _) = two().await;
    let value = STANDARD.encode(CANARY);
    ok(&house, &a, "prober.kv-set", &format!("{{\"bucket\":\"cart\",\"key\":\"k\",\"value\":\"{value}\"}}"))
        .await;
    ok(&house, &a, "prober.write-file", &format!("{{\"path\":\"/data/k.txt\",\"text\":\"{CANARY}\"}}")).await;
    assert!(ok(&house, &a, "prober.kv-get", r#"{"bucket":"cart","key":"k"}"#).await.contains(&value));

    let attempts = [
        ("prober.kv-get", r#"{"bucket":"cart","key":"k"}"#),
        ("prober.kv-get", r#"{"bucket":"prober/cart","key":"k"}"#),
        ("prober.kv-get", r#"{"bucket":"acme/cart","key":"k"}"#),
        ("prober.kv-get", r#"{"bucket":"../acme/cart","key":"k"}"#),
        ("prober.kv-list", r#"{"bucket":"cart"}"#),
        ("prober.kv-exists", r#"{"bucket":"cart","key":"k"}"#),
        ("prober.kv-get-many", r#"{"bucket":"cart","keys":["k","acme:k"]}"#),
        ("prober.read-file", r#"{"path":"/data/k.txt"}"#),
        ("prober.read-file", r#"{"path":"/data/../acme/k.txt"}"#),
        ("prober.read-file", r#"{"path":"/data/../../shared/acme/k.txt"}"#),
        ("prober.read-file", r#"{"path":"/shared/acme/k.txt"}"#),
        ("prober.read-file", r#"{"path":"/data\u0000/k.txt"}"#),
        ("prober.list-dir", r#"{"path":"/data/.."}"#),
        ("prober.list-dir", r#"{"path":"/"}"#),
        ("prober.config-all", "{}"),
        ("prober.env", "{}"),
        ("prober.context", "{}"),
    ];
    for (function, arguments) in attempts {
        let receipt = house.call_as(&b, function, arguments).await;
        let seen = format!("{:?} {:?}", receipt.value, receipt.message);
        assert!(!seen.contains(CANARY) && !seen.contains(&value), "{function} {arguments}: {seen}");
        assert!(!seen.contains("hello acme"), "{function}: {seen}");
        assert_eq!(receipt.tenant.as_ref().map(|t| t.as_str()), Some("globex"));
    }
    let exists = ok(&house, &b, "prober.kv-exists", r#"{"bucket":"cart","key":"k"}"#).await;
    assert_eq!(exists, "false");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_symlink_that_a_tool_makes_leads_nowhere_else() {
    let (house, a, b, _) = two().await;
    ok(&house, &a, "prober.write-file", &format!("{{\"path\":\"/data/k.txt\",\"text\":\"{CANARY}\"}}")).await;
    for target in ["../acme/k.txt", "/etc/passwd", "../../host.key"] {
        let link = format!("{{\"target\":\"{target}\",\"path\":\"/data/link\"}}");
        let _ = house.call_as(&b, "prober.sym-link", &link).await;
        let receipt = house.call_as(&b, "prober.read-file", r#"{"path":"/data/link"}"#).await;
        assert_ne!(receipt.reason, Reason::Ok, "{target}: {receipt:?}");
        let _ = house.call_as(&b, "prober.remove-file", r#"{"path":"/data/link"}"#).await;
    }
    // A link that somebody else put there, outside of the host's hands, leads nowhere either.
    std::os::unix::fs::symlink(
        house.path().join("shared/acme/k.txt"),
        house.path().join("shared/globex/planted"),
    )
    .unwrap();
    let receipt = house.call_as(&b, "prober.read-file", r#"{"path":"/data/planted"}"#).await;
    assert_ne!(receipt.reason, Reason::Ok, "{receipt:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_goes_out_and_never_comes_back() {
    let (house, a, b, origin) = two().await;
    for (key, own, token) in [(&a, SECRET_A, "credential-of-acme"), (&b, SECRET_B, "credential-of-globex")] {
        let answer = ok(&house, key, "prober.http-get", &format!("{{\"url\":\"{origin}/x\"}}")).await;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["status"], 200, "the service was given the credential");
        let body = String::from_utf8(STANDARD.decode(answer["body"].as_str().unwrap()).unwrap()).unwrap();
        let everything = format!("{answer} {body}");
        for form in [own, token, &hex::encode(own), &STANDARD.encode(own)] {
            assert!(!everything.contains(form), "{form} in {everything}");
        }
        assert!(body.contains("***"), "the credential's place is blanked: {body}");
        assert!(everything.contains("x-plain") && !everything.contains("x-echo"));
    }
    let other = house.call_as(&b, "prober.http-get", r#"{"url":"http://api/x"}"#).await;
    assert!(!format!("{other:?}").contains("credential-of-acme"));
    let book: String = read(Home::open(house.path().join("audit")).unwrap().dir(), Filter::default())
        .unwrap()
        .map(|e| serde_json::to_string(&e.unwrap()).unwrap())
        .collect();
    assert!(!book.contains("credential-of"), "no credential in the book");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_idempotency_key_of_two_tenants_is_two_keys() {
    let (house, a, b, _) = two().await;
    let arguments = r#"{"bucket":"cart","key":"n","delta":1}"#;
    for key in [&a, &b] {
        let first = house
            .room
            .call(Credential::ApiKey(key), request_with_key("prober.kv-increment", arguments, "same"))
            .await;
        assert_eq!((first.outcome, first.value.as_deref()), (Outcome::Executed, Some("1")), "{first:?}");
        let again = house
            .room
            .call(Credential::ApiKey(key), request_with_key("prober.kv-increment", arguments, "same"))
            .await;
        assert_eq!((again.outcome, again.value.as_deref()), (Outcome::Replayed, Some("1")), "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_book_tells_tenants_apart() {
    let (house, a, b, _) = two().await;
    ok(&house, &a, "prober.now", "{}").await;
    ok(&house, &b, "prober.now", "{}").await;
    let of_a = Filter { tenant: Some(strongroom::id::TenantId::new("acme").unwrap()), ..Filter::default() };
    let entries: Vec<_> = read(Home::open(house.path().join("audit")).unwrap().dir(), of_a)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(!entries.is_empty());
    assert!(entries.iter().all(|e| e.tenant_id.as_ref().is_some_and(|t| t.as_str() == "acme")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_grant_leads_to_the_hosts_own_files_however_it_is_spelled() {
    for (folder, link) in [("tools", false), ("stores", true), ("audit", true), ("", true), ("..", true)] {
        let plan = house();
        let target = plan.path().join(folder);
        let path = if link { "shared/link".to_owned() } else { target.display().to_string() };
        let rules =
            format!("[tools]\nallow = [\"*\"]\n[grants.prober.dir.data]\npath = \"{path}\"\nmode = \"rw\"\n");
        let plan = plan.tenant("acme", &rules).tool("prober");
        std::fs::create_dir_all(&target).unwrap();
        std::fs::create_dir_all(plan.path().join("shared")).unwrap();
        if link {
            std::os::unix::fs::symlink(&target, plan.path().join("shared/link")).unwrap();
        }
        let house = plan.build().await;
        let key = house.key("acme").await;
        let receipt = house.call_as(&key, "prober.list-dir", r#"{"path":"/data"}"#).await;
        assert_eq!(receipt.reason, Reason::StorageUnavailable, "{folder}: {receipt:?}");
        assert!(
            !receipt.message.unwrap().contains(&*house.path().to_string_lossy()),
            "no path of the host is told"
        );
    }
}
