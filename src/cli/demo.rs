//! `otpost demo`: a whole gateway to look at. A processor posts over mutual TLS, practice providers show what people get.
//!
//! Nothing in it is a shortcut: the sockets, the certificates and the database are those of a gateway in earnest.

mod environment;
mod expectations;
mod fixtures;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use self::report::{DemoOutput, ShownMessage};
use super::output;
use super::workspace::AUTHORITY;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::sim::processor::{OTP_PATH, OtpSample, Processor};
use crate::sim::providers::message_log::LoggedMessage;
use crate::sim::stopwatch::monotonic_us;
use environment::DemoEnvironment;
use expectations::{Expectations, masked};
use fixtures::Scenario;

/// How long messages may take altogether; a demo that needs longer shows something broken.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the demo can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// End when every message has arrived; exit code 1 unless each came exactly once
    #[arg(long)]
    once: bool,
    /// Make the workspace here and keep it, rather than in a temporary folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Tell people in the words of this folder, rather than in those otpost comes with
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// One JSON object a message, and nothing else
    #[arg(long)]
    json: bool,
}

/// Shows a gateway at work.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stage = DemoEnvironment::set(args.dir.as_deref(), args.templates.as_deref(), !args.once).await?;
    let mut demo = Demo { stage, screen: DemoOutput::new(args.json), ledger: Expectations::default() };
    // Told to end: what was to be seen whole was not; the demo that goes on has no other end.
    let cut_short = if args.once { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    let shown = tokio::select! {
        shown = demo.show(args.once) => shown,
        _ = terminate.recv() => Ok(cut_short),
        _ = interrupt.recv() => Ok(cut_short),
    };
    let Demo { stage, screen, .. } = demo;
    if !args.once || !stage.is_temporary() {
        screen.say(format_args!("\nThe workspace stays in {}", stage.workspace.folder().display()))?;
    }
    stage.strike(!args.once).await?;
    shown
}

struct Demo {
    stage: DemoEnvironment,
    screen: DemoOutput,
    ledger: Expectations,
}

impl Demo {
    async fn show(&mut self, once: bool) -> anyhow::Result<ExitCode> {
        self.introduce(once)?;
        self.play().await?;
        let code = self.judge()?;
        if !once {
            self.invite()?;
            self.keep_showing().await?;
        }
        Ok(code)
    }

    fn introduce(&self, once: bool) -> anyhow::Result<()> {
        let Self { stage, screen, .. } = self;
        screen.heading("otpost demo: a gateway, its providers and a processor, on the sockets of this machine")?;
        screen.item("gateway", format_args!("{}  (mutual TLS)", stage.url()))?;
        stage.addresses().try_for_each(|(channel, address)| screen.item(channel.name(), address))?;
        let fate = if once && stage.is_temporary() { "  (removed at the end)" } else { "" };
        screen.item("workspace", format_args!("{}{fate}", stage.workspace.folder().display()))?;
        if !once {
            screen.item("texts", format_args!("{}  (a change is in the next message)", stage.words.display()))?;
        }
        screen.heading("What is posted, what people get, and how long after it was posted")
    }

    async fn play(&mut self) -> anyhow::Result<()> {
        let mut processor = self.stage.processor()?;
        let deadline = Instant::now() + PATIENCE;
        for scene in fixtures::scenes(SystemClock.now()) {
            self.post(&mut processor, &scene).await?;
            if scene.told.is_empty() {
                self.wait_for_quiet().await?;
                self.screen.remark("nobody is told twice")?;
            }
            while !self.ledger.is_met() {
                let Ok(arrival) = tokio::time::timeout_at(deadline, self.stage.inbox.next()).await else { break };
                self.receive(&arrival).await?;
            }
        }
        self.wait_for_quiet().await
    }

    async fn post(&mut self, processor: &mut Processor, scene: &Scenario) -> anyhow::Result<()> {
        let sent_us = monotonic_us();
        let answer = processor.post(scene.sample.path, &scene.sample.body, scene.key.as_deref()).await;
        let answer = answer.with_context(|| format!("POST {} got no answer", scene.sample.path))?;
        self.screen.posted(scene, &answer)?;
        anyhow::ensure!(
            answer.status == 204,
            "POST {} was answered {} {}",
            scene.sample.path,
            answer.status,
            answer.body
        );
        scene.told.iter().for_each(|expected| self.ledger.expect(*expected, sent_us));
        Ok(())
    }

    // Afterwards whatever could arrive has arrived, and has been shown.
    async fn wait_for_quiet(&mut self) -> anyhow::Result<()> {
        self.stage.quiet().await?;
        for arrival in self.stage.inbox.rest() {
            self.receive(&arrival).await?;
        }
        Ok(())
    }

    async fn receive(&mut self, arrival: &LoggedMessage) -> anyhow::Result<()> {
        let origin = self.stage.origin(arrival).await?;
        let kind = origin.as_ref().map_or("unknown", |(kind, _)| kind);
        let told = self.ledger.note(kind, arrival.channel, &arrival.to, arrival.at_us);
        let took_us = told.map(|told| told.took_us).unwrap_or_default();
        self.display(arrival, kind, told.map(|told| told.locale), took_us)
    }

    fn display(&self, arrival: &LoggedMessage, kind: &str, locale: Option<&str>, took_us: u64) -> anyhow::Result<()> {
        let LoggedMessage { channel, to, title, text, .. } = arrival;
        self.screen.message(&ShownMessage {
            channel: *channel,
            address: masked(*channel, to),
            title: title.as_deref(),
            text,
            milliseconds: in_ms(took_us),
            kind,
            locale,
        })
    }

    fn judge(&self) -> anyhow::Result<ExitCode> {
        let complaints = self.ledger.complaints();
        let (arrived, slowest) = (self.ledger.arrived(), in_ms(self.ledger.slowest_us()));
        if complaints.is_empty() {
            let text = format!("{arrived} messages, each of them once; the slowest took {slowest:.1} ms");
            self.screen.heading(&text)?;
            return Ok(ExitCode::SUCCESS);
        }
        self.screen.heading(&format!("{arrived} messages arrived; the slowest took {slowest:.1} ms"))?;
        for complaint in &complaints {
            output::complaint(complaint);
        }
        Ok(ExitCode::FAILURE)
    }

    fn invite(&self) -> anyhow::Result<()> {
        let Self { stage, screen, .. } = self;
        let file = |name: &str| quoted(&stage.workspace.path(name).display().to_string());
        screen.heading("Now you: post one by hand. What people get is shown here; Ctrl-C ends the demo.")?;
        screen.say("")?;
        screen.say("curl -sS -w '%{http_code}\\n' \\")?;
        screen.say(format_args!("  --cacert {} \\", file(AUTHORITY)))?;
        screen.say(format_args!("  --cert {} \\", file("pki/processor.pem")))?;
        screen.say(format_args!("  --key {} \\", file("pki/processor.key")))?;
        screen.say("  -H 'Content-Type: application/json' \\")?;
        screen.say(format_args!("  -d {} \\", quoted(&OtpSample::default().sample().body)))?;
        screen.say(format_args!("  {}{OTP_PATH}\n", stage.url()))
    }

    async fn keep_showing(&mut self) -> anyhow::Result<()> {
        loop {
            let arrival = tokio::select! {
                arrival = self.stage.inbox.next() => arrival,
                why = self.stage.gateway.failed() => anyhow::bail!("the database failed: {why}"),
            };
            let origin = self.stage.origin(&arrival).await?;
            let (kind, taken) = origin.unwrap_or_else(|| ("unknown".to_owned(), SystemClock.now()));
            self.display(&arrival, &kind, None, since(taken, &arrival))?;
        }
    }
}

// When somebody else sent the request is not known here; the gateway's own hour of taking it is.
fn since(taken: Timestamp, arrival: &LoggedMessage) -> u64 {
    let ago = Duration::from_micros(monotonic_us().saturating_sub(arrival.at_us));
    u64::try_from(SystemClock.now().before(ago).since(taken).as_micros()).unwrap_or(u64::MAX)
}

fn in_ms(us: u64) -> f64 {
    f64::from(u32::try_from(us).unwrap_or(u32::MAX)) / 1_000.0
}

// For a shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
