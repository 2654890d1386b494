//! Load as the processor would send it, measured from the moment each request was due.
//!
//! Whoever is free takes the next slot of the schedule and waits for its moment; when nobody is free, slots fall due
//! unsent and their waiting counts (no coordinated omission). Failures count in the latencies like everything else.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt::Write as _;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::http_client;
use super::http_client::{Connection, Target};
use super::latency::{Latencies, Percentiles, per_second};
use super::processor::{OTP_PATH, OtpSample};
use super::schedule::{Schedule, Slot};
use super::stopwatch::{Alarm, monotonic_ns};
use super::token::{RUNS, Token};

/// How often the progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// The start lies this far ahead, so that every connection is ready for the first slot.
const HEAD_START_NS: u64 = 2_000_000;

/// What is to be sent.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// To whom and by whom.
    pub target: Target,
    /// One-time passwords a second; zero for one after the other on each connection.
    pub rate: f64,
    /// Sent at the same rate before measuring begins.
    pub warm_up: Duration,
    /// How long is measured.
    pub duration: Duration,
    /// How many connections.
    pub connections: usize,
    /// The customers' numbers, in turn.
    pub customers: RangeInclusive<u64>,
    /// How long to wait for each answer, and after the end for those still owed.
    pub patience: Duration,
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct LoadProgress {
    /// Time since the start, warm-up included.
    pub elapsed: Duration,
    /// Measured requests that ended.
    pub sent: u64,
    /// Those of them that were answered with 204.
    pub taken: u64,
}

/// What came of a run; the warm-up is left out.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LoadReport {
    /// The four letters that mark this run's tokens.
    pub run: String,
    /// Requests that were due.
    pub sent: u64,
    /// Answered with 204.
    pub taken: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer, by reason.
    pub errors: BTreeMap<String, u64>,
    /// 204s a second, from the first moment due to the last answer.
    pub rate: f64,
    /// Connections opened; more than asked for when the server closed some.
    pub connections: u64,
    /// From the moment a request was due to the end of its answer, failures included.
    pub latency: Percentiles,
}

impl LoadReport {
    /// Whether everything that was due was answered with 204, and something was due.
    pub fn all_taken(&self) -> bool {
        self.sent > 0 && self.taken == self.sent
    }
}

/// Why a run could not take place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A connection could not be opened at the start.
    #[error("the gateway cannot be reached")]
    Unreachable(#[source] http_client::Error),
    /// The machine gave no thread, timer or runtime.
    #[error("the load cannot be timed")]
    Machine(#[from] io::Error),
}

/// Sends the load, on a thread of its own, and tells the `progress` four times a second.
pub async fn run(plan: LoadPlan, progress: impl FnMut(LoadProgress) + Send + 'static) -> Result<LoadReport, Error> {
    super::alone(move || send(plan, progress)).await?
}

async fn send(plan: LoadPlan, progress: impl FnMut(LoadProgress)) -> Result<LoadReport, Error> {
    let mut connections = Vec::new();
    for _ in 0..plan.connections.max(1) {
        let mut connection = Connection::new(plan.target.clone(), plan.patience);
        connection.open().await.map_err(Error::Unreachable)?;
        connections.push(connection);
    }
    let crew = Arc::new(LoadRun::new(&plan, monotonic_ns() + HEAD_START_NS));
    let mut senders = JoinSet::new();
    for connection in connections {
        senders.spawn(Arc::clone(&crew).send(connection));
    }
    tokio::select! {
        ended = senders.join_all() => ended.into_iter().collect::<Result<(), _>>()?,
        () = crew.tell(progress) => {}
    }
    Ok(crew.report())
}

/// What all senders of a run share. They live on one thread, so the lock is never waited for.
struct LoadRun {
    schedule: Schedule,
    start: u64,
    give_up_at: u64,
    run: u32,
    customers: RangeInclusive<u64>,
    tally: Mutex<LoadCounters>,
}

#[derive(Default)]
struct LoadCounters {
    report: LoadReport,
    latencies: Latencies,
    first_due: Option<u64>,
    last_end: u64,
}

impl LoadRun {
    fn new(plan: &LoadPlan, start: u64) -> Self {
        let schedule = Schedule::new(start, plan.rate, plan.warm_up, plan.duration);
        let patience = u64::try_from(plan.patience.as_nanos()).unwrap_or(u64::MAX);
        Self {
            give_up_at: schedule.end().saturating_add(patience),
            schedule,
            start,
            run: Uuid::new_v4().as_fields().0 % RUNS,
            customers: plan.customers.clone(),
            tally: Mutex::default(),
        }
    }

    async fn send(self: Arc<Self>, mut connection: Connection) -> io::Result<()> {
        let alarm = Alarm::new()?;
        let mut letter = RequestBuffer::default();
        alarm.until(self.start).await?;
        while let Some(slot) = self.schedule.take(monotonic_ns()) {
            if monotonic_ns() > self.give_up_at {
                self.note(slot, Err("never sent: too many were waiting for an answer".to_owned()));
                continue;
            }
            alarm.until(slot.due).await?;
            letter.write(&self, slot);
            let outcome = connection.post(OTP_PATH, Some(&letter.key), &letter.body).await;
            let failed = outcome.is_err();
            self.note(slot, outcome.map(|reply| reply.status).map_err(|error| reason(&error)));
            if failed && self.schedule.is_closed_loop() {
                // A server that is down refuses faster than it could ever answer.
                alarm.until(monotonic_ns() + 5_000_000).await?;
            }
        }
        self.tally().report.connections += connection.opened();
        Ok(())
    }

    fn note(&self, slot: Slot, outcome: Result<u16, String>) {
        if slot.warm_up {
            return;
        }
        let now = monotonic_ns();
        let mut tally = self.tally();
        tally.latencies.record(now.saturating_sub(slot.due) / 1_000);
        tally.first_due = Some(tally.first_due.map_or(slot.due, |first| first.min(slot.due)));
        tally.last_end = now;
        tally.report.sent += 1;
        match outcome {
            Ok(status) => {
                tally.report.taken += u64::from(status == 204);
                *tally.report.statuses.entry(status).or_default() += 1;
            }
            Err(reason) => *tally.report.errors.entry(reason).or_default() += 1,
        }
    }

    // Never ends: the senders do.
    async fn tell(&self, mut progress: impl FnMut(LoadProgress)) {
        let mut ticks = tokio::time::interval(PROGRESS_EVERY);
        loop {
            ticks.tick().await;
            let elapsed = Duration::from_nanos(monotonic_ns().saturating_sub(self.start));
            let (sent, taken) = {
                let tally = self.tally();
                (tally.report.sent, tally.report.taken)
            };
            progress(LoadProgress { elapsed, sent, taken });
        }
    }

    fn report(&self) -> LoadReport {
        let mut tally = self.tally();
        let span = Duration::from_nanos(tally.last_end.saturating_sub(tally.first_due.unwrap_or(tally.last_end)));
        let mut report = std::mem::take(&mut tally.report);
        report.run = Token { run: self.run, warm_up: false, sequence: 0, due_us: 0 }.run_letters();
        report.rate = per_second(report.taken, span);
        report.latency = tally.latencies.percentiles();
        report
    }

    fn tally(&self) -> MutexGuard<'_, LoadCounters> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// One request's key and body, in buffers that are used again.
#[derive(Default)]
struct RequestBuffer {
    otp: OtpSample,
    key: String,
    body: Vec<u8>,
}

impl RequestBuffer {
    fn write(&mut self, crew: &LoadRun, slot: Slot) {
        let (first, last) = (*crew.customers.start(), *crew.customers.end());
        let many = last.saturating_sub(first).saturating_add(1);
        let customer = first + slot.sequence % many;
        let token = Token { run: crew.run, warm_up: slot.warm_up, sequence: slot.sequence, due_us: slot.due / 1_000 };
        let Self { otp, key, body } = self;
        put(&mut otp.storage_customer_id, format_args!("{customer}"));
        put(&mut otp.storage_card_id, format_args!("{customer}"));
        put(&mut otp.merchant_name, format_args!("{token}"));
        // Any six digits, different from one request to the next.
        put(&mut otp.otp, format_args!("{:06}", slot.sequence.wrapping_mul(7_919) % 1_000_000));
        put(key, format_args!("{}", Uuid::new_v4().hyphenated()));
        body.clear();
        drop(serde_json::to_writer(body, otp));
    }
}

fn put(place: &mut String, text: std::fmt::Arguments<'_>) {
    place.clear();
    // Writing to a string cannot fail.
    let _ = place.write_fmt(text);
}

fn reason(error: &http_client::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::providers::faults::Faults;
    use super::super::providers::message_log::Keeping;
    use super::*;
    use crate::domain::contact::Channel;
    use crate::sim::providers::PracticeProvider;

    // A practice provider stands in for the gateway: it answers 200, and can stall.
    async fn server(behaviour: Faults) -> PracticeProvider {
        let server =
            PracticeProvider::open(Channel::Sms, "127.0.0.1:0".parse().unwrap(), Keeping::Tokens).await.unwrap();
        server.station().behave(behaviour);
        server
    }

    fn plan(server: &PracticeProvider) -> LoadPlan {
        LoadPlan {
            target: Target::new(&format!("http://{}", server.address()), None).unwrap(),
            rate: 100.0,
            warm_up: Duration::ZERO,
            duration: Duration::from_millis(200),
            connections: 1,
            customers: 1..=10,
            patience: Duration::from_secs(5),
        }
    }

    #[tokio::test]
    async fn a_stall_counts_from_the_moment_each_request_was_due() {
        let server = server(Faults::slow(Duration::from_millis(40))).await;

        let report = run(plan(&server), |_| {}).await.unwrap();

        // 20 requests in 200 ms, each answered 40 ms after the one before: the last one 600 ms after it was due.
        assert_eq!(report.sent, 20);
        assert!(report.latency.p50_ms > 250.0 && report.latency.max_ms > 550.0, "{}", report.latency);
    }

    #[tokio::test]
    async fn every_token_arrives_once_and_the_warm_up_is_told_apart() {
        let server = server(Faults::default()).await;
        let plan = LoadPlan { connections: 4, rate: 500.0, warm_up: Duration::from_millis(100), ..plan(&server) };

        let report = run(plan, |_| {}).await.unwrap();

        let arrived = server.station().report();
        assert_eq!((report.sent, report.statuses[&200], report.connections), (100, 100, 4));
        assert_eq!((arrived.distinct, arrived.duplicates, arrived.missing, arrived.warm_up), (100, 0, 0, 50));
        assert_eq!(arrived.end_to_end.count, 100);
        assert!(!report.all_taken(), "200 is not 204");
    }

    #[tokio::test]
    async fn one_after_the_other_sends_until_the_time_is_over() {
        let server = server(Faults::default()).await;
        let (told, progress) = std::sync::mpsc::channel();

        let report =
            run(LoadPlan { rate: 0.0, ..plan(&server) }, move |at| told.send(at).unwrap_or_default()).await.unwrap();

        assert!(report.sent > 20 && report.errors.is_empty(), "{report:?}");
        assert_eq!(server.station().report().distinct, report.sent);
        assert!(progress.recv().is_ok());
    }

    #[tokio::test]
    async fn requests_without_an_answer_are_counted_and_timed() {
        let server = server(Faults::silent()).await;
        let patience = Duration::from_millis(50);

        let report = run(LoadPlan { patience, ..plan(&server) }, |_| {}).await.unwrap();

        assert_eq!((report.sent, report.taken, report.latency.count), (20, 0, 20));
        assert!(report.errors["no answer in time"] > 0, "{:?}", report.errors);
        assert!(report.errors.keys().any(|reason| reason.starts_with("never sent")), "{:?}", report.errors);
    }

    #[tokio::test]
    async fn a_gateway_that_is_not_there_is_no_result() {
        let server = server(Faults::default()).await;
        let plan = plan(&server);
        server.close().await;

        let outcome = run(plan, |_| {}).await;

        assert!(matches!(outcome, Err(Error::Unreachable(_))), "{outcome:?}");
    }
}
