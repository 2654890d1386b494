//! Who is on duty: keeps the board of providers up to date with what their answers tell and with what operators decide,
//! and asks `route` for the next step on it.
//!
//! It sends nothing. What it learns of health lives in memory and begins anew with each process; what operators decide
//! is in the table and is read four times a second.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::receipt_rate::ReceiptRate;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::delivery::{Attempt, ProviderName};
use crate::domain::notification::Priority;
use crate::domain::outcome::Cause;
use crate::route::circuit::Circuit;
use crate::route::ranking::{ProviderTable, RoutingRequest};
use crate::route::{self, Candidate, Decision, ProviderProfile};
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

/// The shortest time there is between two moments.
const INSTANT: Duration = Duration::from_micros(1);

/// The providers on duty.
pub struct ProviderRegistry {
    board: Mutex<ProviderTable>,
    returns: Mutex<ReceiptRate>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    codes_exceed: bool,
}

impl ProviderRegistry {
    /// A roster of `profiles`, all on duty and in good health. `codes_exceed` lets codes go over providers at their cap
    /// when no other is left.
    pub fn new(profiles: &[ProviderProfile], store: Arc<Store>, clock: Arc<dyn Clock>, codes_exceed: bool) -> Self {
        Self { board: Mutex::new(ProviderTable::new(profiles)), returns: Mutex::default(), store, clock, codes_exceed }
    }

    /// The next step for a delivery after `attempts`. It may be looked at without being taken.
    pub fn next(&self, candidates: &[Candidate], claimed: &Claimed, attempts: &[Attempt], jitter: f64) -> Decision {
        let errand = self.errand(claimed);
        step(&self.board(), candidates, claimed, attempts, &errand, jitter)
    }

    /// The step that a delivery was taking when it was last in hand. Its time was not over then, though it may be now.
    pub fn last_begun(&self, candidates: &[Candidate], claimed: &Claimed, jitter: f64) -> Decision {
        let mut errand = self.errand(claimed);
        errand.now = errand.now.min(claimed.expires_at.before(INSTANT));
        step(&self.board(), candidates, claimed, &claimed.attempts, &errand, jitter)
    }

    /// The next step, which is taken at once: a provider that is only asked to see whether it works is taken by one.
    pub fn take_next(&self, candidates: &[Candidate], claimed: &Claimed, jitter: f64) -> Decision {
        let errand = self.errand(claimed);
        let mut board = self.board();
        let step = step(&board, candidates, claimed, &claimed.attempts, &errand, jitter);
        if let Decision::Send(candidate) = &step {
            count_fallback(&board, candidates, claimed, candidate, &errand);
            board.begin(&candidate.provider, errand.now);
        }
        step
    }

    fn errand(&self, claimed: &Claimed) -> RoutingRequest {
        let may_exceed = self.codes_exceed && claimed.priority() == Priority::Otp;
        RoutingRequest { delivery: claimed.id, now: self.clock.now(), expires_at: claimed.expires_at, may_exceed }
    }

    /// A message is about to be sent this way: from now on it counts as spent.
    pub fn pledge(&self, candidate: &Candidate) {
        if self.board().pledge(&candidate.provider, self.clock.now()) {
            let provider = candidate.provider.0.clone();
            metrics::counter!("otpost_spend_over_cap_total", "provider" => provider).increment(1);
        }
    }

    /// Counts from the attempts in the table what was spent in the hour before this process, where there is a cap.
    pub async fn recall(&self) -> Result<(), Error> {
        if self.board().seats().all(|(_, seat)| seat.ledger.cap().is_none()) {
            return Ok(());
        }
        let billed = self.store.billed(self.clock.now()).await?;
        let mut board = self.board();
        for it in &billed {
            board.recall(&it.provider, it.at, it.messages);
        }
        Ok(())
    }

    /// Learns what came of an attempt.
    pub fn note(&self, attempt: &Attempt) {
        let provider = attempt.provider.0.clone();
        metrics::histogram!("otpost_provider_request_duration_seconds", "provider" => provider)
            .record(attempt.took.as_secs_f64());
        if attempt.is_taken() {
            self.returns().take(&attempt.provider, attempt.started_at);
        }
        let mut board = self.board();
        let before = circuit(&board, attempt);
        board.note(attempt, self.clock.now());
        let after = circuit(&board, attempt);
        let turns = board.turns(self.clock.now());
        drop(board);
        tell_turns(&turns);
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
        let turns = self.board().turns(self.clock.now());
        tell_turns(&turns);
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
        let mut written = SavedStates::default();
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

    async fn write(&self, written: &mut SavedStates) -> Result<(), Error> {
        let states = self.states();
        let circuits: Vec<_> = states.iter().map(|state| state.circuit.clone()).collect();
        for state in &states {
            let level = match state.circuit.as_str() {
                "closed" => 0.0,
                "half_open" => 1.0,
                _ => 2.0,
            };
            metrics::gauge!("otpost_circuit_state", "provider" => state.provider.0.clone()).set(level);
        }
        self.show_spend();
        for (provider, share) in self.returns().missing(self.clock.now()) {
            metrics::gauge!("otpost_receipts_missing_ratio", "provider" => provider.0).set(share);
        }
        let is_due = written.at.is_none_or(|at: tokio::time::Instant| at.elapsed() >= WRITE_EVERY);
        if circuits != written.circuits || is_due {
            self.store.keep_provider_states(&states).await?;
            *written = SavedStates { at: Some(tokio::time::Instant::now()), circuits };
        }
        Ok(())
    }

    fn show_spend(&self) {
        let now = self.clock.now();
        for (provider, seat) in self.board().seats().filter(|(_, seat)| !seat.ledger.price().is_zero()) {
            let spent = seat.ledger.spent(now).units();
            metrics::gauge!("otpost_spend_last_hour", "provider" => provider.0.clone()).set(spent);
            if let Some(cap) = seat.ledger.cap() {
                metrics::gauge!("otpost_spend_cap", "provider" => provider.0.clone()).set(cap.units());
            }
        }
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

    fn returns(&self) -> MutexGuard<'_, ReceiptRate> {
        self.returns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn board(&self) -> MutexGuard<'_, ProviderTable> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct SavedStates {
    at: Option<tokio::time::Instant>,
    circuits: Vec<String>,
}

fn tell_turns(turns: &[(ProviderName, bool)]) {
    for (provider, is_capped) in turns {
        if *is_capped {
            metrics::counter!("otpost_spend_capped_total", "provider" => provider.0.clone()).increment(1);
            tracing::error!(%provider, "the provider's spend_cap_per_hour is reached; others are asked before it");
        } else {
            tracing::info!(%provider, "the provider may be paid again");
        }
    }
}

// A delivery that only drained providers could take, or such as may not be paid, waits for them; it is not their fault
// that nobody else is there.
fn step(
    board: &ProviderTable,
    candidates: &[Candidate],
    claimed: &Claimed,
    attempts: &[Attempt],
    errand: &RoutingRequest,
    jitter: f64,
) -> Decision {
    let RoutingRequest { now, expires_at, .. } = *errand;
    let on_duty = board.arrange(candidates, errand);
    if on_duty.is_empty() && !candidates.is_empty() && now < expires_at {
        let age = now.since(claimed.received_at);
        return Decision::RetryAt(now.after((age / 4).clamp(WAIT, WAIT_MAX)).min(expires_at));
    }
    route::next(&on_duty, attempts, now, expires_at, jitter)
}

fn circuit(board: &ProviderTable, attempt: &Attempt) -> Option<Circuit> {
    board.seats().find(|(name, _)| **name == attempt.provider).map(|(_, seat)| seat.health.circuit())
}

// From whom to whom: after a failure the last one asked, at first the one that was not asked at all.
fn count_fallback(
    board: &ProviderTable,
    candidates: &[Candidate],
    claimed: &Claimed,
    candidate: &Candidate,
    errand: &RoutingRequest,
) {
    let (from, reason) = match claimed.attempts.last() {
        Some(last) => (last.provider.clone(), last.outcome.cause().map_or("unknown", Cause::name)),
        None => match board.passed_over(candidates, candidate, errand) {
            Some(passed) => passed,
            None => return,
        },
    };
    if from != candidate.provider {
        let to = candidate.provider.0.clone();
        metrics::counter!("otpost_fallbacks_total", "from" => from.0, "to" => to, "reason" => reason).increment(1);
    }
}
