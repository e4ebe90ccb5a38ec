//! Orders over the admin API do what the command line does, and the book names the admin.

use super::office::Office;
use crate::http_api::client::{call, request};
use serde_json::{Value, json};
use strongroom::reason::Reason;

const ACME: &str = "/admin/v1/tenants/acme";

#[tokio::test]
async fn a_key_is_made_once_rotated_and_revoked_for_its_own_tenant_alone() {
    let office = Office::open().await;
    let keys = format!("{ACME}/keys");
    let (authorization, order) =
        (format!("authorization: Bearer {}", office.own), r#"{"actor":"agent","scopes":["prober"]}"#);
    let create = async |body: &str| {
        office.raw(&request("POST", &keys, &[&authorization, "idempotency-key: k1"], body)).await
    };
    let made = create(order).await;
    assert_eq!(made.status, 201, "{made:?}");
    let (key, id) = (made.json()["key"].as_str().unwrap().to_owned(), made.json()["id"].clone());
    let again = create(order).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!((&again.json()["id"], &again.json()["key"]), (&id, &Value::Null));
    create(r#"{"actor":"other"}"#).await.is_problem(422, "idempotency_mismatch");
    assert_eq!(office.house.room.keys(None).len(), 1);
    assert_eq!(office.raw_call(&call(&key, "prober.now", &[], "{}")).await.status, 200);
    let id = id.as_str().unwrap();
    assert_eq!(office.acts("key.create"), [(format!("key.create {id}"), "tenant-admin:kim".to_owned())]);

    // Another tenant's key is not there, whoever asks for it under this one.
    let globex = office.house.key("globex").await;
    let foreign = globex.split('_').nth(2).unwrap();
    for admin in [&office.own, &office.operator] {
        office
            .ask(admin, "DELETE", &format!("{keys}/{foreign}"), &Value::Null)
            .await
            .is_problem(404, "not_found");
        let rotate = format!("{keys}/{foreign}/rotate");
        office.post(admin, &rotate, &json!({ "grace_ms": 0 })).await.is_problem(404, "not_found");
    }
    assert_eq!(office.raw_call(&call(&globex, "prober.now", &[], "{}")).await.status, 200);

    let rotate = async || {
        let asks = request(
            "POST",
            &format!("{keys}/{id}/rotate"),
            &[&authorization, "idempotency-key: k2"],
            r#"{"grace_ms":0}"#,
        );
        office.raw(&asks).await
    };
    let rotated = rotate().await;
    assert_eq!(rotated.status, 201, "{rotated:?}");
    let new = rotated.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(rotated.json()["scopes"], json!(["prober"]));
    office.raw_call(&call(&key, "prober.now", &[], "{}")).await.is_problem(401, "tenant_unknown");
    assert_eq!(office.raw_call(&call(&new, "prober.now", &[], "{}")).await.status, 200);
    let again = rotate().await;
    assert_eq!((again.status, &again.json()["id"]), (200, &rotated.json()["id"]));
    let revoke = format!("{keys}/{}", rotated.json()["id"].as_str().unwrap());
    assert_eq!(office.ask(&office.own, "DELETE", &revoke, &Value::Null).await.status, 200);
    office.raw_call(&call(&new, "prober.now", &[], "{}")).await.is_problem(401, "tenant_unknown");
    let list = office.get(&office.own, &keys).await.json();
    let valid: Vec<_> = list["keys"].as_array().unwrap().iter().map(|key| key["valid"].clone()).collect();
    assert_eq!(valid, [json!(false), json!(false)]);
    // Neither book nor lists hold a secret.
    for secret in [&key, &new] {
        let secret = secret.rsplit('_').next().unwrap();
        assert!(!office.house.book().contains(secret) && !list.to_string().contains(secret));
    }
}

#[tokio::test]
async fn an_operators_stop_is_the_operators_to_lift() {
    let office = Office::open().await;
    let key = office.house.key("acme").await;
    let calls = async || office.raw_call(&call(&key, "prober.now", &[], "{}")).await;
    let (on, off) = (format!("{ACME}/switches"), format!("{ACME}/switches/lift"));
    let (stop, freeze) =
        (json!({ "mode": "stop", "why": "drill" }), json!({ "mode": "freeze", "why": "drill" }));
    let switched = office.post(&office.own, &on, &stop).await;
    assert_eq!((switched.status, &switched.json()["known"]), (200, &json!(true)));
    calls().await.is_problem(503, "killed");
    assert_eq!(office.acts("kill"), [("kill tenant acme: drill".to_owned(), "tenant-admin:kim".to_owned())]);
    assert_eq!(office.post(&office.own, &off, &json!({})).await.status, 200);
    assert_eq!(calls().await.status, 200);
    office.post(&office.own, &off, &json!({})).await.is_problem(404, "not_found");

    assert_eq!(office.post(&office.operator, &on, &stop).await.status, 200);
    let before = office.state();
    for (path, body) in [(&on, &stop), (&on, &freeze), (&off, &json!({}))] {
        office.post(&office.own, path, body).await.is_problem(403, "role_denied");
    }
    assert_eq!(office.state(), before);
    calls().await.is_problem(503, "killed");
    assert_eq!(office.get(&office.own, &on).await.json()["switches"][0]["by"], "operator:kim");
    let lift = json!({ "scope": "tenant", "name": "acme" });
    assert_eq!(office.post(&office.operator, "/admin/v1/switches/lift", &lift).await.status, 200);
    assert_eq!(calls().await.status, 200);

    let host = json!({ "scope": "host", "mode": "freeze", "why": "drill" });
    assert_eq!(office.post(&office.operator, "/admin/v1/switches", &host).await.status, 200);
    let set = r#"{"bucket":"cart","key":"k","value":"YQ=="}"#;
    let write = office.raw_call(&call(&key, "prober.kv-set", &["idempotency-key: w"], set)).await;
    write.is_problem(503, "writes_frozen");
    for bad in [
        json!({ "scope": "host", "name": "x", "mode": "stop", "why": "drill" }),
        json!({ "scope": "tenant", "mode": "stop", "why": "drill" }),
        json!({ "scope": "token", "name": "x", "mode": "stop", "why": "drill" }),
        json!({ "scope": "host", "mode": "stop", "why": "" }),
        json!({ "scope": "host", "mode": "stop" }),
    ] {
        office.post(&office.operator, "/admin/v1/switches", &bad).await.is_problem(400, "arguments_invalid");
    }
}

#[tokio::test]
async fn a_budget_is_raised_and_lowered_by_an_operator() {
    let office = Office::open().await;
    let limit = async || {
        office.get(&office.own, &format!("{ACME}/usage")).await.json()["budgets"][0]["limit"].clone()
    };
    assert_eq!(limit().await, 1000);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let until = u64::try_from(now).unwrap() + 3_600_000;
    let raise = |of: &str, more: u64| json!({ "of": of, "per": "day", "more": more, "until_ms": until, "why": "fair" });
    let path = format!("{ACME}/budgets/raise");
    assert_eq!(office.post(&office.operator, &path, &raise("calls", 50)).await.status, 200);
    assert_eq!(limit().await, 1050);
    assert_eq!(office.house.room.raises()[0].by, "operator:kim");
    office.post(&office.operator, &path, &raise("fuel", 50)).await.is_problem(400, "arguments_invalid");
    office.post(&office.operator, &path, &raise("calls", 0)).await.is_problem(400, "arguments_invalid");
    office.post(&office.own, &path, &raise("calls", 500)).await.is_problem(403, "role_denied");
    let lower = json!({ "of": "calls", "per": "day" });
    assert_eq!(office.post(&office.operator, &format!("{ACME}/budgets/lower"), &lower).await.status, 200);
    assert_eq!(limit().await, 1000);
    assert_eq!(
        office.acts("budget.").iter().map(|act| act.1.as_str()).collect::<Vec<_>>(),
        ["operator:kim"; 2]
    );
}

#[tokio::test]
async fn one_call_that_runs_is_stopped_by_its_tenants_admin() {
    let office = Office::open().await;
    let key = office.house.key("acme").await;
    let id = office.begin_sleeping(&key).await;
    let calls = format!("{ACME}/calls");
    loop {
        let running = office.get(&office.own, &calls).await.json();
        if running["calls"].as_array().unwrap().iter().any(|call| call["call_id"] == id.as_str()) {
            break;
        }
        tokio::task::yield_now().await;
    }
    let why = json!({ "why": "too long" });
    let other = format!("/admin/v1/tenants/globex/calls/{id}/stop");
    office.post(&office.operator, &other, &why).await.is_problem(404, "not_found");
    let stopped = office.post(&office.own, &format!("{calls}/{id}/stop"), &why).await;
    assert_eq!((stopped.status, &stopped.json()["gone"]), (200, &json!(true)));
    let header = format!("authorization: Bearer {key}");
    let answer =
        office.raw_call(&request("GET", &format!("/v1/calls/{id}"), &[&header, "prefer: wait=10"], "")).await;
    answer.is_problem(503, "killed");
    assert!(answer.body.contains("this call was stopped by an admin"), "{answer:?}");
    assert_eq!(office.raw_call(&call(&key, "prober.now", &[], "{}")).await.status, 200, "others go on");
    office.post(&office.own, &format!("{calls}/{id}/stop"), &why).await.is_problem(404, "not_found");
}

#[tokio::test]
async fn a_tenants_own_entries_are_read_page_by_page_and_the_hosts_by_an_auditor() {
    let office = Office::open().await;
    let (acme, globex) = (office.house.key("acme").await, office.house.key("globex").await);
    for key in [&acme, &globex, &acme] {
        office.raw_call(&call(key, "prober.now", &[], "{}")).await;
    }
    let mut from = String::new();
    let mut own = Vec::new();
    loop {
        let page = office.get(&office.own, &format!("{ACME}/audit?limit=1{from}")).await.json();
        own.extend(page["entries"].as_array().unwrap().clone());
        from = format!("&from={}", page["next"].as_str().unwrap());
        if own.iter().filter(|entry| entry["action"] == "call prober.now").count() == 2 {
            break;
        }
    }
    assert!(own.iter().all(|entry| entry["tenant_id"] == "acme" && entry.get("seq").is_none()));
    let all = office.get(&office.auditor, "/admin/v1/audit?limit=1000").await.json();
    let of =
        |tenant: &str| all["entries"].as_array().unwrap().iter().any(|entry| entry["tenant_id"] == tenant);
    assert!(of("acme") && of("globex") && all["entries"][0]["seq"] == 0);
    // A place in one log is none in another.
    office
        .get(&office.auditor, &format!("/admin/v1/audit?limit=1{from}"))
        .await
        .is_problem(400, "arguments_invalid");
    let whole = format!("{ACME}/audit?from={}", all["next"].as_str().unwrap());
    office.get(&office.own, &whole).await.is_problem(400, "arguments_invalid");
    office
        .get(&office.own, &format!("{ACME}/audit?tenant=globex"))
        .await
        .is_problem(400, "arguments_invalid");
}

#[tokio::test]
async fn a_request_is_as_complete_in_the_book_as_a_call() {
    let office = Office::open().await;
    let reply = office.post(&office.operator, &format!("{ACME}/keys"), &json!({ "actor": "agent" })).await;
    let told = office.told(&reply);
    assert_eq!((told.len(), told[1].reason_code), (2, Reason::Ok));
    assert!(told[1].arguments.is_some() && told[1].duration_us > 0 && told[1].bytes_in > 0, "{:?}", told[1]);
    let note = told[1].note.as_ref().unwrap();
    assert!(note.starts_with("operator by the admin key "), "{note}");
}

#[tokio::test]
async fn an_operator_settles_a_write_that_broke_off_and_a_tenants_admin_sees_it() {
    let office = Office::open_with("[limits]\ndeadline_ms = 400\n").await;
    let key = office.house.key("acme").await;
    let waits =
        async |key: &str, path: &str| office.get(key, path).await.json()["unknown"].as_array().unwrap().len();
    let header = format!("authorization: Bearer {key}");
    let mut broken = None;
    // A call that is cancelled before it has begun to write leaves nothing to settle.
    for attempt in 0..20 {
        let once = format!("idempotency-key: w{attempt}");
        let headers = ["prefer: respond-async", once.as_str()];
        let begun = office.raw_call(&call(&key, "sleeper.sleep", &headers, r#"{"ms":60000}"#)).await;
        let id = begun.json()["call_id"].as_str().unwrap().to_owned();
        pause(100).await;
        office.raw_call(&request("DELETE", &format!("/v1/calls/{id}"), &[&header], "")).await;
        pause(600).await;
        if waits(&office.own, &format!("{ACME}/unknown")).await == 1 {
            broken = Some(id);
            break;
        }
    }
    let id = broken.expect("a write broke off");
    assert_eq!(waits(&office.auditor, "/admin/v1/unknown").await, 1);
    assert_eq!(waits(&office.operator, "/admin/v1/tenants/globex/unknown").await, 0);
    let (settle, word) =
        (format!("{ACME}/unknown/{id}/settle"), json!({ "outcome": "failed", "why": "looked" }));
    office.post(&office.own, &settle, &word).await.is_problem(403, "role_denied");
    let elsewhere = format!("/admin/v1/tenants/globex/unknown/{id}/settle");
    office.post(&office.operator, &elsewhere, &word).await.is_problem(404, "not_found");
    let answered = json!({ "outcome": "failed", "answer": null, "why": "looked" });
    office.post(&office.operator, &settle, &answered).await.is_problem(400, "arguments_invalid");
    let settled = office.post(&office.operator, &settle, &word).await;
    assert_eq!((settled.status, &settled.json()["function"]), (200, &json!("sleeper.sleep")));
    assert_eq!(waits(&office.operator, "/admin/v1/unknown").await, 0);
    office.post(&office.operator, &settle, &word).await.is_problem(404, "not_found");
    assert_eq!(office.acts("reconcile.failed")[0].1, "operator:kim");
}

async fn pause(ms: u64) {
    tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_client_goes_away_is_carried_out_and_written_down() {
    let office = Office::open().await;
    let authorization = format!("authorization: Bearer {}", office.operator);
    const ORDERS: usize = 20;
    for n in 0..ORDERS {
        let once = format!("idempotency-key: left-{n}");
        let order =
            request("POST", &format!("{ACME}/keys"), &[&authorization, &once], r#"{"actor":"agent"}"#);
        office.leave(&order).await;
    }
    let told = |phase: &str| {
        let book = office.house.book();
        let of = |line: &&str| {
            line.contains("admin.key.create") && line.contains(&format!(r#""phase":"{phase}""#))
        };
        book.lines().filter(of).map(str::to_owned).collect::<Vec<_>>()
    };
    while told("intent").len() < ORDERS || told("outcome").len() < ORDERS {
        pause(10).await;
    }
    assert!(
        told("outcome").iter().all(|line| line.contains(r#""outcome":"executed""#)),
        "{:?}",
        told("outcome")
    );
    assert_eq!(office.house.room.keys(None).len(), ORDERS);
    assert_eq!(office.acts("key.create").len(), ORDERS);
}
