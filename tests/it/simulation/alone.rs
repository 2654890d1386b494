//! One process without random faults, the one recipient that it knows, and the notifications that it is sent.

use std::sync::Arc;
use std::time::Duration;

use otpost::domain::contact::{Channel, Contact};
use otpost::domain::money::{Currency, Money};
use otpost::domain::notification::{CardLocked, ClientName, Content, LockReason, Otp, Transaction, TransactionResult};
use otpost::domain::preferences::Preferences;
use otpost::domain::recipient::{Identifier, IdentifierKind, Locale, RecipientRecord, RecipientStatus};
use otpost::domain::secret::Code;
use otpost::flow::intake::{IncomingNotification, IntakeResult};
use otpost::route::Plans;
use otpost::store::Store;
use otpost::store::reports::{DeliveryDetail, DeliveryFilter};
use rand::rngs::StdRng;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::node;
use super::providers::{Message, MessageLog, Mood};
use super::story::calm_store;
use super::world::{Nature, World};

pub(super) struct Alone {
    pub(super) world: Arc<World>,
    operator: Store,
    supervisor: JoinSet<()>,
    _reports: mpsc::UnboundedReceiver<Message>,
}

impl Alone {
    /// The running process.
    pub(super) async fn start(nature: Nature, stations: impl FnOnce(&mut StdRng) -> Vec<Arc<MessageLog>>) -> Self {
        let (reports, kept) = mpsc::unbounded_channel();
        let world = World::new(1, |_| nature, stations, reports);
        let day = json!({ "steps": ["sms"], "ttl": "24h" });
        let plans = json!({ "otp": { "steps": ["sms"], "ttl": "5m" }, "transaction": day, "card_locked": day });
        let plans = Arc::new(Plans::new(serde_json::from_value(plans).unwrap()).unwrap());
        let operator = calm_store(&world).await;
        operator.recipients().import(&[holder()], world.now()).await.unwrap();
        let mut supervisor = JoinSet::new();
        supervisor.spawn(node::keep(Arc::clone(&world), 0, plans));
        while world.one().is_none() {
            sleep(Duration::from_millis(10)).await;
        }
        Self { world, operator, supervisor, _reports: kept }
    }

    pub(super) fn all_are(&self, mood: Mood) {
        self.world.stations.iter().for_each(|station| *station.mood.lock().unwrap() = mood);
    }

    pub(super) async fn post(&self, notification: IncomingNotification) {
        let node = self.world.one().unwrap();
        assert!(matches!(node.intake.accept(notification).await, Ok(IntakeResult::Accepted(_))));
    }

    /// All deliveries, the oldest first.
    pub(super) async fn details(&self) -> Vec<DeliveryDetail> {
        let all = DeliveryFilter::newest(1_000_000);
        let mut details = Vec::new();
        for line in self.operator.reports().deliveries(&all).await.unwrap().lines.into_iter().rev() {
            details.push(self.operator.reports().delivery(line.id).await.unwrap().unwrap());
        }
        details
    }

    /// Ends the process; all deliveries, the oldest first.
    pub(super) async fn stop(mut self) -> Vec<DeliveryDetail> {
        self.supervisor.shutdown().await;
        self.world.nodes.lock().unwrap().clear();
        self.details().await
    }
}

/// A lock of the holder's card. All have the same ordering key.
pub(super) fn lock(world: &World, number: u64) -> IncomingNotification {
    let content = Content::CardLocked(CardLocked { at: world.now(), reason: LockReason::CardInactive });
    let card = Identifier { kind: IdentifierKind::DcCard, value: "1".to_owned() };
    IncomingNotification { identifiers: vec![card], ..incoming(content, format!("lock {number}")) }
}

fn card() -> Identifier {
    Identifier { kind: IdentifierKind::StorageCard, value: "1".to_owned() }
}

fn holder() -> RecipientRecord {
    RecipientRecord {
        reference: "holder".to_owned(),
        locale: Locale::parse("pl").unwrap(),
        status: RecipientStatus::Active,
        preferences: Preferences::default(),
        identifiers: vec![card(), Identifier { kind: IdentifierKind::DcCard, value: "1".to_owned() }],
        contacts: vec![Contact::parse(Channel::Sms, "+48600100200").unwrap()],
    }
}

// Each is a purchase of its own, so that none replaces another.
pub(super) fn otp(number: u64) -> IncomingNotification {
    let code = Code::parse(format!("{:06}", 100_000 + number)).unwrap();
    let content = Content::Otp(Otp { code, money: pln(100 + number), merchant: "Harbour Books".to_owned() });
    incoming(content, format!("code {number}"))
}

// Each is a payment of its own, so that none waits for another.
pub(super) fn payment(number: u64) -> IncomingNotification {
    let content = Content::Transaction(Transaction {
        reference: number.to_string(),
        money: pln(1999),
        result: TransactionResult::Authorized,
        incoming: false,
        merchant: "Harbour Books".to_owned(),
        last_four: "1234".to_owned(),
    });
    incoming(content, format!("payment {number}"))
}

fn pln(minor: u64) -> Money {
    Money { minor, currency: Currency::parse("PLN").unwrap() }
}

fn incoming(content: Content, key: String) -> IncomingNotification {
    IncomingNotification {
        client: ClientName("processor".to_owned()),
        certificate: None,
        endpoint: "/notifications/some",
        idempotency_key: Some(key),
        identifiers: vec![card()],
        content,
        warnings: Vec::new(),
    }
}
