//! Orders of the tenant's own order service.
//!
//! Takes: needs `http.orders` and `http.notify`. Gives: the interface `strongroom:orders/orders`. May name: service.

mod service;
#[cfg(test)]
mod tests;

use exports::strongroom::orders::orders::{Confirmation, Error, Guest, Order, Status};
use service::{order_url, sent};
use strongroom_sdk::{call, http};

strongroom_sdk::tool!(
    Orders,
    additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
    additional_type_attributes: { "strongroom:orders/orders@0.1.0/status": [#[serde(rename_all = "kebab-case")]] },
);

/// The most orders that one call lists.
const MOST: usize = 100;

struct Orders;

impl Guest for Orders {
    fn list(status: Option<Status>) -> Result<Vec<Order>, Error> {
        let mut orders: Vec<Order> = sent(http::get("http://orders/orders"))?.json()?;
        orders.retain(|order| status.is_none_or(|status| order.status == status));
        orders.truncate(MOST);
        Ok(orders)
    }

    fn get(id: String) -> Result<Order, Error> {
        Ok(sent(http::get(order_url(&id)?))?.json()?)
    }

    fn update_status(id: String, status: Status) -> Result<Order, Error> {
        Ok(sent(http::patch(order_url(&id)?).json(&service::Change { status }))?.json()?)
    }

    fn send_confirmation(id: String) -> Result<Confirmation, Error> {
        // An order that this tenant does not have is not confirmed, whatever the notification service would do.
        let order = Self::get(id)?.id;
        let mut request = http::post("http://notify/notifications");
        if let Some(key) = call::idempotency_key() {
            request = request.header("idempotency-key", key);
        }
        let answer = sent(request.json(&service::Notification { order: &order, kind: "confirmation" }))?;
        Ok(Confirmation { notification: service::notification_id(&answer), order })
    }
}
