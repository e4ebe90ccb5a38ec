//! Every route for every role, for its own tenant and for another one. A route without a row here fails the test.

use super::office::Office;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use strongroom::audit::{self, Known, Phase};
use strongroom::powers::Home;
use strongroom::reason::{Outcome, Reason};

/// Who may: an operator, an auditor, an admin of the tenant that is asked about, an admin of another one.
type May = [bool; 4];
const ALL: May = [true, true, true, true];
const HOST: May = [true, true, false, false];
const TENANT: May = [true, true, true, false];
const CHANGE: May = [true, false, true, false];
const OPERATE: May = [true, false, false, false];

const NO_CALL: &str = "call_00000000000000000000000000000000";

pub(super) struct Row {
    pub(super) method: &'static str,
    path: &'static str,
    may: May,
    body: Value,
    /// What whoever may is answered here, where there is no such thing.
    status: u16,
}

impl Row {
    /// Its path and its body when this one asks about this tenant.
    pub(super) fn asked(&self, tenant: &str, who: &str) -> (String, Value) {
        let path = self.path.replace("{tenant}", tenant).replace("{key}", "0123").replace("{call}", NO_CALL);
        let body = serde_json::from_str(&self.body.to_string().replace("{who}", who)).unwrap();
        (path, body)
    }
}

/// An hour from now, and the tests' clock is the machine's.
pub(super) fn in_an_hour() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() * 1000 + 3_600_000
}

fn row(method: &'static str, path: &'static str, may: May, body: Value, status: u16) -> Row {
    Row { method, path, may, body, status }
}

fn read(path: &'static str, may: May) -> Row {
    row("get", path, may, Value::Null, 200)
}

/// The table.
pub(super) fn rows() -> Vec<Row> {
    let why = "drill";
    let tokens = json!({ "issuer": "https://login.example.com", "all": true });
    let budget = json!({ "of": "calls", "per": "day" });
    let with = |base: &Value, more: Value| {
        let mut all = base.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    vec![
        read("/admin/openapi.json", ALL),
        read("/admin/v1/self", ALL),
        read("/admin/v1/health", HOST),
        read("/admin/v1/tenants", HOST),
        read("/admin/v1/tools", HOST),
        read("/admin/v1/calls", HOST),
        read("/admin/v1/unknown", HOST),
        read("/admin/v1/switches", HOST),
        read("/admin/v1/tokens", HOST),
        read("/admin/v1/audit", HOST),
        read("/admin/v1/audit/checkpoint", HOST),
        read("/admin/v1/audit/verify", HOST),
        row(
            "post",
            "/admin/v1/switches",
            OPERATE,
            json!({ "scope": "tool", "name": "none", "mode": "stop", "why": why }),
            200,
        ),
        row("post", "/admin/v1/switches/lift", OPERATE, json!({ "scope": "tool", "name": "none" }), 200),
        row("post", "/admin/v1/tokens/revoke", OPERATE, with(&tokens, json!({ "why": why })), 200),
        row("post", "/admin/v1/tokens/restore", OPERATE, tokens, 200),
        read("/admin/v1/tenants/{tenant}", TENANT),
        read("/admin/v1/tenants/{tenant}/keys", TENANT),
        read("/admin/v1/tenants/{tenant}/usage", TENANT),
        read("/admin/v1/tenants/{tenant}/calls", TENANT),
        read("/admin/v1/tenants/{tenant}/switches", TENANT),
        read("/admin/v1/tenants/{tenant}/unknown", TENANT),
        read("/admin/v1/tenants/{tenant}/audit", TENANT),
        row("post", "/admin/v1/tenants/{tenant}/keys", CHANGE, json!({ "actor": "agent" }), 201),
        row("post", "/admin/v1/tenants/{tenant}/keys/{key}/rotate", CHANGE, json!({ "grace_ms": 0 }), 404),
        row("delete", "/admin/v1/tenants/{tenant}/keys/{key}", CHANGE, Value::Null, 404),
        row("post", "/admin/v1/tenants/{tenant}/calls/{call}/stop", CHANGE, json!({ "why": why }), 404),
        row(
            "post",
            "/admin/v1/tenants/{tenant}/switches",
            CHANGE,
            json!({ "actor": "{who}", "mode": "freeze", "why": why }),
            200,
        ),
        row("post", "/admin/v1/tenants/{tenant}/switches/lift", CHANGE, json!({ "actor": "{who}" }), 200),
        row(
            "post",
            "/admin/v1/tenants/{tenant}/budgets/raise",
            OPERATE,
            with(&budget, json!({ "more": 5, "until_ms": in_an_hour(), "why": why })),
            200,
        ),
        row("post", "/admin/v1/tenants/{tenant}/budgets/lower", OPERATE, budget, 200),
        row(
            "post",
            "/admin/v1/tenants/{tenant}/unknown/{call}/settle",
            OPERATE,
            json!({ "outcome": "failed", "why": why }),
            404,
        ),
    ]
}

#[tokio::test]
async fn each_role_may_what_the_table_says_on_every_route_and_the_book_has_all_of_it() {
    let office = Office::open().await;
    let document = office.get(&office.operator, "/admin/openapi.json").await.json();
    let routes = document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        item.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone()))
    });
    let routes: BTreeSet<_> = routes.collect();
    let rows = rows();
    let table: BTreeSet<_> = rows.iter().map(|row| (row.method.to_owned(), row.path.to_owned())).collect();
    assert_eq!(routes, table, "a route has no row here, or a row no route");
    assert_eq!(table.len(), rows.len());

    for row in &rows {
        let Row { method, path, may, status, .. } = row;
        let askers = [
            ("operator:kim", &office.operator, "acme"),
            ("auditor:kim", &office.auditor, "acme"),
            ("tenant-admin:kim", &office.own, "acme"),
            ("tenant-admin:kim", &office.own, "globex"),
        ];
        for ((actor, key, tenant), may) in askers.into_iter().zip(may) {
            let of_tenant = path.contains("{tenant}");
            // An operator's switch is not a tenant's admin's to change.
            let (asked, body) = row.asked(tenant, actor);
            let before = office.state();
            let reply = office.ask(key, &method.to_uppercase(), &asked, &body).await;
            let shown = format!("{actor} {method} {asked}");
            let told = office.told(&reply);
            let last = told.last().unwrap_or_else(|| panic!("{shown}: nothing in the book"));
            assert_eq!(last.actor_id.as_ref().unwrap().as_str(), actor, "{shown}");
            assert!(last.action.starts_with("admin.") && last.note.is_some(), "{shown}: {last:?}");
            // Another tenant's log has nothing of what its neighbour's admin tried.
            let concerned = match actor {
                "tenant-admin:kim" => Some("acme"),
                _ => of_tenant.then_some(tenant),
            };
            assert_eq!(last.tenant_id.as_ref().map(|tenant| tenant.as_str()), concerned, "{shown}");
            if *may {
                assert_eq!(reply.status, *status, "{shown}: {reply:?}");
            } else {
                reply.is_problem(403, "role_denied");
                assert_eq!(
                    (last.reason_code, last.outcome),
                    (Reason::RoleDenied, Outcome::Denied),
                    "{shown}"
                );
            }
            let intents = told.iter().filter(|entry| entry.phase == Phase::Intent).count();
            if *method == "get" || !*may {
                assert_eq!(office.state(), before, "{shown}: something was changed");
                assert_eq!((intents, told.len()), (0, 1), "{shown}");
            } else {
                assert_eq!((told[0].phase, intents, told.len()), (Phase::Intent, 1, 2), "{shown}: {told:?}");
                let is_done = last.outcome == Outcome::Executed;
                assert_eq!(is_done, *status < 400, "{shown}: {last:?}");
            }
        }
    }
    let verified = office.get(&office.auditor, "/admin/v1/audit/verify").await.json();
    assert_eq!(verified["verified"], true, "{verified}");
    let house = office.close().await;
    let known = Known::parse(&std::fs::read_to_string(house.path().join("book.pub")).unwrap()).unwrap();
    house.room.close().await.unwrap();
    let log = Home::open(house.path().join("audit")).unwrap();
    audit::verify_still(log.dir(), &known, None, |_, _| {}).unwrap().unwrap();
}

#[tokio::test]
async fn an_admin_of_a_tenant_does_not_learn_which_others_there_are() {
    let office = Office::open().await;
    let mut answers = BTreeSet::new();
    for other in ["globex", "nobody", "No-Tenant", "acme%2F..%2Fglobex", "*"] {
        for (method, rest, body) in [
            ("GET", "", Value::Null),
            ("GET", "/audit", Value::Null),
            ("POST", "/keys", json!({ "actor": "agent" })),
            ("POST", "/switches", json!({ "mode": "stop", "why": "mine" })),
        ] {
            let reply =
                office.ask(&office.own, method, &format!("/admin/v1/tenants/{other}{rest}"), &body).await;
            reply.is_problem(403, "role_denied");
            let mut answer = reply.json();
            answer.as_object_mut().unwrap().remove("call_id").unwrap();
            answers.insert(answer.to_string());
            assert_eq!(office.told(&reply)[0].tenant_id.as_ref().unwrap().as_str(), "acme");
        }
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    office.get(&office.operator, "/admin/v1/tenants/nobody").await.is_problem(404, "not_found");
    office.get(&office.operator, "/admin/v1/tenants/No-Tenant").await.is_problem(404, "not_found");
}

#[tokio::test]
async fn an_auditor_changes_nothing_whatever_is_sent() {
    let office = Office::open().await;
    office.house.key("acme").await;
    let id = office.house.room.keys(None)[0].id.clone();
    let before = office.state();
    for row in rows().iter().filter(|row| row.method != "get") {
        let path =
            row.path.replace("{tenant}", "acme").replace("{key}", id.as_str()).replace("{call}", NO_CALL);
        for method in ["POST", "DELETE", "PUT", "PATCH"] {
            let reply = office.ask(&office.auditor, method, &path, &row.body).await;
            assert!(matches!(reply.status, 403 | 405), "{method} {path}: {reply:?}");
        }
        let overridden =
            format!("authorization: Bearer {}\r\nx-http-method-override: {}", office.auditor, row.method);
        let asked = crate::http_api::client::request("GET", &path, &[&overridden], "");
        assert_ne!(office.raw(&asked).await.status, 201, "{path}");
    }
    assert_eq!(office.state(), before);
}
