//! With which word the admin API says why something was not done.
//!
//! Takes: an error of the host's. Gives: its reason. May name: reason, room.

use crate::reason::Reason;
use crate::room::OperateError;

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
