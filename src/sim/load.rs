//! The load generator: sends OTP notifications and measures each from the time at which it was due.
//!
//! A free connection takes the next slot of the schedule and waits until it is due. If no connection is free, the
//! waiting time counts (no coordinated omission). Failed requests are part of the latencies.

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

/// Interval of progress reports.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Delay of the start, so that every connection is ready for the first slot.
const START_DELAY_NS: u64 = 2_000_000;

/// The parameters of a load run.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    pub target: Target,
    /// Notifications per second. With 0, each connection sends its next request after the response to the last one.
    pub rate: f64,
    /// Load at the same rate before the measurement.
    pub warm_up: Duration,
    /// Duration of the measurement.
    pub duration: Duration,
    pub connections: usize,
    /// Customer numbers, used in turn.
    pub customers: RangeInclusive<u64>,
    /// Timeout of each response, and of all outstanding responses after the end.
    pub timeout: Duration,
}

/// The progress of a run.
#[derive(Debug, Clone, Copy)]
pub struct LoadProgress {
    /// Time since the start, including the warm-up.
    pub elapsed: Duration,
    /// Measured requests that were completed.
    pub sent: u64,
    /// Of these, answered with 204.
    pub accepted: u64,
}

/// The results of a run, without the warm-up.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LoadReport {
    /// The four letters in the tokens of this run.
    pub run: String,
    /// Requests that were due.
    pub sent: u64,
    /// Answered with 204.
    pub accepted: u64,
    /// Responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without a response, by reason.
    pub errors: BTreeMap<String, u64>,
    /// Responses with 204 per second, from the first due time to the last response.
    pub rate: f64,
    /// Connections opened. More than planned if the server closed some.
    pub connections: u64,
    /// From the due time to the end of the response, including failures.
    pub latency: Percentiles,
}

impl LoadReport {
    /// Whether every request was answered with 204, and there was at least one.
    pub fn all_accepted(&self) -> bool {
        self.sent > 0 && self.accepted == self.sent
    }
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the gateway cannot be reached")]
    Unreachable(#[source] http_client::Error),
    #[error("cannot create a thread, timer or runtime")]
    System(#[from] io::Error),
}

/// Sends the load on its own thread, and reports the progress four times per second.
pub async fn run(plan: LoadPlan, progress: impl FnMut(LoadProgress) + Send + 'static) -> Result<LoadReport, Error> {
    super::on_own_thread(move || send(plan, progress)).await?
}

async fn send(plan: LoadPlan, progress: impl FnMut(LoadProgress)) -> Result<LoadReport, Error> {
    let mut connections = Vec::new();
    for _ in 0..plan.connections.max(1) {
        let mut connection = Connection::new(plan.target.clone(), plan.timeout);
        connection.open().await.map_err(Error::Unreachable)?;
        connections.push(connection);
    }
    let load_run = Arc::new(LoadRun::new(&plan, monotonic_ns() + START_DELAY_NS));
    let mut senders = JoinSet::new();
    for connection in connections {
        senders.spawn(Arc::clone(&load_run).send(connection));
    }
    tokio::select! {
        ended = senders.join_all() => ended.into_iter().collect::<Result<(), _>>()?,
        () = load_run.report_progress(progress) => {}
    }
    Ok(load_run.report())
}

/// The state that all senders share. They run on one thread, so the lock is never contended.
struct LoadRun {
    schedule: Schedule,
    start: u64,
    give_up_at: u64,
    run: u32,
    customers: RangeInclusive<u64>,
    counters: Mutex<LoadCounters>,
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
        let timeout = u64::try_from(plan.timeout.as_nanos()).unwrap_or(u64::MAX);
        Self {
            give_up_at: schedule.end().saturating_add(timeout),
            schedule,
            start,
            run: Uuid::new_v4().as_fields().0 % RUNS,
            customers: plan.customers.clone(),
            counters: Mutex::default(),
        }
    }

    async fn send(self: Arc<Self>, mut connection: Connection) -> io::Result<()> {
        let alarm = Alarm::new()?;
        let mut request = RequestBuffer::default();
        alarm.until(self.start).await?;
        while let Some(slot) = self.schedule.take(monotonic_ns()) {
            if monotonic_ns() > self.give_up_at {
                self.record(slot, Err("not sent: too many requests were waiting for a response".to_owned()));
                continue;
            }
            alarm.until(slot.due).await?;
            request.write(&self, slot);
            let outcome = connection.post(OTP_PATH, Some(&request.key), &request.body).await;
            let failed = outcome.is_err();
            self.record(slot, outcome.map(|reply| reply.status).map_err(|error| reason(&error)));
            if failed && self.schedule.is_closed_loop() {
                // Limits the rate against a server that refuses connections.
                alarm.until(monotonic_ns() + 5_000_000).await?;
            }
        }
        self.counters().report.connections += connection.opened();
        Ok(())
    }

    fn record(&self, slot: Slot, outcome: Result<u16, String>) {
        if slot.warm_up {
            return;
        }
        let now = monotonic_ns();
        let mut counters = self.counters();
        counters.latencies.record(now.saturating_sub(slot.due) / 1_000);
        counters.first_due = Some(counters.first_due.map_or(slot.due, |first| first.min(slot.due)));
        counters.last_end = now;
        counters.report.sent += 1;
        match outcome {
            Ok(status) => {
                counters.report.accepted += u64::from(status == 204);
                *counters.report.statuses.entry(status).or_default() += 1;
            }
            Err(reason) => *counters.report.errors.entry(reason).or_default() += 1,
        }
    }

    // Runs until it is cancelled.
    async fn report_progress(&self, mut progress: impl FnMut(LoadProgress)) {
        let mut ticks = tokio::time::interval(PROGRESS_INTERVAL);
        loop {
            ticks.tick().await;
            let elapsed = Duration::from_nanos(monotonic_ns().saturating_sub(self.start));
            let (sent, accepted) = {
                let counters = self.counters();
                (counters.report.sent, counters.report.accepted)
            };
            progress(LoadProgress { elapsed, sent, accepted });
        }
    }

    fn report(&self) -> LoadReport {
        let mut counters = self.counters();
        let span =
            Duration::from_nanos(counters.last_end.saturating_sub(counters.first_due.unwrap_or(counters.last_end)));
        let mut report = std::mem::take(&mut counters.report);
        report.run = Token { run: self.run, warm_up: false, sequence: 0, due_us: 0 }.run_letters();
        report.rate = per_second(report.accepted, span);
        report.latency = counters.latencies.percentiles();
        report
    }

    fn counters(&self) -> MutexGuard<'_, LoadCounters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// The key and the body of a request, in reused buffers.
#[derive(Default)]
struct RequestBuffer {
    otp: OtpSample,
    key: String,
    body: Vec<u8>,
}

impl RequestBuffer {
    fn write(&mut self, load_run: &LoadRun, slot: Slot) {
        let (first, last) = (*load_run.customers.start(), *load_run.customers.end());
        let count = last.saturating_sub(first).saturating_add(1);
        let customer = first + slot.sequence % count;
        let token =
            Token { run: load_run.run, warm_up: slot.warm_up, sequence: slot.sequence, due_us: slot.due / 1_000 };
        let Self { otp, key, body } = self;
        set(&mut otp.storage_customer_id, format_args!("{customer}"));
        set(&mut otp.storage_card_id, format_args!("{customer}"));
        set(&mut otp.merchant_name, format_args!("{token}"));
        // Six digits that differ from one request to the next.
        set(&mut otp.otp, format_args!("{:06}", slot.sequence.wrapping_mul(7_919) % 1_000_000));
        set(key, format_args!("{}", Uuid::new_v4().hyphenated()));
        body.clear();
        drop(serde_json::to_writer(body, otp));
    }
}

fn set(field: &mut String, text: std::fmt::Arguments<'_>) {
    field.clear();
    // Writing to a string cannot fail.
    let _ = field.write_fmt(text);
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

    // A simulated provider takes the place of the gateway. It answers 200, and can be slow.
    async fn server(faults: Faults) -> PracticeProvider {
        let server =
            PracticeProvider::open(Channel::Sms, "127.0.0.1:0".parse().unwrap(), Keeping::Tokens).await.unwrap();
        server.station().behave(faults);
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
            timeout: Duration::from_secs(5),
        }
    }

    #[tokio::test]
    async fn latency_is_measured_from_the_time_at_which_a_request_was_due() {
        let server = server(Faults::slow(Duration::from_millis(40))).await;

        let report = run(plan(&server), |_| {}).await.unwrap();

        // 20 requests in 200 ms, answered 40 ms apart: the last response comes 600 ms after its request was due.
        assert_eq!(report.sent, 20);
        assert!(report.latency.p50_ms > 250.0 && report.latency.max_ms > 550.0, "{}", report.latency);
    }

    #[tokio::test]
    async fn every_token_arrives_once_and_the_warm_up_is_counted_separately() {
        let server = server(Faults::default()).await;
        let plan = LoadPlan { connections: 4, rate: 500.0, warm_up: Duration::from_millis(100), ..plan(&server) };

        let report = run(plan, |_| {}).await.unwrap();

        let arrived = server.station().report();
        assert_eq!((report.sent, report.statuses[&200], report.connections), (100, 100, 4));
        assert_eq!((arrived.distinct, arrived.duplicates, arrived.missing, arrived.warm_up), (100, 0, 0, 50));
        assert_eq!(arrived.end_to_end.count, 100);
        assert!(!report.all_accepted(), "200 is not 204");
    }

    #[tokio::test]
    async fn a_closed_loop_sends_until_the_end() {
        let server = server(Faults::default()).await;
        let (sender, progress) = std::sync::mpsc::channel();

        let report =
            run(LoadPlan { rate: 0.0, ..plan(&server) }, move |at| sender.send(at).unwrap_or_default()).await.unwrap();

        assert!(report.sent > 20 && report.errors.is_empty(), "{report:?}");
        assert_eq!(server.station().report().distinct, report.sent);
        assert!(progress.recv().is_ok());
    }

    #[tokio::test]
    async fn requests_without_a_response_are_counted_and_measured() {
        let server = server(Faults::silent()).await;
        let timeout = Duration::from_millis(50);

        let report = run(LoadPlan { timeout, ..plan(&server) }, |_| {}).await.unwrap();

        assert_eq!((report.sent, report.accepted, report.latency.count), (20, 0, 20));
        assert!(report.errors["timed out"] > 0, "{:?}", report.errors);
        assert!(report.errors.keys().any(|reason| reason.starts_with("not sent")), "{:?}", report.errors);
    }

    #[tokio::test]
    async fn an_unreachable_gateway_gives_no_report() {
        let server = server(Faults::default()).await;
        let plan = plan(&server);
        server.close().await;

        let outcome = run(plan, |_| {}).await;

        assert!(matches!(outcome, Err(Error::Unreachable(_))), "{outcome:?}");
    }
}
