//! The program from outside: what it prints, what it exits with, what it leaves behind.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests; clippy takes only what stands in test functions for that"
)]

#[path = "cli/audit.rs"]
mod audit;
#[path = "cli/budget.rs"]
mod budget;
#[path = "cli/conformance.rs"]
mod conformance;
#[path = "cli/credential.rs"]
mod credential;
#[path = "cli/examples.rs"]
mod examples;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/export.rs"]
mod export;
#[path = "cli/guide.rs"]
mod guide;
#[path = "cli/house.rs"]
mod house;
#[path = "cli/import.rs"]
mod import;
#[path = "cli/imports.rs"]
mod imports;
#[path = "cli/learn.rs"]
mod learn;
#[path = "cli/ledger.rs"]
mod ledger;
#[path = "cli/mcp.rs"]
mod mcp;
#[path = "cli/operator.rs"]
mod operator;
#[path = "cli/policy.rs"]
mod policy;
#[path = "cli/project.rs"]
mod project;
#[path = "cli/reconcile.rs"]
mod reconcile;
#[path = "cli/retention.rs"]
mod retention;
#[path = "cli/review.rs"]
mod review;
#[path = "cli/run.rs"]
mod run;
#[path = "cli/server.rs"]
mod server;
#[path = "cli/stop.rs"]
mod stop;
#[path = "cli/tenant.rs"]
mod tenant;
#[path = "cli/token.rs"]
mod token;
#[path = "cli/upgrade.rs"]
mod upgrade;
#[path = "cli/webhook.rs"]
mod webhook;
#[path = "cli/witness.rs"]
mod witness;
#[path = "cli/witness_server.rs"]
mod witness_server;

/// The texts in `tests/cmd` are documentation that is checked; `TRYCMD=overwrite` writes them anew.
#[test]
fn the_documented_sessions_are_true() {
    let home = tempfile::tempdir().unwrap();
    let cases = trycmd::TestCases::new();
    cases
        .env("STRONGROOM_HOME", home.path().to_str().unwrap())
        .env("NO_COLOR", "1")
        .env("STRONGROOM_KEY", "")
        .env("STRONGROOM_TOKEN", "");
    cases.case("tests/cmd/*.trycmd");
    cases.run();
}
