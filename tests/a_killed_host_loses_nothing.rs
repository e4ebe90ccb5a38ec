//! A host that is killed at any moment, again and again, keeps what it has promised: no acknowledged entry, charge or answer is
//! lost, no effect happens twice, no intent stays without an end, and the log verifies.
//!
//! 500 kills unless `STRONGROOM_CRASHES` says how many; `STRONGROOM_SEED` repeats the choices of an earlier run.

mod death;
mod judge;
mod life;
mod work;

use death::{When, run};
use judge::Judge;
use life::Order;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use strongroom::Strongroom;
use strongroom::identify::Credential;
use strongroom::powers::Home;
use strongroom::step::Step;
use strongroom_tests::{Bytes, Chance, Plan, Wire, house, wire};
use tempfile::TempDir;
use work::{COUNTER, FEW};

/// Homes in which hosts live and die at the same time.
const STREETS: u64 = 3;
/// Calls of a life that is to come to a step, if nothing kills it before.
const CALLS: u32 = 40;
/// How often a step is waited for before it counts as one that is never reached.
const TRIES: u32 = 25;

#[test]
fn nothing_acknowledged_is_lost_and_nothing_happens_twice() {
    let seed = Chance::seed();
    let crashes: u64 =
        std::env::var("STRONGROOM_CRASHES").map_or(500, |text| text.parse().expect("how many crashes"));
    println!("STRONGROOM_SEED={seed} STRONGROOM_CRASHES={crashes}");
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let town = Town { killed: AtomicU64::new(0), crashes, steps: Mutex::new(Steps::new()) };
    std::thread::scope(|scope| {
        let streets: Vec<_> = (0..STREETS)
            .map(|n| {
                let (town, handle) = (&town, runtime.handle().clone());
                scope.spawn(move || Street::new(handle, Chance::new(seed + n)).go(town))
            })
            .collect();
        for street in streets {
            street.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause));
        }
    });
    let steps = town.steps.into_inner().unwrap();
    let missed: Vec<_> = Step::LIFE.iter().filter(|s| !steps.died.contains_key(s.name())).collect();
    assert!(missed.is_empty(), "no process died at {missed:?}");
    let killed = town.killed.into_inner();
    println!("{killed} kills in {:.0} s; at steps: {:?}", began.elapsed().as_secs_f64(), steps.died);
    assert!(killed >= crashes);
}

/// A host that lives in a process of its own, as the test above starts it.
#[test]
#[ignore = "it is started by the test that kills it"]
fn a_life() {
    if let Ok(order) = std::env::var(life::ORDER) {
        life::live(&order);
    }
}

/// What all streets share.
struct Town {
    killed: AtomicU64,
    crashes: u64,
    steps: Mutex<Steps>,
}

/// Which step comes next, and where processes have died.
struct Steps {
    /// With how often it was not reached.
    next: VecDeque<(Step, u32)>,
    died: BTreeMap<&'static str, u64>,
}

impl Steps {
    fn new() -> Self {
        Self { next: Step::LIFE.iter().map(|step| (*step, 0)).collect(), died: BTreeMap::new() }
    }

    fn take(&mut self) -> (Step, u32) {
        self.next.pop_front().expect("there are more steps than streets")
    }

    /// A step that was not reached comes again soon.
    fn back(&mut self, step: Step, tries: u32, reached: bool) {
        if reached {
            *self.died.entry(step.name()).or_default() += 1;
            self.next.push_back((step, 0));
        } else {
            assert!(tries < TRIES || self.died.contains_key(step.name()), "{step:?} is never reached");
            self.next.insert(self.next.len().min(3), (step, tries + 1));
        }
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep();
        }
    }
}

/// A home, its service, and the lives in it.
struct Street {
    runtime: tokio::runtime::Handle,
    chance: Chance,
    home: Arc<TempDir>,
    service: Wire,
    keys: Vec<String>,
    judge: Judge,
    life: u32,
    /// How long a start takes.
    start: Duration,
}

impl Street {
    fn new(runtime: tokio::runtime::Handle, chance: Chance) -> Self {
        let answers = AtomicU64::new(0);
        let (home, service, keys) = runtime.block_on(async {
            let service = wire(move |_| {
                let n = answers.fetch_add(1, Ordering::SeqCst);
                Bytes::whole("200 OK", "", format!("answer {n}").as_bytes())
            })
            .await;
            let house = plan(&service.origin()).build().await;
            let keys = vec![house.key("acme").await, house.key("globex").await];
            (house.leave().await, service, keys)
        });
        let judge = Judge::new(home.path().to_owned());
        Self { runtime, chance, home, service, keys, judge, life: 0, start: Duration::from_millis(200) }
    }

    fn go(mut self, town: &Town) {
        let mut rounds = 0;
        while town.killed.load(Ordering::SeqCst) < town.crashes {
            rounds += 1;
            if self.chance.percent(5) {
                self.newborn(town);
            } else if self.chance.percent(50) {
                let (step, tries) = town.steps.lock().unwrap().take();
                let reached = self.at_step(step);
                town.steps.lock().unwrap().back(step, tries, reached);
                town.killed.fetch_add(u64::from(reached), Ordering::SeqCst);
            } else {
                town.killed.fetch_add(u64::from(self.at_random()), Ordering::SeqCst);
            }
            if rounds % 8 == 0 {
                self.judge.verify(false);
            }
        }
        self.end();
    }

    /// The home of a promise that was broken stays, to be looked at.
    fn keep(&mut self) {
        if let Some(home) = Arc::get_mut(&mut self.home) {
            home.disable_cleanup(true);
            println!("what was left after life {} is kept in {}", self.life, home.path().display());
        }
    }

    fn order(&self, calls: u32) -> Order {
        let (home, keys) = (self.home.path().to_owned(), self.keys.clone());
        Order { home, life: self.life, keys, calls, die: None, rotate: false, repeat: Vec::new() }
    }

    /// A life that ends when it reaches a step for the first time, or for a later one. Whether it did.
    fn at_step(&mut self, step: Step) -> bool {
        if step == Step::KeyMade {
            return self.first_start(Some((step.name().to_owned(), 1)), When::Never);
        }
        let often = match step {
            Step::LeaseExtended | Step::KeyAnnounced | Step::KeyNext | Step::KeyListed | Step::KeyTaken => 1,
            Step::TornKept | Step::TornCut | Step::Recovered => 1,
            Step::JournalNext | Step::JournalMoved => 2,
            _ => 12,
        };
        let first = self.chance.percent(40);
        let n = if first { 1 } else { 1 + u32::try_from(self.chance.below(often)).unwrap() };
        let mut order = self.order(CALLS);
        order.die = Some((step.name().to_owned(), n));
        order.rotate = matches!(step, Step::KeyAnnounced | Step::KeyNext | Step::KeyListed | Step::KeyTaken);
        if matches!(step, Step::TornKept | Step::TornCut) {
            self.tear();
        }
        self.live(&order, When::Never)
    }

    /// A life that is killed at some moment.
    fn at_random(&mut self) -> bool {
        let mut order = self.order(u32::MAX);
        order.rotate = self.chance.percent(3);
        let part = |chance: &mut Chance, of: Duration| {
            Duration::from_micros(chance.below(u64::try_from(of.as_micros()).unwrap()))
        };
        let when = match self.chance.percent(25) {
            true => When::Born(part(&mut self.chance, self.start)),
            false => When::Up(part(&mut self.chance, Duration::from_millis(120))),
        };
        self.live(&order, when)
    }

    fn live(&mut self, order: &Order, when: When) -> bool {
        let heard = run(order, when);
        if let Some(up) = heard.up {
            self.start = (self.start + up) / 2;
        }
        self.judge.hear(&heard);
        self.life += 1;
        heard.killed
    }

    /// The first start of a home, which makes its keys; killed, and then left alone.
    fn newborn(&mut self, town: &Town) {
        let after = Duration::from_micros(self.chance.below(u64::try_from(self.start.as_micros()).unwrap()));
        let killed = self.first_start(None, When::Born(after));
        town.killed.fetch_add(u64::from(killed), Ordering::SeqCst);
    }

    fn first_start(&self, die: Option<(String, u32)>, when: When) -> bool {
        let home = tempfile::tempdir().unwrap();
        let mut order = Order {
            home: home.path().to_owned(),
            life: 0,
            keys: Vec::new(),
            calls: 0,
            die,
            rotate: false,
            repeat: Vec::new(),
        };
        let killed = run(&order, when).killed;
        order.die = None;
        let mut judge = Judge::new(order.home.clone());
        assert!(!run(&order, When::Never).killed);
        judge.hear(&death::Heard { lines: Vec::new(), killed: false, up: None });
        judge.verify(true);
        killed
    }

    /// Leaves at the journal's end what a crash leaves that comes in the middle of a write.
    fn tear(&mut self) {
        let journal = self.home.path().join("audit/journal");
        let names = std::fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = names.filter(|path| path.extension().is_none()).collect();
        files.sort();
        let newest = files.pop().expect("a journal has a file");
        let ended = |before: &std::path::PathBuf| std::fs::read(before).unwrap().ends_with(b"moved\n");
        if !files.last().is_none_or(ended) {
            // A rotation was cut off: nothing else was being written.
            return;
        }
        let half = [&[1, 0][..], b"the beginning of an entry of 256 bytes"].concat();
        std::fs::OpenOptions::new().append(true).open(newest).unwrap().write_all(&half).unwrap();
    }

    /// Repeats every call once more, and looks at what all of them have left.
    fn end(mut self) {
        let mut order = self.order(0);
        order.repeat =
            self.judge.begun.iter().copied().filter(|name| work::work(*name).kind.writes()).collect();
        assert!(!self.live(&order, When::Never));
        let mut hits: HashMap<String, u64> = HashMap::new();
        for head in self.service.heads() {
            if let Some((key, _)) = head.strip_prefix("POST /n/").and_then(|rest| rest.split_once(' ')) {
                *hits.entry(key.to_owned()).or_default() += 1;
            }
        }
        self.runtime.block_on(async {
            let room = Strongroom::builder(Home::open(self.home.path()).unwrap()).build().await.unwrap();
            let caller = room.identify(Credential::ApiKey(&self.keys[0])).await.unwrap();
            let mut stored = BTreeMap::new();
            for name in &self.judge.begun {
                let key = work::work(*name).key;
                stored.insert(key.clone(), room.recall(&caller, "cart", &key).await.unwrap());
            }
            let counter = room.recall(&caller, "cart", COUNTER).await.unwrap().unwrap_or(b"0".to_vec());
            let counter = String::from_utf8(counter).unwrap().parse().unwrap();
            self.judge.effects(&hits, counter, |key| stored.get(key).cloned().flatten());
            drop(caller);
            room.close().await.unwrap();
        });
        self.judge.hear(&death::Heard { lines: Vec::new(), killed: false, up: None });
        self.judge.verify(true);
        println!("{} lives: {}", self.life, self.judge.sum());
    }
}

/// Two tenants: one that may do everything, and one with a budget that is soon used up.
fn plan(service: &str) -> Plan {
    let acme = format!(
        r#"
[tools]
allow = ["*"]
[[budgets]]
of = "calls"
per = "total"
limit = 10_000_000
[[budgets]]
of = "fuel"
per = "total"
limit = 1_000_000_000_000_000
[limits]
fuel = 50_000_000
[grants.prober.http.api]
origin = "{service}"
allow_private = true
[grants.prober.keyvalue.cart]
bucket = "cart"
mode = "rw"
[grants.prober.dir.data]
path = "shared"
mode = "rw"
"#
    );
    let globex =
        format!("[tools]\nallow = [\"*\"]\n[[budgets]]\nof = \"calls\"\nper = \"total\"\nlimit = {FEW}\n");
    let plan = house().tenant("acme", &acme).tenant("globex", &globex).tool("prober").tool("echo");
    let shared: &Path = &plan.path().join("shared");
    std::fs::create_dir_all(shared).unwrap();
    plan
}
