//! The limits of the machine without a gateway: its disk, and the store alone.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::workspace::{BenchWorkspace, CUSTOMERS};
use otpost::domain::clock::{Clock, SystemClock};
use otpost::domain::contact::Channel;
use otpost::domain::delivery::{Attempt, ProviderName};
use otpost::domain::money::{Currency, Money};
use otpost::domain::notification::{ClientName, Content, Notification, NotificationId, Otp};
use otpost::domain::outcome::Outcome;
use otpost::domain::recipient::{Identifier, IdentifierKind};
use otpost::domain::secret::Code;
use otpost::flow::tasks::report_keeper;
use otpost::sim::latency::{Latencies, Percentiles, per_second};
use otpost::sim::processor::OTP_PATH;
use otpost::sim::stopwatch::monotonic_ns;
use otpost::store::{Acceptance, Accepted, Dedupe, OpenMode, Store};

/// The number of connections of the scenario `intake`.
const PRODUCERS: u64 = 64;

const BLOCK: usize = 4096;

/// The size of a write-ahead log that is overwritten.
const OVERWRITTEN: u64 = 64 * 1024 * 1024;

/// A rate, and the latencies of the single operations.
pub(super) type Pace = (f64, Percentiles);

/// Writes and syncs 4 KiB repeatedly: first appends to a file, then overwrites one.
pub(super) async fn sync(workspace: &BenchWorkspace, span: Duration) -> anyhow::Result<(Pace, Pace)> {
    let path = workspace.folder().join("sync.tmp");
    let measured = tokio::task::spawn_blocking(move || {
        Ok((write_blocks(&path, span, None)?, write_blocks(&path, span, Some(OVERWRITTEN))?))
    });
    measured.await?
}

fn write_blocks(path: &PathBuf, span: Duration, overwritten: Option<u64>) -> anyhow::Result<Pace> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    if let Some(size) = overwritten {
        let piece = vec![7; 1 << 20];
        (0..size >> 20).try_for_each(|at| file.write_all_at(&piece, at << 20))?;
        file.sync_all()?;
    }
    let block = [42; BLOCK];
    let mut latencies = Latencies::default();
    let start = monotonic_ns();
    let end = start.saturating_add(nanos(span));
    let (mut count, mut now) = (0, start);
    while now < end {
        let at = count * BLOCK as u64;
        file.write_all_at(&block, overwritten.map_or(at, |size| at % size))?;
        file.sync_data()?;
        let after = monotonic_ns();
        latencies.record((after - now) / 1_000);
        (count, now) = (count + 1, after);
    }
    std::fs::remove_file(path)?;
    Ok((per_second(count, Duration::from_nanos(now - start)), latencies.percentiles()))
}

/// Accepts notifications in this process from 64 producers at once. They are not delivered.
pub(super) async fn store(workspace: &BenchWorkspace, span: Duration) -> anyhow::Result<Pace> {
    let database = workspace.fresh()?;
    let store = Arc::new(workspace.open(database.file(), OpenMode::Gateway).await?);
    let start = monotonic_ns();
    let end = start.saturating_add(nanos(span));
    let mut producers = JoinSet::new();
    for number in 0..PRODUCERS {
        producers.spawn(produce(Arc::clone(&store), number, end));
    }
    let mut all = Vec::new();
    while let Some(took) = producers.join_next().await {
        all.extend(took??);
    }
    let took = Duration::from_nanos(monotonic_ns() - start);
    store.close().await?;
    let mut latencies = Latencies::default();
    for took in all {
        latencies.record(took);
    }
    let percentiles = latencies.percentiles();
    Ok((per_second(percentiles.count, took), percentiles))
}

/// Accepts and delivers codes in this process from 64 producers at once, with the task that counts them or without. Returns
/// how many in a second.
pub(super) async fn cycle(workspace: &BenchWorkspace, span: Duration, is_counted: bool) -> anyhow::Result<f64> {
    let database = workspace.fresh()?;
    let store = Arc::new(workspace.open(database.file(), OpenMode::Gateway).await?);
    let counting = is_counted.then(|| tokio::spawn(report_keeper::run(Arc::clone(&store), Arc::new(SystemClock))));
    let start = monotonic_ns();
    let end = start.saturating_add(nanos(span));
    let mut producers = JoinSet::new();
    for number in 0..PRODUCERS {
        producers.spawn(deliver(Arc::clone(&store), number, end));
    }
    let mut count = 0;
    while let Some(delivered) = producers.join_next().await {
        count += delivered??;
    }
    let took = Duration::from_nanos(monotonic_ns() - start);
    if let Some(counting) = counting {
        counting.abort();
        let _ = counting.await;
    }
    store.close().await?;
    Ok(per_second(count, took))
}

async fn deliver(store: Arc<Store>, number: u64, end: u64) -> anyhow::Result<u64> {
    let (mut count, mut sequence) = (0, number);
    while monotonic_ns() < end {
        let accepted = store.accept(Acceptance { leased: true, ..acceptance(sequence)? }).await?;
        let Accepted::New(Some(claimed)) = accepted else { anyhow::bail!("a new code was not leased") };
        let attempt = Attempt {
            number: 1,
            channel: Channel::Sms,
            provider: ProviderName(format!("sms-{}", sequence % 4)),
            contact: 0,
            masked_contact: "+48*****0200".to_owned(),
            contact_hash: Some([7; 16]),
            country: "PL".parse().ok(),
            started_at: SystemClock.now(),
            took: Duration::from_millis(20 + sequence % 300),
            outcome: Outcome::accepted(None),
            detail: None,
            segments: Some(1),
            template_version: None,
            cost: None,
            failure: None,
        };
        store.settle(*claimed, attempt).await?;
        (count, sequence) = (count + 1, sequence + PRODUCERS);
    }
    Ok(count)
}

async fn produce(store: Arc<Store>, number: u64, end: u64) -> anyhow::Result<Vec<u64>> {
    let (mut took, mut sequence) = (Vec::new(), number);
    while monotonic_ns() < end {
        let began = monotonic_ns();
        match store.accept(acceptance(sequence)?).await? {
            Accepted::New(_) => took.push((monotonic_ns() - began) / 1_000),
            Accepted::Replay(_) | Accepted::KeyReused(_) => {
                anyhow::bail!("a new idempotency key was reported as known")
            }
        }
        sequence += PRODUCERS;
    }
    Ok(took)
}

// The acceptance that ingest makes of the load generator's body.
fn acceptance(sequence: u64) -> anyhow::Result<Acceptance> {
    let customer = 1 + sequence % CUSTOMERS;
    let name = |kind, value: String| Identifier { kind, value };
    let received_at = SystemClock.now();
    Ok(Acceptance {
        notification: Notification {
            id: NotificationId(Uuid::now_v7()),
            client: ClientName("processor-dev".to_owned()),
            received_at,
            identifiers: vec![
                name(IdentifierKind::StorageCustomer, customer.to_string()),
                name(IdentifierKind::StorageCard, customer.to_string()),
                name(IdentifierKind::Balance, "b334b384-328c-11ed-a261-0242ac120002".to_owned()),
            ],
            content: Content::Otp(Otp {
                code: Code::parse(format!("{:06}", sequence % 1_000_000))?,
                money: Money { minor: 1_000, currency: Currency::parse("PLN")? },
                merchant: "QZAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            }),
            warnings: Vec::new(),
        },
        certificate: None,
        expires_at: received_at.after(Duration::from_mins(5)),
        replaces_until: received_at.after(Duration::from_mins(5)),
        dedupe: Dedupe::ByKey(Uuid::new_v4().to_string(), Duration::from_hours(72)),
        endpoint: OTP_PATH,
        leased: false,
    })
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
