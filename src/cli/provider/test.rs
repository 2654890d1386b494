//! `otpost provider test`: one message with a fixed text through one provider, to the operator's own address.
//!
//! It is sent by this process, whatever the gateway does: not routed, not repeated, not counted against a spend cap. There is
//! no delivery, so a receipt for it belongs to none.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::unknown;
use crate::app::environment::unencrypted_providers;
use crate::channel::http::shown::ShownRequest;
use crate::channel::{SendResult, Settings};
use crate::cli::config_file::{ConfigFile, read_store, with_live_routing};
use crate::cli::{Usage, operator_log, output, usage};
use crate::config::{Config, Environment};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::contact::{Channel, Contact};
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::Priority;
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::domain::recipient::Locale;
use crate::domain::secret::RenderedText;
use crate::flow::routing_publishing::RoutingSource;

const NOTES: &str = "\
The message has a fixed text without a code. It is sent once, by this command, also while the provider is drained or a gateway
runs; the provider may charge for it. Credentials are not shown. Exit code 1 if the provider did not accept it.

Examples:
  otpost provider test sms-primary --to +48600100200
  otpost provider test mail --to operations@bank.example --json";

/// How long the message is valid, as a code is by default.
const VALID_FOR: Duration = Duration::from_mins(5);

#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct Args {
    /// Name of the provider in the configuration
    name: String,
    /// Your own phone number, push token or e-mail address
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was sent, and what became of it.
#[derive(Serialize)]
struct TestReport {
    provider: String,
    kind: &'static str,
    to: String,
    /// Our reference, as the provider got it.
    reference: DeliveryId,
    /// `None` if the provider does not speak HTTP.
    request: Option<ShownRequest>,
    outcome: &'static str,
    cause: Option<&'static str>,
    detail: Option<String>,
    /// The provider's reference, if it accepted the message.
    provider_reference: Option<String>,
    elapsed_ms: u64,
    /// Whether the provider is configured to send receipts.
    sends_receipts: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = with_providers(args.config.load()?).await?;
    let provider = chosen(&config, &args.name)?;
    let channel = provider.profile().channel;
    let to = Contact::parse(channel, &args.to).map_err(|error| Usage(format!("--to: {error}")))?;
    let adapter = provider.connect().map_err(usage)?;
    let message = message(to)?;

    let started = Instant::now();
    let SendResult { outcome, detail } = adapter.provider.send(&message).await;
    let elapsed_ms = started.elapsed().as_millis().try_into().unwrap_or(u64::MAX);

    let about = [("provider", provider.name().into()), ("outcome", outcome.name().into())];
    operator_log::record_at(&config, AuditKind::ProviderTested, &about).await;
    let report = TestReport {
        provider: provider.name().to_owned(),
        kind: provider.kind(),
        to: args.to.clone(),
        reference: message.delivery,
        request: provider.show_request(&adapter, &message),
        outcome: outcome.name(),
        cause: outcome.cause().map(Cause::name),
        detail: detail.map(|detail| detail.to_string()),
        provider_reference: reference(&outcome),
        elapsed_ms,
        sends_receipts: adapter.receipts.is_some(),
    };
    if args.json {
        output::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(if outcome.is_accepted() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

// Providers that are edited in the console are in the database. Those of a file need none: they are tried before a gateway starts.
async fn with_providers(config: Config) -> anyhow::Result<Config> {
    if config.routing.source == RoutingSource::Files {
        return Ok(config);
    }
    let store = read_store(&config).await?;
    let config = with_live_routing(config, &store).await;
    store.close().await?;
    config
}

/// The provider `name`, if a gateway would send through it.
fn chosen<'a>(config: &'a Config, name: &str) -> anyhow::Result<&'a Settings> {
    let found = config.provider.iter().enumerate().find(|(_, it)| it.name() == name);
    let (at, provider) = found.ok_or_else(|| unknown(name, config))?;
    if let Some(missing) = config.missing_secrets.iter().find(|missing| missing.provider() == Some(at)) {
        return Err(Usage(missing.error.to_string()).into());
    }
    let mut exposed = unencrypted_providers(config).into_iter();
    if config.environment == Environment::Production
        && let Some(refused) = exposed.find(|it| it.name == name && !it.is_allowed)
    {
        return Err(Usage(format!("{refused}, which environment = \"production\" refuses")).into());
    }
    Ok(provider)
}

fn message(to: Contact) -> anyhow::Result<OutboundMessage> {
    let text = format!("otpost test message, {}", SystemClock.now().to_jiff().strftime("%Y-%m-%d %H:%M UTC"));
    let title = || RenderedText::new("otpost test message".to_owned());
    let rendered = match to.channel() {
        Channel::Sms => RenderedMessage::Sms { text: RenderedText::new(text) },
        Channel::Push => RenderedMessage::Push { title: title(), body: RenderedText::new(text) },
        Channel::Email => RenderedMessage::Email {
            subject: title(),
            html: RenderedText::new(format!("<p>{text}</p>")),
            text: RenderedText::new(text),
            locale: Locale::parse("en")?,
        },
    };
    let (delivery, priority) = (DeliveryId(uuid::Uuid::new_v4()), Priority::Standard);
    Ok(OutboundMessage { delivery, priority, to, rendered, code: None, valid_for: VALID_FOR })
}

fn reference(outcome: &Outcome) -> Option<String> {
    let Outcome::Accepted { reference } = outcome else { return None };
    reference.as_ref().map(Reference::as_str).map(str::to_owned)
}

fn print(report: &TestReport) -> std::io::Result<()> {
    let line = |name: &str, value: &str| output::line(format_args!("{name:<11}{value}"));
    line("provider", &format!("{}, kind {}", report.provider, report.kind))?;
    line("to", &report.to)?;
    line("reference", &report.reference.to_string())?;
    if let Some(ShownRequest { method, url, headers, body }) = &report.request {
        output::line(format_args!("\n{method} {url}"))?;
        for (name, value) in headers {
            output::line(format_args!("{name}: {}", value.as_str().unwrap_or_default()))?;
        }
        if !body.is_null() {
            output::line(format_args!("{body:#}"))?;
        }
        output::line("")?;
    }
    let (on, off) = match (output::colours(), report.cause) {
        (false, _) => ("", ""),
        (true, None) => (output::GREEN, output::RESET),
        (true, Some(_)) => (output::BOLD_RED, output::RESET),
    };
    let cause = report.cause.map(|cause| format!(", {cause}")).unwrap_or_default();
    line("outcome", &format!("{on}{}{cause}{off} in {} ms", report.outcome, report.elapsed_ms))?;
    if let Some(reference) = &report.provider_reference {
        line("its id", reference)?;
    }
    if let Some(detail) = &report.detail {
        line("detail", detail)?;
    }
    if report.sends_receipts && report.cause.is_none() {
        output::note(format_args!(
            "a receipt for it comes to the running gateway, which counts it as parked, because it belongs to no delivery: \
             otpost_receipts_total{{provider=\"{}\"}}",
            report.provider
        ));
    }
    Ok(())
}
