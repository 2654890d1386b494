//! The ops listener of a real process: its answers, and metrics that Prometheus' own parser reads and that must add up with
//! what was done.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use otpost::domain::clock::{Clock, SystemClock};
use otpost::domain::contact::Channel;
use otpost::sim::processor::Processor;
use otpost::sim::providers::PracticeProvider;
use otpost::sim::providers::faults::Faults;
use otpost::sim::providers::message_log::Keeping;
use otpost::telemetry::catalog;
use serde::Deserialize;
use serde_json::json;

use super::canary::get;
use super::degraded::readiness;
use super::{OTPOST, Served, Workspace, loopback, run};
use crate::support::receipt_provider::{SECRET, signed_receipt};
use crate::support::sample_notification::SampleNotification;
use crate::support::{locked, otp, python, recipient, unlocked};

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

/// Only the recipient may see these; they do not occur by chance.
const PRIVATE: [&str; 5] = ["600100200", "4915112345678", "app-token-canary", "48151623", "1337"];

/// As the parser sees them: series with their labels in alphabetical order, `name{a="b"}`.
struct Metrics(BTreeMap<String, f64>);

#[derive(Deserialize)]
struct Family {
    name: String,
    help: String,
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

fn parse(text: &str) -> Vec<Family> {
    let said = python::run(include_str!("../support/metrics.py"), &json!({ "text": text }));
    serde_json::from_str(&said).unwrap()
}

impl Metrics {
    fn of(gateway: &Served) -> Self {
        let answer = get(gateway, "/metrics");
        let (_, text) = answer.split_once("\r\n\r\n").unwrap();
        let samples = parse(text).into_iter().flat_map(|family| family.samples);
        Self(samples.map(|(name, labels, value)| (shown(&name, &labels), value)).collect())
    }

    /// The sum of all series of that name with these labels.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let fits = |key: &str| {
            let (found, rest) = key.split_once('{').unwrap_or((key, ""));
            found == name && wanted.iter().all(|label| rest.contains(label.as_str()))
        };
        self.0.iter().filter(|(key, _)| fits(key)).map(|(_, value)| value).sum()
    }
}

fn shown(name: &str, labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    format!("{name}{{{}}}", labels.join(","))
}

/// Everything that takes part.
struct Scenario {
    workspace: Workspace,
    backup: PracticeProvider,
    push: PracticeProvider,
    gateway: Served,
    processor: Processor,
    receipts: SocketAddr,
}

impl Scenario {
    async fn set() -> Self {
        let backup = PracticeProvider::open(Channel::Sms, loopback(), Keeping::Arrivals).await.unwrap();
        let push = PracticeProvider::open(Channel::Push, loopback(), Keeping::Arrivals).await.unwrap();
        let workspace = Workspace::new(&more(&backup, &push)).await;
        let config = workspace.path("otpost.toml");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text.pipe_all(&EDITS)).unwrap();
        let recipients = [
            recipient("german").customer("49").phone("+4915112345678"),
            recipient("reader of German").customer("50").phone("+48600100201").reads("de"),
            recipient("app").card("11").card("12").app("app-token-canary").phone("+48600100202"),
            recipient("phone").card("21").card("22").card("23").phone("+48600100203"),
        ];
        let store = workspace.store().await;
        let entries: Vec<_> = recipients.into_iter().map(|one| one.0).collect();
        store.recipients().import(&entries, SystemClock.now()).await.unwrap();
        store.close().await.unwrap();
        let gateway = workspace.serve();
        let processor = gateway.processor(&workspace.identity());
        let receipts = gateway.log().lines().find_map(receipts_in_log).unwrap();
        Self { workspace, backup, push, gateway, processor, receipts }
    }

    async fn post(&mut self, notice: SampleNotification, key: Option<&str>, status: u16) {
        let body = String::from_utf8(notice.bytes()).unwrap();
        let answer = self.processor.post(&notice.path, &body, key).await.unwrap();
        assert_eq!(answer.status, status, "{}", notice.path);
    }

    /// Waits until what is shown is so.
    fn until(&self, is_so: impl Fn(&Metrics) -> bool) -> Metrics {
        let began = Instant::now();
        loop {
            let metrics = Metrics::of(&self.gateway);
            if is_so(&metrics) {
                return metrics;
            }
            assert!(began.elapsed() < PATIENCE, "{:#?}", metrics.0);
        }
    }

    /// Waits until the series with these labels add up to `value`.
    fn reach(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Metrics {
        let began = Instant::now();
        loop {
            let metrics = Metrics::of(&self.gateway);
            let found = metrics.sum(name, labels);
            if (found - value).abs() < f64::EPSILON {
                return metrics;
            }
            assert!(began.elapsed() < PATIENCE, "{name} {labels:?} is {found} and not {value}: {:#?}", metrics.0);
        }
    }

    fn drain(&self, verb: &str) {
        let before = self.gateway.log().matches("by an operator").count();
        for name in ["sms", "backup"] {
            let config = self.workspace.path("otpost.toml");
            run(Command::new(OTPOST).args(["provider", verb, name]).arg("--config").arg(config));
        }
        let began = Instant::now();
        while self.gateway.log().matches("by an operator").count() < before + 2 {
            assert!(began.elapsed() < PATIENCE, "the gateway does not see it");
            std::thread::yield_now();
        }
    }

    async fn receipt(&self, provider: &str, reference: &str, word: &str, status: u16) {
        signed_receipt(provider, reference, word).post(self.receipts).await.expect_status(status);
    }
}

trait Pipe {
    fn pipe_all(self, edits: &[(&str, &str)]) -> String;
}

impl Pipe for String {
    fn pipe_all(self, edits: &[(&str, &str)]) -> String {
        edits.iter().fold(self, |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        })
    }
}

const EDITS: [(&str, &str); 5] = [
    ("per_recipient = 10", "per_recipient = 7"),
    ("sms_countries = []", "sms_countries = [\"+48\"]"),
    (
        "[plan.card_locked]\nsteps = [\"push\", \"sms\", \"email\"]",
        "[plan.card_locked]\nhedge_after = \"8s\"\nsteps = [\"push\", \"sms\"]",
    ),
    (
        "[plan.card_unlocked]\nsteps = [\"push\", \"sms\", \"email\"]\nttl = \"24h\"",
        "[plan.card_unlocked]\nsteps = [\"sms\"]\nttl = \"2s\"",
    ),
    (
        "[receipts]                            # providers report delivery receipts here: POST or GET /receipts/NAME\nlisten = \"\"",
        "[receipts]\nlisten = \"127.0.0.1:0\"",
    ),
];

fn more(backup: &PracticeProvider, push: &PracticeProvider) -> String {
    let receipt = format!("[provider.receipt]\nsecret = \"{SECRET}\"\n");
    let (backup, push) = (backup.address(), push.address());
    format!(
        "timeout = \"500ms\"\nprice = \"0.5\"\nspend_cap_per_hour = \"1000\"\n{receipt}\
         [[provider]]\nname = \"backup\"\nkind = \"sms_gateway\"\nurl = \"http://{backup}/sms\"\ntimeout = \"500ms\"\n\
         [[provider]]\nname = \"app\"\nkind = \"push_http\"\nurl = \"http://{push}/push\"\n{receipt}"
    )
}

fn receipts_in_log(line: &str) -> Option<SocketAddr> {
    serde_json::from_str::<serde_json::Value>(line).ok()?.get("receipts")?.as_str()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_success_and_failure_is_counted_in_prometheus_metrics() {
    let mut scene = Scenario::set().await;
    let attempts = "otpost_attempts_total";
    let at_start = scene.until(|metrics| metrics.sum("otpost_store_free_bytes", &[]) > 0.0);

    // Accepted, replayed, and rejected by ingest.
    scene.post(otp(), Some("a"), 204).await;
    scene.reach(attempts, &[("provider", "sms"), ("outcome", "accepted")], 1.0);
    scene.post(otp(), Some("a"), 204).await;
    scene.post(otp().code("1"), Some("a"), 422).await;
    scene.post(otp().with("currency", "12"), None, 422).await;
    scene.post(otp().path("/notifications/4815162342"), None, 404).await;
    scene.post(otp().customer("404").with("storageCardId", "404"), None, 204).await;
    scene.reach("otpost_deliveries_failed_total", &[("kind", "otp"), ("reason", "unknown_recipient")], 1.0);

    // In a locale without templates, and to a country that is not allowed.
    scene.post(otp().customer("50"), None, 204).await;
    scene.reach("otpost_template_fallback_total", &[("locale", "de")], 1.0);
    scene.post(otp().customer("49"), None, 204).await;
    scene.reach("otpost_deliveries_failed_total", &[("reason", "country_not_allowed")], 1.0);

    // Receipts: bad, good, again, too early or unknown, and too late.
    let told = scene.workspace.sms.station().arrivals()[0].reference.clone().unwrap();
    signed_receipt("sms", &told, "DELIVRD").unsigned().post(scene.receipts).await.expect_status(401);
    signed_receipt("sms", &told, "").body("no receipt").post(scene.receipts).await.expect_status(400);
    scene.receipt("sms", &told, "ACCEPTD", 200).await;
    scene.receipt("sms", &told, "DELIVRD", 200).await;
    scene.receipt("sms", &told, "DELIVRD", 200).await;
    scene.receipt("sms", "nobody-knows", "UNDELIV", 200).await;
    let second = scene.workspace.sms.station().arrivals()[1].reference.clone().unwrap();
    scene.receipt("sms", &second, "EXPIRED", 200).await;

    // The first provider is down, then both are silent, then both are down until it is too late.
    scene.workspace.sms.station().behave(Faults::down(503));
    scene.post(otp(), None, 204).await;
    scene.reach("otpost_fallbacks_total", &[("from", "sms"), ("to", "backup"), ("reason", "provider_down")], 1.0);
    scene.reach(attempts, &[("provider", "backup"), ("outcome", "accepted")], 1.0);
    scene.backup.station().behave(Faults::down(503));
    scene.post(unlocked(SystemClock.now()).card("21"), None, 204).await;
    scene.reach("otpost_deadline_missed_total", &[("stage", "trying")], 1.0);
    scene.workspace.sms.station().behave(Faults::silent());
    scene.backup.station().behave(Faults::silent());
    scene.post(otp(), None, 204).await;
    scene.reach("otpost_unconfirmed_total", &[("kind", "otp")], 1.0);

    // Every provider is drained: what waits expires or is superseded.
    scene.drain("drain");
    scene.post(unlocked(SystemClock.now()).card("22"), None, 204).await;
    scene.post(otp(), None, 204).await;
    scene.reach("otpost_queue_depth", &[("priority", "otp")], 1.0);
    scene.post(otp().code("48151624"), None, 204).await;
    // An earlier code that still waits for its next try can be replaced, too.
    scene.until(|metrics| metrics.sum("otpost_superseded_total", &[("kind", "otp")]) >= 1.0);
    scene.reach("otpost_deadline_missed_total", &[("stage", "waiting")], 1.0);
    scene.workspace.sms.station().behave(Faults::default());
    scene.backup.station().behave(Faults::default());
    scene.drain("enable");
    scene.reach("otpost_time_to_send_seconds_count", &[("kind", "otp")], 4.0);

    // A rate limit is exceeded, and pushes are hedged.
    for _ in 0..4 {
        scene.post(otp(), None, 204).await;
    }
    scene.reach("otpost_rate_limit_alarms_total", &[("scope", "recipient")], 1.0);
    scene.post(locked(SystemClock.now()).card("11"), None, 204).await;
    scene.reach("otpost_hedges_total", &[("outcome", "armed")], 1.0);
    let pushed = scene.push.station().arrivals()[0].reference.clone().unwrap();
    scene.receipt("app", &pushed, "delivered", 200).await;
    scene.reach("otpost_hedges_total", &[("outcome", "cancelled")], 1.0);
    scene.post(locked(SystemClock.now()).card("12"), None, 204).await;
    scene.reach("otpost_hedges_total", &[("outcome", "sent")], 1.0);
    scene.reach("otpost_queue_depth", &[("priority", "otp")], 0.0);
    scene.reach("otpost_queue_depth", &[("priority", "standard")], 0.0);
    // Shown four times a second, and the last messages have just been sent.
    let metrics = scene.until(|metrics| (spent(metrics) - paid(metrics)).abs() < f64::EPSILON);

    adds_up(&metrics);
    everything_existed_at_the_start(&at_start, &metrics);
    shows_the_catalog_and_no_personal_data(&scene.gateway);
}

fn spent(metrics: &Metrics) -> f64 {
    metrics.sum("otpost_spend_last_hour", &[("provider", "sms")])
}

// Each costs a half.
fn paid(metrics: &Metrics) -> f64 {
    let messages = ["accepted", "unknown"]
        .map(|outcome| metrics.sum("otpost_attempts_total", &[("provider", "sms"), ("outcome", outcome)]));
    messages.iter().sum::<f64>() / 2.0
}

// Unknown at the start are the languages of recipients, the certificates of clients, and the fields that they write wrong.
fn everything_existed_at_the_start(at_start: &Metrics, metrics: &Metrics) {
    let is_unknown = |series: &str| {
        ["otpost_template_fallback_total", "otpost_ingest_rejections_total"].iter().any(|name| series.starts_with(name))
            || series.contains("certificate=\"client:")
    };
    let new: Vec<_> =
        metrics.0.keys().filter(|series| !at_start.0.contains_key(*series) && !is_unknown(series)).collect();
    assert!(new.is_empty(), "began later: {new:#?}");
    for name in [
        "otpost_deadline_missed_total",
        "otpost_deliveries_failed_total",
        "otpost_rate_limit_alarms_total",
        "otpost_handshake_rejections_total",
        "otpost_attempts_total",
        "otpost_receipts_total",
        "otpost_fallbacks_total",
    ] {
        let is_it = |series: &&String| series.starts_with(&format!("{name}{{"));
        let values: Vec<_> = at_start.0.iter().filter(|(series, _)| is_it(series)).map(|(_, value)| *value).collect();
        assert!(!values.is_empty() && values.iter().all(|value| *value == 0.0), "{name}: {values:?}");
    }
}

/// What was done above, and that every way of counting the same comes to the same.
fn adds_up(metrics: &Metrics) {
    for (name, labels, value) in [
        ("otpost_ingest_requests_total", vec![("kind", "otp"), ("outcome", "taken")], 12.0),
        ("otpost_ingest_requests_total", vec![("kind", "otp"), ("outcome", "replayed")], 1.0),
        ("otpost_ingest_requests_total", vec![("kind", "otp"), ("outcome", "key_reused")], 1.0),
        ("otpost_ingest_requests_total", vec![("kind", "otp"), ("outcome", "invalid")], 1.0),
        ("otpost_ingest_requests_total", vec![("kind", "none"), ("outcome", "not_found")], 1.0),
        ("otpost_ingest_requests_total", vec![("processor", "verestro")], 19.0),
        ("otpost_idempotency_replays_total", vec![], 1.0),
        ("otpost_country_rejections_total", vec![], 1.0),
        ("otpost_receipts_total", vec![("provider", "sms"), ("signature", "invalid"), ("outcome", "refused")], 1.0),
        ("otpost_receipts_total", vec![("signature", "valid"), ("outcome", "malformed")], 1.0),
        ("otpost_receipts_total", vec![("status", "none"), ("outcome", "not_final")], 1.0),
        ("otpost_receipts_total", vec![("status", "delivered"), ("outcome", "applied"), ("provider", "sms")], 1.0),
        ("otpost_receipts_total", vec![("status", "delivered"), ("outcome", "repeated")], 1.0),
        ("otpost_receipts_total", vec![("status", "undelivered"), ("outcome", "unknown")], 1.0),
        ("otpost_receipts_total", vec![("status", "expired"), ("outcome", "applied")], 1.0),
        ("otpost_hedges_total", vec![("outcome", "armed")], 2.0),
        ("otpost_reload_failed", vec![], 0.0),
        ("otpost_attempts_total", vec![("country", "+48"), ("channel", "push")], 0.0),
        ("otpost_attempts_total", vec![("country", "none"), ("channel", "push"), ("outcome", "accepted")], 2.0),
    ] {
        let found = metrics.sum(name, &labels);
        assert!((found - value).abs() < f64::EPSILON, "{name} {labels:?} is {found} and not {value}");
    }
    for (one, other) in [
        ("otpost_ingest_requests_total", "otpost_ingest_duration_seconds_count"),
        ("otpost_attempts_total", "otpost_provider_request_duration_seconds_count"),
    ] {
        assert!((metrics.sum(one, &[]) - metrics.sum(other, &[])).abs() < f64::EPSILON, "{one} and {other}");
    }
    let ended = metrics.sum("otpost_deliveries_failed_total", &[])
        + metrics.sum("otpost_superseded_total", &[])
        + metrics.sum("otpost_unconfirmed_total", &[])
        + metrics.sum("otpost_time_to_send_seconds_count", &[]);
    // A delivery whose message was reported as not delivered is sent a second time.
    assert!(ended >= metrics.sum("otpost_ingest_requests_total", &[("outcome", "taken")]), "{ended}");
    assert!((spent(metrics) - paid(metrics)).abs() < f64::EPSILON && spent(metrics) > 0.0);
    let sent = |outcome| metrics.sum("otpost_attempts_total", &[("channel", "sms"), ("outcome", outcome)]);
    let parts = metrics.sum("otpost_sms_segments_total", &[("encoding", "gsm7")]);
    assert!((parts - sent("accepted") - sent("unknown")).abs() < f64::EPSILON, "{parts}");
    assert!((metrics.sum("otpost_spend_cap", &[]) - 1000.0).abs() < f64::EPSILON);
    let too_late = metrics.sum("otpost_deliveries_failed_total", &[("reason", "deadline_passed")]);
    assert!((too_late - 2.0).abs() < f64::EPSILON, "{too_late}");
    assert!(metrics.sum("otpost_store_commit_changes_sum", &[]) >= 32.0);
    assert!(metrics.sum("otpost_store_free_bytes", &[]) > 0.0);
    assert!(metrics.sum("otpost_certificate_expiry_timestamp_seconds", &[("certificate", "server")]) > 1.7e9);
}

// Only metrics of the catalog, with their labels and HELP; nothing that identifies a recipient.
fn shows_the_catalog_and_no_personal_data(gateway: &Served) {
    let text = get(gateway, "/metrics");
    assert!(text.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{text}");
    for secret in PRIVATE {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let (_, text) = text.split_once("\r\n\r\n").unwrap();
    for family in parse(text) {
        let is_it = |it: &&catalog::Metric| it.name == family.name || it.name == format!("{}_total", family.name);
        let metric = catalog::ALL.iter().find(is_it).unwrap_or_else(|| panic!("{} is not in the catalog", family.name));
        assert_eq!(family.help, metric.help);
        for (_, labels, _) in family.samples {
            let found: BTreeSet<_> = labels.keys().map(String::as_str).filter(|label| *label != "le").collect();
            assert_eq!(found, metric.labels.iter().copied().collect(), "{}", metric.name);
        }
    }
}

#[test]
fn the_metric_catalog_and_the_source_agree() {
    let mut named = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs")
                && !path.ends_with("telemetry/catalog.rs")
                && !path.ends_with("telemetry.rs")
            {
                let text = fs::read_to_string(path).unwrap();
                let names = text.split('"').filter(|it| it.starts_with("otpost_"));
                named.extend(
                    names.filter(|it| it.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')).map(String::from),
                );
            }
        }
    }
    // Set once, where the recorder is installed.
    named.insert("otpost_build_info".to_owned());

    assert_eq!(named, catalog::ALL.iter().map(|metric| metric.name.to_owned()).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_gateway_names_the_key_to_change_before_it_changes_anything() {
    let workspace = Workspace::new("").await;
    let taken = TcpListener::bind(loopback()).unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let said = Command::new(OTPOST)
        .args(["serve", "--config"])
        .arg(workspace.path("otpost.toml"))
        .env("OTPOST__INGEST__LISTEN", "127.0.0.1:0")
        .env("OTPOST__OPS__LISTEN", &address)
        .output()
        .unwrap();

    let told = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(2), "{told}");
    assert!(told.contains(&format!("ops.listen: cannot listen on {address}; a second gateway")), "{told}");
    assert!(!told.contains("\"ready\""), "it was at work: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_gateway_is_not_ready_while_it_finishes() {
    let workspace = Workspace::new("").await;
    let mut gateway = workspace.serve();
    assert!(get(&gateway, "/healthz").starts_with("HTTP/1.1 200 "));
    assert_eq!(readiness(&gateway).1, json!({ "status": "ready", "alarms": [] }));
    workspace.sms.station().behave(Faults::slow(Duration::from_secs(3)));
    let sent = gateway.processor(&workspace.identity()).post("/notifications/otp", &otp().json(), None).await.unwrap();
    assert_eq!(sent.status, 204);

    gateway.signal("-TERM");

    let began = Instant::now();
    loop {
        let answer = get(&gateway, "/readyz");
        if answer.starts_with("HTTP/1.1 503 ") {
            assert!(answer.ends_with(r#"{"status":"not_ready","reason":"stopping","alarms":[]}"#), "{answer}");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{answer}");
    }
    assert!(gateway.ended_within(Duration::from_secs(15)).success());
}
