//! With which word the admin API says why something was not done, and what more it tells.
//!
//! Takes: an error of the host's. Gives: its reason, a text. May name: reason, room, settle.

use crate::reason::Reason;
use crate::room::OperateError;
use crate::settle::WITHHELD;

/// The reason for an admin. Where the command line says `tenant_unknown` of things that are not there, an admin is told
/// that they are not found: his own credential is fine.
pub(super) fn reason_of(error: &OperateError) -> Reason {
    match error {
        OperateError::Tenant(_)
        | OperateError::NothingOf(_)
        | OperateError::Key(_)
        | OperateError::NotUnknown(_)
        | OperateError::NotThere(_) => Reason::NotFound,
        OperateError::Role(..) | OperateError::Budget(_) => Reason::ArgumentsInvalid,
        other => other.reason(),
    }
}

/// The text for an admin. Why the log cannot be written is of the host's own files: it is in the host's log, for those at the home folder.
pub(super) fn text_of(error: &OperateError) -> String {
    match error {
        OperateError::Audit(_) => WITHHELD.to_owned(),
        other => other.to_string(),
    }
}
