//! The reliability promises, each with its number and the test that proves it.
//!
//! | promise | number | test |
//! | --- | --- | --- |
//! | accepted notifications survive a kill | 50 kills, 0 lost; `OTPOST_TEST_KILLS=1000` | `process::crash::fifty_kills_under_load_lose_nothing_and_repeat_only_messages_in_flight` |
//! | the sync comes before the answer | 1,000 answers under strace, 0 early | `process::syscalls::a_thousand_answers_follow_the_sync_that_covers_them` |
//! | no 204 when the store cannot commit | 500 faults and kills, 0 false; `OTPOST_TEST_FAULTS` | `process::io_errors::a_kill_before_the_write_the_sync_or_the_answer_loses_nothing`, `process::io_errors::a_disk_failure_ends_the_process_and_no_204_is_false`, `process::io_errors::an_intermittently_full_disk_costs_503s_and_nothing_else` |
//! | a commit with an unknown result is not answered 204 | 10 failed syncs, its repeat is answered 204 | `process::io_errors::a_commit_with_an_unknown_result_is_not_a_204_and_its_repeat_is` |
//! | one notification for a key | 200 keys by 64 at once | `accept_once::two_hundred_keys_each_sent_by_sixty_four_at_once_are_two_hundred_notifications` |
//! | the same key with another body is rejected | 250 bodies over all endpoints | `properties::reuse::a_key_with_any_other_body_is_always_rejected_and_the_first_notification_is_unchanged` |
//! | duplicates only after an attempt with an unknown outcome | 10,000 codes, 0; `OTPOST_TEST_MESSAGES=100000` | `partners::repeats::of_many_codes_none_is_lost_and_none_is_delivered_twice`, `partners::repeats::a_provider_that_deduplicates_delivers_no_code_twice_although_a_crash_interrupted_the_attempt` |
//! | nothing is sent after its deadline or end | 300 simulations; `OTPOST_TEST_SEEDS=20000` | `simulation::no_promise_is_broken_with_any_seed` |
//! | nothing whose deadline lies behind an outage is lost | outages of 1 min, 10 min, 2 h, 1 to 8 candidates | `simulation::outages::nothing_whose_deadline_lies_behind_a_minute_without_providers_is_lost_with_any_number_of_candidates`, `simulation::outages::a_backlog_that_waits_for_the_end_of_an_outage_costs_few_rows_and_delays_no_code` |
//! | a message that was not delivered is followed by the next candidate | until the deadline | `receipts::effects::a_message_that_was_not_delivered_is_sent_by_the_next_provider_while_time_is_left`, `receipts::races::a_failure_survives_a_crash_and_is_followed_by_the_next_provider` |
//! | a panic costs one delivery a pause | adapters and runs that always panic | `simulation::panics` |
//! | the same seed runs the same simulation | 20 seeds, twice each | `simulation::the_same_seed_runs_the_same_simulation_step_for_step` |
//! | stuck deliveries are taken over | 20 s at most, ended once; a second process on the file is rejected | `process::takeover::deliveries_in_flight_at_a_kill_are_sent_by_the_next_process_within_twenty_seconds_and_end_once`, `process::takeover::a_second_process_on_the_same_database_is_rejected_at_once_and_the_first_is_unaffected` |
//! | a suspended process overwrites nothing | 60 s, 0 late writes | `process::standstill::a_suspended_gateway_overwrites_nothing_loses_nothing_and_sends_nothing_late` |
//! | clients that disconnect leak nothing | 2,000 | `process::hangups::two_thousand_clients_that_hang_up_in_a_request_leave_nothing_behind` |
//! | a full disk is detected in time | 0 lost, back within 10 s | `process::disk_full::a_nearly_full_disk_is_refused_in_time_and_used_again_without_a_restart`, `process::disk_full::a_full_disk_costs_503s_and_loses_or_repeats_nothing` |
//! | a provider that never answers costs one attempt | the next is tried after 8.5 s, sent within 12 s | `partners::black_holes::a_provider_that_never_answers_delays_a_code_by_at_most_eight_and_a_half_seconds` |
//! | a slow provider delays only its own deliveries | others' p99 within a tenth or 25 ms | `partners::slow::a_push_service_that_takes_thirty_seconds_delays_neither_the_204_nor_other_messages` |
//! | no provider is tried before its retry time | 22 forms of Retry-After | `partners::busy::no_provider_is_tried_before_its_retry_after_and_after_a_long_one_the_next_provider_is_tried_at_once` |
//! | partial answers and resets are classified | 11 toxics on each channel, cut anywhere | `partners::toxics::after_a_corrupt_answer_of_an_sms_gateway_the_next_is_tried_and_each_attempt_is_recorded`, `partners::toxics::after_a_corrupt_answer_of_a_push_service_the_next_is_tried_and_each_attempt_is_recorded`, `partners::toxics::after_a_corrupt_answer_of_a_relay_the_next_is_tried_and_each_attempt_is_recorded` |
//! | a clock that is set moves no deadline | an hour and a day each way, alarm within 2 s | `process::clock::a_clock_that_is_set_expires_nothing_early_repeats_nothing_and_raises_an_alarm` |
//! | a stop aborts no request | 50 stops under load, 15 s at most | `process::stops::fifty_stops_under_two_hundred_requests_a_second_cut_nobody_off_and_repeat_nothing` |
//! | overload costs no OTP | 20 s above capacity; `OTPOST_TEST_OVERLOAD_SECONDS=60` | `process::overload::ten_times_its_capacity_costs_no_otp_and_leaks_nothing` |
//! | a reader of the database delays no code | 300 MiB of WAL, 50 codes/s, 0 without 204; `OTPOST_TEST_READER_SECONDS=60` | `process::readers::an_open_reader_costs_no_code_its_204_and_raises_an_alarm_until_it_ends`, `process::readers::a_bulk_import_costs_no_code_its_204` |
//! | no statement reads a table that grows from end to end | every statement of the source | `store::query_plans::no_statement_reads_the_whole_of_a_table_that_grows` |
//! | a backup ends, is whole and delays no code | 32 MiB at 50/s; `OTPOST_TEST_BACKUP_MIB=1024 OTPOST_TEST_BACKUP_RATE=200` | `process::backup::a_backup_under_load_ends_holds_what_was_accepted_and_delays_no_code` |
//! | reports are exact | counting killed anywhere, 60 seeds: equal to a recount | `store::memory::wherever_the_counting_of_reports_is_killed_its_counts_are_those_of_a_recount` |
//! | accepting is fast | p99 of 100 ms at 50/s: measured by `cargo bench`, never in a timed test | – |
//! | unauthenticated connections do not delay clients | 2,000 idle sockets, 6 s | `mtls::floods` |
//! | every state change is audited | the events alone give each state, after every simulated crash | `simulation::no_promise_is_broken_with_any_seed` |

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_a_promise_names_exists() {
    let named = include_str!("promises.rs").lines().take_while(|line| line.starts_with("//!"));
    let named: Vec<&str> = named.flat_map(|line| line.split('`')).filter(|word| word.contains("::")).collect();

    let missing: Vec<_> = named.iter().filter(|name| !exists(name)).collect();

    assert!(named.len() > 25);
    assert_eq!(missing, Vec::<&&str>::new());
}

// A path of modules, possibly with a function at its end.
fn exists(name: &str) -> bool {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let module = |path: &str| {
        let path = tests.join(path.replace("::", "/"));
        fs::read_to_string(path.with_extension("rs")).or_else(|_| fs::read_to_string(path.join("mod.rs"))).ok()
    };
    let in_a_file = name.rsplit_once("::").and_then(|(path, test)| Some((module(path)?, test)));
    module(name).is_some() || in_a_file.is_some_and(|(text, test)| text.contains(&format!("fn {test}(")))
}
