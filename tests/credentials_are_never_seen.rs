//! Canaries in credentials of every kind and source, and a service that gives back everything it was sent, in every form,
//! in every part of an answer: afterwards they are in what the service received and nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use strongroom::config::{CredentialHandle, Credentials, Injection, Secret, Settings};
use strongroom::powers::{Environment, Home, Zeroizing};
use strongroom::reason::Reason;
use strongroom::{NewCredential, NewValue};
use strongroom_tests::{House, forms, house};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tracing::span;

/// With characters that every encoding writes in its own way.
const HEADER: &str = "canary-h/5e+1f=90?a&b~\"c";
const QUERY: &str = "canary-q/77 0c+%41=ü&z";
const BASIC: &str = "canary-b:31;d2/+ x<y>'";
const OPERATOR: &str = "8d1c7ff0a93ab5f4c2be6610937d52e08d1c7ff0a93ab5f4c2be6610937d52e0";
/// What is no secret, and must be found where it may be: it shows that the search looks there.
const KNOWN: &str = "well-known-4b1d";

/// What the operator gave the host.
#[derive(Debug)]
struct Given;

impl Environment for Given {
    fn variable(&self, name: &str) -> io::Result<Option<Zeroizing<String>>> {
        Ok((name == "ACME_PASSWORD").then(|| Zeroizing::new(BASIC.to_owned())))
    }
    fn operator_key(&self) -> io::Result<Option<Zeroizing<String>>> {
        Ok(Some(Zeroizing::new(OPERATOR.to_owned())))
    }
}

/// Everything that the host says about itself, at any level.
#[derive(Clone, Default)]
struct Trace(Arc<Mutex<String>>);

impl tracing::field::Visit for Trace {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        writeln!(self.0.lock().unwrap(), "{field}={value:?}").unwrap();
    }
}

impl tracing::Subscriber for Trace {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        writeln!(self.0.lock().unwrap(), "span {}", attributes.metadata().name()).unwrap();
        attributes.record(&mut self.clone());
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Which canaries stand in these bytes, in which forms.
fn found(bytes: &[u8]) -> Vec<String> {
    let basic = format!("robot:{BASIC}");
    // Byte for byte, as texts: the search in texts is quick also without optimisation.
    let plain = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
    let text = plain(bytes);
    let holds = |form: &str| text.contains(&plain(form.as_bytes()));
    let all = [HEADER, QUERY, BASIC, &basic, OPERATOR];
    let all = all.iter().flat_map(|canary| forms(canary).into_iter().map(move |form| (*canary, form)));
    all.filter(|(_, (_, form))| holds(form))
        .map(|(canary, (name, _))| format!("{canary} as {name}"))
        .collect()
}

/// Clean, and really looked at.
fn clean(what: &str, bytes: &[u8], known: &str) {
    assert_eq!(found(bytes), Vec::<String>::new(), "in {what}");
    let seen = bytes.windows(known.len()).any(|window| window == known.as_bytes());
    assert!(seen, "{known:?} is not in {what}, so nothing was looked at");
}

/// A service that is as talkative as can be.
async fn service() -> (String, Arc<Mutex<Vec<u8>>>) {
    let received = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let log = received.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, log.clone()));
        }
    });
    (origin, received)
}

async fn answer(mut stream: TcpStream, received: Arc<Mutex<Vec<u8>>>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    received.lock().unwrap().extend_from_slice(&head);
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    // The credential of this request, or of the one before: what it was given, as it decodes it, in every form.
    let before = String::from_utf8(received.lock().unwrap().clone()).unwrap();
    let marks = [("x-key: canary", HEADER), ("api_key=canary", QUERY), ("authorization: Basic", BASIC)];
    let (_, canary) = marks.into_iter().max_by_key(|(mark, _)| before.rfind(mark)).unwrap();
    let mut texts = vec![head.replace("\r\n", " "), target.clone()];
    let pair = format!("robot:{BASIC}");
    for known in [canary, if canary == BASIC { &pair } else { canary }] {
        texts.extend(forms(known).into_iter().map(|(_, form)| form));
    }
    let body = format!("{KNOWN} {} {KNOWN}", texts.join(" "));
    let visible = texts.iter().filter(|text| text.bytes().all(|b| b.is_ascii_graphic() || b == b' '));
    let mut headers: String = visible.enumerate().fold(String::new(), |mut all, (number, text)| {
        write!(all, "x-echo-{number}: {text}\r\n").unwrap();
        all
    });
    write!(headers, "x-known: {KNOWN}\r\nconnection: close\r\n").unwrap();
    let length = body.len();
    let path = target.split('?').next().unwrap_or_default();
    let whole = match path.rsplit('/').next().unwrap_or_default() {
        "moved" => format!(
            "HTTP/1.1 302 {target}\r\nlocation: {target}&again\r\n{headers}content-length: {length}\r\n\r\n{body}"
        ),
        "fails" => format!("HTTP/1.1 500 {target}\r\n{headers}content-length: {length}\r\n\r\n{body}"),
        "trailers" => format!(
            "HTTP/1.1 200 OK\r\n{headers}trailer: x-last\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\nx-last: {target} {canary}\r\n\r\n"
        ),
        "early" => format!(
            "HTTP/1.1 103 {target}\r\nlink: {target}\r\n\r\nHTTP/1.1 200 OK\r\n{headers}content-length: {length}\r\n\r\n{body}"
        ),
        "named" => format!(
            "HTTP/1.1 200 OK\r\n{headers}{}: x\r\ncontent-length: {length}\r\n\r\n{body}",
            hex::encode(canary)
        ),
        "packed" => format!(
            "HTTP/1.1 200 OK\r\n{headers}content-encoding: x-{target}\r\ncontent-length: {length}\r\n\r\n{body}"
        ),
        "short" => format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n{body}", length + 10),
        "broken" => format!("HTTP/1.1 200 OK\r\n{target} {canary}\r\n\r\n"),
        "nonsense" => format!("{target} {canary}\r\n\r\n"),
        "gone" => String::new(),
        _ => format!("HTTP/1.1 200 OK\r\n{headers}content-length: {length}\r\n\r\n{body}"),
    };
    // Piece by piece, so that what is looked for arrives in pieces too.
    for piece in whole.as_bytes().chunks(97) {
        if stream.write_all(piece).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

const PATHS: [&str; 12] = [
    "echo", "moved", "fails", "trailers", "early", "named", "packed", "short", "broken", "nonsense", "gone",
    "only/x",
];

/// Three tenants, each with a credential of another kind from another source, and for all of them a need without any.
async fn built(origin: &str) -> (House, [String; 3]) {
    let grants = |handle: &str| {
        format!(
            "[tools]\nallow = [\"*\"]\n[grants.prober.http.api]\norigin = \"{origin}\"\ncredential = \"{handle}\"\nallow_private = true\n\
             [grants.prober.http.narrow]\norigin = \"{origin}\"\nallow_private = true\npaths = [\"/only/*\"]\n\
             [grants.prober.dir.data]\npath = \"shared\"\nmode = \"rw\"\n"
        )
    };
    let file = format!(
        "# the tenants' credentials\n\n[plain]\ntenant = \"acme\"\norigins = [\"{origin}\"]\nheader = \"x-key\"\nvalue = {}\n\n\
         [given]\ntenant = \"initech\"\norigins = [\"{origin}\"]\nbasic = \"robot\"\nenv = \"ACME_PASSWORD\"\n",
        serde_json::to_string(HEADER).unwrap(),
    );
    let plan = house().file("credentials.toml", &file).tool("prober");
    let plan = plan.tenant("acme", &grants("plain")).tenant("initech", &grants("given"));
    std::fs::create_dir_all(plan.path().join("shared")).unwrap();
    let house = plan.build_with(|builder| builder.environment(Arc::new(Given))).await;
    let new = NewCredential {
        tenant: "globex".parse().unwrap(),
        origins: vec![origin.to_owned().try_into().unwrap()],
        injection: Injection::Query("api_key".parse().unwrap()),
        value: NewValue::Secret(Secret::new(QUERY.to_owned())),
    };
    let sealed = house.room.set_credential(&CredentialHandle::new("sealed").unwrap(), new).await.unwrap();
    assert!(sealed, "there is an operator's key");
    std::fs::write(house.path().join("tenants/globex.toml"), grants("sealed")).unwrap();
    house.room.apply(house.room.read_settings().unwrap()).await.unwrap();
    let keys = [house.key("acme").await, house.key("globex").await, house.key("initech").await];
    (house, keys)
}

fn files(folder: &Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_is_in_what_the_service_received_and_nowhere_else() {
    let trace = Trace::default();
    tracing::subscriber::set_global_default(trace.clone()).unwrap();
    let (origin, received) = service().await;
    let (house, keys) = built(&origin).await;

    let mut told = String::new();
    for key in &keys {
        for (number, path) in PATHS.iter().enumerate() {
            let host = if path.starts_with("only") { "narrow" } else { "api" };
            let dump = format!("/data/memory-{number}");
            let arguments = serde_json::json!({
                "method": "GET", "url": format!("http://{host}/{path}?known={KNOWN}"), "path": dump,
                "headers": [["x-key", "the guest's own"], ["x_key", "and another"], ["authorization", "its own too"]],
            });
            let receipt = house.call_as(key, "prober.http-and-dump", &arguments.to_string()).await;
            assert!(matches!(receipt.reason, Reason::Ok | Reason::ToolError), "{path}: {receipt:?}");
            writeln!(told, "{path}: {receipt:?}").unwrap();
            if receipt.reason == Reason::Ok {
                let value: serde_json::Value = serde_json::from_str(receipt.value.as_ref().unwrap()).unwrap();
                let body = value["body"].as_str().unwrap();
                let body = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
                clean(path, &body, KNOWN);
            }
            // The guest's whole memory, as it was when the answer had come.
            let memory = std::fs::read(house.path().join(format!("shared/memory-{number}"))).unwrap();
            assert!(memory.len() > 512 * 1024, "{}", memory.len());
            clean(&format!("the guest's memory after {path}"), &memory, &dump);
        }
        for refused in ["api_key=1", "a=1&API%5FKEY=1"] {
            let arguments = format!("{{\"url\":\"http://api/echo?{refused}\"}}");
            let receipt = house.call_as(key, "prober.http-get", &arguments).await;
            let query = *key == keys[1];
            assert_eq!(receipt.reason == Reason::CapabilityDenied, query, "{receipt:?}");
            writeln!(told, "{receipt:?}").unwrap();
        }
    }
    clean("results and errors", told.as_bytes(), KNOWN);

    // What the service received has all of them, in the place that is theirs, and nothing of the guest's there.
    let received = String::from_utf8(received.lock().unwrap().clone()).unwrap();
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("robot:{BASIC}"));
    for sent in [
        format!("x-key: {HEADER}\r\n"),
        "&api_key=canary-q%2F77%200c%2B%2541%3D%C3%BC%26z HTTP/1.1".to_owned(),
        format!("authorization: Basic {basic}\r\n"),
    ] {
        assert!(received.contains(&sent), "{sent} in {received}");
    }
    for (mine, guests) in
        [(HEADER, "the guest's own"), (HEADER, "and another"), (basic.as_str(), "its own too")]
    {
        let mut heads = received.split("\r\n\r\n").filter(|head| head.contains(mine));
        assert!(heads.all(|head| !head.contains(guests)), "{guests} went out beside {mine}");
    }
    assert!(found(received.as_bytes()).len() >= 3, "the search finds what is there");

    // What prints itself.
    let settings = house.room.settings();
    let entries = Credentials::list(Home::open(house.path()).unwrap().dir()).unwrap();
    clean(
        "Debug",
        format!("{settings:?} {:?} {entries:?} {:?}", house.room, settings.credentials).as_bytes(),
        "sealed",
    );
    let path = house.path().join("credentials.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in [
        ("value = ", "value = 1 #"),
        ("sealed = ", "sealed = '' #"),
        ("env = ", "env = 'A B' #"),
        ("[plain]", "[plain"),
        ("header = ", "other = "),
        ("origins = [", "origins = [1, "),
        ("value = ", "value = \"\\n\" #"),
        ("tenant = ", "query = 'x y' #"),
    ] {
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let home = Home::open(house.path()).unwrap();
        let errors = Settings::load_with(home.dir(), &Given).unwrap_err();
        clean("errors of the files", format!("{errors} {errors:?}").as_bytes(), "credentials.toml");
        let (handle, two_lines) = (CredentialHandle::new("plain").unwrap(), format!("{QUERY}\n"));
        let refused = house.room.rotate_credential(&handle, NewValue::Secret(Secret::new(two_lines))).await;
        let refused = refused.unwrap_err();
        assert_eq!(found(format!("{refused} {refused:?}").as_bytes()), Vec::<String>::new());
    }
    std::fs::write(&path, &text).unwrap();

    // What is on the disk: the book, the ledger, the stores, the cache, the tools, the dumps.
    house.room.close().await.unwrap();
    let mut all = Vec::new();
    files(house.path(), &mut all);
    let mut names = Vec::new();
    for file in all {
        let name = file.strip_prefix(house.path()).unwrap().to_string_lossy().into_owned();
        // What the book publishes replaces its own partial tiles meanwhile.
        let bytes = match std::fs::read(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && name.starts_with("audit/") => {
                continue;
            }
            bytes => bytes.unwrap(),
        };
        let seen = found(&bytes);
        // The one that stands there as it is; the sealed and the given one do not.
        let expected: &[&str] = match name.as_str() {
            "credentials.toml" => &["json"],
            _ => &[],
        };
        assert_eq!(
            seen,
            expected.iter().map(|form| format!("{HEADER} as {form}")).collect::<Vec<_>>(),
            "in {name}"
        );
        names.push(name);
    }
    for looked in ["ledger.db", "audit/", "tools/prober", "cache/", "shared/memory-0", "credentials.toml"] {
        assert!(names.iter().any(|name| name.starts_with(looked)), "{looked} is not among {names:?}");
    }
    clean("the book", house.book().as_bytes(), "credential.set sealed");
    clean("the trace", trace.0.lock().unwrap().as_bytes(), KNOWN);
}

/// The search itself: each form of each canary is found, wherever it stands.
#[test]
fn the_search_finds_every_form() {
    for canary in [HEADER, QUERY, BASIC] {
        for (name, form) in forms(canary) {
            for around in [form.clone(), format!("xyz{form}"), format!("{form}...")] {
                assert!(!found(around.as_bytes()).is_empty(), "{canary} as {name}");
            }
        }
        for offset in 0..3 {
            let inside = URL_SAFE_NO_PAD.encode(format!("{}{canary}, and more", "-".repeat(offset)));
            assert!(!found(inside.as_bytes()).is_empty(), "{canary} in base64 at {offset}");
        }
    }
    assert_eq!(found(b"nothing of the kind"), Vec::<String>::new());
}
