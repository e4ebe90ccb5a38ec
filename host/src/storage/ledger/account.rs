//! One tenant's budgets in memory: what this process has spent and holds back, within its leases.
//!
//! Takes: budgets, the time, and leases from the file. Gives: whether a call fits. Pure: no clock, no file, no lock.
//! May name: nothing.

use super::alert::{self, Crossing};
use super::books::Books;
use super::budget::{Amounts, Budget, Count, Exceeded, Per};
use std::time::{Duration, Instant};

/// How long a refusal by the file is believed before the file is asked again, so that a flood of calls over
/// budget costs no disk.
const BELIEVED: Duration = Duration::from_millis(250);
/// How long a run may rest before it is forgotten.
pub(super) const RUN_RESTS: Duration = Duration::from_hours(24);
/// With more counts than this, those that are over are looked for before another is begun.
const MANY: usize = 64;

/// The time, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) unix_ms: u64,
    pub(super) monotonic: Instant,
}

/// One count.
#[derive(Debug)]
struct Book {
    start: u64,
    /// What this process may spend in the window without asking the file.
    leased: u64,
    spent: u64,
    reserved: u64,
    /// The limit at which calls are refused, for which the lease was given.
    refuses_at: u64,
    /// What this process could spend at most when the file was last asked: the limit without what others have.
    allowed: u64,
    /// Until when the file's last refusal holds.
    dry: Option<Instant>,
    /// The last time it was used.
    touched: Instant,
    /// The smallest limit that alerts are about, hard or not, and the highest part of it that was told.
    told: alert::Told,
}

impl Book {
    fn new(start: u64, refuses_at: u64, now: Instant) -> Self {
        let (leased, spent, reserved, allowed, dry) = (0, 0, 0, 0, None);
        Self {
            start,
            leased,
            spent,
            reserved,
            refuses_at,
            allowed,
            dry,
            touched: now,
            told: alert::Told::default(),
        }
    }

    fn begin(&mut self, start: u64) {
        *self = Self::new(start, self.refuses_at, self.touched);
    }

    fn used(&self) -> u64 {
        self.spent.saturating_add(self.reserved)
    }

    /// Whether nothing can come of it any more.
    fn is_over(&self, per: Per, now: Now) -> bool {
        let past = match per {
            Per::Run => now.monotonic.saturating_duration_since(self.touched) > RUN_RESTS,
            per => per.window_end(self.start).is_some_and(|end| end <= now.unix_ms),
        };
        past && self.reserved == 0
    }
}

/// What a reservation holds back of one count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) count: Count,
    pub(super) start: u64,
    pub(super) amount: u64,
}

/// A lease that is too small: what the file is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) count: Count,
    pub(super) start: u64,
    /// At which limit calls are refused.
    pub(super) limit: u64,
    /// The smallest limit that alerts are about, by which a lease is measured: what others hold counts there as used.
    pub(super) told: u64,
    /// What this process has spent and reserved in the window that starts at `start`.
    pub(super) used: u64,
    pub(super) want: u64,
}

/// The file's answer to an [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) count: Count,
    pub(super) limit: u64,
    /// The window of the file, which is later than the one asked for when the clock went back.
    pub(super) start: u64,
    /// What this process may spend in that window from now on.
    pub(super) leased: u64,
    /// The most that it could get: the limit without what others have.
    pub(super) allowed: u64,
    /// What others have spent or may spend.
    pub(super) others: u64,
}

/// Whether a call fits.
#[derive(Debug)]
pub(super) enum Tried {
    /// It fits, and is held back.
    Held(Vec<Part>),
    /// The leases are too small; nothing is held back.
    Short(Vec<Ask>),
    /// A budget has no room.
    Exceeded(Exceeded),
}

/// What of one count must be in the file when this process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Closing {
    pub(super) count: Count,
    pub(super) start: u64,
    pub(super) spent: u64,
}

/// What this process knows of one count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) start: u64,
    pub(super) spent: u64,
    pub(super) reserved: u64,
    /// What others had spent or could spend when the file was last asked.
    pub(super) others: u64,
}

/// One tenant's counts.
#[derive(Debug, Default)]
pub(super) struct Account {
    books: Books<Book>,
}

impl Account {
    /// Holds back what a call may need at most, from every budget or from none.
    pub(super) fn try_reserve(&mut self, now: Now, budgets: &[Budget], want: Amounts) -> Tried {
        let mut parts = Vec::with_capacity(budgets.len());
        let mut asks = Vec::new();
        for (i, budget) in budgets.iter().enumerate() {
            let count = &budget.count;
            let same = |b: &&Budget| b.count == *count;
            if budgets.iter().take(i).any(|b| same(&b)) {
                continue; // two limits on one count: the smaller one was checked with the first
            }
            let limit = budgets.iter().filter(same).map(Budget::refuses_at).min().unwrap_or(u64::MAX);
            let told = budgets.iter().filter(same).map(Budget::allows).min().unwrap_or(u64::MAX);
            let amount = want.of(count.of);
            let start = count.per.window_start(now.unix_ms);
            let book = self.book(count, start, limit, now);
            // The file begins a new window, and this process with it: until then only here is known what was spent in the old one,
            // where others still are if their clocks are behind.
            if book.start < start {
                asks.push(Ask { count: count.clone(), start, limit, told, used: 0, want: amount });
                continue;
            }
            book.told.about(told);
            let need = book.used().saturating_add(amount);
            if need <= book.leased && limit >= book.refuses_at {
                parts.push(Part { count: count.clone(), start: book.start, amount });
                continue;
            }
            match book.dry {
                Some(until) if now.monotonic < until && limit == book.refuses_at && need > book.allowed => {
                    let left = book.allowed.saturating_sub(book.used());
                    let ends = count.per.window_end(book.start);
                    let retry_after_ms = ends.map(|end| end.saturating_sub(now.unix_ms).max(1));
                    let budget =
                        budgets.iter().find(|b| same(b) && b.refuses_at() == limit).unwrap_or(budget);
                    return Tried::Exceeded(Exceeded { budget: budget.clone(), left, retry_after_ms });
                }
                _ => asks.push(Ask {
                    count: count.clone(),
                    start: book.start,
                    limit,
                    told,
                    used: book.used(),
                    want: amount,
                }),
            }
        }
        if !asks.is_empty() {
            return Tried::Short(asks);
        }
        for part in &parts {
            if let Some(book) = self.held(part) {
                book.reserved = book.reserved.saturating_add(part.amount);
            }
        }
        Tried::Held(parts)
    }

    /// The book of a count, in the window of the time, in the one before it until the file says otherwise, or in a later one that
    /// was already begun: a clock that goes back does not open an old window again.
    fn book(&mut self, count: &Count, start: u64, refuses_at: u64, now: Now) -> &mut Book {
        if self.books.len() >= MANY && self.books.get(count).is_none() {
            self.books.retain(|count, book| !book.is_over(count.per, now));
        }
        let new = || Book::new(start, refuses_at, now.monotonic);
        let book = self.books.get_or_begin(count, new);
        if count.per == Per::Run && book.is_over(count.per, now) {
            book.begin(start);
        }
        book.touched = now.monotonic;
        book
    }

    /// The book that a part is held back from, while its window lasts.
    fn held(&mut self, part: &Part) -> Option<&mut Book> {
        self.books.get_mut(&part.count).filter(|book| book.start == part.start)
    }

    /// Ends a hold: charges what was used, never more than was held back, and lets the rest go. Gives the parts of
    /// limits that were crossed by it and that nobody was told of.
    pub(super) fn settle(&mut self, parts: &[Part], actual: Amounts) -> Vec<Crossing> {
        let mut crossed = Vec::new();
        for part in parts {
            if let Some(book) = self.held(part) {
                book.reserved = book.reserved.saturating_sub(part.amount);
                book.spent = book.spent.saturating_add(actual.of(part.count.of).min(part.amount));
                let (start, spent) = (book.start, book.spent);
                crossed.extend(book.told.crosses(&part.count, start, spent));
            }
        }
        crossed
    }

    /// Takes the file's answers in.
    pub(super) fn apply(&mut self, grants: &[Grant], now: Instant) {
        for grant in grants {
            let Some(book) = self.books.get_mut(&grant.count) else { continue };
            if grant.start < book.start {
                continue; // the window has passed meanwhile
            }
            if grant.start > book.start {
                book.begin(grant.start);
            }
            book.leased = grant.leased;
            book.refuses_at = grant.limit;
            book.allowed = grant.allowed;
            book.told.others(grant.others);
            book.dry = now.checked_add(BELIEVED);
        }
    }

    /// What this process has used of a count.
    pub(super) fn used(&self, count: &Count) -> Option<Used> {
        self.books.get(count).map(|b| {
            let (start, spent, reserved) = (b.start, b.spent, b.reserved);
            Used { start, spent, reserved, others: b.told.of_others() }
        })
    }

    /// What the file must keep when the leases are given back. Whatever is still held back counts as spent.
    pub(super) fn close(&self) -> Vec<Closing> {
        let closing =
            |(count, b): (&Count, &Book)| Closing { count: count.clone(), start: b.start, spent: b.used() };
        self.books.iter().map(closing).collect()
    }
}
