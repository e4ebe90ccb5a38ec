//! One life of a host: a process that works until it is killed, and says what it was promised.
//!
//! What it says goes to its standard output, a line each: `@` and a JSON value. A line is written when everything in it was
//! acknowledged, so a line that arrived whole is a promise.

use super::work::{Kind, Name, work};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use strongroom::audit::{Timing, rotate};
use strongroom::config::RoleName;
use strongroom::id::{ActorId, TenantId, ToolName};
use strongroom::identify::Credential;
use strongroom::powers::{Home, SystemClock, SystemEntropy};
use strongroom::settle::Receipt;
use strongroom::storage::ledger::KillScope;
use strongroom::{NewKey, Strongroom};
use strongroom_tests::{Reaper, request_with_key};

/// The variable with the order for a life.
pub const ORDER: &str = "STRONGROOM_LIFE";
/// Calls that run at the same time.
const CALLERS: u32 = 6;

/// What a life is to do.
pub struct Order {
    pub home: PathBuf,
    pub life: u32,
    /// The keys of the tenants `acme` and `globex`; none in a home that is empty.
    pub keys: Vec<String>,
    /// How many calls it makes before it ends by itself.
    pub calls: u32,
    /// At which step it kills itself, and at which time of reaching it.
    pub die: Option<(String, u32)>,
    /// Whether the book gets a new key first.
    pub rotate: bool,
    /// Calls of earlier lives to repeat, one by one, instead of new ones.
    pub repeat: Vec<Name>,
}

impl Order {
    pub fn text(&self) -> String {
        let Self { home, life, keys, calls, die, rotate, repeat } = self;
        json!({ "home": home, "life": life, "keys": keys, "calls": calls, "die": die, "rotate": rotate, "repeat": repeat })
            .to_string()
    }

    fn parse(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap();
        let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |name: &str| value[name].as_array().unwrap().clone();
        Self {
            home: text(&value["home"]).into(),
            life: number(&value["life"]),
            keys: list("keys").iter().map(text).collect(),
            calls: number(&value["calls"]),
            die: value["die"].as_array().map(|die| (text(&die[0]), number(&die[1]))),
            rotate: value["rotate"].as_bool().unwrap(),
            repeat: list("repeat").iter().map(|name| (number(&name[0]), number(&name[1]))).collect(),
        }
    }
}

/// Says a line, at once and whole.
fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n@{line}\n").as_bytes()).and_then(|()| out.flush()).expect("somebody listens");
}

/// Lives as the variable says.
pub fn live(order: &str) {
    let order = Order::parse(order);
    if let Some((step, n)) = &order.die {
        Reaper::at(step, *n).listen();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if order.rotate {
            let home = Home::open(&order.home).unwrap();
            let audit = home.dir().open_dir("audit").unwrap();
            let who = Some(ActorId::local());
            let clock = Arc::new(SystemClock);
            let key = rotate(home.dir(), audit, who, clock, &SystemEntropy).await.unwrap();
            say(&json!({ "acted": "audit.keys.rotate", "key": key.public() }));
        }
        // Publications and files of the journal that are as frequent as calls, so that each life has some.
        let timing = Timing { publish: Duration::from_millis(10), file: 8 << 10, ..Timing::default() };
        let room = Strongroom::builder(Home::open(&order.home).unwrap()).timing(timing);
        let room = room.build().await.unwrap_or_else(|e| panic!("{e:?}"));
        up(&room, &order.keys).await;
        if !order.keys.is_empty() {
            works(&room, Arc::new(order)).await;
        }
        room.close().await.unwrap();
    });
    say(&json!({ "closed": true }));
}

/// Says what the host is like after its start.
async fn up(room: &Strongroom, keys: &[String]) {
    let mut budgets = Vec::new();
    for key in keys {
        let caller = room.identify(Credential::ApiKey(key)).await.unwrap();
        let usage = room.budgets(&caller).await.unwrap();
        budgets.push(usage.iter().map(|u| json!([u.spent, u.reserved])).collect::<Vec<_>>());
    }
    let kills: Vec<_> = room.kills().iter().map(|kill| kill.scope.to_string()).collect();
    let known: Vec<_> = room.keys(None).iter().map(|key| key.id.to_string()).collect();
    say(&json!({ "up": { "budgets": budgets, "kills": kills, "keys": known } }));
}

async fn works(room: &Strongroom, order: Arc<Order>) {
    let next = Arc::new(AtomicU32::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (room, order, next) = (room.clone(), order.clone(), next.clone());
        callers.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::SeqCst);
                match order.repeat.get(n as usize) {
                    Some(name) => make(&room, &order, *name).await,
                    None if n >= order.calls || !order.repeat.is_empty() => return,
                    None => calls(&room, &order, n).await,
                }
            }
        });
    }
    let operator = {
        let (room, life) = (room.clone(), order.life);
        tokio::spawn(async move {
            for round in 0.. {
                operate(&room, life, round).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    };
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
    operator.abort();
    assert!(operator.await.unwrap_err().is_cancelled());
}

/// The n-th call of this life, sometimes twice, and now and then one of an earlier life.
async fn calls(room: &Strongroom, order: &Order, n: u32) {
    make(room, order, (order.life, n)).await;
    if n.is_multiple_of(5) {
        make(room, order, (order.life, n)).await;
    }
    let back = 1 + n % 3;
    if n.is_multiple_of(2) && back <= order.life {
        make(room, order, (order.life - back, n)).await;
    }
}

async fn make(room: &Strongroom, order: &Order, name: Name) {
    let call = work(name);
    say(&json!({ "begun": [name.0, name.1] }));
    let key = &order.keys[usize::from(call.kind == Kind::Few)];
    let request = request_with_key(call.function, &call.arguments, &call.key);
    let Receipt { call_id, reason, outcome, fuel, value, .. } =
        room.call(Credential::ApiKey(key), request).await;
    say(&json!({
        "ended": [name.0, name.1], "call": call_id.to_string(), "reason": reason.code(),
        "outcome": outcome.as_str(), "fuel": fuel, "value": value,
    }));
}

/// A round of orders, each announced before and acknowledged after.
async fn operate(room: &Strongroom, life: u32, round: u32) {
    let tool = KillScope::Tool(ToolName::new("nothing").unwrap());
    let why = format!("drill {life}-{round}");
    if !room.kills().iter().any(|kill| kill.scope == tool) {
        say(&json!({ "acting": "kill" }));
        room.kill(tool.clone(), &why).await.unwrap();
        say(&json!({ "acted": format!("kill {tool}: {why}") }));
    }
    say(&json!({ "acting": "revive" }));
    assert!(room.revive(tool.clone()).await.unwrap());
    say(&json!({ "acted": format!("revive {tool}") }));
    if round % 8 == 1 {
        let key = NewKey {
            tenant: TenantId::new("acme").unwrap(),
            actor: ActorId::new("agent").unwrap(),
            role: None::<RoleName>,
            scopes: Vec::new(),
            expires_ms: None,
        };
        let key = room.create_key(key).await.unwrap();
        say(&json!({ "acted": format!("key.create {}", key.id), "made": key.id.to_string() }));
    }
}
