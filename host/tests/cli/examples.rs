//! The demo and the examples for embedders run as their own words say.

use super::house::component;
use assert_cmd::Command;
use std::path::PathBuf;

fn example(name: &str) -> Command {
    let program = std::env::current_exe().unwrap();
    let built: PathBuf = program.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(built.exists(), "{}: `cargo test` builds it", built.display());
    Command::new(built)
}

#[test]
fn a_host_is_embedded_in_a_few_lines() {
    let echo = component("echo");
    let arguments = [echo.to_str().unwrap(), "echo.echo-u8", r#"{"value":7}"#];
    let output = example("embed").args(arguments).assert().success().get_output().stdout.clone();
    let text = String::from_utf8(output).unwrap();
    assert!(text.contains("echo.echo-u8 (Write)") || text.contains("echo.echo-u8 (Read)"), "{text}");
    assert!(text.contains("ok 7"), "{text}");
    example("embed").assert().code(2);
    let lines = include_str!("../../examples/embed.rs").lines().count();
    assert!(lines < 60, "it is meant to be read at a glance: {lines} lines");
}

#[test]
fn an_agents_loop_decides_between_the_steps() {
    let folder = component("prober").parent().unwrap().to_owned();
    let output = example("agent_loop").arg(folder).assert().success().get_output().stdout.clone();
    let text = String::from_utf8(output).unwrap();
    for line in ["executed ok", "denied policy_denied", "call prober.kv-set", "call prober.random"] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn the_demo_checks_itself() {
    let folder = component("orders").parent().unwrap().to_owned();
    let mut demo = Command::cargo_bin("strongroom").unwrap();
    let told = demo.args(["demo", "--format", "json", "--components"]).arg(folder).assert().success();
    let told: serde_json::Value = serde_json::from_slice(&told.get_output().stdout).unwrap();
    assert_eq!(told["ok"], true);
    assert_eq!(told["schema_version"], 1);
    let reasons: Vec<_> =
        told["steps"].as_array().unwrap().iter().map(|s| s["reason_code"].as_str().unwrap()).collect();
    for reason in
        ["ok", "policy_denied", "tenant_missing", "fuel_exhausted", "tenant_budget_exceeded", "killed"]
    {
        assert!(reasons.contains(&reason), "{reason} in {reasons:?}");
    }
}
