//! What is promised about reliability, each with its number and the test that holds it.
//!
//! | promise | number | test |
//! | --- | --- | --- |
//! | what was accepted survives a kill | 50 kills, 0 lost; `OTPOST_TEST_KILLS=1000` | `process::crash::fifty_kills_under_load_lose_nothing_and_repeat_only_what_was_in_flight` |
//! | the sync comes before the answer | 1,000 answers under strace, 0 early | `process::syscalls::a_thousand_answers_all_come_after_the_sync_that_covers_them` |
//! | no 204 when the store cannot commit | 500 faults and kills, 0 false; `OTPOST_TEST_FAULTS` | `process::io_errors::killed_before_the_write_before_the_sync_or_before_the_answer_it_loses_nothing`, `process::io_errors::a_disk_that_fails_once_ends_the_process_and_no_204_was_false`, `process::io_errors::a_disk_that_is_full_now_and_then_costs_503s_and_nothing_else` |
//! | a commit of which nobody knows is no 204 | 10 failed syncs, its repeat is answered 204 | `process::io_errors::a_commit_of_which_nobody_knows_is_no_204_and_its_repeat_is_one` |
//! | one notification for a key | 200 keys by 64 at once | `accept_once::two_hundred_keys_each_sent_by_sixty_four_at_once_are_two_hundred_notifications` |
//! | the same key with another body is refused | 250 bodies over all endpoints | `properties::reuse::a_key_with_any_other_body_is_refused_always_and_the_first_is_untouched` |
//! | duplicates only where an attempt was in doubt | 10,000 codes, 0; `OTPOST_TEST_MESSAGES=100000` | `partners::repeats::of_many_codes_none_is_lost_and_none_is_told_twice`, `partners::repeats::a_provider_that_knows_our_reference_tells_nobody_twice_although_a_crash_interrupted_us` |
//! | nothing is sent after its deadline or end | 500 worlds; `OTPOST_TEST_SEEDS=20000` | `simulation::no_promise_is_broken_in_any_world` |
//! | the same seed is the same world | 20 worlds, twice each | `simulation::the_same_seed_is_the_same_world_step_for_step` |
//! | stuck work is taken over | 20 s at most, ended once; a second process on the file is refused | `process::takeover::what_was_being_sent_at_a_kill_is_sent_by_the_next_process_within_twenty_seconds_and_ends_once`, `process::takeover::a_second_process_on_the_same_database_is_refused_at_once_and_the_first_does_not_notice` |
//! | one who stood still overwrites nobody | 60 s, 0 late writes | `process::standstill::a_gateway_that_stood_still_overwrites_nobody_loses_nothing_and_sends_nothing_late` |
//! | senders that hang up leave nothing behind | 2,000 | `process::hangups::two_thousand_clients_that_hang_up_in_a_request_leave_nothing_behind` |
//! | a full disk is refused in time | 0 lost, back within 10 s | `process::disk_full::a_disk_that_is_nearly_full_is_refused_in_time_and_taken_again_without_a_restart`, `process::disk_full::a_disk_that_is_really_full_costs_503s_and_once_it_has_room_nothing_was_lost_or_told_twice` |
//! | a black hole costs one attempt | the next is asked after 8.5 s, told within 12 s | `partners::black_holes::a_provider_that_reads_and_never_answers_costs_a_code_eight_and_a_half_seconds_at_most` |
//! | a slow provider delays only its own | others' p99 within a tenth or 25 ms | `partners::slow::a_push_service_of_thirty_seconds_delays_neither_the_204_nor_anybodys_sms` |
//! | nobody is asked earlier than it wants | 22 forms of Retry-After | `partners::busy::no_provider_is_asked_earlier_than_it_wants_and_a_long_pause_is_passed_over_at_once` |
//! | partial answers and resets are classified | 11 toxics on each channel, cut anywhere | `partners::toxics::an_sms_gateway_that_spoils_its_answers_is_passed_over_and_each_attempt_is_on_record`, `partners::toxics::a_push_service_that_spoils_its_answers_is_passed_over_and_each_attempt_is_on_record`, `partners::toxics::a_relay_that_spoils_its_answers_is_passed_over_and_each_attempt_is_on_record` |
//! | a clock that is set moves no deadline | an hour and a day each way, alarm within 2 s | `process::clock::a_clock_that_is_set_ends_nothing_early_repeats_nothing_and_raises_an_alarm` |
//! | a stop cuts nobody off | 50 stops under load, 15 s at most | `process::stops::fifty_stops_under_two_hundred_requests_a_second_cut_nobody_off_and_repeat_nothing` |
//! | overload costs codes little | 20 s of more than it can take; `OTPOST_TEST_OVERLOAD_SECONDS=60` | `process::overload::ten_times_the_load_it_can_take_costs_codes_nothing_and_leaves_nothing_behind` |
//! | accepting is quick | p99 of 100 ms at 50/s: measured by `otpost bench`, never in a timed test | – |
//! | strangers keep nobody waiting | 2,000 idle sockets, 6 s | `door::crowds` |
//! | every change of state is on record | the events alone tell each state, after every simulated crash | `simulation::no_promise_is_broken_in_any_world` |

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_a_promise_names_is_there() {
    let named = include_str!("promises.rs").lines().take_while(|line| line.starts_with("//!"));
    let named: Vec<&str> = named.flat_map(|line| line.split('`')).filter(|word| word.contains("::")).collect();

    let missing: Vec<_> = named.iter().filter(|name| !is_there(name)).collect();

    assert!(named.len() > 25);
    assert_eq!(missing, Vec::<&&str>::new());
}

// A path of modules, and at its end perhaps a function.
fn is_there(name: &str) -> bool {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let module = |path: &str| {
        let path = tests.join(path.replace("::", "/"));
        fs::read_to_string(path.with_extension("rs")).or_else(|_| fs::read_to_string(path.join("mod.rs"))).ok()
    };
    let in_a_file = name.rsplit_once("::").and_then(|(path, test)| Some((module(path)?, test)));
    module(name).is_some() || in_a_file.is_some_and(|(text, test)| text.contains(&format!("fn {test}(")))
}
