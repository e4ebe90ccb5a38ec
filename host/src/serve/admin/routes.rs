//! The one table of routes: from it come the router, the words in the book, and the document.
//!
//! Takes: nothing. Gives: [`Route`]s. May name: admin, serve.

use super::{audit, budgets, calls, keys, look, switches, tokens, unknown};
use crate::admin::Door;
use axum::routing::{MethodRouter, delete, get, post};

/// One route.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// How the book calls a request; also its name in the document.
    pub(super) action: &'static str,
    pub(super) summary: &'static str,
    /// The schemas of the body, if there is one, and of the answer.
    pub(super) body: Option<&'static str>,
    pub(super) answer: &'static str,
    pub(super) takes: Takes,
    pub(super) handler: MethodRouter<Door>,
}

/// What a request needs or may have besides path and body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing.
    Nothing,
    /// Where a page begins, and how long it is.
    Page,
    /// An idempotency key; what is made is answered with 201.
    Once,
}

fn reads(
    path: &'static str,
    action: &'static str,
    answer: &'static str,
    summary: &'static str,
    handler: MethodRouter<Door>,
) -> Route {
    Route { method: "get", path, action, summary, body: None, answer, takes: Takes::Nothing, handler }
}

fn changes(
    path: &'static str,
    action: &'static str,
    (body, answer): (&'static str, &'static str),
    summary: &'static str,
    handler: MethodRouter<Door>,
) -> Route {
    Route { method: "post", path, action, summary, body: Some(body), answer, takes: Takes::Nothing, handler }
}

/// Every route.
pub(super) fn all() -> Vec<Route> {
    let mut all = of_host();
    all.extend(of_tenant());
    all
}

fn of_host() -> Vec<Route> {
    vec![
        reads("/admin/openapi.json", "admin.openapi", "OpenApi", "This document", get(look::document)),
        reads("/admin/v1/self", "admin.self", "Self", "Who asks, and what his role is", get(look::oneself)),
        reads("/admin/v1/health", "admin.health", "Health", "How the host is", get(look::health)),
        reads("/admin/v1/tenants", "admin.tenant.list", "Tenants", "The tenants", get(look::tenants)),
        reads("/admin/v1/tools", "admin.tool.list", "Tools", "The installed tools", get(look::tools)),
        reads(
            "/admin/v1/calls",
            "admin.call.list",
            "Calls",
            "The calls that run in this process",
            get(calls::list),
        ),
        reads(
            "/admin/v1/unknown",
            "admin.unknown.list",
            "Unknown",
            "Writes whose outcome nobody knows",
            get(unknown::list),
        ),
        reads(
            "/admin/v1/switches",
            "admin.switch.list",
            "Switches",
            "What is stopped or frozen",
            get(switches::list),
        ),
        changes(
            "/admin/v1/switches",
            "admin.switch.on",
            ("SwitchOfHost", "Switched"),
            "Stops or freezes the host, a tenant, an actor, a tool or a component",
            post(switches::switch),
        ),
        changes(
            "/admin/v1/switches/lift",
            "admin.switch.off",
            ("LiftOfHost", "Lifted"),
            "Lets what was stopped or frozen go on",
            post(switches::lift),
        ),
        reads(
            "/admin/v1/tokens",
            "admin.token.list",
            "Revoked",
            "The tokens that are revoked",
            get(tokens::list),
        ),
        changes(
            "/admin/v1/tokens/revoke",
            "admin.token.revoke",
            ("RevokeTokens", "TokensRevoked"),
            "Revokes access tokens of an issuer",
            post(tokens::revoke),
        ),
        changes(
            "/admin/v1/tokens/restore",
            "admin.token.restore",
            ("RestoreTokens", "TokensRestored"),
            "Takes a revocation back",
            post(tokens::restore),
        ),
        Route {
            takes: Takes::Page,
            ..reads(
                "/admin/v1/audit",
                "admin.audit.read",
                "Entries",
                "Entries of the audit log, of all tenants and of the host",
                get(audit::entries),
            )
        },
        reads(
            "/admin/v1/audit/checkpoint",
            "admin.audit.checkpoint",
            "Checkpoint",
            "The newest signed head of the log (C2SP)",
            get(audit::checkpoint),
        ),
        reads(
            "/admin/v1/audit/verify",
            "admin.audit.verify",
            "Verified",
            "Verifies the whole log; it reads every entry",
            get(audit::verify),
        ),
    ]
}

fn of_tenant() -> Vec<Route> {
    vec![
        reads(
            "/admin/v1/tenants/{tenant}",
            "admin.tenant.show",
            "Tenant",
            "What there is of it",
            get(look::tenant),
        ),
        reads("/admin/v1/tenants/{tenant}/keys", "admin.key.list", "Keys", "Its API keys", get(keys::list)),
        Route {
            takes: Takes::Once,
            ..changes(
                "/admin/v1/tenants/{tenant}/keys",
                "admin.key.create",
                ("NewKey", "MadeKey"),
                "Makes a key; its text is in this answer and nowhere else",
                post(keys::create),
            )
        },
        Route {
            takes: Takes::Once,
            ..changes(
                "/admin/v1/tenants/{tenant}/keys/{key}/rotate",
                "admin.key.rotate",
                ("Grace", "MadeKey"),
                "Makes a key in the place of one, which goes on for a while",
                post(keys::rotate),
            )
        },
        Route {
            method: "delete",
            body: None,
            ..changes(
                "/admin/v1/tenants/{tenant}/keys/{key}",
                "admin.key.revoke",
                ("", "KeyRevoked"),
                "Ends a key",
                delete(keys::revoke),
            )
        },
        reads("/admin/v1/tenants/{tenant}/usage", "admin.usage", "Usage", "Its budgets", get(budgets::usage)),
        changes(
            "/admin/v1/tenants/{tenant}/budgets/raise",
            "admin.budget.raise",
            ("Raise", "Raised"),
            "Raises a budget until a time",
            post(budgets::raise),
        ),
        changes(
            "/admin/v1/tenants/{tenant}/budgets/lower",
            "admin.budget.lower",
            ("Lower", "Lowered"),
            "Ends a raise before its time",
            post(budgets::lower),
        ),
        reads(
            "/admin/v1/tenants/{tenant}/calls",
            "admin.call.list",
            "Calls",
            "Its calls that run in this process",
            get(calls::list_of_tenant),
        ),
        changes(
            "/admin/v1/tenants/{tenant}/calls/{call}/stop",
            "admin.call.stop",
            ("StopCall", "CallStopped"),
            "Breaks off one call that runs",
            post(calls::stop),
        ),
        reads(
            "/admin/v1/tenants/{tenant}/switches",
            "admin.switch.list",
            "Switches",
            "Its switches, and those of its actors",
            get(switches::list_of_tenant),
        ),
        changes(
            "/admin/v1/tenants/{tenant}/switches",
            "admin.switch.on",
            ("SwitchOfTenant", "Switched"),
            "Stops or freezes it, or one of its actors",
            post(switches::switch_of_tenant),
        ),
        changes(
            "/admin/v1/tenants/{tenant}/switches/lift",
            "admin.switch.off",
            ("LiftOfTenant", "Lifted"),
            "Lets it, or one of its actors, go on",
            post(switches::lift_of_tenant),
        ),
        reads(
            "/admin/v1/tenants/{tenant}/unknown",
            "admin.unknown.list",
            "Unknown",
            "Its writes whose outcome nobody knows",
            get(unknown::list_of_tenant),
        ),
        changes(
            "/admin/v1/tenants/{tenant}/unknown/{call}/settle",
            "admin.unknown.settle",
            ("Settle", "Settled"),
            "Says what became of such a write",
            post(unknown::settle),
        ),
        Route {
            takes: Takes::Page,
            ..reads(
                "/admin/v1/tenants/{tenant}/audit",
                "admin.audit.read",
                "Entries",
                "Its entries of the audit log",
                get(audit::entries_of_tenant),
            )
        },
    ]
}
