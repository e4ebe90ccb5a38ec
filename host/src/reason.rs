//! The reason codes: one stable word for how a call ended, the same over HTTP, MCP, CLI, audit and metrics.
//!
//! Takes: nothing. Gives: [`Reason`] and [`Outcome`]. May name: nothing.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! reasons {
    ($( $(#[doc = $doc:literal])+ $name:ident = $code:literal, http $http:literal, exit $exit:literal; )+) => {
        /// Why a call ended as it did. The words are stable: they are never renamed or reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Reason {
            $( $(#[doc = $doc])+ #[serde(rename = $code)] $name, )+
        }

        impl Reason {
            /// Every reason, in the order of the pipeline.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )+ ];

            /// The stable word, as it stands in answers, the audit log and metrics.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $( Self::$name => $code, )+ }
            }

            /// The status of the HTTP answer.
            #[must_use]
            pub fn http_status(self) -> u16 {
                match self { $( Self::$name => $http, )+ }
            }

            /// The exit code of the command line: 0 ok, 1 failed, 2 usage, 3 not found, 4 identity,
            /// 5 denied, 6 budget or rate, 7 tool trapped or timed out, 8 unavailable.
            #[must_use]
            pub fn exit_code(self) -> u8 {
                match self { $( Self::$name => $exit, )+ }
            }

            /// What the reason means, in one sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $( Self::$name => concat!($($doc),+).trim_ascii(), )+ }
            }
        }
    };
}

reasons! {
    /// The call did what was asked.
    Ok = "ok", http 200, exit 0;
    /// The request carries no credential that names a tenant.
    TenantMissing = "tenant_missing", http 401, exit 4;
    /// The credential is not one of ours, was revoked, or names a tenant that does not exist.
    TenantUnknown = "tenant_unknown", http 401, exit 4;
    /// The access token is not one that this host accepts: its form, issuer, signature, audience or time, or it was revoked.
    TokenInvalid = "token_invalid", http 401, exit 4;
    /// The keys of the token's issuer cannot be had at the moment, so that nobody can tell whether it is genuine.
    IssuerUnavailable = "issuer_unavailable", http 503, exit 8;
    /// The client's certificate is not one that this host accepts: it has ended, or nobody who is trusted vouches for it any more.
    CertificateInvalid = "certificate_invalid", http 401, exit 4;
    /// The request acts for two tenants: its credentials name different ones, or its host name is another one's.
    TenantMismatch = "tenant_mismatch", http 403, exit 4;
    /// The host name of the request is not one of this host's, or not the one that its connection was made for.
    Misdirected = "misdirected", http 421, exit 4;
    /// The operator has suspended the tenant.
    TenantSuspended = "tenant_suspended", http 403, exit 4;
    /// A kill switch for the host, the tenant, the actor, the tool or its component is on, or was thrown while the call ran.
    Killed = "killed", http 503, exit 8;
    /// An operator has frozen writes for the host, the tenant, the actor, the tool or its component; reads go on.
    WritesFrozen = "writes_frozen", http 503, exit 8;
    /// The tenant calls faster than its rate limit allows; `retry_after_ms` says when to try again.
    RateLimited = "rate_limited", http 429, exit 6;
    /// No place for another call: the host's, the tenant's or the tool's calls at once, or the queue for them, are full.
    Overloaded = "overloaded", http 503, exit 8;
    /// The worst case of this call does not fit into what is left of a budget of the tenant.
    BudgetExceeded = "tenant_budget_exceeded", http 429, exit 6;
    /// A function that writes needs an idempotency key, so that a repeat cannot write twice.
    IdempotencyKeyRequired = "idempotency_key_required", http 400, exit 2;
    /// The idempotency key was used before with other arguments.
    IdempotencyMismatch = "idempotency_mismatch", http 422, exit 2;
    /// A call with this idempotency key is still running.
    InProgress = "in_progress", http 409, exit 8;
    /// A call with this idempotency key broke off after it may have taken effect; an operator must settle it.
    OutcomeUnknown = "outcome_unknown", http 409, exit 8;
    /// The tenant's rules do not let this caller call this function.
    PolicyDenied = "policy_denied", http 403, exit 5;
    /// No tool function of this name is installed.
    ToolUnknown = "tool_unknown", http 404, exit 3;
    /// The arguments do not fit the function's schema; the message names the place.
    ArgumentsInvalid = "arguments_invalid", http 400, exit 2;
    /// The tenant's storage could not be opened or written; nothing of the call was kept.
    StorageUnavailable = "storage_unavailable", http 503, exit 8;
    /// The call used up its fuel, in the guest or in the imports it called.
    FuelExhausted = "fuel_exhausted", http 422, exit 7;
    /// The guest asked for more memory than its limit.
    MemoryExceeded = "memory_exceeded", http 422, exit 7;
    /// The call ran longer than its deadline.
    DeadlineExceeded = "deadline_exceeded", http 504, exit 7;
    /// The call failed after an import was refused for which it has no right.
    CapabilityDenied = "capability_denied", http 403, exit 5;
    /// The call failed after it reached a quota of what its tenant may keep.
    QuotaExceeded = "quota_exceeded", http 507, exit 6;
    /// The guest trapped: it broke one of WebAssembly's rules, or aborted.
    Trapped = "trapped", http 502, exit 7;
    /// The call needs answers of its caller before it can go on; nothing of it was kept, and it runs again with them.
    InputRequired = "input_required", http 409, exit 1;
    /// The call failed because its caller cannot be asked for what the tool needs to know.
    CallerUnable = "caller_unable", http 422, exit 1;
    /// The state that came with the answers is not one that this host gave for this call, or its time is over; begin anew.
    RequestStateInvalid = "request_state_invalid", http 400, exit 2;
    /// The function ran and answered with its own error.
    ToolError = "tool_error", http 422, exit 1;
    /// The caller went away, or the host is shutting down.
    Cancelled = "cancelled", http 499, exit 1;
    /// The audit log cannot be written, so nothing may run and no effect may happen.
    AuditUnavailable = "audit_unavailable", http 503, exit 8;
    /// The file is not a WebAssembly component that this host accepts.
    ComponentInvalid = "component_invalid", http 422, exit 2;
    /// The component imports something that no tool may import; the message names it.
    ImportUnsupported = "import_unsupported", http 422, exit 2;
    /// The component's manifest (`tool.toml`) is not valid; the message shows the line.
    ManifestInvalid = "manifest_invalid", http 422, exit 2;
    /// The version asks for more than was accepted of the tool; it is held until an operator accepts it.
    UpgradeHeld = "upgrade_held", http 409, exit 5;
    /// A file of the operator (host, tenant, credentials) is not valid; the message shows the line.
    ConfigInvalid = "config_invalid", http 500, exit 2;
}

impl Reason {
    /// Whether the tool came to an answer, be it good or bad.
    pub(crate) fn is_result(self) -> bool {
        matches!(self, Self::Ok | Self::ToolError)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What became of a call, as the audit log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Refused before anything ran.
    Denied,
    /// Ran to its end and its answer was given.
    Executed,
    /// An earlier answer was given again; nothing ran.
    Replayed,
    /// The answer that an equal call that reads was given a moment ago; nothing ran. It counts as a call.
    Cached,
    /// Ran and broke off, or answered with an error.
    Failed,
    /// Broke off after it may have taken effect.
    Unknown,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 6] =
        [Self::Denied, Self::Executed, Self::Replayed, Self::Cached, Self::Failed, Self::Unknown];

    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Executed => "executed",
            Self::Replayed => "replayed",
            Self::Cached => "cached",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_distinct_and_serialize_as_their_word() {
        let codes: HashSet<_> = Reason::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
            assert!((0..=8).contains(&reason.exit_code()));
            assert!((200..=599).contains(&reason.http_status()));
        }
    }
}
