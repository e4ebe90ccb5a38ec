//! Which page of a list is asked for, in both APIs alike.
//!
//! Takes: a query. Gives: [`Paging`]. May name: room.

use crate::room::MOST_ENTRIES;
use serde::Deserialize;

/// Entries of a page, where the request does not say.
const SOME: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// `next` of an earlier page.
    pub(super) from: Option<String>,
    limit: Option<usize>,
}

impl Paging {
    /// How many entries the page has at most.
    pub(super) fn most(&self) -> usize {
        self.limit.unwrap_or(SOME).clamp(1, MOST_ENTRIES)
    }
}
