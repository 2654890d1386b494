//! Searches for deliveries in a database of 13 months, and the pace at which the search index is filled.
//!
//! Filler deliveries are inserted directly, with terms of the right shape and random values. Those that are searched for are
//! indexed as the gateway does it.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use uuid::{Builder, Uuid};

use super::results::Quantity;
use super::stored;
use super::workspace::BenchWorkspace;
use otpost::domain::clock::{Clock, SystemClock, Timestamp};
use otpost::domain::contact::{Channel, Contact};
use otpost::domain::delivery::DeliveryState;
use otpost::domain::notification::Kind;
use otpost::domain::recipient::RecipientId;
use otpost::store::reports::DeliveryFilter;
use otpost::store::search::EVENTS_PER_STEP;
use otpost::store::{OpenMode, Store};

/// Deliveries that are searched for, spread over the whole time.
const PROBES: u32 = 200;

/// Deliveries that the index is filled with.
const INDEXED: u32 = 20_000;

const PROBE: [&str; 4] = [
    "INSERT INTO notification (id, client, kind, received_at, idempotency_key) VALUES (?1, 'processor-dev', 'otp', ?3, ?4)",
    "INSERT INTO delivery (id, notification_id, kind, received_at, expires_at, recipient_id, state, ended_at, due_at)
       VALUES (?2, ?1, 'otp', ?3, ?3 + 300000000, ?5, 'sent', ?3 + 2000, ?3)",
    "INSERT INTO attempt (delivery_id, number, channel, provider, contact_position, masked_contact, started_at, took_us,
         outcome, reference, contact_hash, country)
       VALUES (?2, 1, 'sms', 'sms-primary', 0, '+48*****0000', ?3, 900, 'accepted', ?4, ?6, 'PL')",
    "INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail)
       VALUES (?3, 'gateway', 'sent', ?1, ?2, '{}')",
];

struct ProbeRow {
    delivery: Uuid,
    recipient: RecipientId,
    contact: [u8; 16],
    key: String,
}

/// Fills a database with `rows` deliveries and searches in it.
pub(super) async fn measure(
    workspace: &BenchWorkspace,
    rows: u32,
    progress: impl Fn(u32),
) -> anyhow::Result<[(Quantity, f64); 5]> {
    let indexed = index_pace(workspace).await?;
    let database = workspace.fresh()?;
    let now = SystemClock.now();
    stored::fill_searchable(database.file(), rows, now, progress).await?;
    let store = workspace.open(database.file(), OpenMode::Gateway).await?;
    let probes = probes(&store, now)?;
    insert(database.file(), &probes).await?;
    while store.search_index().extend_index(EVENTS_PER_STEP).await? > 0 {}
    store.close().await?;

    let store = workspace.open(database.file(), OpenMode::ReadOnly).await?;
    let mut took = Vec::new();
    for probe in &probes {
        let newest = || DeliveryFilter::newest(20);
        for filter in [
            DeliveryFilter { idempotency_key: Some(probe.key.clone()), ..newest() },
            DeliveryFilter { reference: Some(probe.key.clone()), ..newest() },
            DeliveryFilter { contact: Some(probe.contact), ..newest() },
            DeliveryFilter { recipient: Some(probe.recipient), ..newest() },
        ] {
            let (found, time) = search(&store, &filter).await?;
            ensure!(found == [probe.delivery], "a delivery was not found: {filter:?}");
            took.push(time);
        }
    }
    let newest =
        DeliveryFilter { kind: Some(Kind::Otp), state: Some(DeliveryState::Sent), ..DeliveryFilter::newest(20) };
    let (found, list) = search(&store, &newest).await?;
    ensure!(found.len() == 20, "the newest deliveries were not found");
    let rare = DeliveryFilter { state: Some(DeliveryState::Expired), ..DeliveryFilter::newest(20) };
    let (_, rare) = search(&store, &rare).await?;
    store.close().await?;
    took.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (median, slowest) = (took.get(took.len() / 2), took.last());
    Ok([
        (Quantity::SearchP50, ms(*median.context("nothing was searched for")?)),
        (Quantity::SearchMax, ms(*slowest.context("nothing was searched for")?)),
        (Quantity::NewestListed, ms(list)),
        (Quantity::RareLookedFor, ms(rare)),
        (Quantity::Indexed, indexed),
    ])
}

/// Adds the deliveries that are searched for to a database of many, and indexes them.
pub(super) async fn add_probes(store: &Store, file: &std::path::Path, now: Timestamp) -> anyhow::Result<()> {
    insert(file, &probes(store, now)?).await?;
    while store.search_index().extend_index(EVENTS_PER_STEP).await? > 0 {}
    Ok(())
}

async fn search(store: &Store, filter: &DeliveryFilter) -> anyhow::Result<(Vec<Uuid>, Duration)> {
    let began = Instant::now();
    let page = store.reports().deliveries(filter).await?;
    Ok((page.lines.iter().map(|line| line.id).collect(), began.elapsed()))
}

fn probes(store: &Store, now: Timestamp) -> anyhow::Result<Vec<ProbeRow>> {
    let probe = |number: u32| {
        let at = now.before(stored::SEARCHED_SPAN * (2 * number + 1) / (2 * PROBES));
        let contact = Contact::parse(Channel::Sms, &format!("+48600{number:06}"))?;
        Ok(ProbeRow {
            delivery: id_at(at),
            recipient: store.recipients().id_of(&format!("bench-{}", number + 1))?,
            contact: store.contact_hash(&contact)?,
            key: format!("probe-{number}"),
        })
    };
    (0..PROBES).map(probe).collect()
}

fn id_at(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.micros() / 1000).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid()
}

async fn insert(file: &std::path::Path, probes: &[ProbeRow]) -> anyhow::Result<()> {
    let mut connection = SqliteConnectOptions::new().filename(file).connect().await?;
    let mut transaction = connection.begin().await?;
    for probe in probes {
        let at = otpost::store::search::time_of(probe.delivery);
        let notification = id_at(at);
        for text in PROBE {
            let query = sqlx::query(text).bind(notification).bind(probe.delivery).bind(at.micros()).bind(&probe.key);
            let query = query.bind(probe.recipient.0).bind(probe.contact.as_slice());
            query.execute(&mut *transaction).await?;
        }
    }
    transaction.commit().await?;
    Ok(connection.close().await?)
}

// Deliveries per second, when there is nothing else to do.
async fn index_pace(workspace: &BenchWorkspace) -> anyhow::Result<f64> {
    let database = workspace.fresh()?;
    stored::fill(database.file(), INDEXED, SystemClock.now(), |_| {}).await?;
    let store = workspace.open(database.file(), OpenMode::Gateway).await?;
    let began = Instant::now();
    while store.search_index().extend_index(EVENTS_PER_STEP).await? > 0 {}
    let pace = f64::from(INDEXED) / began.elapsed().as_secs_f64();
    store.close().await?;
    Ok(pace)
}
