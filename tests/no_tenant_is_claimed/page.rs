//! Web pages of other sites, and names that were pointed at this machine.

use super::Hosts;
use serde_json::json;
use strongroom::reason::Reason;
use strongroom_tests::{Ask, Caller, Serving, Told, Way, book, house};

const FOREIGN: [&str; 9] = [
    "https://evil.example",
    "http://localhost.evil.example",
    "http://evil.example:8787",
    "http://127.0.0.1.nip.io",
    "http://localhost@evil.example",
    "http://localhost/..",
    "file://",
    "null",
    "",
];

fn refused(what: &str, told: &Told) {
    assert_eq!((told.status, told.reason.as_str()), (403, "policy_denied"), "{what}: {told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_for_its_own_machine_serves_no_foreign_page_and_no_foreign_name() {
    let folder = house().tool("echo").build().await.leave().await;
    let serving = Serving::start(folder.path());
    let mut turned_away = 0;
    for way in Way::OVER_HTTP {
        let mut caller = Caller::with(way, &serving, None);
        let ask = || Ask::new("echo.echo-string", json!({ "value": "mine" }));
        for good in [
            "origin: http://localhost:6274",
            "origin: http://127.0.0.1",
            "host: 127.0.0.1:8787",
            "host: [::1]:8787",
        ] {
            let told = caller.call(Ask { headers: &[good], ..ask() }).await;
            assert_eq!((told.status, &told.value), (200, &json!("mine")), "{way:?} {good}: {told:?}");
        }
        for origin in FOREIGN {
            let line = format!("origin: {origin}");
            refused(&format!("{way:?} {line}"), &caller.call(Ask { headers: &[&line], ..ask() }).await);
            turned_away += 1;
        }
        for lines in [
            vec!["origin: http://localhost", "origin: https://evil.example"],
            vec!["host: evil.example"],
            vec!["host: localhost.evil.example:8787"],
            vec!["host: 127.0.0.1.nip.io"],
            vec!["host: 10.0.0.1"],
            vec!["host: 0.0.0.0"],
            vec!["host: evil.example", "x-forwarded-host: localhost"],
        ] {
            refused(&format!("{way:?} {lines:?}"), &caller.call(Ask { headers: &lines, ..ask() }).await);
            turned_away += 1;
        }
        let two = caller.call(Ask { headers: &["host: localhost", "host: evil.example"], ..ask() }).await;
        assert!((400..500).contains(&two.status), "{way:?}: {two:?}");
    }
    serving.stop();
    let entries = book(folder.path());
    assert!(entries.iter().filter(|e| e.reason_code == Reason::PolicyDenied).count() >= turned_away);
    assert_eq!(
        entries.iter().filter(|e| e.action == "call echo.echo-string").count(),
        3 * 4,
        "nothing else ran"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_has_a_key_is_foreign_still() {
    let hosts = Hosts::open().await;
    for way in Way::OVER_HTTP {
        let mut acme = hosts.caller(way, "acme");
        for origin in FOREIGN {
            let line = format!("origin: {origin}");
            let told = acme.call(Ask { headers: &[&line], ..Ask::new("prober.context", json!({})) }).await;
            if way != Way::Http {
                refused(&format!("{way:?} {line}"), &told);
            }
            // No browser shows a page what it may not read, or sends for it what has to be asked for first.
            let raw = String::from_utf8_lossy(&told.raw).to_lowercase();
            assert!(!raw.contains("access-control-"), "{way:?} {line}: {raw}");
        }
        let path = if way == Way::Http { "/v1/tools/prober.context" } else { "/mcp" };
        let asks = format!(
            "OPTIONS {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\norigin: https://evil.example\r\n\
             access-control-request-method: POST\r\naccess-control-request-headers: authorization,content-type\r\n\r\n"
        );
        let told = String::from_utf8_lossy(&acme.raw(asks.as_bytes()).await).to_lowercase();
        assert!(told.starts_with("http/1.1 4") && !told.contains("access-control-"), "{way:?}: {told}");
    }
    hosts.serving.stop();
}
