//! `otpost demo --providers all`: a code through each kind of provider, to a program that speaks the vendor's protocol and is none of ours.
//!
//! A partner is started as `tests/partners/run KIND`. Its first line is a JSON object: `provider`, the keys of the provider that sends
//! to it; `partner`, what it is; and `contact`, if it takes only one of its own. Then it writes an object for each message: `text`, or
//! `error` for one that it does not understand. It ends with its standard input.

use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::environment::{configure, processor_of};
use crate::app::Gateway;
use crate::channel::{self, KindReport, kinds};
use crate::cli::output;
use crate::cli::workspace::Workspace;
use crate::cli::{Usage, usage};
use crate::domain::clock::{Clock, Clocks, SystemClock};
use crate::domain::contact::{Channel, Contact};
use crate::domain::preferences::Preferences;
use crate::domain::recipient::{Identifier, IdentifierKind, Locale, RecipientRecord, RecipientStatus};
use crate::sim::processor::OtpSample;

/// Where the partners are, in a checkout.
const PARTNERS: &str = "tests/partners/run";

/// What it ends with for a kind that it does not know.
const NO_PARTNER: i32 = 3;

/// How long a partner may take to start, and a code to arrive: some partners load a vendor's whole library first.
const TIMEOUT: Duration = Duration::from_mins(1);

/// How long a partner may take to end.
const END_MAX: Duration = Duration::from_secs(5);

/// How a partner begins.
#[derive(Deserialize)]
struct Introduction {
    provider: Map<String, Value>,
    partner: String,
    #[serde(default)]
    contact: Option<String>,
}

/// A message as a partner read it.
#[derive(Deserialize)]
struct PartnerMessage {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

struct Partner {
    introduction: Introduction,
    lines: Lines<BufReader<ChildStdout>>,
    process: Child,
}

impl Partner {
    /// Starts the partner of a kind; `None` if there is none.
    async fn start(kind: &str) -> anyhow::Result<Option<Self>> {
        let mut command = Command::new(PARTNERS);
        command.arg(kind).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().map_err(|error| {
            let what = format!("{PARTNERS} cannot be started ({error})");
            Usage(format!("--providers all: {what}; run it in a checkout, once ./tests/run has installed the partners"))
        })?;
        let output = process.stdout.take().context("the partner has no output")?;
        let mut lines = BufReader::new(output).lines();
        let first = timeout(TIMEOUT, lines.next_line())
            .await
            .with_context(|| format!("{kind}: nothing from its partner"))??;
        let Some(first) = first else {
            let status = process.wait().await?;
            anyhow::ensure!(status.code() == Some(NO_PARTNER), "{kind}: its partner ended with {status}");
            return Ok(None);
        };
        let introduction = serde_json::from_str(&first).with_context(|| format!("{kind}: {first}"))?;
        Ok(Some(Self { introduction, lines, process }))
    }

    /// The text of the next message.
    async fn text(&mut self) -> anyhow::Result<String> {
        let line = timeout(TIMEOUT, self.lines.next_line()).await.context("no message came")??;
        let line = line.context("the partner ended before a message came")?;
        let PartnerMessage { text, error } = serde_json::from_str(&line).with_context(|| line.clone())?;
        match (text, error) {
            (Some(text), None) => Ok(text),
            (_, error) => anyhow::bail!("the partner does not understand it: {}", error.unwrap_or(line)),
        }
    }

    /// Ends it, and so what it has started.
    async fn end(mut self) {
        drop(self.process.stdin.take());
        // It is killed when this is dropped, whatever it does.
        let _ = timeout(END_MAX, self.process.wait()).await;
    }
}

/// What came of one kind.
#[derive(Serialize)]
struct ShownKind {
    kind: &'static str,
    /// `None` if the settings of a provider say which one.
    channel: Option<Channel>,
    partner: Option<String>,
    milliseconds: Option<f64>,
    text: Option<String>,
    error: Option<String>,
}

pub(super) async fn run(json: bool) -> anyhow::Result<ExitCode> {
    let mut is_complete = true;
    if !json {
        output::line("otpost demo: a code through each kind of provider, to a partner that is none of ours\n")?;
    }
    for KindReport { kind, channel, .. } in kinds() {
        let mut shown = ShownKind { kind, channel, partner: None, milliseconds: None, text: None, error: None };
        match Partner::start(kind).await? {
            None => shown.error = Some("there is no partner for it".to_owned()),
            Some(mut partner) => {
                shown.partner = Some(partner.introduction.partner.clone());
                match code_through(kind, &mut partner).await {
                    Ok((text, took)) => {
                        shown.text = Some(text);
                        shown.milliseconds = Some(took.as_secs_f64() * 1_000.0);
                    }
                    Err(error) => shown.error = Some(format!("{error:#}")),
                }
                partner.end().await;
            }
        }
        is_complete &= shown.error.is_none();
        if json { output::json(&shown)? } else { print(&shown)? }
    }
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(shown: &ShownKind) -> std::io::Result<()> {
    let (bold, dim, red, reset) =
        if output::colours() { (output::BOLD, output::DIM, output::BOLD_RED, output::RESET) } else { ("", "", "", "") };
    let ShownKind { kind, channel, partner, milliseconds, .. } = shown;
    let partner = partner.as_deref().unwrap_or_default();
    output::line(format_args!(
        "{bold}{kind:<12}{reset} {:<6} {dim}{partner}{reset}",
        channel.map_or("any", Channel::name)
    ))?;
    match (&shown.text, milliseconds) {
        (Some(text), Some(took)) => {
            let width = output::terminal_width().clamp(40, 120) - 16;
            for (at, line) in output::wrap(text.split_whitespace(), width).iter().enumerate() {
                let took = if at == 0 { format!("{took:>9.1} ms") } else { String::new() };
                output::line(format_args!("{took:<12}    {line}"))?;
            }
        }
        _ => output::line(format_args!("{:<16}{red}{}{reset}", "", shown.error.as_deref().unwrap_or_default()))?,
    }
    output::line("")
}

/// Starts a gateway with the one provider, posts a code, and waits until it has arrived at the partner. Returns the text, and the
/// time from the request to the message.
async fn code_through(kind: &str, partner: &mut Partner) -> anyhow::Result<(String, Duration)> {
    let folder = tempfile::Builder::new().prefix("otpost-demo-").tempdir()?;
    let workspace = Workspace::create(&folder.path().join("workspace"), "").await?;
    let mut config = configure(&workspace, false)?;
    let mut section = partner.introduction.provider.clone();
    section.insert("name".to_owned(), kind.into());
    section.insert("kind".to_owned(), kind.into());
    let provider: channel::Settings = serde_json::from_value(section.into()).map_err(usage)?;
    let channel = provider.profile().channel;
    config.provider = vec![provider];
    let is_email = channel == Channel::Email;
    let plan = json!({ "steps": [channel.name()], "ttl": "5m", "email_is_device_bound": is_email });
    config.plan = serde_json::from_value(json!({ "otp": plan }))?;
    let contact = partner.introduction.contact.as_deref().unwrap_or(match channel {
        Channel::Sms => "+48600100200",
        Channel::Push => "app-7d41-5f0e-a1b2",
        Channel::Email => "customer-1337@example.org",
    });
    let sample = OtpSample::default();
    let recipient = RecipientRecord {
        reference: "demo".to_owned(),
        locale: Locale::parse("en-GB")?,
        status: RecipientStatus::Active,
        preferences: Preferences::default(),
        identifiers: vec![Identifier {
            kind: IdentifierKind::StorageCustomer,
            value: sample.storage_customer_id.clone(),
        }],
        contacts: vec![Contact::parse(channel, contact)?],
    };
    let gateway = Gateway::start(&config, Clocks::of_this_machine()).await.map_err(usage)?;
    gateway.store().recipients().import(&[recipient], SystemClock.now()).await?;
    let mut processor = processor_of(&workspace, &gateway)?;
    let began = Instant::now();
    let answer = processor.send(&sample.sample()).await?;
    anyhow::ensure!(answer.status == 204, "the gateway answered with {} {}", answer.status, answer.body);
    let text = partner.text().await;
    let took = began.elapsed();
    gateway.stop().await?;
    Ok((text?, took))
}
