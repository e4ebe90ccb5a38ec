//! Why a call ended as it did, step by step, from what the book says of it.
//!
//! Takes: the entries of one call. Gives: [`story`]. May name: admit, audit, reason.

use crate::admit::is_derived;
use crate::audit::{Decision, Entry, ImportRecord, Phase};
use crate::reason::{Outcome, Reason};
use serde::Serialize;

/// The steps of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Who asks.
    Identify,
    /// May the call begin now.
    Admit,
    /// May this caller call this, and with which rights.
    Authorize,
    /// A store of its own.
    Isolate,
    /// The guest runs.
    Execute,
    /// What it cost and what is kept.
    Settle,
    /// The book.
    Audit,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It let the call pass.
    Pass,
    /// The call ended here.
    Stop,
    /// It was not reached.
    Skip,
}

/// One step of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Which.
    pub stage: Stage,
    /// How it ended.
    pub verdict: Verdict,
    /// What the book says of it, a sentence or a fact in each.
    pub says: Vec<String>,
}

const STAGES: [Stage; 7] = [
    Stage::Identify,
    Stage::Admit,
    Stage::Authorize,
    Stage::Isolate,
    Stage::Execute,
    Stage::Settle,
    Stage::Audit,
];

/// The steps of the call that these entries tell of, oldest entry first; `None` without entries.
#[must_use]
pub fn story(entries: &[Entry]) -> Option<Vec<Step>> {
    let last = entries.last()?;
    let end = ends_in(last, entries);
    let steps = STAGES.into_iter().map(|stage| {
        let verdict = match (stage, end) {
            (Stage::Audit, _) | (_, None) => Verdict::Pass,
            (Stage::Settle, Some(Stage::Execute)) => Verdict::Pass,
            (_, Some(end)) if stage < end => Verdict::Pass,
            (_, Some(end)) if stage == end => Verdict::Stop,
            _ => Verdict::Skip,
        };
        let nothing_ran = matches!(last.outcome, Outcome::Replayed | Outcome::Cached)
            && matches!(stage, Stage::Isolate | Stage::Execute);
        let verdict = if nothing_ran { Verdict::Skip } else { verdict };
        let mut says = if verdict == Verdict::Skip { Vec::new() } else { facts(stage, last, entries) };
        if verdict == Verdict::Stop {
            says.push(format!("{}: {}", last.reason_code, last.reason_code.meaning()));
            says.push(format!("what to do: {}", remedy(last.reason_code)));
        }
        Step { stage, verdict, says }
    });
    Some(steps.collect())
}

/// The step that ended the call; `None` when all let it pass.
fn ends_in(last: &Entry, entries: &[Entry]) -> Option<Stage> {
    // The rules' digest is set when the rules were asked, so what stopped the call came later, if they did not.
    let allowed = last.policy.is_some();
    let broke_off = entries.iter().any(|entry| matches!(entry.phase, Phase::Intent | Phase::Recovery));
    Some(match last.reason_code {
        Reason::Ok => return None,
        Reason::TenantMissing
        | Reason::TenantUnknown
        | Reason::TokenInvalid
        | Reason::IssuerUnavailable
        | Reason::CertificateInvalid
        | Reason::TenantMismatch
        | Reason::Misdirected
        | Reason::TenantSuspended => Stage::Identify,
        Reason::RateLimited
        | Reason::Overloaded
        | Reason::BudgetExceeded
        | Reason::IdempotencyKeyRequired
        | Reason::IdempotencyMismatch
        | Reason::InProgress => Stage::Admit,
        Reason::OutcomeUnknown if broke_off || last.outcome == Outcome::Unknown => Stage::Execute,
        Reason::OutcomeUnknown => Stage::Admit,
        Reason::Killed | Reason::WritesFrozen | Reason::StorageUnavailable if !allowed => Stage::Admit,
        Reason::Killed | Reason::WritesFrozen | Reason::StorageUnavailable
            if last.outcome == Outcome::Denied =>
        {
            Stage::Isolate
        }
        Reason::PolicyDenied | Reason::ToolUnknown | Reason::ArgumentsInvalid => Stage::Authorize,
        Reason::AuditUnavailable if last.outcome == Outcome::Denied => Stage::Isolate,
        _ => Stage::Execute,
    })
}

fn facts(stage: Stage, last: &Entry, entries: &[Entry]) -> Vec<String> {
    let mut says = Vec::new();
    match stage {
        Stage::Identify => {
            let shown = |known: Option<String>| known.unwrap_or_else(|| "nobody that is known".to_owned());
            says.push(format!("tenant: {}", shown(last.tenant_id.as_ref().map(ToString::to_string))));
            says.push(format!("actor: {}", shown(last.actor_id.as_ref().map(ToString::to_string))));
            if matches!(
                last.reason_code,
                Reason::TenantUnknown
                    | Reason::TokenInvalid
                    | Reason::IssuerUnavailable
                    | Reason::CertificateInvalid
                    | Reason::TenantMismatch
                    | Reason::Misdirected
            ) {
                says.extend(last.note.clone());
            }
        }
        Stage::Admit => {
            says.push(format!("asked: {}", last.action));
            if last.idempotency_key.is_some() {
                let derived = if is_derived(last) { ", which the host derived from the call" } else { "" };
                says.push(format!("with an idempotency key{derived}"));
            }
            if let Some(earlier) = last.replayed_call_id {
                says.push(format!("the same call was made before: {earlier}; its answer was given again"));
            }
        }
        Stage::Authorize => {
            if let Some(note) = &last.note {
                says.push(format!("rule: {note}"));
            }
            if !last.policies.is_empty() {
                says.push(format!("policies: {}", last.policies.join(", ")));
            }
            if let Some(policy) = &last.policy {
                says.push(format!("rules' digest: {policy}"));
            }
        }
        Stage::Isolate => {
            says.extend(last.component.as_ref().map(|digest| format!("component: {digest}")));
        }
        // Of a call that broke off, what it was about to do is all that is known.
        Stage::Execute if last.phase == Phase::Recovery => {
            let intents = entries.iter().filter(|entry| entry.phase == Phase::Intent);
            says.extend(
                intents.flat_map(|entry| &entry.imports).map(|record| format!("announced {}", named(record))),
            );
        }
        Stage::Execute => says.extend(last.imports.iter().map(|record| {
            let decision = match record.decision {
                Decision::Allow => "allowed",
                Decision::Deny => "DENIED",
            };
            let why = record.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("{decision} {} ({}, {} times){why}", named(record), record.class, record.count)
        })),
        Stage::Settle => says.push(format!(
            "{} fuel, {} bytes in, {} bytes out, {} µs",
            last.fuel, last.bytes_in, last.bytes_out, last.duration_us
        )),
        Stage::Audit => says.extend(entries.iter().map(|entry| {
            let phase = match entry.phase {
                Phase::Intent => "intent",
                Phase::Outcome => "outcome",
                Phase::Recovery => "recovery",
                Phase::Import => "imports",
                Phase::Head => "head",
            };
            match entry.phase {
                Phase::Intent => {
                    let effects: Vec<_> = entry.imports.iter().map(named).collect();
                    format!("entry {}: intent, {}", entry.seq, effects.join(", "))
                }
                _ => format!("entry {}: {phase}, {}, {}", entry.seq, entry.outcome, entry.reason_code),
            }
        })),
    }
    says
}

/// An import and what it was done to.
fn named(record: &ImportRecord) -> String {
    format!("{} {}", record.import, record.target.as_deref().unwrap_or("-"))
}

/// What a person can do about it.
fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::Ok => "nothing",
        Reason::TenantMissing => "send an API key; `strongroom key create` makes one",
        Reason::TenantUnknown => {
            "check the key with `strongroom key list`; make a new one if it ended or was revoked"
        }
        Reason::TokenInvalid => {
            "get a new token; `[[issuers]]` in strongroom.toml says which tokens count, and `strongroom token list` which were revoked"
        }
        Reason::CertificateInvalid => {
            "give the client a new certificate; `[[tls.trust_domains]]` in strongroom.toml says which ones count"
        }
        Reason::TenantMismatch => {
            "use a credential of the host name's tenant, and a certificate and a token of one tenant"
        }
        Reason::Misdirected => {
            "`[hosts]` in strongroom.toml has the host names; connect by the name that is asked for"
        }
        Reason::IssuerUnavailable => {
            "look why this machine cannot fetch the issuer's keys; the host's log says it"
        }
        Reason::TenantSuspended => "set `suspended = false` in the tenant's file when the suspension is over",
        Reason::Killed => "`strongroom kills` says who stopped it and why; `strongroom revive` lifts it",
        Reason::WritesFrozen => {
            "send the write again, with the same idempotency key, once `strongroom revive` has lifted the freeze; \
             `strongroom kills` says who froze writes and why"
        }
        Reason::RateLimited => "call more slowly, or raise `[rate]` in the tenant's file",
        Reason::InProgress => "try again shortly",
        Reason::Overloaded => {
            "try again shortly; if its own limit was met, raise `[concurrency]` in the tenant's file"
        }
        Reason::BudgetExceeded => {
            "wait for the budget's next window, or raise `[[budgets]]` in the tenant's file"
        }
        Reason::IdempotencyKeyRequired => "send an idempotency key of your own with every call that writes",
        Reason::IdempotencyMismatch => "use a new idempotency key for other arguments",
        Reason::OutcomeUnknown => {
            "find out at the service whether it took effect, then settle it with `strongroom reconcile`"
        }
        Reason::PolicyDenied => "change the rule that is named, if the caller should have this",
        Reason::ToolUnknown => "`strongroom tools` lists what is installed",
        Reason::ArgumentsInvalid => "`strongroom tools --format json` has the schema of the arguments",
        Reason::StorageUnavailable | Reason::AuditUnavailable => {
            "`strongroom doctor` says what is wrong with the disk"
        }
        Reason::FuelExhausted | Reason::MemoryExceeded | Reason::DeadlineExceeded => {
            "raise `[limits]` in the tenant's file and the manifest, if the call should need so much"
        }
        Reason::QuotaExceeded => {
            "have the tool delete or forget what is not needed any more, or raise the quota under `[storage]` in the tenant's file"
        }
        Reason::CapabilityDenied => "grant the need behind the denied import, if the tool should reach it",
        Reason::InputRequired => "answer what the tool asks, and send the call again with the answers",
        Reason::CallerUnable => {
            "call it from a client of the Model Context Protocol that declares what the tool asks for"
        }
        Reason::RequestStateInvalid => "begin the call anew, without the state and its answers",
        Reason::Trapped => "report it to the tool's author; the fault is in the component",
        Reason::ToolError => "read the answer: the tool itself says what is wrong",
        Reason::Cancelled => "call again; the caller went away or the host stopped",
        Reason::ComponentInvalid | Reason::ImportUnsupported | Reason::ManifestInvalid => {
            "`strongroom inspect` shows what is wrong with the component"
        }
        Reason::UpgradeHeld => "`strongroom accept --list` shows what the new version asks for",
        Reason::ConfigInvalid => "`strongroom doctor` shows the line of the file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{CallId, Digest};

    fn ended(reason: Reason, outcome: Outcome) -> Entry {
        let mut entry = Entry::outcome(5, "call orders.get", reason, outcome);
        entry.call_id = Some(CallId::new(1, [2; 10]));
        entry
    }

    fn stop(entries: &[Entry]) -> Option<Stage> {
        let steps = story(entries).unwrap();
        assert_eq!(steps.len(), STAGES.len());
        let stops: Vec<_> = steps.iter().filter(|s| s.verdict == Verdict::Stop).collect();
        assert!(stops.len() <= 1, "{steps:?}");
        stops.first().map(|step| step.stage)
    }

    #[test]
    fn every_reason_but_ok_stops_the_call_at_one_step_with_something_to_do() {
        assert!(story(&[]).is_none());
        for reason in Reason::ALL {
            for outcome in [Outcome::Denied, Outcome::Failed] {
                let stopped = stop(&[ended(*reason, outcome)]);
                assert_eq!(stopped.is_none(), *reason == Reason::Ok, "{reason}");
            }
            assert!(!remedy(*reason).is_empty());
        }
    }

    #[test]
    fn the_same_reason_stops_where_it_came_up() {
        let mut killed = ended(Reason::Killed, Outcome::Denied);
        assert_eq!(stop(&[killed.clone()]), Some(Stage::Admit));
        killed.policy = Some(Digest::of(b"rules"));
        assert_eq!(stop(&[killed]), Some(Stage::Isolate));
        assert_eq!(stop(&[ended(Reason::OutcomeUnknown, Outcome::Denied)]), Some(Stage::Admit));
        let intent = Entry::intent(4, "call orders.get", CallId::new(1, [2; 10]));
        assert_eq!(stop(&[intent.clone(), Entry::closing(&intent, 9)]), Some(Stage::Execute));
        assert_eq!(stop(&[ended(Reason::OutcomeUnknown, Outcome::Unknown)]), Some(Stage::Execute));
    }

    #[test]
    fn a_call_that_broke_off_tells_what_it_was_about_to_do() {
        let mut intent = Entry::intent(4, "call orders.note", CallId::new(1, [2; 10]));
        intent.imports.push(ImportRecord {
            target: Some("https://api.example.com/notes".into()),
            ..ImportRecord::new("wasi:http/outgoing-handler.handle", "effect", Decision::Allow)
        });
        let says = |entries: &[Entry], stage| {
            let steps = story(entries).unwrap();
            steps.into_iter().find(|step| step.stage == stage).unwrap().says
        };
        let effect = "wasi:http/outgoing-handler.handle https://api.example.com/notes";
        let closing = Entry { imports: Vec::new(), seq: 7, ..Entry::closing(&intent, 9) };
        let entries = [intent, closing];
        assert_eq!(says(&entries, Stage::Execute)[0], format!("announced {effect}"));
        let audit = says(&entries, Stage::Audit);
        assert_eq!(
            audit,
            [format!("entry 0: intent, {effect}"), "entry 7: recovery, unknown, outcome_unknown".into()]
        );
    }

    #[test]
    fn a_replay_ran_nothing_and_names_the_earlier_call() {
        let mut again = ended(Reason::Ok, Outcome::Replayed);
        again.replayed_call_id = Some(CallId::new(7, [7; 10]));
        let steps = story(&[again]).unwrap();
        let of = |stage| steps.iter().find(|s| s.stage == stage).unwrap();
        assert_eq!(of(Stage::Execute).verdict, Verdict::Skip);
        assert!(of(Stage::Admit).says.iter().any(|s| s.contains("made before")));
    }
}
