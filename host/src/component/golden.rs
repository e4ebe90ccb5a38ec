//! From WIT with doc comments to the schemas that callers see, as one snapshot.
//!
//! Takes: a component made from WIT. Gives: tests. May name: component.

use super::{DocsSource, Limits, read, samples};
use serde_json::json;

const WIT: &str = r#"
package acme:shop@1.2.0;

/// What an order is.
interface types {
    /// Where an order stands.
    enum status {
        /// Paid, not yet sent.
        open,
        /// On its way.
        shipped,
        cancelled,
    }

    /// One line of an order.
    record line {
        /// Number of the article.
        sku: string,
        count: u32,
        /// Price of one, in the tenant's currency.
        price: f64,
        weight: option<f32>,
    }

    /// How it is paid.
    variant payment {
        /// In cash, at the door.
        cash,
        /// By card.
        card(card),
        voucher(list<u8>),
    }

    record card {
        last-four: tuple<u8, u8, u8, u8>,
    }

    /// What the customer may be asked.
    flags consent {
        /// By e-mail.
        mail,
        phone,
    }

    record order {
        /// Its number, counted from one.
        id: u64,
        /// The current status.
        status: status,
        lines: list<line>,
        payment: payment,
        consent: consent,
        /// A note of the customer.
        note: option<string>,
        placed: option<s64>,
        override: option<option<bool>>,
    }

    /// An error as a tool reports it.
    record failure {
        message: string,
        letter: char,
    }
}

interface orders {
    use types.{order, status, failure};

    /// The order's number.
    type order-id = u64;

    /// Sets the status of an order.
    ///
    /// Fails when the order is cancelled.
    update-status: func(id: order-id, status: status, reason: option<string>) -> result<order, failure>;

    /// Forgets everything.
    reset: func() -> result;
    ping: func();
}

world shop {
    export orders;
    /// Says whether it works.
    export healthy: func() -> bool;
}
"#;

#[test]
fn schemas_and_descriptions() {
    let component = samples::of_wit(WIT, &[("strongroom:wit", WIT.as_bytes())]);
    let info = read(&component, &Limits::default()).unwrap();
    assert_eq!((info.docs, info.notes), (DocsSource::Wit, vec![]));
    let functions: Vec<_> = info
        .functions
        .iter()
        .map(|function| {
            json!({
                "name": function.name,
                "interface": function.export.interface,
                "function": function.export.function,
                "description": function.signature.docs(),
                "arguments": function.signature.arguments_schema(),
                "result": function.signature.result_schema(),
            })
        })
        .collect();
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(functions) });
}
