//! Certificates, CAs, revocation lists and clients are replaced while the gateway runs, and no good request fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use openssl::x509::X509;
use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki::{self, Authority};
use otpost::telemetry;

use super::counted;
use crate::support::certificates::revocation_list;
use crate::support::gateway_files::{GatewayFiles, client};
use crate::support::sender::{Identity, Line, tls};
use crate::support::{Gateway, Setup, otp};

const DAY: Duration = Duration::from_hours(24);
const ROTATIONS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_rotations_cost_no_good_request_and_a_revoked_client_is_rejected_at_once() {
    let gateway = Setup::new()
        .ingest("crl = \"pki/crl.pem\"")
        .prepare(|files| files.replace("pki/crl.pem", list_of(&files.authority, &[])))
        .start()
        .await;
    let next = Authority::create("Practice CA of the next years", 400, SystemClock.now()).unwrap();
    let load = Load::start(&gateway);
    let mut revoked: Vec<X509> = Vec::new();
    let mut servers = std::collections::HashSet::new();

    for round in 0..ROTATIONS {
        match round % 4 {
            0 => {
                gateway.files.renew_server();
                gateway.reload().await.unwrap();
                servers.insert(pki::spki_pin(&gateway.line().await.server()).unwrap());
            }
            1 => revoked.push(revoke_one(&gateway, &revoked).await),
            2 => {
                overlap(&gateway.files, &next, &revoked, round % 8 == 2);
                gateway.reload().await.unwrap();
                let of_next = gateway.files.reissued(&next);
                let accepted = Line::try_open(gateway.address(), tls(Some(&of_next))).await;
                assert_eq!(is_taken(accepted.ok()).await, round % 8 == 2, "round {round}");
            }
            _ => list_a_new_pin(&gateway).await,
        }
        load.goes_on().await;
    }

    let (taken, failures) = load.end().await;
    assert_eq!(failures, Vec::<String>::new(), "of {taken}");
    assert!(taken > 200 && servers.len() == ROTATIONS / 4, "{taken} requests, {} certificates", servers.len());
}

#[tokio::test]
async fn half_a_change_or_a_bad_file_changes_nothing_and_raises_an_alarm() {
    let metrics = telemetry::collect().unwrap();
    let gateway = Setup::new()
        .ingest("crl = \"pki/crl.pem\"")
        .prepare(|files| files.replace("pki/crl.pem", list_of(&files.authority, &[])))
        .start()
        .await;
    let other = Authority::create("Another CA", 400, SystemClock.now()).unwrap();
    let new = gateway.files.authority.issue_server(&["localhost".to_owned()], 90, SystemClock.now()).unwrap();
    let mut line = gateway.line().await;
    let before = pki::spki_pin(&line.server()).unwrap();
    let rows: [(&str, Vec<u8>); 9] = [
        ("pki/server.pem", new.certificate.to_pem().unwrap()),
        ("pki/server.key", new.key.private_key_to_pem_pkcs8().unwrap()),
        ("pki/server.pem", b"-----BEGIN CERTIFICATE-----\nAAAA".to_vec()),
        ("pki/dev/ca.pem", Vec::new()),
        ("pki/dev/ca.pem", other.certificate().to_pem().unwrap()),
        ("pki/crl.pem", list_of(&other, &[]).into_bytes()),
        ("pki/crl.pem", Vec::new()),
        ("otpost.toml", b"[ingest".to_vec()),
        ("otpost.toml", b"[[ingest.client]]\nname = \"processor\"\nspki_pins = [\"short\"]".to_vec()),
    ];

    for (at, (name, bad)) in rows.into_iter().enumerate() {
        let good = std::fs::read(gateway.files.path(name)).unwrap();
        gateway.files.replace(name, &bad);

        let result = gateway.reload().await;

        assert!(result.is_err(), "{at} {name}");
        assert!(metrics.render().contains("otpost_reload_failed 1"), "{at} {name}");
        line.send(&otp().request()).await;
        line.answer().await.unwrap().expect_status(204);
        let mut newer = gateway.line().await;
        assert_eq!(pki::spki_pin(&newer.server()).unwrap(), before, "{at} {name}");
        newer.send(&otp().request()).await;
        newer.answer().await.unwrap().expect_status(204);
        gateway.files.replace(name, good);
    }

    gateway.reload().await.unwrap();
    assert!(metrics.render().contains("otpost_reload_failed 0"));
    assert_eq!(counted(&metrics.render(), "otpost_reloads_total", "failed"), 9);
    let audit = gateway.files.audit().await;
    let (_, detail) = audit.iter().rfind(|(kind, _)| kind == "reloaded").unwrap();
    assert_eq!(detail["spki_pin"], before);
}

#[tokio::test]
async fn an_open_connection_is_rejected_when_its_client_is_removed_or_its_ca_is_replaced() {
    let gateway = Gateway::start().await;
    let next = Authority::create("Next CA", 400, SystemClock.now()).unwrap();
    let (mut removed, mut stays) = (gateway.line_as(&gateway.files.second).await, gateway.line().await);
    for line in [&mut removed, &mut stays] {
        assert!(is_taken_on(line).await);
    }

    let pin = pki::spki_pin(&gateway.files.second.certificate).unwrap();
    let another = pki::spki_pin(next.certificate()).unwrap();
    gateway.files.reconfigure(|text| text.replace(&pin, &another));
    gateway.reload().await.unwrap();
    assert!(!is_taken_on(&mut removed).await && is_taken_on(&mut stays).await);

    gateway.files.replace("pki/dev/ca.pem", next.certificate().to_pem().unwrap());
    gateway.reload().await.unwrap();
    assert!(!is_taken_on(&mut stays).await);
    assert!(is_taken(Line::try_open(gateway.address(), tls(Some(&gateway.files.reissued(&next)))).await.ok()).await);
}

#[tokio::test]
async fn a_probe_may_read_the_public_key_and_nothing_else() {
    let gateway = Gateway::start().await;
    let pin = pki::spki_pin(&gateway.files.second.certificate).unwrap();
    let role = format!("spki_pins = [\"{pin}\"]\nrole = \"probe\"");
    gateway.files.reconfigure(|text| text.replace(&format!("spki_pins = [\"{pin}\"]"), &role));
    gateway.reload().await.unwrap();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes();

    for (request, forbidden) in
        [(get("/public-key"), false), (get("/notifications/otp"), true), (get("/"), true), (otp().request(), true)]
    {
        let answer = gateway.exchange(&gateway.files.second, &request).await;
        assert_eq!(answer.status == 403, forbidden, "{}", String::from_utf8_lossy(&request));
    }
}

/// Two clients that post all the time: one keeps its connection, the other opens a new one for each request.
struct Load {
    stop: Arc<AtomicBool>,
    taken: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(gateway: &Gateway) -> Self {
        let (stop, taken) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let tasks = [(true, &gateway.files.processor), (false, &gateway.files.second)].map(|(keeps, identity)| {
            let (stop, taken, identity) = (Arc::clone(&stop), Arc::clone(&taken), identity.clone());
            let address = gateway.address();
            tokio::spawn(async move {
                let (mut kept, mut failures) = (None, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let line = match kept.take() {
                        Some(line) => Ok(line),
                        None => Line::try_open(address, tls(Some(&identity))).await,
                    };
                    let Ok(mut line) = line else {
                        failures.push("no handshake".to_owned());
                        continue;
                    };
                    line.send(&otp().request()).await;
                    match line.answer().await {
                        Ok(answer) if answer.status == 204 => drop(taken.fetch_add(1, Ordering::Relaxed)),
                        Ok(answer) => failures.push(format!("{answer:?}")),
                        Err(_) => failures.push("no answer".to_owned()),
                    }
                    kept = keeps.then_some(line);
                }
                failures
            })
        });
        Self { stop, taken, tasks: tasks.into() }
    }

    /// Waits until two more requests have been accepted.
    async fn goes_on(&self) {
        let before = self.taken.load(Ordering::Relaxed);
        super::until("the load goes on", async || self.taken.load(Ordering::Relaxed) >= before + 2).await;
    }

    async fn end(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let mut failures = Vec::new();
        for task in self.tasks {
            failures.extend(task.await.unwrap());
        }
        (self.taken.load(Ordering::Relaxed), failures)
    }
}

/// A client is accepted, is revoked, and is rejected within a second, on its open connection and on a new one.
async fn revoke_one(gateway: &Gateway, before: &[X509]) -> X509 {
    let files = &gateway.files;
    let client = client(&files.authority, "processor");
    let client = Identity::new(client.certificate, client.key);
    files.list(&client);
    gateway.reload().await.unwrap();
    let mut line = gateway.line_as(&client).await;
    assert!(is_taken_on(&mut line).await);

    let all: Vec<&X509> = before.iter().chain([&client.certificate]).collect();
    files.replace("pki/dev/ca.pem", files.authority.certificate().to_pem().unwrap());
    files.replace("pki/crl.pem", list_of(&files.authority, &all));
    let began = Instant::now();
    gateway.reload().await.unwrap();

    assert!(!is_taken_on(&mut line).await);
    assert!(!is_taken(Line::try_open(gateway.address(), tls(Some(&client))).await.ok()).await);
    assert!(began.elapsed() < Duration::from_secs(1));
    client.certificate
}

/// Adds the next CA to the present one, or removes it.
fn overlap(files: &GatewayFiles, next: &Authority, revoked: &[X509], both: bool) {
    let revoked: Vec<&X509> = revoked.iter().collect();
    let mut authorities = files.authority.certificate().to_pem().unwrap();
    let mut lists = list_of(&files.authority, &revoked);
    if both {
        authorities.extend(next.certificate().to_pem().unwrap());
        lists += &list_of(next, &[]);
    }
    files.replace("pki/dev/ca.pem", authorities);
    files.replace("pki/crl.pem", lists);
}

async fn list_a_new_pin(gateway: &Gateway) {
    let added = client(&gateway.files.authority, "processor");
    assert_eq!(gateway.post_as(&added, &otp()).await.status, 403);
    gateway.files.list(&added);
    gateway.reload().await.unwrap();
    assert_eq!(gateway.post_as(&added, &otp()).await.status, 204);
}

fn list_of(authority: &Authority, revoked: &[&X509]) -> String {
    revocation_list(authority, revoked, SystemClock.now().after(DAY))
}

async fn is_taken(line: Option<Line>) -> bool {
    match line {
        Some(mut line) => is_taken_on(&mut line).await,
        None => false,
    }
}

async fn is_taken_on(line: &mut Line) -> bool {
    line.send(&otp().request()).await;
    line.answer().await.is_ok_and(|answer| answer.status == 204)
}
