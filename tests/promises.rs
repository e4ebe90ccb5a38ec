//! One module a promise, named as the promise; one binary, so that the engine is linked once.

mod a_killed_host_loses_nothing;
mod a_tenants_log_stands_alone;
mod an_upgrade_asks_first;
mod answers_cannot_hurt_the_host;
mod bad_input_gets_its_reason;
mod budgets_are_never_overshot;
mod credentials_rotate_without_a_restart;
mod deleting_a_tenant_leaves_nothing;
mod denials_teach_the_smallest_grant;
mod each_import_passes_with_its_right_alone;
mod each_right_is_denied_without_it;
mod effects_are_announced;
mod every_call_is_in_the_book;
mod explanations_are_true;
mod files_stay_inside_their_directory;
mod folders_hold_what_they_hold;
mod guests_cannot_outrun_their_limits;
mod http_api;
mod imports_page_is_the_table;
mod layout_is_kept;
mod memory_is_the_tenants_own;
mod others_verify_the_log;
mod policies_decide_who_calls;
mod quotas_refuse_growth;
mod repeats_never_repeat;
mod requests_go_where_they_were_checked;
mod requests_say_one_thing;
mod settings_change_without_a_restart;
mod strangers_components_run;
mod switches_and_state_outlive_a_restart;
mod taking_any_right_away_denies_its_calls_alone;
mod tenants_never_see_each_other;
#[cfg(target_os = "linux")]
mod the_book_outlives_a_power_cut;
mod the_book_shows_every_change;
mod the_cache_is_the_tenants_own;
