//! What is one origin, what is none, and what a wildcard reaches. May name: nothing.

use super::*;
use proptest::prelude::*;

fn origin(text: &str) -> Origin {
    Origin::parse(text).unwrap()
}

fn pattern(text: &str) -> OriginPattern {
    OriginPattern::parse(text).unwrap()
}

#[test]
fn different_spellings_of_one_origin_are_one_origin() {
    for (spelling, normal) in [
        ("https://api.example.com", "https://api.example.com"),
        ("HTTPS://API.Example.COM", "https://api.example.com"),
        ("https://api.example.com:443", "https://api.example.com"),
        ("https://api.example.com:0443", "https://api.example.com"),
        ("http://api.example.com:80", "http://api.example.com"),
        ("http://api.example.com:443", "http://api.example.com:443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
        ("https://ｅxample.com", "https://example.com"),
        ("https://example。com", "https://example.com"),
        ("http://2130706433", "http://127.0.0.1"),
        ("http://0x7f000001", "http://127.0.0.1"),
        ("http://0177.0.0.1", "http://127.0.0.1"),
        ("http://127.1", "http://127.0.0.1"),
        ("http://0x7f.0.0.0x1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:80", "http://[::1]"),
        ("http://[0:0:0:0:0:0:0:1]:81", "http://[::1]:81"),
        ("http://[::ffff:127.0.0.1]", "http://[::ffff:7f00:1]"),
        ("http://my_need", "http://my_need"),
    ] {
        assert_eq!(origin(spelling).as_str(), normal, "{spelling}");
    }
}

#[test]
fn what_is_not_exactly_an_origin_is_refused() {
    for text in [
        "",
        "example.com",
        "//example.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "https:example.com",
        "https:/example.com",
        "https://",
        "https:///example.com",
        "https://example.com/",
        "https://example.com/path",
        "https://example.com?q",
        "https://example.com#f",
        "https://user@example.com",
        "https://user:pass@example.com",
        "https://example.com@evil.example",
        "https://example.com\\@evil.example",
        "https://evil.example\\.example.com",
        "https://example.com.",
        "https://example.com。",
        "https://example..com",
        "https://.example.com",
        "https://example.com:",
        "https://example.com:0",
        "https://example.com:65536",
        "https://example.com:80:80",
        "https://exa mple.com",
        "https://example.com\t",
        " https://example.com",
        "https://exam\nple.com",
        "https://example.com\0",
        "https://example%2ecom",
        "https://*.example.com",
        "https://a;b.example.com",
        "https://256.256.256.256",
        "https://1.2.3.4.5",
        "http://[fe80::1%25eth0]",
        "http://[fe80::1%eth0]",
        "http://::1",
        "http://[::1",
        "http://xn--a",
    ] {
        assert!(Origin::parse(text).is_err(), "{text:?} gives {:?}", Origin::parse(text));
    }
    assert!(Origin::parse(&format!("https://{}.com", "a".repeat(64))).is_err());
    assert!(Origin::parse(&format!("https://{}com", "a.".repeat(130))).is_err());
    assert!(Origin::parse(&format!("https://{}", "a".repeat(100_000))).is_err());
}

#[test]
fn an_origin_tells_its_parts() {
    let o = origin("http://[2606:4700::1]:8080");
    assert_eq!((o.authority(), o.port(), o.scheme()), ("[2606:4700::1]:8080", 8080, Scheme::Http));
    assert_eq!(o.dial_host(), "2606:4700::1");
    assert_eq!(origin("https://example.com").authority(), "example.com");
}

#[test]
fn a_wildcard_reaches_every_subdomain_and_nothing_beside() {
    let wild = pattern("https://*.example.com");
    for inside in ["https://a.example.com", "https://a.b.c.example.com", "https://A.EXAMPLE.com:443"] {
        assert!(wild.matches(&origin(inside)), "{inside}");
    }
    for outside in [
        "https://example.com",
        "https://evil-example.com",
        "https://evilexample.com",
        "https://example.com.evil.example",
        "https://a.example.com.evil.example",
        "http://a.example.com",
        "https://a.example.com:8443",
        "https://a.example.org",
        "https://127.0.0.1",
        "https://аexample.com", // a Cyrillic letter
    ] {
        assert!(!wild.matches(&origin(outside)), "{outside}");
    }
    assert!(pattern("https://*.example.com:8443").matches(&origin("https://a.example.com:8443")));
}

#[test]
fn wildcards_that_are_too_wide_or_in_the_wrong_place_are_refused() {
    for text in [
        "https://*",
        "https://*.com",
        "https://*.*.example.com",
        "https://api.*.com",
        "https://a*.example.com",
        "https://*example.com",
        "https://**.example.com",
        "https://*.127.0.0.1",
        "https://*.0.0.1",
        "https://*.[::1]",
        "https://*.example.com/",
        "https://*.",
        "*://example.com",
    ] {
        assert!(OriginPattern::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_pattern_covers_what_it_matches_and_narrower_patterns() {
    let wild = pattern("https://*.example.com");
    assert!(wild.covers(&wild));
    assert!(wild.covers(&pattern("https://*.a.example.com")));
    assert!(wild.covers(&pattern("https://a.example.com")));
    assert!(!wild.covers(&pattern("https://example.com")));
    assert!(!wild.covers(&pattern("https://*.evil-example.com")));
    assert!(!pattern("https://*.a.example.com").covers(&wild));
    assert!(!pattern("https://a.example.com").covers(&wild));
    assert!(!wild.covers(&pattern("http://*.example.com")));
}

/// Hosts that look alike, so that near misses are common.
fn hosts() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["a", "b", "example", "evil-example", "com"], 1..5)
        .prop_map(|labels| labels.join("."))
}

fn origins() -> impl Strategy<Value = String> {
    (prop_oneof!["http", "https"], hosts(), prop_oneof!["", ":80", ":443", ":8080"])
        .prop_map(|(scheme, host, port)| format!("{scheme}://{host}{port}"))
}

fn patterns() -> impl Strategy<Value = OriginPattern> {
    (prop_oneof!["http", "https"], prop_oneof!["", "\\*\\."], hosts(), prop_oneof!["", ":8080"])
        .prop_map(|(scheme, star, host, port)| format!("{scheme}://{star}{host}{port}"))
        .prop_filter_map("too wide", |text| OriginPattern::parse(&text).ok())
}

proptest! {
    #[test]
    fn the_normal_form_is_a_fixed_point(text in "(https?|HTTPS)://[a-zA-Z0-9ä.:\\[\\]-]{1,20}") {
        if let Ok(origin) = Origin::parse(&text) {
            prop_assert_eq!(&Origin::parse(origin.as_str()).unwrap(), &origin);
            prop_assert_eq!(&Origin::parse(&text.to_uppercase()).unwrap(), &origin);
            prop_assert!(origin.as_str().is_ascii());
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}", prefix in prop_oneof!["", "https://", "http://*."]) {
        let _ = OriginPattern::parse(&format!("{prefix}{text}"));
        if let Ok(origin) = Origin::from_parts(Scheme::Https, &text) {
            prop_assert!(!origin.authority().contains(['@', '/', '\\', '?', '#', '%', '*', ' ']));
        }
    }

    #[test]
    fn a_wildcard_matches_exactly_the_names_that_end_with_a_dot_and_its_domain(host in hosts()) {
        let wild = OriginPattern::parse("https://*.example.com").unwrap();
        let matched = wild.matches(&Origin::parse(&format!("https://{host}")).unwrap());
        prop_assert_eq!(matched, host.ends_with(".example.com"));
    }

    #[test]
    fn covering_means_matching_all_that_the_other_matches(a in patterns(), b in patterns(), o in origins()) {
        let o = Origin::parse(&o).unwrap();
        if a.covers(&b) && b.matches(&o) {
            prop_assert!(a.matches(&o));
        }
        prop_assert_eq!(&OriginPattern::parse(&a.to_string()).unwrap(), &a);
    }
}
