//! The part of the overview that a browser reads again every ten seconds.

use std::time::Duration;

use serde::Serialize;

use super::advice;
use crate::console::Console;
use crate::console::pages::{PageError, upkeep};
use crate::domain::clock::Timestamp;
use crate::domain::notification::Priority;
use crate::flow::inspector::{Answer, Question};
use crate::flow::providers::report::ProviderReport;
use crate::flow::recent::RecentTotals;
use crate::pki::expiry;
use crate::report::totals::Totals;

/// A certificate is shown when less than this is left.
const SHOWN_DAYS: i64 = 90;

#[derive(Serialize)]
pub(super) struct LivePart {
    now: Timestamp,
    alarms: Vec<ShownAlarm>,
    queues: Vec<Queue>,
    periods: Vec<PeriodTable>,
    behind: Option<Timestamp>,
    providers: Vec<ProviderRow>,
    providers_refused: Option<String>,
    certificates: Vec<CertificateRow>,
    more_certificates: usize,
}

#[derive(Serialize)]
struct ShownAlarm {
    name: &'static str,
    detail: String,
    meaning: &'static str,
    advice: &'static str,
}

#[derive(Serialize)]
struct Queue {
    name: &'static str,
    depth: u64,
    /// How long the oldest of them is open.
    oldest: Option<String>,
}

#[derive(Serialize)]
struct PeriodTable {
    id: &'static str,
    name: &'static str,
    since: Timestamp,
    rows: Vec<KindRow>,
}

#[derive(Serialize)]
struct KindRow {
    kind: String,
    accepted: u64,
    open: u64,
    sent: u64,
    confirmed: u64,
    failed: u64,
    expired: u64,
    unknown: u64,
    /// Superseded, suppressed, or too old when it arrived.
    not_sent: u64,
    send_p95: Option<String>,
    deliver_p95: Option<String>,
}

#[derive(Serialize)]
struct ProviderRow {
    name: String,
    channel: &'static str,
    circuit: Option<String>,
    tone: &'static str,
    drained_since: Option<String>,
    drain_reason: Option<String>,
    attempts: Option<u32>,
    failures: Option<u32>,
    latency: Option<String>,
    demoted: Option<String>,
}

#[derive(Serialize)]
struct CertificateRow {
    name: String,
    end: Timestamp,
    days: i64,
    advice: Option<&'static str>,
    tone: &'static str,
}

pub(super) async fn read(console: &Console, recent: &RecentTotals) -> Result<LivePart, PageError> {
    let (steady, now) = (console.clocks.steady.now(), console.clocks.wall.now());
    let backlogs = console.store.reports().backlogs().await?;
    let queues = backlogs.map(|backlog| Queue {
        name: if backlog.priority == Priority::Otp { "Codes" } else { "Other notifications" },
        depth: backlog.depth,
        oldest: backlog.oldest.map(|oldest| span(steady.since(oldest))),
    });
    let alarms = console.alarms.active().into_iter().map(|it| {
        let [meaning, advice] = advice::of(it.alarm);
        ShownAlarm { name: it.alarm.name(), detail: it.detail, meaning, advice }
    });
    let (providers, providers_refused) = match console.inspector.answer(Question::Providers).await {
        Answer::Providers { providers, .. } => (providers.into_iter().map(provider_row).collect(), None),
        Answer::Refused { reason } => (Vec::new(), Some(reason)),
        Answer::Explained { .. } | Answer::Config { .. } => (Vec::new(), None),
    };
    let ends = console.expiry.ends();
    let mut certificates: Vec<_> = ends.into_iter().map(|(name, end)| certificate_row(&name, end, now)).collect();
    certificates.sort_by_key(|it| it.end);
    let urgent = certificates.iter().take_while(|it| it.days < SHOWN_DAYS).count().max(1).min(certificates.len());
    let more_certificates = certificates.split_off(urgent).len();
    Ok(LivePart {
        now,
        alarms: alarms.collect(),
        queues: queues.into(),
        periods: periods(recent),
        behind: recent.behind,
        providers,
        providers_refused,
        certificates,
        more_certificates,
    })
}

fn periods(recent: &RecentTotals) -> Vec<PeriodTable> {
    let period = |at: usize, id, name| {
        let rows = recent.by_kind.iter().map(|(kind, sums)| (kind, &sums[at])).filter(|(_, sums)| sums.accepted() > 0);
        PeriodTable { id, name, since: recent.since[at], rows: rows.map(|(kind, sums)| kind_row(kind, sums)).collect() }
    };
    vec![period(1, "last-hour", "Last hour"), period(0, "last-day", "Last day")]
}

fn kind_row(kind: &str, sums: &Totals) -> KindRow {
    KindRow {
        kind: kind.to_owned(),
        accepted: sums.accepted(),
        open: sums.open,
        sent: sums.sent,
        confirmed: sums.confirmed,
        failed: sums.failed,
        expired: sums.expired,
        unknown: sums.unknown,
        not_sent: sums.superseded + sums.suppressed + sums.not_sent,
        send_p95: sums.counts.send.quantile(0.95).map(span),
        deliver_p95: sums.counts.deliver.quantile(0.95).map(span),
    }
}

fn provider_row(report: ProviderReport) -> ProviderRow {
    let tone = match report.circuit.as_deref() {
        _ if report.drained => "badge-quiet",
        Some("closed") => "badge-ok",
        Some("half_open") => "badge-warn",
        Some("open") => "badge-bad",
        _ => "badge-quiet",
    };
    ProviderRow {
        name: report.name,
        channel: report.channel.name(),
        circuit: report.circuit,
        tone,
        drained_since: report.drained_since,
        drain_reason: report.drain_reason,
        attempts: report.recent_attempts,
        failures: report.recent_failures,
        latency: report.latency_ms.map(|ms| span(Duration::from_millis(ms))),
        demoted: report.demoted,
    }
}

fn certificate_row(name: &str, end: Timestamp, now: Timestamp) -> CertificateRow {
    let warning = expiry::warning(end, now);
    let tone = match warning.map(expiry::ExpiryWarning::days) {
        None => "badge-quiet",
        Some(8..) => "badge-warn",
        Some(_) => "badge-bad",
    };
    CertificateRow {
        name: upkeep::title(name),
        end,
        days: expiry::days_left(end, now),
        advice: warning.map(expiry::ExpiryWarning::advice),
        tone,
    }
}

/// A span as people compare it: `320 ms`, `1.4 s`, `12 min`, `3 h 05 min`.
pub(in crate::console::pages) fn span(span: Duration) -> String {
    let (ms, seconds) = (span.as_millis(), span.as_secs());
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{}.{} s", seconds, ms % 1_000 / 100),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3_600..172_800 => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}
