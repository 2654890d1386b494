//! Ways in which a server that exchanges its certificates is known to let in whom it should not. Each is tried on a
//! gateway that has been reloaded, partly with OpenSSL's own client.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use openssl::ssl::SslVersion;
use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki::{self, Authority};

use crate::support::certificates::revocation_list;
use crate::support::house::House;
use crate::support::sender::{Identity, Line, tls};
use crate::support::{Gateway, otp};

const VERSIONS: [SslVersion; 2] = [SslVersion::TLS1_2, SslVersion::TLS1_3];

#[tokio::test]
async fn after_a_reload_a_certificate_is_still_demanded() {
    let gateway = reloaded(|house| {
        house.renew_server();
    })
    .await;

    for version in VERSIONS {
        assert!(!is_let_in(&gateway, None, version).await, "{version:?}");
    }
}

#[tokio::test]
async fn a_list_that_only_comes_with_a_reload_counts_in_the_next_handshake() {
    let gateway = reloaded(|house| {
        let until = SystemClock.now().after(Duration::from_hours(24));
        house.replace("pki/crl.pem", revocation_list(&house.authority, &[&house.second.certificate], until));
        house.reconfigure(|text| text.replace("[ingest]\n", "[ingest]\ncrl = \"pki/crl.pem\"\n"));
    })
    .await;

    for version in VERSIONS {
        assert!(!is_let_in(&gateway, Some(&gateway.house.second), version).await, "{version:?}");
        assert!(is_let_in(&gateway, Some(&gateway.house.processor), version).await, "{version:?}");
    }
}

#[tokio::test]
async fn an_authority_that_is_gone_after_a_reload_lets_nobody_in() {
    let next = Authority::create("Next CA", 400, SystemClock.now()).unwrap();
    let gateway = reloaded(|house| house.replace("pki/dev/ca.pem", next.certificate().to_pem().unwrap())).await;
    let reissued = gateway.house.reissued(&next);

    for version in VERSIONS {
        assert!(!is_let_in(&gateway, Some(&gateway.house.processor), version).await, "{version:?}");
        assert!(is_let_in(&gateway, Some(&reissued), version).await, "{version:?}");
    }
}

#[tokio::test]
async fn an_older_tls_than_a_reload_allows_is_not_spoken_any_more() {
    let gateway =
        reloaded(|house| house.reconfigure(|text| text.replace("[ingest]\n", "[ingest]\nmin_version = \"1.3\"\n")))
            .await;

    assert!(!is_let_in(&gateway, Some(&gateway.house.processor), SslVersion::TLS1_2).await);
    assert!(is_let_in(&gateway, Some(&gateway.house.processor), SslVersion::TLS1_3).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_not_resumed_and_none_is_given_that_could_carry_early_data() {
    let gateway = Gateway::start().await;

    let twice = s_client(&gateway, &["-tls1_2", "-reconnect"], "");
    let kept = gateway.house.path("session");
    s_client(&gateway, &["-tls1_3", "-sess_out", kept.to_str().unwrap()], "");

    assert!(twice.matches("New, ").count() > 1 && !twice.contains("Reused, "), "{twice}");
    assert!(!kept.exists(), "a session was handed out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_not_negotiated_anew() {
    let gateway = Gateway::start().await;

    let said = s_client(&gateway, &["-tls1_2"], "R\n");

    assert!(said.contains("RENEGOTIATING") && said.contains("no renegotiation"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suites_that_do_not_authenticate_what_they_encrypt_are_not_spoken() {
    let gateway = Gateway::start().await;

    let old = s_client(&gateway, &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384"], "");
    let good = s_client(&gateway, &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "");

    assert!(old.contains("alert handshake failure"), "{old}");
    assert!(good.contains("Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"), "{good}");
}

async fn reloaded(change: impl FnOnce(&House)) -> Gateway {
    let gateway = Gateway::start().await;
    change(&gateway.house);
    gateway.reload().await.unwrap();
    gateway
}

async fn is_let_in(gateway: &Gateway, identity: Option<&Identity>, version: SslVersion) -> bool {
    let mut tls = tls(identity);
    tls.set_max_proto_version(Some(version)).unwrap();
    let Ok(mut line) = Line::try_open(gateway.address(), tls).await else { return false };
    line.send(&otp().request()).await;
    line.answer().await.is_ok_and(|answer| answer.status == 204)
}

/// Everything that OpenSSL's own client says when the processor uses it.
fn s_client(gateway: &Gateway, options: &[&str], typed: &str) -> String {
    let house = &gateway.house;
    let (certificate, key) = (house.path("processor.pem"), house.path("processor.key"));
    if !key.exists() {
        pki::write_certificate(&certificate, &house.processor.certificate).unwrap();
        pki::write_key(&key, &house.processor.key).unwrap();
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
    let said = client.wait_with_output().unwrap();
    String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr)
}
