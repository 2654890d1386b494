//! Clients that fail in the handshake, and clients that are rejected only after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use openssl::ssl::{SslConnectorBuilder, SslSessionCacheMode, SslVersion};
use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki::{self, Authority};

use super::is_a_detail;
use crate::support::certificates;
use crate::support::gateway_files::client;
use crate::support::sender::{Answer, Gone, Identity, Line, tls};
use crate::support::{Gateway, Setup, otp};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_client_without_a_valid_certificate_gets_no_answer() {
    let gateway = Gateway::start().await;
    let authority = &gateway.files.authority;
    let other = Authority::create("Practice CA", 400, SystemClock.now()).unwrap();
    let rows = [
        ("no client certificate", None),
        ("other CA of the same name", Some(client(&other, "processor"))),
        ("expired", Some(signed_at(authority, DAY, 0))),
        ("not yet valid", Some(signed_at(authority, Duration::ZERO, 1))),
        ("self-signed", Some(certificates::self_signed())),
        ("RSA 1024", Some(certificates::with_rsa_key(authority, 1024))),
        ("chain too deep", Some(certificates::below_a_second_authority(authority))),
        // OpenSSL checks the purpose itself, so there is no 403.
        ("for servers only", Some(certificates::for_servers_only(authority))),
    ];

    for (row, identity) in rows {
        // With TLS 1.3 the server rejects a certificate only after the client has finished its handshake.
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let mut tls = tls(identity.as_ref());
            tls.set_max_proto_version(Some(version)).unwrap();
            let answer = exchange(&gateway, tls).await;
            assert!(answer.is_err(), "{row}, {version:?}: {answer:?}");
        }
    }

    assert!(gateway.deliveries().await.is_empty());
}

#[tokio::test]
async fn nothing_older_than_tls_1_2_is_accepted() {
    let gateway = Gateway::start().await;

    for (version, fine) in
        [(SslVersion::TLS1, false), (SslVersion::TLS1_1, false), (SslVersion::TLS1_2, true), (SslVersion::TLS1_3, true)]
    {
        let mut tls = tls(Some(&gateway.files.processor));
        tls.set_min_proto_version(Some(version)).unwrap();
        tls.set_max_proto_version(Some(version)).unwrap();
        let answer = exchange(&gateway, tls).await;
        assert_eq!(answer.is_ok_and(|answer| answer.status == 204), fine, "{version:?}");
    }
}

#[tokio::test]
async fn no_session_is_issued_that_could_be_resumed() {
    let gateway = Gateway::start().await;

    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let offered = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&offered);
        let mut tls = tls(Some(&gateway.files.processor));
        tls.set_max_proto_version(Some(version)).unwrap();
        tls.set_session_cache_mode(SslSessionCacheMode::CLIENT);
        tls.set_new_session_callback(move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        exchange(&gateway, tls).await.unwrap().expect_status(204);
        assert_eq!(offered.load(Ordering::SeqCst), 0, "{version:?}");
    }
}

#[tokio::test]
async fn a_valid_certificate_that_is_not_listed_is_forbidden() {
    let gateway = Gateway::start().await;
    let unlisted = client(&gateway.files.authority, "processor");

    let answer = gateway.post_as(&unlisted, &otp()).await;

    assert_eq!(answer.status, 403);
    assert!(is_a_detail(&answer.body));
    assert!(gateway.deliveries().await.is_empty());
}

#[tokio::test]
async fn a_certificate_with_another_subject_than_the_configured_one_is_forbidden() {
    let gateway =
        Setup::new().more("[[ingest.client]]\nname = \"third\"\nsubject = \"CN=third,O=Processor\"").start().await;
    let authority = &gateway.files.authority;

    let listed = gateway.post_as(&client(authority, "third"), &otp()).await;
    let other = gateway.post_as(&client(authority, "third,O=Processor"), &otp()).await;

    assert_eq!((listed.status, other.status), (204, 403));
}

#[tokio::test]
async fn a_certificate_that_expires_on_an_open_connection_is_forbidden_from_then_on() {
    let gateway = Gateway::start().await;
    let mut line = gateway.line().await;
    line.send(&otp().request()).await;
    line.answer().await.unwrap().expect_status(204);

    gateway.clock.move_on(DAY * 91);
    line.send(&otp().request()).await;

    assert_eq!(line.answer().await.unwrap().status, 403);
}

async fn exchange(gateway: &Gateway, tls: SslConnectorBuilder) -> Result<Answer, Gone> {
    let mut line = Line::try_open(gateway.address(), tls).await?;
    line.send(&otp().request()).await;
    line.answer().await
}

// A certificate for one day that was signed `ago`, or will be signed in `days_ahead` days.
fn signed_at(authority: &Authority, ago: Duration, days_ahead: u32) -> Identity {
    let at = SystemClock.now().before(ago * 2).after(DAY * 2 * days_ahead);
    let request = pki::request("processor", "Processor").unwrap();
    Identity::new(authority.sign_client(&request.csr, 1, at).unwrap(), request.key)
}
