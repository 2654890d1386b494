//! `otpost demo`: a whole gateway in one process. A simulated processor posts over mutual TLS, and the messages that
//! simulated providers receive are shown.
//!
//! Nothing is bypassed: sockets, certificates and database are those of a gateway in production.

mod demo_users;
mod environment;
mod expectations;
mod fixtures;
mod partners;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use self::report::{DemoOutput, ShownMessage};
use super::output;
use super::workspace::CA_CERTIFICATE;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::sim::processor::{OTP_PATH, OtpSample, Processor};
use crate::sim::providers::message_log::LoggedMessage;
use crate::sim::stopwatch::monotonic_us;
use demo_users::DemoUser;
use environment::DemoEnvironment;
use expectations::{Expectations, masked};
use fixtures::Scenario;

/// How long all messages may take; if they take longer, something is broken.
const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// End when every message has arrived; exit code 1 unless each arrived exactly once
    #[arg(long)]
    once: bool,
    /// Create the workspace in this folder and keep it [default: a temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Use the templates of this folder [default: the shipped templates]
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// Print one JSON object per line: the addresses first, then each request and each message
    #[arg(long)]
    json: bool,
    /// Send a code through each kind of provider to a program of other makers, then end; in a checkout, after ./tests/run
    #[arg(long, value_name = "WHICH", default_value = "simulated", conflicts_with_all = ["dir", "templates"])]
    providers: DemoProviders,
}

/// Where the demo's messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DemoProviders {
    /// To simulated providers, one for each channel.
    Simulated,
    /// To the partners of the tests, one for each kind of provider.
    All,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.providers == DemoProviders::All {
        return partners::run(args.json).await;
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // The window of the terminal was closed.
    let mut hangup = signal(SignalKind::hangup())?;
    let environment = DemoEnvironment::start(args.dir.as_deref(), args.templates.as_deref(), !args.once).await?;
    let (output, expectations) = (DemoOutput::new(args.json), Expectations::default());
    let mut demo = Demo { environment, output, expectations };
    // With --once an interrupted demo is incomplete; without it there is no other way to end.
    let interrupted = if args.once { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    let result = tokio::select! {
        result = demo.show(args.once) => result,
        _ = terminate.recv() => Ok(interrupted),
        _ = interrupt.recv() => Ok(interrupted),
        _ = hangup.recv() => Ok(interrupted),
    };
    let Demo { environment, output, .. } = demo;
    if !environment.is_temporary() {
        output.line(format_args!("\nThe workspace is kept in {}", environment.workspace.folder().display()))?;
    }
    environment.shut_down().await?;
    result
}

struct Demo {
    environment: DemoEnvironment,
    output: DemoOutput,
    expectations: Expectations,
}

impl Demo {
    async fn show(&mut self, once: bool) -> anyhow::Result<ExitCode> {
        self.print_introduction(once)?;
        self.post_all().await?;
        let code = self.print_result()?;
        if !once {
            self.print_invitation()?;
            self.keep_showing().await?;
        }
        Ok(code)
    }

    fn print_introduction(&self, once: bool) -> anyhow::Result<()> {
        let Self { environment, output, .. } = self;
        output.event("gateway", || environment.describe())?;
        output.heading("otpost demo: a gateway with simulated providers and a simulated processor on this machine")?;
        output.item("gateway", format_args!("{}  (mutual TLS)", environment.url()))?;
        environment.addresses().try_for_each(|(channel, address)| output.item(channel.name(), address))?;
        if let Some(url) = environment.console_url() {
            output.item("console", url)?;
            for user in &environment.users {
                let DemoUser { name, password, purpose } = user;
                output.item("", format_args!("sign in as {name} with {password}  ({purpose})"))?;
            }
        }
        let note = if environment.is_temporary() { "  (removed at the end; --dir keeps it)" } else { "" };
        output.item("workspace", format_args!("{}{note}", environment.workspace.folder().display()))?;
        if !once {
            match &environment.templates {
                Some(folder) => {
                    let folder = folder.display();
                    output.item("templates", format_args!("{folder}  (a change applies to the next message)"))?;
                }
                None => output.item("templates", "edited in the console; --templates DIR uses those of a folder")?,
            }
        }
        output.heading("Requests, the messages that recipients get, and the time from request to message")
    }

    async fn post_all(&mut self) -> anyhow::Result<()> {
        let mut processor = self.environment.processor()?;
        let deadline = Instant::now() + TIMEOUT;
        for scenario in fixtures::scenarios(SystemClock.now()) {
            self.post(&mut processor, &scenario).await?;
            if scenario.expected.is_empty() {
                self.wait_until_idle().await?;
                self.output.remark("duplicate: not sent again")?;
            }
            while !self.expectations.are_met() {
                let Ok(arrival) = tokio::time::timeout_at(deadline, self.environment.messages.next()).await else {
                    break;
                };
                self.receive(&arrival).await?;
            }
        }
        self.wait_until_idle().await
    }

    async fn post(&mut self, processor: &mut Processor, scenario: &Scenario) -> anyhow::Result<()> {
        let sent_us = monotonic_us();
        let response = processor.post(scenario.sample.path, &scenario.sample.body, scenario.key.as_deref()).await;
        let response = response.with_context(|| format!("POST {} failed", scenario.sample.path))?;
        self.output.posted(scenario, &response)?;
        anyhow::ensure!(
            response.status == 204,
            "POST {} was answered with {} {}",
            scenario.sample.path,
            response.status,
            response.body
        );
        scenario.expected.iter().for_each(|expected| self.expectations.expect(*expected, sent_us));
        Ok(())
    }

    // Then every message that can arrive has arrived and is shown.
    async fn wait_until_idle(&mut self) -> anyhow::Result<()> {
        self.environment.wait_until_idle().await?;
        for arrival in self.environment.messages.received() {
            self.receive(&arrival).await?;
        }
        Ok(())
    }

    async fn receive(&mut self, arrival: &LoggedMessage) -> anyhow::Result<()> {
        let origin = self.environment.origin(arrival).await?;
        let kind = origin.as_ref().map_or("unknown", |(kind, _)| kind);
        let expected = self.expectations.record(kind, arrival.channel, &arrival.to, arrival.at_us);
        let took_us = expected.map(|it| it.took_us).unwrap_or_default();
        self.display(arrival, kind, expected.map(|it| it.locale), took_us)
    }

    fn display(&self, arrival: &LoggedMessage, kind: &str, locale: Option<&str>, took_us: u64) -> anyhow::Result<()> {
        let LoggedMessage { channel, to, title, text, .. } = arrival;
        self.output.message(&ShownMessage {
            channel: *channel,
            contact: masked(*channel, to),
            title: title.as_deref(),
            text,
            milliseconds: in_ms(took_us),
            kind,
            locale,
        })
    }

    fn print_result(&self) -> anyhow::Result<ExitCode> {
        let failures = self.expectations.failures();
        let (arrived, slowest) = (self.expectations.arrived(), in_ms(self.expectations.slowest_us()));
        if failures.is_empty() {
            let text = format!("{arrived} messages, each delivered once; the slowest took {slowest:.1} ms");
            self.output.heading(&text)?;
            return Ok(ExitCode::SUCCESS);
        }
        self.output.heading(&format!("{arrived} messages arrived; the slowest took {slowest:.1} ms"))?;
        for failure in &failures {
            output::error(failure);
        }
        Ok(ExitCode::FAILURE)
    }

    fn print_invitation(&self) -> anyhow::Result<()> {
        let Self { environment, output, .. } = self;
        let file = |name: &str| quoted(&environment.workspace.path(name).display().to_string());
        output.heading("Try it: post a notification. The message is shown here; Ctrl-C ends the demo.")?;
        output.line("")?;
        output.line("curl -sS -w '%{http_code}\\n' \\")?;
        output.line(format_args!("  --cacert {} \\", file(CA_CERTIFICATE)))?;
        output.line(format_args!("  --cert {} \\", file("pki/processor.pem")))?;
        output.line(format_args!("  --key {} \\", file("pki/processor.key")))?;
        output.line("  -H 'Content-Type: application/json' \\")?;
        output.line(format_args!("  -d {} \\", quoted(&OtpSample::default().sample().body)))?;
        output.line(format_args!("  {}{OTP_PATH}\n", environment.url()))
    }

    async fn keep_showing(&mut self) -> anyhow::Result<()> {
        loop {
            let arrival = tokio::select! {
                arrival = self.environment.messages.next() => arrival,
                why = self.environment.gateway.failed() => anyhow::bail!("the database failed: {why}"),
            };
            let origin = self.environment.origin(&arrival).await?;
            let (kind, received_at) = origin.unwrap_or_else(|| ("unknown".to_owned(), SystemClock.now()));
            self.display(&arrival, &kind, None, since(received_at, &arrival))?;
        }
    }
}

// The time at which another program sent the request is unknown, so the gateway's time of receipt counts.
fn since(received_at: Timestamp, arrival: &LoggedMessage) -> u64 {
    let ago = Duration::from_micros(monotonic_us().saturating_sub(arrival.at_us));
    u64::try_from(SystemClock.now().before(ago).since(received_at).as_micros()).unwrap_or(u64::MAX)
}

fn in_ms(us: u64) -> f64 {
    f64::from(u32::try_from(us).unwrap_or(u32::MAX)) / 1_000.0
}

// Quoted for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
