//! All that the demo runs on: a workspace, practice providers on loopback sockets, and a gateway as `serve` starts it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::fixtures;
use crate::app::Gateway;
use crate::cli::usage;
use crate::cli::workspace::{AUTHORITY, Workspace};
use crate::config::Config;
use crate::domain::clock::{Clock, Clocks, SystemClock, Timestamp};
use crate::domain::contact::Channel;
use crate::sim::http_client::Identity;
use crate::sim::processor::Processor;
use crate::sim::providers::PracticeProvider;
use crate::sim::providers::message_log::{Keeping, LoggedMessage};
use crate::telemetry;

/// What others expect to find where, when it is free: the gateway's own default and those of the practice providers.
const GATEWAY_PORT: u16 = 8443;
const PROVIDER_PORTS: [(Channel, u16); 3] = [(Channel::Push, 8602), (Channel::Sms, 8601), (Channel::Email, 8603)];

/// Who mails are from, in a domain that is nobody's.
const MAIL_FROM: &str = "Demo Bank <no-reply@example.org>";

/// Deliveries end within their plan's time, but nobody wants to look at a still screen for so long.
const QUIET_MAX: Duration = Duration::from_secs(5);

/// A gateway among practice providers, all running.
pub(super) struct DemoEnvironment {
    pub(super) workspace: Workspace,
    pub(super) gateway: Gateway,
    pub(super) inbox: ReceivedMessages,
    /// Where its texts lie.
    pub(super) words: PathBuf,
    providers: Vec<PracticeProvider>,
    folder: Option<TempDir>,
}

impl DemoEnvironment {
    /// Makes the workspace in `folder`, or in a new one, and starts everything, with the texts in `words` or its own.
    /// With `usual_ports` others find it where they expect it; without, any number of demos can run at once.
    pub(super) async fn set(folder: Option<&Path>, words: Option<&Path>, usual_ports: bool) -> anyhow::Result<Self> {
        let providers = open_providers(usual_ports).await?;
        let own = folder.is_none().then(|| tempfile::Builder::new().prefix("otpost-demo-").tempdir()).transpose();
        let own = own.context("cannot make a folder for the demo")?;
        let place = match (&own, folder) {
            (Some(own), _) => own.path().join("workspace"),
            (None, Some(folder)) => std::path::absolute(folder)?,
            (None, None) => anyhow::bail!("there is no folder for the demo"),
        };
        let workspace = Workspace::create(&place, &settings(&providers)).await?;
        let mut config = configure(&workspace, usual_ports)?;
        if let Some(words) = words {
            config.templates.dir = std::path::absolute(words)?;
        }
        let words = config.templates.dir.clone();
        telemetry::start(&config.log).map_err(usage)?;
        let gateway = Gateway::start(&config, Clocks::of_this_machine()).await.map_err(usage)?;
        gateway.store().directory().import(&fixtures::recipients()?, SystemClock.now()).await?;
        Ok(Self { workspace, gateway, inbox: ReceivedMessages::of(&providers)?, words, providers, folder: own })
    }

    /// A processor that the gateway knows.
    pub(super) fn processor(&self) -> anyhow::Result<Processor> {
        let [certificate, key, ca] =
            ["pki/processor.pem", "pki/processor.key", AUTHORITY].map(|file| self.workspace.path(file));
        let identity = Identity::from_files(&certificate, &key, &ca)?;
        Ok(Processor::new(&self.url(), Some(&identity))?)
    }

    /// Where processors post to.
    pub(super) fn url(&self) -> String {
        format!("https://{}", self.gateway.address())
    }

    /// What listens where.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (Channel, String)> {
        self.providers.iter().map(|provider| {
            let channel = provider.station().channel();
            let scheme = if channel == Channel::Email { "smtp" } else { "http" };
            (channel, format!("{scheme}://{}", provider.address()))
        })
    }

    /// Whether the folder is one made for this demo.
    pub(super) fn is_temporary(&self) -> bool {
        self.folder.is_some()
    }

    /// What sort of news an arrival is and when the gateway took it, by the delivery it names.
    pub(super) async fn origin(&self, arrival: &LoggedMessage) -> anyhow::Result<Option<(String, Timestamp)>> {
        // In a mail the reference is a message id: the delivery, and a domain behind it.
        let id = arrival.reference.as_deref().and_then(|reference| reference.split('@').next());
        let Some(id) = id.and_then(|id| Uuid::parse_str(id).ok()) else { return Ok(None) };
        let delivery = self.gateway.store().delivery(id).await?;
        Ok(delivery.map(|delivery| (delivery.line.kind, delivery.line.received_at)))
    }

    /// Waits until the gateway has nothing to send, neither in hand nor due.
    pub(super) async fn quiet(&self) -> anyhow::Result<()> {
        let worker = self.gateway.worker();
        let quiet = async {
            worker.idle().await;
            while worker.scan().await? > 0 {
                worker.idle().await;
            }
            Ok(())
        };
        // One that hangs will be missed by whoever counts arrivals; here it only ends the waiting.
        tokio::time::timeout(QUIET_MAX, quiet).await.unwrap_or(Ok(()))
    }

    /// Ends everything in good order; a folder of our own goes with it unless it is to be kept.
    pub(super) async fn strike(mut self, keep: bool) -> anyhow::Result<()> {
        // Taken out when it is kept alone: it is gone with its owner, and the gateway still works in it.
        if keep && let Some(folder) = self.folder.take() {
            let _ = folder.keep();
        }
        self.gateway.stop().await.context("the gateway did not stop in good order")?;
        Ok(())
    }
}

async fn open_providers(usual_ports: bool) -> anyhow::Result<Vec<PracticeProvider>> {
    let mut providers = Vec::new();
    for (channel, usual) in PROVIDER_PORTS {
        let address = listening(usual, usual_ports);
        let provider = PracticeProvider::open(channel, address, Keeping::Arrivals).await;
        providers.push(provider.with_context(|| format!("{channel} cannot listen on {address}"))?);
    }
    Ok(providers)
}

// The usual port on the loopback when it is free and wanted, else any.
fn listening(usual: u16, wanted: bool) -> SocketAddr {
    let usual = SocketAddr::from(([127, 0, 0, 1], usual));
    if wanted && TcpListener::bind(usual).is_ok() { usual } else { SocketAddr::from(([127, 0, 0, 1], 0)) }
}

fn settings(providers: &[PracticeProvider]) -> String {
    let table = |provider: &PracticeProvider| {
        let (ip, port) = (provider.address().ip(), provider.address().port());
        let (name, rest) = match provider.station().channel() {
            Channel::Push => ("app", format!("kind = \"push_http\"\nurl = \"http://{ip}:{port}/push\"")),
            Channel::Sms => {
                ("sms", format!("kind = \"sms_gateway\"\nurl = \"http://{ip}:{port}/sms\"\nsender = \"Demo\""))
            }
            Channel::Email => (
                "mail",
                format!("kind = \"smtp\"\nhost = \"{ip}\"\nport = {port}\ntls = \"none\"\nfrom = \"{MAIL_FROM}\""),
            ),
        };
        format!("\n[[provider]]\nname = \"{name}\"\n{rest}\n")
    };
    let tables: String = providers.iter().map(table).collect();
    format!("\n# The practice providers of `otpost demo`; `otpost simulate providers` plays them, too.\n{tables}")
}

fn configure(workspace: &Workspace, usual_ports: bool) -> anyhow::Result<Config> {
    let mut config = Config::load(&workspace.config()).map_err(usage)?;
    // The environment may speak of a gateway in earnest: the demo keeps to its own database, key and address.
    config.store.url = format!("sqlite:{}", workspace.path("otpost.db").display());
    config.seal.key_file = workspace.path("keys/seal.key");
    config.ingest.listen = listening(GATEWAY_PORT, usual_ports).to_string();
    "Demo Bank".clone_into(&mut config.templates.brand);
    config.log = telemetry::Settings { level: "error".to_owned(), format: telemetry::LogFormat::Template };
    Ok(config)
}

/// What arrives at any of the providers.
pub(super) struct ReceivedMessages([Receiver<Arc<LoggedMessage>>; 3]);

impl ReceivedMessages {
    fn of(providers: &[PracticeProvider]) -> anyhow::Result<Self> {
        let news: Vec<_> = providers.iter().map(|provider| provider.station().subscribe()).collect();
        news.try_into().map(Self).map_err(|_| anyhow::anyhow!("there are three providers"))
    }

    /// The next arrival.
    pub(super) async fn next(&mut self) -> Arc<LoggedMessage> {
        let [first, second, third] = &mut self.0;
        loop {
            let arrived = tokio::select! {
                arrived = first.recv() => arrived,
                arrived = second.recv() => arrived,
                arrived = third.recv() => arrived,
            };
            match arrived {
                Ok(arrival) => return arrival,
                // Thousands came faster than a screen shows them; the newest are still there.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// What has arrived and was not looked at.
    pub(super) fn rest(&mut self) -> Vec<Arc<LoggedMessage>> {
        self.0.iter_mut().flat_map(|news| std::iter::from_fn(|| news.try_recv().ok())).collect()
    }
}
