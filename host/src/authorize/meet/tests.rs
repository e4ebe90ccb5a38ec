//! The algebra of rights, against a definition that asks manifest and grant separately. May name: id, config.

use super::*;
use crate::authorize::method::Method;
use crate::authorize::origin::{Origin, OriginPattern};
use crate::authorize::path::RequestPath;
use crate::config::{
    AskGrant, AskNeed, ByteSize, CacheGrant, CacheNeed, ConfigKey, CredentialHandle, DirGrant, DirNeed,
    DirPath, KvGrant, KvNeed, MemoryGrant, MemoryNeed, Mode, Needs,
};
use crate::id::ToolName;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::subsequence;

fn needs() -> impl Strategy<Value = NeedName> {
    prop_oneof!["a", "b", "c"].prop_map(|text| NeedName::new(text).unwrap())
}

fn keys() -> impl Strategy<Value = ConfigKey> {
    prop_oneof!["k", "l", "m"].prop_map(|text| ConfigKey::new(text).unwrap())
}

fn methods() -> impl Strategy<Value = Vec<Method>> {
    btree_set(prop_oneof!["GET", "PUT", "POST"].prop_map(|text| Method::new(&text).unwrap()), 1..3)
        .prop_map(|set| set.into_iter().collect())
}

fn paths() -> impl Strategy<Value = Vec<PathPattern>> {
    let pattern = prop_oneof!["/", "/[xy]", "/\\*", "/[xy]/\\*", "/\\*/[xy]", "/[xy]/\\*\\*", "/\\*\\*"];
    vec(pattern.prop_map(|text| PathPattern::parse(&text).unwrap()), 1..4)
}

fn origins() -> impl Strategy<Value = Vec<OriginPattern>> {
    let pattern =
        prop_oneof!["https://p\\.example", "https://\\*\\.p\\.example", "https://[qr]\\.p\\.example"];
    vec(pattern.prop_map(|text| OriginPattern::parse(&text).unwrap()), 1..3)
}

fn modes() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::ReadOnly), Just(Mode::ReadWrite)]
}

fn kinds() -> impl Strategy<Value = Vec<AskKind>> {
    subsequence(AskKind::ALL.to_vec(), 1..=3)
}

fn limits() -> impl Strategy<Value = PartialLimits> {
    (option::of(1..4_u64), option::of(1..4_u64), option::of(1..4_u64)).prop_map(
        |(fuel, memory, deadline_ms)| PartialLimits {
            fuel,
            memory,
            deadline_ms,
            egress: memory,
            stored: fuel,
        },
    )
}

fn manifests() -> impl Strategy<Value = Manifest> {
    let http = (methods(), paths()).prop_map(|(methods, paths)| HttpNeed { methods, paths });
    let config = btree_set(keys(), 0..3).prop_map(|keys| keys.into_iter().collect());
    (
        btree_map(needs(), http, 0..3),
        btree_map(needs(), modes().prop_map(|mode| DirNeed { mode }), 0..3),
        btree_map(needs(), modes().prop_map(|mode| KvNeed { mode }), 0..3),
        option::of(modes().prop_map(|mode| MemoryNeed { mode })),
        option::of(Just(CacheNeed {})),
        option::of(kinds().prop_map(|kinds| AskNeed { kinds })),
        config,
        limits(),
    )
        .prop_map(|(http, dir, keyvalue, memory, cache, ask, keys, limits)| {
            let mut manifest = Manifest::bare(ToolName::new("tool").unwrap());
            manifest.needs =
                Needs { http, dir, keyvalue, memory, cache, ask, config: crate::config::ConfigNeed { keys } };
            manifest.limits = limits;
            manifest
        })
}

fn grants() -> impl Strategy<Value = ToolGrant> {
    let handle = prop_oneof!["h", "i"].prop_map(|text| CredentialHandle::new(text).unwrap());
    let http = (origins(), option::of(handle), any::<bool>(), option::of(methods()), option::of(paths()))
        .prop_map(|(origins, credential, allow_private, methods, paths)| HttpGrant {
            origins,
            credential,
            allow_private,
            methods,
            paths,
        });
    let dir = (prop_oneof!["data/a", "data/b"], modes())
        .prop_map(|(path, mode)| DirGrant { path: DirPath::new(&path).unwrap(), mode });
    let bucket = prop_oneof!["shared", "other"].prop_map(|text| BucketName::new(text).unwrap());
    let kv = (option::of(bucket), modes()).prop_map(|(bucket, mode)| KvGrant { bucket, mode });
    (
        btree_map(needs(), http, 0..3),
        btree_map(needs(), dir, 0..3),
        btree_map(needs(), kv, 0..3),
        option::of(modes().prop_map(|mode| MemoryGrant { mode })),
        option::of(option::of((0..3_u64).prop_map(ByteSize)).prop_map(|max_bytes| CacheGrant { max_bytes })),
        option::of(option::of(kinds()).prop_map(|kinds| AskGrant { kinds })),
        btree_map(keys(), "[vw]", 0..3),
    )
        .prop_map(|(http, dir, keyvalue, memory, cache, ask, values)| ToolGrant {
            http,
            dir,
            keyvalue,
            memory,
            cache,
            ask,
            config: crate::config::ConfigGrant { values },
        })
}

fn of(manifest: &Manifest, grant: &ToolGrant) -> Rights {
    meet(manifest, grant, &PartialLimits::default(), &Limits::default())
}

/// Everything that can be asked in this small world, and the answers.
fn answers(rights: &Rights) -> Vec<String> {
    let mut all = Vec::new();
    for method in ["GET", "PUT", "POST", "DELETE"] {
        for host in ["p.example", "q.p.example", "z.p.example", "evil-p.example"] {
            for path in ["/", "/x", "/y", "/x/", "/x/y", "/z/x", "/x/y/z"] {
                if let Ok(target) = rights.http(method, "https", host, path) {
                    all.push(format!("{method} {target:?}"));
                }
            }
        }
    }
    for name in ["a", "b", "c"] {
        all.extend(rights.dir(name).map(|right| format!("{right:?}")));
        all.extend(rights.bucket(name, false).map(|right| format!("{right:?}")));
        all.extend(rights.bucket(name, true).map(|right| format!("write {right:?}")));
    }
    all.extend(rights.memory(false).map(|()| "memory".to_owned()));
    all.extend(rights.memory(true).map(|()| "write memory".to_owned()));
    all.extend(rights.cache().map(|right| format!("{right:?}")));
    all.extend(
        AskKind::ALL.into_iter().filter(|kind| rights.ask(*kind).is_ok()).map(|kind| kind.to_string()),
    );
    for key in ["k", "l", "m"] {
        all.extend(rights.config(key).map(|value| format!("{key}={value}")));
    }
    all
}

proptest! {
    /// The definition: a request is allowed if and only if one need covers method and path, and the grant of
    /// the same need covers origin, method and path.
    #[test]
    fn a_request_is_allowed_exactly_if_manifest_and_grant_both_allow_it(
        manifest in manifests(),
        grant in grants(),
        method in prop_oneof!["GET", "PUT", "POST", "DELETE"],
        host in prop_oneof!["p\\.example", "[qz]\\.p\\.example", "evil-p\\.example"],
        path in "(/[xyz]?){1,3}",
    ) {
        let origin = Origin::parse(&format!("https://{host}")).unwrap();
        let read = RequestPath::parse(&path);
        let any = |patterns: &[PathPattern]| read.as_ref().is_ok_and(|path| patterns.iter().any(|p| p.matches(path)));
        let expected = manifest.needs.http.iter().any(|(name, need)| {
            grant.http.get(name).is_some_and(|grant| {
                need.methods.iter().any(|m| m.as_str() == method)
                    && grant.methods.as_ref().is_none_or(|methods| methods.iter().any(|m| m.as_str() == method))
                    && any(&need.paths)
                    && grant.paths.as_ref().is_none_or(|paths| any(paths))
                    && grant.origins.iter().any(|pattern| pattern.matches(&origin))
            })
        });
        let answer = of(&manifest, &grant).http(&method, "https", &host, &path);
        prop_assert_eq!(answer.is_ok(), expected, "{:?}", answer);
        if let Ok(target) = answer {
            let grant = &grant.http[target.need.as_str()];
            prop_assert_eq!((&target.credential, target.allow_private), (&grant.credential, grant.allow_private));
            prop_assert_eq!(target.origin, origin);
        }
    }

    #[test]
    fn every_right_is_within_its_need_and_its_grant(manifest in manifests(), grant in grants()) {
        let rights = of(&manifest, &grant);
        for right in &rights.http {
            let (need, grant) = (&manifest.needs.http[right.need.as_str()], &grant.http[right.need.as_str()]);
            prop_assert!(right.methods.iter().all(|method| need.methods.contains(method)));
            prop_assert!(right.paths.iter().all(|path| need.paths.iter().any(|wide| wide.covers(path))));
            prop_assert!(right.origins == grant.origins);
            prop_assert!(right.methods.iter().all(|m| grant.methods.as_ref().is_none_or(|ms| ms.contains(m))));
            let granted = |p: &PathPattern| grant.paths.as_ref().is_none_or(|ps| ps.iter().any(|wide| wide.covers(p)));
            prop_assert!(right.paths.iter().all(granted));
        }
        for right in &rights.dirs {
            let (need, grant) = (&manifest.needs.dir[right.need.as_str()], &grant.dir[right.need.as_str()]);
            prop_assert!(right.mode <= need.mode && right.mode <= grant.mode && right.path == grant.path);
        }
        for right in &rights.kv {
            let (need, grant) = (&manifest.needs.keyvalue[right.need.as_str()], &grant.keyvalue[right.need.as_str()]);
            prop_assert!(right.mode <= need.mode && right.mode <= grant.mode);
        }
        let both = manifest.needs.memory.zip(grant.memory);
        prop_assert_eq!(rights.memory, both.map(|(need, grant)| need.mode.min(grant.mode)));
        let both = manifest.needs.cache.and(grant.cache);
        prop_assert_eq!(rights.cache.map(|right| right.max_bytes.map(ByteSize)), both.map(|grant| grant.max_bytes));
        for kind in &rights.ask {
            let granted = |grant: &AskGrant| grant.kinds.as_ref().is_none_or(|kinds| kinds.contains(kind));
            prop_assert!(manifest.needs.ask.as_ref().is_some_and(|need| need.kinds.contains(kind)));
            prop_assert!(grant.ask.as_ref().is_some_and(granted));
        }
        for (key, value) in &rights.config {
            prop_assert!(manifest.needs.config.keys.contains(key) && grant.config.values[key] == *value);
        }
        prop_assert!(answers(&of(&manifest, &ToolGrant::default())).is_empty());
        prop_assert!(answers(&of(&Manifest::bare(manifest.name), &grant)).is_empty());
    }

    /// More needs or more grants never take a right away.
    #[test]
    fn rights_grow_with_both_sides(small in manifests(), more in manifests(), grant in grants(), other in grants()) {
        let mut large = small.clone();
        for (name, need) in more.needs.http {
            let entry = large.needs.http.entry(name).or_insert_with(|| need.clone());
            entry.methods.extend(need.methods);
            entry.paths.extend(need.paths);
        }
        for (name, need) in more.needs.dir {
            let entry = large.needs.dir.entry(name).or_insert(need);
            entry.mode = entry.mode.max(need.mode);
        }
        for (name, need) in more.needs.keyvalue {
            let entry = large.needs.keyvalue.entry(name).or_insert(need);
            entry.mode = entry.mode.max(need.mode);
        }
        large.needs.memory = small.needs.memory.map(|n| n.mode).max(more.needs.memory.map(|n| n.mode))
            .map(|mode| MemoryNeed { mode });
        large.needs.cache = small.needs.cache.or(more.needs.cache);
        if let Some(more) = more.needs.ask {
            large.needs.ask.get_or_insert_with(|| AskNeed { kinds: Vec::new() }).kinds.extend(more.kinds);
        }
        large.needs.config.keys.extend(more.needs.config.keys);
        prop_assert!(of(&small, &grant).within(&of(&large, &grant)));

        let mut wide = grant.clone();
        for (name, add) in other.http {
            let entry = wide.http.entry(name).or_insert_with(|| add.clone());
            entry.origins.extend(add.origins);
            entry.allow_private |= add.allow_private;
            entry.methods = entry.methods.take().zip(add.methods).map(|(a, b)| [a, b].concat());
            entry.paths = entry.paths.take().zip(add.paths).map(|(a, b)| [a, b].concat());
        }
        for grant in wide.dir.values_mut() { grant.mode = Mode::ReadWrite; }
        for (name, add) in other.dir { wide.dir.entry(name).or_insert(add); }
        for grant in wide.keyvalue.values_mut() { grant.mode = Mode::ReadWrite; }
        for (name, add) in other.keyvalue { wide.keyvalue.entry(name).or_insert(add); }
        wide.memory = grant.memory.map(|g| g.mode).max(other.memory.map(|g| g.mode))
            .map(|mode| MemoryGrant { mode });
        wide.cache = match (grant.cache, other.cache) {
            (Some(a), Some(b)) => {
                Some(CacheGrant { max_bytes: a.max_bytes.zip(b.max_bytes).map(|(a, b)| a.max(b)) })
            }
            (one, other) => one.or(other),
        };
        wide.ask = match (grant.ask.clone(), other.ask) {
            (Some(a), Some(b)) => Some(AskGrant { kinds: a.kinds.zip(b.kinds).map(|(a, b)| [a, b].concat()) }),
            (one, other) => one.or(other),
        };
        for (key, value) in other.config.values { wide.config.values.entry(key).or_insert(value); }
        prop_assert!(of(&small, &grant).within(&of(&small, &wide)));
        prop_assert!(of(&small, &grant).within(&of(&large, &wide)));
    }

    /// Removing a need, or its grant, removes its right and leaves every other right as it was.
    #[test]
    fn removing_one_side_of_a_right_removes_exactly_it(manifest in manifests(), grant in grants()) {
        let rights = of(&manifest, &grant);
        for right in &rights.http {
            let expected = Rights { http: without(&rights.http, |r| r.need == right.need), ..rights.clone() };
            let (mut m, mut g) = (manifest.clone(), grant.clone());
            m.needs.http.remove(&right.need);
            g.http.remove(&right.need);
            both_are(&of(&m, &grant), &of(&manifest, &g), &expected)?;
        }
        for right in &rights.dirs {
            let expected = Rights { dirs: without(&rights.dirs, |r| r.need == right.need), ..rights.clone() };
            let (mut m, mut g) = (manifest.clone(), grant.clone());
            m.needs.dir.remove(&right.need);
            g.dir.remove(&right.need);
            both_are(&of(&m, &grant), &of(&manifest, &g), &expected)?;
        }
        for right in &rights.kv {
            let expected = Rights { kv: without(&rights.kv, |r| r.need == right.need), ..rights.clone() };
            let (mut m, mut g) = (manifest.clone(), grant.clone());
            m.needs.keyvalue.remove(&right.need);
            g.keyvalue.remove(&right.need);
            both_are(&of(&m, &grant), &of(&manifest, &g), &expected)?;
        }
        if rights.memory.is_some() {
            let expected = Rights { memory: None, ..rights.clone() };
            let (mut m, mut g) = (manifest.clone(), grant.clone());
            m.needs.memory = None;
            g.memory = None;
            both_are(&of(&m, &grant), &of(&manifest, &g), &expected)?;
        }
        if rights.cache.is_some() {
            let expected = Rights { cache: None, ..rights.clone() };
            let (mut m, mut g) = (manifest.clone(), grant.clone());
            m.needs.cache = None;
            g.cache = None;
            both_are(&of(&m, &grant), &of(&manifest, &g), &expected)?;
        }
        for kind in &rights.ask {
            let mut expected = rights.clone();
            expected.ask.remove(kind);
            let (mut m, mut g) = (manifest.clone(), grant.clone());
            let left = |kinds: Vec<AskKind>| kinds.into_iter().filter(|other| other != kind).collect::<Vec<_>>();
            m.needs.ask = m.needs.ask.map(|need| AskNeed { kinds: left(need.kinds) });
            let granted = |grant: AskGrant| grant.kinds.unwrap_or_else(|| AskKind::ALL.to_vec());
            g.ask = g.ask.map(|grant| AskGrant { kinds: Some(left(granted(grant))) });
            both_are(&of(&m, &grant), &of(&manifest, &g), &expected)?;
        }
        for key in rights.config.keys() {
            let mut expected = rights.clone();
            expected.config.remove(key);
            let (mut m, mut g) = (manifest.clone(), grant.clone());
            m.needs.config.keys.retain(|k| k != key);
            g.config.values.remove(key);
            both_are(&of(&m, &grant), &of(&manifest, &g), &expected)?;
        }
    }

    #[test]
    fn limits_are_the_least_of_what_is_asked_and_what_is_allowed(asked in limits(), bounds in limits()) {
        let mut manifest = Manifest::bare(ToolName::new("tool").unwrap());
        manifest.limits = asked;
        let defaults = Limits { fuel: 2, memory: 2, deadline_ms: 2, egress: 2, stored: 2 };
        let limits = meet(&manifest, &ToolGrant::default(), &bounds, &defaults).limits;
        for (given, asked, bound) in [
            (limits.fuel, asked.fuel, bounds.fuel),
            (limits.memory, asked.memory, bounds.memory),
            (limits.deadline_ms, asked.deadline_ms, bounds.deadline_ms),
        ] {
            prop_assert_eq!(given, asked.unwrap_or(2).min(bound.unwrap_or(2)));
        }
    }
}

fn without<T: Clone>(all: &[T], removed: impl Fn(&T) -> bool) -> Vec<T> {
    all.iter().filter(|right| !removed(right)).cloned().collect()
}

/// Rights are equal and answer equally; the notes on what is not granted may differ.
fn both_are(a: &Rights, b: &Rights, expected: &Rights) -> Result<(), TestCaseError> {
    for rights in [a, b] {
        let rights = Rights { ungranted: expected.ungranted.clone(), ..rights.clone() };
        prop_assert_eq!(&rights, expected);
        prop_assert_eq!(answers(&rights), answers(expected));
    }
    Ok(())
}
