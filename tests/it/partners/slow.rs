//! A provider that takes half a minute, beside one that is well: people of the second must not notice.
//!
//! The same load twice, once with a quick first provider and once with a slow one, on a machine of its own
//! (`.config/nextest.toml`).

use std::time::{Duration, Instant};

use crate::support::load::load;
use crate::support::{Gateway, recipient};

/// What the percentiles may differ by, and the milliseconds below which a difference is the machine's and not ours.
const TIMES: f64 = 1.10;
const NOISE_MS: f64 = 25.0;

/// One stall of the machine spoils a percentile of five hundred; a provider that keeps others waiting spoils each round.
const ROUNDS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_service_of_thirty_seconds_delays_neither_the_204_nor_anybodys_sms() {
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        let usual = measure(Duration::ZERO).await;
        let beside_a_slow_one = measure(Duration::from_secs(30)).await;

        let is_unchanged = beside_a_slow_one.are_like(&usual);
        seen.push((usual, beside_a_slow_one));
        if is_unchanged {
            eprintln!("without and beside a slow one: {seen:?}");
            return;
        }
    }
    panic!("without and beside a slow one: {seen:?}");
}

/// At 99 of 100, in milliseconds.
#[derive(Debug)]
struct Percentiles {
    sms: f64,
    accepted: f64,
    slow_accepted: f64,
}

impl Percentiles {
    fn are_like(&self, usual: &Self) -> bool {
        let pairs = [(self.sms, usual.sms), (self.accepted, usual.accepted), (self.slow_accepted, usual.slow_accepted)];
        pairs.into_iter().all(|(now, usual)| now <= usual * TIMES || now - usual <= NOISE_MS)
    }
}

/// Ten seconds, so that attempts of eight are under way, time out and are made again while it is measured.
async fn measure(latency: Duration) -> Percentiles {
    let gateway = Gateway::start().await;
    let name = |n: u64| n.to_string();
    gateway.knows((1..=100).map(|n| recipient(&name(n)).customer(&name(n)).phone(&format!("+48600100{n:03}")))).await;
    gateway.knows((101..=200).map(|n| recipient(&name(n)).customer(&name(n)).app(&name(n)))).await;
    gateway.clock.follow();
    gateway.push().takes(latency);

    let (well, slow) = tokio::join!(load(&gateway, 500, 50.0, 1..=100), load(&gateway, 250, 25.0, 101..=200));

    let end = Instant::now() + Duration::from_secs(20);
    while gateway.sms("primary").report().distinct < 500 && Instant::now() < end {
        tokio::task::yield_now().await;
    }
    assert!(well.all_taken() && slow.all_taken(), "{:?} {:?}", well.errors, slow.errors);
    let arrived = gateway.sms("primary").report();
    assert_eq!((arrived.distinct, arrived.duplicates), (500, 0));
    Percentiles { sms: arrived.end_to_end.p99_ms, accepted: well.latency.p99_ms, slow_accepted: slow.latency.p99_ms }
}
