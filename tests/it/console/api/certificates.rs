//! A token that is bound to a client certificate counts over a connection with it only.

use otpost::domain::access::Role;
use otpost::flow::api_tokens::TokenOrder;
use otpost::pki;

use super::recorded;
use crate::support::api::{PREFIX, Program};
use crate::support::certificates::self_signed;
use crate::support::console::Request;
use crate::support::gateway_files::{GatewayFiles, client};
use crate::support::sender::Identity;
use crate::support::{Gateway, Setup};

const TLS: &str = "[console]\nlisten = \"127.0.0.1:0\"\ncertificate = \"pki/console.pem\"\nkey = \"pki/console.key\"\n\
    client_ca = \"pki/dev/ca.pem\"\n";

async fn gateway() -> Gateway {
    let issue = |files: &GatewayFiles| {
        use otpost::domain::clock::Clock as _;
        let now = otpost::domain::clock::SystemClock.now();
        let issued = files.authority.issue_server(&["localhost".to_owned()], 90, now).unwrap();
        pki::write_certificate(&files.path("pki/console.pem"), &issued.certificate).unwrap();
        pki::write_key(&files.path("pki/console.key"), &issued.key).unwrap();
    };
    Setup::new().more(TLS).prepare(issue).start().await
}

async fn ask(gateway: &Gateway, program: &Program, identity: Option<&Identity>) -> Option<u16> {
    let request = Request::get(&format!("{PREFIX}/providers"));
    let request = request.header("Authorization", &format!("Bearer {}", program.token));
    request.try_send_tls(gateway.console_address(), identity).await.map(|answer| answer.status)
}

#[tokio::test]
async fn a_token_with_a_pin_counts_with_its_certificate_only() {
    let gateway = gateway().await;
    let free = Program::of(&gateway, &[Role::Viewer]).await;
    let (own, other) = (client(&gateway.files.authority, "ci"), client(&gateway.files.authority, "other"));
    let pin = pki::spki_pin(&own.certificate).unwrap();
    let roles = [Role::Viewer];
    let order = TokenOrder { name: "ci", user: &free.user, roles: &roles, days: 1, cert_pin: Some(&pin) };
    let bound = Program::with(&gateway, &order).await;

    assert_eq!(ask(&gateway, &bound, Some(&own)).await, Some(200));
    assert_eq!(ask(&gateway, &bound, Some(&other)).await, Some(401));
    assert_eq!(ask(&gateway, &bound, None).await, Some(401));
    assert_eq!(ask(&gateway, &free, None).await, Some(200), "a certificate is asked for, and not required");
    assert_eq!(ask(&gateway, &free, Some(&other)).await, Some(200));
    let events = recorded(&gateway, "api_token_refused").await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.0 == "token:ci" && event.1["reason"] == "another certificate or none"));
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_in_the_handshake() {
    let gateway = gateway().await;
    let program = Program::of(&gateway, &[Role::Viewer]).await;

    assert_eq!(ask(&gateway, &program, Some(&self_signed())).await, None);
    assert_eq!(ask(&gateway, &program, None).await, Some(200));
}
