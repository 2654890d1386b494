//! What the demo runs: a workspace, simulated providers on loopback sockets, and a gateway as `serve` starts it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::demo_users::{self, DemoUser};
use super::fixtures;
use crate::app::Gateway;
use crate::cli::workspace::{CA_CERTIFICATE, Workspace};
use crate::cli::{output, usage};
use crate::config::Config;
use crate::console;
use crate::domain::clock::{Clock, Clocks, SystemClock, Timestamp};
use crate::domain::contact::Channel;
use crate::flow::users::SecondFactor;
use crate::render::TemplateSource;
use crate::sim::http_client::Identity;
use crate::sim::processor::Processor;
use crate::sim::providers::PracticeProvider;
use crate::sim::providers::message_log::{Keeping, LoggedMessage};
use crate::telemetry;

/// The default ports of the gateway and of the simulated providers, used if they are free.
const GATEWAY_PORT: u16 = 8443;
const CONSOLE_PORT: u16 = 8470;
const PROVIDER_PORTS: [(Channel, u16); 3] = [(Channel::Push, 8602), (Channel::Sms, 8601), (Channel::Email, 8603)];

/// Sender of e-mails, in a reserved domain.
const MAIL_FROM: &str = "Demo Bank <no-reply@example.org>";

/// How long to wait for open deliveries, which may stay open until their deadline.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// A running gateway with simulated providers.
pub(super) struct DemoEnvironment {
    pub(super) workspace: Workspace,
    pub(super) gateway: Gateway,
    pub(super) messages: ReceivedMessages,
    /// Folder of the templates; `None` when they are edited in the console.
    pub(super) templates: Option<PathBuf>,
    /// Of the console, if it is open.
    pub(super) users: Vec<DemoUser>,
    providers: Vec<PracticeProvider>,
    temporary_folder: Option<TempDir>,
}

impl DemoEnvironment {
    /// Creates the workspace in `folder` or in a temporary one, and starts everything, with the given templates or those of
    /// the workspace. Without `default_ports` any number of demos can run at the same time.
    pub(super) async fn start(
        folder: Option<&Path>,
        templates: Option<&Path>,
        default_ports: bool,
    ) -> anyhow::Result<Self> {
        let providers = open_providers(default_ports).await?;
        let temporary_folder =
            folder.is_none().then(|| tempfile::Builder::new().prefix("otpost-demo-").tempdir()).transpose();
        let temporary_folder = temporary_folder.context("cannot create a folder for the demo")?;
        let location = match (&temporary_folder, folder) {
            (Some(temporary), _) => temporary.path().join("workspace"),
            (None, Some(folder)) => std::path::absolute(folder)?,
            (None, None) => anyhow::bail!("there is no folder for the demo"),
        };
        let workspace = Workspace::create(&location, &settings(&providers)).await?;
        let mut config = configure(&workspace, default_ports)?;
        match templates {
            Some(folder) => config.templates.dir = std::path::absolute(folder)?,
            None if config.console.address().is_open() => config.templates.source = TemplateSource::Console,
            None => {}
        }
        let templates = (config.templates.source == TemplateSource::Files).then(|| config.templates.dir.clone());
        telemetry::start(&config.log, output::error_colours()).map_err(usage)?;
        let gateway = Gateway::start(&config, Clocks::of_this_machine()).await.map_err(usage)?;
        gateway.store().recipients().import(&fixtures::recipients()?, SystemClock.now()).await?;
        let users =
            if config.console.address().is_open() { demo_users::add(&gateway, &config).await? } else { Vec::new() };
        Ok(Self {
            users,
            workspace,
            gateway,
            messages: ReceivedMessages::of(&providers)?,
            templates,
            providers,
            temporary_folder,
        })
    }

    /// A processor that the gateway accepts.
    pub(super) fn processor(&self) -> anyhow::Result<Processor> {
        processor_of(&self.workspace, &self.gateway)
    }

    /// Base URL for processors.
    pub(super) fn url(&self) -> String {
        format!("https://{}", self.gateway.address())
    }

    /// Base URL of the console; `None` in a demo that ends by itself.
    pub(super) fn console_url(&self) -> Option<String> {
        self.gateway.console_address().map(|address| format!("http://{address}"))
    }

    /// Channel and URL of each provider.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (Channel, String)> {
        self.providers.iter().map(|provider| {
            let channel = provider.station().channel();
            let scheme = if channel == Channel::Email { "smtp" } else { "http" };
            (channel, format!("{scheme}://{}", provider.address()))
        })
    }

    pub(super) fn is_temporary(&self) -> bool {
        self.temporary_folder.is_some()
    }

    /// Kind and time of receipt of the notification that a message belongs to.
    pub(super) async fn origin(&self, arrival: &LoggedMessage) -> anyhow::Result<Option<(String, Timestamp)>> {
        // In an e-mail the reference is a message id: the id of the delivery, followed by a domain.
        let id = arrival.reference.as_deref().and_then(|reference| reference.split('@').next());
        let Some(id) = id.and_then(|id| Uuid::parse_str(id).ok()) else { return Ok(None) };
        let delivery = self.gateway.store().reports().delivery(id).await?;
        Ok(delivery.map(|delivery| (delivery.line.kind, delivery.line.received_at)))
    }

    /// Waits until no delivery is in progress or due.
    pub(super) async fn wait_until_idle(&self) -> anyhow::Result<()> {
        let worker = self.gateway.worker();
        let idle = async {
            worker.idle().await;
            while worker.scan().await? > 0 {
                worker.idle().await;
            }
            Ok(())
        };
        // A delivery that hangs is reported as a missing message.
        tokio::time::timeout(IDLE_TIMEOUT, idle).await.unwrap_or(Ok(()))
    }

    /// Everything that another program needs to post a notification.
    pub(super) fn describe(&self) -> Value {
        let file = |name: &str| self.workspace.path(name);
        let providers: Map<_, _> =
            self.addresses().map(|(channel, address)| (channel.name().to_owned(), address.into())).collect();
        json!({
            "url": self.url(),
            "ca": file(CA_CERTIFICATE),
            "certificate": file("pki/processor.pem"),
            "key": file("pki/processor.key"),
            "providers": providers,
            "console": self.console_url(),
            "users": self.users.iter().map(DemoUser::describe).collect::<Vec<_>>(),
            "workspace": self.workspace.folder(),
            "templates": self.templates,
        })
    }

    /// Stops the gateway, and then removes a temporary folder.
    pub(super) async fn shut_down(self) -> anyhow::Result<()> {
        let Self { gateway, temporary_folder, .. } = self;
        gateway.stop().await.context("the gateway did not stop cleanly")?;
        drop(temporary_folder);
        Ok(())
    }
}

async fn open_providers(default_ports: bool) -> anyhow::Result<Vec<PracticeProvider>> {
    let mut providers = Vec::new();
    for (channel, port) in PROVIDER_PORTS {
        let address = loopback(port, default_ports);
        let provider = PracticeProvider::open(channel, address, Keeping::Arrivals).await;
        providers.push(provider.with_context(|| format!("{channel} cannot listen on {address}"))?);
    }
    Ok(providers)
}

// The default port if it is wanted and free, else any port.
fn loopback(port: u16, wanted: bool) -> SocketAddr {
    let default = SocketAddr::from(([127, 0, 0, 1], port));
    if wanted && TcpListener::bind(default).is_ok() { default } else { SocketAddr::from(([127, 0, 0, 1], 0)) }
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
    format!(
        "\n# The simulated providers of `otpost demo`; `otpost simulate providers` listens on the same ports.\n{tables}"
    )
}

/// A processor that the gateway of the workspace accepts.
pub(super) fn processor_of(workspace: &Workspace, gateway: &Gateway) -> anyhow::Result<Processor> {
    let [certificate, key, ca] =
        ["pki/processor.pem", "pki/processor.key", CA_CERTIFICATE].map(|file| workspace.path(file));
    let identity = Identity::from_files(&certificate, &key, &ca)?;
    Ok(Processor::new(&format!("https://{}", gateway.address()), Some(&identity))?)
}

/// The configuration of a workspace, made independent of this process's environment.
pub(super) fn configure(workspace: &Workspace, default_ports: bool) -> anyhow::Result<Config> {
    let mut config = Config::load(&workspace.config()).map_err(usage)?;
    // Variables of the environment may be meant for a real gateway: the demo uses its own database, key and address.
    config.store.url = format!("sqlite:{}", workspace.path("otpost.db").display());
    config.seal.key_file = workspace.path("keys/seal.key");
    config.ingest.listen = loopback(GATEWAY_PORT, default_ports).to_string();
    config.console = console::Settings { second_factor: SecondFactor::Optional, ..console::Settings::default() };
    if default_ports {
        config.console.listen = loopback(CONSOLE_PORT, true).to_string();
    }
    "Demo Bank".clone_into(&mut config.templates.brand);
    config.log = telemetry::Settings { level: "error".to_owned(), format: telemetry::LogFormat::Text };
    Ok(config)
}

/// Messages that arrive at any of the providers.
pub(super) struct ReceivedMessages([Receiver<Arc<LoggedMessage>>; 3]);

impl ReceivedMessages {
    fn of(providers: &[PracticeProvider]) -> anyhow::Result<Self> {
        let receivers: Vec<_> = providers.iter().map(|provider| provider.station().subscribe()).collect();
        receivers.try_into().map(Self).map_err(|_| anyhow::anyhow!("expected three providers"))
    }

    /// Waits for the next message.
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
                // Messages arrived faster than they are shown; the oldest were dropped.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// Messages that have arrived and were not returned yet.
    pub(super) fn received(&mut self) -> Vec<Arc<LoggedMessage>> {
        self.0.iter_mut().flat_map(|receiver| std::iter::from_fn(|| receiver.try_recv().ok())).collect()
    }
}
