//! With `[tls]`, the admin API is reached by TLS alone, its keys are asked for all the same, and no certificate of a caller stands in for
//! one. Without it, no other machine reaches it.

use super::office::admin_key;
use crate::certificates_say_who_calls::client::Client;
use crate::certificates_say_who_calls::{SETTINGS, SUPPORT, Scene};
use crate::http_api::client::listener;
use serde_json::json;
use strongroom::serve::{self, Listeners, ServeError};
use strongroom::storage::ledger::AdminRole;
use strongroom_tests::house;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SELF: &str = "/admin/v1/self";

async fn refused(mut client: Client, lines: &str) {
    let answer = client.get(SELF, lines).await.unwrap();
    assert_eq!((answer.status, answer.reason()), (401, "admin_unknown"), "{lines}{}", answer.head);
}

#[tokio::test]
async fn its_keys_pass_by_tls_and_no_certificate_stands_in_for_one() {
    let Scene { server, prod, .. } = Scene::new(SETTINGS).await;
    let shows = prod.issue(&[SUPPORT], |_| {});
    let key = admin_key(&server.house.room, AdminRole::Operator, None).await;
    let own = format!("authorization: Bearer {key}\r\n");
    for shows in [None, Some(&shows)] {
        let mut client = server.connect_admin(shows).await.unwrap();
        let answer = client.get(SELF, &own).await.unwrap();
        assert_eq!((answer.status, &answer.body["role"]), (200, &json!("operator")), "{}", answer.head);
        assert_eq!(server.last()["actor_id"], "operator:kim");
    }
    // The certificate opens its tenant's tools where they are called, and nothing here; nor does the tenant's key.
    let mut caller = server.connect(Some(&shows)).await.unwrap();
    assert_eq!(caller.call("").await.unwrap().reason(), "ok");
    let tenants = format!("authorization: Bearer {}\r\n", server.house.key("acme").await);
    for lines in ["", &tenants] {
        refused(server.connect_admin(Some(&shows)).await.unwrap(), lines).await;
        assert_eq!((&server.last()["tenant_id"], &server.last()["actor_id"]), (&json!(null), &json!(null)));
    }
    // What is served here is served nowhere else, and the other way round.
    let elsewhere = caller.get(SELF, &own).await.unwrap();
    assert_eq!(elsewhere.status, 404, "{}", elsewhere.head);
    let mut client = server.connect_admin(Some(&shows)).await.unwrap();
    let tools = client.post("/v1/tools/echo.nothing", &tenants, "{}").await.unwrap();
    assert!(matches!(tools.status, 401 | 404), "{}", tools.head);
}

#[tokio::test]
async fn in_the_clear_nothing_is_answered() {
    let Scene { server, .. } = Scene::new(SETTINGS).await;
    let key = admin_key(&server.house.room, AdminRole::Operator, None).await;
    let before = server.house.book();
    let mut stream = server.connect_in_the_clear().await.unwrap();
    let request = format!("GET {SELF} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    // A reset is an end, too.
    drop(stream.read_to_end(&mut heard).await);
    assert!(!heard.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&heard));
    assert_eq!(server.house.book(), before);
}

#[tokio::test]
async fn a_host_that_requires_certificates_requires_them_here() {
    let settings = SETTINGS.replacen("[[tls", "clients = \"required\"\n[[tls", 1);
    let Scene { server, prod, .. } = Scene::new(&settings).await;
    let key = admin_key(&server.house.room, AdminRole::Operator, None).await;
    let own = format!("authorization: Bearer {key}\r\n");
    let answer = async { server.connect_admin(None).await?.get(SELF, &own).await };
    assert!(answer.await.is_err());
    let shows = prod.issue(&[SUPPORT], |_| {});
    let mut client = server.connect_admin(Some(&shows)).await.unwrap();
    assert_eq!(client.get(SELF, &own).await.unwrap().status, 200);
}

#[tokio::test]
async fn an_address_that_others_reach_is_refused_without_a_certificate() {
    let house = house().tenant("acme", "").build().await;
    let listeners = Listeners { calls: listener("127.0.0.1"), admin: Some(listener("0.0.0.0")) };
    let exposed = serve::run_on(house.room.clone(), listeners, std::future::pending()).await;
    assert!(matches!(exposed, Err(ServeError::AdminInTheClear(_))), "{exposed:?}");
}
