//! `explain`: why a call was allowed or denied, step by step, as the book has it.
//!
//! Takes: a call's id. Gives: its steps. May name: audit, explain, id, World.

use super::{Failure, Out, audit};
use crate::World;
use serde_json::json;
use strongroom::explain::{Stage, Verdict, story};
use strongroom::id::CallId;

/// Say why a call was allowed or denied, step by step, from the audit log
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The call's id, from its answer or from `strongroom audit show`
    #[arg(value_name = "CALL", value_parser = audit::call)]
    call: CallId,
}

pub(crate) fn run(args: &Args, world: &World, out: &Out) -> Result<(), Failure> {
    let entries = audit::of_call(args.call, world)?;
    let steps = story(&entries).ok_or_else(|| {
        Failure::not_found(format!("the audit log has no call {}", args.call))
            .help("`strongroom audit show` lists the calls")
    })?;
    if out.is_json() {
        return out.json(json!({ "call_id": args.call, "steps": steps, "entries": entries }));
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
