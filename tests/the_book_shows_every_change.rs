//! Whatever is changed in the book's files, `verify` finds it with the public key alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use strongroom::audit::{BookKey, Entry, FileJournal, Journal, Known, Place, SEEN, Signed, Timing, verify};
use strongroom::id::{ActorId, CallId, TenantId};
use strongroom::powers::{Home, SystemClock, SystemEntropy};
use strongroom::reason::{Outcome, Reason};

/// How many mutations; more with `STRONGROOM_MUTATIONS`.
const MUTATIONS: u64 = 10_000;

type Files = BTreeMap<String, Vec<u8>>;
/// Files with what they become; `None` for one that is taken away.
type Changes = Vec<(String, Option<Vec<u8>>)>;

fn entry(n: u64) -> Entry {
    let mut entry = Entry::outcome(n, format!("call orders.f{n}"), Reason::Ok, Outcome::Executed);
    entry.tenant_id = Some(TenantId::new(if n.is_multiple_of(2) { "acme" } else { "globex" }).unwrap());
    entry.actor_id = Some(ActorId::new("agent").unwrap());
    entry.call_id = Some(CallId::new(n, [7; 10]));
    entry
}

async fn write(home: &Home, from: u64, to: u64) {
    home.dir().create_dir_all("audit").unwrap();
    let place = Place {
        audit: home.dir().open_dir("audit").unwrap(),
        home: Some(home.dir().try_clone().unwrap()),
        key: BookKey::open(home.dir(), &SystemEntropy).unwrap(),
    };
    // Heads of the tenants' trees stand between the entries.
    let timing = Timing { publish: Duration::from_millis(1), ..Timing::default() };
    let journal = FileJournal::open(place, Arc::new(SystemClock), timing).unwrap();
    for n in from..to {
        let pending = journal.append(entry(n)).unwrap();
        if n % 25 == 0 || n + 1 == to {
            pending.durable().await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn files(folder: &Path, prefix: &str, into: &mut Files) {
    for found in std::fs::read_dir(folder).unwrap() {
        let found = found.unwrap();
        let name = format!("{prefix}{}", found.file_name().to_str().unwrap());
        if found.file_type().unwrap().is_dir() {
            files(&found.path(), &format!("{name}/"), into);
        } else if !name.ends_with(".lock") && !["open", "trees"].contains(&&*name) {
            // The list of open intents and the tenants' trees are made from the entries, and made again when they do not
            // fit them.
            into.insert(name, std::fs::read(found.path()).unwrap());
        }
    }
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(sides).unwrap()).unwrap()
    }

    fn pick<'a>(&mut self, files: &'a Files) -> (&'a String, &'a Vec<u8>) {
        files.iter().nth(self.roll(files.len())).unwrap()
    }
}

/// The lengths of a bundle's entries, with their places.
fn entries(bundle: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut at, mut found) = (0, Vec::new());
    while at + 2 <= bundle.len() {
        let end = at + 2 + usize::from(u16::from_be_bytes([bundle[at], bundle[at + 1]]));
        found.push(at..end);
        at = end;
    }
    found
}

/// One change: the files that it gives, `None` for one that is taken away, and what it was.
fn mutate(dice: &mut Dice, now: &Files, before: &Files) -> (Changes, String) {
    let bundles: Files =
        now.iter().filter(|(n, _)| n.contains("entries")).map(|(n, b)| (n.clone(), b.clone())).collect();
    match dice.roll(8) {
        0..=2 => {
            let (name, bytes) = dice.pick(now);
            let (at, bit) = (dice.roll(bytes.len()), dice.roll(8));
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            (vec![(name.clone(), Some(changed))], format!("bit {bit} of byte {at} of {name} flipped"))
        }
        3 => {
            let (name, _) = dice.pick(now);
            (vec![(name.clone(), None)], format!("{name} removed"))
        }
        4 => {
            let (name, bytes) = dice.pick(now);
            let length = dice.roll(bytes.len());
            (vec![(name.clone(), Some(bytes[..length].to_vec()))], format!("{name} cut to {length} bytes"))
        }
        5 => {
            let (name, bytes) = dice.pick(&bundles);
            let places = entries(bytes);
            let (a, b) = (dice.roll(places.len()), dice.roll(places.len()));
            let mut order: Vec<usize> = (0..places.len()).collect();
            let what = if a == b {
                order.remove(a);
                format!("entry {a} of {name} removed")
            } else if dice.roll(2) == 0 {
                order.swap(a, b);
                format!("entries {a} and {b} of {name} swapped")
            } else {
                // The neighbours belong to another tenant.
                order[a] = b;
                format!("entry {b} of {name} in the place of entry {a}")
            };
            let changed = order.iter().flat_map(|n| bytes[places[*n].clone()].to_vec()).collect();
            (vec![(name.clone(), Some(changed))], what)
        }
        6 => {
            let ((a, bytes_a), (b, bytes_b)) = (dice.pick(now), dice.pick(now));
            if bytes_a == bytes_b {
                return (vec![(a.clone(), None)], format!("{a} removed"));
            }
            let changed = vec![(a.clone(), Some(bytes_b.clone())), (b.clone(), Some(bytes_a.clone()))];
            (changed, format!("{a} and {b} swapped"))
        }
        _ => {
            // A rollback of some of the files, or of all.
            let some = dice.roll(2) == 0;
            let mut changed: Changes = now
                .keys()
                .filter(|name| before.get(*name) != now.get(*name))
                .filter(|_| !some || dice.roll(2) == 0)
                .map(|name| (name.clone(), before.get(name).cloned()))
                .collect();
            if !some {
                changed.extend(
                    before
                        .iter()
                        .filter(|(n, _)| !now.contains_key(*n))
                        .map(|(n, b)| (n.clone(), Some(b.clone()))),
                );
            }
            if changed.is_empty() {
                changed.push(("checkpoint".into(), before.get("checkpoint").cloned()));
            }
            let names: Vec<&str> = changed.iter().map(|(n, _)| n.as_str()).collect();
            let what = format!("rolled back: {}", names.join(", "));
            (changed, what)
        }
    }
}

/// Whether a change leaves a log of which nothing is lost: the journal may go, or be an earlier one, when all of it is
/// published.
fn is_harmless(changes: &[(String, Option<Vec<u8>>)], before: &Files) -> bool {
    changes.iter().all(|(name, bytes)| match (name.as_str(), bytes) {
        (name, bytes) if name.starts_with("journal/") => {
            bytes.as_ref().is_none_or(|bytes| bytes.is_empty() || before.get(name) == Some(bytes))
        }
        _ => false,
    })
}

#[tokio::test]
async fn every_one_of_ten_thousand_changes_is_found() {
    let folder = ["/dev/shm", "/tmp"].into_iter().find_map(|f| tempfile::tempdir_in(f).ok()).unwrap();
    let home = Home::open(folder.path()).unwrap();
    write(&home, 0, 250).await;
    let audit = folder.path().join("audit");
    let (mut before, mut now) = (Files::new(), Files::new());
    files(&audit, "", &mut before);
    write(&home, 250, 300).await;
    files(&audit, "", &mut now);
    let known = Known::parse(&home.dir().read_to_string("book.pub").unwrap()).unwrap();
    let seen: Signed = known.verify(&home.dir().read(SEEN).unwrap()).unwrap();
    let dir = home.dir().open_dir("audit").unwrap();
    let judge = || verify(&dir, &known, Some(&seen), |_, _| {});
    let whole = judge().unwrap();
    assert!(whole.heads >= 12 && whole.entries == 300 + whole.heads, "the log as it is: {whole:?}");

    let mutations =
        std::env::var("STRONGROOM_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(MUTATIONS);
    let mut dice = Dice(2026);
    let (mut found, mut missed) = (0, Vec::new());
    while found + u64::try_from(missed.len()).unwrap() < mutations {
        let (changes, what) = mutate(&mut dice, &now, &before);
        if is_harmless(&changes, &before) {
            continue;
        }
        for (name, bytes) in &changes {
            let path = audit.join(name);
            match bytes {
                Some(bytes) => {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(&path, bytes).unwrap();
                }
                None => std::fs::remove_file(&path).unwrap(),
            }
        }
        match judge() {
            Ok(_) => missed.push(what),
            Err(bad) => {
                assert!(
                    bad.to_string().chars().any(|c| c.is_ascii_digit())
                        || bad.to_string().contains("open")
                        || bad.to_string().contains("checkpoint"),
                    "{what}: {bad}"
                );
                found += 1;
            }
        }
        for (name, _) in &changes {
            match now.get(name) {
                Some(bytes) => std::fs::write(audit.join(name), bytes).unwrap(),
                None => std::fs::remove_file(audit.join(name)).unwrap(),
            }
        }
    }
    assert_eq!(missed, Vec::<String>::new(), "{found} changes were found");
    assert_eq!(judge().unwrap(), whole, "and the log is as it was");
}
