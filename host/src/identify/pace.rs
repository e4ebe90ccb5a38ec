//! How fast a tenant may do something.
//!
//! Takes: a rate. Gives: [`Pace`]. May name: config.

use crate::config::Rate;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::Arc;

/// So many in the long run, and some at once. Clones count together.
#[derive(Clone)]
pub(crate) struct Pace(Arc<DefaultDirectRateLimiter>);

impl Pace {
    pub(super) fn of(rate: &Rate) -> Self {
        let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(rate.per_second));
        Self(Arc::new(RateLimiter::direct(quota.allow_burst(at_least_one(rate.burst)))))
    }

    /// Takes one, or says in how many milliseconds there is one.
    pub(crate) fn take(&self) -> Result<(), u64> {
        self.0.check().map_err(|early| {
            let wait = early.wait_time_from(DefaultClock::default().now());
            u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
        })
    }
}
