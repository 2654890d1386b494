//! Who is on duty: keeps the board of providers up to date with what their answers tell and with what operators decide,
//! and asks `route` for the next step on it.
//!
//! It sends nothing. What it learns of health lives in memory and begins anew with each process; what operators decide
//! is in the table and is read four times a second.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::attempt::is_taken;
use super::returns::Returns;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::delivery::{Attempt, ProviderName};
use crate::domain::outcome::Cause;
use crate::route::health::Circuit;
use crate::route::rank::{Board, Errand};
use crate::route::{self, Move, Offer, Way};
use crate::store::providers::ProviderState;
use crate::store::{Claimed, Error, Store};

/// How often the operators' decisions are read.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often it is written down how providers are seen, unless a circuit changes.
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// How long a delivery waits that only drained providers could serve: at first this, later a quarter of its age.
const WAIT: Duration = Duration::from_secs(1);

/// The longest such wait.
const WAIT_MAX: Duration = Duration::from_mins(5);

/// The providers on duty.
pub struct Roster {
    board: Mutex<Board>,
    returns: Mutex<Returns>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
}

impl Roster {
    /// A roster of `offers`, all on duty and in good health.
    pub fn new(offers: &[Offer], store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        Self { board: Mutex::new(Board::new(offers)), returns: Mutex::default(), store, clock }
    }

    /// The next step for a delivery after `attempts`. It may be looked at without being taken.
    pub fn next(&self, ways: &[Way], claimed: &Claimed, attempts: &[Attempt], luck: f64) -> Move {
        let errand = self.errand(claimed);
        step(&self.board(), ways, claimed, attempts, &errand, luck)
    }

    /// The next step, which is taken at once: a provider that is only asked to see whether it works is taken by one.
    pub fn take_next(&self, ways: &[Way], claimed: &Claimed, luck: f64) -> Move {
        let errand = self.errand(claimed);
        let mut board = self.board();
        let step = step(&board, ways, claimed, &claimed.attempts, &errand, luck);
        if let Move::Send(way) = &step {
            count_fallback(&board, ways, claimed, way, &errand);
            board.begin(&way.provider, errand.now);
        }
        step
    }

    fn errand(&self, claimed: &Claimed) -> Errand {
        Errand { delivery: claimed.id, now: self.clock.now(), expires_at: claimed.expires_at }
    }

    /// Learns what came of an attempt.
    pub fn note(&self, attempt: &Attempt) {
        let provider = attempt.provider.0.clone();
        metrics::histogram!("otpost_provider_request_duration_seconds", "provider" => provider)
            .record(attempt.took.as_secs_f64());
        if is_taken(attempt) {
            self.returns().take(&attempt.provider, attempt.started_at);
        }
        let mut board = self.board();
        let before = circuit(&board, attempt);
        board.note(attempt, self.clock.now());
        let after = circuit(&board, attempt);
        drop(board);
        match (before, after) {
            (Some(Circuit::Closed), Some(Circuit::Open)) => {
                tracing::error!(provider = %attempt.provider, "the provider keeps failing; it is only asked now and then");
            }
            (Some(Circuit::Open | Circuit::HalfOpen), Some(Circuit::Closed)) => {
                tracing::info!(provider = %attempt.provider, "the provider works again");
            }
            _ => {}
        }
    }

    /// Providers of which receipts are expected for all that they take.
    pub fn expect_receipts<'a>(&self, providers: impl Iterator<Item = &'a ProviderName>) {
        let mut returns = self.returns();
        providers.for_each(|provider| returns.expect(provider));
    }

    /// A provider has said what became of a message that it was asked to send at `asked_at`.
    pub fn hear(&self, provider: &ProviderName, asked_at: Timestamp) {
        self.returns().hear(provider, asked_at);
    }

    /// Reads what operators have decided.
    pub async fn look(&self) -> Result<(), Error> {
        let drains = self.store.drains().await?;
        let changed = self.board().drain(|name| drains.iter().any(|drain| drain.provider.0 == name));
        for provider in changed {
            let drained = drains.iter().any(|drain| drain.provider == provider);
            tracing::warn!(%provider, drained, "operators have changed who is on duty");
        }
        Ok(())
    }

    /// Goes by what operators decide, and writes down how providers are seen, until the process ends.
    pub async fn run(self: Arc<Self>) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut written = Written::default();
        loop {
            look.tick().await;
            let done = match self.look().await {
                Ok(()) => self.write(&mut written).await,
                failed => failed,
            };
            if let Err(error) = done {
                tracing::error!(
                    error = crate::domain::chain(&error),
                    "the providers' states could not be read or kept"
                );
            }
        }
    }

    async fn write(&self, written: &mut Written) -> Result<(), Error> {
        let states = self.states();
        let circuits: Vec<_> = states.iter().map(|state| state.circuit.clone()).collect();
        for state in &states {
            let level = match state.circuit.as_str() {
                "closed" => 0.0,
                "half_open" => 1.0,
                _ => 2.0,
            };
            metrics::gauge!("otpost_breaker_state", "provider" => state.provider.0.clone()).set(level);
        }
        for (provider, share) in self.returns().missing(self.clock.now()) {
            metrics::gauge!("otpost_dlr_missing_ratio", "provider" => provider.0).set(share);
        }
        let is_due = written.at.is_none_or(|at: tokio::time::Instant| at.elapsed() >= WRITE_EVERY);
        if circuits != written.circuits || is_due {
            self.store.keep_provider_states(&states).await?;
            *written = Written { at: Some(tokio::time::Instant::now()), circuits };
        }
        Ok(())
    }

    fn states(&self) -> Vec<ProviderState> {
        let seen_at: Timestamp = self.clock.now();
        let whole = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let board = self.board();
        let seats = board.seats().map(|(name, seat)| ProviderState {
            provider: name.clone(),
            circuit: seat.health.circuit().name().to_owned(),
            seen: whole(seat.health.seen()),
            failed: whole(seat.health.failed()),
            slowness: seat.health.slowness(),
            seen_at,
        });
        seats.collect()
    }

    fn returns(&self) -> MutexGuard<'_, Returns> {
        self.returns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Written {
    at: Option<tokio::time::Instant>,
    circuits: Vec<String>,
}

// A delivery that only drained providers could take waits for them; it is not their fault that nobody else is there.
fn step(board: &Board, ways: &[Way], claimed: &Claimed, attempts: &[Attempt], errand: &Errand, luck: f64) -> Move {
    let Errand { now, expires_at, .. } = *errand;
    let on_duty = board.arrange(ways, errand);
    if on_duty.is_empty() && !ways.is_empty() && now < expires_at {
        let age = now.since(claimed.received_at);
        return Move::Wait(now.after((age / 4).clamp(WAIT, WAIT_MAX)).min(expires_at));
    }
    route::next(&on_duty, attempts, now, expires_at, luck)
}

fn circuit(board: &Board, attempt: &Attempt) -> Option<Circuit> {
    board.seats().find(|(name, _)| **name == attempt.provider).map(|(_, seat)| seat.health.circuit())
}

// From whom to whom: after a failure the last one asked, at first the one that was not asked at all.
fn count_fallback(board: &Board, ways: &[Way], claimed: &Claimed, way: &Way, errand: &Errand) {
    let (from, reason) = match claimed.attempts.last() {
        Some(last) => (last.provider.clone(), last.outcome.cause().map_or("unknown", Cause::name)),
        None => match board.passed_over(ways, way, errand) {
            Some(passed) => passed,
            None => return,
        },
    };
    if from != way.provider {
        let to = way.provider.0.clone();
        metrics::counter!("otpost_fallbacks_total", "from" => from.0, "to" => to, "reason" => reason).increment(1);
    }
}
