//! One module a promise, named as the promise; one binary, so that the engine is linked once.

mod an_upgrade_asks_first;
mod bad_input_gets_its_reason;
mod budgets_are_never_overshot;
mod denials_teach_the_smallest_grant;
mod each_right_is_denied_without_it;
mod every_call_is_in_the_book;
mod explanations_are_true;
mod guests_cannot_outrun_their_limits;
mod http_api;
mod layout_is_kept;
mod memory_is_the_tenants_own;
mod policies_decide_who_calls;
mod repeats_never_repeat;
mod requests_go_where_they_were_checked;
mod settings_change_without_a_restart;
mod strangers_components_run;
mod switches_and_state_outlive_a_restart;
mod tenants_never_see_each_other;
mod the_book_shows_every_change;
mod the_cache_is_the_tenants_own;
