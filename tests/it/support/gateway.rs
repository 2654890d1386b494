//! A whole gateway in this process, with practice providers behind it and a processor in front.

use std::sync::Arc;
use std::time::Duration;

use otpost::app;
use otpost::config::Config;
use otpost::domain::clock::Clocks;
use otpost::domain::clock::{Clock, Timestamp};
use otpost::domain::contact::Channel;
use otpost::flow::template_publishing::TemplatePublisher;
use otpost::flow::worker::Worker;
use otpost::store::Store;
use otpost::store::reports::{DeliveryDetail, DeliveryFilter, DeliveryLine};
use tempfile::TempDir;

use super::clock::ManualClock;
use super::fake::Fake;
use super::gateway_files::{Fakes, GatewayFiles};
use super::recipients::TestRecipient;
use super::sample_notification::SampleNotification;
use super::sender::{Answer, Identity, Line};

/// Rounds of waiting and looking again; more than any delivery has attempts.
const ROUNDS: usize = 1024;

type Preparation = Box<dyn FnOnce(&GatewayFiles)>;

/// How a gateway differs from the usual one.
pub(crate) struct Setup {
    pub(super) timeout: &'static str,
    pub(super) min_free: u64,
    pub(super) ingest: String,
    pub(super) more: String,
    pub(super) first: String,
    prepare: Vec<Preparation>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self {
            timeout: "8s",
            min_free: 0,
            ingest: String::new(),
            more: String::new(),
            first: String::new(),
            prepare: Vec::new(),
        }
    }

    /// Keys for `[ingest]`.
    pub(crate) fn ingest(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.ingest);
        self
    }

    /// How long one attempt may take, in real time.
    pub(crate) fn timeout(mut self, timeout: &'static str) -> Self {
        self.timeout = timeout;
        self
    }

    /// Bytes that must be free on the disk.
    pub(crate) fn min_free(mut self, bytes: u64) -> Self {
        self.min_free = bytes;
        self
    }

    /// Text for the end of the configuration.
    pub(crate) fn more(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.more);
        self
    }

    /// Providers before the usual ones.
    pub(crate) fn first(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.first);
        self
    }

    /// What is done to the folder before the gateway starts in it.
    pub(crate) fn prepare(mut self, prepare: impl FnOnce(&GatewayFiles) + 'static) -> Self {
        self.prepare.push(Box::new(prepare));
        self
    }

    pub(crate) async fn start(mut self) -> Gateway {
        let files = GatewayFiles::build();
        self.prepare.drain(..).for_each(|prepare| prepare(&files));
        let fakes = Fakes {
            primary: Fake::open(Channel::Sms).await,
            backup: Fake::open(Channel::Sms).await,
            push: Fake::open(Channel::Push).await,
            email: Fake::open(Channel::Email).await,
        };
        files.configure(&fakes, &self);
        Gateway::run(files, fakes, ManualClock::new()).await
    }
}

pub(crate) struct Gateway {
    pub(crate) files: GatewayFiles,
    pub(crate) clock: Arc<ManualClock>,
    fakes: Fakes,
    running: app::Gateway,
    // Outlives whoever still works in it.
    abandoned: Vec<TempDir>,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    async fn run(files: GatewayFiles, fakes: Fakes, clock: Arc<ManualClock>) -> Self {
        let running =
            app::Gateway::start(&files.config(), Clocks::both(Arc::<ManualClock>::clone(&clock))).await.unwrap();
        Self { files, clock, fakes, running, abandoned: Vec::new() }
    }

    /// Ends in good order and starts anew in the same folder.
    pub(crate) async fn restart(self) -> Self {
        let Self { files, clock, fakes, running, .. } = self;
        assert_eq!(running.stop().await.unwrap(), 0, "something was cut short");
        Self::run(files, fakes, clock).await
    }

    /// Ends in good order, and returns why it does not start with `config`.
    pub(crate) async fn fails_to_restart_with(self, config: &Config) -> String {
        let Self { files: _files, clock, running, .. } = self;
        running.stop().await.unwrap();
        app::Gateway::start(config, Clocks::both(clock)).await.err().unwrap().to_string()
    }

    /// Starts anew from what a crash at this moment would leave on disk. The old process is never heard of again.
    pub(crate) async fn crash(self) -> Self {
        let Self { files, clock, fakes, running, mut abandoned } = self;
        let (files, old) = files.left_by_a_crash();
        running.abandon();
        abandoned.push(old);
        Self { abandoned, ..Self::run(files, fakes, clock).await }
    }

    pub(crate) fn sms(&self, name: &str) -> &Fake {
        match name {
            "primary" => &self.fakes.primary,
            "backup" => &self.fakes.backup,
            _ => unreachable!("there is no SMS provider {name}"),
        }
    }

    pub(crate) fn push(&self) -> &Fake {
        &self.fakes.push
    }

    pub(crate) fn email(&self) -> &Fake {
        &self.fakes.email
    }

    /// How many messages arrived at all providers together.
    pub(crate) fn received(&self) -> usize {
        let Fakes { primary, backup, push, email } = &self.fakes;
        [primary, backup, push, email].map(|fake| fake.received().len()).iter().sum()
    }

    /// Reads the configuration file and what it names anew.
    pub(crate) async fn reload(&self) -> Result<(), app::Error> {
        Box::pin(self.running.reload(Config::load(&self.files.path("otpost.toml")))).await
    }

    /// Has the texts read at once.
    pub(crate) fn reread_texts(&self) {
        self.running.reload_templates();
    }

    pub(crate) fn worker(&self) -> &Arc<Worker> {
        self.running.worker()
    }

    pub(crate) fn templates(&self) -> &Arc<TemplatePublisher> {
        self.running.templates()
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        self.running.store()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn knows(&self, recipients: impl IntoIterator<Item = TestRecipient>) {
        let entries: Vec<_> = recipients.into_iter().map(|one| one.0).collect();
        self.store().recipients().import(&entries, self.now()).await.unwrap();
    }

    pub(crate) async fn line(&self) -> Line {
        self.line_as(&self.files.processor).await
    }

    pub(crate) async fn line_as(&self, identity: &Identity) -> Line {
        Line::open(self.running.address(), identity).await
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.running.address()
    }

    pub(super) fn running(&self) -> &app::Gateway {
        &self.running
    }

    /// Where providers report.
    pub(crate) fn receipts_address(&self) -> std::net::SocketAddr {
        self.running.receipts_address().unwrap()
    }

    pub(crate) fn proxy_address(&self) -> std::net::SocketAddr {
        self.running.proxy_address().unwrap()
    }

    /// Posts as the processor, on a connection of its own.
    pub(crate) async fn post(&self, notice: &SampleNotification) -> Answer {
        self.post_as(&self.files.processor, notice).await
    }

    pub(crate) async fn post_as(&self, identity: &Identity, notice: &SampleNotification) -> Answer {
        self.exchange(identity, &notice.request()).await
    }

    pub(crate) async fn exchange(&self, identity: &Identity, request: &[u8]) -> Answer {
        let mut line = self.line_as(identity).await;
        line.send(request).await;
        line.answer().await.unwrap()
    }

    /// Waits until nothing is in hand; what waits for its time goes on waiting.
    pub(crate) async fn settle(&self) {
        self.running.worker().idle().await;
    }

    /// Lets time pass until no delivery is open.
    pub(crate) async fn drain(&self) {
        for _ in 0..ROUNDS {
            self.settle().await;
            let Some(due) = self.store().next_due().await.unwrap() else { return };
            self.clock.move_to(due);
            self.running.worker().scan().await.unwrap();
        }
        assert_eq!(self.store().next_due().await.unwrap(), None, "deliveries are still open");
    }

    /// Lets `span` pass and takes up what is due then.
    pub(crate) async fn wait(&self, span: Duration) {
        self.clock.move_on(span);
        self.running.worker().scan().await.unwrap();
        self.settle().await;
    }

    /// All deliveries, the oldest first.
    pub(crate) async fn deliveries(&self) -> Vec<DeliveryLine> {
        let filter = DeliveryFilter::newest(10_000);
        let mut lines = self.store().reports().deliveries(&filter).await.unwrap().lines;
        lines.reverse();
        lines
    }

    /// The newest delivery with all that happened to it.
    pub(crate) async fn last(&self) -> DeliveryDetail {
        let filter = DeliveryFilter::newest(1);
        let newest = self.store().reports().deliveries(&filter).await.unwrap().lines.remove(0);
        self.store().reports().delivery(newest.id).await.unwrap().unwrap()
    }
}
