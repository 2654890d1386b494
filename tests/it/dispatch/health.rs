//! Providers that are slow, silent, broken or busy: who is asked instead, and when they are asked again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use otpost::domain::delivery::ProviderName;
use otpost::domain::outcome::{Cause, Outcome};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Gateway, Setup, otp, recipient};

/// Failures that open a circuit, and how often an open one lets somebody through.
const FAILURES: u64 = 5;
const PROBE_EVERY: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_black_hole_is_not_asked_any_more_but_now_and_then_until_it_answers_again() {
    let gateway = told_by_sms(Setup::new().timeout("200ms")).await;
    let (primary, backup) = (gateway.sms("primary"), gateway.sms("backup"));
    primary.swallows();

    tell(&gateway, 5).await;
    assert_eq!((primary.swallowed(), backup.received().len()), (FAILURES, 5), "each costs one time-out");
    tell(&gateway, 10).await;
    assert_eq!((primary.swallowed(), backup.received().len()), (FAILURES, 15), "asked with an open circuit");
    gateway.clock.move_on(PROBE_EVERY);
    tell(&gateway, 3).await;
    assert_eq!((primary.swallowed(), backup.received().len()), (FAILURES + 1, 18), "one probe");

    primary.recovers();
    gateway.clock.move_on(PROBE_EVERY);
    tell(&gateway, 3).await;
    assert_eq!((primary.received().len(), backup.received().len()), (3, 18), "closed by the first success");
}

#[tokio::test]
async fn a_provider_that_resets_every_connection_is_left_alone_after_five() {
    let gateway = told_by_sms(Setup::new()).await;
    let broken = Odd::open(|_| None).await;
    let gateway = broken.takes_the_place_of_primary(gateway).await;

    tell(&gateway, 10).await;

    assert_eq!((broken.asked(), gateway.sms("backup").received().len()), (5, 10));
    let told = gateway.deliveries().await;
    assert!(told.iter().all(|line| line.state == "sent"), "{told:?}");
    let first = gateway.store().delivery(told[0].id).await.unwrap().unwrap();
    assert_eq!(first.attempts[0].outcome, Outcome::unknown(Cause::Disconnected));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_in_doubt_and_the_next_provider_is_asked() {
    let gateway = told_by_sms(Setup::new().timeout("300ms")).await;
    let broken = Odd::open(|_| Some("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"i".to_owned())).await;
    let gateway = broken.takes_the_place_of_primary(gateway).await;

    tell(&gateway, 1).await;

    let told = gateway.last().await;
    assert!(told.attempts[0].outcome.may_have_arrived(), "{:?}", told.attempts[0].outcome);
    assert_eq!((told.line.state.as_str(), gateway.sms("backup").received().len()), ("sent", 1));
}

#[tokio::test]
async fn the_time_a_busy_provider_asks_for_is_kept_in_whatever_form_it_asks() {
    let gateway = told_by_sms(Setup::new()).await;
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
    let gateway = busy.takes_the_place_of_primary(gateway).await;

    for (case, (header, patience)) in forms.into_iter().enumerate() {
        busy.turn_to(case);
        let (asked, told) = (busy.asked(), gateway.sms("backup").received().len());
        tell(&gateway, 1).await;
        if let Some(seconds) = patience.filter(|seconds| *seconds > 0) {
            gateway.wait(Duration::from_millis(seconds * 1000 - 100)).await;
            assert_eq!((busy.asked(), gateway.sms("backup").received().len()), (asked + 1, told), "early: {header}");
        }
        gateway.wait(Duration::from_millis(200)).await;
        let expected = asked + 1 + usize::from(patience.is_some());
        assert_eq!((busy.asked(), gateway.sms("backup").received().len()), (expected, told + 1), "{header}");
        gateway.clock.move_on(Duration::from_secs(61));
    }
}

#[tokio::test]
async fn while_a_busy_provider_wants_to_be_left_alone_other_deliveries_begin_elsewhere() {
    let gateway = told_by_sms(Setup::new()).await;
    gateway.sms("primary").answers_with_retry_after(429, 60);

    tell(&gateway, 1).await;
    gateway.sms("primary").recovers();
    tell(&gateway, 5).await;
    assert_eq!(gateway.sms("primary").received().len(), 0, "early");
    gateway.clock.move_on(Duration::from_mins(1));
    tell(&gateway, 1).await;

    assert_eq!((gateway.sms("primary").received().len(), gateway.sms("backup").received().len()), (1, 6));
}

// Two real seconds: twice what is thought of a provider that nobody has asked yet.
#[tokio::test]
async fn a_provider_that_has_become_slow_loses_its_place_to_a_quick_one() {
    let gateway = told_by_sms(Setup::new()).await;
    gateway.sms("primary").takes(Duration::from_millis(2100));

    tell(&gateway, 8).await;
    assert_eq!(gateway.sms("backup").received().len(), 0, "too few to tell");
    tell(&gateway, 16).await;

    let (slow, quick) = (gateway.sms("primary").received().len(), gateway.sms("backup").received().len());
    assert_eq!(slow + quick, 24);
    assert!(quick >= 6, "{quick} of 16, where one in eight may go to the slow one");
}

#[tokio::test]
async fn when_all_are_down_everybody_is_asked_in_order_as_if_there_were_no_circuits() {
    let gateway = told_by_sms(Setup::new()).await;
    gateway.sms("primary").answers(503);
    gateway.sms("backup").answers(503);

    tell(&gateway, 6).await;
    gateway.sms("backup").recovers();
    tell(&gateway, 1).await;

    let told = gateway.last().await;
    let asked: Vec<_> = told.attempts.iter().map(|attempt| attempt.provider.0.as_str()).collect();
    assert_eq!((told.line.state.as_str(), asked), ("sent", vec!["primary", "backup"]));
}

#[tokio::test]
async fn a_provider_that_operators_drained_gets_nothing_also_after_a_restart_and_it_is_on_record() {
    let gateway = told_by_sms(Setup::new()).await;
    let primary = ProviderName("primary".into());
    assert!(gateway.store().drain(&primary, Some("contract\nended")).await.unwrap());
    assert!(!gateway.store().drain(&primary, None).await.unwrap(), "twice");

    let gateway = gateway.restart().await;
    tell(&gateway, 3).await;
    gateway.sms("backup").answers(503);
    tell(&gateway, 1).await;
    gateway.drain().await;
    assert_eq!((gateway.sms("primary").received().len(), gateway.sms("backup").received().len()), (0, 3));
    assert_eq!(gateway.last().await.line.state, "undeliverable", "not even as the last resort");

    assert!(gateway.store().enable(&primary).await.unwrap());
    let gateway = gateway.restart().await;
    tell(&gateway, 1).await;
    assert_eq!(gateway.sms("primary").received().len(), 1);
    let audit = gateway.house.audit().await;
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
async fn what_only_drained_providers_could_deliver_waits_for_them_until_its_time_is_over() {
    let gateway = told_by_sms(Setup::new()).await;
    for name in ["primary", "backup"] {
        gateway.store().drain(&ProviderName(name.into()), None).await.unwrap();
    }
    let gateway = gateway.restart().await;

    tell(&gateway, 1).await;
    let waits = gateway.last().await;
    assert_eq!((waits.line.state.as_str(), waits.attempts.len()), ("open", 0));
    gateway.store().enable(&ProviderName("backup".into())).await.unwrap();
    let gateway = gateway.restart().await;
    gateway.drain().await;
    assert_eq!((gateway.last().await.line.state.as_str(), gateway.sms("backup").received().len()), ("sent", 1));

    gateway.store().drain(&ProviderName("backup".into()), None).await.unwrap();
    let gateway = gateway.restart().await;
    tell(&gateway, 1).await;
    gateway.drain().await;
    assert_eq!(gateway.last().await.line.state, "expired");
    assert_eq!(gateway.received(), 1);
}

async fn told_by_sms(setup: Setup) -> Gateway {
    let gateway = setup.start().await;
    gateway.knows([recipient("somebody").customer("1337").phone("+48600100200")]).await;
    gateway
}

/// Posts so many codes one after the other and waits until each is told or waits.
async fn tell(gateway: &Gateway, times: usize) {
    for _ in 0..times {
        gateway.post(&otp()).await.expect_status(204);
        gateway.settle().await;
    }
}

/// A provider that says word for word what it is told to, and resets the connection when that is nothing.
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
        gateway.house.reconfigure(|text| text.replace(&old, &self.address.to_string()));
        gateway.restart().await
    }
}

// A small request comes in one piece or two: its end is the end of its JSON.
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
