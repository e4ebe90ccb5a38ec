//! The admin API: the same orders as on the command line, for those whose key says what they may.
//!
//! Takes: a host. Gives: the router of a listener of its own. May name: admin, audit, config, id, isolate, reason, room,
//! serve, settle, storage, tools.
//!
//! No handler has the host: it has the proof that [`crate::admin`] made for it, or it does not compile.

mod asks;
mod audit;
mod budgets;
mod calls;
mod guard;
mod json;
mod keys;
mod look;
mod openapi;
mod orders;
mod routes;
mod switches;
mod tokens;
mod unknown;

use super::http::{Problem, no_method, private};
use crate::admin::Door;
use crate::room::Strongroom;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::{Extension, Router};
use http::StatusCode;
use orders::Orders;

/// Which action of the book a route is.
#[derive(Clone, Copy)]
struct Action(&'static str);

/// All routes, behind the guard, and the orders that they carry out. `loopback` says whether only this machine reaches the listener.
pub(super) fn router(room: Strongroom, loopback: bool) -> (Router, Orders) {
    let door = Door::new(room);
    let orders = Orders::default();
    let guard = guard::Guard { door: door.clone(), loopback, orders: orders.clone() };
    let routes = routes::all().into_iter().fold(Router::new(), |router, route| {
        router.route(route.path, route.handler.layer(Extension(Action(route.action))))
    });
    let router = routes
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(guard, guard::check))
        .layer(map_response(private))
        .with_state(door);
    (router, orders)
}

async fn no_route() -> Response {
    Problem::plain(StatusCode::NOT_FOUND, "there is nothing here; GET /admin/openapi.json says what there is")
        .into()
}
