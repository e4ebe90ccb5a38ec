//! What was denied, learned, reviewed and applied is allowed afterwards, and nothing that was not in the book is.

use axum::Router;
use axum::routing::any;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use strongroom::audit::{Filter, read};
use strongroom::explain::Snapshot;
use strongroom::learn::{Known, Lessons, learn};
use strongroom::powers::{BoxFuture, Dial, Home, NoEnvironment};
use strongroom::reason::Reason;
use strongroom_tests::{House, house};
use tokio::net::TcpStream;

/// A network in which every name is a public address, and every connection leads to one service on loopback.
#[derive(Debug)]
struct Public(SocketAddr);

impl Dial for Public {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(vec![SocketAddr::new([93, 184, 216, 34].into(), port)]) })
    }
    fn connect(&self, _: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(self.0))
    }
}

async fn service() -> Arc<Public> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(any(|| async { "served" }));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Arc::new(Public(address))
}

fn lessons(home: &Path) -> Lessons {
    let home = Home::open(home).unwrap();
    let snapshot = Snapshot::read(home.dir(), home.path(), &NoEnvironment).unwrap();
    let entries = read(&home.dir().open_dir("audit").unwrap(), Filter::default()).unwrap();
    let known = Known { settings: snapshot.settings(), sources: snapshot.sources(), tools: snapshot.tools() };
    learn(&known, entries.map(Result::unwrap))
}

/// Applies the patch as a person would; by hand where there is no `patch`.
fn apply(home: &Path, lessons: &Lessons) {
    for patch in &lessons.patches {
        let started =
            Command::new("patch").args(["-p0", "--quiet"]).current_dir(home).stdin(Stdio::piped()).spawn();
        match started {
            Ok(mut child) => {
                io::Write::write_all(&mut child.stdin.take().unwrap(), patch.diff.as_bytes()).unwrap();
                assert!(child.wait().unwrap().success(), "{}", patch.diff);
            }
            Err(_) => std::fs::write(home.join(&patch.file), &patch.after).unwrap(),
        }
        assert_eq!(std::fs::read_to_string(home.join(&patch.file)).unwrap(), patch.after);
    }
}

const ACME: &str = "# our own rules\n[tools]\nallow = [\"prober.read-file\", \"prober.write-file\", \"prober.http-get\", \"prober.http\",\n    \
    \"prober.kv-get\", \"prober.mem-remember\", \"prober.config-get\"] # as needed\nblock = [\"prober.env\"]\n";

/// What the tool is for, call by call.
const WANTED: &[(&str, &str)] = &[
    ("prober.http-get", r#"{"url":"http://api.example.com/orders/918?q=1"}"#),
    ("prober.http", r#"{"method":"PUT","url":"http://api.example.com/orders/918","headers":[],"body":""}"#),
    ("prober.write-file", r#"{"path":"/data/a.txt","text":"a"}"#),
    ("prober.read-file", r#"{"path":"/data/a.txt"}"#),
    ("prober.kv-set", r#"{"bucket":"cart","key":"k","value":"MQ=="}"#),
    ("prober.kv-get", r#"{"bucket":"cart","key":"k"}"#),
    ("prober.mem-remember", r#"{"id":"m","text":"tea","tags":[]}"#),
];

/// What nobody did, so nobody learned it.
const NEVER: &[(&str, &str)] = &[
    ("prober.http-get", r#"{"url":"http://api.example.com/orders/919"}"#),
    ("prober.http-get", r#"{"url":"http://other.example.com/orders/918"}"#),
    ("prober.http-get", r#"{"url":"https://api.example.com/orders/918"}"#),
    (
        "prober.http",
        r#"{"method":"DELETE","url":"http://api.example.com/orders/918","headers":[],"body":""}"#,
    ),
    ("prober.read-file", r#"{"path":"/archive/a.txt"}"#),
    ("prober.kv-get", r#"{"bucket":"ledger","key":"k"}"#),
    ("prober.kv-delete", r#"{"bucket":"cart","key":"k"}"#),
    ("prober.mem-retrieve", r#"{"query":"tea","top-k":1}"#),
];

/// What was tried and must not be talked into the file.
const SUSPECT: &[(&str, &str)] = &[
    ("prober.http-get", r#"{"url":"http://169.254.169.254/latest/meta-data"}"#),
    ("prober.http-get", r#"{"url":"http://127.0.0.1:9/x"}"#),
    ("prober.http-get", r#"{"url":"http://api.example.com/orders/%2e%2e/admin"}"#),
    ("prober.read-file", r#"{"path":"/data/../globex/secret"}"#),
    ("prober.http-get", r#"{"url":"http://api.example.com/globex/orders"}"#),
    ("prober.config-get", r#"{"key":"greeting"}"#),
    ("prober.env", "{}"),
];

async fn all(house: &House, key: &str, calls: &[(&str, &str)]) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for (function, arguments) in calls {
        reasons.push(house.call_as(key, function, arguments).await.reason);
    }
    reasons
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn denied_learned_applied_allowed_and_nothing_else() {
    let service = service().await;
    let house = house().tenant("acme", ACME).tenant("globex", "").tool("prober");
    let house = house.build_with(|builder| builder.dial(service)).await;
    let key = house.key("acme").await;
    assert!(all(&house, &key, SUSPECT).await.iter().all(|reason| *reason != Reason::Ok));

    // A call ends at its first denial, so what it would have wanted next is learned in the next round.
    let mut rounds = 0;
    loop {
        let reasons = all(&house, &key, WANTED).await;
        if reasons.iter().all(|reason| *reason == Reason::Ok) {
            break;
        }
        rounds += 1;
        assert!(
            rounds <= 3,
            "{reasons:?}\n{}",
            std::fs::read_to_string(house.path().join("tenants/acme.toml")).unwrap()
        );
        let taught = lessons(house.path());
        assert!(!taught.patches[0].suggested.is_empty(), "{reasons:?} {taught:#?}");
        apply(house.path(), &taught);
        std::fs::create_dir_all(house.path().join("data/acme/prober/data")).unwrap();
        house.room.apply(house.read_settings()).await.unwrap();
    }
    let file = std::fs::read_to_string(house.path().join("tenants/acme.toml")).unwrap();
    assert!(file.starts_with("# our own rules\n"), "{file}");

    let reasons = all(&house, &key, NEVER).await;
    for (reason, call) in reasons.iter().zip(NEVER) {
        assert!(
            matches!(reason, Reason::CapabilityDenied | Reason::PolicyDenied),
            "{call:?}: {reason}\n{file}"
        );
    }
    assert!(all(&house, &key, SUSPECT).await.iter().all(|reason| *reason != Reason::Ok), "{file}");
    let live: Vec<&str> = file.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    for never in ["169.254", "127.0.0.1", "globex", "admin", "greeting", "allow_private"] {
        assert!(!live.iter().any(|line| line.contains(never)), "{never}: {file}");
    }
    assert!(file.contains("# origin = \"http://127.0.0.1:9\""), "proposed in comments: {file}");
    assert!(file.contains("block = [\"prober.env\"]"));
    let said = lessons(house.path()).not_suggested;
    for word in ["metadata", "get around the rules", "globex", "on purpose", "yours to choose"] {
        assert!(said.iter().any(|denied| denied.says.contains(word)), "{word}: {said:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_book_says_what_was_refused_and_why_and_no_userinfo() {
    let house = house().tenant("acme", "[tools]\nallow = [\"*\"]\n").tool("prober").build().await;
    let key = house.key("acme").await;
    let url =
        r#"{"method":"PATCH","url":"http://kim:secret@api.example.com/x?token=1","headers":[],"body":""}"#;
    house.call_as(&key, "prober.http", url).await;
    let plain = r#"{"method":"PATCH","url":"http://api.example.com/x?token=1","headers":[],"body":""}"#;
    house.call_as(&key, "prober.http", plain).await;
    let book = house.book();
    assert!(!book.contains("secret") && !book.contains("token"), "{book}");
    assert!(
        book.contains(
            "\"method\":\"PATCH\",\"why\":\"no granted need of the tool leads to http://api.example.com\""
        ),
        "{book}"
    );
    let taught = lessons(house.path());
    assert!(
        taught.patches[0]
            .suggested
            .iter()
            .all(|denied| denied.what.ends_with("PATCH http://api.example.com/x"))
    );
}
