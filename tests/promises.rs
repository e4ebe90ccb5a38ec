//! One module a promise, named as the promise; one binary, so that the engine is linked once.

mod bad_input_gets_its_reason;
mod budgets_are_never_overshot;
mod each_right_is_denied_without_it;
mod every_call_is_in_the_book;
mod guests_cannot_outrun_their_limits;
mod http_api;
mod layout_is_kept;
mod memory_is_the_tenants_own;
mod others_verify_the_log;
mod repeats_never_repeat;
mod requests_go_where_they_were_checked;
mod strangers_components_run;
mod switches_and_state_outlive_a_restart;
mod tenants_never_see_each_other;
mod the_book_shows_every_change;
