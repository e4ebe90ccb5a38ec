//! `doctor`: whether this machine and this home folder can run tools, checked one after the other.
//!
//! Takes: the home folder. Gives: a line for each check. May name: the library, World.

use super::{Failure, Out, host};
use crate::World;
use serde_json::json;
use strongroom::config::Settings;
use strongroom::id::ToolName;
use strongroom::isolate::engine::Engine;
use strongroom::powers::{Home, SystemEnvironment};
use strongroom::reason::Reason;
use strongroom::{BuildError, Strongroom};

/// Check that the home folder, the settings, the engine, the audit log, the tools, certificates and issuers are in order
///
/// Issuers are asked for their keys; nothing is sent to the webhook of `[alerts]`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// What was found so far, and the first thing that is wrong.
struct Findings<'a> {
    out: &'a Out,
    rows: Vec<(&'static str, Result<String, String>)>,
    first: Option<Failure>,
}

impl Findings<'_> {
    fn add(&mut self, check: &'static str, found: Result<String, Failure>) -> Result<(), Failure> {
        let row = match found {
            Ok(what) => Ok(what),
            Err(failure) => {
                let text = failure.to_string();
                self.first.get_or_insert(failure);
                Err(text)
            }
        };
        if !self.out.is_json() {
            let (mark, text) = match &row {
                Ok(text) => ("ok    ", text),
                Err(text) => ("FAILED", text),
            };
            self.out.line(format!("{mark}  {check:<9} {text}"))?;
        }
        self.rows.push((check, row));
        Ok(())
    }

    fn end(self) -> Result<(), Failure> {
        if self.out.is_json() {
            let row = |(check, found): &(&str, Result<String, String>)| {
                let (Ok(text) | Err(text)) = found;
                json!({ "check": check, "ok": found.is_ok(), "detail": text })
            };
            self.out.json(json!({ "checks": self.rows.iter().map(row).collect::<Vec<_>>() }))?;
        }
        self.first.map_or(Ok(()), Err)
    }
}

pub(crate) async fn run(world: &World, out: &Out) -> Result<(), Failure> {
    let mut findings = Findings { out, rows: Vec::new(), first: None };
    let home = match world.home() {
        Ok(home) => home,
        Err(failure) => {
            findings.add("home", Err(failure))?;
            return findings.end();
        }
    };
    findings.add("home", writable(&home))?;
    findings.add("settings", settings(&home))?;
    findings.add("engine", engine())?;
    let looked = host::with(host::builder(world)?, async |room| {
        let mut looked = vec![("audit log", book(room)), ("tools", tools(room, &home))];
        looked.extend(certificates(room).into_iter().map(|found| ("tls", found)));
        looked.extend(issuers(room).await.into_iter().map(|found| ("issuer", found)));
        looked.extend(alerts(room).map(|told| ("alerts", Ok(told))));
        Ok(looked)
    });
    match looked.await {
        Ok(looked) => {
            for (check, found) in looked {
                findings.add(check, found)?;
            }
        }
        // Settings at fault were told above, with their line at the end.
        Err(failure) if findings.first.is_some() => drop(failure),
        Err(failure) => findings.add("host", Err(failure))?,
    }
    findings.end()
}

fn writable(home: &Home) -> Result<String, Failure> {
    const PROBE: &str = ".doctor";
    let fault = |e: std::io::Error| Failure::reason(Reason::StorageUnavailable, format!("not writable: {e}"));
    home.dir().write(PROBE, b"").map_err(fault)?;
    home.dir().remove_file(PROBE).map_err(fault)?;
    Ok(home.path().display().to_string())
}

fn settings(home: &Home) -> Result<String, Failure> {
    let settings = Settings::load_with(home.dir(), &SystemEnvironment).map_err(BuildError::from)?;
    Ok(match settings.single_tenant {
        true => "one tenant, `default`; no tenants are configured".to_owned(),
        false => format!("{} tenants", settings.tenants.len()),
    })
}

fn engine() -> Result<String, Failure> {
    let fault = |e| Failure::reason(Reason::Overloaded, format!("the engine does not start: {e:#}"));
    // The smallest component that there is, compiled for this machine.
    Engine::compiler().and_then(|engine| engine.compile(b"\0asm\x0d\0\x01\0")).map_err(fault)?;
    Ok("compiles for this machine".to_owned())
}

fn book(room: &Strongroom) -> Result<String, Failure> {
    room.ready().map_err(|e| Failure::reason(e.reason(), e.to_string()))?;
    Ok("can be written".to_owned())
}

/// The files of `[tls]`, as the server reads them.
fn certificates(room: &Strongroom) -> Vec<Result<String, Failure>> {
    let mut found = room.look_at_certificates();
    // Each file by itself may be right, and the pair not.
    if found.iter().all(Result::is_ok)
        && let Err(error) = strongroom::serve::check_tls(room)
    {
        found.push(Err(error.to_string()));
    }
    let fault = |why| Failure::reason(Reason::ConfigInvalid, why);
    found.into_iter().map(|found| found.map_err(fault)).collect()
}

/// Every issuer's keys, fetched as for a token.
async fn issuers(room: &Strongroom) -> Vec<Result<String, Failure>> {
    let asked = room.ask_issuers().await.into_iter();
    let told = asked.map(|(url, found)| match found {
        Ok(keys) => Ok(format!("{url}: {keys} keys")),
        Err(why) => Err(Failure::reason(Reason::IssuerUnavailable, format!("{url}: {why}")).help(
            "its tokens are refused until its keys can be had; `ca` in [[issuers]] names its own authorities",
        )),
    });
    told.collect()
}

/// The webhook's settings are right when there are any: they were read with the others. Nothing is sent.
fn alerts(room: &Strongroom) -> Option<String> {
    let settings = room.settings();
    let webhook = settings.webhook.as_ref()?;
    // A URL's path can be all that a service asks for.
    let to = webhook.rule.url.origin().ascii_serialization();
    Some(format!("go to {to}, signed by {} keys; nothing was sent", webhook.secret.count()))
}

/// Every component file in the tools folder is a tool that can be called.
fn tools(room: &Strongroom, home: &Home) -> Result<String, Failure> {
    let fault = |e: std::io::Error| Failure::reason(Reason::StorageUnavailable, format!("tools: {e}"));
    let (mut loaded, mut left_out) = (0_u32, Vec::new());
    for entry in home.dir().read_dir("tools").map_err(fault)? {
        let file = entry.map_err(fault)?.file_name().to_string_lossy().into_owned();
        let Some(name) = file.strip_suffix(".wasm") else { continue };
        match ToolName::new(name).ok().and_then(|name| room.catalogue().tool(&name)) {
            Some(_) => loaded += 1,
            None => left_out.push(file),
        }
    }
    let held = match room.held()?.len() {
        0 => String::new(),
        count => format!(", {count} held (`strongroom accept --list`)"),
    };
    match left_out.as_slice() {
        [] => Ok(format!("{loaded} loaded{held}")),
        files => Err(Failure::reason(Reason::ComponentInvalid, format!("not loaded: {}", files.join(", ")))
            .help("the warnings above say why; install them again, or remove the files")),
    }
}
