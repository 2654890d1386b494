//! Trouble with the account, the URL or the answers of a provider: no message is lost by it, and each attempt says why it
//! failed.

use std::time::Duration;

use otpost::domain::contact::Channel;
use otpost::domain::failure_detail::FailureDetail;
use otpost::domain::outcome::{Cause, Outcome, Scope};
use tokio::net::TcpListener;

use crate::support::fake::Fake;
use crate::support::toxic::{End, Proxy, Toxic};
use crate::support::{Gateway, Setup, otp, recipient};

async fn gateway(setup: Setup) -> Gateway {
    let gateway = setup.start().await;
    gateway.knows([recipient("holder").customer("1337").card("11").phone("+48600100200")]).await;
    gateway
}

fn provider(name: &str, url: &str, more: &str) -> String {
    format!("[[provider]]\nname = \"{name}\"\nkind = \"sms_gateway\"\nurl = \"{url}\"\ntimeout = \"600ms\"\n{more}\n")
}

#[tokio::test]
async fn a_message_outlives_trouble_with_the_account_until_it_is_corrected() {
    for status in [301, 307, 400, 401, 402, 403, 404, 405, 409, 422] {
        let gateway = gateway(Setup::new()).await;
        let providers = [gateway.sms("primary"), gateway.sms("backup")];
        providers.iter().for_each(|provider| provider.answers(status));

        gateway.post(&otp()).await.expect_status(204);
        gateway.settle().await;
        gateway.wait(Duration::from_secs(2)).await;
        let waits = gateway.last().await;
        providers.iter().for_each(|provider| provider.recovers());
        gateway.drain().await;

        assert_eq!(waits.line.state, "open", "{status}");
        for attempt in &waits.attempts {
            let cause = attempt.outcome.cause().unwrap();
            assert!(matches!(attempt.outcome, Outcome::Deferred { .. }), "{status}: {:?}", attempt.outcome);
            assert!(cause.scope() == Scope::Provider && cause.needs_operator(), "{status}: {cause}");
        }
        assert_eq!((gateway.last().await.line.state.as_str(), gateway.received()), ("sent", 1), "{status}");
    }
}

#[tokio::test]
async fn a_wrong_url_opens_the_circuit_like_an_outage() {
    let gateway = gateway(Setup::new()).await;
    gateway.sms("primary").answers(404);

    for _ in 0..10 {
        gateway.post(&otp()).await.expect_status(204);
        gateway.settle().await;
    }

    assert_eq!(gateway.sms("primary").report().rejected, 5);
    assert_eq!(gateway.sms("backup").received().len(), 10);
}

#[tokio::test]
async fn a_lost_answer_behind_a_proxy_is_an_unknown_outcome_and_the_next_provider_gets_the_code() {
    for (status, cause) in [(502, Cause::Disconnected), (504, Cause::TimedOut)] {
        let gateway = gateway(Setup::new()).await;
        gateway.sms("primary").answers(status);

        gateway.post(&otp()).await.expect_status(204);
        gateway.settle().await;

        let last = gateway.last().await;
        assert_eq!(last.attempts[0].outcome, Outcome::unknown(cause), "{status}");
        assert_eq!((last.line.state.as_str(), gateway.sms("backup").received().len()), ("sent", 1), "{status}");
    }
}

#[tokio::test]
async fn a_200_that_does_not_look_like_success_is_not_taken_for_one() {
    let page =
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 33\r\n\r\n<!DOCTYPE html><h1>Log in</h1> ok";
    let portal = Fake::open(Channel::Sms).await;
    let portal = Proxy::before(portal.address(), Toxic::After(0, End::say(page))).await;
    let error = Fake::open(Channel::Sms).await;
    error.answers(200);
    let url = |address| format!("http://{address}/send");
    let ok = "errors = { ok = { path = \"/error\", values = [\"0\"] } }";
    let first = provider("portal", &url(portal.address()), "")
        + &provider("without-id", &url(error.address()), "reference_path = \"/id\"")
        + &provider("with-error", &url(error.address()), ok);
    let gateway = gateway(Setup::new().first(&first)).await;

    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;

    let last = gateway.last().await;
    let outcomes: Vec<_> = last.attempts.iter().map(|it| (it.provider.0.as_str(), it.outcome.clone())).collect();
    assert_eq!(
        outcomes[..3],
        [
            ("portal", Outcome::deferred(Cause::WrongUrl)),
            ("without-id", Outcome::unknown(Cause::Unclassified)),
            ("with-error", Outcome::deferred(Cause::Unclassified)),
        ]
    );
    assert_eq!((last.line.state.as_str(), gateway.sms("primary").received().len()), ("sent", 1));
}

#[tokio::test]
async fn each_attempt_says_why_it_failed() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (plain, rejects, silent) =
        (Fake::open(Channel::Sms).await, Fake::open(Channel::Sms).await, Fake::open(Channel::Sms).await);
    rejects.echoes(401);
    silent.swallows();
    // A label that is too long is refused by the resolver itself.
    let nowhere = format!("http://{}.example/", "x".repeat(64));
    let first = provider("closed", &format!("http://{closed}/"), "")
        + &provider("nowhere", &nowhere, "")
        + &provider("plain", &format!("https://{}/", plain.address()), "")
        + &provider("rejects", &format!("http://{}/", rejects.address()), "")
        + &provider("silent", &format!("http://{}/", silent.address()), "");
    let gateway = gateway(Setup::new().first(&first)).await;

    gateway.post(&otp().code("73915046")).await.expect_status(204);
    gateway.settle().await;

    let last = gateway.last().await;
    let detail = |name: &str| {
        let attempt = last.attempts.iter().find(|attempt| attempt.provider.0 == name).unwrap();
        (attempt.outcome.clone(), attempt.detail.as_ref().map_or("", FailureDetail::as_str))
    };
    assert_eq!(detail("closed"), (Outcome::deferred(Cause::Unreachable), "connection refused"));
    let (outcome, why) = detail("nowhere");
    assert!(outcome == Outcome::deferred(Cause::Unreachable) && why.starts_with("DNS: "), "{why}");
    let (outcome, why) = detail("plain");
    assert!(outcome == Outcome::deferred(Cause::TlsFailed) && why.starts_with("TLS: "), "{outcome:?} {why}");
    let (outcome, why) = detail("rejects");
    assert_eq!(outcome, Outcome::deferred(Cause::Unauthorized));
    assert!(why.starts_with(r#"HTTP 401: {"error":"rejected by the simulator","request":"{"#), "{why}");
    assert!(!why.contains("73915046") && !why.contains("600100") && !why.contains("10,00"), "{why}");
    assert_eq!(detail("silent"), (Outcome::unknown(Cause::TimedOut), "timed out while waiting for the answer"));
    assert_eq!(detail("primary"), (Outcome::accepted(last_reference(&last)), ""));
}

fn last_reference(last: &otpost::store::reports::DeliveryDetail) -> Option<otpost::domain::outcome::Reference> {
    match &last.attempts.last().unwrap().outcome {
        Outcome::Accepted { reference } => reference.clone(),
        _ => None,
    }
}
