//! Every refusal is counted by its reason, and written down with the certificate that was shown.

use std::time::Duration;

use openssl::ssl::SslVersion;
use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki::{self, Authority};
use otpost::telemetry;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{counted, until};
use crate::support::certificates;
use crate::support::house::client;
use crate::support::sender::{Identity, Line, tls};
use crate::support::{Gateway, otp};

const HANDSHAKES: &str = "otpost_handshake_rejections_total";
const REQUESTS: &str = "otpost_client_rejections_total";
const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_refused_handshake_is_counted_by_its_reason_and_written_down_with_the_certificate() {
    let metrics = telemetry::collect().unwrap();
    let gateway = Gateway::start().await;
    let authority = &gateway.house.authority;
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
        let written = async || gateway.house.audit().await.into_iter().find(|(_, detail)| detail["reason"] == reason);
        until(reason, async || written().await.is_some()).await;
        let (kind, detail) = written().await.unwrap();
        assert_eq!((kind.as_str(), &detail["at"]), ("refused", &"handshake".into()), "{detail}");
        assert_eq!(detail["serial"].is_string(), identity.is_some(), "{detail}");
    }
}

#[tokio::test]
async fn whoever_speaks_no_tls_or_an_old_one_or_nothing_at_all_is_counted() {
    let metrics = telemetry::collect().unwrap();
    let gateway = Gateway::start().await;
    let silent = TcpStream::connect(gateway.address()).await.unwrap();
    let mut plain = TcpStream::connect(gateway.address()).await.unwrap();

    plain.write_all(b"POST /notifications/otp HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut old = tls(Some(&gateway.house.processor));
    old.set_min_proto_version(Some(SslVersion::TLS1)).unwrap();
    old.set_max_proto_version(Some(SslVersion::TLS1_1)).unwrap();
    assert!(Line::try_open(gateway.address(), old).await.is_err());

    until("protocol", async || counted(&metrics.render(), HANDSHAKES, "protocol") == 2).await;
    until("timed_out", async || counted(&metrics.render(), HANDSHAKES, "timed_out") == 1).await;
    drop(silent);
}

#[tokio::test]
async fn a_request_that_the_gate_refuses_is_counted_and_written_down_once_however_often_it_comes() {
    let metrics = telemetry::collect().unwrap();
    let gateway = Gateway::start().await;
    let rows = [
        ("not_listed", client(&gateway.house.authority, "processor")),
        ("wrong_purpose", certificates::for_nothing_in_particular(&gateway.house.authority)),
    ];

    // The clock stood still while the certificates were made.
    gateway.clock.move_on(Duration::from_mins(1));
    for (reason, identity) in &rows {
        for _ in 0..20 {
            let answer = gateway.post_as(identity, &otp()).await;
            assert!(answer.status == 403 && answer.closes(), "{answer:?}");
        }
        assert_eq!(counted(&metrics.render(), REQUESTS, reason), 20);
    }

    let written = async || gateway.house.audit().await.into_iter().filter(|(kind, _)| kind == "refused").count();
    until("written down", async || written().await >= 2).await;
    for (_, detail) in gateway.house.audit().await.iter().filter(|(kind, _)| kind == "refused") {
        assert_eq!(detail["at"], "request");
        assert!(detail["spki"].as_str().unwrap().len() == 44 && detail["subject"].is_string(), "{detail}");
    }
    assert!(gateway.deliveries().await.is_empty());
    assert!(written().await <= 4, "40 refusals fill no disk");
}

#[tokio::test]
async fn a_gateway_that_stops_has_written_down_every_refusal() {
    let gateway = Gateway::start().await;
    let stranger = client(&gateway.house.authority, "processor");

    for _ in 0..7 {
        assert_eq!(gateway.post_as(&stranger, &otp()).await.status, 403);
    }
    let gateway = gateway.restart().await;

    let audit = gateway.house.audit().await;
    let counts =
        audit.iter().filter(|(kind, _)| kind == "refused").map(|(_, detail)| detail["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 7);
}
