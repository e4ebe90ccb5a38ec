//! The review of one component: every rule, and its findings in a fixed order.
//!
//! Takes: a [`Subject`]. Gives: [`Finding`]s. May name: config.

use super::{Rule, Severity, Subject, functions, names, rights, secrets, texts};
use crate::config::line_of;
use serde::Serialize;

/// Where a finding is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The line of the manifest, counted from 1; `None` when it is about the component.
    pub line: Option<usize>,
    /// What it is about: `needs.http.web`, `functions.get`, `imports`, `data`.
    pub item: String,
}

/// Something that a rule found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one or two sentences. It never holds a secret, nor hidden characters.
    pub message: String,
    /// Where.
    pub place: Place,
}

impl Finding {
    /// About something of the component.
    pub(super) fn of_component(rule: Rule, item: impl Into<String>, message: impl Into<String>) -> Self {
        let place = Place { line: None, item: item.into() };
        Self { rule, severity: rule.severity(), message: message.into(), place }
    }

    /// About something of the manifest; with its line, or the line of what is around it.
    pub(super) fn of_manifest(
        rule: Rule,
        subject: &Subject<'_>,
        path: &[&str],
        message: impl Into<String>,
    ) -> Self {
        let line = subject.text.and_then(|text| line_of(text, path));
        let place = Place { line, item: path.join(".") };
        Self { rule, severity: rule.severity(), message: message.into(), place }
    }
}

/// Reviews a component by every rule. Findings come worst first, then by rule and place; none twice.
#[must_use]
pub fn lint(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    rights::check(subject, &mut findings);
    functions::check(subject, &mut findings);
    texts::check(subject, &mut findings);
    names::check(subject, &mut findings);
    secrets::check(subject, &mut findings);
    findings.sort_by(|a, b| {
        (b.severity, a.rule, &a.place, &a.message).cmp(&(a.severity, b.rule, &b.place, &b.message))
    });
    findings.dedup();
    findings
}
