//! An order and notification service as a customer would run it: real HTTP on loopback, one credential, its own orders.
//!
//! Takes: a credential and orders. Gives: [`Service`], which counts what took effect. May name: nothing.

use axum::Json;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, patch, post};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What a service repeats its caller's credential for, when an order's text holds it: a debugging aid left switched on.
pub(super) const ECHO: &str = "{authorization}";

/// What took effect at a service, and what it turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Effects {
    /// Changes of orders.
    pub(super) updates: usize,
    /// Messages to customers.
    pub(super) notifications: usize,
    /// Requests without the service's own credential.
    pub(super) refused: usize,
}

impl fmt::Display for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { updates, notifications, refused } = self;
        write!(f, "{updates} updates, {notifications} notifications, {refused} refused requests")
    }
}

/// A service that runs until it is dropped.
pub(super) struct Service {
    address: SocketAddr,
    shop: Arc<Mutex<Shop>>,
    _running: JoinSet<io::Result<()>>,
}

struct Shop {
    authorization: String,
    orders: BTreeMap<String, Value>,
    /// By idempotency key, so that one key sends one message.
    sent: BTreeMap<String, usize>,
    effects: Effects,
}

type Shared = State<Arc<Mutex<Shop>>>;

impl Service {
    /// Starts a service that answers only to requests with this `authorization` header.
    pub(super) async fn start(authorization: &str, orders: &[Value]) -> io::Result<Self> {
        let id = |order: &Value| order.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let shop = Arc::new(Mutex::new(Shop {
            authorization: authorization.to_owned(),
            orders: orders.iter().map(|order| (id(order), order.clone())).collect(),
            sent: BTreeMap::new(),
            effects: Effects::default(),
        }));
        let routes = Router::new()
            .route("/orders", get(list))
            .route("/orders/{id}", get(read))
            .route("/orders/{id}", patch(change))
            .route("/notifications", post(notify))
            .layer(middleware::from_fn_with_state(shop.clone(), only_its_own))
            .with_state(shop.clone());
        let listener = listen().await?;
        let address = listener.local_addr()?;
        let mut running = JoinSet::new();
        running.spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { address, shop, _running: running })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What took effect so far.
    pub(super) fn effects(&self) -> Effects {
        self.shop.lock().effects
    }
}

/// A free port that only this machine reaches.
#[expect(
    clippy::disallowed_methods,
    reason = "the demo is its own operator: it opens its ports on loopback here"
)]
pub(super) async fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

async fn only_its_own(State(shop): Shared, request: Request, next: Next) -> Result<Response, StatusCode> {
    let shown = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes().to_vec());
    {
        let mut shop = shop.lock();
        if shown.as_deref() != Some(shop.authorization.as_bytes()) {
            shop.effects.refused += 1;
            return Err(StatusCode::UNAUTHORIZED);
        }
    }
    Ok(next.run(request).await)
}

async fn list(State(shop): Shared) -> Json<Vec<Value>> {
    Json(shop.lock().orders.values().cloned().collect())
}

async fn read(State(shop): Shared, Path(id): Path<String>) -> Result<Json<Value>, StatusCode> {
    let shop = shop.lock();
    let order = shop.orders.get(&id).ok_or(StatusCode::NOT_FOUND)?;
    let text = order.to_string().replace(ECHO, &shop.authorization);
    serde_json::from_str(&text).map(Json).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn change(
    State(shop): Shared,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    let status = body.get("status").and_then(Value::as_str).ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    let mut shop = shop.lock();
    let order = shop.orders.get_mut(&id).and_then(Value::as_object_mut).ok_or(StatusCode::NOT_FOUND)?;
    order.insert("status".into(), status.into());
    let after = Value::Object(order.clone());
    shop.effects.updates += 1;
    Ok(Json(after))
}

async fn notify(
    State(shop): Shared,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<(StatusCode, Json<Value>), StatusCode> {
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let order = body.get("order").and_then(Value::as_str).ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    let mut shop = shop.lock();
    if !shop.orders.contains_key(order) {
        return Err(StatusCode::NOT_FOUND);
    }
    let number = match key.as_ref().and_then(|key| shop.sent.get(key)) {
        Some(number) => *number,
        None => {
            shop.effects.notifications += 1;
            shop.effects.notifications
        }
    };
    if let Some(key) = key {
        shop.sent.insert(key, number);
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": format!("n-{number}") }))))
}

#[cfg(test)]
mod tests {
    use super::super::client::send;
    use super::*;
    use axum::http::Method;

    #[tokio::test]
    async fn a_service_answers_to_its_own_credential_and_counts_effects() {
        let order = json!({ "id": "918", "status": "paid" });
        let service = Service::start("Bearer own", &[order]).await.unwrap();
        let at = service.address();
        for foreign in [&[][..], &[("authorization", "Bearer other")][..]] {
            let reply = send(at, Method::GET, "/orders", foreign, "").await.unwrap();
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        }
        let own = [
            ("authorization", "Bearer own"),
            ("content-type", "application/json"),
            ("idempotency-key", "once"),
        ];
        let shipped = r#"{"status":"shipped"}"#;
        let reply = send(at, Method::PATCH, "/orders/918", &own, shipped).await.unwrap();
        assert_eq!((reply.status, reply.body.contains("shipped")), (StatusCode::OK, true));
        for _ in 0..2 {
            let reply = send(at, Method::POST, "/notifications", &own, r#"{"order":"918"}"#).await.unwrap();
            assert_eq!(reply.body, r#"{"id":"n-1"}"#);
        }
        assert_eq!(service.effects(), Effects { updates: 1, notifications: 1, refused: 2 });
    }
}
