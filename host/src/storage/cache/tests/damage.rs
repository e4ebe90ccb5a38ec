//! Damaged files: never a wrong value, never a failure, and a cache that works again.
//!
//! Takes: nothing. Gives: nothing. May name: id, powers, storage.

use super::*;

/// Fills a folder, damages it, and says what the next process makes of it.
fn after_damage(damage: impl FnOnce(&Dir)) -> String {
    let (_guard, folder) = temporary();
    let clock = still();
    let value = |n: usize| n.to_string().repeat(n % 700);
    for half in [0..150, 150..300] {
        // The second time there is a snapshot of the first.
        let filled = on_disk(&folder, &clock);
        half.for_each(|n| filled.set_now(&of("acme", "a"), &n.to_string(), value(n).as_bytes(), HOUR));
    }
    damage(folder.dir());
    told(|| {
        let caches = on_disk(&folder, &clock);
        for n in 0..300 {
            let held = held(&caches, &of("acme", "a"), &n.to_string());
            assert!(held.is_none_or(|held| held == value(n)), "never a wrong value: {n}");
        }
        caches.set_now(&of("globex", "b"), "k", b"new", HOUR);
        assert_eq!(held(&caches, &of("globex", "b"), "k").as_deref(), Some("new"));
        drop(caches);
        let caches = on_disk(&folder, &clock);
        assert_eq!(held(&caches, &of("globex", "b"), "k").as_deref(), Some("new"), "also after a restart");
    })
}

fn change(folder: &Dir, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = folder.read(file).unwrap();
    change(&mut bytes);
    folder.write(file, bytes).unwrap();
}

/// sled's files: its log, its settings, its index.
fn files(folder: &Dir) -> [String; 3] {
    let mut names =
        folder.read_dir("db").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let index = names.find(|name| name.starts_with("snap.")).unwrap();
    ["db/db".to_owned(), "db/conf".to_owned(), format!("db/{index}")]
}

#[test]
fn a_damaged_file_is_dropped_with_a_warning() {
    assert_eq!(after_damage(|_| {}), "", "nothing is said of a sound one");
    let garbage = |bytes: &mut Vec<u8>| bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_mul(7) ^ 0x5a);
    let half = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    let of_file = |at: usize, how: &dyn Fn(&mut Vec<u8>)| {
        after_damage(|folder| change(folder, &files(folder)[at], |bytes| how(bytes)))
    };
    for (what, said) in [
        ("garbage", of_file(0, &garbage)),
        ("half", of_file(0, &half)),
        ("garbage settings", of_file(1, &garbage)),
        ("half of the settings", of_file(1, &half)),
        ("garbage index", of_file(2, &garbage)),
        ("half an index", of_file(2, &half)),
        ("no file", after_damage(|folder| folder.remove_file("db/db").unwrap())),
        (
            "no file, and killed",
            after_damage(|folder| {
                folder.remove_file("db/db").unwrap();
                folder.remove_file("closed").unwrap();
            }),
        ),
        ("marked", after_damage(|folder| folder.write("damaged", []).unwrap())),
    ] {
        assert_eq!(said.matches("dropped and begun anew").count(), 1, "{what}: {said}");
    }
}

#[test]
fn a_disk_that_cannot_be_used_costs_no_call() {
    for file in ["db", "keys"] {
        let (_guard, folder) = temporary();
        let clock = still();
        folder.dir().write(file, "a file where a folder should be").unwrap();
        let caches = on_disk(&folder, &clock);
        let said = told(|| {
            assert_eq!(held(&caches, &of("acme", "a"), "k"), None);
            caches.set_now(&of("acme", "a"), "k", b"v", HOUR);
            assert_eq!(held(&caches, &of("acme", "a"), "k").as_deref(), Some("v"));
        });
        assert!(said.contains("cannot use the disk, and is in memory"), "{file}: {said}");
        folder.dir().remove_file(file).unwrap_or_default();
        clock.pass(31);
        caches.set_now(&of("acme", "a"), "k", b"on disk", HOUR);
        assert!(folder.dir().exists("db/db"), "{file}: it is tried again");
    }
}

#[test]
fn a_failure_in_use_empties_the_cache_and_nothing_else() {
    let (_guard, folder) = temporary();
    let clock = still();
    let caches = on_disk(&folder, &clock);
    for damaged in [false, true] {
        caches.set_now(&of("acme", "a"), "k", b"v", HOUR);
        let said = told(|| {
            let why = "the disk is full".to_owned();
            let lost: u8 = caches.asked(7, |_, _| Err(Broken { why, damaged }));
            assert_eq!(lost, 7, "the call gets its answer all the same");
            assert_eq!(held(&caches, &of("acme", "a"), "k"), None);
            caches.set_now(&of("acme", "a"), "new", b"v", HOUR);
            assert!(held(&caches, &of("acme", "a"), "new").is_some());
        });
        assert_eq!(said.matches("has failed (the disk is full)").count(), 1, "{said}");
        clock.pass(31);
        let said = told(|| {
            let there = held(&caches, &of("acme", "a"), "k").is_some();
            assert_eq!(there, !damaged, "what is sound is there again, what is not is dropped");
        });
        assert_eq!(said.contains("dropped and begun anew"), damaged, "{said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 0, ..ProptestConfig::default() })]

    /// Any bit of any file may be wrong.
    #[test]
    fn flipped_bits_give_no_wrong_value(flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..8_u32), 1..40)) {
        after_damage(|folder| {
            let files = files(folder);
            for (file, at, bit) in flips {
                change(folder, &files[file.index(files.len())], |bytes| {
                    let at = at.index(bytes.len());
                    bytes[at] ^= 1 << bit;
                });
            }
        });
    }
}
