//! Policies as they are written for wassette, and what becomes of them.
//! May name: id.

use super::*;
use crate::config::{Manifest, Tenant};

fn names() -> (ToolName, TenantId) {
    ("weather".parse().unwrap(), "acme".parse().unwrap())
}

fn import(text: &str) -> Result<Imported, InvalidPolicy> {
    let (tool, tenant) = names();
    import_wassette(text, &tool, &tenant)
}

/// The texts as our own readers read them.
fn read(imported: &Imported) -> (Tenant, Manifest) {
    let tenant = Tenant::parse(names().1, "tenants/acme.toml", &imported.grant).unwrap();
    (tenant, Manifest::parse("weather.tool.toml", &imported.manifest).unwrap())
}

fn shown(imported: &Imported) -> String {
    let Imported { grant, manifest, left_out, notes } = imported;
    format!("{grant}\n---\n{manifest}\n---\n{}\n---\n{}\n", left_out.join("\n"), notes.join("\n"))
}

#[test]
fn policies_become_grants_and_manifests() {
    for (name, text) in [
        ("reader", include_str!("fixtures/reader.yaml")),
        ("weather", include_str!("fixtures/weather.yaml")),
        ("everything", include_str!("fixtures/everything.yaml")),
    ] {
        let imported = import(text).unwrap();
        let (tenant, manifest) = read(&imported);
        // Each need is bound, and nothing is bound that is not needed.
        let empty = crate::config::ToolGrant::default();
        let grant = tenant.grants.get("weather").unwrap_or(&empty);
        assert!(grant.http.keys().eq(manifest.needs.http.keys()), "{name}");
        assert!(grant.dir.keys().eq(manifest.needs.dir.keys()), "{name}");
        assert!(grant.http.values().all(|http| !http.allow_private && http.credential.is_none()), "{name}");
        assert!(tenant.tools.allow.is_empty(), "who may call it stays the operator's");
        insta::assert_snapshot!(format!("wassette_{name}"), shown(&imported));
    }
    let nothing = import("version: \"1.0\"\npermissions: {}\n").unwrap();
    assert_eq!((nothing.grant.as_str(), nothing.left_out.len(), nothing.notes.len()), ("", 0, 0));
    assert!(read(&nothing).1.needs == crate::config::Needs::default());
}

#[test]
fn what_is_not_understood_is_not_taken_over_at_all() {
    for (text, says) in [
        ("permissions: {}\n", "version"),
        ("version: \"2.0\"\npermissions: {}\n", "version \"2.0\""),
        ("version: \"1.0\"\npermissions: {}\nexceptions: []\n", "exceptions"),
        ("version: \"1.0\"\npermissions:\n  devices: {}\n", "devices"),
        (
            "version: \"1.0\"\npermissions:\n  network:\n    allow:\n    - host: a.example\n      ports: [1]\n",
            "ports",
        ),
        ("version: \"1.0\"\npermissions:\n  network:\n    block:\n    - host: a.example\n", "block"),
        (
            "version: \"1.0\"\npermissions:\n  storage:\n    allow:\n    - uri: fs://a/**\n      access: [execute]\n",
            "execute",
        ),
        ("version: \"1.0\"\npermissions:\n  storage:\n    allow:\n    - uri: fs://a/**\n", "access"),
        ("version: \"1.0\"\npermissions:\n  resources:\n    memory: lots\n", "lots"),
        ("version: \"1.0\"\nversion: \"1.0\"\npermissions: {}\n", "duplicate"),
        ("version: [\n", "cannot be read"),
        ("version: \"1.0\"\n---\nversion: \"1.0\"\n", "more than one document"),
    ] {
        let message = import(text).unwrap_err().to_string();
        assert!(message.contains(says) && !message.contains('\n'), "{text}: {message}");
    }
    assert!(matches!(import(&" ".repeat(MAX_FILE_BYTES + 1)), Err(InvalidPolicy::TooLong)));
    // Anchors that would grow without end.
    let mut bomb =
        String::from("version: \"1.0\"\npermissions:\n  runtime:\n    a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n");
    for (this, last) in ('b'..='i').zip('a'..='h') {
        bomb.push_str(&format!("    {this}: &{this} [{}]\n", vec![format!("*{last}"); 9].join(", ")));
    }
    assert!(import(&bomb).is_err());
}

#[test]
fn a_denial_that_touches_an_allowance_takes_it_away() {
    let network = |allow: &str, deny: &str| {
        let text = format!(
            "version: \"1.0\"\npermissions:\n  network:\n    allow:\n    - {allow}\n    deny:\n    - {deny}\n"
        );
        read(&import(&text).unwrap()).1.needs.http.len()
    };
    for (allow, deny, taken) in [
        ("host: a.example.com", "host: b.example.com", 1),
        ("host: a.example.com", "host: A.example.com", 0),
        ("host: a.example.com", "host: 'http://a.example.com:80/'", 0),
        ("host: a.example.com", "host: '*.example.com'", 0),
        ("host: a.example.com", "host: '*.ample.com'", 1),
        ("host: '*.example.com'", "host: a.example.com", 0),
        ("host: '*.example.com'", "host: '*.a.example.com'", 0),
        ("host: '*.a.example.com'", "host: '*.example.com'", 0),
        ("host: '*.example.com'", "host: example.org", 1),
        ("host: a.example.com", "cidr: 192.168.0.0/16", 1),
        ("host: a.example.com", "cidr: 192.168.0.0/8", 0),
        ("host: a.example.com", "cidr: 203.0.113.0/24", 0),
        ("host: a.example.com", "cidr: nonsense", 0),
        ("host: a.example.com", "host: 'https://user@b.example.com'", 0),
        ("host: a.example.com", "host: '*.com'", 0),
        ("host: 'ä.example.com'", "host: xn--4ca.example.com", 0),
        ("host: 8.8.8.8", "host: '0x08080808'", 0),
        ("host: a.example.com", "defaults: true", 0),
    ] {
        assert_eq!(network(allow, deny), taken, "{allow} without {deny}");
    }
    let storage = |allow: &str, deny: &str| {
        let text = format!(
            "version: \"1.0\"\npermissions:\n  storage:\n    allow:\n    - uri: '{allow}'\n      access: [read]\n    \
             deny:\n    - uri: '{deny}'\n      access: [write]\n"
        );
        read(&import(&text).unwrap()).1.needs.dir.len()
    };
    for (allow, deny, taken) in [
        ("fs://a/b/**", "fs://a/c/**", 1),
        ("fs://a/b/**", "fs://a/bc/**", 1),
        ("fs://a/b/**", "fs://a/**", 0),
        ("fs://a/b/**", "fs://a/b/secret.txt", 0),
        ("fs://a/b", "fs://a/b", 0),
        ("fs://a/b/**", "fs://a/*/secret", 0),
        ("fs://a/b/**", "fs://**", 0),
        ("fs://a/b/**", "fs://./A//B/x", 0),
        ("fs://a/b/**", "fs://x/../a", 0),
        ("fs://a/b/**", "file:///x", 0),
    ] {
        assert_eq!(storage(allow, deny), taken, "{allow} without {deny}");
    }
}

#[test]
fn sizes_never_grow() {
    for (memory, bytes) in [
        ("memory: 64", Some(64_000_000 / 1024 * 1024)),
        ("limits: { memory: 64Mi }", Some(64 << 20)),
        ("limits: { memory: 1Gi }\n    memory: 64", Some(64_000_000 / 1024 * 1024)),
        ("limits: { memory: 64M }", None),
        ("limits: { memory: '-1Mi' }", None),
        ("memory: 0", None),
        ("memory: 18446744073709551615", None),
    ] {
        let text = format!("version: \"1.0\"\npermissions:\n  resources:\n    {memory}\n");
        let imported = import(&text).unwrap();
        assert_eq!(read(&imported).1.limits.memory, bytes, "{memory}");
        assert_eq!(imported.left_out.is_empty(), bytes.is_some(), "{memory}");
    }
}
