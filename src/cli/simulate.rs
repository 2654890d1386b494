//! `otpost simulate`: a processor that sends practice notifications, and providers that take practice messages.
//!
//! The only commands that print codes; they are made up here.

mod receipts;
mod samples;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use self::receipts::ReceiptSender;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::contact::Channel;
use crate::sim::http_client::{Identity, Target};
use crate::sim::load::{self, LoadPlan, LoadProgress};
use crate::sim::providers::PracticeProvider;
use crate::sim::providers::faults::Faults;
use crate::sim::providers::message_log::{Keeping, LoggedMessage, MessageLog};
use crate::sim::providers::tally;

/// Where the providers listen when no address is given at all.
const DEFAULT_PLACES: [(Channel, u16); 3] = [(Channel::Sms, 8601), (Channel::Push, 8602), (Channel::Email, 8603)];

/// Practise without a processor and without providers.
#[derive(Debug, Subcommand)]
pub(crate) enum Simulate {
    /// Post notifications as a card processor would, and measure the answers
    Processor(ProcessorArgs),
    /// Play an SMS gateway, a push service and a mail relay, and show what arrives
    Providers(ProvidersArgs),
}

/// A load run.
#[derive(Debug, Args)]
pub(crate) struct ProcessorArgs {
    /// The gateway, such as https://127.0.0.1:8443
    #[arg(long)]
    url: String,
    /// Client certificate and its chain (PEM); needed for https
    #[arg(long, requires_all = ["key", "ca"])]
    cert: Option<PathBuf>,
    /// Key of the client certificate (PEM)
    #[arg(long, requires = "cert")]
    key: Option<PathBuf>,
    /// The CA that the gateway's certificate comes from (PEM)
    #[arg(long, requires = "cert")]
    ca: Option<PathBuf>,
    /// What to send
    #[arg(long, value_enum, default_value_t = MessageKind::Otp)]
    kind: MessageKind,
    /// Notifications a second; 0 sends the next one when the last was answered
    #[arg(long, default_value_t = 10.0)]
    rate: f64,
    /// How long to measure: seconds, or with a unit such as 2m
    #[arg(long, default_value = "10", value_parser = span)]
    duration: Duration,
    /// How long to send before measuring
    #[arg(long, default_value = "0", value_parser = span)]
    warmup: Duration,
    /// How many connections
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// How long to wait for each answer
    #[arg(long, default_value = "10", value_parser = span)]
    timeout: Duration,
    /// The customers' numbers, in turn: one number, or FIRST..LAST
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
    /// Each of the contract's samples, once; rate, duration and the like do not matter then
    Samples,
}

/// The providers to play.
#[derive(Debug, Args)]
pub(crate) struct ProvidersArgs {
    /// Where the SMS gateway listens (HTTP); without any address all three open on 127.0.0.1, ports 8601 to 8603
    #[arg(long)]
    sms: Option<SocketAddr>,
    /// Where the push service listens (HTTP)
    #[arg(long)]
    push: Option<SocketAddr>,
    /// Where the mail relay listens (SMTP)
    #[arg(long)]
    smtp: Option<SocketAddr>,
    /// Withhold every answer this long, such as 50ms
    #[arg(long, default_value = "0", value_parser = span)]
    latency: Duration,
    /// Refuse this part of all messages, 0 to 1
    #[arg(long, default_value_t = 0.0)]
    error_rate: f64,
    /// Refuse with this HTTP status
    #[arg(long, default_value_t = 503)]
    status: u16,
    /// Tell the sender of a refused message to come back after so many seconds
    #[arg(long)]
    retry_after: Option<u32>,
    /// Never answer, and forget what came
    #[arg(long)]
    black_hole: bool,
    /// Report each SMS as delivered to this address, such as http://127.0.0.1:8444/receipts/sms
    #[arg(long, requires = "receipts_secret", conflicts_with = "count_only")]
    receipts: Option<String>,
    /// Sign those reports with the secret in this file (HMAC-SHA-256 in X-Signature, the time in X-Timestamp)
    #[arg(long, requires = "receipts")]
    receipts_secret: Option<PathBuf>,
    /// Count only: no line per message, nothing kept but counts
    #[arg(long, visible_alias = "quiet")]
    count_only: bool,
    /// One JSON document per message, and one at the end
    #[arg(long)]
    json: bool,
}

/// Runs one of the simulations.
pub(crate) async fn run(command: Simulate) -> anyhow::Result<ExitCode> {
    match command {
        Simulate::Processor(args) => post(args).await,
        Simulate::Providers(args) => crate::sim::alone(move || receive(args)).await?,
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
        patience: args.timeout,
    };
    let bar = progress_bar(args.warmup + args.duration);
    let told = bar.clone();
    let report = load::run(plan, move |progress| tell(&told, progress)).await;
    bar.finish_and_clear();
    let report = report?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        write_load(&mut out, &report)?;
    }
    Ok(if report.all_taken() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn progress_bar(whole: Duration) -> ProgressBar {
    let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(u64::try_from(whole.as_millis()).ok(), target);
    match ProgressStyle::with_template("{elapsed:>4} {wide_bar} {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn tell(bar: &ProgressBar, progress: LoadProgress) {
    bar.set_position(u64::try_from(progress.elapsed.as_millis()).unwrap_or(u64::MAX));
    bar.set_message(format!("{} sent, {} taken", progress.sent, progress.taken));
}

fn write_load(out: &mut impl Write, report: &load::LoadReport) -> io::Result<()> {
    writeln!(out, "sent     {:>9}", report.sent)?;
    writeln!(out, "204      {:>9}   {:.1} a second", report.taken, report.rate)?;
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
    let places = places(&args);
    let open = |(channel, address): &(Channel, SocketAddr)| (Arc::new(MessageLog::new(*channel, keeping)), *address);
    let (stations, addresses): (Vec<_>, Vec<_>) = places.iter().map(open).unzip();
    let stations: Arc<[_]> = stations.into();
    let mut providers = Vec::new();
    for (station, address) in stations.iter().zip(addresses) {
        station.behave(behaviour(&args));
        tokio::spawn(show(station.subscribe(), args.json));
        if let (Channel::Sms, Some(url), Some(secret)) = (station.channel(), &args.receipts, &args.receipts_secret) {
            tokio::spawn(ReceiptSender::to(url, secret)?.run(station.subscribe()));
        }
        let provider = PracticeProvider::serve(Arc::clone(station), address, Arc::clone(&stations)).await;
        let provider = provider.with_context(|| format!("{} cannot listen on {address}", station.channel()))?;
        let scheme = if station.channel() == Channel::Email { "smtp" } else { "http" };
        writeln!(io::stderr(), "{:<5} listens on {scheme}://{}", station.channel().name(), provider.address())?;
        providers.push(provider);
    }
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    let mut out = io::stdout().lock();
    for station in stations.iter() {
        write_summary(&mut out, &station.report(), args.json)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn places(args: &ProvidersArgs) -> Vec<(Channel, SocketAddr)> {
    let asked = [(Channel::Sms, args.sms), (Channel::Push, args.push), (Channel::Email, args.smtp)];
    let asked: Vec<_> = asked.into_iter().filter_map(|(channel, at)| at.map(|at| (channel, at))).collect();
    if !asked.is_empty() {
        return asked;
    }
    DEFAULT_PLACES.map(|(channel, port)| (channel, SocketAddr::from(([127, 0, 0, 1], port)))).into()
}

fn behaviour(args: &ProvidersArgs) -> Faults {
    Faults {
        error_rate: args.error_rate,
        status: args.status,
        black_hole: args.black_hole,
        retry_after_s: args.retry_after,
        ..Faults::slow(args.latency)
    }
}

async fn show(mut arrivals: broadcast::Receiver<Arc<LoggedMessage>>, json: bool) -> io::Result<()> {
    loop {
        match arrivals.recv().await {
            Ok(arrival) if json => writeln!(io::stdout(), "{}", serde_json::to_string(&*arrival)?)?,
            Ok(arrival) => write_arrival(&mut io::stdout(), &arrival)?,
            Err(RecvError::Lagged(missed)) => writeln!(io::stderr(), "{missed} more, not shown")?,
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

fn write_arrival(out: &mut impl Write, arrival: &LoggedMessage) -> io::Result<()> {
    let LoggedMessage { channel, to, text, .. } = arrival;
    let title = arrival.title.as_ref().map(|title| format!("{title}: ")).unwrap_or_default();
    writeln!(out, "{} {:<5} {}", SystemClock.now(), channel.name(), one_line(&format!("{to}  {title}{text}")))
}

// What arrives may have been written by anybody: nothing of it steers the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn write_summary(out: &mut impl Write, report: &tally::TallyReport, json: bool) -> io::Result<()> {
    if json {
        return writeln!(out, "{}", serde_json::to_string(report)?);
    }
    let tally::TallyReport { channel, total, refused, swallowed, unreadable, .. } = report;
    writeln!(
        out,
        "{:<5} {total} arrived, {refused} refused, {swallowed} swallowed, {unreadable} unreadable",
        channel.name()
    )?;
    if report.distinct == 0 {
        return Ok(());
    }
    let tally::TallyReport { distinct, duplicates, missing, end_to_end, .. } = report;
    writeln!(out, "      measured: {distinct} distinct, {duplicates} twice, {missing} missing; end to end {end_to_end}")
}

fn span(text: &str) -> Result<Duration, String> {
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).ok();
    let span = match text.parse::<f64>() {
        Ok(number) => seconds(number),
        Err(_) => text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok()),
    };
    span.ok_or_else(|| "expected seconds, or a span such as 50ms, 2s or 1m".to_owned())
}

fn numbers(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
        _ => Err("expected a number, or two with .. between, the smaller one first".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_numbers_are_read_as_recipients_write_them() {
        assert_eq!(span("50ms"), Ok(Duration::from_millis(50)));
        assert_eq!(span("2.5"), Ok(Duration::from_millis(2_500)));
        assert_eq!(span("1m"), Ok(Duration::from_mins(1)));
        assert!(span("-1s").is_err() && span("soon").is_err());
        assert_eq!(numbers("7"), Ok(7..=7));
        assert_eq!(numbers("1..1000"), Ok(1..=1000));
        assert!(numbers("9..1").is_err());
    }

    #[test]
    fn an_arrival_is_one_line_that_cannot_steer_the_terminal() {
        let mut out = Vec::new();
        let text = "Kod 1111\n\u{1b}[2Jza zakup".to_owned();
        let (to, channel) = ("+48600100200".to_owned(), Channel::Sms);
        write_arrival(&mut out, &LoggedMessage { channel, to, title: None, text, reference: None, at_us: 0 }).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert!(line.ends_with("sms   +48600100200  Kod 1111  [2Jza zakup\n"), "{line}");
    }
}
