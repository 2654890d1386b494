//! Every rejection is counted by its reason, and written to the audit log with the certificate that was presented.

use std::time::Duration;

use openssl::ssl::SslVersion;
use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki::{self, Authority};
use otpost::telemetry;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{counted, until};
use crate::support::certificates;
use crate::support::gateway_files::client;
use crate::support::sender::{Identity, Line, tls};
use crate::support::{Gateway, otp};

const HANDSHAKES: &str = "otpost_handshake_rejections_total";
const REQUESTS: &str = "otpost_client_rejections_total";
const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_rejected_handshake_is_counted_by_its_reason_and_audited_with_the_certificate() {
    let metrics = telemetry::collect().unwrap();
    let gateway = Gateway::start().await;
    let authority = &gateway.files.authority;
    let now = SystemClock.now();
    let other = Authority::create("Practice CA", 400, now).unwrap();
    let request = pki::request("processor", "Processor").unwrap();
    let signed = |at, key| Identity::new(authority.sign_client(&request.csr, 1, at).unwrap(), key);
    let rows = [
        ("no_certificate", None),
        ("unknown_authority", Some(client(&other, "processor"))),
        ("expired", Some(signed(now.before(DAY * 2), request.key.clone()))),
        ("not_yet_valid", Some(signed(now.after(DAY), request.key.clone()))),
        ("self_signed", Some(certificates::self_signed())),
        ("weak_key", Some(certificates::with_rsa_key(authority, 1024))),
        ("chain_too_deep", Some(certificates::below_a_second_authority(authority))),
        ("wrong_purpose", Some(certificates::for_servers_only(authority))),
    ];

    for (reason, identity) in rows {
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let before = counted(&metrics.render(), HANDSHAKES, reason);
            let mut tls = tls(identity.as_ref());
            tls.set_max_proto_version(Some(version)).unwrap();
            if let Ok(mut line) = Line::try_open(gateway.address(), tls).await {
                line.send(&otp().request()).await;
                assert!(line.answer().await.is_err(), "{reason}, {version:?}");
            }
            until(reason, async || counted(&metrics.render(), HANDSHAKES, reason) == before + 1).await;
        }
        let audited = async || gateway.files.audit().await.into_iter().find(|(_, detail)| detail["reason"] == reason);
        until(reason, async || audited().await.is_some()).await;
        let (kind, detail) = audited().await.unwrap();
        assert_eq!((kind.as_str(), &detail["at"]), ("client_rejected", &"handshake".into()), "{detail}");
        assert_eq!(detail["serial"].is_string(), identity.is_some(), "{detail}");
    }
}

#[tokio::test]
async fn peers_that_send_no_tls_or_an_old_version_or_nothing_are_counted() {
    let metrics = telemetry::collect().unwrap();
    let gateway = Gateway::start().await;
    let silent = TcpStream::connect(gateway.address()).await.unwrap();
    let mut plain = TcpStream::connect(gateway.address()).await.unwrap();

    plain.write_all(b"POST /notifications/otp HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut old = tls(Some(&gateway.files.processor));
    old.set_min_proto_version(Some(SslVersion::TLS1)).unwrap();
    old.set_max_proto_version(Some(SslVersion::TLS1_1)).unwrap();
    assert!(Line::try_open(gateway.address(), old).await.is_err());

    until("protocol", async || counted(&metrics.render(), HANDSHAKES, "protocol") == 2).await;
    until("timed_out", async || counted(&metrics.render(), HANDSHAKES, "timed_out") == 1).await;
    drop(silent);
}

#[tokio::test]
async fn a_rejected_request_is_counted_each_time_and_audited_once() {
    let metrics = telemetry::collect().unwrap();
    let gateway = Gateway::start().await;
    let rows = [
        ("not_listed", client(&gateway.files.authority, "processor")),
        ("wrong_purpose", certificates::for_nothing_in_particular(&gateway.files.authority)),
    ];

    // The manual clock stood still while the certificates were issued.
    gateway.clock.move_on(Duration::from_mins(1));
    for (reason, identity) in &rows {
        for _ in 0..20 {
            let answer = gateway.post_as(identity, &otp()).await;
            assert!(answer.status == 403 && answer.closes(), "{answer:?}");
        }
        assert_eq!(counted(&metrics.render(), REQUESTS, reason), 20);
    }

    let audited =
        async || gateway.files.audit().await.into_iter().filter(|(kind, _)| kind == "client_rejected").count();
    until("audited", async || audited().await >= 2).await;
    for (_, detail) in gateway.files.audit().await.iter().filter(|(kind, _)| kind == "client_rejected") {
        assert_eq!(detail["at"], "request");
        assert!(detail["spki_pin"].as_str().unwrap().len() == 44 && detail["subject"].is_string(), "{detail}");
    }
    assert!(gateway.deliveries().await.is_empty());
    assert!(audited().await <= 4, "40 rejections make few entries");
}

#[tokio::test]
async fn a_gateway_that_stops_has_audited_every_rejection() {
    let gateway = Gateway::start().await;
    let unlisted = client(&gateway.files.authority, "processor");

    for _ in 0..7 {
        assert_eq!(gateway.post_as(&unlisted, &otp()).await.status, 403);
    }
    let gateway = gateway.restart().await;

    let audit = gateway.files.audit().await;
    let counts =
        audit.iter().filter(|(kind, _)| kind == "client_rejected").map(|(_, detail)| detail["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 7);
}
