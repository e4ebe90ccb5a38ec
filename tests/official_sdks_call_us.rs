//! The official client SDKs of the Model Context Protocol call the real program, over both of its transports, in both kinds of
//! revision, with a key and with a token of an issuer, and see what people are told they see.

use crate::tokens_are_verified::issuer::Issuer;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use strongroom::audit::{Entry, Phase};
use strongroom::reason::Reason;
use strongroom_tests::{Bytes, Serving, Then, book, components, house, program, wire};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::spawn_blocking;

const NEW: &str = "2026-07-28";
const OLD: &str = "2025-11-25";

/// A home with the demo's tools, one that tells how far it is, and an order service that takes requests and does not answer.
struct Shop {
    folder: Arc<TempDir>,
    key: String,
    issuer: Issuer,
    asked: UnboundedReceiver<()>,
}

impl Shop {
    async fn open() -> Self {
        let (tell, asked) = unbounded_channel();
        let service = wire(move |_| {
            tell.send(()).unwrap();
            Bytes(Vec::new(), Then::Wait)
        });
        let (service, issuer) = (service.await, Issuer::start().await);
        let settings = format!(
            "[[issuers]]\nurl = \"{}\"\naudiences = [\"strongroom\"]\ntenant_claim = \"org_id\"\n[issuers.tenants]\norg_a = \"acme\"\n",
            issuer.url()
        );
        let tenant = format!(
            "[tools]\nallow = [\"files\", \"orders.get\", \"mcp.work\"]\nblock = [\"files.search\"]\n\
             [grants.files.dir.workspace]\npath = \"shared\"\nmode = \"rw\"\n\
             [grants.orders.http.orders]\norigin = \"{}\"\nallow_private = true\n",
            service.origin()
        );
        let plan = house().tool("files").tool("orders").tool("mcp").tenant("acme", &tenant);
        let plan = plan.file("strongroom.toml", &settings).file("shared/notes.txt", "hello\n");
        let house = plan.build().await;
        let key = house.key("acme").await;
        Self { folder: house.leave().await, key, issuer, asked }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A token of the issuer's for the tenant, which ends so many seconds from now.
    fn token(&self, ends: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({ "iss": self.issuer.url(), "aud": "strongroom", "sub": "agent-7", "org_id": "org_a",
            "iat": now - 600, "exp": now.saturating_add_signed(ends) });
        let header = json!({ "alg": "RS256", "kid": "rsa", "typ": "at+jwt" }).to_string();
        self.issuer.keys.token("RS256", &header, &claims.to_string())
    }
}

/// How a program of a client in `tests/clients` is run.
#[derive(Debug, Clone, Copy)]
enum Sdk {
    Python,
    TypeScript,
}

impl Sdk {
    const ALL: [Self; 2] = [Self::Python, Self::TypeScript];

    fn source(self, name: &str) -> PathBuf {
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
        match self {
            Self::Python => clients.join(format!("python/{name}.py")),
            Self::TypeScript => clients.join(format!("typescript/{name}.ts")),
        }
    }

    /// The command, and what has to live as long as it runs.
    fn command(self, name: &str) -> (Command, TempDir) {
        let (place, folder) = (components().parent().unwrap().to_owned(), tempfile::tempdir().unwrap());
        let (mut command, packages) = match self {
            Self::Python => {
                let packages = place.join("clients/python/packages");
                let mut command = Command::new("python3");
                command
                    .arg(self.source(name))
                    .env("PYTHONPATH", &packages)
                    .env("PYTHONDONTWRITEBYTECODE", "1");
                (command, packages)
            }
            Self::TypeScript => {
                let packages = place.join("clients/typescript/node_modules");
                let copy = folder.path().join(format!("{name}.ts"));
                std::fs::copy(self.source(name), &copy).unwrap();
                // Node looks for packages beside the program.
                std::os::unix::fs::symlink(&packages, folder.path().join("node_modules")).unwrap();
                std::fs::write(folder.path().join("package.json"), r#"{"type":"module"}"#).unwrap();
                let mut command = Command::new(strongroom_tests::conformance::node(&components()));
                command.arg(copy);
                (command, packages)
            }
        };
        assert!(packages.exists(), "{}: run `cargo xtask clients` first", packages.display());
        for name in ["STRONGROOM_URL", "STRONGROOM_KEY", "STRONGROOM_HOME"] {
            command.env_remove(name);
        }
        (command, folder)
    }
}

/// Runs the checks; the last call of theirs is cancelled when the order service has been asked.
async fn checks(sdk: Sdk, shop: &mut Shop, change: impl FnOnce(&mut Command)) -> Value {
    let (mut command, folder) = sdk.command("checks");
    change(&mut command);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let ended = spawn_blocking(move || child.wait_with_output().unwrap());
    tokio::pin!(ended);
    tokio::select! {
        early = &mut ended => panic!("{sdk:?} ended before its last call: {early:?}"),
        () = async { shop.asked.recv().await.unwrap() } => {}
    }
    writeln!(input, "cancel").unwrap();
    let output = ended.await.unwrap();
    drop(folder);
    assert!(output.status.success(), "{sdk:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{sdk:?}: {e}: {output:?}"))
}

/// What every client sees, whatever carries its messages.
fn is_right(name: &str, revision: &str, seen: &Value) {
    assert_eq!(seen["revision"], revision, "{name}: {seen}");
    let tools = ["files.list", "files.read", "files.write", "mcp.work", "orders.get"];
    assert_eq!(seen["tools"], json!(tools), "{name}");
    let content = json!({ "text": "hello\n", "size": 6, "next-offset": null });
    for read in ["read", "after"] {
        assert_eq!(seen[read], json!({ "failed": false, "content": content }), "{name}");
    }
    assert_eq!(seen["written"], json!({ "failed": false, "content": { "result": 11 } }), "{name}");
    for (call, reason) in [("missing", "tool_error"), ("denied", "policy_denied")] {
        let (failed, told) = (&seen[call]["failed"], &seen[call]["content"]["reason_code"]);
        assert_eq!((failed, told), (&json!(true), &json!(reason)), "{name}: {seen}");
    }
    assert_eq!(seen["missing"]["content"]["error"], json!({ "tag": "not-found" }), "{name}: {seen}");
    assert_eq!(seen["worked"], json!({ "result": "worked" }), "{name}");
    let progress = seen["progress"].as_array().unwrap().iter();
    let progress: Vec<_> =
        progress.map(|told| (told[0].as_f64().unwrap(), told[1].as_f64().unwrap())).collect();
    assert_eq!(progress, [(0.0, 100.0), (50.0, 100.0), (100.0, 100.0)], "{name}");
    assert_eq!(seen["cancelled"], true, "{name}: {seen}");
}

/// What the log says of one run of the checks.
fn is_in_the_book(name: &str, actor: &str, entries: &[Entry]) {
    let calls: Vec<_> = entries
        .iter()
        .filter(|e| e.action.starts_with("call ") && e.phase == Phase::Outcome)
        .map(|e| (e.action.as_str(), e.reason_code.code(), e.outcome.as_str()))
        .collect();
    let read = ("call files.read", "ok", "executed");
    let all = [
        read,
        ("call files.write", "ok", "executed"),
        ("call files.read", "tool_error", "failed"),
        ("call files.search", "policy_denied", "denied"),
        ("call mcp.work", "ok", "executed"),
        ("call orders.get", "cancelled", "failed"),
        read,
    ];
    // The end of the call that was cancelled and the last one are written by two that do not wait for each other.
    let sorted = |mut calls: Vec<_>| {
        calls.sort_unstable();
        calls
    };
    assert_eq!(sorted(calls), sorted(all.to_vec()), "{name}");
    let of = |e: &&Entry| e.action.starts_with("call ");
    assert!(entries.iter().filter(of).all(|e| e.tenant_id.as_ref().unwrap().as_str() == "acme"), "{name}");
    assert!(entries.iter().filter(of).all(|e| e.actor_id.as_ref().unwrap().as_str() == actor), "{name}");
}

/// What a run has added to the log.
fn since(shop: &Shop, before: usize) -> Vec<Entry> {
    book(shop.path()).split_off(before)
}

const MODES: [(&str, &str); 2] = [("auto", NEW), ("legacy", OLD)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_standard_input_and_output() {
    let mut shop = Shop::open().await;
    for (sdk, (mode, revision)) in Sdk::ALL.into_iter().flat_map(|sdk| MODES.map(|mode| (sdk, mode))) {
        let (name, before) = (format!("{sdk:?} {mode}"), book(shop.path()).len());
        drop(std::fs::remove_file(shop.path().join("shared/new.txt")));
        let home = shop.path().to_owned();
        let seen = checks(sdk, &mut shop, |command| {
            command.arg(program()).args(["serve", "--stdio", "--tenant", "acme", "--home"]).arg(home);
            command.env("STRONGROOM_MODE", mode);
        });
        is_right(&name, revision, &seen.await);
        is_in_the_book(&name, "local", &since(&shop, before));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_with_a_key_and_with_a_token() {
    let mut shop = Shop::open().await;
    let serving = Serving::start(shop.path());
    let url = format!("http://{}/mcp", serving.address);
    let (key, token) = (shop.key.clone(), shop.token(600));
    for sdk in Sdk::ALL {
        for ((mode, revision), credential, actor) in
            [(MODES[0], &key, "agent"), (MODES[1], &key, "agent"), (MODES[0], &token, "agent-7")]
        {
            let (name, before) = (format!("{sdk:?} {mode} {actor}"), book(shop.path()).len());
            drop(std::fs::remove_file(shop.path().join("shared/new.txt")));
            let seen = checks(sdk, &mut shop, |command| {
                command
                    .env("STRONGROOM_URL", &url)
                    .env("STRONGROOM_KEY", credential)
                    .env("STRONGROOM_MODE", mode);
            });
            is_right(&name, revision, &seen.await);
            is_in_the_book(&name, actor, &since(&shop, before));
        }
    }
    serving.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quick_starts_run_as_the_readme_has_them() {
    let shop = Shop::open().await;
    let readme = include_str!("../README.md");
    let serving = Serving::start(shop.path());
    let url = format!("http://{}/mcp", serving.address);
    for sdk in Sdk::ALL {
        let (source, fence) =
            (std::fs::read_to_string(sdk.source("quickstart")).unwrap(), format!("{sdk:?}").to_lowercase());
        assert!(
            readme.contains(&format!("```{fence}\n{source}```\n")),
            "the README has another quick start for {sdk:?}"
        );
        for (credential, well) in [(shop.key.clone(), true), (shop.token(-120), false)] {
            let (mut command, folder) = sdk.command("quickstart");
            command.env("STRONGROOM_URL", &url).env("STRONGROOM_KEY", credential);
            let output =
                spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap()).await.unwrap();
            drop(folder);
            let told = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.success(), well, "{sdk:?}: {output:?}");
            assert_eq!(told.contains("files.read") && told.contains("hello"), well, "{sdk:?}: {told}");
        }
    }
    serving.stop();
    let refused = book(shop.path()).into_iter().filter(|e| e.reason_code == Reason::TokenInvalid);
    assert!(refused.count() >= 2, "each expired token is in the log");
}
