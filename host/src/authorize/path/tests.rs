//! Which paths a pattern matches, which paths nothing matches, and how patterns meet. May name: nothing.

use super::*;
use proptest::prelude::*;

fn pattern(text: &str) -> PathPattern {
    PathPattern::parse(text).unwrap()
}

fn matches(pattern_text: &str, path: &str) -> bool {
    RequestPath::parse(path).is_ok_and(|path| pattern(pattern_text).matches(&path))
}

#[test]
fn wildcards_stand_for_whole_segments() {
    for (pattern, path, expected) in [
        ("/", "/", true),
        ("/", "", true),
        ("/", "/a", false),
        ("/orders", "/orders", true),
        ("/orders", "/orders/", false),
        ("/orders", "/Orders", false),
        ("/orders/", "/orders/", true),
        ("/orders/*", "/orders/918", true),
        ("/orders/*", "/orders/918?expand=lines&x=/../", true),
        ("/orders/*", "/orders", false),
        ("/orders/*", "/orders/", false),
        ("/orders/*", "/orders/918/lines", false),
        ("/orders/*", "/orders/918/", false),
        ("/orders/*/lines", "/orders/918/lines", true),
        ("/*/*", "/a/b", true),
        ("/*", "/", false),
        ("/**", "/", true),
        ("/**", "/a/b/c/", true),
        ("/files/**", "/files", false),
        ("/files/**", "/files/", true),
        ("/files/**", "/files/a/b", true),
        ("/files/*/**", "/files/a", false),
        ("/files/*/**", "/files/a/", true),
        ("/a b", "/a%20b", true),
        ("/a%20b", "/a%20b", true),
        ("/caf%C3%A9", "/caf%c3%a9", true),
        ("/café", "/caf%C3%A9", true),
        ("/%6frders", "/orders", true),
        ("/orders", "/%6F%72ders", true),
        ("/a%2Ab", "/a*b", true),
        ("/%2A", "/a", false),
        ("/100%25", "/100%25", true),
        ("/a;v=1", "/a;v=1", true),
    ] {
        assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
    }
}

#[test]
fn a_path_that_servers_could_read_in_two_ways_is_matched_by_nothing() {
    for path in [
        "orders",
        "*",
        "?x",
        "http://example.com/",
        "//",
        "//evil.example/",
        "/orders//918",
        "/./",
        "/.",
        "/..",
        "/orders/../admin",
        "/orders/..",
        "/orders/%2e%2e/admin",
        "/orders/%2E./admin",
        "/orders/.%2e",
        "/orders/%2e",
        "/orders/..;/admin",
        "/orders/..;x=1/admin",
        "/orders/%2e%2e%3bx/admin",
        "/orders/..%3b/admin",
        "/orders/%252e%252e/admin",
        "/orders/%25252e%25252e",
        "/orders/%2525252525252e",
        "/orders%2f918",
        "/orders%2F..%2Fadmin",
        "/orders/a%252fb",
        "/orders\\admin",
        "/orders%5cadmin",
        "/orders%255cadmin",
        "/orders/%00",
        "/orders/%2500",
        "/orders/%0d%0aHost:%20x",
        "/orders/%7f",
        "/orders/%C2%85",
        "/orders/%c0%ae%c0%ae/",
        "/orders/%ff",
        "/orders/%",
        "/orders/%2",
        "/orders/%zz",
        "/orders/%+1",
        "/orders/9 18",
        "/orders/918\r\nX: y",
        "/orders/918\0",
        "/orders/é",
        "/orders/918#x",
        "/orders?a b",
        "/orders?a\nb",
    ] {
        assert!(RequestPath::parse(path).is_err(), "{path:?}");
    }
    assert!(RequestPath::parse(&format!("/{}", "a".repeat(MAX_PATH_BYTES))).is_err());
    assert!(RequestPath::parse(&"/a".repeat(MAX_PATH_BYTES / 2)).is_ok());
}

#[test]
fn harmless_oddities_stay_usable() {
    for path in
        ["/...", "/.well-known/x", "/a..b", "/a%25b%25", "/100%25%20off", "/a?b=%2f..%2f", "/a%3Fb", "/~x"]
    {
        assert!(RequestPath::parse(path).is_ok(), "{path}");
    }
    assert_eq!(RequestPath::parse("/a/b?token=x").unwrap().as_str(), "/a/b");
}

#[test]
fn patterns_that_mean_nothing_or_too_much_are_refused() {
    for text in [
        "",
        "orders",
        "*",
        "**",
        "/orders/**/x",
        "/**/**",
        "/orders*",
        "/*.json",
        "/***",
        "/a//b",
        "//",
        "/../a",
        "/a/./b",
        "/%2e%2e/a",
        "/a%2fb",
        "/a\\b",
        "/a?x=1",
        "/a#x",
        "/a\nb",
        "/%zz",
        "/%00",
    ] {
        assert!(PathPattern::parse(text).is_err(), "{text}");
    }
    assert!(PathPattern::parse(&format!("/{}", "a".repeat(1024))).is_err());
    let error = PathPattern::parse("/orders/*.json").unwrap_err();
    assert_eq!(
        error.to_string(),
        "path pattern \"/orders/*.json\" has `*` inside a segment; \
         `*` stands for a whole segment; a literal star is %2A"
    );
}

#[test]
fn patterns_meet_in_the_pattern_of_both() {
    for (a, b, both) in [
        ("/orders/*", "/orders/918", Some("/orders/918")),
        ("/**", "/orders/*", Some("/orders/*")),
        ("/**", "/", Some("/")),
        ("/*/lines", "/orders/*", Some("/orders/lines")),
        ("/a/**", "/*/b/**", Some("/a/b/**")),
        ("/a/*", "/a/**", Some("/a/*")),
        ("/a/**", "/a", None),
        ("/*", "/", None),
        ("/a/*", "/a/", None),
        ("/a", "/b", None),
    ] {
        assert_eq!(pattern(a).meet(&pattern(b)), both.map(pattern), "{a} {b}");
        assert_eq!(pattern(b).meet(&pattern(a)), both.map(pattern), "{b} {a}");
    }
    assert!(pattern("/**").is_everything() && !pattern("/*/**").is_everything());
}

/// Segments from a small alphabet, so that patterns and paths meet often.
fn patterns() -> impl Strategy<Value = PathPattern> {
    let segment = prop_oneof!["a", "b", "%2A", "\\*"];
    (proptest::collection::vec(segment, 0..4), prop_oneof!["", "/", "/\\*\\*"])
        .prop_map(|(segments, end)| segments.iter().map(|s| format!("/{s}")).collect::<String>() + &end)
        .prop_filter_map("empty", |text| PathPattern::parse(&text).ok())
}

fn paths() -> impl Strategy<Value = String> {
    (
        proptest::collection::vec(prop_oneof!["a", "b", "%61", "\\*", "%2a"], 0..5),
        prop_oneof!["", "/", "\\?a"],
    )
        .prop_map(|(segments, end)| segments.iter().map(|s| format!("/{s}")).collect::<String>() + &end)
        .prop_filter("a path", |text| text.starts_with('/'))
}

proptest! {
    #[test]
    fn the_meet_matches_exactly_what_both_match(a in patterns(), b in patterns(), path in paths()) {
        let path = RequestPath::parse(&path).unwrap();
        let meet = a.meet(&b);
        prop_assert_eq!(&meet, &b.meet(&a));
        prop_assert_eq!(meet.is_some_and(|m| m.matches(&path)), a.matches(&path) && b.matches(&path));
        if a.covers(&b) && b.matches(&path) {
            prop_assert!(a.matches(&path));
        }
        prop_assert!(a.covers(&a));
    }

    #[test]
    fn a_pattern_reads_back_from_what_it_prints(a in patterns(), text in "/[a-zé%2A*.; -]{0,12}") {
        prop_assert_eq!(&PathPattern::parse(&a.to_string()).unwrap(), &a);
        if let Ok(read) = PathPattern::parse(&text) {
            prop_assert_eq!(&PathPattern::parse(&read.to_string()).unwrap(), &read);
        }
    }

    #[test]
    fn no_matched_path_has_a_dot_segment_however_often_it_is_decoded(text in "/([a.%2eEfF5cC;/]|%25){0,16}") {
        if RequestPath::parse(&text).is_ok() {
            let mut decoded = text;
            for _ in 0..8 {
                let path = decoded.split('?').next().unwrap_or_default();
                prop_assert!(!path.split('/').any(|s| s == "." || s == ".."), "{decoded}");
                prop_assert!(!decoded.contains('\\'));
                decoded = lenient(&decoded);
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        let _ = PathPattern::parse(&text);
        let _ = RequestPath::parse(&text);
    }
}

/// Decodes as a careless server would: what does not decode stays.
fn lenient(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        match after.get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = after.split_at(3).1;
            }
            None => {
                out.push('%');
                rest = after.split_at(1).1;
            }
        }
    }
    out + rest
}
