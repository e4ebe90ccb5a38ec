//! A service that gives back the credential it was sent, in every form, is called over every way in: neither the answer, nor the
//! guest's memory, nor what the program says at its most talkative, nor anything on its disk has the credential, except the file
//! that the operator wrote it into.

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::any;
use serde_json::json;
use std::path::{Path, PathBuf};
use strongroom_tests::{Ask, Caller, Serving, Way, command, forms, house};

/// With characters that every encoding writes in its own way.
const SECRET: &str = "canary-w/5e+1f=90?a&b~\"c";
/// What is no secret, and must be found where it may be: it shows that the search looks there.
const KNOWN: &str = "well-known-77c1";

/// In the body, in headers and in the status line's place: everything that it was sent, in every form.
async fn mirror() -> String {
    let app = Router::new().fallback(any(|uri: Uri, headers: HeaderMap| async move {
        let sent = headers.get("x-key").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let sent = sent.unwrap_or_default();
        let texts: Vec<_> = forms(&sent).into_iter().map(|(_, form)| form).collect();
        let status = if uri.path() == "/fails" { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        let body = format!("{KNOWN} {sent} {}", texts.join(" "));
        (
            status,
            [("x-echo", sent.clone()), ("x-hex", texts[1].clone()), ("location", format!("/{}", texts[3]))],
            body,
        )
    }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    origin
}

#[track_caller]
fn clean(what: &str, bytes: &[u8]) {
    // Byte for byte, as texts.
    let plain = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
    let text = plain(bytes);
    for (name, form) in forms(SECRET) {
        assert!(!text.contains(&plain(form.as_bytes())), "the credential is in {what} as {name}");
    }
}

#[track_caller]
fn looked_at(what: &str, bytes: &[u8]) {
    let seen = bytes.windows(KNOWN.len()).any(|window| window == KNOWN.as_bytes());
    assert!(seen, "{KNOWN:?} is not in {what}, so nothing was looked at");
    clean(what, bytes);
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_sent_out_and_seen_nowhere_on_any_way() {
    let origin = mirror().await;
    let rules = format!(
        "[tools]\nallow = [\"*\"]\n[grants.prober.http.api]\norigin = \"{origin}\"\ncredential = \"shop\"\nallow_private = true\n\
         [grants.prober.dir.data]\npath = \"shared\"\nmode = \"rw\"\n"
    );
    let credentials = format!(
        "[shop]\ntenant = \"acme\"\norigins = [\"{origin}\"]\nheader = \"x-key\"\nvalue = {}\n",
        serde_json::to_string(SECRET).unwrap()
    );
    let plan = house().tool("prober").file("credentials.toml", &credentials).tenant("acme", &rules);
    let house = plan.file("shared/own", "").build().await;
    let key = house.key("acme").await;
    let folder = house.leave().await;
    let mut talkative = command(folder.path());
    talkative.env("STRONGROOM_LOG", "trace");
    let serving = Serving::with(talkative);
    let mut said = String::new();
    for way in Way::ALL {
        let mut caller = Caller::new(way, &serving, folder.path(), "acme", &key);
        for path in ["echo", "fails"] {
            let dump = format!("memory-{way:?}-{path}");
            let arguments = json!({ "method": "GET", "url": format!("http://api/{path}?known={KNOWN}"),
                "headers": [["x-key", "the guest's own"]], "path": format!("/data/{dump}") });
            let told = caller.call(Ask::new("prober.http-and-dump", arguments)).await;
            assert_eq!(told.reason, "ok", "{way:?} {path}: {told:?}");
            assert_eq!(told.value["status"], if path == "echo" { 200 } else { 500 }, "{way:?}: {told:?}");
            clean(&format!("the answer over {way:?}"), &told.raw);
            let memory = std::fs::read(folder.path().join("shared").join(&dump)).unwrap();
            looked_at(&format!("the guest's memory after {path} over {way:?}"), &memory);
        }
        for (function, arguments) in [
            ("prober.http-get", json!({ "url": "http://api.invalid/" })),
            ("prober.http-get", json!({ "url": format!("{origin}/?key=shop") })),
            ("prober.read-file", json!({ "path": "/data/../credentials.toml" })),
            ("prober.read-file", json!({ "path": "/credentials.toml" })),
            ("prober.env", json!({})),
            ("prober.config-all", json!({})),
        ] {
            let told = caller.call(Ask::new(function, arguments)).await;
            clean(&format!("{function} over {way:?}"), &told.raw);
        }
        said.push_str(&caller.end());
    }
    said.push_str(&serving.said.lock().unwrap());
    serving.stop();
    assert!(said.contains("TRACE") && said.contains("prober"), "it is talkative: {} bytes", said.len());
    clean("what the program said", said.as_bytes());
    let (mut all, mut own) = (Vec::new(), 0);
    files(folder.path(), &mut all);
    for file in &all {
        let bytes = std::fs::read(file).unwrap();
        if file.ends_with("credentials.toml") {
            own += 1;
        } else {
            clean(&file.display().to_string(), &bytes);
        }
    }
    assert!(own == 1 && all.len() > 10, "{all:?}");
}
