//! What is learned allows what was denied, no line of it is idle, and it never goes beyond the manifest.

use super::wish::{Want, Wish};
use super::*;
use crate::audit::{Decision, ImportRecord};
use crate::authorize::meet::meet;
use crate::config::{Limits, Manifest, ToolGrant};
use crate::id::{Digest, FunctionName};
use crate::reason::{Outcome, Reason};
use proptest::prelude::*;

const MANIFEST: &str = r#"
name = "shop"
version = "1.0.0"
functions.look.effect = "read"
functions.buy.effect = "write"
[needs.http.api]
methods = ["GET", "POST", "PATCH"]
paths = ["/orders/*", "/orders/*/lines", "/stock/**"]
[needs.http.mail]
methods = ["POST"]
paths = ["/send"]
[needs.dir.inbox]
mode = "rw"
[needs.dir.archive]
[needs.keyvalue.cart]
mode = "rw"
[needs.cache]
[needs.memory]
mode = "rw"
[needs.config]
keys = ["currency"]
"#;

struct Host {
    settings: Settings,
    sources: BTreeMap<TenantId, String>,
    tools: Vec<Described>,
}

impl Host {
    fn new(acme: &str) -> Self {
        let manifest = Manifest::parse("tool.toml", MANIFEST).unwrap();
        let functions = ["buy", "look"]
            .map(|name| (FunctionName::new(format!("shop.{name}")).unwrap(), manifest.effect(name)));
        let tool = Described {
            name: manifest.name.clone(),
            digest: Digest::of(b"shop"),
            manifest,
            functions: functions.to_vec(),
        };
        let mut host = Self { settings: Settings::single(), sources: BTreeMap::new(), tools: vec![tool] };
        host.settings.single_tenant = false;
        host.settings.tenants.clear();
        host.write("acme", acme);
        host.write("globex", "");
        host
    }

    fn write(&mut self, id: &str, text: &str) {
        let id = TenantId::new(id).unwrap();
        let tenant = Tenant::parse(id.clone(), &format!("tenants/{id}.toml"), text).unwrap();
        self.settings.tenants.insert(id.clone(), tenant.into());
        self.sources.insert(id, text.to_owned());
    }

    fn known(&self) -> Known<'_> {
        Known { settings: &self.settings, sources: &self.sources, tools: &self.tools }
    }

    fn learn(&self, entries: &[Entry]) -> Lessons {
        learn(&self.known(), entries.to_vec())
    }

    /// Whether every wish of the entries passes under this text of acme's file.
    fn allows(&self, text: &str, wishes: &[Wish]) -> bool {
        let id = TenantId::new("acme").unwrap();
        let Ok(tenant) = Tenant::parse(id, "tenants/acme.toml", text) else { return false };
        wishes.iter().all(|wish| super::allows(&self.known(), &tenant, wish))
    }
}

fn entry(function: &str, number: u8) -> Entry {
    let mut entry = Entry::outcome(
        1_800_000_000_000_000 + u64::from(number),
        format!("call shop.{function}"),
        Reason::CapabilityDenied,
        Outcome::Failed,
    );
    entry.tenant_id = Some(TenantId::new("acme").unwrap());
    entry.call_id = Some(CallId::new(u64::from(number), [number; 10]));
    entry
}

fn denied(import: &str, class: &str, target: &str, method: Option<&str>) -> ImportRecord {
    ImportRecord {
        target: Some(target.to_owned().into()),
        method: method.map(|m| m.to_owned().into()),
        why: Some("no right".into()),
        ..ImportRecord::new(import.to_owned(), class.to_owned(), Decision::Deny)
    }
}

fn request(method: &str, url: &str) -> ImportRecord {
    let class = if method == "GET" { "observe" } else { "effect" };
    denied("wasi:http/outgoing-handler.handle", class, url, Some(method))
}

fn with(function: &str, number: u8, record: ImportRecord) -> Entry {
    let mut entry = entry(function, number);
    entry.imports.push(record);
    entry
}

const ALLOWED: &str = "[tools]\nallow = [\"shop\"]\n";

#[test]
fn a_patch_reads_as_a_person_expects() {
    let host = Host::new("# acme\n[tools]\nallow = [\"other\"] # ours\n\n[grants.shop.keyvalue.cart]\n");
    let mut policy = entry("buy", 1);
    policy.reason_code = Reason::PolicyDenied;
    policy.note = Some("tenants/acme.toml tools.allow does not name shop.buy".into());
    let lessons = host.learn(&[
        policy,
        with("buy", 2, request("POST", "https://api.example.com/orders/1")),
        with("buy", 3, request("GET", "https://api.example.com/orders/2")),
        with("look", 4, request("GET", "https://api.example.com/orders/2")),
        with(
            "look",
            5,
            denied("wasi:filesystem/types.[method]descriptor.open-at", "observe", "archive:/a", None),
        ),
        with("buy", 6, denied("wasi:keyvalue/store.[method]bucket.set", "effect", "shop/cart", None)),
        with("look", 7, denied("strongroom:host/memory.retrieve", "observe", "memory", None)),
        with("look", 8, request("GET", "http://10.0.0.7/stock/9")),
    ]);
    insta::assert_snapshot!(lessons.patches[0].diff);
}

#[test]
fn what_is_not_suggested_has_a_reason() {
    let rules = "[tools]\nallow = [\"shop\"]\nblock = [\"shop.buy\"]\n";
    let host = Host::new(rules);
    let mut blocked = entry("buy", 0);
    blocked.reason_code = Reason::PolicyDenied;
    blocked.note = Some("tenants/acme.toml tools.block[0] = \"shop.buy\" blocks shop.buy".into());
    let mut scoped = blocked.clone();
    scoped.note = Some("the key's scopes do not name shop.buy".into());
    let mut written = blocked.clone();
    written.note = Some("policies/acme.cedar policy0 forbids it".into());
    let fs = "wasi:filesystem/types.[method]descriptor.open-at";
    for (entry, why) in [
        (blocked, "on purpose"),
        (scoped, "make a key with this scope"),
        (written, "only a person can change"),
        (with("look", 1, request("POST", "https://api.example.com/orders/1")), "declared to read"),
        (with("look", 1, request("GET", "https://api.example.com/admin")), "does not ask for GET /admin"),
        (with("look", 1, request("GET", "https://api.example.com/orders/..%2fx")), "get around the rules"),
        (with("look", 1, request("GET", "https://(userinfo)@example.com/orders/1")), "userinfo"),
        (with("look", 1, request("GET", "http://169.254.169.254/orders/1")), "no tool is connected"),
        (with("look", 1, request("GET", "http://metadata.google.internal/orders/1")), "metadata service"),
        (with("look", 1, request("GET", "https://api.example.com/orders/globex")), "another tenant, globex"),
        (with("look", 1, denied(fs, "observe", "inbox:/../x", None)), "climbs"),
        (with("look", 1, denied(fs, "effect", "inbox:/x", None)), "declared to read"),
        (with("buy", 1, denied(fs, "effect", "archive:/x", None)), "to read only"),
        (with("buy", 1, denied(fs, "observe", "cellar:/x", None)), "does not ask for dir cellar"),
        (
            with("buy", 1, denied("wasi:keyvalue/store.open", "observe", "globex/cart", None)),
            "another tenant",
        ),
        (with("buy", 1, denied("wasi:config/store.get", "observe", "currency", None)), "yours to choose"),
        (
            with("buy", 1, denied("wasi:config/store.get", "observe", "token", None)),
            "does not ask for config",
        ),
        (
            with("buy", 1, denied("wasi:sockets/tcp-create-socket.create-tcp-socket", "effect", "", None)),
            "raw sockets",
        ),
    ] {
        let lessons = host.learn(std::slice::from_ref(&entry));
        assert!(lessons.patches.is_empty(), "{entry:?}: {lessons:?}");
        let told: Vec<_> = lessons.not_suggested.iter().map(|denied| denied.says.as_str()).collect();
        assert!(told.len() == 1 && told[0].contains(why), "{why}: {told:?}");
    }
    assert_eq!(Host::new(ALLOWED).learn(&[entry("buy", 1)]), Lessons::default(), "nothing was denied");
    let mut away = with("buy", 1, request("GET", "https://api.example.com/orders/1"));
    away.tenant_id = Some(TenantId::new("gone").unwrap());
    assert!(Host::new(ALLOWED).learn(&[away]).not_suggested[0].says.contains("no file any more"));
}

#[test]
fn a_grant_that_is_there_is_widened_in_its_own_words() {
    let bound = |more: &str| {
        format!(
            "{ALLOWED}[grants.shop.http.api]\norigin = \"https://api.example.com\"\n{more}\n[rate]\nper_second = 5\n"
        )
    };
    let ask = [
        with("buy", 1, request("PATCH", "https://api.example.com/orders/1")),
        with("buy", 2, request("PATCH", "http://api/stock/a/b")),
    ];
    let host = Host::new(&bound("methods = [\"GET\"]\npaths = [\n  \"/orders/7\", # ours\n]"));
    let lessons = host.learn(&ask);
    assert_eq!(lessons.patches[0].suggested.len(), 2, "{lessons:?}");
    let after = &lessons.patches[0].after;
    assert!(after.contains("\"/orders/7\", # ours\n    \"/orders/1\",  # learned: 1 call"), "{after}");
    let elsewhere = [with("buy", 1, request("GET", "https://b.example.com/orders/1"))];
    let refused = |more: &str| Host::new(&bound(more)).learn(&elsewhere).not_suggested.remove(0).says;
    assert!(refused("").contains("could not be called by its name any more"));
    let below = format!("{ALLOWED}[grants.shop.http.api]\norigin = \"https://*.a.example.com\"\n");
    let told = Host::new(&below).learn(&elsewhere).not_suggested.remove(0).says;
    assert!(told.contains("is yours to decide") && !told.contains("by its name"), "{told}");
    let list = format!(
        "{ALLOWED}[grants.shop.http.api]\norigins = [\"https://api.example.com\", \"https://a.example.com\"]\n"
    );
    assert!(
        Host::new(&list).learn(&elsewhere).patches[0].after.contains("\"https://b.example.com\",  # learned")
    );
    // Where a table is written in braces there is no line to add: said, and the file left alone.
    let braces = format!("{ALLOWED}[grants.shop]\ndir.inbox = {{ path = \"data/x\" }}\n");
    let write =
        with("buy", 1, denied("wasi:filesystem/types.[method]descriptor.write", "effect", "inbox:/x", None));
    let told = Host::new(&braces).learn(&[write]);
    assert!(told.patches.is_empty() && told.not_suggested[0].says.contains("grant it by hand"), "{told:?}");
}

#[test]
fn a_name_that_leads_inside_is_only_proposed() {
    let host = Host::new(&format!("{ALLOWED}[grants.shop.http.api]\norigin = \"https://api.example.com\"\n"));
    let mut record = request("GET", "https://api.example.com/orders/1");
    record.why = Some(crate::imports::http::LEADS_INSIDE.into());
    let inside = with("look", 1, record);
    let lessons = host.learn(std::slice::from_ref(&inside));
    let patch = &lessons.patches[0];
    assert!(patch.suggested.is_empty() && patch.proposed.len() == 1);
    assert!(patch.after.contains("\n# allow_private = true  # learned:"), "{}", patch.after);
    let again = Host::new(&patch.after).learn(&[inside]);
    assert!(again.patches.is_empty() && again.not_suggested[0].says.contains("in a comment"), "{again:?}");
}

#[test]
fn a_need_that_is_called_by_its_name_leads_where_a_person_writes() {
    let named = with("look", 1, request("GET", "http://api/orders/1"));
    let lessons = Host::new(ALLOWED).learn(std::slice::from_ref(&named));
    let patch = &lessons.patches[0];
    assert!(Host::new(&patch.after).learn(&[named]).patches.is_empty(), "it is not proposed twice");
    assert!(patch.suggested.is_empty() && patch.proposed.len() == 1, "{lessons:?}");
    insta::assert_snapshot!(patch.diff);
}

fn records() -> impl Strategy<Value = (bool, ImportRecord)> {
    let url = prop_oneof![
        "https://(a|b)\\.example\\.com/orders/[0-9]",
        "https://a\\.example\\.com/stock/[a-c]/[a-c]",
        "https://a\\.example\\.com/orders/[1-3]/lines",
        "http://10\\.0\\.0\\.1/orders/1",
        "https://m\\.example\\.com/send"
    ];
    let http = (prop_oneof![Just("GET"), Just("POST"), Just("PATCH"), Just("DELETE")], url)
        .prop_map(|(method, url)| request(method, &url));
    let class = || prop_oneof![Just("observe"), Just("effect")];
    let dir = (class(), "(inbox|archive|cellar):/[a-c]").prop_map(|(class, target)| {
        denied("wasi:filesystem/types.[method]descriptor.open-at", class, &target, None)
    });
    let kv = Just(denied("wasi:keyvalue/store.open", "observe", "cart", None));
    let cache = Just(denied("strongroom:host/cache.set", "observe", "cache", None));
    let memory = class().prop_map(|class| denied("strongroom:host/memory.x", class, "memory", None));
    (
        any::<bool>(),
        prop_oneof![6 => http.boxed(), 2 => dir.boxed(), 1 => kv.boxed(), 1 => memory.boxed(), 1 => cache.boxed()],
    )
}

/// Files of many forms that grant little.
fn files() -> impl Strategy<Value = String> {
    let api = prop_oneof![
        Just(String::new()),
        Just("[grants.shop.http.api]\norigin = \"https://a.example.com\"\nmethods = [\"GET\"]\npaths = [\"/orders/1\"]\n".to_owned()),
        Just("[grants.shop.http.api] # ours\norigins = [ # two\n  \"https://a.example.com\",\n  \"https://c.example.com\"\n]\npaths = [\n  \"/stock/**\"]\n".to_owned()),
    ];
    let inbox = prop_oneof![
        Just(""),
        Just("[grants.shop.dir.inbox]\npath = \"data/x\"\n"),
        Just("[grants.shop.dir.inbox]\n  mode = \"ro\" # m\n  path = \"data/x\""),
    ];
    (any::<bool>(), api, inbox).prop_map(|(allow, api, inbox)| {
        format!("# acme\n[tools]\n{}\n{api}{inbox}", if allow { "allow = [\"shop.look\"]" } else { "" })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Three promises: what is suggested passes; without any one of its lines something of it is denied; and the rights
    /// never leave the manifest.
    #[test]
    fn what_is_learned_is_enough_and_not_more(
        file in files(), records in proptest::collection::vec(records(), 1..14), calls in any::<bool>(),
    ) {
        let host = Host::new(&file);
        let mut entries: Vec<Entry> = records
            .into_iter()
            .zip(1..)
            .map(|((writes, record), n)| with(if writes { "buy" } else { "look" }, n, record))
            .collect();
        if calls {
            let mut entry = entry("buy", 99);
            entry.reason_code = Reason::PolicyDenied;
            entry.note = Some("tenants/acme.toml tools.allow does not name shop.buy".into());
            entries.push(entry);
        }
        let lessons = host.learn(&entries);
        let wishes: BTreeSet<Wish> = entries.iter().flat_map(wish::of).collect();
        let told = lessons.not_suggested.len()
            + lessons.patches.iter().map(|p| p.suggested.len() + p.proposed.len()).sum::<usize>();
        prop_assert_eq!(told + lessons.allowed_by_now, wishes.len(), "each denial is told once");
        for denied in &lessons.not_suggested {
            prop_assert!(!denied.says.contains("by hand"), "{:?}", denied);
        }
        let Some(patch) = lessons.patches.first() else { return Ok(()) };
        let suggested: Vec<Wish> = wishes
            .into_iter()
            .filter(|wish| patch.suggested.iter().any(|d| d.what == wish.denied(String::new(), &Seen::default()).what))
            .collect();
        prop_assert!(host.allows(&patch.after, &suggested), "{}", patch.diff);
        let lines: Vec<&str> = patch.after.lines().collect();
        let old: Vec<&str> = file.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let comment = line.trim_start().starts_with('#') || line.trim().is_empty();
            if comment || old.contains(line) || !line.contains("# learned") {
                continue;
            }
            let mut without = lines.clone();
            without.remove(index);
            prop_assert!(!host.allows(&without.join("\n"), &suggested), "idle: {line}\n{}", patch.diff);
        }
        let id = TenantId::new("acme").unwrap();
        let tenant = Tenant::parse(id, "tenants/acme.toml", &patch.after).unwrap();
        let manifest = &host.tools[0].manifest;
        let everything = meet(manifest, &all_of(manifest, &tenant), &tenant.limits, &Limits::default());
        let nothing = ToolGrant::default();
        let grant = tenant.grants.get("shop").unwrap_or(&nothing);
        let effective = meet(manifest, grant, &tenant.limits, &Limits::default());
        prop_assert!(effective.within(&everything), "{effective:?}");
        // Learning again suggests nothing but what had to wait: an origin for a grant that had to allow more first.
        let mut again = Host::new(&patch.after);
        again.tools = host.tools.clone();
        for patch in again.learn(&entries).patches {
            for denied in &patch.suggested {
                prop_assert!(lessons.not_suggested.iter().any(|d| d.what == denied.what), "{}", patch.diff);
            }
        }
    }
}

/// The grant that narrows nothing: whatever is bound, with all that the manifest asks for.
fn all_of(_: &Manifest, tenant: &Tenant) -> ToolGrant {
    let mut grant = tenant.grants.get("shop").cloned().unwrap_or_default();
    for http in grant.http.values_mut() {
        (http.methods, http.paths) = (None, None);
    }
    grant
}

#[test]
fn old_entries_without_a_method_are_read_where_only_one_fits() {
    let host = Host::new(ALLOWED);
    let bare = |class: &str, url: &str| denied("wasi:http/outgoing-handler.handle", class, url, None);
    let read = host.learn(&[with("look", 1, bare("observe", "https://api.example.com/orders/1"))]);
    assert!(read.patches[0].after.contains("\"GET\",  # learned"), "{read:?}");
    let write = host.learn(&[with("buy", 1, bare("effect", "https://api.example.com/orders/1"))]);
    assert!(write.not_suggested[0].says.contains("does not say which method"), "POST or PATCH: {write:?}");
    assert!(matches!(
        wish::of(&with("buy", 1, bare("effect", "x"))).remove(0).want,
        Want::Http { method: None, .. }
    ));
}

#[test]
fn many_paths_become_the_manifests_own_patterns() {
    let host = Host::new(ALLOWED);
    let entries: Vec<Entry> = (0..8)
        .map(|n| with("look", n, request("GET", &format!("https://a.example.com/orders/{n}"))))
        .collect();
    let few = host.learn(&entries[..5]);
    assert!(few.patches[0].after.contains("\"/orders/4\""), "{few:?}");
    let many = host.learn(&entries);
    assert!(many.patches[0].after.contains("\"/orders/*\",  # learned: 8 calls"), "{many:?}");
    assert!(!many.patches[0].after.contains("/stock"));
}
