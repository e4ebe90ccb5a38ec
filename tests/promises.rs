//! One module a promise, named as the promise; one binary, so that the engine is linked once.

mod budgets_are_never_overshot;
mod every_call_is_in_the_book;
mod guests_cannot_outrun_their_limits;
