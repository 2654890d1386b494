//! A deterministic simulation: the real engine (intake, worker, dispatch, provider registry, receipts, cleanup, store) over
//! tables in memory, with time, randomness, providers, crashes, suspensions and a failing database derived from one seed.
//!
//! After each run the judge compares the record with the promises: every accepted notification is stored, once for each key;
//! every delivery has ended, in time; nothing is sent after its deadline or end; a message is repeated only where an attempt
//! had an unknown outcome; the audit log alone gives every state; no code is left; the newest code wins.
//!
//! The same seed runs the same simulation, step for step. A failure names its seed:
//!
//! ```text
//! OTPOST_TEST_SEED=4711 cargo nextest run simulation --no-capture     # that run again, with its record
//! OTPOST_TEST_SEEDS=20000 cargo nextest run --release simulation      # more runs
//! ```

mod alone;
mod judge;
mod node;
mod outages;
mod panics;
mod providers;
mod record;
mod story;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::LocalSet;

const SEEDS: u64 = 60;
const FIRST: u64 = 1;

/// The result of one run.
struct AcceptResult {
    broken: Vec<String>,
    trace: Vec<String>,
}

// Runs a simulation with a clock that moves only when everybody waits.
fn simulate<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, story)
}

fn run(seed: u64) -> AcceptResult {
    simulate(async {
        let world = story::tell(seed).await;
        let broken = judge::judge(&world).await;
        let trace = std::mem::take(&mut world.record.lock().unwrap().trace);
        AcceptResult { broken, trace }
    })
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how much")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_promise_is_broken_with_any_seed() {
    if let Some(seed) = number("OTPOST_TEST_SEED") {
        let verdict = run(seed);
        verdict.trace.iter().for_each(|line| println!("{line}"));
        assert!(verdict.broken.is_empty(), "seed {seed}: {:#?}", verdict.broken);
        return;
    }
    let (next, last) = (AtomicU64::new(FIRST), FIRST + number("OTPOST_TEST_SEEDS").unwrap_or(SEEDS));
    let (next, broken) = (&next, &std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(move || {
                while let seed = next.fetch_add(1, Ordering::Relaxed)
                    && seed < last
                {
                    let verdict = run(seed);
                    if !verdict.broken.is_empty() {
                        broken.lock().unwrap().push((seed, verdict.broken));
                    }
                }
            });
        }
    });
    let broken = broken.lock().unwrap();
    let told: Vec<_> = broken.iter().map(|(seed, broken)| format!("seed {seed}: {}", broken[0])).collect();
    assert!(told.is_empty(), "{} worlds: {told:#?}", told.len());
}

#[test]
fn the_same_seed_runs_the_same_simulation_step_for_step() {
    for seed in 1..=8 {
        let (one, other) = (run(seed), run(seed));

        let first = one.trace.iter().zip(&other.trace).find(|(one, other)| one != other);
        assert_eq!(first, None, "seed {seed}");
        assert_eq!(one.trace.len(), other.trace.len(), "seed {seed}");
        assert!(one.trace.len() > 20, "seed {seed}: too little happens");
    }
}
