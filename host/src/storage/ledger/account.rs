//! One tenant's budgets in memory: what this process has spent and holds back, within its leases.
//!
//! Takes: budgets, the time, and leases from the file. Gives: whether a call fits. Pure: no clock, no file, no lock.
//! May name: nothing.

use super::budget::{Amounts, Budget, Exceeded, Of, Per};
use std::time::{Duration, Instant};

/// How long a refusal by the file is believed before the file is asked again, so that a flood of calls over
/// budget costs no disk.
const BELIEVED: Duration = Duration::from_millis(250);

/// The time, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) unix_ms: u64,
    pub(super) monotonic: Instant,
}

/// The counts of one kind and window.
#[derive(Debug)]
struct Book {
    of: Of,
    per: Per,
    start: u64,
    /// What this process may spend in the window without asking the file.
    leased: u64,
    spent: u64,
    reserved: u64,
    /// The limit for which the lease was given.
    limit: u64,
    /// Until when, and up to which total for this process, the file's last refusal holds.
    dry: Option<(Instant, u64)>,
}

impl Book {
    fn begin(&mut self, start: u64) {
        *self = Self { start, leased: 0, spent: 0, reserved: 0, dry: None, ..*self };
    }

    fn used(&self) -> u64 {
        self.spent.saturating_add(self.reserved)
    }
}

/// What a reservation holds back of one book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    of: Of,
    per: Per,
    pub(super) start: u64,
    amount: u64,
}

/// A lease that is too small: what the file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) of: Of,
    pub(super) per: Per,
    pub(super) start: u64,
    pub(super) limit: u64,
    /// What this process has spent and reserved in the window that starts at `start`.
    pub(super) used: u64,
    pub(super) want: u64,
}

/// The file's answer to an [`Ask`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) of: Of,
    pub(super) per: Per,
    pub(super) limit: u64,
    /// The window of the file, which is later than the one asked for when the clock went back.
    pub(super) start: u64,
    /// What this process may spend in that window from now on.
    pub(super) leased: u64,
    /// The most that it could get: the limit without what others have.
    pub(super) allowed: u64,
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

/// What of one book must be in the file when this process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closing {
    pub(super) of: Of,
    pub(super) per: Per,
    pub(super) start: u64,
    pub(super) spent: u64,
}

/// One tenant's books.
#[derive(Debug, Default)]
pub(super) struct Account {
    books: Vec<Book>,
}

impl Account {
    /// Holds back what a call may need at most, from every budget or from none.
    pub(super) fn try_reserve(&mut self, now: Now, budgets: &[Budget], want: Amounts) -> Tried {
        let mut parts = Vec::with_capacity(budgets.len());
        let mut asks = Vec::new();
        for (i, budget) in budgets.iter().enumerate() {
            let same = |b: &&Budget| b.of == budget.of && b.per == budget.per;
            if budgets.iter().take(i).any(|b| same(&b)) {
                continue; // two limits on one count: the smaller one was checked with the first
            }
            let limit = budgets.iter().filter(same).map(|b| b.limit).min().unwrap_or(budget.limit);
            let budget = Budget { limit, ..*budget };
            let amount = want.of(budget.of);
            let book = self.book(budget, now.unix_ms);
            let need = book.used().saturating_add(amount);
            if need <= book.leased && limit >= book.limit {
                parts.push(Part { of: budget.of, per: budget.per, start: book.start, amount });
                continue;
            }
            match book.dry {
                Some((until, allowed)) if now.monotonic < until && limit == book.limit && need > allowed => {
                    let left = allowed.saturating_sub(book.used());
                    let ends = budget.per.window_end(book.start);
                    let retry_after_ms = ends.map(|end| end.saturating_sub(now.unix_ms).max(1));
                    return Tried::Exceeded(Exceeded { budget, left, retry_after_ms });
                }
                _ => asks.push(Ask {
                    of: budget.of,
                    per: budget.per,
                    start: book.start,
                    limit,
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

    /// The book of a budget, in the window of the time, or in a later one that was already begun: a clock that
    /// goes back does not open an old window again.
    fn book(&mut self, budget: Budget, unix_ms: u64) -> &mut Book {
        let Budget { of, per, limit } = budget;
        let start = per.window_start(unix_ms);
        let at = self.books.iter().position(|b| b.of == of && b.per == per).unwrap_or_else(|| {
            self.books.push(Book { of, per, start, leased: 0, spent: 0, reserved: 0, limit, dry: None });
            self.books.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the position was found or pushed in the line above")]
        let book = &mut self.books[at];
        if book.start < start {
            book.begin(start);
        }
        book
    }

    /// The book that a part is held back from, while its window lasts.
    fn held(&mut self, part: &Part) -> Option<&mut Book> {
        self.books.iter_mut().find(|b| b.of == part.of && b.per == part.per && b.start == part.start)
    }

    /// Ends a hold: charges what was used, never more than was held back, and lets the rest go.
    pub(super) fn settle(&mut self, parts: &[Part], actual: Amounts) {
        for part in parts {
            if let Some(book) = self.held(part) {
                book.reserved = book.reserved.saturating_sub(part.amount);
                book.spent = book.spent.saturating_add(actual.of(part.of).min(part.amount));
            }
        }
    }

    /// Takes the file's answers in.
    pub(super) fn apply(&mut self, grants: &[Grant], now: Instant) {
        for grant in grants {
            let Some(book) = self.books.iter_mut().find(|b| b.of == grant.of && b.per == grant.per) else {
                continue;
            };
            if grant.start < book.start {
                continue; // the window has passed meanwhile
            }
            if grant.start > book.start {
                book.begin(grant.start);
            }
            book.leased = grant.leased;
            book.limit = grant.limit;
            book.dry = now.checked_add(BELIEVED).map(|until| (until, grant.allowed));
        }
    }

    /// What this process has used of a book: its window's start, spent and reserved.
    pub(super) fn used(&self, of: Of, per: Per) -> Option<(u64, u64, u64)> {
        self.books.iter().find(|b| b.of == of && b.per == per).map(|b| (b.start, b.spent, b.reserved))
    }

    /// What the file must keep when the leases are given back. Whatever is still held back counts as spent.
    pub(super) fn close(&self) -> Vec<Closing> {
        let closing = |b: &Book| Closing { of: b.of, per: b.per, start: b.start, spent: b.used() };
        self.books.iter().filter(|b| b.used() > 0).map(closing).collect()
    }
}
