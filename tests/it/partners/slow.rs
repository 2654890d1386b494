//! A provider that takes half a minute does not delay the messages of another one.
//!
//! The same load twice, with a fast and with a slow first provider, without other tests at the same time
//! (`.config/nextest.toml`).

use std::time::{Duration, Instant};

use crate::support::load::load;
use crate::support::{Gateway, recipient};

/// The accepted difference between the percentiles, and the milliseconds below which a difference is noise.
const TIMES: f64 = 1.10;
const NOISE_MS: f64 = 25.0;

/// One stall of the machine changes a percentile of five hundred. A provider that delays others changes every round.
const ROUNDS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_service_that_takes_thirty_seconds_delays_neither_the_204_nor_other_messages() {
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

/// The 99th percentiles, in milliseconds.
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

/// Ten seconds, so that attempts of eight seconds start, time out and are repeated during the measurement.
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
    assert!(well.all_accepted() && slow.all_accepted(), "{:?} {:?}", well.errors, slow.errors);
    let arrived = gateway.sms("primary").report();
    assert_eq!((arrived.distinct, arrived.duplicates), (500, 0));
    Percentiles { sms: arrived.end_to_end.p99_ms, accepted: well.latency.p99_ms, slow_accepted: slow.latency.p99_ms }
}
