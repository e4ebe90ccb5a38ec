//! The tool against a fake order service.

use super::*;
use strongroom_sdk::fake::Host;
use strongroom_sdk::http::{Method, Response};

const ORDER: &str = r#"{"id":"918","status":"paid","customer":"Ada","total":4250,"currency":"EUR",
    "items":[{"product":"Tea","quantity":2}],"internal_note":"fields that the contract does not have are left out"}"#;

fn answer(status: &str) -> Response {
    Response::new(200, ORDER.replace("paid", status))
}

fn shop() -> Host {
    Host::new()
        .route(Method::Get, "http://orders/orders/918", answer("paid"))
        .route(Method::Patch, "http://orders/orders/918", answer("shipped"))
        .route(Method::Post, "http://notify/notifications", Response::new(202, r#"{"id":"n-1"}"#))
}

#[test]
fn reads_an_order_with_or_without_hash() {
    let _host = shop();
    let order = Orders::get("918".into()).unwrap();
    assert_eq!((order.status, order.total, order.items[0].quantity), (Status::Paid, 4250, 2));
    assert_eq!(Orders::get("#918".into()).unwrap(), order);
}

#[test]
fn lists_orders_and_filters_by_status() {
    let both = format!("[{ORDER},{}]", ORDER.replace("paid", "shipped").replace("918", "919"));
    let _host = Host::new().route(Method::Get, "http://orders/orders", Response::new(200, both));
    assert_eq!(Orders::list(None).unwrap().len(), 2);
    let shipped = Orders::list(Some(Status::Shipped)).unwrap();
    assert_eq!(shipped.iter().map(|order| order.id.as_str()).collect::<Vec<_>>(), ["919"]);
}

#[test]
fn updates_with_the_service_s_own_words() {
    let host = shop();
    assert_eq!(Orders::update_status("918".into(), Status::Shipped).unwrap().status, Status::Shipped);
    let request = &host.requests()[0];
    assert_eq!(
        (request.method, request.body.as_slice()),
        (Method::Patch, br#"{"status":"shipped"}"#.as_slice())
    );
}

#[test]
fn confirms_an_order_once_with_the_caller_s_key() {
    let host = shop().idempotency_key("confirm-918");
    let confirmation = Orders::send_confirmation("918".into()).unwrap();
    assert_eq!(confirmation, Confirmation { order: "918".into(), notification: Some("n-1".into()) });
    let request = &host.requests()[1];
    assert_eq!(request.header_value("idempotency-key"), Some("confirm-918"));
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, serde_json::json!({ "order": "918", "kind": "confirmation" }));
}

#[test]
fn an_order_that_is_not_there_is_not_confirmed() {
    let host = shop().route(Method::Get, "http://orders/orders/7", Response::new(404, ""));
    assert_eq!(Orders::send_confirmation("7".into()).unwrap_err(), Error::NotFound);
    assert_eq!(host.requests().len(), 1);
}

#[test]
fn numbers_that_lead_elsewhere_are_refused_before_any_request() {
    let host = shop();
    for id in ["", "#", "..", "918/../919", "918?x", "9 18", "９１８", &"9".repeat(65)] {
        assert_eq!(Orders::get(id.into()).unwrap_err(), Error::InvalidId, "{id:?}");
    }
    assert!(host.requests().is_empty());
}

#[test]
fn each_failure_has_its_own_error() {
    let url = "http://orders/orders/918";
    let failed = |status| {
        let _host = shop().route(Method::Patch, url, Response::new(status, ""));
        Orders::update_status("918".into(), Status::Paid).unwrap_err()
    };
    assert_eq!(failed(409), Error::Refused(409));
    assert!(matches!(failed(503), Error::Unavailable(_)));
    let _host = Host::new();
    assert_eq!(Orders::get("918".into()).unwrap_err(), Error::NotPermitted);
    let _host = shop().route(Method::Get, url, Response::new(200, "<html>"));
    assert!(matches!(Orders::get("918".into()), Err(Error::Unavailable(_))));
}
