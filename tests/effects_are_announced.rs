//! Before an effect leaves the process, the log has durably that it is about to: which import, on what. Each effect costs at
//! most one sync more, a call without effects none; and when the entry cannot be written, the effect does not happen.

use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use strongroom::audit::{BookKey, Entry, FileJournal, Filter, LogFile, Phase, Timing, read};
use strongroom::identify::{Caller, Credential};
use strongroom::powers::{Home, SystemClock, SystemEntropy};
use strongroom::reason::{Outcome, Reason};
use strongroom_tests::{Bytes, House, Wire, house, request_with_key, wire};

/// A disk in memory, whose syncs are counted, held back and failed.
#[derive(Clone, Default)]
struct Disk(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    syncs: usize,
    held: bool,
    waits: bool,
    fails: bool,
}

impl Disk {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        changed
    }

    /// Waits until something waits for a sync that is held back, and a while longer for what does not wait.
    async fn until_something_waits(&self) {
        while !self.change(|state| state.waits) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl LogFile for Disk {
    fn lock(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn unlock(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn size(&mut self) -> io::Result<u64> {
        Ok(self.change(|state| state.bytes.len() as u64))
    }
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.change(|state| {
            let from = &state.bytes[offset as usize..];
            let length = from.len().min(buffer.len());
            buffer[..length].copy_from_slice(&from[..length]);
            Ok(length)
        })
    }
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.change(|state| state.bytes.extend_from_slice(bytes));
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        state.waits = state.held;
        while state.held {
            state = self.0.1.wait(state).unwrap();
        }
        state.waits = false;
        state.syncs += 1;
        if state.fails { Err(io::Error::other("the disk is full")) } else { Ok(()) }
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.change(|state| state.bytes.truncate(len as usize));
        Ok(())
    }
    fn set_aside(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::Error::other("nothing is torn here"))
    }
    fn rotate(&mut self, _: u64) -> io::Result<()> {
        Err(io::Error::other("the log stays short"))
    }
    fn follow(&mut self, _: u64) -> io::Result<bool> {
        Ok(false)
    }
}

fn tenant(origin: &str) -> String {
    format!(
        r#"
[tools]
allow = ["prober", "every"]
[grants.prober.http.api]
origin = "{origin}"
allow_private = true
[grants.prober.dir.data]
path = "shared"
mode = "rw"
[grants.prober.keyvalue.cart]
mode = "rw"
[grants.prober.memory]
mode = "rw"
"#
    )
}

struct Scene {
    house: House,
    key: String,
    service: Wire,
    disk: Disk,
}

/// A host whose log is on such a disk, with a service that it may call.
async fn scene() -> Scene {
    let service = wire(|_| Bytes::whole("200 OK", "", b"done")).await;
    let plan = house().tenant("acme", &tenant(&service.origin())).tool("prober");
    std::fs::create_dir_all(plan.path().join("shared")).unwrap();
    let disk = Disk::default();
    let home = Home::open(plan.path()).unwrap();
    let key = BookKey::open(home.dir(), &SystemEntropy).unwrap();
    let timing = Timing { retry: Duration::from_millis(5), ..Timing::default() };
    let journal = FileJournal::over(Box::new(disk.clone()), key, Arc::new(SystemClock), timing).unwrap();
    let house = plan.build_with(|builder| builder.journal(Arc::new(journal))).await;
    let key = house.key("acme").await;
    Scene { house, key, service, disk }
}

/// A call with one effect of each kind, and where the effect would be seen.
const EFFECTS: [(&str, &str); 6] = [
    ("prober.http", r#"{"method":"POST","url":"http://api/x","headers":[],"body":"aGk="}"#),
    ("prober.write-file", r#"{"path":"/data/a.txt","text":"hello"}"#),
    ("prober.make-dir", r#"{"path":"/data/d"}"#),
    ("prober.kv-set", r#"{"bucket":"cart","key":"k","value":"MQ=="}"#),
    ("prober.kv-increment", r#"{"bucket":"cart","key":"n","delta":1}"#),
    ("prober.mem-remember", r#"{"id":"m","text":"tea","tags":[]}"#),
];

impl Scene {
    /// What took effect so far, anywhere.
    async fn effects(&self, caller: &Caller) -> usize {
        let room = &self.house.room;
        let mut effects = self.service.heads().len();
        effects += std::fs::read_dir(self.house.path().join("shared")).unwrap().count();
        for key in ["k", "n"] {
            let kept = room.recall(caller, "prober/cart", key).await.unwrap();
            effects += usize::from(kept.is_some());
        }
        effects + room.retrieve(caller, "tea", 9).await.unwrap().len()
    }

    async fn caller(&self) -> Caller {
        self.house.room.identify(Credential::ApiKey(&self.key)).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaves_while_its_entry_is_not_durable() {
    for (function, arguments) in EFFECTS {
        let scene = scene().await;
        let caller = scene.caller().await;
        scene.disk.change(|state| state.held = true);
        let call = scene.house.call_as(&scene.key, function, arguments);
        let watch = async {
            scene.disk.until_something_waits().await;
            assert_eq!(scene.effects(&caller).await, 0, "{function}");
            scene.disk.change(|state| state.held = false);
        };
        let (receipt, ()) = tokio::join!(call, watch);
        assert_eq!(receipt.reason, Reason::Ok, "{function}: {receipt:?}");
        assert_eq!(scene.effects(&caller).await, 1, "{function}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_that_cannot_be_announced_does_not_happen_and_may_be_asked_again() {
    for (function, arguments) in EFFECTS {
        let scene = scene().await;
        let caller = scene.caller().await;
        let again = || request_with_key(function, arguments, "the-same");
        scene.disk.change(|state| state.fails = true);
        let receipt = scene.house.room.call(Credential::ApiKey(&scene.key), again()).await;
        assert_eq!((receipt.reason, receipt.value), (Reason::AuditUnavailable, None), "{function}");
        assert_eq!(scene.effects(&caller).await, 0, "{function}");

        scene.disk.change(|state| state.fails = false);
        while scene.house.room.ready().is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Nothing happened, so the key is free, and what is asked again happens, once.
        let receipt = scene.house.room.call(Credential::ApiKey(&scene.key), again()).await;
        assert_eq!(
            (receipt.reason, receipt.outcome),
            (Reason::Ok, Outcome::Executed),
            "{function}: {:?}",
            receipt.message
        );
        assert_eq!(scene.effects(&caller).await, 1, "{function}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_costs_one_sync_and_each_effect_one_more() {
    let scene = scene().await;
    let long = "x".repeat(300_000);
    let write = format!(r#"{{"path":"/data/b.txt","text":"{long}"}}"#);
    let get = r#"{"method":"GET","url":"http://api/x","headers":[],"body":""}"#;
    let refused = r#"{"method":"POST","url":"http://elsewhere/x","headers":[],"body":"aGk="}"#;
    let reads = [
        ("prober.http-get", r#"{"url":"http://api/x"}"#),
        ("prober.kv-get", r#"{"bucket":"cart","key":"k"}"#),
        ("prober.list-dir", r#"{"path":"/data"}"#),
        ("prober.print", r#"{"text":"hello","times":3}"#),
        // Functions that write and have no effect this time.
        ("prober.http", get),
        ("prober.http", refused),
        ("prober.remove-file", r#"{"path":"/archive/x"}"#),
        ("prober.cache-delete", r#"{"key":"k"}"#),
        ("prober.kv-set", r#"{"bucket":"ledger","key":"k","value":"MQ=="}"#),
        ("prober.kv-set-and-trap", r#"{"bucket":"cart","key":"k","value":"MQ=="}"#),
    ];
    let pair = r#"{"bucket":"cart","pairs":[["a","MQ=="],["b","MQ=="]]}"#;
    let rename = r#"{"from":"/data/a.txt","to":"/data/c.txt"}"#;
    let body = r#"{"method":"GET","url":"http://api/search","headers":[],"body":"aGk="}"#;
    let dump = r#"{"method":"POST","url":"http://api/x","headers":[],"path":"/data/dump"}"#;
    let effects = [("prober.write-file", &*write), ("prober.kv-set-many", pair), ("prober.http", body)];
    let calls = reads.into_iter().map(|call| (call, 1));
    let calls = calls.chain(EFFECTS.into_iter().chain(effects).map(|call| (call, 2)));
    for ((function, arguments), syncs) in
        calls.chain([(("prober.rename-file", rename), 2), (("prober.http-and-dump", dump), 3)])
    {
        let before = scene.disk.change(|state| state.syncs);
        let receipt = scene.house.call_as(&scene.key, function, arguments).await;
        assert!(receipt.fuel > 0, "{function} ran: {receipt:?}");
        assert_eq!(scene.disk.change(|state| state.syncs) - before, syncs, "{function} {receipt:?}");
    }
}

/// The entries of the log on disk.
fn book(home: &std::path::Path) -> Vec<Entry> {
    let log = Home::open(home.join("audit")).unwrap();
    read(log.dir(), Filter::default()).unwrap().map(|entry| entry.unwrap()).collect()
}

/// What an intent says: import and target.
fn announced(entry: &Entry) -> Vec<(String, String)> {
    assert_eq!((entry.reason_code, entry.outcome), (Reason::Ok, Outcome::Unknown));
    let records = entry.imports.iter();
    records
        .map(|record| {
            assert_eq!((&*record.class, record.count, record.why.as_deref()), ("effect", 1, None));
            (record.import.to_string(), record.target.as_deref().unwrap_or("-").to_owned())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_reached_finds_in_the_log_on_disk_that_it_would_be() {
    let plan = house().tool("prober");
    let home = plan.path().to_owned();
    let found = Arc::new(Mutex::new(Vec::new()));
    let (seen, at) = (found.clone(), home.clone());
    // At the moment when a request reaches it, the service reads the host's log.
    let service = wire(move |first: &str| {
        let last = book(&at).pop();
        seen.lock().unwrap().push((first.to_owned(), last));
        Bytes::whole("200 OK", "", b"done")
    })
    .await;
    let house = plan.tenant("acme", &tenant(&service.origin())).build().await;
    std::fs::create_dir_all(home.join("shared")).unwrap();
    let key = house.key("acme").await;
    let post = r#"{"method":"POST","url":"http://api/orders/7?token=secret","headers":[],"body":"aGk="}"#;
    let receipt = house.call_as(&key, "prober.http", post).await;
    assert_eq!(receipt.reason, Reason::Ok, "{receipt:?}");
    let (first, last) = found.lock().unwrap().pop().unwrap();
    assert!(first.starts_with("POST /orders/7?token=secret "), "{first}");
    let intent = last.unwrap();
    assert_eq!((intent.phase, intent.call_id), (Phase::Intent, Some(receipt.call_id)));
    let outcome = book(&home).pop().unwrap();
    let identity = |entry: &Entry| {
        let of = (entry.tenant_id.clone(), entry.actor_id.clone(), entry.action.clone());
        (of, entry.component, entry.policy, entry.arguments, entry.idempotency_key)
    };
    assert_eq!(identity(&intent), identity(&outcome));
    assert!(intent.arguments.is_some() && intent.idempotency_key.is_some() && intent.policy.is_some());
    let handle = "wasi:http/outgoing-handler.handle (not GET, HEAD or OPTIONS, or with a body)";
    let target = format!("{}/orders/7", service.origin());
    assert_eq!(announced(&intent), [(handle.to_owned(), target)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intents_name_each_import_and_target_once() {
    let service = wire(|_| Bytes::whole("200 OK", "", b"done")).await;
    let plan = house().tenant("acme", &tenant(&service.origin())).tool("prober");
    std::fs::create_dir_all(plan.path().join("shared")).unwrap();
    let house = plan.build().await;
    let key = house.key("acme").await;
    let long = "x".repeat(300_000);
    let text = format!(r#"{{"path":"/data/a.txt","text":"{long}"}}"#);
    let files = "wasi:filesystem/types.[method]descriptor";
    let kv = "wasi:keyvalue";
    let handle = "wasi:http/outgoing-handler.handle (not GET, HEAD or OPTIONS, or with a body)";
    let origin = format!("{}/x", service.origin());
    let remember = r#"{"id":"m","text":"tea","tags":[]}"#;
    let dump = r#"{"method":"POST","url":"http://api/x","headers":[],"path":"/data/dump"}"#;
    for (function, arguments, intents) in [
        // Its opening covers all that is written, piece by piece.
        ("write-file", &*text, vec![vec![(format!("{files}.open-at (write)"), "data:/a.txt")]]),
        (
            "rename-file",
            r#"{"from":"/data/a.txt","to":"/data/b.txt"}"#,
            vec![vec![
                (format!("{files}.rename-at"), "data:/a.txt"),
                (format!("{files}.rename-at"), "data:/b.txt"),
            ]],
        ),
        (
            "remove-file",
            r#"{"path":"/data/b.txt"}"#,
            vec![vec![(format!("{files}.unlink-file-at"), "data:/b.txt")]],
        ),
        (
            "kv-set-many",
            r#"{"bucket":"cart","pairs":[["a","MQ=="],["b","MQ=="]]}"#,
            vec![vec![(format!("{kv}/batch.set-many"), "prober/cart")]],
        ),
        (
            "kv-increment",
            r#"{"bucket":"cart","key":"n","delta":1}"#,
            vec![vec![(format!("{kv}/atomics.increment"), "prober/cart")]],
        ),
        // What is not there is forgotten without a trace.
        ("mem-forget", r#"{"id":"m"}"#, vec![]),
        ("mem-remember", remember, vec![vec![("strongroom:host/memory.remember".into(), "memory")]]),
        ("mem-forget", r#"{"id":"m"}"#, vec![vec![("strongroom:host/memory.forget".into(), "memory")]]),
        (
            "http-and-dump",
            dump,
            vec![vec![(handle.into(), &*origin)], vec![(format!("{files}.open-at (write)"), "data:/dump")]],
        ),
    ] {
        let receipt = house.call_as(&key, &format!("prober.{function}"), arguments).await;
        assert_eq!(receipt.reason, Reason::Ok, "{function}: {receipt:?}");
        let entries = book(house.path());
        let mut of_call =
            entries.iter().filter(|entry| entry.call_id == Some(receipt.call_id)).collect::<Vec<_>>();
        let outcome = of_call.pop().unwrap();
        assert_eq!((outcome.phase, outcome.outcome), (Phase::Outcome, Outcome::Executed));
        assert!(of_call.iter().all(|entry| entry.phase == Phase::Intent), "{of_call:?}");
        let said: Vec<_> = of_call.into_iter().map(announced).collect();
        let owned =
            |intent: Vec<(String, &str)>| intent.into_iter().map(|(i, t)| (i, t.to_owned())).collect();
        assert_eq!(said, intents.into_iter().map(owned).collect::<Vec<Vec<_>>>(), "{function}");
        // Everything announced was done, and is among the outcome's own records.
        for (import, target) in said.iter().flatten() {
            let done = |record: &&strongroom::audit::ImportRecord| {
                record.import == *import && record.target.as_deref() == Some(target)
            };
            assert!(outcome.imports.iter().any(|record| done(&record)), "{function}: {import} {target}");
        }
    }
}

#[tokio::test]
async fn a_get_is_sent_without_a_body_unless_it_has_a_length_and_then_it_is_an_effect() {
    let service = wire(|_| Bytes::whole("200 OK", "", b"done")).await;
    let house = house().tenant("acme", &tenant(&service.origin())).tool("prober").build().await;
    std::fs::create_dir_all(house.path().join("shared")).unwrap();
    let key = house.key("acme").await;
    for (method, body, effect) in
        [("GET", "", false), ("OPTIONS", "", false), ("GET", "aGk=", true), ("OPTIONS", "aGk=", true)]
    {
        let arguments =
            format!(r#"{{"method":"{method}","url":"http://api/x","headers":[],"body":"{body}"}}"#);
        let receipt = house.call_as(&key, "prober.http", &arguments).await;
        assert_eq!(receipt.reason, Reason::Ok, "{receipt:?}");
        let head = service.heads().pop().unwrap().to_ascii_lowercase();
        assert_eq!(
            head.contains("content-length: 2") || head.contains("transfer-encoding"),
            effect,
            "{head}"
        );
        let of_call = book(house.path()).into_iter().filter(|entry| entry.call_id == Some(receipt.call_id));
        assert_eq!(
            of_call.filter(|entry| entry.phase == Phase::Intent).count(),
            usize::from(effect),
            "{method}"
        );
    }
}
