//! Revoked certificates, and what happens to the others when the revocation list expires.

use std::time::Duration;

use otpost::domain::clock::{Clock, SystemClock};
use otpost::ingest;
use otpost::pki::Authority;

use crate::support::certificates::{revocation_list, two_authorities};
use crate::support::sender::{Answer, Gone, Identity, Line, tls};
use crate::support::{Gateway, Setup, otp};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_revoked_certificate_is_rejected_in_the_handshake_and_others_are_not() {
    let gateway = with_list("", DAY * 10).await;

    assert!(post(&gateway, &gateway.files.second).await.is_err());
    assert_eq!(post(&gateway, &gateway.files.processor).await.unwrap().status, 204);
}

#[tokio::test]
async fn an_expired_list_is_used_for_the_grace_period_and_then_all_clients_are_rejected() {
    let gateway = with_list("crl_grace = \"2d\"", DAY).await;
    let mut line = gateway.line().await;

    for (days_later, status) in [(0, 204), (2, 204), (4, 403)] {
        gateway.clock.move_to(SystemClock.now().after(DAY * days_later));
        line.send(&otp().request()).await;
        assert_eq!(line.answer().await.unwrap().status, status, "{days_later} days later");
    }
    assert!(post(&gateway, &gateway.files.processor).await.is_err(), "rejected in the handshake as well");
    assert!(post(&gateway, &gateway.files.second).await.is_err());
}

#[tokio::test]
async fn an_expired_list_still_revokes_its_certificates() {
    let gateway = with_list("", Duration::ZERO).await;

    assert!(post(&gateway, &gateway.files.second).await.is_err());
    assert_eq!(post(&gateway, &gateway.files.processor).await.unwrap().status, 204);
}

#[tokio::test]
async fn with_crl_expired_refuse_an_expired_list_rejects_all_clients() {
    let gateway = with_list("crl_expired = \"refuse\"", Duration::ZERO).await;

    assert!(post(&gateway, &gateway.files.processor).await.is_err());
}

#[tokio::test]
async fn a_list_that_is_not_of_the_client_ca_is_refused_at_the_start() {
    let gateway = with_list("", DAY).await;
    let other = Authority::create("Practice CA", 400, SystemClock.now()).unwrap();
    let until = SystemClock.now().after(DAY);
    let own = revocation_list(&gateway.files.authority, &[], until);
    let rows = [
        ("of another authority of the same name", revocation_list(&other, &[], until), "no CA of"),
        ("with one of another authority", own.clone() + &revocation_list(&other, &[], until), "no CA of"),
        ("empty", String::new(), "contains no revocation list"),
        ("a certificate", "-----BEGIN CERTIFICATE-----\n".to_owned(), "contains no revocation list"),
        ("cut off", own[..own.len() / 2].to_owned(), "not a revocation list"),
    ];

    for (row, text, expected) in rows {
        gateway.files.replace("pki/crl.pem", text);
        let error = ingest::check(&gateway.files.config().ingest).unwrap_err().to_string();
        assert!(error.contains("ingest.crl") && error.contains(expected), "{row}: {error}");
    }
    gateway.files.replace("pki/crl.pem", own);
    ingest::check(&gateway.files.config().ingest).unwrap();
}

#[tokio::test]
async fn a_client_below_an_intermediate_ca_is_accepted_if_it_sends_the_intermediate() {
    let (root, _, client) = two_authorities();
    let pin = otpost::pki::spki_pin(&client.certificate).unwrap();
    let setup = Setup::new()
        .ingest("client_ca = \"pki/root.pem\"")
        .more(&format!("[[ingest.client]]\nname = \"below\"\nspki_pins = [\"{pin}\"]"));
    let gateway = setup.prepare(move |files| files.replace("pki/root.pem", root.to_pem().unwrap())).start().await;

    assert_eq!(post(&gateway, &client).await.unwrap().status, 204);
    let without = Identity { chain: Vec::new(), ..client };
    assert!(post(&gateway, &without).await.is_err());
}

/// A gateway whose CA has revoked the certificate of the second processor, with a list that ends `later`.
async fn with_list(ingest: &str, later: Duration) -> Gateway {
    let setup = Setup::new().ingest(&format!("crl = \"pki/crl.pem\"\n{ingest}"));
    let until = SystemClock.now().before(Duration::from_secs(1)).after(later);
    setup
        .prepare(move |files| {
            files.replace("pki/crl.pem", revocation_list(&files.authority, &[&files.second.certificate], until));
        })
        .start()
        .await
}

async fn post(gateway: &Gateway, identity: &Identity) -> Result<Answer, Gone> {
    let mut line = Line::try_open(gateway.address(), tls(Some(identity))).await?;
    line.send(&otp().request()).await;
    line.answer().await
}
