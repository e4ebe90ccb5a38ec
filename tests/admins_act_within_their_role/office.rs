//! A host that serves calls and the admin API on loopback, with two tenants and an admin of each kind.

use crate::http_api::client::{Reply, book, call, listener, request};
use serde_json::{Value, json};
use std::net::SocketAddr;
use strongroom::audit::{Entry, Phase};
use strongroom::id::{ActorId, TenantId};
use strongroom::serve::{self, Listeners, ServeError};
use strongroom::storage::ledger::AdminRole;
use strongroom::{Builder, NewAdminKey, Strongroom};
use strongroom_tests::{House, house};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

const RULES: &str = "[tools]\nallow = ['*']\n[grants.prober.keyvalue.cart]\nmode = 'rw'\n
                     [[budgets]]\nof = 'calls'\nper = 'day'\nlimit = 1000\n";

/// The host, and keys of its admins.
pub(super) struct Office {
    pub(super) house: House,
    calls: SocketAddr,
    admin: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    done: JoinSet<Result<(), ServeError>>,
    pub(super) operator: String,
    pub(super) auditor: String,
    /// An admin of `acme`.
    pub(super) own: String,
}

pub(super) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub(super) async fn admin_key(room: &Strongroom, role: AdminRole, expires_ms: Option<u64>) -> String {
    let key = NewAdminKey { role, actor: ActorId::new("kim").unwrap(), expires_ms };
    room.create_admin_key(key).await.unwrap().text.to_string()
}

impl Office {
    pub(super) async fn open() -> Self {
        Self::open_with("").await
    }

    /// With more in the tenants' files.
    pub(super) async fn open_with(more: &str) -> Self {
        Self::open_as(more, |builder| builder).await
    }

    /// The same with a host that is built otherwise.
    pub(super) async fn open_as(more: &str, change: impl FnOnce(Builder) -> Builder) -> Self {
        let rules = format!("{RULES}{more}");
        let house = house().tenant("acme", &rules).tenant("globex", &rules);
        // Its functions write, whatever it says of itself.
        let house = house.tool("prober").tool_with("sleeper", "name = 'sleeper'\nversion = '1.0.0'\n");
        let house = house.build_with(change).await;
        let (calls, admin) = (listener("127.0.0.1"), listener("127.0.0.1"));
        let addresses = (calls.local_addr().unwrap(), admin.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let mut done = JoinSet::new();
        let listeners = Listeners { calls, admin: Some(admin) };
        done.spawn(serve::run_on(house.room.clone(), listeners, async move { drop(stopped.await) }));
        let operator = admin_key(&house.room, AdminRole::Operator, None).await;
        let auditor = admin_key(&house.room, AdminRole::Auditor, None).await;
        let own = admin_key(&house.room, AdminRole::TenantAdmin(tenant("acme")), None).await;
        let (calls, admin) = addresses;
        Self { house, calls, admin, stop: Some(stop), done, operator, auditor, own }
    }

    /// Sends bytes to the admin API.
    pub(super) async fn raw(&self, bytes: &[u8]) -> Reply {
        send(self.admin, bytes).await
    }

    /// Sends bytes to the admin API and is gone when they have arrived.
    pub(super) async fn leave(&self, bytes: &[u8]) {
        let mut stream = TcpSocket::new_v4().unwrap().connect(self.admin).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        // Until the host has begun with it; how far it is then, each time is another.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }

    /// The same to where tools are called.
    pub(super) async fn raw_call(&self, bytes: &[u8]) -> Reply {
        send(self.calls, bytes).await
    }

    /// Begins a call that sleeps for a minute; gives its id.
    pub(super) async fn begin_sleeping(&self, key: &str) -> String {
        let headers = ["prefer: respond-async", "idempotency-key: s"];
        let begun = self.raw_call(&call(key, "sleeper.sleep", &headers, r#"{"ms":60000}"#)).await;
        assert_eq!(begun.status, 202, "{begun:?}");
        begun.json()["call_id"].as_str().unwrap().to_owned()
    }

    /// Asks with a key; what is sent is sent once, under a key of its own.
    pub(super) async fn ask(&self, key: &str, method: &str, path: &str, body: &Value) -> Reply {
        let (authorization, once) = (format!("authorization: Bearer {key}"), once());
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(&request(method, path, &[&authorization, &once], body)).await
    }

    pub(super) async fn get(&self, key: &str, path: &str) -> Reply {
        self.ask(key, "GET", path, &Value::Null).await
    }

    pub(super) async fn post(&self, key: &str, path: &str, body: &Value) -> Reply {
        self.ask(key, "POST", path, body).await
    }

    /// What the book has of a request.
    pub(super) fn told(&self, reply: &Reply) -> Vec<Entry> {
        let call = reply.header("strongroom-call-id").unwrap_or_else(|| panic!("{reply:?}"));
        let mut all = book(&self.house);
        all.retain(|entry| entry.call_id.is_some_and(|id| id.to_string() == call));
        all
    }

    /// What the book has of acts of the host itself, as `key.create …`, and who did it.
    pub(super) fn acts(&self, begins: &str) -> Vec<(String, String)> {
        let acts = book(&self.house)
            .into_iter()
            .filter(|entry| entry.call_id.is_none() && entry.phase == Phase::Outcome);
        let acts = acts.filter(|entry| entry.action.starts_with(begins));
        acts.map(|entry| (entry.action, entry.actor_id.unwrap().to_string())).collect()
    }

    /// All that admins can change, but for their own keys.
    pub(super) fn state(&self) -> Value {
        let room = &self.house.room;
        let keys: Vec<_> = room.keys(None).iter().map(|key| format!("{key:?}")).collect();
        let raises: Vec<_> = room.raises().iter().map(|raise| format!("{raise:?}")).collect();
        json!({ "keys": keys, "kills": room.kills(), "raises": raises })
    }

    /// Ends serving, and waits until it has.
    pub(super) async fn close(mut self) -> House {
        self.stop.take().unwrap().send(()).unwrap();
        self.done.join_next().await.unwrap().unwrap().unwrap();
        self.house
    }
}

async fn send(address: SocketAddr, bytes: &[u8]) -> Reply {
    let mut stream = BufReader::new(TcpSocket::new_v4().unwrap().connect(address).await.unwrap());
    stream.write_all(bytes).await.unwrap();
    Reply::read(&mut stream).await
}

/// A header with an idempotency key that nobody has used.
fn once() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("idempotency-key: once-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
