//! `explain`: why a call was allowed or denied, as the book has it; or how a call would end, from the files.
//!
//! Takes: a call's id, or a key and a function. Gives: the steps and a verdict. May name: audit, explain, id, reason, World.

use super::{Failure, Out, audit, look, selection};
use crate::World;
use serde_json::json;
use strongroom::explain::{Forecast, Judgement, Question, Stage, Verdict, forecast, story};
use strongroom::id::{CallId, KeyId};
use strongroom::powers::{Clock as _, SystemClock};
use strongroom::reason::Reason;

/// Say why a call was allowed or denied, or how a call would end, step by step; nothing runs
///
/// For a call that was made, the steps come from the audit log. For a function (or all functions of a tool) they come from
/// the settings, tools, keys and kill switches as they are now, for the caller named by --as; the exit code is then the
/// one that the call would end with, and for a tool 0 when any of its functions may be called. No host is started and
/// nothing is written, also while a server runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A call's id, from its answer or from `strongroom audit show`; or a tool or `tool.function` that would be called
    #[arg(value_name = "CALL|TOOL[.FUNCTION]")]
    what: String,
    /// The caller: the id of its key, from `strongroom key list`. Left out, the call would carry no key
    #[arg(long = "as", value_name = "KEY_ID")]
    key: Option<String>,
    /// Judge the call as one without an idempotency key
    #[arg(long)]
    no_idempotency_key: bool,
}

/// A whole key is no id, and must not be repeated in a message; so the parser of the command line does not judge it.
fn key_id(text: &str) -> Result<KeyId, Failure> {
    match text.starts_with("sr_live_") {
        true => Err(Failure::usage("--as takes the id of a key, and this is the whole key")
            .help("the id is between `sr_live_` and the next `_`; the key stands in the shell's history now, so revoke it")),
        false => KeyId::new(text).map_err(|e| Failure::usage(format!("--as: {e}"))),
    }
}

pub(crate) fn run(args: &Args, world: &World, out: &Out) -> Result<(), Failure> {
    let is_call = args.what.starts_with("call_");
    match is_call {
        true if args.key.is_some() || args.no_idempotency_key => {
            Err(Failure::usage("a call that was made is explained without options"))
        }
        true => was(selection::call(&args.what).map_err(Failure::usage)?, world, out),
        false => would(args, world, out),
    }
}

/// What the book says.
fn was(call: CallId, world: &World, out: &Out) -> Result<(), Failure> {
    let entries = audit::of_call(call, world)?;
    let steps = story(&entries).ok_or_else(|| {
        Failure::not_found(format!("the audit log has no call {call}"))
            .help("`strongroom audit show` lists the calls")
    })?;
    if out.is_json() {
        return out.json(json!({ "call_id": call, "steps": steps, "entries": entries }));
    }
    for step in &steps {
        let verdict = match step.verdict {
            Verdict::Pass => "pass",
            Verdict::Stop => "STOP",
            Verdict::Skip => "not reached",
        };
        out.line(format!("{:<9}  {verdict}", name(step.stage)))?;
        for fact in &step.says {
            out.line(format!("           {fact}"))?;
        }
    }
    Ok(())
}

/// What the files say.
fn would(args: &Args, world: &World, out: &Out) -> Result<(), Failure> {
    let key = args.key.as_deref().map(key_id).transpose()?;
    let snapshot = look::at_home(world)?;
    let real = |path: &std::path::Path| world.real_path(path).ok();
    let facts = snapshot.facts(SystemClock.unix_ms(), &real);
    let tool = snapshot.tools().iter().find(|tool| tool.name.as_str() == args.what);
    let functions: Vec<&str> = match tool {
        Some(tool) => tool.functions.iter().map(|(name, _)| name.as_str()).collect(),
        None => vec![&args.what],
    };
    let mut forecasts = Vec::new();
    for function in functions {
        let idempotency_key = !args.no_idempotency_key;
        let told = forecast(&facts, &Question { key: key.as_ref(), function, idempotency_key });
        forecasts.push(told.map_err(|e| Failure::reason(e.reason(), e.to_string()))?);
    }
    match (out.is_json(), forecasts.as_slice()) {
        (true, forecasts) => out.json(json!({ "as": key, "forecasts": forecasts }))?,
        (false, [only]) => steps(only, out)?,
        (false, several) => overview(several, out)?,
    }
    let allowed = |forecast: &Forecast| forecast.reason_code == Reason::Ok;
    match forecasts.first() {
        Some(first) if !forecasts.iter().any(allowed) => Err(Failure::judged(first.reason_code)),
        _ => Ok(()),
    }
}

fn steps(forecast: &Forecast, out: &Out) -> Result<(), Failure> {
    let mut before = None;
    for step in &forecast.steps {
        let stage = if before == Some(step.stage) { "" } else { name(step.stage) };
        before = Some(step.stage);
        let word = match step.judgement {
            Judgement::Pass => "pass",
            Judgement::Stop => "STOP",
            Judgement::Also => "also",
            Judgement::Open => "open",
        };
        let reason = step.reason_code.map(|reason| format!("  [{reason}]")).unwrap_or_default();
        out.line(format!("{stage:<9}  {word}  {}{reason}", step.says))?;
    }
    out.line(format!("{:<9}  {}", "verdict", verdict(forecast)))
}

fn verdict(forecast: &Forecast) -> String {
    let word = if forecast.reason_code == Reason::Ok { "allowed" } else { "denied" };
    format!("{word}  {}: {}", forecast.reason_code, forecast.because)
}

fn overview(forecasts: &[Forecast], out: &Out) -> Result<(), Failure> {
    let wide = |width: fn(&Forecast) -> usize| forecasts.iter().map(width).max().unwrap_or(0);
    let (names, effects) = (wide(|f| f.function.chars().count()), wide(|f| effect(f).len()));
    for forecast in forecasts {
        let (function, effect) = (&forecast.function, effect(forecast));
        out.line(format!("{function:names$}  {effect:effects$}  {}", verdict(forecast)))?;
    }
    out.note("name one function for its steps");
    Ok(())
}

fn effect(forecast: &Forecast) -> String {
    forecast.effect.map_or_else(|| "-".to_owned(), |effect| effect.to_string())
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Identify => "identify",
        Stage::Admit => "admit",
        Stage::Authorize => "authorize",
        Stage::Isolate => "isolate",
        Stage::Execute => "execute",
        Stage::Settle => "settle",
        Stage::Audit => "audit",
    }
}
