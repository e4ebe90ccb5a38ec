//! What the files may say, and what people read when they say something else.
//! May name: id, reason, authorize.

use super::*;
use crate::id::TenantId;
use crate::reason::Reason;
use crate::storage::ledger::{BudgetMode, Of, Per};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use std::fmt::Write;

/// A fault as the command line prints it, without colours.
pub(crate) fn printed(fault: &dyn Diagnostic) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(110);
    let mut text = String::new();
    handler.render_report(&mut text, fault).unwrap();
    text
}

/// All the faults of some texts, one after the other.
fn all_printed<T>(texts: &[&str], parse: impl Fn(&str) -> Result<T, ConfigError>) -> String {
    texts.iter().fold(String::new(), |mut all, text| {
        let Err(fault) = parse(text) else { panic!("this is no fault:\n{text}") };
        writeln!(all, "{}", printed(&fault)).unwrap();
        all
    })
}

fn manifest(text: &str) -> Result<Manifest, ConfigError> {
    Manifest::parse("orders.tool.toml", text)
}

fn tenant(text: &str) -> Result<Tenant, ConfigError> {
    Tenant::parse(TenantId::new("acme").unwrap(), "tenants/acme.toml", text)
}

const MANIFEST: &str = r#"
name = "orders"
version = "0.1.0"
description = "Orders of a shop."
[functions.update-status]
effect = "write"
[functions.list]
effect = "read"
[functions."admin.list"]
effect = "read"
[needs.http.api]
methods = ["GET", "PATCH"]
paths = ["/orders", "/orders/*", "/files/**"]
[needs.dir.workspace]
mode = "rw"
[needs.keyvalue.cart]
[needs.config]
keys = ["currency"]
[limits]
fuel = 500_000_000
memory = "32MiB"
deadline_ms = 5000
"#;

#[test]
fn a_manifest_is_read_as_written() {
    let manifest = manifest(MANIFEST).unwrap();
    assert_eq!(manifest.name.as_str(), "orders");
    assert_eq!(manifest.effect("list"), Effect::Read);
    assert_eq!(manifest.effect("admin.list"), Effect::Read);
    assert_eq!(manifest.effect("update-status"), Effect::Write);
    assert_eq!(manifest.effect("not-there"), Effect::Write);
    assert_eq!(manifest.needs.http["api"].methods.len(), 2);
    assert_eq!(manifest.needs.dir["workspace"].mode, Mode::ReadWrite);
    assert_eq!(manifest.needs.keyvalue["cart"].mode, Mode::ReadOnly);
    assert_eq!(manifest.limits.memory, Some(32 << 20));
    let json = serde_json::to_value(&manifest).unwrap();
    assert_eq!(json["needs"]["http"]["api"]["paths"][1], "/orders/*");
}

#[test]
fn faults_of_a_manifest_show_the_line_and_what_to_write() {
    let head = "name = \"orders\"\nversion = \"0.1.0\"\n";
    let with = |rest: &str| format!("{head}{rest}");
    let texts = [
        "name = \"orders\"\nversion = ".to_owned(),
        "version = \"0.1.0\"\n".to_owned(),
        "name = \"Orders\"\nversion = \"0.1.0\"\n".to_owned(),
        "name = \"orders\"\nversion = \"new\"\n".to_owned(),
        with("descripton = \"Orders.\"\n"),
        with("[need.http.api]\n"),
        with("[functions.list]\neffect = \"reads\"\n"),
        with("[functions.list]\neffect = \"read\"\ncache = \"60\"\n"),
        with("[functions.list]\neffect = \"read\"\ncache = 60\n"),
        with("[functions.pay]\neffect = \"write\"\ncache = \"60s\"\n"),
        with("[functions.admin.list]\neffect = \"read\"\n"),
        with("[functions.\"a b\"]\neffect = \"read\"\n"),
        with("[needs.http.API]\nmethods = [\"GET\"]\npaths = [\"/\"]\n"),
        with("[needs.http.api]\nmethods = [\"GET\"]\n"),
        with("[needs.http.api]\nmethods = \"GET\"\npaths = [\"/\"]\n"),
        with("[needs.http.api]\nmethods = [\"GET\", \"get\"]\npaths = [\"/\"]\n"),
        with("[needs.http.api]\nmethods = []\npaths = [\"/\"]\n"),
        with("[needs.http.api]\nmethods = [\"GET\"]\npaths = [\"/orders/*.json\"]\n"),
        with("[needs.http.api]\nmethods = [\"GET\"]\npaths = [\"/\", \"/a/../b\"]\n"),
        with("[needs.http.api]\nmethods = [\"GET\"]\npaths = [\n  \"/a\",\n  \"/b\",\n  \"/a\",\n]\n"),
        with("[needs.http.api]\nmethods = [\"GET\", 1]\npaths = [\"/\"]\n"),
        with("[needs.dir.workspace]\nmode = \"write\"\n"),
        with("[limits]\nmemory = 64\n"),
        with("[limits]\nmemory = \"64MB\"\n"),
        with("[limits]\nmemory = \"64GiB\"\n"),
        with("[limits]\nfuel = \"much\"\n"),
        with("[limits]\nfuel = -1\n"),
        with("[limits]\ndeadline_ms = 0\n"),
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    insta::assert_snapshot!(all_printed(&texts, manifest));
    assert_eq!(manifest("x").unwrap_err().reason(), Reason::ManifestInvalid);
}

#[test]
fn a_strangers_manifest_does_not_steer_the_terminal_that_shows_its_faults() {
    for text in [
        "name = \"\u{1b}[2J\"",
        "# \u{202e} turned\nname = 1",
        "\"\\u001b[2J\\u202e\" = 1",
        "name = \"\\u001b[2J\"\nversion = \"\"",
        "name = \"a\"\nversion = \"1.0.0\"\n[functions.\"\\u009b\"]\neffect = \"\\u0007\"",
    ] {
        let fault = manifest(text).unwrap_err();
        let all = format!("{} {fault} {fault:?} {}", printed(&fault), fault.fix());
        let steers = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{2069}').contains(&c);
        assert!(!all.contains(steers), "{all:?}");
    }
}

#[test]
fn a_file_has_bounds() {
    assert!(manifest(&format!("{MANIFEST}#{}", "x".repeat(MAX_FILE_BYTES))).is_err());
    assert!(manifest(&format!("x = {}", "[".repeat(50_000))).is_err());
    let paths: Vec<String> = (0..65).map(|n| format!("\"/{n}\"")).collect();
    let many = format!("{MANIFEST}\n[needs.http.b]\nmethods = [\"GET\"]\npaths = [{}]", paths.join(","));
    assert!(manifest(&many).unwrap_err().to_string().contains("longer than 64"));
    let many: String = (0..257).map(|n| format!("[needs.dir.d{n}]\n")).collect();
    let fault = manifest(&format!("name = \"a\"\nversion = \"1.0.0\"\n{many}")).unwrap_err();
    assert!(fault.to_string().contains("more than 256 needs"), "{fault}");
}

const TENANT: &str = r#"
suspended = false
[tools]
allow = ["orders", "files.read"]
block = ["orders.delete"]
[roles.agent]
tools = ["orders"]
[roles.reader]
tools = ["*"]
effects = ["read"]
[limits]
fuel = 1_000_000_000
memory = "64MiB"
deadline_ms = 10_000
[rate]
per_second = 50
burst = 100
[[budgets]]
of = "calls"
per = "minute"
limit = 1000
[[budgets]]
of = "fuel"
per = "total"
limit = 0
[grants.orders.http.api]
origin = "http://127.0.0.1:8080"
credential = "acme-orders"
allow_private = true
methods = ["GET"]
[grants.orders.http.notify]
origins = ["https://a.example.com", "https://*.b.example.com"]
[grants.files.dir.workspace]
path = "data/acme"
[grants.orders.keyvalue.cart]
bucket = "cart"
mode = "rw"
[grants.orders.config]
values = { currency = "EUR" }
"#;

#[test]
fn a_tenant_is_read_as_written() {
    let tenant = tenant(TENANT).unwrap();
    let roles = tenant.roles.as_ref().unwrap();
    assert_eq!(roles["agent"].effects, [Effect::Read, Effect::Write]);
    assert_eq!(roles["reader"].effects, [Effect::Read]);
    assert_eq!(tenant.rate, Some(Rate { per_second: 50, burst: 100 }));
    let BudgetRule { of, per, limit, actor, tool, mode } = tenant.budgets[0].clone();
    assert_eq!(
        (of, per, limit, actor, tool, mode),
        (Of::Calls, Per::Minute, 1000, None, None, BudgetMode::Hard)
    );
    let orders = &tenant.grants["orders"];
    assert_eq!(orders.http["api"].credential.as_ref().unwrap().as_str(), "acme-orders");
    assert_eq!(orders.http["notify"].origins.len(), 2);
    assert!(!orders.http["notify"].allow_private);
    assert_eq!(tenant.grants["files"].dir["workspace"].mode, Mode::ReadOnly);
    assert_eq!(orders.config.values["currency"], "EUR");
}

#[test]
fn an_empty_tenant_allows_and_grants_nothing() {
    let tenant = tenant("").unwrap();
    assert!(tenant.tools.allow.is_empty() && tenant.grants.is_empty() && tenant.roles.is_none());
    assert_eq!(tenant.limits, PartialLimits::default());
}

#[test]
fn faults_of_a_tenant_show_the_line_and_what_to_write() {
    let texts = [
        "[tools]\nalow = [\"orders\"]\n",
        "[tools]\nallow = \"orders\"\n",
        "[tools]\nallow = [\"orders.*\"]\n",
        "[tools]\nallow = [\"orders\", \"orders\"]\n",
        "suspended = \"no\"\n",
        "[roles.agent]\neffects = [\"read\"]\n",
        "[roles.\"Agent Smith\"]\ntools = [\"orders\"]\n",
        "[rate]\nper_second = 0\n",
        "[[budgets]]\nof = \"money\"\nper = \"day\"\nlimit = 1\n",
        "[[budgets]]\nof = \"calls\"\nper = \"day\"\nlimit = 1\n\n[[budgets]]\nof = \"calls\"\nper = \"day\"\nlimit = 2\n",
        "[grants.orders.http.api]\n",
        "[grants.orders.http.api]\norigin = \"https://a.example\"\norigins = [\"https://b.example\"]\n",
        "[grants.orders.http.api]\norigin = \"api.example.com\"\n",
        "[grants.orders.http.api]\norigin = \"https://api.example.com/v1\"\n",
        "[grants.orders.http.api]\norigins = [\"https://a.example\", \"https://*.com\"]\n",
        "[grants.orders.http.api]\norigin = \"https://me:secret@api.example.com\"\n",
        "[grants.orders.http.api]\norigin = \"https://a.example\"\npaths = [\"orders\"]\n",
        "[grants.orders.http.api]\norigin = \"https://a.example\"\ncredental = \"x\"\n",
        "[grants.orders.files.data]\npath = \"data\"\n",
        "[grants.files.dir.workspace]\npath = \"../other\"\n",
        "[grants.files.dir.workspace]\npath = \".\"\n",
        "[grants.files.dir.workspace]\npath = \"tenants\"\n",
        "[grants.orders.config]\nvalues = { currency = 1 }\n",
    ];
    insta::assert_snapshot!(all_printed(&texts, tenant));
    assert_eq!(tenant("x").unwrap_err().reason(), Reason::ConfigInvalid);
}

#[test]
fn every_setting_of_the_host_has_a_default() {
    let empty = HostConfig::parse("strongroom.toml", "").unwrap();
    assert_eq!(empty, HostConfig::default());
    assert_eq!(empty.listen.to_string(), "127.0.0.1:8787");
    let text = "listen = \"[::1]:9000\"\n[audit]\nmode = \"buffered\"\nkeep = \"8w\"\n[engine]\nmax_memory = \"32MiB\"\n\
                max_component = \"64MiB\"\nmax_concurrent_calls = 8\n[limits]\nfuel = 5\n[http]\nmax_request_body = \"2MiB\"\n";
    let config = HostConfig::parse("strongroom.toml", text).unwrap();
    assert_eq!((config.audit, config.audit_keep_ms), (AuditMode::Buffered, Some(56 * 86_400_000)));
    // The default of 64 MiB gives way to what the engine can give.
    let limits =
        Limits { fuel: 5, memory: 32 << 20, deadline_ms: 10_000, egress: 16 << 20, stored: 64 << 20 };
    assert_eq!(config.limits, limits);
    assert_eq!((config.engine.max_component, config.max_request_body), (64 << 20, 2 << 20));
}

#[test]
fn faults_of_the_host_show_the_line_and_what_to_write() {
    let texts = [
        "listen = \"localhost\"\n",
        "listen = 8787\n",
        "[audit]\nmode = \"fast\"\n",
        "[audit]\nkeep = \"0d\"\n",
        "[audit]\nkeep = \"12h\"\n",
        "[engine]\nmax_concurrent_calls = 0\n",
        "[engine]\nmax_component = \"1GiB\"\n",
        "[limits]\nmemory = \"128MiB\"\n",
        "[server]\nport = 1\n",
    ];
    insta::assert_snapshot!(all_printed(&texts, |text| HostConfig::parse("strongroom.toml", text)));
}

const CANARY: &str = "canary-5f2b";

fn credentials(text: &str) -> Result<Credentials, ConfigError> {
    Credentials::parse("credentials.toml", text)
}

#[test]
fn credentials_are_read_and_print_nothing() {
    let text = format!(
        "[acme-orders]\ntenant = \"acme\"\norigins = [\"https://*.example.com\"]\nvalue = \"Bearer {CANARY}\"\n\
         [b]\ntenant = \"acme\"\norigins = [\"https://b.example\"]\nheader = \"X-Api-Key\"\nvalue = '{CANARY}'\n"
    );
    let all = credentials(&text).unwrap();
    let acme = all.get(&CredentialHandle::new("acme-orders").unwrap()).unwrap();
    assert_eq!((acme.injection.name(), acme.value.expose()), ("authorization", "Bearer canary-5f2b"));
    let place = all.get(&CredentialHandle::new("b").unwrap()).unwrap().injection.to_string();
    assert_eq!((place.as_str(), all.iter().count()), ("header x-api-key", 2));
    assert!(!format!("{all:?}").contains("canary"));
}

#[test]
fn faults_of_credentials_quote_nothing_of_the_file() {
    let entry = |lines: &str| format!("[a]\ntenant = \"acme\"\norigins = [\"https://a.example\"]\n{lines}\n");
    let texts = [
        format!("value = \"{CANARY}\"\n"),
        format!("[a]\nvalue = {CANARY}\n"),
        format!("[a]\nvalue = \"{CANARY}\n"),
        format!("[\"{CANARY} \"]\n"),
        format!("[[{CANARY}]]\n"),
        entry(""),
        entry(&format!("value = [\"{CANARY}\"]")),
        entry(&format!("value = \"{CANARY}\\n\"")),
        entry(&format!("token = \"{CANARY}\"")),
        entry(&format!("{CANARY} = \"x\"")),
        entry(&format!("header = \"{CANARY}: \"")),
        entry("header = \"Host\""),
        format!("[a]\ntenant = \"{CANARY}!\"\n"),
        format!("[a]\norigins = \"https://{CANARY}\"\n"),
        format!("[a]\norigins = [\"https://{CANARY}/\"]\n"),
        format!("[a]\norigins = [1]\nvalue = \"{CANARY}\"\n"),
        "[a]\norigins = []\n".to_owned(),
        entry(&format!("value = \"{CANARY}\"\nenv = \"X\"")),
        entry(&format!("sealed = \"{CANARY}\"\nvalue = \"x\"")),
        entry(&format!("query = \"{CANARY}\"\nbasic = \"x\"\nvalue = \"x\"")),
        entry(&format!("query = \"{CANARY}&\"")),
        entry(&format!("basic = \"{CANARY}:\"")),
        entry(&format!("basic = \"x\"\nvalue = \"{CANARY}\\n\"")),
        entry(&format!("env = \"{CANARY}\"")),
        entry("env = \"STRONGROOM_OPERATOR_KEY\""),
        entry("env = \"NOT_SET\""),
        entry(&format!("sealed = \"{CANARY}\"")),
        entry(&format!("value = \"x\"\nchanged = \"{CANARY}\"")),
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let printed = all_printed(&texts, credentials);
    assert!(!printed.contains("canary"), "{printed}");
    for text in &texts {
        let fault = credentials(text).unwrap_err();
        assert!(!format!("{fault:?} {fault}").contains("canary"));
    }
    insta::assert_snapshot!(printed);
}

#[test]
fn quotas_are_read_as_written_and_faults_show_the_line() {
    let text =
        "[storage]\nkeyvalue = { bytes = \"16MiB\", entries = 10_000 }\n[storage.cache]\nentries = 0\n";
    let rules = tenant(text).unwrap().storage;
    assert_eq!(rules.keyvalue, QuotaRule { bytes: Some(16 << 20), entries: Some(10_000) });
    assert_eq!((rules.memory, rules.cache.entries), (QuotaRule::default(), Some(0)));
    let host = HostConfig::parse("strongroom.toml", "[storage.memory]\nbytes = \"1TiB\"\n");
    assert!(host.unwrap_err().to_string().contains("strongroom.toml:2"));
    let host = HostConfig::parse("strongroom.toml", "[storage.memory]\nbytes = \"1024GiB\"\n").unwrap();
    assert_eq!(host.storage.memory.bytes, Some(MAX_QUOTA_BYTES));
    for (text, line, what) in [
        ("[storage]\n\nkeyvalue = { bytes = 16 }", 3, "16"),
        ("[storage.memory]\nbytes = \"1025GiB\"", 2, "write a size from 0B to 1024GiB"),
        ("[storage.memory]\nentries = -1", 2, "write a whole number from 0 to 1000000000"),
        ("[storage.memory]\nentries = 1_000_000_001", 2, "1000000001 is out of range"),
        ("[storage]\nkeyvalues = {}", 2, "keyvalues"),
        ("[storage]\nkeyvalue = { size = \"1MiB\" }", 2, "size"),
        ("[storage]\nkeyvalue = \"16MiB\"", 2, ""),
    ] {
        let fault = tenant(text).unwrap_err();
        assert_eq!(fault.line(), Some(line), "{text}: {fault}");
        assert!(printed(&fault).contains(what), "{text}: {}", printed(&fault));
    }
}

#[test]
fn concurrency_is_read_as_written_and_faults_show_the_line() {
    let text = "priority = \"low\"\n[concurrency]\ncalls = 20\n[concurrency.tools]\norders = 2\n";
    let read = tenant(text).unwrap();
    assert_eq!((read.priority, read.concurrency.calls), (Priority::Low, Some(20)));
    assert_eq!(read.concurrency.tools["orders"], 2);
    assert_eq!(
        (tenant("").unwrap().priority, tenant("").unwrap().concurrency.calls),
        (Priority::Normal, None)
    );
    let text = "[concurrency]\ncalls = 100\n[queue]\nlength = 0\nlongest_wait_ms = 50\n";
    let host = HostConfig::parse("strongroom.toml", text).unwrap();
    assert_eq!((host.calls_at_once, host.queue), (Some(100), QueueRules { length: 0, longest_wait_ms: 50 }));
    for (text, line, what) in [
        ("priority = \"urgent\"", 1, "`high`, `normal`, `low`"),
        ("[concurrency]\ncalls = 0", 2, "write a whole number from 1 to 10000"),
        ("[concurrency]\ncall = 1", 2, "did you mean `calls`?"),
        ("[concurrency.tools]\norders = 10_001", 2, "10001 is out of range"),
        ("[concurrency.tools]\n\"no tool\" = 1", 2, "no tool"),
        ("[concurrency]\ntools = [\"orders\"]", 2, ""),
    ] {
        let fault = tenant(text).unwrap_err();
        assert_eq!(fault.line(), Some(line), "{text}: {fault}");
        assert!(printed(&fault).contains(what), "{text}: {}", printed(&fault));
    }
    for (text, what) in [
        ("[queue]\nlength = 4_097", "write a whole number from 0 to 4096"),
        ("[queue]\nlongest_wait_ms = 0", "write a whole number from 1 to 60000"),
        ("[queue]\nwait = 5", "unknown key `wait`"),
        ("[concurrency.tools]\norders = 2", "unknown key `tools`"),
    ] {
        let fault = HostConfig::parse("strongroom.toml", text).unwrap_err();
        assert!(printed(&fault).contains(what), "{text}: {}", printed(&fault));
    }
}
