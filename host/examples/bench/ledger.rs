//! What the ledger costs a call, and what many tenants cost: in time of each other's calls, and in memory.
//!
//! *Reserve, begin, settle* is the ledger by itself, within a lease. *Admitted and denied* is a whole call of a function
//! that the tenant blocks: key, switches, rate, queue, reservation, denial, settlement and the entry in the book, all but
//! the guest. Hosts with 10 and with 100,000 tenants take turns; each call is another tenant's than the one before.

use super::{ARGUMENTS, TENANT, component, median, show};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use strongroom::admit::CallRequest;
use strongroom::audit::MemoryJournal;
use strongroom::config::{Settings, Tenant};
use strongroom::id::{ActorId, TenantId};
use strongroom::identify::Credential;
use strongroom::powers::{Home, SystemClock};
use strongroom::reason::Reason;
use strongroom::storage::Folder;
use strongroom::storage::ledger::{Amounts, Budget, Ledger, Of, Per, SqliteLedger};
use strongroom::{NewKey, Strongroom};

const FEW: usize = 10;
const MANY: usize = 100_000;
/// Keys that are made at once, so that they share syncs.
const TOGETHER: usize = 500;
/// Calls between one host's turn and the other's.
const TURN: usize = 500;

pub(crate) async fn run(calls: u64) {
    let calls = usize::try_from(calls).unwrap();
    println!();
    alone(calls).await;
    let few = Street::new(FEW).await;
    let before = resident();
    let many = Street::new(MANY).await;
    let idle = resident() - before;
    let tenants = i64::try_from(MANY).unwrap();
    println!("{:<40} {:>8} B    (goal ≤ 2,000)", "memory of a tenant that never called", idle / tenants);
    let before = resident();
    for of in 0..MANY {
        many.call(&many.keys[of], "echo.echo", Reason::Ok).await;
    }
    println!("{:<40} {:>8} B more", "  that has called once", (resident() - before) / tenants);
    for (what, function, reason) in
        [("admitted and denied", "spin.spin", Reason::PolicyDenied), ("whole call", "echo.echo", Reason::Ok)]
    {
        let (mut times, mut ratios) = ([vec![], vec![]], vec![]);
        for turn in 0..=calls / TURN {
            for (street, times) in [&few, &many].into_iter().zip(&mut times) {
                for n in 0..TURN {
                    // A stride that meets every tenant, and none near the one before.
                    let of = (turn * TURN + n) * 61_803 % street.keys.len();
                    // A request has just brought its key.
                    let key = street.keys[of].clone();
                    let began = Instant::now();
                    street.call(&key, function, reason).await;
                    if turn > 0 {
                        times.push(began.elapsed());
                    }
                }
            }
            if turn > 0 {
                let last = |times: &mut Vec<_>| {
                    let before = times.len() - TURN;
                    median(&mut times[before..])
                };
                let [few, many] = times.each_mut().map(last);
                ratios.push(many / few);
            }
        }
        let goal = if reason == Reason::Ok { "   (goal ≤ 1.10×)" } else { "" };
        let [few, many] = &mut times;
        let few = show(&format!("{what}, {FEW} tenants"), few);
        let many = show(&format!("{what}, {MANY} tenants"), many);
        println!("{:<40} {:>8.2}×{goal}", format!("  {MANY} / {FEW} tenants, medians"), many / few);
        // Of turns that follow each other, between which the machine has changed least.
        ratios.sort_by(f64::total_cmp);
        println!("{:<40} {:>8.3}×", "  the same of each turn and its neighbour", ratios[ratios.len() / 2]);
    }
}

/// The ledger by itself.
async fn alone(calls: usize) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(folder.path()).unwrap();
    let place = Folder::new(home.dir().try_clone().unwrap(), home.path());
    let ledger = SqliteLedger::open(&place, Arc::new(SystemClock)).unwrap();
    let (acme, large) = (TenantId::new("acme").unwrap(), 1_000_000_000_000);
    let budgets = [Budget::new(Of::Calls, Per::Day, large), Budget::new(Of::Fuel, Per::Day, large)];
    let mut times = Vec::new();
    for _ in 0..calls {
        let began = Instant::now();
        let held = Ledger::reserve(&ledger, &acme, &budgets, Amounts::call(1000)).await.unwrap();
        black_box(ledger.settle(ledger.begin(held), Amounts::call(400)));
        times.push(began.elapsed());
    }
    show("reserve, begin, settle; goal ≤ 10 µs", &mut times);
}

/// A host with many tenants, and a key for each.
struct Street {
    room: Strongroom,
    keys: Vec<String>,
}

impl Street {
    async fn new(tenants: usize) -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        std::fs::create_dir_all(folder.join("tenants")).unwrap();
        let text = format!("{TENANT}\n").replace("allow = [\"*\"]", "allow = [\"*\"]\nblock = [\"spin\"]");
        std::fs::write(folder.join("tenants/one.toml"), text).unwrap();
        let home = Home::open(&folder).unwrap();
        let mut settings = Settings::load(home.dir()).unwrap();
        let one = settings.tenants.pop_first().unwrap().1;
        let ids = (0..tenants).map(|n| TenantId::new(format!("tenant-{n:06}")).unwrap());
        settings.tenants = ids.map(|id| (id.clone(), Arc::new(Tenant { id, ..(*one).clone() }))).collect();
        let ids: Vec<TenantId> = settings.tenants.keys().cloned().collect();
        let journal = Arc::new(MemoryJournal::keeping(1_000));
        let builder = Strongroom::builder(home).settings(settings).journal(journal).buffered(true);
        let room = builder.build().await.unwrap();
        room.install(component("echo"), "echo", Some(super::ECHO)).await.unwrap();
        room.install(component("spin"), "spin", None).await.unwrap();
        let mut keys = Vec::with_capacity(tenants);
        for ids in ids.chunks(TOGETHER) {
            let made = ids.iter().map(|id| room.create_key(key_of(id.clone())));
            keys.extend(
                futures::future::join_all(made).await.into_iter().map(|key| key.unwrap().text.to_string()),
            );
        }
        Self { room, keys }
    }

    async fn call(&self, key: &str, function: &str, reason: Reason) {
        let request =
            CallRequest { function: function.into(), arguments: ARGUMENTS.into(), ..Default::default() };
        let receipt = self.room.call(Credential::ApiKey(key), request).await;
        assert_eq!(receipt.reason, reason, "{receipt:?}");
        black_box(receipt);
    }
}

fn key_of(tenant: TenantId) -> NewKey {
    let actor = ActorId::new("bench").unwrap();
    NewKey { tenant, actor, role: None, scopes: Vec::new(), expires_ms: None }
}

/// Memory of this process that is in the machine's, in bytes.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: i64 = status.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}
