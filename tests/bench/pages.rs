//! `cargo bench -- --pages N`: how long the console takes for its pages, over a database with N deliveries of 13 months.
//!
//! The gateway is a process of its own. A user with all roles is set up as in a browser, and each page is asked for over
//! loopback, one request after the other.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use otpost::domain::access::Role;
use otpost::domain::audit_event::Actor;
use otpost::domain::clock::{Clock, SystemClock};
use otpost::flow::tasks::report_keeper;
use otpost::flow::users::{SecondFactor, SessionLifetime, Users};
use otpost::store::reports::DeliveryFilter;
use otpost::store::{OpenMode, Store};
use strum::IntoEnumIterator;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::scenarios::Storage;
use super::workspace::BenchWorkspace;
use super::{child, search, stored};

/// Requests for each page.
const REQUESTS: usize = 100;

/// What a page may take, in milliseconds, and how large it may be.
const GOAL: (f64, usize) = (50.0, 100 * 1024);

const PASSWORD: &str = "correct horse battery";

/// Measures, and prints a line for each page.
pub(super) async fn run(dir: &Path, count: u32, say: impl Fn(String)) -> anyhow::Result<()> {
    let workspace = BenchWorkspace::create(Storage::Disk, dir, "http://127.0.0.1:9/", count).await?;
    let database = workspace.fresh()?;
    let now = SystemClock.now();
    let began = Instant::now();
    stored::fill_searchable(database.file(), count, now, |_| {}).await?;
    let store = Arc::new(workspace.open(database.file(), OpenMode::Gateway).await?);
    search::add_probes(&store, database.file(), now).await?;
    report_keeper::recount(&store, |_| ()).await?;
    say(format!("filled       {:>9.1} s for {count} deliveries, indexed and counted", began.elapsed().as_secs_f64()));
    let code = added_user(&store).await?;
    let paths = paths(&store).await?;
    store.close().await?;
    let (gateway, address) = child::console(&workspace.config(), database.file()).await?;
    let cookie = set_up(address, &code).await?;
    for path in paths {
        say(measured(address, &cookie, &path).await?);
    }
    let output = gateway.stop().await?;
    ensure!(output.is_empty(), "the gateway wrote: {}", output.join("; "));
    Ok(())
}

async fn added_user(store: &Arc<Store>) -> anyhow::Result<String> {
    let hour = Duration::from_hours(1);
    let lifetime = SessionLifetime { idle: hour, absolute: hour };
    let users = Users::new(Arc::clone(store), Arc::new(SystemClock), lifetime, SecondFactor::Optional);
    let roles: Vec<_> = Role::iter().collect();
    let code = users.add(&Actor::Operator("bench".to_owned()), "bench", &roles).await?;
    Ok(code.text().to_owned())
}

async fn paths(store: &Store) -> anyhow::Result<Vec<String>> {
    let newest = store.reports().deliveries(&DeliveryFilter::newest(1)).await?.lines.pop();
    let delivery = newest.context("there is no delivery")?.id;
    let recipient = store.recipients().id_of("bench-7")?;
    Ok([
        "/".to_owned(),
        "/upkeep".to_owned(),
        "/deliveries".to_owned(),
        "/deliveries?q=storage_customer%3A7".to_owned(),
        "/deliveries?q=%2B48600000006".to_owned(),
        "/deliveries?state=expired".to_owned(),
        format!("/deliveries?recipient={recipient}"),
        format!("/deliveries/{delivery}"),
        format!("/recipients/{recipient}"),
        "/reports".to_owned(),
        "/reports/summary?from=7d&to=now".to_owned(),
        "/reports/providers?from=90d&to=now&by=day".to_owned(),
        "/audit".to_owned(),
        "/audit/log".to_owned(),
        "/templates".to_owned(),
        "/providers".to_owned(),
    ]
    .into())
}

async fn measured(address: SocketAddr, cookie: &str, path: &str) -> anyhow::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
    let (mut took, mut size) = (Vec::with_capacity(REQUESTS), 0);
    for _ in 0..REQUESTS {
        let began = Instant::now();
        let answer = exchange(address, &request).await?;
        took.push(began.elapsed());
        ensure!(answer.starts_with("HTTP/1.1 200"), "{path}: {}", answer.lines().next().unwrap_or_default());
        size = answer.len();
    }
    let first = took[0].as_secs_f64() * 1e3;
    took.sort_unstable();
    let at = |part: usize| took[(took.len() - 1) * part / 100].as_secs_f64() * 1e3;
    let (p50, p99) = (at(50), at(99));
    let remark = match (p99 > GOAL.0, size > GOAL.1) {
        (true, _) => "  SLOW",
        (_, true) => "  LARGE",
        _ => "",
    };
    let kib = size.div_ceil(1024);
    Ok(format!("p50 {p50:>7.1} ms  p99 {p99:>7.1} ms  first {first:>7.1} ms  {kib:>4} KiB  {path}{remark}"))
}

/// Chooses a password as a browser does, and returns the cookie of the session.
async fn set_up(address: SocketAddr, code: &str) -> anyhow::Result<String> {
    let asked = format!("GET /welcome?code={code} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let page = exchange(address, &asked).await?;
    let secret = page.split_once("name=\"secret\" value=\"").and_then(|(_, rest)| rest.split('"').next());
    let fields = [
        ("setup", code),
        ("password", PASSWORD),
        ("repeated", PASSWORD),
        ("secret", secret.context("the page to set a user up has no secret")?),
        ("code", ""),
    ];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let head = "POST /welcome HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n";
    let answer = exchange(address, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await?;
    let cookie = answer.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("set-cookie").then(|| value.split(';').next().unwrap_or_default().to_owned())
    });
    cookie.with_context(|| format!("no session began: {}", answer.lines().next().unwrap_or_default()))
}

async fn exchange(address: SocketAddr, request: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
