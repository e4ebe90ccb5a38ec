//! Which entries of the audit log a command is about.
//!
//! Takes: options. Gives: the library's filter. May name: audit, id, powers, reason.

use super::moment::{self, When};
use strongroom::audit::Filter;
use strongroom::id::{CallId, TenantId};
use strongroom::powers::{Clock as _, SystemClock};
use strongroom::reason::{Outcome, Reason};

/// The options that choose entries.
#[derive(Debug, clap::Args)]
pub(crate) struct Selection {
    /// Only entries of this tenant
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantId>,
    /// Only entries about this tool or function
    #[arg(long, value_name = "TOOL[.FUNCTION]")]
    tool: Option<String>,
    /// Only entries with this reason code
    #[arg(long, value_name = "CODE", value_parser = reason)]
    reason: Option<Reason>,
    /// Only entries with this outcome: denied, executed, replayed, cached, failed, unknown
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    outcome: Option<Outcome>,
    /// Only entries of this call
    #[arg(long, value_name = "ID", value_parser = call)]
    call: Option<CallId>,
    /// Only entries of this time or later: so long ago, as `1h` or `7d`, or a time in UTC, as `2026-01-31T08:15:00Z`
    #[arg(long, value_name = "TIME", value_parser = moment::when)]
    since: Option<When>,
    /// Only entries before this time, written as for `--since`
    #[arg(long, value_name = "TIME", value_parser = moment::when)]
    before: Option<When>,
}

impl Selection {
    /// The tenant whose entries are chosen, if any.
    pub(crate) fn tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// The filter; spans count from now.
    pub(crate) fn filter(self) -> Filter {
        let now = SystemClock.unix_us();
        Filter {
            tenant: self.tenant,
            about: self.tool,
            reason: self.reason,
            outcome: self.outcome,
            call_id: self.call,
            since_us: self.since.map(|when| when.unix_us(now)),
            before_us: self.before.map(|when| when.unix_us(now)),
            from_seq: None,
        }
    }
}

fn reason(text: &str) -> Result<Reason, String> {
    let found = Reason::ALL.iter().copied().find(|reason| reason.code() == text);
    found.ok_or_else(|| {
        let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        format!("no such reason code; there are: {}", known.join(", "))
    })
}

fn outcome(text: &str) -> Result<Outcome, String> {
    let found = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == text);
    found.ok_or_else(|| {
        "no such outcome; there are: denied, executed, replayed, cached, failed, unknown".to_owned()
    })
}

/// A call's id.
pub(crate) fn call(text: &str) -> Result<CallId, String> {
    CallId::parse(text).ok_or_else(|| "a call's id is `call_` and 32 hexadecimal digits".to_owned())
}
