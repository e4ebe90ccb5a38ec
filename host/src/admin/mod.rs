//! Those who administrate the host: who they are, and what their role lets them do.
//!
//! Takes: a credential and what is asked. Gives: proofs, and through them what they allow. May name: audit, config,
//! execute, id, identify, isolate, powers, reason, room, settle, storage, tools.
//!
//! ```text
//! credential ─enter─▶ Admin ─may─▶ Leave<Read | Change | Operate, OfHost | OfTenant> ─begin─▶ Doing ─▶ receipt
//! ```
//!
//! Only [`Admin::may`] makes a [`Leave`], only [`Leave::begin`] makes a [`Doing`], and that after the book has durably that a
//! change is about to be made. The host itself is private to this module: whoever has no proof cannot name it. The tenant
//! stands in the proof, so what is done with it is done to no other.

mod changes;
mod door;
mod leave;
mod reads;
mod refused;

pub(crate) use changes::{KeyOrder, Ordered, Rotation};
pub(crate) use door::Door;
pub(crate) use leave::{Change, Leave, Level, OfHost, OfSelf, OfTenant, Operate, Over, Read};
pub(crate) use reads::is_of_tokens;
