//! A rotated credential is what the next call sends; a call that runs goes on with the old one, which stays hidden in it.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::routing::any;
use std::io;
use std::sync::{Arc, Mutex};
use strongroom::config::{CredentialHandle, Secret, Settings};
use strongroom::identify::Credential;
use strongroom::powers::{Environment, Home, Zeroizing};
use strongroom::reason::Reason;
use strongroom::{NewValue, OperateError};
use strongroom_tests::{House, house, request};
use tokio::sync::Notify;

const OLD: &str = "Bearer old-token-5f2b91";
const NEW: &str = "Bearer new-token-77ac04";

/// What was sent, and the word to answer: an answer waits for it, and then tells everything.
#[derive(Default)]
struct Service {
    seen: Mutex<Vec<String>>,
    came: Notify,
    go: Notify,
}

async fn service() -> (String, Arc<Service>) {
    let service = Arc::new(Service::default());
    let app = Router::new()
        .fallback(any(|State(service): State<Arc<Service>>, uri: Uri, headers: HeaderMap| async move {
            let sent = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or("none");
            service.seen.lock().unwrap().push(sent.to_owned());
            if uri.path() == "/slow" {
                service.came.notify_one();
                service.go.notified().await;
            }
            service.seen.lock().unwrap().join(", ")
        }))
        .with_state(service.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (origin, service)
}

#[derive(Debug)]
struct Given(&'static str);

impl Environment for Given {
    fn variable(&self, _: &str) -> io::Result<Option<Zeroizing<String>>> {
        Ok(None)
    }
    fn operator_key(&self) -> io::Result<Option<Zeroizing<String>>> {
        Ok(Some(Zeroizing::new(self.0.to_owned())))
    }
}

fn key(digit: char) -> String {
    digit.to_string().repeat(64)
}

async fn built(origin: &str, value: &str) -> (House, String) {
    let rules = format!(
        "[tools]\nallow = [\"*\"]\n[grants.prober.http.api]\norigin = \"{origin}\"\ncredential = \"api\"\nallow_private = true\n\
         [grants.prober.http.narrow]\norigin = \"{origin}\"\nallow_private = true\n"
    );
    let credentials = format!("# mine\n[api]\ntenant = \"acme\"\norigins = [\"{origin}\"]\n{value}\n");
    let plan = house().tenant("acme", &rules).file("credentials.toml", &credentials).tool("prober");
    let house = plan.build_with(|b| b.environment(Arc::new(Given(key('a').leak())))).await;
    let caller = house.key("acme").await;
    (house, caller)
}

fn body(receipt: &strongroom::settle::Receipt) -> String {
    use base64::Engine as _;
    assert_eq!(receipt.reason, Reason::Ok, "{receipt:?}");
    let answer: serde_json::Value = serde_json::from_str(receipt.value.as_ref().unwrap()).unwrap();
    let body = base64::engine::general_purpose::STANDARD.decode(answer["body"].as_str().unwrap()).unwrap();
    String::from_utf8(body).unwrap()
}

async fn rotate(house: &House, to: &str) {
    let handle = CredentialHandle::new("api").unwrap();
    let sealed = house.room.rotate_credential(&handle, NewValue::Secret(Secret::new(to.to_owned())));
    assert!(sealed.await.unwrap());
    house.room.apply(house.room.read_settings().unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_runs_keeps_the_old_one_and_the_next_call_has_the_new_one() {
    let (origin, service) = service().await;
    let (house, key) = built(&origin, &format!("value = \"{OLD}\"")).await;
    let (room, caller) = (house.room.clone(), key.clone());
    let running = tokio::spawn(async move {
        let request = request("prober.http-get", r#"{"url":"http://api/slow"}"#);
        room.call(Credential::ApiKey(&caller), request).await
    });
    service.came.notified().await;
    rotate(&house, NEW).await;
    let next = house.call_as(&key, "prober.http-get", r#"{"url":"http://api/quick"}"#).await;
    assert_eq!(*service.seen.lock().unwrap(), [OLD, NEW], "without a restart");
    assert!(!body(&next).contains("new-token"), "{}", body(&next));
    service.go.notify_one();
    let old = running.await.unwrap();
    // The service has told what it was sent, and the running call does not see the one that it was for.
    assert!(!body(&old).contains("old-token") && body(&old).contains("***"), "{}", body(&old));
    let text = std::fs::read_to_string(house.path().join("credentials.toml")).unwrap();
    assert!(text.starts_with("# mine\n[api]\n") && text.contains("sealed = \"v1:"), "{text}");
    assert!(!text.contains("token"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_tells_later_what_it_was_sent_is_not_heard() {
    let (origin, service) = service().await;
    let (house, key) = built(&origin, &format!("value = \"{OLD}\"")).await;
    // A need without a credential, at the origin that was given one before.
    for url in ["http://api/quick", "http://narrow/only/x"] {
        let told = house.call_as(&key, "prober.http-get", &format!("{{\"url\":\"{url}\"}}")).await;
        assert!(!body(&told).contains("old-token"), "{url}: {}", body(&told));
    }
    assert_eq!(*service.seen.lock().unwrap(), [OLD, "none"]);
}

#[tokio::test]
async fn sealed_values_outlive_a_restart_and_open_with_their_key_alone() {
    let (origin, _) = service().await;
    let (house, _) = built(&origin, &format!("value = \"{OLD}\"")).await;
    let handle = CredentialHandle::new("api").unwrap();
    assert_eq!(house.room.seal_credentials(false).await.unwrap(), std::slice::from_ref(&handle));
    assert!(house.room.seal_credentials(false).await.unwrap().is_empty(), "once is enough");
    let home = Home::open(house.path()).unwrap();
    let load = |given: &str| Settings::load_with(home.dir(), &Given(given.to_owned().leak()));
    let value = |settings: Settings| settings.credentials.get(&handle).unwrap().value.expose().to_owned();
    let (a, b) = (key('a'), key('b'));
    assert_eq!(value(load(&a).unwrap()), OLD);
    for (given, says) in [(b.as_str(), "another operator's key"), ("", "key is empty"), ("short", "line 1")] {
        let fault = load(given).unwrap_err();
        assert_eq!(fault.reason(), Reason::ConfigInvalid);
        assert!(fault.to_string().contains(says) && fault.all()[0].line() == Some(5), "{fault:?}");
    }
    let fault = Settings::load(home.dir()).unwrap_err();
    assert!(format!("{fault:?}").contains("STRONGROOM_OPERATOR_KEY_FILE"), "{fault:?}");

    // Moved to another origin, it opens nothing.
    let path = house.path().join("credentials.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in [
        ("origins = [", "origins = [\"https://evil.example\", "),
        ("[api]", "[api2]"),
        ("tenant", "query = \"k\"\ntenant"),
    ] {
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let fault = load(&a).unwrap_err();
        assert!(fault.to_string().contains("sealed for something else"), "{fault}");
    }
    std::fs::write(&path, &text).unwrap();

    // Another key in two steps: first both open, then only the new one does.
    let both = format!("{b}\n{a}\n");
    assert_eq!(value(load(&both).unwrap()), OLD);
    let other = strongroom::Strongroom::builder(Home::open(house.path()).unwrap())
        .environment(Arc::new(Given(both.leak())))
        .build()
        .await
        .unwrap();
    assert_eq!(other.seal_credentials(true).await.unwrap(), std::slice::from_ref(&handle));
    assert!(other.seal_credentials(true).await.unwrap().is_empty());
    assert_eq!(value(load(&b).unwrap()), OLD);
    assert!(load(&a).is_err());
}

#[tokio::test]
async fn an_order_that_cannot_be_carried_out_changes_nothing() {
    let (origin, _) = service().await;
    let (house, _) = built(&origin, &format!("value = \"{OLD}\"")).await;
    let path = house.path().join("credentials.toml");
    let before = std::fs::read_to_string(&path).unwrap();
    let handle = |name: &str| CredentialHandle::new(name).unwrap();
    let secret = |text: &str| NewValue::Secret(Secret::new(text.to_owned()));
    let refused = [
        house.room.rotate_credential(&handle("other"), secret("x")).await.unwrap_err(),
        house.room.rotate_credential(&handle("api"), secret("two\nlines")).await.unwrap_err(),
        house.room.rotate_credential(&handle("api"), secret("")).await.unwrap_err(),
        house
            .room
            .rotate_credential(&handle("api"), NewValue::Variable("STRONGROOM_KEY".into()))
            .await
            .unwrap_err(),
        house.room.remove_credential(&handle("other")).await.unwrap_err(),
    ];
    assert!(refused.iter().all(|error| matches!(error, OperateError::Credential(_))), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    use std::os::unix::fs::PermissionsExt as _;
    house.room.rotate_credential(&handle("api"), secret("Bearer x")).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(!house.path().join("credentials.toml.new").exists());
    house.room.remove_credential(&handle("api")).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "# mine\n");
    assert!(house.room.read_settings().is_err(), "a grant still names it");
    // Others could read it: nothing is read or changed until that is mended.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = house.room.remove_credential(&handle("api")).await.unwrap_err();
    assert!(refused.to_string().contains("0644"), "{refused}");
}
