//! The story as data: what happens, step by step, and what must come of it.
//!
//! Takes: nothing. Gives: [`story`], a list of [`Step`]s. May name: nothing.

use super::Who;
use std::fmt;
use strongroom::reason::{Outcome, Reason};

/// One step.
pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) by: Who,
    pub(super) act: Act,
    pub(super) expect: Expect,
}

/// What is done.
pub(super) enum Act {
    /// A call through the library.
    Call(Call),
    /// The same call over HTTP, with a query and headers of the client's own choice.
    Http { call: Call, query: &'static str, headers: &'static [(&'static str, &'static str)] },
    /// The operator stops a tool.
    Kill(&'static str),
    /// The operator lets it go on.
    Revive(&'static str),
    /// The tenant's budgets in the ledger against the sums of its calls in the book.
    Balance,
    /// A search for every credential in everything that anybody could read.
    Secrets,
}

/// A tool function, its arguments and, for a write, the caller's idempotency key.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub(super) function: &'static str,
    pub(super) arguments: &'static str,
    pub(super) key: Option<&'static str>,
}

/// What must come of it.
pub(super) struct Expect {
    pub(super) reason: Reason,
    pub(super) outcome: Outcome,
    pub(super) answer: Answer,
    /// Changes and messages at acme's service by then. There are none at globex's, ever.
    pub(super) acme: (usize, usize),
}

/// What the answer must be.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    /// Nothing is said about it.
    Any,
    /// The field at this JSON pointer is this text.
    Field(&'static str, &'static str),
    /// The text at this JSON pointer ends in the asterisks that the host leaves in a credential's place.
    Hidden(&'static str),
    /// Byte for byte the answer of the step with this title.
    Of(&'static str),
}

const UPDATE: Call = Call {
    function: "orders.update-status",
    arguments: r##"{"id":"#918","status":"shipped"}"##,
    key: Some("ship-918"),
};
const CONFIRM: Call =
    Call { function: "orders.send-confirmation", arguments: r##"{"id":"#918"}"##, key: Some("confirm-918") };

const fn read(function: &'static str, arguments: &'static str) -> Call {
    Call { function, arguments, key: None }
}

const GET_918: Call = read("orders.get", r##"{"id":"#918"}"##);
const LIST: Call = read("orders.list", "{}");

/// Everything in which a client could claim to be another tenant. None of it says who a caller is.
const CLAIMS: &[(&str, &str)] = &[
    ("x-tenant", "acme"),
    ("x-tenant-id", "acme"),
    ("x-strongroom-tenant", "acme"),
    ("forwarded", "for=acme;host=acme"),
    ("x-forwarded-host", "acme.example.com"),
];

const UPDATED: (usize, usize) = (1, 0);
const BOTH: (usize, usize) = (1, 1);

fn step(title: &'static str, by: Who, act: Act, expect: Expect) -> Step {
    Step { title, by, act, expect }
}

fn call(title: &'static str, by: Who, call: Call, expect: Expect) -> Step {
    step(title, by, Act::Call(call), expect)
}

fn done(answer: Answer) -> Expect {
    Expect { reason: Reason::Ok, outcome: Outcome::Executed, answer, acme: BOTH }
}

fn denied(reason: Reason) -> Expect {
    Expect { reason, outcome: Outcome::Denied, answer: Answer::Any, acme: BOTH }
}

fn failed(reason: Reason, answer: Answer) -> Expect {
    Expect { reason, outcome: Outcome::Failed, answer, acme: BOTH }
}

/// "Update order #918 and send the confirmation", and everything that could go wrong with it.
pub(super) fn story() -> Vec<Step> {
    use Answer::{Any, Field, Hidden, Of};
    use Who::{Acme, Globex, Nobody, Operator};
    const FIRST: &str = "order #918 is shipped";
    let over_http = Act::Http { call: GET_918, query: "tenant=acme&tenant_id=acme", headers: CLAIMS };
    let once = Expect { outcome: Outcome::Replayed, ..done(Of(FIRST)) };
    let shipped = Field("/status", "shipped");
    let its_own = Field("/customer", "Grace Hopper");
    vec![
        call(FIRST, Acme, UPDATE, Expect { acme: UPDATED, ..done(shipped) }),
        call("its confirmation is sent", Acme, CONFIRM, done(Field("/order", "918"))),
        call("the same again: one effect", Acme, UPDATE, once),
        call("globex asks for #918: its own", Globex, GET_918, done(its_own)),
        call(
            "globex asks for acme's #919",
            Globex,
            read("orders.get", r##"{"id":"#919"}"##),
            failed(Reason::ToolError, Field("/tag", "not-found")),
        ),
        call(
            "acme's id in the arguments",
            Globex,
            read("orders.get", r##"{"id":"#918","tenant_id":"acme"}"##),
            denied(Reason::ArgumentsInvalid),
        ),
        step("acme's id in HTTP headers", Globex, over_http, done(its_own)),
        call(
            "the service leaks its token",
            Acme,
            read("orders.get", r##"{"id":"920"}"##),
            done(Hidden("/items/0/product")),
        ),
        call(
            "a tool outside the allowlist",
            Acme,
            read("files.read", r#"{"path":"notes.txt"}"#),
            denied(Reason::PolicyDenied),
        ),
        call("no key", Nobody, GET_918, denied(Reason::TenantMissing)),
        call("an endless loop", Acme, read("spin.spin", "{}"), failed(Reason::FuelExhausted, Any)),
        call("the last call of a budget", Globex, LIST, done(Field("/0/customer", "Grace Hopper"))),
        call("the budget is used up", Globex, LIST, denied(Reason::BudgetExceeded)),
        call("the other tenant goes on", Acme, GET_918, done(shipped)),
        step("the kill switch", Operator, Act::Kill("orders"), done(Any)),
        call("the tool is stopped", Acme, GET_918, denied(Reason::Killed)),
        step("the switch is lifted", Operator, Act::Revive("orders"), done(Any)),
        call("the tool goes on", Acme, GET_918, done(shipped)),
        step("the ledger equals the book", Acme, Act::Balance, done(Any)),
        step("the ledger equals the book", Globex, Act::Balance, done(Any)),
        step("no credential anywhere", Operator, Act::Secrets, done(Any)),
    ]
}

impl Act {
    /// Whether it calls a function that writes.
    pub(super) fn writes(&self) -> bool {
        matches!(self, Self::Call(call) | Self::Http { call, .. } if call.key.is_some())
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(call) => f.write_str(call.function),
            Self::Http { call, .. } => write!(f, "POST /v1/tools/{}", call.function),
            Self::Kill(tool) => write!(f, "kill tool {tool}"),
            Self::Revive(tool) => write!(f, "revive tool {tool}"),
            Self::Balance => f.write_str("budgets"),
            Self::Secrets => f.write_str("search"),
        }
    }
}
