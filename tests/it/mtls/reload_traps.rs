//! Known faults of servers that replace their certificates. Each is tried on a gateway that has been reloaded, partly
//! with OpenSSL's own client.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use openssl::ssl::SslVersion;
use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki::{self, Authority};

use crate::support::certificates::revocation_list;
use crate::support::gateway_files::GatewayFiles;
use crate::support::sender::{Identity, Line, tls};
use crate::support::{Gateway, otp};

const VERSIONS: [SslVersion; 2] = [SslVersion::TLS1_2, SslVersion::TLS1_3];

#[tokio::test]
async fn after_a_reload_a_client_certificate_is_still_required() {
    let gateway = reloaded(|files| {
        files.renew_server();
    })
    .await;

    for version in VERSIONS {
        assert!(!is_accepted(&gateway, None, version).await, "{version:?}");
    }
}

#[tokio::test]
async fn a_revocation_list_that_a_reload_adds_counts_in_the_next_handshake() {
    let gateway = reloaded(|files| {
        let until = SystemClock.now().after(Duration::from_hours(24));
        files.replace("pki/crl.pem", revocation_list(&files.authority, &[&files.second.certificate], until));
        files.reconfigure(|text| text.replace("[ingest]\n", "[ingest]\ncrl = \"pki/crl.pem\"\n"));
    })
    .await;

    for version in VERSIONS {
        assert!(!is_accepted(&gateway, Some(&gateway.files.second), version).await, "{version:?}");
        assert!(is_accepted(&gateway, Some(&gateway.files.processor), version).await, "{version:?}");
    }
}

#[tokio::test]
async fn a_ca_that_a_reload_removes_is_no_longer_trusted() {
    let next = Authority::create("Next CA", 400, SystemClock.now()).unwrap();
    let gateway = reloaded(|files| files.replace("pki/dev/ca.pem", next.certificate().to_pem().unwrap())).await;
    let reissued = gateway.files.reissued(&next);

    for version in VERSIONS {
        assert!(!is_accepted(&gateway, Some(&gateway.files.processor), version).await, "{version:?}");
        assert!(is_accepted(&gateway, Some(&reissued), version).await, "{version:?}");
    }
}

#[tokio::test]
async fn a_tls_version_that_a_reload_forbids_is_no_longer_accepted() {
    let gateway =
        reloaded(|files| files.reconfigure(|text| text.replace("[ingest]\n", "[ingest]\nmin_version = \"1.3\"\n")))
            .await;

    assert!(!is_accepted(&gateway, Some(&gateway.files.processor), SslVersion::TLS1_2).await);
    assert!(is_accepted(&gateway, Some(&gateway.files.processor), SslVersion::TLS1_3).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_not_resumed_and_no_ticket_is_issued_that_could_carry_early_data() {
    let gateway = Gateway::start().await;

    let twice = s_client(&gateway, &["-tls1_2", "-reconnect"], "");
    let session = gateway.files.path("session");
    s_client(&gateway, &["-tls1_3", "-sess_out", session.to_str().unwrap()], "");

    assert!(twice.matches("New, ").count() > 1 && !twice.contains("Reused, "), "{twice}");
    assert!(!session.exists(), "a session was issued");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_not_renegotiated() {
    let gateway = Gateway::start().await;

    let output = s_client(&gateway, &["-tls1_2"], "R\n");

    assert!(output.contains("RENEGOTIATING") && output.contains("no renegotiation"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suites_without_authenticated_encryption_are_not_accepted() {
    let gateway = Gateway::start().await;

    let old = s_client(&gateway, &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384"], "");
    let good = s_client(&gateway, &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "");

    assert!(old.contains("alert handshake failure"), "{old}");
    assert!(good.contains("Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"), "{good}");
}

async fn reloaded(change: impl FnOnce(&GatewayFiles)) -> Gateway {
    let gateway = Gateway::start().await;
    change(&gateway.files);
    gateway.reload().await.unwrap();
    gateway
}

async fn is_accepted(gateway: &Gateway, identity: Option<&Identity>, version: SslVersion) -> bool {
    let mut tls = tls(identity);
    tls.set_max_proto_version(Some(version)).unwrap();
    let Ok(mut line) = Line::try_open(gateway.address(), tls).await else { return false };
    line.send(&otp().request()).await;
    line.answer().await.is_ok_and(|answer| answer.status == 204)
}

/// The output of OpenSSL's own client with the processor's certificate.
fn s_client(gateway: &Gateway, options: &[&str], typed: &str) -> String {
    let files = &gateway.files;
    let (certificate, key) = (files.path("processor.pem"), files.path("processor.key"));
    if !key.exists() {
        pki::write_certificate(&certificate, &files.processor.certificate).unwrap();
        pki::write_key(&key, &files.processor.key).unwrap();
    }
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &gateway.address().to_string(), "-cert"])
        .arg(&certificate)
        .arg("-key")
        .arg(&key)
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = client.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
