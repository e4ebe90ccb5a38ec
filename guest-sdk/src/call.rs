//! The call that runs: for whom, under which identifier, with what left.
//!
//! Takes: the host's `strongroom:host/call`. Gives: functions without arguments, and [`progress`]. May name: host.
//!
//! The host established all of it before the tool started; nothing the caller wrote can change it. No grant is needed.
//!
//! ```
//! use strongroom_sdk::{call, fake};
//!
//! let _host = fake::Host::new().tenant("acme").idempotency_key("order-918-shipped");
//! assert_eq!(call::tenant(), "acme");
//! assert_eq!(call::idempotency_key().as_deref(), Some("order-918-shipped"));
//! ```

use crate::host;
use std::time::Duration;

/// A budget that this call counts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// What it counts: `calls`, `fuel` in units, `egress` and `stored` in bytes, `spend` in micro-units of the operator's currency. A later
    /// host may have more of them.
    pub of: String,
    /// Its window: `run`, `minute`, `hour`, `day`, `month` or `total`. A later host may have more of them.
    pub per: String,
    /// Whether it counts the calls of this call's actor alone.
    pub actor: bool,
    /// Whether it counts the calls of this tool alone.
    pub tool: bool,
    /// The most that may be used in a window.
    pub limit: u64,
    /// What is left of it, with what this call holds back for itself.
    pub left: u64,
    /// Whether calls are refused at the limit; otherwise the operator is warned.
    pub hard: bool,
    /// Time until the next window begins; `None` when no window follows.
    pub ends_in: Option<Duration>,
}

/// The tenant's name: a label for messages and file names, 1 to 63 bytes of `[a-z0-9_-]`. It opens nothing.
#[must_use]
pub fn tenant() -> String {
    host::tenant()
}

/// Who calls on the tenant's behalf: 1 to 255 bytes of visible ASCII.
#[must_use]
pub fn actor() -> String {
    host::actor()
}

/// This call's identifier, as in the audit log: 26 characters that sort by time.
#[must_use]
pub fn id() -> String {
    host::id()
}

/// The key under which the caller may send this call again without a second effect, if it has one: hand it on to
/// services that keep idempotency keys of their own.
#[must_use]
pub fn idempotency_key() -> Option<String> {
    host::idempotency_key()
}

/// Fuel that is left, in units. Instructions, host work and bytes are all paid from it; without any the call ends with
/// the reason code `fuel_exhausted`.
#[must_use]
pub fn fuel_left() -> u64 {
    host::fuel_left()
}

/// Time until the host stops the call with the reason code `deadline_exceeded`, in whole milliseconds.
#[must_use]
pub fn time_left() -> Duration {
    Duration::from_millis(host::deadline())
}

/// The budgets that this call counts for, in the order of the tenant's file; empty where there are none.
///
/// ```
/// use strongroom_sdk::{call, fake};
///
/// let left = call::Budget {
///     of: "egress".into(), per: "day".into(), actor: false, tool: false, limit: 1000, left: 10, hard: true, ends_in: None,
/// };
/// let _host = fake::Host::new().budget(left);
/// assert!(call::budgets().iter().any(|budget| budget.of == "egress" && budget.left < 100));
/// ```
#[must_use]
pub fn budgets() -> Vec<Budget> {
    host::budgets()
}

/// Tells the caller how far the work has come. Advice only; it cannot fail.
///
/// `done` must not go down and is in the unit of `total`. `message` is for people: what is over 1,024 bytes is cut off.
///
/// ```
/// use strongroom_sdk::{call, fake};
///
/// let host = fake::Host::new();
/// call::progress(3, Some(10), "three of ten pages read");
/// assert_eq!(host.progress()[0].done, 3);
/// ```
pub fn progress(done: u64, total: Option<u64>, message: &str) {
    host::progress(done, total, message);
}
