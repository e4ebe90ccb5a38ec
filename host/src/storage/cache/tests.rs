//! Caches as tools meet them: bounded, apart, and none the worse for damaged files.
//!
//! Takes: nothing. Gives: nothing. May name: id, powers, storage.

mod damage;

use super::*;
use crate::powers::SystemEntropy;
use crate::storage::folder::tests::temporary;
use cap_std::fs::Dir;
use proptest::prelude::*;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

/// A clock that moves when it is told to.
#[derive(Debug)]
struct Still(AtomicU64);

impl Clock for Still {
    fn unix_us(&self) -> u64 {
        self.0.load(Ordering::SeqCst) * 1000
    }
    fn monotonic(&self) -> Instant {
        crate::powers::SystemClock.monotonic()
    }
}

impl Still {
    fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

const HOUR: u32 = 3600;

fn still() -> Arc<Still> {
    Arc::new(Still(AtomicU64::new(1_800_000_000_000)))
}

fn on_disk(folder: &Folder, clock: &Arc<Still>) -> TenantCaches {
    TenantCaches::new(folder.clone(), clock.clone(), Arc::new(SystemEntropy))
}

fn of(tenant: &str, tool: &str) -> CacheOf {
    let (tenant, tool) = (TenantId::new(tenant).unwrap(), ToolName::new(tool).unwrap());
    CacheOf { tenant, tool, quota: CACHE_QUOTA, share: None }
}

fn small(tenant: &str, tool: &str, entries: u64) -> CacheOf {
    CacheOf { quota: CacheSize { entries, bytes: entries * (ENTRY_BYTES + 10) }, ..of(tenant, tool) }
}

fn held(caches: &TenantCaches, of: &CacheOf, key: &str) -> Option<String> {
    let value = caches.peek(of, key).or_else(|| caches.get_now(of, key));
    value.map(|value| String::from_utf8(value).unwrap())
}

fn total(caches: &TenantCaches) -> u64 {
    caches.stock().total()
}

fn rows(caches: &TenantCaches) -> usize {
    caches.stock().rows.due(u64::MAX - 1, usize::MAX).unwrap().len()
}

/// What was said aloud while something was done.
fn told(work: impl FnOnce()) -> String {
    struct Ear(Mutex<String>);
    struct Words<'a>(&'a mut String);
    impl tracing::field::Visit for Words<'_> {
        fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn fmt::Debug) {
            writeln!(self.0, "{value:?}").unwrap();
        }
    }
    impl tracing::Subscriber for Ear {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            *metadata.level() <= tracing::Level::WARN
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            event.record(&mut Words(&mut self.0.lock()));
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }
    let ear = tracing::Dispatch::new(Ear(Mutex::default()));
    tracing::dispatcher::with_default(&ear, work);
    ear.downcast_ref::<Ear>().unwrap().0.lock().clone()
}

#[test]
fn tenants_and_tools_see_only_their_own() {
    let (_guard, folder) = temporary();
    let caches = on_disk(&folder, &still());
    let all = [of("acme", "a"), of("acme", "b"), of("globex", "a"), of("acm", "ea")];
    for own in &all {
        assert_eq!(held(&caches, own, "k"), None);
        caches.set_now(own, "k", format!("{own:?}").as_bytes(), HOUR);
    }
    for own in &all {
        assert_eq!(held(&caches, own, "k"), Some(format!("{own:?}")));
    }
    caches.asked((), |stock, _| stock.delete(&all[0], "k"));
    let there: Vec<_> = all.iter().map(|own| held(&caches, own, "k").is_some()).collect();
    assert_eq!(there, [false, true, true, true]);
}

#[test]
fn what_expires_is_never_given_out_and_is_swept() {
    let (_guard, folder) = temporary();
    let clock = still();
    let caches = on_disk(&folder, &clock);
    let acme = of("acme", "a");
    caches.set_now(&acme, "short", b"1", 5);
    caches.set_now(&acme, "long", b"2", HOUR);
    clock.pass(4);
    assert_eq!(held(&caches, &acme, "short").as_deref(), Some("1"));
    clock.pass(1);
    assert_eq!(held(&caches, &acme, "short"), None);
    for n in 0..100 {
        caches.set_now(&acme, &n.to_string(), b"3", 30);
        caches.set_now(&acme, &n.to_string(), b"3", 30 + n);
    }
    assert_eq!(rows(&caches), 101, "setting again leaves no mark behind");
    clock.pass(200);
    assert_eq!(held(&caches, &acme, "none"), None, "asking for anything sweeps");
    assert_eq!((rows(&caches), total(&caches)), (1, ENTRY_BYTES + 1));
    clock.pass(u64::from(HOUR));
    drop(caches);
    let caches = on_disk(&folder, &clock);
    assert_eq!(held(&caches, &acme, "long"), None);
    assert_eq!((rows(&caches), total(&caches)), (0, 0), "also those of an earlier process");
}

#[test]
fn a_clock_that_is_set_back_brings_nothing_back() {
    let caches = |clock: &Arc<Still>| TenantCaches::in_memory(clock.clone(), Arc::new(SystemEntropy));
    let clock = still();
    let caches = caches(&clock);
    caches.set_now(&of("acme", "a"), "k", b"v", HOUR);
    clock.0.fetch_sub(59_000, Ordering::SeqCst);
    assert!(held(&caches, &of("acme", "a"), "k").is_some());
    clock.0.fetch_sub(2_000, Ordering::SeqCst);
    assert!(held(&caches, &of("acme", "a"), "k").is_none());
}

#[test]
fn a_full_cache_loses_its_own_oldest_and_nobody_elses() {
    let (_guard, folder) = temporary();
    let clock = still();
    let mut caches = on_disk(&folder, &clock);
    let (acme, globex) = (small("acme", "a", 10), small("globex", "a", 10));
    caches.set_now(&globex, "mine", b"stays", HOUR);
    for round in 0..3 {
        for n in 0..500 {
            caches.set_now(&acme, &format!("{round}-{n}"), b"0123456789", HOUR);
        }
        let left: Vec<_> =
            (0..500).filter(|n| held(&caches, &acme, &format!("{round}-{n}")).is_some()).collect();
        assert_eq!(left, (490..500).collect::<Vec<_>>());
        assert_eq!(held(&caches, &globex, "mine").as_deref(), Some("stays"));
        assert_eq!(rows(&caches), 11);
        if round == 1 {
            // The index is made anew from what is kept, and in the same order.
            drop(caches);
            caches = on_disk(&folder, &clock);
        }
    }
    let share = CacheOf { share: Some(3 * (ENTRY_BYTES + 10)), ..small("acme", "b", 10) };
    for n in 0..10 {
        caches.set_now(&share, &n.to_string(), b"0123456789", HOUR);
    }
    let left = (0..500).filter(|n| held(&caches, &acme, &format!("2-{n}")).is_some()).count();
    let own = (0..10).filter(|n| held(&caches, &share, &n.to_string()).is_some()).count();
    assert_eq!((left, own), (7, 3), "a tool with a share keeps to it");
}

#[test]
fn a_flood_of_large_values_pushes_out_no_other_tenants() {
    for disk in [true, false] {
        let (_guard, folder) = temporary();
        let folder = disk.then_some(folder);
        let caches = TenantCaches::with(folder, still(), Arc::new(SystemEntropy), 64 << 20, 64 << 20);
        caches.set_now(&of("globex", "a"), "mine", b"stays", HOUR);
        let large = vec![7; MAX_CACHE_VALUE];
        for n in 0..200 {
            caches.set_now(&of("acme", "a"), &n.to_string(), &large, HOUR);
        }
        assert_eq!(held(&caches, &of("globex", "a"), "mine").as_deref(), Some("stays"));
        let left = (0..200).filter(|n| caches.get_now(&of("acme", "a"), &n.to_string()).is_some()).count();
        assert_eq!(left, if disk { 63 } else { 15 }, "its quota, or a sixteenth of the memory");
    }
}

#[test]
fn a_host_that_is_full_drops_what_is_new_and_says_so() {
    let room = 10 * (ENTRY_BYTES + 1);
    let caches = TenantCaches::with(None, still(), Arc::new(SystemEntropy), room, 16 * room);
    for tenant in 0..16 {
        for n in 0..10 {
            caches.set_now(&of(&format!("t{tenant}"), "a"), &n.to_string(), b"1", HOUR);
        }
    }
    let said = told(|| {
        caches.set_now(&of("late", "a"), "k", b"1", HOUR);
        caches.set_now(&of("late", "a"), "k", b"1", HOUR);
    });
    assert_eq!(said.matches("no room for a value of tenant late").count(), 1, "{said}");
    assert_eq!(held(&caches, &of("late", "a"), "k"), None);
    caches.set_now(&of("t0", "a"), "new", b"1", HOUR);
    assert_eq!(held(&caches, &of("t0", "a"), "new").as_deref(), Some("1"), "its own oldest has gone for it");
    assert_eq!(total(&caches), 16 * room);
    for tenant in 1..16 {
        assert!((0..10).all(|n| held(&caches, &of(&format!("t{tenant}"), "a"), &n.to_string()).is_some()));
    }
}

#[tokio::test]
async fn wrong_arguments_are_refused_and_change_nothing() {
    let caches = TenantCaches::in_memory(still(), Arc::new(SystemEntropy));
    let acme = small("acme", "a", 2);
    let long = "k".repeat(MAX_CACHE_KEY + 1);
    let most = 2 * (ENTRY_BYTES + 10);
    for (key, value, ttl_s, error) in [
        ("", 1, 1, CacheError::Key(0)),
        (long.as_str(), 1, 1, CacheError::Key(MAX_CACHE_KEY + 1)),
        ("k", 1, 0, CacheError::Ttl(0)),
        ("k", 1, MAX_TTL_S + 1, CacheError::Ttl(MAX_TTL_S + 1)),
        ("k", MAX_CACHE_VALUE + 1, 1, CacheError::Value(MAX_CACHE_VALUE + 1)),
        ("k", 1000, 1, CacheError::TooLarge { entry: ENTRY_BYTES + 1000, most }),
    ] {
        assert_eq!(caches.set(&acme, key, vec![0; value], ttl_s).await, Err(error));
    }
    assert_eq!(caches.get(&acme, "").await, Err(CacheError::Key(0)));
    assert_eq!(caches.delete(&acme, &long).await, Err(CacheError::Key(MAX_CACHE_KEY + 1)));
    caches.set(&acme, "k", vec![1; 100], MAX_TTL_S).await.unwrap();
    assert_eq!((caches.get(&acme, "k").await, total(&caches)), (Ok(Some(vec![1; 100])), ENTRY_BYTES + 100));
    let nothing = CacheOf { quota: CacheSize { bytes: 0, entries: 0 }, ..acme };
    assert!(matches!(caches.set(&nothing, "k", vec![], 1).await, Err(CacheError::TooLarge { .. })));
}

#[tokio::test]
async fn a_deleted_tenant_leaves_nothing_that_can_be_read() {
    let (_guard, folder) = temporary();
    let clock = still();
    let caches = on_disk(&folder, &clock);
    for n in 0..50 {
        caches
            .set(&of("acme", "a"), &format!("key-canary-{n}"), b"value-canary".repeat(100), HOUR)
            .await
            .unwrap();
        caches.set(&of("globex", "a"), &n.to_string(), b"stays".to_vec(), HOUR).await.unwrap();
    }
    let secret = folder.dir().read("keys/acme").unwrap();
    caches.delete_tenant(&TenantId::new("acme").unwrap()).await.unwrap();
    assert_eq!((held(&caches, &of("acme", "a"), "key-canary-1"), rows(&caches)), (None, 50));
    caches.close().await;
    let canaries: [&[u8]; 4] = [b"acme", b"key-canary", b"value-canary", &secret[16..]];
    for canary in canaries {
        assert!(!contains(folder.dir(), canary), "{:?}", String::from_utf8_lossy(canary));
    }
    let caches = on_disk(&folder, &clock);
    assert_eq!(held(&caches, &of("globex", "a"), "7").as_deref(), Some("stays"));
    caches.set_now(&of("acme", "a"), "k", b"new", HOUR);
    assert_eq!(held(&caches, &of("acme", "a"), "k").as_deref(), Some("new"), "it can begin anew");
    caches.delete_tenant(&TenantId::new("never-there").unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_tenant_that_another_process_deletes_is_gone_within_a_minute() {
    let (_guard, folder) = temporary();
    let clock = still();
    let (first, second) = (on_disk(&folder, &clock), on_disk(&folder, &clock));
    first.set_now(&of("acme", "a"), "k", b"v", HOUR);
    first.set_now(&of("globex", "a"), "k", b"stays", HOUR);
    second.delete_tenant(&TenantId::new("acme").unwrap()).await.unwrap();
    clock.pass(60);
    assert_eq!(first.get_now(&of("globex", "a"), "k").unwrap(), b"stays");
    assert_eq!((held(&first, &of("acme", "a"), "k"), rows(&first)), (None, 1));
}

/// Whether a file in a folder, or the name of one, holds these bytes.
fn contains(folder: &Dir, bytes: &[u8]) -> bool {
    folder.entries().unwrap().map(Result::unwrap).any(|entry| {
        let name = entry.file_name();
        let found = |text: &[u8]| text.windows(bytes.len()).any(|window| window == bytes);
        found(name.as_encoded_bytes())
            || match entry.file_type().unwrap().is_dir() {
                true => contains(&folder.open_dir(&name).unwrap(), bytes),
                false => found(&folder.read(&name).unwrap()),
            }
    })
}

#[test]
fn another_process_caches_in_memory_until_the_folder_is_free() {
    let (_guard, folder) = temporary();
    let clock = still();
    let (first, second) = (on_disk(&folder, &clock), on_disk(&folder, &clock));
    first.set_now(&of("acme", "a"), "k", b"first", HOUR);
    let said = told(|| {
        assert_eq!(held(&second, &of("acme", "a"), "k"), None);
        second.set_now(&of("acme", "a"), "k", b"second", HOUR);
        assert_eq!(held(&second, &of("acme", "a"), "k").as_deref(), Some("second"));
    });
    assert_eq!(said, "", "that is no trouble");
    clock.pass(31);
    assert_eq!(held(&second, &of("acme", "a"), "k").as_deref(), Some("second"), "it is not free yet");
    drop(first);
    clock.pass(31);
    assert_eq!(second.get_now(&of("acme", "a"), "k").unwrap(), b"first");
}

proptest! {
    /// On disk and in memory alike, a cache is a map that may only forget; and what fits is not forgotten.
    #[test]
    fn a_cache_is_a_map_with_times(
        steps in proptest::collection::vec((0..2_u8, 0..2_u8, 0..5_u8, 0..4_u8, 1..50_u32), 1..60),
        disk in any::<bool>(),
    ) {
        let (_guard, folder) = temporary();
        let clock = still();
        let folder = disk.then_some(folder);
        let caches = TenantCaches::with(folder, clock.clone(), Arc::new(SystemEntropy), ON_DISK, IN_MEMORY);
        let mut model: HashMap<(u8, u8, u8), (u64, Vec<u8>)> = HashMap::new();
        for (n, (tenant, tool, key, what, ttl_s)) in steps.into_iter().enumerate() {
            let own = of(&format!("t{tenant}"), &format!("x{tool}"));
            let (place, key) = ((tenant, tool, key), key.to_string());
            match what {
                0 => {
                    caches.asked((), |stock, _| stock.delete(&own, &key));
                    model.remove(&place);
                }
                1 => clock.pass(u64::from(ttl_s)),
                _ => {
                    let value = n.to_string().into_bytes();
                    caches.set_now(&own, &key, &value, ttl_s);
                    model.insert(place, (clock.unix_ms() + u64::from(ttl_s) * 1000, value));
                }
            }
            let expected = model.get(&place).filter(|(until, _)| clock.unix_ms() < *until).map(|(_, value)| value.clone());
            prop_assert_eq!(caches.peek(&own, &key).or_else(|| caches.get_now(&own, &key)), expected.clone());
            prop_assert_eq!(caches.get_now(&own, &key), expected);
        }
    }
}
