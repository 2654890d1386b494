//! `otpost simulate`: a simulated processor that posts notifications, and simulated providers that receive messages.
//!
//! These are the only commands that print codes. The codes are fictitious.

mod receipts;
mod samples;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use indicatif::ProgressBar;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use self::receipts::ReceiptSender;
use crate::cli::progress_bar::progress_bar;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::contact::Channel;
use crate::sim::http_client::{Identity, Target};
use crate::sim::load::{self, LoadPlan, LoadProgress};
use crate::sim::providers::PracticeProvider;
use crate::sim::providers::faults::Faults;
use crate::sim::providers::message_log::{Keeping, LoggedMessage, MessageLog};
use crate::sim::providers::tally;

/// The default ports, if no address is given.
const DEFAULT_PORTS: [(Channel, u16); 3] = [(Channel::Sms, 8601), (Channel::Push, 8602), (Channel::Email, 8603)];

#[derive(Debug, Subcommand)]
pub(crate) enum Simulate {
    /// Simulate a card processor: post notifications and measure the responses
    Processor(ProcessorArgs),
    /// Simulate an SMS gateway, a push service and a mail relay, and show the received messages
    Providers(ProvidersArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ProcessorArgs {
    /// URL of the gateway, such as https://127.0.0.1:8443
    #[arg(long)]
    url: String,
    /// Client certificate with its chain (PEM); required for https
    #[arg(long, requires_all = ["key", "ca"])]
    cert: Option<PathBuf>,
    /// Key of the client certificate (PEM)
    #[arg(long, requires = "cert")]
    key: Option<PathBuf>,
    /// CA that issued the gateway's certificate (PEM)
    #[arg(long, requires = "cert")]
    ca: Option<PathBuf>,
    /// Notifications to send
    #[arg(long, value_enum, default_value_t = MessageKind::Otp)]
    kind: MessageKind,
    /// Notifications per second; with 0, each connection sends the next one after the last response
    #[arg(long, default_value_t = 10.0)]
    rate: f64,
    /// Duration of the measurement, in seconds or with a unit, such as 2m
    #[arg(long, default_value = "10", value_parser = span)]
    duration: Duration,
    /// Duration of the warm-up before the measurement
    #[arg(long, default_value = "0", value_parser = span)]
    warmup: Duration,
    /// Number of connections
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Timeout of each response
    #[arg(long, default_value = "10", value_parser = span)]
    timeout: Duration,
    /// Customer numbers, used in turn: one number, or FIRST..LAST
    #[arg(long, default_value = "1337", value_parser = numbers)]
    customers: RangeInclusive<u64>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MessageKind {
    /// One-time passwords
    Otp,
    /// Each published sample once; load options are ignored
    Samples,
}

#[derive(Debug, Args)]
pub(crate) struct ProvidersArgs {
    /// Listen address of the SMS gateway (HTTP) [default without any address: all three on 127.0.0.1, ports 8601 to
    /// 8603]
    #[arg(long)]
    sms: Option<SocketAddr>,
    /// Listen address of the push service (HTTP)
    #[arg(long)]
    push: Option<SocketAddr>,
    /// Listen address of the mail relay (SMTP)
    #[arg(long)]
    smtp: Option<SocketAddr>,
    /// Delay every response, such as 50ms
    #[arg(long, default_value = "0", value_parser = span)]
    latency: Duration,
    /// Reject this share of all messages, 0 to 1
    #[arg(long, default_value_t = 0.0)]
    error_rate: f64,
    /// HTTP status of a rejection
    #[arg(long, default_value_t = 503)]
    status: u16,
    /// Retry-After of a rejection, in seconds
    #[arg(long)]
    retry_after: Option<u32>,
    /// Never answer, and do not log messages
    #[arg(long)]
    black_hole: bool,
    /// Send a delivery receipt for each SMS to this URL, such as http://127.0.0.1:8444/receipts/sms
    #[arg(long, requires = "receipts_secret", conflicts_with = "count_only")]
    receipts: Option<String>,
    /// Sign receipts with the secret in this file (HMAC-SHA-256 in X-Signature, the time in X-Timestamp)
    #[arg(long, requires = "receipts")]
    receipts_secret: Option<PathBuf>,
    /// Only count messages; do not print or keep them
    #[arg(long, visible_alias = "quiet")]
    count_only: bool,
    /// Print one JSON document per message, and a summary
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(command: Simulate) -> anyhow::Result<ExitCode> {
    match command {
        Simulate::Processor(args) => post(args).await,
        Simulate::Providers(args) => crate::sim::on_own_thread(move || receive(args)).await?,
    }
}

async fn post(args: ProcessorArgs) -> anyhow::Result<ExitCode> {
    let identity = match (&args.cert, &args.key, &args.ca) {
        (Some(cert), Some(key), Some(ca)) => Some(Identity::from_files(cert, key, ca)?),
        _ => None,
    };
    if let MessageKind::Samples = args.kind {
        return samples::post(&args.url, identity.as_ref(), args.json).await;
    }
    let plan = LoadPlan {
        target: Target::new(&args.url, identity.as_ref())?,
        rate: args.rate,
        warm_up: args.warmup,
        duration: args.duration,
        connections: args.connections,
        customers: args.customers,
        timeout: args.timeout,
    };
    let bar =
        progress_bar(u64::try_from((args.warmup + args.duration).as_millis()).ok(), "{elapsed:>4} {wide_bar} {msg}");
    let shown = bar.clone();
    let report = load::run(plan, move |progress| show_progress(&shown, progress)).await;
    bar.finish_and_clear();
    let report = report?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        write_load(&mut out, &report)?;
    }
    Ok(if report.all_accepted() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show_progress(bar: &ProgressBar, progress: LoadProgress) {
    bar.set_position(u64::try_from(progress.elapsed.as_millis()).unwrap_or(u64::MAX));
    bar.set_message(format!("{} sent, {} accepted", progress.sent, progress.accepted));
}

fn write_load(out: &mut impl Write, report: &load::LoadReport) -> io::Result<()> {
    writeln!(out, "sent     {:>9}", report.sent)?;
    writeln!(out, "204      {:>9}   {:.1} per second", report.accepted, report.rate)?;
    for (status, count) in report.statuses.iter().filter(|(status, _)| **status != 204) {
        writeln!(out, "{status}      {count:>9}")?;
    }
    for (reason, count) in &report.errors {
        writeln!(out, "failed   {count:>9}   {reason}")?;
    }
    let p = &report.latency;
    let rows = [("p50", p.p50_ms), ("p90", p.p90_ms), ("p99", p.p99_ms), ("p99.9", p.p999_ms), ("max", p.max_ms)];
    rows.into_iter().try_for_each(|(name, value)| writeln!(out, "{name:<8} {value:>9.2} ms"))
}

async fn receive(args: ProvidersArgs) -> anyhow::Result<ExitCode> {
    let keeping = if args.count_only { Keeping::Tokens } else { Keeping::Arrivals };
    let addresses = listen_addresses(&args);
    let open = |(channel, address): &(Channel, SocketAddr)| (Arc::new(MessageLog::new(*channel, keeping)), *address);
    let (logs, addresses): (Vec<_>, Vec<_>) = addresses.iter().map(open).unzip();
    let logs: Arc<[_]> = logs.into();
    let mut providers = Vec::new();
    for (log, address) in logs.iter().zip(addresses) {
        log.behave(faults(&args));
        tokio::spawn(show(log.subscribe(), args.json));
        if let (Channel::Sms, Some(url), Some(secret)) = (log.channel(), &args.receipts, &args.receipts_secret) {
            tokio::spawn(ReceiptSender::to(url, secret)?.run(log.subscribe()));
        }
        let provider = PracticeProvider::serve(Arc::clone(log), address, Arc::clone(&logs)).await;
        let provider = provider.with_context(|| format!("{} cannot listen on {address}", log.channel()))?;
        let scheme = if log.channel() == Channel::Email { "smtp" } else { "http" };
        writeln!(io::stderr(), "{:<5} listens on {scheme}://{}", log.channel().name(), provider.address())?;
        providers.push(provider);
    }
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    let mut out = io::stdout().lock();
    for log in logs.iter() {
        write_summary(&mut out, &log.report(), args.json)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn listen_addresses(args: &ProvidersArgs) -> Vec<(Channel, SocketAddr)> {
    let given = [(Channel::Sms, args.sms), (Channel::Push, args.push), (Channel::Email, args.smtp)];
    let given: Vec<_> = given.into_iter().filter_map(|(channel, at)| at.map(|at| (channel, at))).collect();
    if !given.is_empty() {
        return given;
    }
    DEFAULT_PORTS.map(|(channel, port)| (channel, SocketAddr::from(([127, 0, 0, 1], port)))).into()
}

fn faults(args: &ProvidersArgs) -> Faults {
    Faults {
        error_rate: args.error_rate,
        status: args.status,
        black_hole: args.black_hole,
        retry_after_s: args.retry_after,
        ..Faults::slow(args.latency)
    }
}

async fn show(mut messages: broadcast::Receiver<Arc<LoggedMessage>>, json: bool) -> io::Result<()> {
    loop {
        match messages.recv().await {
            Ok(message) if json => writeln!(io::stdout(), "{}", serde_json::to_string(&*message)?)?,
            Ok(message) => write_message(&mut io::stdout(), &message)?,
            Err(RecvError::Lagged(missed)) => writeln!(io::stderr(), "{missed} more messages, not shown")?,
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

fn write_message(out: &mut impl Write, message: &LoggedMessage) -> io::Result<()> {
    let LoggedMessage { channel, to, text, .. } = message;
    let title = message.title.as_ref().map(|title| format!("{title}: ")).unwrap_or_default();
    writeln!(out, "{} {:<5} {}", SystemClock.now(), channel.name(), one_line(&format!("{to}  {title}{text}")))
}

// Messages are untrusted input: control characters must not reach the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn write_summary(out: &mut impl Write, report: &tally::TallyReport, json: bool) -> io::Result<()> {
    if json {
        return writeln!(out, "{}", serde_json::to_string(report)?);
    }
    let tally::TallyReport { channel, total, rejected, unanswered, unreadable, .. } = report;
    writeln!(
        out,
        "{:<5} {total} accepted, {rejected} rejected, {unanswered} unanswered, {unreadable} unreadable",
        channel.name()
    )?;
    if report.distinct == 0 {
        return Ok(());
    }
    let tally::TallyReport { distinct, duplicates, missing, end_to_end, .. } = report;
    writeln!(
        out,
        "      measured: {distinct} distinct, {duplicates} duplicates, {missing} missing; end to end {end_to_end}"
    )
}

fn span(text: &str) -> Result<Duration, String> {
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).ok();
    let span = match text.parse::<f64>() {
        Ok(number) => seconds(number),
        Err(_) => text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok()),
    };
    span.ok_or_else(|| "expected seconds, or a duration such as 50ms, 2s or 1m".to_owned())
}

fn numbers(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
        _ => Err("expected a number, or a range such as 1..1000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_ranges_are_parsed() {
        assert_eq!(span("50ms"), Ok(Duration::from_millis(50)));
        assert_eq!(span("2.5"), Ok(Duration::from_millis(2_500)));
        assert_eq!(span("1m"), Ok(Duration::from_mins(1)));
        assert!(span("-1s").is_err() && span("soon").is_err());
        assert_eq!(numbers("7"), Ok(7..=7));
        assert_eq!(numbers("1..1000"), Ok(1..=1000));
        assert!(numbers("9..1").is_err());
    }

    #[test]
    fn a_message_is_printed_on_one_line_without_control_characters() {
        let mut out = Vec::new();
        let text = "Kod 1111\n\u{1b}[2Jza zakup".to_owned();
        let (to, channel) = ("+48600100200".to_owned(), Channel::Sms);
        write_message(&mut out, &LoggedMessage { channel, to, title: None, text, reference: None, at_us: 0 }).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert!(line.ends_with("sms   +48600100200  Kod 1111  [2Jza zakup\n"), "{line}");
    }
}
