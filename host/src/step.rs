//! The steps of a call, of the book and of a ledger that is replaced at which something has just become durable, or is about to: where a crash is most
//! interesting.
//!
//! Takes: nothing. Gives: [`Step`], told as a trace event of target `strongroom::step`. May name: nothing.
//!
//! Nothing happens at a step. Whoever looks for trouble listens to them (`strongroom::step=trace` in the log filter); the
//! crash tests kill the process at each.

/// The target of the events.
pub const TARGET: &str = "strongroom::step";

macro_rules! steps {
    ($($(#[doc = $what:literal])+ $group:ident { $($(#[doc = $doc:literal])+ $step:ident = $name:literal,)+ })+) => {
        /// A step.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Step {
            $($($(#[doc = $doc])+ $step,)+)+
        }

        impl Step {
            $($(#[doc = $what])+ pub const $group: &[Self] = &[$(Self::$step,)+];)+

            /// Its name, in the event's field `step`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $($(Self::$step => $name,)+)+
                }
            }
        }
    };
}

steps! {
    /// Those of a host that starts, is called, and ends.
    LIFE {
        /// The public half of the book's first key is written, the secret one is not.
        KeyMade = "key.made",
        /// The book has the entry that names a new key.
        KeyAnnounced = "key.announced",
        /// The new key's secret is written beside the old one.
        KeyNext = "key.next",
        /// The new key is among the public ones, and the old secret is still in its place.
        KeyListed = "key.listed",
        /// The new key's secret is in the place of the old one.
        KeyTaken = "key.taken",
        /// What a crash left unfinished in the journal was copied, and is not cut off.
        TornKept = "torn.kept",
        /// It was cut off.
        TornCut = "torn.cut",
        /// A call that a crash broke off has its entry of phase `recovery`.
        Recovered = "start.recovered",
        /// A batch is about to be appended to the journal.
        BatchBegun = "batch.begun",
        /// A batch was appended.
        BatchAppended = "batch.appended",
        /// A batch is durable.
        BatchSynced = "batch.synced",
        /// The journal's next file is there, and the current one has no end.
        JournalNext = "journal.next",
        /// The current file has its end.
        JournalMoved = "journal.moved",
        /// The journal was read and checked, and nothing of it is published.
        PublishBegun = "publish.begun",
        /// Tiles and bundles are durable.
        PublishTiles = "publish.tiles",
        /// The list of open intents is written.
        PublishOpen = "publish.open",
        /// The signed head is durable.
        PublishHead = "publish.head",
        /// The home folder remembers the head.
        PublishSeen = "publish.seen",
        /// What the new tiles and the head replace is gone.
        PublishCleared = "publish.cleared",
        /// A budget's lease has grown.
        LeaseExtended = "lease.extended",
        /// A write's claim is durable.
        ClaimStarted = "claim.started",
        /// A long answer's file is durable, and no row names it.
        AnswerFiled = "answer.filed",
        /// A write's answer is durable.
        ClaimCompleted = "claim.completed",
        /// A call was admitted.
        CallAdmitted = "call.admitted",
        /// A call's claim is durable, its store is made, and nothing of it has run.
        CallIsolated = "call.isolated",
        /// The tool begins to run.
        CallRunning = "call.running",
        /// An effect's entry is durable, and the effect has not happened.
        EffectAnnounced = "effect.announced",
        /// A request is about to leave.
        EffectLeaves = "effect.leaves",
        /// What the call wrote to the tenant's store is durable.
        StoreCommitted = "store.committed",
        /// The call is charged, and its answer is kept.
        CallSettled = "call.settled",
        /// The call's last entry is durable, and nobody has heard of it.
        CallClosed = "call.closed",
    }
    /// Those of a ledger that another one replaces: `strongroom ledger restore` and `strongroom ledger rebuild`.
    REPLACE {
        /// The copy that is to be restored is beside the ledger, and as old as it was.
        LedgerBrought = "ledger.brought",
        /// The new ledger is whole and durable, beside the one that is there.
        LedgerMade = "ledger.made",
        /// The book says that the ledger is replaced, and nothing of it was touched.
        LedgerAnnounced = "ledger.announced",
        /// The ledger that is there, which is whole, has a second name.
        LedgerLinked = "ledger.linked",
        /// A marker keeps hosts from starting, because the ledger that is there is not whole.
        LedgerMarked = "ledger.marked",
        /// One of its files has another name, if it was there.
        LedgerMoved = "ledger.moved",
        /// The new ledger is about to take its place.
        LedgerTakes = "ledger.takes",
        /// It has taken it.
        LedgerTaken = "ledger.taken",
        /// The marker is gone.
        LedgerUnmarked = "ledger.unmarked",
    }
}

/// Tells that a step was reached.
#[inline]
pub(crate) fn reached(step: Step) {
    tracing::trace!(target: TARGET, step = step.name());
}
