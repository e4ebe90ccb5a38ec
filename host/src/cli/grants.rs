//! The rights that `run` gives: flags as a tenant's grants, and as a manifest where the component has none.
//!
//! Takes: flags. Gives: [`Settings`] and a [`Manifest`]. May name: authorize, config, id, World.

use super::Failure;
use crate::World;
use std::path::Path;
use std::sync::Arc;
use strongroom::authorize::method::Method;
use strongroom::authorize::origin::OriginPattern;
use strongroom::authorize::path::PathPattern;
use strongroom::config::{
    AskGrant, AskKind, AskNeed, ByteSize, CacheGrant, CacheNeed, ConfigKey, DirGrant, DirNeed, DirPath,
    HttpGrant, HttpNeed, KvGrant, KvNeed, Manifest, MemoryGrant, MemoryNeed, Mode, PartialLimits, Settings,
    ToolGrant, ToolPattern,
};
use strongroom::id::{Digest, NeedName};

/// Rights and limits of one run. Without a flag the tool reaches nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// Give a directory, read-only unless it says `:rw`: `--dir inbox=./in:ro`
    #[arg(long, value_name = "NEED=PATH[:ro|rw]")]
    dir: Vec<String>,
    /// Let it send requests there: `--origin api=https://api.example.com`
    #[arg(long, value_name = "NEED=ORIGIN")]
    origin: Vec<String>,
    /// Let those origins be private, loopback and link-local addresses
    #[arg(long, requires = "origin")]
    allow_private: bool,
    /// Give a bucket of the keyvalue store, to read and write unless it says `:ro`
    #[arg(long, value_name = "NEED[:ro|rw]")]
    kv: Vec<String>,
    /// Let it use the tenant's memory: `ro` to search it, `rw` also to remember and forget
    #[arg(long, value_name = "ro|rw", value_parser = mode)]
    remember: Option<Mode>,
    /// Let it keep values for a while, in a cache of its own
    #[arg(long)]
    cache: bool,
    /// Let it ask its caller, where there is one that can be asked
    #[arg(long)]
    ask: bool,
    /// Give a configuration value
    #[arg(long, value_name = "KEY=VALUE")]
    config: Vec<String>,
    /// Fuel: guest instructions and host work together [default: 1000000000, or less if the manifest says so]
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(u64).range(1..=strongroom::config::MAX_FUEL))]
    fuel: Option<u64>,
    /// Memory, as `32MiB` [default: 64MiB, or less if the manifest says so]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    memory: Option<u64>,
    /// The most that it may send to the network, as `1MiB` [default: 16MiB, or less if the manifest says so]
    #[arg(long, value_name = "SIZE", value_parser = egress)]
    egress: Option<u64>,
    /// The most that it may write to files, keyvalue and memory, as `1MiB` [default: 64MiB, or less if the manifest says so]
    #[arg(long, value_name = "SIZE", value_parser = stored)]
    stored: Option<u64>,
    /// Milliseconds until it is stopped [default: 10000, or less if the manifest says so]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=strongroom::config::MAX_DEADLINE_MS))]
    deadline: Option<u64>,
}

fn memory(text: &str) -> Result<u64, String> {
    size(text, strongroom::config::MIN_MEMORY, strongroom::config::MAX_MEMORY)
}

fn egress(text: &str) -> Result<u64, String> {
    size(text, 0, strongroom::config::MAX_EGRESS)
}

fn stored(text: &str) -> Result<u64, String> {
    size(text, 0, strongroom::config::MAX_STORED)
}

fn size(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let ByteSize(bytes) = text.parse().map_err(|e: strongroom::config::InvalidSize| e.to_string())?;
    match (min..=max).contains(&bytes) {
        true => Ok(bytes),
        false => Err(format!("write a size from {} to {}", ByteSize(min), ByteSize(max))),
    }
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "ro" => Ok(Mode::ReadOnly),
        "rw" => Ok(Mode::ReadWrite),
        _ => Err("write `ro` or `rw`".to_owned()),
    }
}

impl Flags {
    /// What the flags grant, with paths as they really are.
    pub(crate) fn grant(&self, world: &World) -> Result<ToolGrant, Failure> {
        let mut grant = ToolGrant::default();
        for text in &self.dir {
            let (need, place) = pair("dir", text, "inbox=./in:ro")?;
            let (path, mode) = moded(place, Mode::ReadOnly);
            let real = world.real_path(Path::new(path))?;
            let path = real.to_str().ok_or_else(|| bad("dir", text, "the path is not UTF-8 text"))?;
            let path = DirPath::new(path).map_err(|e| bad("dir", text, e))?;
            if grant.dir.insert(name("dir", need)?, DirGrant { path, mode }).is_some() {
                return Err(bad("dir", text, "the need was bound before"));
            }
        }
        for text in &self.origin {
            let (need, origin) = pair("origin", text, "api=https://api.example.com")?;
            let origin = OriginPattern::parse(origin).map_err(|e| bad("origin", text, e))?;
            let http = grant.http.entry(name("origin", need)?).or_insert_with(|| HttpGrant::to(Vec::new()));
            http.allow_private = self.allow_private;
            http.origins.push(origin);
        }
        for text in &self.kv {
            let (need, mode) = moded(text, Mode::ReadWrite);
            grant.keyvalue.insert(name("kv", need)?, KvGrant { bucket: None, mode });
        }
        grant.memory = self.remember.map(|mode| MemoryGrant { mode });
        grant.cache = self.cache.then(CacheGrant::default);
        grant.ask = self.ask.then(AskGrant::default);
        for text in &self.config {
            let (key, value) = pair("config", text, "currency=EUR")?;
            let key = ConfigKey::new(key).map_err(|e| bad("config", text, e))?;
            grant.config.values.insert(key, value.to_owned());
        }
        Ok(grant)
    }

    /// The settings of a host that knows this one tool and these rights.
    pub(crate) fn settings(&self, manifest: &Manifest, grant: ToolGrant) -> Settings {
        let mut settings = Settings::single();
        let asked = PartialLimits {
            fuel: self.fuel,
            memory: self.memory,
            deadline_ms: self.deadline,
            egress: self.egress,
            stored: self.stored,
        };
        settings.host.limits = asked.or(&settings.host.limits);
        // Whoever runs it is who it writes for.
        settings.host.telemetry.tool_messages = true;
        for tenant in settings.tenants.values_mut().map(Arc::make_mut) {
            tenant.named = Some("the flags of `strongroom run`");
            // So that the audit log tells runs with other rights apart.
            tenant.digest = Digest::of(format!("{grant:?} {asked:?}").as_bytes());
            let rules = std::sync::Arc::make_mut(&mut tenant.rules);
            rules.tools.allow = vec![ToolPattern::Tool(manifest.name.clone())];
            rules.limits = asked;
            rules.grants.insert(manifest.name.clone(), grant.clone());
        }
        settings
    }
}

/// Fails when a flag grants what the manifest does not need: it would have no effect.
pub(crate) fn check(manifest: &Manifest, grant: &ToolGrant) -> Result<(), Failure> {
    let needs = &manifest.needs;
    let keys: Vec<&ConfigKey> = needs.config.keys.iter().collect();
    stranger("dir", grant.dir.keys(), &needs.dir.keys().collect::<Vec<_>>())?;
    stranger("origin", grant.http.keys(), &needs.http.keys().collect::<Vec<_>>())?;
    stranger("kv", grant.keyvalue.keys(), &needs.keyvalue.keys().collect::<Vec<_>>())?;
    if grant.memory.is_some() && needs.memory.is_none() {
        return Err(Failure::usage("--remember: the tool's manifest does not need the memory"));
    }
    if grant.cache.is_some() && needs.cache.is_none() {
        return Err(Failure::usage("--cache: the tool's manifest does not need a cache"));
    }
    if grant.ask.is_some() && needs.ask.is_none() {
        return Err(Failure::usage("--ask: the tool's manifest does not need to ask its caller"));
    }
    stranger("config", grant.config.values.keys(), &keys)
}

fn stranger<'a, T>(flag: &str, granted: impl Iterator<Item = &'a T>, needs: &[&T]) -> Result<(), Failure>
where
    T: PartialEq + std::fmt::Display + 'a,
{
    let mut granted = granted;
    let Some(stranger) = granted.find(|name| !needs.contains(name)) else { return Ok(()) };
    let known: Vec<String> = needs.iter().map(ToString::to_string).collect();
    let known = if known.is_empty() { "none of this kind".to_owned() } else { known.join(", ") };
    Err(Failure::usage(format!("--{flag} {stranger}: the tool's manifest has no such need"))
        .help(format!("it needs: {known}")))
}

/// A manifest that needs exactly what is granted, for a component that carries none. All its functions write.
pub(crate) fn manifest(mut bare: Manifest, grant: &ToolGrant) -> Result<Manifest, Failure> {
    let methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"].map(Method::new);
    let methods: Vec<Method> = methods.into_iter().flatten().collect();
    let everywhere = PathPattern::parse("/**").map_err(|e| Failure::failed(e.to_string()))?;
    for need in grant.http.keys() {
        let http = HttpNeed { methods: methods.clone(), paths: vec![everywhere.clone()] };
        bare.needs.http.insert(need.clone(), http);
    }
    for (need, dir) in &grant.dir {
        bare.needs.dir.insert(need.clone(), DirNeed { mode: dir.mode });
    }
    for (need, kv) in &grant.keyvalue {
        bare.needs.keyvalue.insert(need.clone(), KvNeed { mode: kv.mode });
    }
    bare.needs.memory = grant.memory.map(|grant| MemoryNeed { mode: grant.mode });
    bare.needs.cache = grant.cache.map(|_| CacheNeed {});
    bare.needs.ask = grant.ask.as_ref().map(|_| AskNeed { kinds: AskKind::ALL.to_vec() });
    bare.needs.config.keys = grant.config.values.keys().cloned().collect();
    Ok(bare)
}

fn bad(flag: &str, text: &str, why: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("--{flag} {text}: {why}"))
}

fn pair<'a>(flag: &str, text: &'a str, example: &str) -> Result<(&'a str, &'a str), Failure> {
    text.split_once('=').ok_or_else(|| bad(flag, text, format!("write it as `--{flag} {example}`")))
}

fn name(flag: &str, need: &str) -> Result<NeedName, Failure> {
    NeedName::new(need).map_err(|e| bad(flag, need, e))
}

/// What comes before `:ro` or `:rw`, and which of them it is.
fn moded(text: &str, otherwise: Mode) -> (&str, Mode) {
    let modes = [(":ro", Mode::ReadOnly), (":rw", Mode::ReadWrite)];
    let found = modes.into_iter().find_map(|(end, mode)| Some((text.strip_suffix(end)?, mode)));
    found.unwrap_or((text, otherwise))
}
