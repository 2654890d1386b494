//! The events of one simulation: recipients, plans, notifications that arrive once, twice or with a used key, and faults.

use std::sync::Arc;
use std::time::Duration;

use otpost::domain::clock::Timestamp;
use otpost::domain::contact::{Channel, Contact};
use otpost::domain::money::{Currency, Money};
use otpost::domain::notification::{
    CardLocked, CardUnlocked, ClientName, Content, LockChange, LockHolder, LockReason, Otp, TransactionalLock,
    TransactionalLockReason,
};
use otpost::domain::preferences::Preferences;
use otpost::domain::recipient::{Identifier, IdentifierKind, Locale, RecipientRecord, RecipientStatus};
use otpost::domain::secret::Code;
use otpost::flow::intake::{IncomingNotification, IntakeResult};
use otpost::route::Plans;
use otpost::store::Store;
use otpost::store::memory::NoFaults;
use otpost::store::providers::ProviderDecision;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::node;
use super::providers::{MessageLog, Mood, report};
use super::record::Arrival;
use super::world::{Nature, World, true_clock};

/// The time during which notifications arrive.
const COMING: u64 = 60_000;

/// The time during which faults are injected.
const TROUBLE: Duration = Duration::from_secs(140);

/// The longest life of a notification.
pub(super) const LONGEST: Duration = Duration::from_mins(2);

/// The time after the last deadline: a lease, a takeover, and time to record it.
const REST: Duration = Duration::from_mins(1);

/// The last receipt comes this long after the last message.
const LAST_RECEIPTS: Duration = Duration::from_mins(1);

const CARDS: u64 = 6;

/// Runs the simulation of this seed.
pub(super) async fn tell(seed: u64) -> Arc<World> {
    let (reports, mut due) = mpsc::unbounded_channel();
    let world = World::new(seed, Nature::random, MessageLog::some, reports);
    // On this thread alone, like the receipts listener.
    tokio::task::spawn_local({
        let world = Arc::clone(&world);
        async move {
            while let Some(message) = due.recv().await {
                tokio::task::spawn_local(report(Arc::clone(&world), message));
            }
        }
    });
    let plans = Arc::new(Plans::new(serde_json::from_value(plans(&world)).unwrap()).unwrap());
    let operator = Arc::new(calm_store(&world).await);
    operator.recipients().import(&recipients(&world), world.now()).await.unwrap();
    let nature = world.nature;
    world.tell(format_args!("{nature:?} {}", plans.of(otpost::domain::notification::Kind::Otp).unwrap().steps.len()));
    let mut supervisors = JoinSet::new();
    for place in 0..nature.nodes {
        supervisors.spawn(node::keep(Arc::clone(&world), place, Arc::clone(&plans)));
    }
    for number in 0..10 + world.below(30) {
        tokio::spawn(come(Arc::clone(&world), number));
    }
    let over = tokio::time::Instant::now() + TROUBLE;
    while tokio::time::Instant::now() < over {
        trouble(&world, &operator).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    world.calm_down();
    world.gates.lock().unwrap().iter().for_each(|gate| gate.thaw());
    for station in &world.stations {
        operator
            .providers()
            .enable(&ProviderDecision::new(station.name(), None, otpost::store::operator(), world.now()))
            .await
            .unwrap();
    }
    world.disturbed("from now on all goes well");
    let latest = tokio::time::Instant::now() + LONGEST + REST;
    tokio::time::sleep(LAST_RECEIPTS).await;
    while operator.next_due().await.unwrap().is_some() && tokio::time::Instant::now() < latest {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    supervisors.shutdown().await;
    world.gates.lock().unwrap().iter().for_each(|gate| gate.kill());
    // They refer to each other.
    world.nodes.lock().unwrap().clear();
    world
}

/// A store without faults.
pub(super) async fn calm_store(world: &Arc<World>) -> Store {
    let ids = {
        let world = Arc::clone(world);
        Box::new(move || world.next_id())
    };
    Store::in_memory(&world.memory, Arc::new(NoFaults), &world.sealing(), true_clock(world), 0, ids).await.unwrap()
}

fn plans(world: &World) -> Value {
    let ttl = || format!("{}s", world.pick(&[30, 60, LONGEST.as_secs()]));
    let mut otp = world
        .pick(&[
            json!({ "steps": ["sms"] }),
            json!({ "steps": ["push", "sms"] }),
            json!({ "steps": [["push", "sms"]] }),
            json!({ "steps": ["push", ["sms", "email"]], "email_is_device_bound": true }),
            json!({ "steps": ["push", "sms"], "hedge_after": "5s" }),
            json!({ "steps": ["push", "sms"], "hedge_after": "20s" }),
        ])
        .clone();
    otp["ttl"] = json!(ttl());
    let news = |steps: Value| json!({ "steps": steps, "ttl": ttl() });
    let mut locked = news(json!(["push", "sms", "email"]));
    if world.happens(500) {
        locked["hedge_after"] = json!(format!("{}s", world.pick(&[3, 15])));
    }
    json!({
        "otp": otp,
        "card_locked": locked,
        "card_unlocked": news(json!(["push", "email"])),
        "transactional_lock_added": news(json!([["sms", "email"]])),
        "transactional_lock_removed": news(json!(["email"])),
    })
}

fn recipients(world: &World) -> Vec<RecipientRecord> {
    let reached = |number: u64| {
        let all = [
            (Channel::Sms, format!("+4860010020{number}")),
            (Channel::Sms, format!("+4460010020{number}")),
            (Channel::Push, format!("app:{number}")),
            (Channel::Email, format!("p{number}@example.org")),
        ];
        let some = all.into_iter().filter(|_| world.happens(750));
        some.map(|(channel, text)| Contact::parse(channel, &text).unwrap()).collect()
    };
    let named = |kind, value: String| Identifier { kind, value };
    let recipient = |number: u64| RecipientRecord {
        reference: format!("p{number}"),
        locale: Locale::parse(world.pick::<&str>(&["pl", "en"])).unwrap(),
        status: if world.happens(50) { RecipientStatus::OptedOut } else { RecipientStatus::Active },
        preferences: Preferences {
            channels: if world.happens(150) { vec![Channel::Sms, Channel::Push] } else { Vec::new() },
            time_zone: None,
        },
        identifiers: vec![
            named(IdentifierKind::StorageCustomer, number.to_string()),
            named(IdentifierKind::DcCard, number.to_string()),
            named(IdentifierKind::Corporation, (number % 2).to_string()),
        ],
        contacts: reached(number),
    };
    // The last card has no holder.
    (0..CARDS - 1).map(recipient).collect()
}

#[derive(Clone, Copy)]
enum MetricType {
    Code,
    Locked(LockReason),
    Unlocked,
    CompanyLocked,
}

/// A notification that the processor may post repeatedly.
#[derive(Clone)]
struct Posting {
    key: Option<String>,
    sort: MetricType,
    card: u64,
    merchant: &'static str,
    minor: u64,
    code: String,
    at: Timestamp,
}

impl Posting {
    fn new(world: &World, number: u64) -> Self {
        let sort = *world.pick(&[
            MetricType::Code,
            MetricType::Code,
            MetricType::Code,
            MetricType::Locked(LockReason::CardInactive),
            MetricType::Locked(LockReason::CardStolen),
            MetricType::Unlocked,
            MetricType::CompanyLocked,
        ]);
        Self {
            key: world.happens(800).then(|| format!("key-{number}")),
            sort,
            card: world.below(CARDS),
            merchant: *world.pick(&["Harbour Books", "Tea and Co", " HARBOUR  books", ""]),
            minor: *world.pick(&[1999, 1999, 99_900]),
            // Letters that occur nowhere else.
            code: format!("Q{}ZX{:04}", world.below(10), world.below(10_000)),
            at: world.now(),
        }
    }

    fn about(&self) -> String {
        match self.sort {
            // Without a merchant it is not known whether two codes are for one purchase.
            MetricType::Code if self.merchant.is_empty() => format!("code {}", self.code),
            MetricType::Code => {
                let merchant = self.merchant.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
                format!("code {} {merchant} {}", self.card, self.minor)
            }
            MetricType::Locked(_) | MetricType::Unlocked => format!("card {}", self.card),
            MetricType::CompanyLocked => format!("company {}", self.card % 2),
        }
    }

    fn arrival(&self) -> IncomingNotification {
        let named = |kind, value: u64| Identifier { kind, value: value.to_string() };
        let (identifiers, content) = match self.sort {
            MetricType::Code => (
                vec![named(IdentifierKind::StorageCustomer, self.card), named(IdentifierKind::StorageCard, self.card)],
                Content::Otp(Otp {
                    code: Code::parse(self.code.clone()).unwrap(),
                    money: Money { minor: self.minor, currency: Currency::parse("PLN").unwrap() },
                    merchant: self.merchant.to_owned(),
                }),
            ),
            MetricType::Locked(reason) => (
                vec![named(IdentifierKind::DcCard, self.card)],
                Content::CardLocked(CardLocked { at: self.at, reason }),
            ),
            MetricType::Unlocked => {
                (vec![named(IdentifierKind::DcCard, self.card)], Content::CardUnlocked(CardUnlocked { at: self.at }))
            }
            MetricType::CompanyLocked => (
                vec![named(IdentifierKind::Corporation, self.card % 2)],
                Content::TransactionalLock(TransactionalLock {
                    change: LockChange::Added,
                    at: self.at,
                    reason: TransactionalLockReason::DocumentExpired,
                    holder: LockHolder::Corporation,
                }),
            ),
        };
        IncomingNotification {
            certificate: None,
            client: ClientName("processor".to_owned()),
            endpoint: "/notifications/some",
            idempotency_key: self.key.clone(),
            identifiers,
            content,
            warnings: Vec::new(),
        }
    }
}

async fn come(world: Arc<World>, number: u64) {
    tokio::time::sleep(world.millis(0..COMING)).await;
    let posting = Posting::new(&world, number);
    post(&world, &posting).await;
    if world.happens(200) {
        tokio::time::sleep(world.millis(0..20_000)).await;
        post(&world, &posting).await;
    }
    if world.happens(50) {
        let other = Posting { code: format!("{}9", posting.code), at: world.now(), ..posting.clone() };
        post(&world, &other).await;
    }
}

async fn post(world: &Arc<World>, posting: &Posting) {
    let is_code = matches!(posting.sort, MetricType::Code);
    if is_code {
        world.record.lock().unwrap().codes.push(posting.code.clone());
    }
    let Some(node) = world.one() else { return world.tell("nobody is up") };
    let taken = tokio::time::timeout(Duration::from_secs(5), node.intake.accept(posting.arrival())).await;
    let id = match taken {
        Ok(Ok(IntakeResult::Accepted(id) | IntakeResult::Replayed(id))) => id,
        Ok(Err(refusal)) => return world.tell(format_args!("{:?} is refused: {refusal}", posting.key)),
        Err(_) => return world.tell(format_args!("{:?} is not answered", posting.key)),
    };
    world.tell(format_args!("{:?} ({}) is taken as {:x}", posting.key, posting.about(), id.0.as_u128() & 0xffff_ffff));
    let told = Arrival {
        id,
        key: posting.key.clone(),
        at: world.now(),
        // Posted again without a key it is another notification, and without a merchant nothing tells that it is the same purchase.
        about: if is_code && posting.merchant.is_empty() { format!("code {}", id.0) } else { posting.about() },
        is_lock: match posting.sort {
            MetricType::Locked(_) => Some(true),
            MetricType::Unlocked => Some(false),
            MetricType::Code | MetricType::CompanyLocked => None,
        },
        code: is_code.then(|| posting.code.clone()),
    };
    world.record.lock().unwrap().told.push(told);
}

async fn trouble(world: &Arc<World>, operator: &Arc<Store>) {
    let nature = world.nature;
    let gates = world.gates.lock().unwrap().clone();
    if world.happens(nature.crashes) {
        world.disturbed("a crash");
        world.pick(&gates).kill();
    }
    if world.happens(nature.freezes) {
        world.disturbed("a freeze");
        let (gate, world) = (Arc::clone(world.pick(&gates)), Arc::clone(world));
        gate.freeze();
        tokio::spawn(async move {
            tokio::time::sleep(world.millis(100..40_000)).await;
            world.disturbed("a thaw");
            gate.thaw();
        });
    }
    // A process that is still starting would adopt the new time.
    let all_up = world.nodes.lock().unwrap().iter().all(Option::is_some);
    if world.happens(nature.jumps) && all_up {
        let (hour, sign) = (3_600_000_000, *world.pick(&[1, -1]));
        let micros = sign * world.pick(&[hour, 24 * hour]);
        world.tell(format_args!("the clock is set by {micros} µs"));
        world.jump(micros);
    }
    if world.happens(nature.moods) {
        let station = world.pick(&world.stations);
        let mood = *world.pick(&Mood::ALL);
        world.tell(format_args!("{} is {mood:?}", station.name()));
        *station.mood.lock().unwrap() = mood;
    }
    if world.happens(2) {
        let provider = world.pick(&world.stations).name();
        world.disturbed(format_args!("{provider} is taken off duty"));
        operator
            .providers()
            .drain(&ProviderDecision::new(provider, Some("practice"), otpost::store::operator(), world.now()))
            .await
            .unwrap();
    }
    if world.happens(5) {
        operator
            .providers()
            .enable(&ProviderDecision::new(
                world.pick(&world.stations).name(),
                None,
                otpost::store::operator(),
                world.now(),
            ))
            .await
            .unwrap();
    }
}
