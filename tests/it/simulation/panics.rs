//! Panics: in a provider's adapter, and elsewhere in a delivery's run. Neither keeps a lease, blocks an ordering key, or loops
//! without a pause.

use std::time::Duration;

use otpost::domain::outcome::{Cause, Outcome};
use tokio::time::sleep;

use super::alone::{Alone, lock, otp};
use super::providers::{MessageLog, Mood};
use super::simulate;
use super::world::Nature;

#[test]
fn after_a_panic_in_a_providers_adapter_the_next_candidate_is_tried() {
    simulate(async {
        let alone = Alone::start(Nature::CALM, |chance| MessageLog::down(2, chance)).await;
        *alone.world.stations[0].mood.lock().unwrap() = Mood::Panics;
        *alone.world.stations[1].mood.lock().unwrap() = Mood::Good;

        for number in 0..10 {
            alone.post(otp(number)).await;
        }
        sleep(Duration::from_secs(5)).await;

        let told = alone.stop().await;
        assert!(told.iter().all(|detail| detail.line.state == "sent"), "{told:#?}");
        let outcomes: Vec<_> =
            told.iter().flat_map(|detail| &detail.attempts).map(|attempt| &attempt.outcome).collect();
        assert!(outcomes.contains(&&Outcome::unknown(Cause::Panicked)));
    });
}

#[test]
fn a_providers_adapter_that_always_panics_is_tried_twice_and_blocks_no_ordering_key() {
    simulate(async {
        let alone = Alone::start(Nature::CALM, |chance| MessageLog::down(1, chance)).await;
        alone.all_are(Mood::Panics);

        alone.post(lock(&alone.world, 1)).await;
        sleep(Duration::from_secs(30)).await;
        let first = alone.details().await.remove(0);
        alone.all_are(Mood::Good);
        alone.post(lock(&alone.world, 2)).await;
        sleep(Duration::from_secs(5)).await;

        assert_eq!((first.line.state.as_str(), first.attempts.len()), ("unconfirmed", 2));
        let told = alone.stop().await;
        assert_eq!(told.last().unwrap().line.state, "sent");
    });
}

#[test]
fn a_run_that_panics_is_repeated_after_a_growing_pause_and_blocks_no_ordering_key() {
    simulate(async {
        let alone = Alone::start(Nature { panics: 1000, ..Nature::CALM }, |chance| MessageLog::down(1, chance)).await;
        alone.all_are(Mood::Good);
        let panics = || alone.world.record.lock().unwrap().disturbances.len();

        alone.post(lock(&alone.world, 1)).await;
        sleep(Duration::from_mins(10)).await;
        let during = panics();
        alone.world.calm_down();
        alone.post(lock(&alone.world, 2)).await;
        sleep(Duration::from_secs(1)).await;
        let told = alone.details().await;
        sleep(Duration::from_mins(5)).await;

        assert!((5..40).contains(&during), "{during} panics in ten minutes");
        assert_eq!((told[0].line.state.as_str(), told[1].line.state.as_str()), ("open", "sent"));
        let states: Vec<_> = alone.stop().await.into_iter().map(|detail| detail.line.state).collect();
        assert_eq!(states, ["sent", "sent"]);
    });
}
