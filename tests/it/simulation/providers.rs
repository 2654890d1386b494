//! Providers with moods: they accept, reject, defer, hang, answer late or lose their answer, and send receipts early, late,
//! twice or never.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use otpost::channel::receipt_feed::ReceiptSource;
use otpost::channel::{self, Provider, SendResult};
use otpost::domain::contact::Channel;
use otpost::domain::delivery::{DeliveryId, ProviderName};
use otpost::domain::outbound_message;
use otpost::domain::outbound_message::OutboundMessage;
use otpost::domain::outcome::{Cause, Outcome, Reference};
use otpost::domain::price::Price;
use otpost::domain::receipt::Callback;
use otpost::route::ProviderProfile;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;

use super::node::ClientAuthorizer;
use super::record::Sent;
use super::world::World;

const SECRET: &str = "sixteen characters and more";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Accepts everything at once.
    Good,
    /// Accepts everything, late.
    Slow,
    /// Down, with an error answer.
    Down,
    /// Throttles, with a retry time.
    Busy,
    /// Rejects the contact or the message.
    Strict,
    /// Reads and never answers; it may have accepted the message.
    Silent,
    /// Its adapter panics, before or after the message was accepted.
    Panics,
    /// A random one of these each time.
    Odd,
}

impl Mood {
    pub(super) const ALL: [Self; 8] =
        [Self::Good, Self::Slow, Self::Down, Self::Busy, Self::Strict, Self::Silent, Self::Panics, Self::Odd];
}

/// A provider as the simulation knows it, for all processes.
pub(super) struct MessageLog {
    profile: ProviderProfile,
    pub(super) mood: Mutex<Mood>,
    taken: Mutex<HashMap<DeliveryId, Reference>>,
}

impl MessageLog {
    fn new(name: &str, channel: Channel, chance: &mut StdRng) -> Arc<Self> {
        let profile = ProviderProfile {
            provider: ProviderName(name.to_owned()),
            channel,
            countries: Vec::new(),
            app: None,
            deduplicates: chance.random_ratio(1, 3),
            weight: chance.random_ratio(1, 3).then(|| chance.random_range(1..5)),
            currency: None,
            price: Price::default(),
            spend_cap: None,
            transliterate: None,
            min_validity: Duration::from_secs(if chance.random_ratio(1, 5) { 40 } else { 0 }),
        };
        Arc::new(Self { profile, mood: Mutex::new(Mood::Good), taken: Mutex::default() })
    }

    /// So many for text messages, all down.
    pub(super) fn down(count: usize, chance: &mut StdRng) -> Vec<Arc<Self>> {
        let names = ["sms-a", "sms-b", "sms-c", "sms-d", "sms-e", "sms-f", "sms-g", "sms-h"];
        let stations: Vec<_> = names[..count].iter().map(|name| Self::new(name, Channel::Sms, chance)).collect();
        for station in &stations {
            *station.mood.lock().unwrap() = Mood::Down;
        }
        stations
    }

    /// One to three for text messages, one or none for apps, one for mails.
    pub(super) fn some(chance: &mut StdRng) -> Vec<Arc<Self>> {
        let texts = ["sms-a", "sms-b", "sms-c"];
        let mut stations: Vec<_> =
            texts[..chance.random_range(1..=3)].iter().map(|name| Self::new(name, Channel::Sms, chance)).collect();
        if chance.random_ratio(4, 5) {
            stations.push(Self::new("app", Channel::Push, chance));
        }
        stations.push(Self::new("mail", Channel::Email, chance));
        stations
    }

    pub(super) fn name(&self) -> ProviderName {
        self.profile.provider.clone()
    }

    pub(super) fn profile(&self) -> ProviderProfile {
        self.profile.clone()
    }

    /// Reads the receipts of this provider as the gateway does.
    pub(super) fn reader(&self) -> ReceiptSource {
        let settings = json!({
            "kind": "sms_gateway", "name": self.profile.provider.0, "url": "https://provider.example/",
            "receipt": { "secret": SECRET, "signature": "token" },
        });
        let settings: channel::Settings = serde_json::from_value(settings).unwrap();
        settings.connect().unwrap().receipts.unwrap()
    }
}

/// The connection of one process to a provider.
pub(super) struct Line {
    world: Arc<World>,
    gate: Arc<ClientAuthorizer>,
    station: Arc<MessageLog>,
}

struct Reaction {
    takes: bool,
    panics: bool,
    after: Duration,
    answer: Option<Outcome>,
}

impl Line {
    pub(super) fn new(world: &Arc<World>, gate: &Arc<ClientAuthorizer>, station: &Arc<MessageLog>) -> Self {
        Self { world: Arc::clone(world), gate: Arc::clone(gate), station: Arc::clone(station) }
    }

    fn react(&self) -> Reaction {
        let world = &self.world;
        let mut mood = *self.station.mood.lock().unwrap();
        if mood == Mood::Odd {
            mood = *world.pick(&Mood::ALL[..7]);
        }
        let soon = world.millis(1..400);
        let reaction = |takes, after, answer| Reaction { takes, panics: false, after, answer };
        let says = |answer| reaction(false, soon, Some(answer));
        match mood {
            Mood::Good | Mood::Odd => reaction(true, soon, Some(Outcome::accepted(None))),
            Mood::Slow => reaction(true, world.millis(500..12_000), Some(Outcome::accepted(None))),
            Mood::Panics => Reaction { panics: true, ..reaction(world.happens(500), soon, None) },
            Mood::Down => says(Outcome::deferred(Cause::ProviderDown)),
            Mood::Busy => says(Outcome::Deferred {
                cause: Cause::Throttled,
                retry_after: Some(Duration::from_secs(*world.pick(&[0, 1, 3, 20, 60]))),
            }),
            Mood::Strict => says(Outcome::rejected(*world.pick(&[Cause::InvalidContact, Cause::BadMessage]))),
            Mood::Silent if world.happens(500) => {
                let answer = world.happens(300).then(|| Outcome::unknown(Cause::Disconnected));
                reaction(world.happens(500), soon, answer)
            }
            Mood::Silent => reaction(false, soon, None),
        }
    }

    // A message that a deduplicating provider accepts twice reaches the recipient once.
    fn take(&self, delivery: DeliveryId) -> Reference {
        let mut taken = self.station.taken.lock().unwrap();
        if let Some(known) = taken.get(&delivery).filter(|_| self.station.profile.deduplicates) {
            return known.clone();
        }
        let reference = Reference::new(&format!("m{:x}", self.world.next_id().as_u128() & 0xffff_ffff)).unwrap();
        taken.insert(delivery, reference.clone());
        self.world.record.lock().unwrap().taken.push(delivery);
        self.world.will_report(Message { provider: self.station.name(), delivery, reference: reference.clone() });
        reference
    }
}

#[async_trait]
impl Provider for Line {
    async fn send(&self, outbound: &OutboundMessage) -> SendResult {
        self.hand_over(outbound).await.into()
    }
}

impl Line {
    async fn hand_over(&self, outbound: &OutboundMessage) -> Outcome {
        // Like a real adapter, which knows by then that nothing was sent.
        if tokio::time::timeout(channel::ATTEMPT_MAX.min(outbound.valid_for), self.gate.pass()).await.is_err() {
            return Outcome::deferred(Cause::Unreachable);
        }
        let (world, provider) = (&self.world, self.station.name());
        let reaction = self.react();
        world.tell(format_args!(
            "{provider} is asked for {:x}, takes it: {}, answers: {:?}",
            outbound.delivery.0.as_u128() & 0xffff_ffff,
            reaction.takes,
            reaction.answer.as_ref().map(Outcome::name)
        ));
        let text = match &outbound.rendered {
            outbound_message::RenderedMessage::Sms { text }
            | outbound_message::RenderedMessage::Push { body: text, .. }
            | outbound_message::RenderedMessage::Email { text, .. } => text.reveal().to_owned(),
        };
        let sent = Sent {
            delivery: outbound.delivery,
            provider,
            channel: outbound.to.channel(),
            to: outbound.to.expose().to_owned(),
            text,
            at: world.now(),
        };
        world.record.lock().unwrap().sent.push(sent);
        let reference = reaction.takes.then(|| self.take(outbound.delivery));
        tokio::time::sleep(reaction.after).await;
        self.gate.pass().await;
        if reaction.panics {
            // Without a message: the standard hook would print it.
            std::panic::resume_unwind(Box::new("practice"));
        }
        match reaction.answer {
            Some(Outcome::Accepted { .. }) => Outcome::accepted(reference),
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

/// A message that a provider accepted, and its reference.
pub(super) struct Message {
    provider: ProviderName,
    delivery: DeliveryId,
    reference: Reference,
}

/// Sends a receipt for a message: after a while, by one reference or the other, sometimes twice, to a running node.
pub(super) async fn report(world: Arc<World>, message: Message) {
    let Message { provider, delivery, reference } = message;
    if world.happens(300) {
        return;
    }
    let times = if world.happens(150) { 2 } else { 1 };
    for _ in 0..times {
        tokio::time::sleep(if world.happens(300) { world.millis(0..3) } else { world.millis(0..40_000) }).await;
        let name = if world.happens(300) { delivery.to_string() } else { reference.as_str().to_owned() };
        let name = if world.happens(20) { "nothing-known".to_owned() } else { name };
        let status = *world.pick(&["delivered", "delivered", "delivered", "undelivered", "expired", "enroute"]);
        let body = json!({ "reference": name, "status": status }).to_string();
        for _ in 0..6 {
            if world.one().is_some() && hand_in(&world, &provider, &body).await {
                world.tell(format_args!("{provider} says {status} of {:x}", delivery.0.as_u128() & 0xffff_ffff));
                break;
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
}

async fn hand_in(world: &Arc<World>, provider: &ProviderName, body: &str) -> bool {
    let Some(node) = world.one() else { return false };
    let header = |name: &str| name.eq_ignore_ascii_case("X-Signature").then_some(SECRET.as_bytes());
    let callback = Callback { header: &header, query: "", body: body.as_bytes(), now: node.receipts.now() };
    let taken = Arc::clone(&node.receipts).accept(&provider.0, &callback);
    matches!(tokio::time::timeout(Duration::from_secs(5), taken).await, Ok(Ok(())))
}
