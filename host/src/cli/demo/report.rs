//! The story as it is shown: a table, what callers got, and the book; or one JSON document.
//!
//! Takes: played steps and the book. Gives: text. May name: play, table.

use super::play::Played;
use super::table::{Colour, grouped, paint, table, visible};
use serde::Serialize;
use std::fmt::Write as _;
use strongroom::audit::{Decision, Entry, ImportRecord};

/// The version of the JSON document's form.
const SCHEMA_VERSION: u32 = 1;

const ABOUT: &str =
    "Two tenants, acme and globex, each with an order service of its own; one host between them.";

/// What is shown.
pub(super) struct Report {
    pub(super) steps: Vec<Played>,
    pub(super) audit: Vec<Entry>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    steps: &'a [Played],
    audit: &'a [Entry],
    ok: bool,
}

impl Report {
    /// One JSON document.
    pub(super) fn json(&self) -> std::io::Result<String> {
        let ok = self.verdict().is_ok();
        let document =
            Document { schema_version: SCHEMA_VERSION, steps: &self.steps, audit: &self.audit, ok };
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }

    /// Tables for people.
    pub(super) fn text(&self, colours: bool) -> String {
        let title = |text: &str| paint(colours, Colour::Bold, text);
        let rows: Vec<_> =
            self.steps.iter().map(|step| (row(step), colour_of(step.is_as_expected()))).collect();
        let head = ["", "step", "tenant", "action", "reason code", "outcome", "fuel", "µs", ""];
        let steps = table(colours, head, &[0, 6, 7], &rows);
        let mut said = String::new();
        for step in &self.steps {
            if let Some(message) = &step.message {
                // Writing to a String cannot fail.
                let _ = writeln!(said, "{:>2}  {}", step.step, visible(message));
            }
        }
        let rows: Vec<_> = self.audit.iter().map(|entry| (entry_row(entry), Colour::Dim)).collect();
        let head = ["seq", "phase", "tenant", "actor", "action", "reason code", "outcome", "fuel", "reached"];
        let book = table(colours, head, &[0, 7], &rows);
        let (got, audit) = (title("What callers got"), title("The audit log"));
        format!("{ABOUT}\n\n{steps}\n{got}\n{said}\n{audit}\n{book}\n{}", self.end(colours))
    }

    /// What differs, and the last line.
    fn end(&self, colours: bool) -> String {
        let mut text = String::new();
        for step in &self.steps {
            for difference in &step.differences {
                let _ = writeln!(text, "step {} ({}): {}", step.step, step.title, visible(difference));
            }
        }
        let verdict = self.verdict();
        let colour = colour_of(verdict.is_ok());
        text + &paint(colours, colour, &verdict.unwrap_or_else(|differs| differs)) + "\n"
    }

    /// How many steps went as they must; as an error, and with their names, when some did not.
    pub(super) fn verdict(&self) -> Result<String, String> {
        let (fine, differing): (Vec<_>, Vec<_>) = self.steps.iter().partition(|step| step.is_as_expected());
        let text = format!("{} of {} steps as expected", fine.len(), self.steps.len());
        if differing.is_empty() {
            return Ok(text);
        }
        let names: Vec<_> = differing.iter().map(|s| format!("{} ({})", s.step, s.title)).collect();
        Err(format!("{text}; not: {}", names.join(", ")))
    }
}

fn colour_of(fine: bool) -> Colour {
    if fine { Colour::Green } else { Colour::Red }
}

fn row(step: &Played) -> [String; 9] {
    [
        step.step.to_string(),
        step.title.into(),
        step.tenant.as_ref().map_or("-", |id| id.as_str()).into(),
        step.action.clone(),
        step.reason_code.to_string(),
        step.outcome.to_string(),
        grouped(step.fuel),
        grouped(step.duration_us),
        if step.is_as_expected() { "as expected" } else { "DIFFERS" }.into(),
    ]
}

fn entry_row(entry: &Entry) -> [String; 9] {
    let text = |name: Option<&str>| name.unwrap_or("-").to_owned();
    let mut reached: Vec<_> = entry.imports.iter().filter_map(target).collect();
    reached.dedup();
    [
        entry.seq.to_string(),
        format!("{:?}", entry.phase).to_lowercase(),
        text(entry.tenant_id.as_ref().map(|id| id.as_str())),
        text(entry.actor_id.as_ref().map(|id| id.as_str())),
        entry.action.clone(),
        entry.reason_code.to_string(),
        entry.outcome.to_string(),
        grouped(entry.fuel),
        reached.join(", "),
    ]
}

/// What an import call reached outside: what it sent or asked for, not the streams and handles in between.
fn target(record: &ImportRecord) -> Option<String> {
    let target = record.target.as_deref().filter(|_| record.import.contains("outgoing-handler"))?;
    let verb = match (record.decision, &*record.class) {
        (Decision::Deny, _) => "refused",
        (Decision::Allow, "effect") => "write",
        (Decision::Allow, _) => "read",
    };
    Some(format!("{verb} {target}"))
}

#[cfg(test)]
mod tests {
    use super::super::services::Effects;
    use super::*;
    use strongroom::reason::{Outcome, Reason};

    fn played(step: usize, title: &'static str, difference: Option<&str>) -> Played {
        Played {
            step,
            title,
            tenant: None,
            action: "orders.get".into(),
            reason_code: Reason::Ok,
            outcome: Outcome::Executed,
            fuel: 1_000,
            duration_us: 10,
            answer: None,
            message: None,
            acme_service: Effects::default(),
            globex_service: Effects::default(),
            differences: difference.map(str::to_owned).into_iter().collect(),
        }
    }

    #[test]
    fn a_difference_is_named_and_is_not_ok() {
        let fine = Report { steps: vec![played(1, "first", None)], audit: Vec::new() };
        assert!(fine.text(false).ends_with("\n1 of 1 steps as expected\n"));
        assert!(fine.json().unwrap().contains("\"ok\": true"));
        let steps =
            vec![played(1, "first", None), played(2, "second", Some("reason code ok, expected killed"))];
        let differing = Report { steps, audit: Vec::new() };
        let text = differing.text(false);
        let end =
            "step 2 (second): reason code ok, expected killed\n1 of 2 steps as expected; not: 2 (second)\n";
        assert!(text.ends_with(end) && text.contains("DIFFERS"), "{text}");
        assert!(differing.json().unwrap().contains("\"ok\": false"));
        assert!(differing.verdict().is_err());
    }
}
