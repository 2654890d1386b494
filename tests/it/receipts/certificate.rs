//! The certificate of the receipts listener: a reload replaces it, and metrics show when it expires.

use std::time::Duration;

use openssl::x509::X509;
use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki;
use otpost::telemetry;

use crate::support::gateway_files::GatewayFiles;
use crate::support::sender::{Line, tls};
use crate::support::{Gateway, Setup};

const TLS: &str =
    "[receipts]\nlisten = \"127.0.0.1:0\"\ncertificate = \"pki/receipts.pem\"\nkey = \"pki/receipts.key\"\n";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn a_reload_replaces_the_certificate_for_new_handshakes_and_keeps_open_connections() {
    let gateway = Setup::new().first(TLS).prepare(|files| drop(renew(files, 90))).start().await;
    let mut open = connect(&gateway).await;
    let old = open.server();

    let new = renew(&gateway.files, 90);
    gateway.reload().await.unwrap();

    assert_ne!(pin(&old), pin(&new));
    assert_eq!(pin(&connect(&gateway).await.server()), pin(&new));
    open.send(REQUEST).await;
    open.answer().await.unwrap().expect_status(404);
}

#[tokio::test]
async fn a_bad_file_of_either_listener_changes_neither_and_raises_an_alarm() {
    let metrics = telemetry::collect().unwrap();
    let gateway = Setup::new().first(TLS).prepare(|files| drop(renew(files, 90))).start().await;
    let receipts = pin(&connect(&gateway).await.server());
    let ingest = pin(&gateway.line().await.server());
    let files = &gateway.files;

    for bad in ["pki/receipts.pem", "pki/receipts.key", "pki/server.pem"] {
        // Both listeners have new files; one file of one of them is bad.
        files.renew_server();
        renew(files, 90);
        files.replace(bad, "-----BEGIN CERTIFICATE-----\nAAAA");

        assert!(gateway.reload().await.is_err(), "{bad}");

        assert!(metrics.render().contains("otpost_reload_failed 1"), "{bad}");
        assert_eq!(pin(&connect(&gateway).await.server()), receipts, "{bad}");
        assert_eq!(pin(&gateway.line().await.server()), ingest, "{bad}");
    }

    files.renew_server();
    let new = renew(files, 90);
    gateway.reload().await.unwrap();
    assert!(metrics.render().contains("otpost_reload_failed 0"));
    assert_eq!(pin(&connect(&gateway).await.server()), pin(&new));
    assert_ne!(pin(&gateway.line().await.server()), ingest);
}

#[tokio::test]
async fn a_certificate_whose_key_has_not_been_replaced_yet_is_not_used() {
    let gateway = Setup::new().first(TLS).prepare(|files| drop(renew(files, 90))).start().await;
    let old = pin(&connect(&gateway).await.server());
    let new = issue(&gateway.files, 90);

    gateway.files.replace("pki/receipts.pem", new.certificate.to_pem().unwrap());
    let error = gateway.reload().await.unwrap_err().to_string();
    assert!(error.contains("receipts.key") && error.contains("not the key of receipts.certificate"), "{error}");
    assert_eq!(pin(&connect(&gateway).await.server()), old);

    gateway.files.replace("pki/receipts.key", new.key.private_key_to_pem_pkcs8().unwrap());
    gateway.reload().await.unwrap();
    assert_eq!(pin(&connect(&gateway).await.server()), pin(&new.certificate));
}

#[tokio::test]
async fn metrics_show_when_the_certificate_expires_from_the_start_and_after_a_reload() {
    let metrics = telemetry::collect().unwrap();
    let gateway = Setup::new().first(TLS).prepare(|files| drop(renew(files, 90))).start().await;
    let shown = |certificate: &X509| {
        let seconds = pki::describe(certificate).unwrap().not_after.micros() / 1_000_000;
        metrics
            .render()
            .contains(&format!("otpost_certificate_expiry_timestamp_seconds{{certificate=\"receipts\"}} {seconds}"))
    };
    let old = connect(&gateway).await.server();
    while !shown(&old) {
        tokio::task::yield_now().await;
    }

    let new = renew(&gateway.files, 30);
    gateway.reload().await.unwrap();

    assert!(shown(&new) && !shown(&old));
}

#[tokio::test]
async fn slow_heads_are_closed_on_kept_connections_too() {
    let gateway = Setup::new().first(TLS).prepare(|files| drop(renew(files, 90))).start().await;
    let mut line = connect(&gateway).await;
    line.send(REQUEST).await;
    line.answer().await.unwrap().expect_status(404);

    // Never a complete head; `drip` returns once the gateway has closed the connection.
    line.drip(REQUEST, Duration::from_secs(1)).await;
}

async fn connect(gateway: &Gateway) -> Line {
    Line::try_open(gateway.receipts_address(), tls(None)).await.unwrap()
}

fn pin(certificate: &X509) -> String {
    pki::spki_pin(certificate).unwrap()
}

fn issue(files: &GatewayFiles, days: u32) -> pki::CertifiedKey {
    files.authority.issue_server(&["localhost".to_owned()], days, SystemClock.now()).unwrap()
}

/// Replaces the certificate and the key of the receipts listener.
fn renew(files: &GatewayFiles, days: u32) -> X509 {
    let new = issue(files, days);
    files.replace("pki/receipts.key", new.key.private_key_to_pem_pkcs8().unwrap());
    files.replace("pki/receipts.pem", new.certificate.to_pem().unwrap());
    new.certificate
}
