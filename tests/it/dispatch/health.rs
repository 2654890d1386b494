//! Slow, silent, broken and busy providers: fallbacks, circuits, and recovery.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use otpost::domain::delivery::ProviderName;
use otpost::domain::outcome::{Cause, Outcome};
use otpost::store::operator;
use otpost::store::providers::ProviderDecision;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Gateway, Setup, otp, recipient};

/// The failures that open a circuit, and the time between probes of an open one.
const FAILURES: u64 = 5;
const PROBE_EVERY: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_provider_that_never_answers_gets_only_probes_until_it_answers() {
    let gateway = sms_gateway(Setup::new().timeout("200ms")).await;
    let (primary, backup) = (gateway.sms("primary"), gateway.sms("backup"));
    primary.swallows();

    send_otps(&gateway, 5).await;
    assert_eq!((primary.swallowed(), backup.received().len()), (FAILURES, 5), "each costs one time-out");
    send_otps(&gateway, 10).await;
    assert_eq!((primary.swallowed(), backup.received().len()), (FAILURES, 15), "asked with an open circuit");
    gateway.clock.move_on(PROBE_EVERY);
    send_otps(&gateway, 3).await;
    assert_eq!((primary.swallowed(), backup.received().len()), (FAILURES + 1, 18), "one probe");

    primary.recovers();
    gateway.clock.move_on(PROBE_EVERY);
    send_otps(&gateway, 3).await;
    assert_eq!((primary.received().len(), backup.received().len()), (3, 18), "closed by the first success");
}

#[tokio::test]
async fn the_circuit_of_a_provider_opens_after_five_connection_resets() {
    let gateway = sms_gateway(Setup::new()).await;
    let broken = Odd::open(|_| None).await;
    let gateway = Box::pin(broken.takes_the_place_of_primary(gateway)).await;

    send_otps(&gateway, 10).await;

    assert_eq!((broken.asked(), gateway.sms("backup").received().len()), (5, 10));
    let deliveries = gateway.deliveries().await;
    assert!(deliveries.iter().all(|line| line.state == "sent"), "{deliveries:?}");
    let first = gateway.store().reports().delivery(deliveries[0].id).await.unwrap().unwrap();
    assert_eq!(first.attempts[0].outcome, Outcome::unknown(Cause::Disconnected));
}

#[tokio::test]
async fn a_truncated_answer_is_an_unknown_outcome_and_the_next_provider_is_tried() {
    let gateway = sms_gateway(Setup::new().timeout("300ms")).await;
    let broken = Odd::open(|_| Some("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"i".to_owned())).await;
    let gateway = Box::pin(broken.takes_the_place_of_primary(gateway)).await;

    send_otps(&gateway, 1).await;

    let last = gateway.last().await;
    assert!(last.attempts[0].outcome.may_have_arrived(), "{:?}", last.attempts[0].outcome);
    assert_eq!((last.line.state.as_str(), gateway.sms("backup").received().len()), ("sent", 1));
}

#[tokio::test]
async fn retry_after_is_respected_in_every_form() {
    let gateway = sms_gateway(Setup::new()).await;
    let forms: [(&str, Option<u64>); 8] = [
        ("retry-after: 0\r\n", Some(0)),
        ("retry-after: 2\r\n", Some(2)),
        ("date: Wed, 21 Oct 2015 07:28:00 GMT\r\nretry-after: Wed, 21 Oct 2015 07:28:03 GMT\r\n", Some(3)),
        ("retry-after: 6\r\n", None),
        ("retry-after: 99999999999999999999\r\n", None),
        ("retry-after: -1\r\n", None),
        ("retry-after: soon\r\n", None),
        ("", None),
    ];
    let busy = Odd::open(move |case| {
        let header = forms[case].0;
        Some(format!("HTTP/1.1 429 Busy\r\n{header}content-length: 0\r\n\r\n"))
    })
    .await;
    let gateway = Box::pin(busy.takes_the_place_of_primary(gateway)).await;

    for (case, (header, patience)) in forms.into_iter().enumerate() {
        busy.turn_to(case);
        let (asked, sent) = (busy.asked(), gateway.sms("backup").received().len());
        send_otps(&gateway, 1).await;
        if let Some(seconds) = patience.filter(|seconds| *seconds > 0) {
            gateway.wait(Duration::from_millis(seconds * 1000 - 100)).await;
            assert_eq!((busy.asked(), gateway.sms("backup").received().len()), (asked + 1, sent), "early: {header}");
        }
        gateway.wait(Duration::from_millis(200)).await;
        let expected = asked + 1 + usize::from(patience.is_some());
        assert_eq!((busy.asked(), gateway.sms("backup").received().len()), (expected, sent + 1), "{header}");
        gateway.clock.move_on(Duration::from_secs(61));
    }
}

#[tokio::test]
async fn other_deliveries_start_at_another_provider_during_retry_after() {
    let gateway = sms_gateway(Setup::new()).await;
    gateway.sms("primary").answers_with_retry_after(429, 60);

    send_otps(&gateway, 1).await;
    gateway.sms("primary").recovers();
    send_otps(&gateway, 5).await;
    assert_eq!(gateway.sms("primary").received().len(), 0, "early");
    gateway.clock.move_on(Duration::from_mins(1));
    send_otps(&gateway, 1).await;

    assert_eq!((gateway.sms("primary").received().len(), gateway.sms("backup").received().len()), (1, 6));
}

// Two real seconds: twice the assumed latency of an unused provider.
#[tokio::test]
async fn a_slow_provider_is_ranked_behind_a_fast_one() {
    let gateway = sms_gateway(Setup::new()).await;
    gateway.sms("primary").takes(Duration::from_millis(2100));

    send_otps(&gateway, 8).await;
    assert_eq!(gateway.sms("backup").received().len(), 0, "too few to tell");
    send_otps(&gateway, 16).await;

    let (slow, quick) = (gateway.sms("primary").received().len(), gateway.sms("backup").received().len());
    assert_eq!(slow + quick, 24);
    assert!(quick >= 6, "{quick} of 16, where one in eight may go to the slow one");
}

#[tokio::test]
async fn all_providers_are_tried_in_order_when_every_circuit_is_open() {
    let gateway = sms_gateway(Setup::new()).await;
    gateway.sms("primary").answers(503);
    gateway.sms("backup").answers(503);

    send_otps(&gateway, 6).await;
    gateway.sms("backup").recovers();
    send_otps(&gateway, 1).await;

    let last = gateway.last().await;
    let asked: Vec<_> = last.attempts.iter().map(|attempt| attempt.provider.0.as_str()).collect();
    assert_eq!((last.line.state.as_str(), asked), ("sent", vec!["primary", "backup"]));
}

#[tokio::test]
async fn a_drained_provider_gets_no_messages_even_after_a_restart_and_the_drain_is_audited() {
    let gateway = sms_gateway(Setup::new()).await;
    let primary = ProviderName("primary".into());
    assert!(
        gateway
            .store()
            .providers()
            .drain(&ProviderDecision::new(primary.clone(), Some("contract\nended"), operator(), gateway.now()))
            .await
            .unwrap()
    );
    assert!(
        !gateway
            .store()
            .providers()
            .drain(&ProviderDecision::new(primary.clone(), None, operator(), gateway.now()))
            .await
            .unwrap(),
        "twice"
    );

    let gateway = gateway.restart().await;
    send_otps(&gateway, 3).await;
    gateway.sms("backup").answers(503);
    send_otps(&gateway, 1).await;
    gateway.drain().await;
    assert_eq!((gateway.sms("primary").received().len(), gateway.sms("backup").received().len()), (0, 3));
    assert_eq!(gateway.last().await.line.state, "expired", "not even as the last resort");

    assert!(
        gateway
            .store()
            .providers()
            .enable(&ProviderDecision::new(primary.clone(), None, operator(), gateway.now()))
            .await
            .unwrap()
    );
    let gateway = gateway.restart().await;
    send_otps(&gateway, 1).await;
    assert_eq!(gateway.sms("primary").received().len(), 1);
    let audit = gateway.files.audit().await;
    let decided: Vec<_> = audit.into_iter().filter(|(kind, _)| kind.starts_with("provider_")).collect();
    assert_eq!(
        decided,
        [
            ("provider_drained".to_owned(), json!({"provider": "primary", "reason": "contractended"})),
            ("provider_enabled".to_owned(), json!({"provider": "primary"})),
        ]
    );
}

#[tokio::test]
async fn a_delivery_that_only_drained_providers_serve_waits_until_its_deadline() {
    let gateway = sms_gateway(Setup::new()).await;
    for name in ["primary", "backup"] {
        gateway
            .store()
            .providers()
            .drain(&ProviderDecision::new(ProviderName(name.into()), None, operator(), gateway.now()))
            .await
            .unwrap();
    }
    let gateway = gateway.restart().await;

    send_otps(&gateway, 1).await;
    let waits = gateway.last().await;
    assert_eq!((waits.line.state.as_str(), waits.attempts.len()), ("open", 0));
    gateway
        .store()
        .providers()
        .enable(&ProviderDecision::new(ProviderName("backup".into()), None, operator(), gateway.now()))
        .await
        .unwrap();
    let gateway = gateway.restart().await;
    gateway.drain().await;
    assert_eq!((gateway.last().await.line.state.as_str(), gateway.sms("backup").received().len()), ("sent", 1));

    gateway
        .store()
        .providers()
        .drain(&ProviderDecision::new(ProviderName("backup".into()), None, operator(), gateway.now()))
        .await
        .unwrap();
    let gateway = gateway.restart().await;
    send_otps(&gateway, 1).await;
    gateway.drain().await;
    assert_eq!(gateway.last().await.line.state, "expired");
    assert_eq!(gateway.received(), 1);
}

async fn sms_gateway(setup: Setup) -> Gateway {
    let gateway = setup.start().await;
    gateway.knows([recipient("holder").customer("1337").phone("+48600100200")]).await;
    gateway
}

/// Posts this many OTPs in sequence and waits until each is sent or postponed.
async fn send_otps(gateway: &Gateway, times: usize) {
    for _ in 0..times {
        gateway.post(&otp()).await.expect_status(204);
        gateway.settle().await;
    }
}

/// A provider that answers with the given bytes, and resets the connection when there are none.
struct Odd {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    case: Arc<AtomicUsize>,
}

impl Odd {
    async fn open(answer: impl Fn(usize) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let odd = Self { address: listener.local_addr().unwrap(), asked: Arc::default(), case: Arc::default() };
        let (asked, case, answer) = (Arc::clone(&odd.asked), Arc::clone(&odd.case), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, case, answer) = (Arc::clone(&asked), Arc::clone(&case), Arc::clone(&answer));
                tokio::spawn(async move {
                    let say = || {
                        asked.fetch_add(1, Ordering::SeqCst);
                        answer(case.load(Ordering::SeqCst))
                    };
                    converse(stream, say).await
                });
            }
        });
        odd
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn turn_to(&self, case: usize) {
        self.case.store(case, Ordering::SeqCst);
    }

    async fn takes_the_place_of_primary(&self, gateway: Gateway) -> Gateway {
        let old = gateway.sms("primary").address().to_string();
        gateway.files.reconfigure(|text| text.replace(&old, &self.address.to_string()));
        gateway.restart().await
    }
}

// A small request arrives in one or two pieces; it ends with its JSON.
async fn converse(mut stream: TcpStream, say: impl Fn() -> Option<String>) -> io::Result<()> {
    let mut heard = Vec::new();
    loop {
        while !heard.ends_with(b"}") {
            if stream.read_buf(&mut heard).await? == 0 {
                return Ok(());
            }
        }
        heard.clear();
        let Some(answer) = say() else { return stream.set_zero_linger() };
        stream.write_all(answer.as_bytes()).await?;
    }
}
