//! A tenant's log shows nothing of others, is verified by itself and against the host's, and has no second version.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strongroom::audit::{
    Bad, BookKey, Entry, FileJournal, HEAD_PROOF, Journal, Kept, Known, NoExport, Place, TENANT_KEYS,
    TenantVerified, Timing, export_tenant, tenant_of, verify, verify_tenant,
};
use strongroom::id::{ActorId, CallId, TenantId};
use strongroom::powers::{Home, SystemClock, SystemEntropy};
use strongroom::reason::{Outcome, Reason};
use tempfile::TempDir;

const ACME: &str = "acme-7c1e";
const GLOBEX: &str = "globex-51d0";

fn id(tenant: &str) -> TenantId {
    TenantId::new(tenant).unwrap()
}

/// A host's home with a log.
struct Host {
    folder: TempDir,
    home: Home,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        home.dir().create_dir("audit").unwrap();
        Self { folder, home }
    }

    /// The same host, which goes on another way.
    fn fork(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files(self.folder.path()) {
            put(&folder.path().join(name), &bytes);
        }
        let home = Home::open(folder.path()).unwrap();
        Self { folder, home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn key(&self) -> BookKey {
        BookKey::open(self.home.dir(), &SystemEntropy).unwrap()
    }

    fn known(&self) -> Known {
        self.key().known().clone()
    }

    /// Two entries of one tenant, one of the other, one of nobody, and again.
    fn write(&self, entries: std::ops::Range<u64>, word: &str) {
        let place = Place { audit: self.home.dir().open_dir("audit").unwrap(), home: None, key: self.key() };
        let journal = FileJournal::open(place, Arc::new(SystemClock), Timing::default()).unwrap();
        for n in entries {
            let tenant = [Some(ACME), Some(GLOBEX), Some(ACME), None][usize::try_from(n % 4).unwrap()];
            let of = tenant.unwrap_or("the-host");
            let mut entry = Entry::outcome(n, format!("call {of}.{word}"), Reason::Ok, Outcome::Executed);
            entry.tenant_id = tenant.map(id);
            entry.actor_id = Some(ActorId::new(format!("agent-of-{of}")).unwrap());
            entry.call_id = Some(CallId::new(n, [7; 10]));
            entry.note = tenant.map(|tenant| format!("{tenant} {}", "x".repeat(100)));
            drop(journal.append(entry).unwrap());
        }
    }

    fn export(&self, tenant: &str, to: &str) -> PathBuf {
        let path = self.path(to);
        std::fs::create_dir(&path).unwrap();
        let (log, into) = (self.home.dir().open_dir("audit").unwrap(), self.home.dir().open_dir(to).unwrap());
        export_tenant(&log, &self.key(), &id(tenant), &into, |_, _| true).unwrap();
        path
    }

    fn checkpoint(&self, tenant: &str, log: &str) -> Kept {
        let bytes = std::fs::read(self.path(log).join("checkpoint")).unwrap();
        Kept::read(&bytes, &self.known(), &id(tenant)).unwrap()
    }

    /// Who gets a folder asks it whose log it is, and verifies that one.
    fn judge(&self, folder: &str, kept: Option<&Kept>) -> Result<TenantVerified, String> {
        let (dir, known) = (self.home.dir().open_dir(folder).unwrap(), self.known());
        match tenant_of(&dir, &known).unwrap() {
            Some(tenant) => verify_tenant(&dir, &known, &tenant, kept, |_, _| {}).map_err(|b| b.to_string()),
            None => Err(match verify(&dir, &known, None, |_, _| {}) {
                Ok(_) => "it is taken for the host's log".to_owned(),
                Err(bad) => bad.to_string(),
            }),
        }
    }
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(folder: &Path, prefix: &str, into: &mut BTreeMap<String, Vec<u8>>) {
        for found in std::fs::read_dir(folder).unwrap() {
            let found = found.unwrap();
            let name = format!("{prefix}{}", found.file_name().to_str().unwrap());
            if found.file_type().unwrap().is_dir() {
                walk(&found.path(), &format!("{name}/"), into);
            } else {
                into.insert(name, std::fs::read(found.path()).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(folder, "", &mut all);
    all
}

fn put(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn it_holds_the_tenants_entries_alone_and_the_host_tells_its_head() {
    let host = Host::new();
    host.write(0..1400, "get");
    let acme = host.export(ACME, "acme");
    let verified = host.judge("acme", None).unwrap();
    assert_eq!((verified.tenant.as_str(), verified.entries), (ACME, 700));
    let told = verified.host.unwrap();
    assert!(told.entry >= 1400 && told.size > told.entry, "{told:?}");
    let against = host.checkpoint(ACME, "audit");
    assert!(matches!(&against, Kept::Host(head) if head.size == told.size));
    host.judge("acme", Some(&against)).unwrap();

    // Of others there is nothing: not as it is, not in hex, not in base64 at any of its three places.
    for text in [GLOBEX, "the-host"] {
        let mut forms = vec![text.to_owned(), hex::encode(text)];
        for shift in 0..3 {
            let inner = STANDARD.encode(format!("{}{text}", &"xxx"[..shift]));
            forms.push(inner.trim_end_matches('=')[4..inner.trim_end_matches('=').len() - 1].to_owned());
        }
        let found = |folder: &Path| {
            files(folder).into_iter().any(|(name, bytes)| {
                forms.iter().any(|f| name.contains(f) || bytes.windows(f.len()).any(|w| w == f.as_bytes()))
            })
        };
        assert!(!found(&acme), "{text}");
        assert!(found(&host.path("audit")), "the search finds what is there");
    }
    assert_eq!(
        host.judge(host.export(GLOBEX, "globex").file_name().unwrap().to_str().unwrap(), None)
            .unwrap()
            .entries,
        350
    );
}

#[test]
fn whatever_is_changed_in_it_is_found() {
    let host = Host::new();
    host.write(0..1400, "get");
    let acme = host.export(ACME, "acme");
    let good = files(&acme);
    let refused = |what: &str| {
        let verdict = host.judge("acme", None);
        assert!(verdict.is_err(), "{what}: {verdict:?}");
    };
    for (name, bytes) in &good {
        let path = acme.join(name);
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 40) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            put(&path, &flipped);
            refused(&format!("byte {at} of {name}"));
        }
        put(&path, &bytes[..bytes.len() - 1]);
        refused(&format!("the last byte of {name}"));
        std::fs::remove_file(&path).unwrap();
        match name.as_str() {
            // The log stands by itself without them, and says that the host's head is not shown.
            HEAD_PROOF => {
                assert_eq!(host.judge("acme", None).unwrap().host, None);
                let against = host.checkpoint(ACME, "audit");
                assert!(host.judge("acme", Some(&against)).unwrap_err().contains("is missing"));
            }
            TENANT_KEYS => drop(host.judge("acme", None).unwrap()),
            _ => refused(&format!("{name} removed")),
        }
        put(&path, bytes);
    }
    let first = acme.join("tile/entries/000");
    let bytes = std::fs::read(&first).unwrap();
    let second = 2 + usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    put(&first, &bytes[second..]);
    refused("an entry removed");
    put(&first, &[&bytes[..second], &bytes].concat());
    refused("an entry doubled");
    put(&first, &bytes);
    for added in
        ["tile/entries/003", "tile/entries/002.p/200", "tile/0/002.p/200", "journal/00000000000000000000"]
    {
        put(&acme.join(added), &bytes);
        refused(added);
        std::fs::remove_file(acme.join(added)).unwrap();
    }
    std::fs::remove_dir(acme.join("journal")).unwrap();
    host.judge("acme", None).unwrap();
}

#[test]
fn it_is_not_another_tenants_and_not_the_hosts() {
    let host = Host::new();
    host.write(0..800, "get");
    let (acme, globex) = (host.export(ACME, "acme"), host.export(GLOBEX, "globex"));
    let checkpoint = std::fs::read_to_string(acme.join("checkpoint")).unwrap();
    let swap = |file: &str, bytes: &[u8], what: &str| {
        let kept = std::fs::read(acme.join(file)).unwrap();
        put(&acme.join(file), bytes);
        let told = host.judge("acme", None).unwrap_err();
        assert!(told.contains(what), "{told}");
        put(&acme.join(file), &kept);
    };
    swap("checkpoint", checkpoint.replace(ACME, GLOBEX).as_bytes(), "no key of this log has signed it");
    swap("checkpoint", &std::fs::read(globex.join("checkpoint")).unwrap(), "missing");
    swap("checkpoint", &std::fs::read(host.path("audit/checkpoint")).unwrap(), "missing");
    swap(HEAD_PROOF, &std::fs::read(globex.join(HEAD_PROOF)).unwrap(), "tells no head of acme");
    swap(TENANT_KEYS, &std::fs::read(host.path("book.pub")).unwrap(), "none of the host's");

    // Asked for another tenant's, the folder is none.
    let (dir, known) = (host.home.dir().open_dir("acme").unwrap(), host.known());
    assert!(matches!(verify_tenant(&dir, &known, &id(GLOBEX), None, |_, _| {}), Err(Bad::Head { .. })));
    // Another host's key, and the host's own log, vouch for nothing here.
    let stranger = Host::new();
    stranger.write(0..4, "get");
    assert_eq!(tenant_of(&dir, &stranger.known()).unwrap(), None);
    assert!(verify(&dir, &known, None, |_, _| {}).is_err());
}

#[test]
fn an_earlier_export_is_seen_for_what_it_is() {
    let host = Host::new();
    host.write(0..400, "get");
    let old = host.export(ACME, "old");
    let (old_own, old_host) = (host.checkpoint(ACME, "old"), host.checkpoint(ACME, "audit"));
    host.write(400..800, "get");
    let new = host.export(ACME, "new");
    assert_eq!(host.judge("new", Some(&old_own)).unwrap().entries, 400, "it continues what was kept");
    let told = host.judge("old", Some(&host.checkpoint(ACME, "new"))).unwrap_err();
    assert!(told.contains("rolled back: it has 200 entries and had 400"), "{told}");
    let told = host.judge("old", Some(&host.checkpoint(ACME, "audit"))).unwrap_err();
    assert!(told.contains("audit prove --since"), "{told}");
    let told = host.judge("new", Some(&old_host)).unwrap_err();
    assert!(told.contains("audit prove --since"), "{told}");
    // The old proof does not vouch for the new log.
    put(&new.join(HEAD_PROOF), &std::fs::read(old.join(HEAD_PROOF)).unwrap());
    let told = host.judge("new", None).unwrap_err();
    assert!(told.contains("of 200 entries, and this one has 400"), "{told}");
}

#[test]
fn a_host_that_signs_two_versions_is_found_out() {
    let host = Host::new();
    host.write(0..400, "get");
    let fork = host.fork();
    host.write(400..500, "get");
    fork.write(400..500, "set");
    let (shown, hidden) = (host.export(ACME, "shown"), fork.export(ACME, "hidden"));
    let kept = host.checkpoint(ACME, "audit");
    host.judge("shown", Some(&kept)).unwrap();
    fork.judge("hidden", None).expect("each is signed, and stands by itself");
    let told = fork.judge("hidden", Some(&kept)).unwrap_err();
    assert!(told.contains("two logs"), "{told}");
    let told = fork.judge("hidden", Some(&host.checkpoint(ACME, "shown"))).unwrap_err();
    assert!(told.contains("not the ones that were there before"), "{told}");
    // The other version cannot borrow the proof of the one that the host's log tells.
    put(&hidden.join(HEAD_PROOF), &std::fs::read(shown.join(HEAD_PROOF)).unwrap());
    let told = fork.judge("hidden", Some(&kept)).unwrap_err();
    assert!(told.contains("two versions"), "{told}");
}

#[test]
fn nothing_is_exported_that_the_log_does_not_tell() {
    let host = Host::new();
    host.write(0..40, "get");
    let (log, key) = (host.home.dir().open_dir("audit").unwrap(), host.key());
    let export = |tenant: &str, to: &str| {
        host.home.dir().create_dir(to).unwrap();
        export_tenant(&log, &key, &id(tenant), &host.home.dir().open_dir(to).unwrap(), |_, _| to != "stop")
    };
    assert!(matches!(export("nobody", "1"), Err(NoExport::NoHead(_))));
    assert!(matches!(export(ACME, "stop"), Err(NoExport::Stopped)));
    for (name, bytes) in files(&host.path("audit")).into_iter().filter(|(name, _)| name.contains("entries")) {
        let mut changed = bytes.clone();
        let at = changed.windows(3).position(|w| w == b"xxx").unwrap();
        changed[at] = b'y';
        put(&host.path("audit").join(name), &changed);
    }
    let broken = export(ACME, "2");
    assert!(matches!(&broken, Err(NoExport::Broken(what)) if what.contains("audit verify")), "{broken:?}");
}
