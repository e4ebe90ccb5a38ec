//! A service may answer slowly, without end, compressed a thousand times, or with a way to somewhere else: the call pays
//! for it, and the host does not.

use std::time::Duration;
use strongroom::reason::{Outcome, Reason};
use strongroom::settle::Receipt;
use strongroom_tests::{Bytes, House, Then, Wire, house, wire};

/// Fuel for about ten megabytes of answers, and two seconds.
const LIMITS: &str = "[tools]\nallow = [\"*\"]\n[limits]\nfuel = 50_000_000\ndeadline_ms = 2000\n";

fn grant(tool: &str, need: &str, origin: &str) -> String {
    format!("[grants.{tool}.http.{need}]\norigin = \"{origin}\"\nallow_private = true\n")
}

async fn set_up(wire: &Wire) -> (House, String) {
    let origin = wire.origin();
    let rules = format!("{LIMITS}{}{}", grant("every", "api", &origin), grant("prober", "api", &origin));
    let plan = house().file("strongroom.toml", "[engine]\nmax_concurrent_calls = 1\n").tenant("acme", &rules);
    let house = plan.tool("every").tool("prober").tool("echo").build().await;
    let key = house.key("acme").await;
    (house, key)
}

async fn path(house: &House, key: &str, function: &str, path: &str) -> Receipt {
    let arguments = match function {
        "hold" => serde_json::json!({ "url-path": path, "ms": 1000 }),
        _ => serde_json::json!({ "url-path": path }),
    };
    house.call_as(key, &format!("every.{function}"), &arguments.to_string()).await
}

/// One call at a time may run in these houses: when another one runs, the place is free again.
async fn goes_on(house: &House, key: &str) {
    let after = house.call_as(key, "echo.echo-u8", r#"{"value":7}"#).await;
    assert_eq!((after.reason, after.value.as_deref()), (Reason::Ok, Some("7")), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_trickles_ends_at_the_deadline_wherever_it_stops() {
    let wire = wire(|request| {
        let drip = |piece: &[u8]| Then::Drip(piece.to_vec(), Duration::from_millis(50));
        match request.split(' ').nth(1) {
            Some("/silent") => Bytes(Vec::new(), Then::Wait),
            Some("/half-a-head") => Bytes(b"HTTP/1.1 200 OK\r\nx-a: ".to_vec(), Then::Wait),
            Some("/endless-head") => Bytes(b"HTTP/1.1 200 OK\r\n".to_vec(), drip(b"x-a: b\r\n")),
            Some("/stuck") => Bytes::open(b"begun", Then::Wait),
            _ => Bytes::open(b"begun", drip(b".")),
        }
    })
    .await;
    let (house, key) = set_up(&wire).await;
    for place in ["/silent", "/half-a-head", "/endless-head", "/stuck", "/drip"] {
        let receipt = path(&house, &key, "drain", place).await;
        assert_eq!((receipt.reason, receipt.outcome), (Reason::DeadlineExceeded, Outcome::Failed), "{place}");
        goes_on(&house, &key).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_end_ends_with_the_fuel() {
    let wire = wire(|_| Bytes::open(b"", Then::Repeat(vec![b'x'; 64 * 1024]))).await;
    let (house, key) = set_up(&wire).await;
    let receipt = path(&house, &key, "drain", "/").await;
    assert_eq!(receipt.reason, Reason::FuelExhausted, "{receipt:?}");
    let read: u64 = receipt.imports.iter().map(|record| record.bytes_in).sum();
    assert!((1_000_000..20_000_000).contains(&read), "about what the fuel pays for: {read}");
    goes_on(&house, &key).await;
    // A tool that keeps all of it runs into its memory or its fuel; one of both is always there.
    let kept = house.call_as(&key, "prober.http-get", r#"{"url":"http://api/"}"#).await;
    assert!(
        matches!(kept.reason, Reason::FuelExhausted | Reason::MemoryExceeded | Reason::ToolError),
        "{kept:?}"
    );
    goes_on(&house, &key).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_without_end_are_cut_off() {
    let wire = wire(|request| match request.contains("/one") {
        true => Bytes(b"HTTP/1.1 200 OK\r\nx-a: ".to_vec(), Then::Repeat(vec![b'x'; 64 * 1024])),
        false => Bytes(b"HTTP/1.1 200 OK\r\n".to_vec(), Then::Repeat(b"x-a: b\r\n".repeat(1000))),
    })
    .await;
    let (house, key) = set_up(&wire).await;
    for place in ["/one", "/many"] {
        let before = wire.sent();
        let receipt = path(&house, &key, "drain", place).await;
        assert_eq!(receipt.reason, Reason::ToolError, "{place}: {receipt:?}");
        // What the two ends of a connection hold on the way is the system's, and some megabytes at most.
        assert!(wire.sent() - before < 16_000_000, "{place}: {}", wire.sent() - before);
        goes_on(&house, &key).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tool_does_not_read_the_host_does_not_keep() {
    let wire = wire(|_| Bytes::open(b"", Then::Repeat(vec![b'x'; 64 * 1024]))).await;
    let (house, key) = set_up(&wire).await;
    let receipt = path(&house, &key, "hold", "/").await;
    assert_eq!(receipt.reason, Reason::Ok, "{receipt:?}");
    assert!(wire.sent() < 16_000_000, "the service is held up, not the host filled: {}", wire.sent());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_answer_is_handed_on_as_it_is_and_paid_by_the_byte() {
    // Half a megabyte that would be half a gigabyte: stored as it came, for nobody here unpacks it.
    let bomb: Vec<u8> =
        [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3].into_iter().chain((0..500_000).map(|n| n as u8)).collect();
    let (whole, length) = (bomb.clone(), bomb.len() as u64);
    let wire = wire(move |_| Bytes::whole("200 OK", "content-encoding: gzip\r\n", &whole)).await;
    let (house, key) = set_up(&wire).await;
    let receipt = path(&house, &key, "drain", "/").await;
    assert_eq!(receipt.value, Some(length.to_string()), "{receipt:?}");
    let read: u64 = receipt
        .imports
        .iter()
        .filter(|record| record.import.interface == "wasi:io/streams")
        .map(|record| record.bytes_in)
        .sum();
    assert_eq!(read, length, "what was sent is what is counted");
    assert!(receipt.fuel > length);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_answer_to_a_credential_is_refused() {
    // The credential could come back in it, and nobody would see it.
    let wire = wire(|_| Bytes::whole("200 OK", "content-encoding: gzip\r\n", b"\x1f\x8b...")).await;
    let origin = wire.origin();
    let credentials = format!(
        "[own]\ntenant = \"acme\"\norigins = [\"{origin}\"]\nvalue = \"Bearer a-credential-of-acme\"\n"
    );
    let rules = format!("{LIMITS}{}credential = \"own\"\n", grant("every", "api", &origin));
    let plan = house().tenant("acme", &rules).file("credentials.toml", &credentials);
    let house = plan.tool("every").build().await;
    let key = house.key("acme").await;
    let receipt = path(&house, &key, "drain", "/").await;
    assert_eq!(receipt.reason, Reason::ToolError, "{receipt:?}");
    let head = wire.heads().concat().to_lowercase();
    assert!(head.contains("accept-encoding: identity") && head.contains("a-credential-of-acme"), "{head}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_does_not_follow_a_redirect() {
    let other = wire(|_| Bytes::whole("200 OK", "", b"here")).await;
    let location = format!("location: {}/moved\r\n", other.origin());
    let first = wire(move |_| Bytes::whole("302 Found", &location, b"")).await;
    let credentials = format!(
        "[own]\ntenant = \"acme\"\norigins = [\"{}\"]\nvalue = \"Bearer a-credential-of-acme\"\n",
        first.origin()
    );
    // Both origins are granted: the other one without a credential.
    let rules = format!(
        "{LIMITS}{}credential = \"own\"\n{}",
        grant("prober", "api", &first.origin()),
        grant("prober", "narrow", &other.origin())
    );
    let plan = house().tenant("acme", &rules).file("credentials.toml", &credentials);
    let house = plan.tool("prober").build().await;
    let key = house.key("acme").await;
    let answer = house.call_as(&key, "prober.http-get", r#"{"url":"http://api/x"}"#).await;
    assert_eq!(answer.reason, Reason::Ok, "{answer:?}");
    let answer: serde_json::Value = serde_json::from_str(&answer.value.unwrap()).unwrap();
    assert_eq!(answer["status"], 302);
    assert!(other.heads().is_empty(), "the host follows nothing");
    // The tool follows by itself, and takes along what it was told: nothing.
    let followed = format!("{{\"url\":\"{}/only/this\"}}", other.origin());
    let followed = house.call_as(&key, "prober.http-get", &followed).await;
    assert_eq!(followed.reason, Reason::Ok, "{followed:?}");
    assert!(first.heads().concat().contains("Bearer a-credential-of-acme"));
    let seen = other.heads().concat();
    assert!(!seen.is_empty() && !seen.to_lowercase().contains("authorization"), "{seen}");
}
