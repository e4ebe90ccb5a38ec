//! What the gate is told, for requests that are meant well and for those that are not. May name: id, config.

use super::*;
use crate::authorize::meet::meet;
use crate::config::{Manifest, PartialLimits, Tenant};
use crate::id::TenantId;

const MANIFEST: &str = r#"
name = "orders"
version = "0.1.0"
[needs.http.api]
methods = ["GET", "PATCH"]
paths = ["/orders", "/orders/*"]
[needs.http.my_cdn]
methods = ["GET"]
paths = ["/**"]
[needs.http.mail]
methods = ["POST"]
paths = ["/send"]
[needs.dir.workspace]
mode = "rw"
[needs.dir.inbox]
[needs.keyvalue.cart]
mode = "rw"
[needs.config]
keys = ["currency", "region"]
"#;

const TENANT: &str = r#"
[grants.orders.http.api]
origin = "https://shop.example.com:8443"
credential = "acme-orders"
allow_private = true
[grants.orders.http.my_cdn]
origins = ["https://*.cdn.example", "https://shop.example.com:8443"]
[grants.orders.dir.workspace]
path = "data/acme"
[grants.orders.keyvalue.cart]
[grants.orders.keyvalue.other]
[grants.orders.config]
values = { currency = "EUR", secret = "x" }
"#;

fn rights_of(manifest: &str, tenant: &str) -> Rights {
    let manifest = Manifest::parse("tool.toml", manifest).unwrap();
    let tenant = Tenant::parse(TenantId::new("acme").unwrap(), "tenants/acme.toml", tenant).unwrap();
    meet(&manifest, &tenant.grants["orders"], &PartialLimits::default(), &Limits::default())
}

fn rights() -> Rights {
    rights_of(MANIFEST, TENANT)
}

#[test]
fn a_need_stands_for_the_origin_that_it_is_bound_to() {
    let rights = rights();
    for (scheme, authority) in
        [("http", "api"), ("https", "api"), ("HTTP", "API"), ("https", "shop.example.com:8443")]
    {
        let target = rights.http("GET", scheme, authority, "/orders/918?token=t").unwrap();
        assert_eq!(target.origin.as_str(), "https://shop.example.com:8443");
        assert_eq!((target.need.as_str(), target.allow_private), ("api", true));
        assert_eq!(target.credential.as_ref().unwrap().as_str(), "acme-orders");
        assert_eq!(target.display, "https://shop.example.com:8443/orders/918");
    }
}

#[test]
fn the_first_right_that_covers_a_request_is_taken_whole() {
    let rights = rights();
    // Both needs lead to the shop; only the second one covers the path, so only its credential (none) is
    // sent.
    let target = rights.http("GET", "https", "shop.example.com:8443", "/logo.png").unwrap();
    assert_eq!((target.need.as_str(), target.credential, target.allow_private), ("my_cdn", None, false));
    let target = rights.http("GET", "https", "eu.cdn.example", "/logo.png").unwrap();
    assert_eq!(target.origin.as_str(), "https://eu.cdn.example");
}

#[test]
fn a_refusal_says_what_is_missing_and_quotes_nothing_that_was_not_read() {
    let rights = rights();
    for (method, scheme, authority, path, why) in [
        ("DELETE", "http", "api", "/orders/918", "need `api` allows GET, PATCH, and not this method"),
        ("get", "http", "api", "/orders/918", "need `api` allows GET, PATCH, and not this method"),
        ("GET", "http", "api", "/admin", "need `api` allows the paths /orders, /orders/*, and not this one"),
        ("POST", "http", "mail", "/send", "the tenant does not grant http need `mail`"),
        (
            "GET",
            "http",
            "my_cdn",
            "/",
            "need `my_cdn` is bound to more than one origin: call one of them by its real name",
        ),
        (
            "PATCH",
            "https",
            "shop.example.com:8443",
            "/x",
            "need `api` allows the paths /orders, /orders/*, and not this one",
        ),
        (
            "GET",
            "https",
            "evil.example",
            "/?secret",
            "no granted need of the tool leads to https://evil.example",
        ),
        (
            "GET",
            "https",
            "shop.example.com",
            "/orders",
            "no granted need of the tool leads to https://shop.example.com",
        ),
        (
            "GET",
            "http",
            "shop.example.com:8443",
            "/orders",
            "no granted need of the tool leads to http://shop.example.com:8443",
        ),
        ("GET", "http", "api:80", "/orders", "no granted need of the tool leads to http://api"),
        (
            "GET",
            "https",
            "evil-cdn.example",
            "/",
            "no granted need of the tool leads to https://evil-cdn.example",
        ),
        ("GET", "https", "cdn.example", "/", "no granted need of the tool leads to https://cdn.example"),
        (
            "GET",
            "https",
            "eu.cdn.example@evil.example",
            "/",
            "the authority is neither a need of the tool nor a plain host and port",
        ),
        (
            "GET",
            "https",
            "shop.example.com:8443.",
            "/orders",
            "the authority is neither a need of the tool nor a plain host and port",
        ),
        (
            "GET",
            "https",
            "",
            "/orders",
            "the authority is neither a need of the tool nor a plain host and port",
        ),
        ("GET", "ftp", "api", "/orders", "only http and https requests can be sent"),
        (
            "GET",
            "http",
            "api",
            "/orders/../admin",
            "the path holds a dot segment, so servers could differ on what it is",
        ),
        (
            "GET",
            "http",
            "api",
            "http://evil.example/",
            "the path does not start with a slash, so servers could differ on what it is",
        ),
    ] {
        let refusal = rights.http(method, scheme, authority, path).unwrap_err();
        assert_eq!(refusal.to_string(), why, "{method} {scheme} {authority} {path}");
    }
}

#[test]
fn a_need_without_methods_or_paths_in_common_is_no_right() {
    let grant = |extra: &str| format!("[grants.orders.http.api]\norigin = \"https://a.example\"\n{extra}\n");
    for extra in ["methods = [\"DELETE\"]", "paths = [\"/admin/**\"]"] {
        assert!(rights_of(MANIFEST, &grant(extra)).http.is_empty(), "{extra}");
    }
    let rights =
        rights_of(MANIFEST, &grant("methods = [\"GET\", \"DELETE\"]\npaths = [\"/**\", \"/orders/918\"]"));
    assert_eq!(
        format!("{:?} {:?}", rights.http[0].methods, rights.http[0].paths),
        "[GET] [\"/orders\", \"/orders/*\"]"
    );
}

#[test]
fn directories_are_found_by_their_need() {
    let rights = rights();
    for root in ["workspace", "/workspace"] {
        let dir = rights.dir(root).unwrap();
        // The tool needs to write; the grant only lets it read.
        assert_eq!((dir.path.as_str(), dir.mode), ("data/acme", Mode::ReadOnly));
    }
    assert_eq!(rights.dir("inbox").unwrap_err().why, "the tenant does not grant dir need `inbox`");
    for root in ["", "/", ".", "data/acme", "//workspace", "/workspace/", "workspace/..", "Workspace"] {
        let refusal = rights.dir(root).unwrap_err();
        assert_eq!(refusal.why, "the tool's manifest has no dir need of this name");
    }
}

#[test]
fn buckets_are_found_by_their_need_and_keep_their_mode() {
    let rights = rights();
    for name in ["cart", "", "default"] {
        assert_eq!(rights.bucket(name, false).unwrap().bucket.as_str(), "orders/cart");
        assert_eq!(rights.bucket(name, true).unwrap_err().why, "the bucket of need `cart` is read-only");
    }
    for name in ["other", "orders/cart", "Cart"] {
        assert_eq!(
            rights.bucket(name, false).unwrap_err().why,
            "the tool's manifest has no keyvalue need of this name"
        );
    }
    let two = rights_of(
        &format!("{MANIFEST}\n[needs.keyvalue.other]\nmode = \"rw\"\n"),
        &TENANT.replace("keyvalue.other]", "keyvalue.other]\nbucket = \"shared\"\nmode = \"rw\""),
    );
    assert_eq!(two.bucket("other", true).unwrap().bucket.as_str(), "shared");
    assert_eq!(
        two.bucket("default", false).unwrap_err().why,
        "the tool has several buckets: open one by its need's name"
    );
}

#[test]
fn the_memory_keeps_the_narrower_mode() {
    let none = "the tool's manifest does not need the memory";
    assert_eq!(rights().memory(false).unwrap_err().why, none);
    let needs = format!("{MANIFEST}\n[needs.memory]\nmode = \"rw\"\n");
    let ungranted = rights_of(&needs, TENANT).memory(false).unwrap_err().why;
    assert_eq!(ungranted, "the tenant does not grant its memory to the tool");
    let granted = |mode: &str| rights_of(&needs, &format!("{TENANT}\n[grants.orders.memory]\n{mode}"));
    assert!(granted("mode = \"rw\"").memory(true).is_ok());
    assert!(granted("").memory(false).is_ok() && granted("").memory(true).is_err());
}

#[test]
fn only_needed_and_given_configuration_is_seen() {
    let rights = rights();
    assert_eq!(rights.config("currency").unwrap(), "EUR");
    assert_eq!(
        rights.config("region").unwrap_err().why,
        "the tenant gives configuration key `region` no value"
    );
    assert!(rights.config("secret").is_err());
    assert_eq!(rights.config.len(), 1);
}

#[test]
fn no_rights_allow_nothing() {
    let none = Rights::default();
    assert!(none.http("GET", "https", "example.com", "/").is_err());
    assert!(none.dir("workspace").is_err() && none.bucket("", false).is_err() && none.config("x").is_err());
    assert!(none.memory(false).is_err() && none.memory(true).is_err());
    assert!(none.within(&rights()) && !rights().within(&none));
}
