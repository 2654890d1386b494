//! Throttling providers with every valid form of `Retry-After` (RFC 9110, 10.2.3), and with invalid ones: they are never
//! tried early, and when the wait is long, the next provider is tried at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::sms;
use crate::support::{Gateway, Setup, otp, recipient};

/// A `Retry-After` that is waited for when all of the code's time is left.
const PATIENCE: u64 = 5;

/// The header's value, and for how many seconds the provider must not be tried; `None` when the value is invalid.
const FORMS: [(&str, Option<u64>); 22] = [
    ("", None),
    ("Retry-After: 0\r\n", Some(0)),
    ("Retry-After: 2\r\n", Some(2)),
    ("Retry-After: 5\r\n", Some(5)),
    ("Retry-After: 6\r\n", Some(6)),
    ("Retry-After: 30\r\n", Some(30)),
    // At most a minute is honoured.
    ("Retry-After: 3600\r\n", Some(60)),
    ("Retry-After: 18446744073709551616\r\n", Some(60)),
    ("Retry-After: 99999999999999999999999999999999999999999999\r\n", Some(60)),
    ("Date: Wed, 21 Oct 2015 07:28:00 GMT\r\nRetry-After: Wed, 21 Oct 2015 07:27:00 GMT\r\n", Some(0)),
    ("Date: Wed, 21 Oct 2015 07:28:00 GMT\r\nRetry-After: Wed, 21 Oct 2015 07:28:03 GMT\r\n", Some(3)),
    ("Date: Wed, 21 Oct 2015 07:28:00 GMT\r\nRetry-After: Sunday, 06-Nov-94 08:49:37 GMT\r\n", Some(0)),
    ("Date: Wed, 21 Oct 2015 07:28:00 GMT\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n", Some(60)),
    ("Retry-After: Wed, 21 Oct 2015 07:28:03 GMT\r\n", Some(60)),
    ("Retry-After: -1\r\n", None),
    ("Retry-After: 1.5\r\n", None),
    ("Retry-After: soon\r\n", None),
    ("Retry-After: \u{7f}\r\n", None),
    ("Retry-After:\r\n", None),
    ("Retry-After: 2\r\nRetry-After: 30\r\n", Some(30)),
    ("Retry-After: 30\r\nRetry-After: 0\r\n", Some(30)),
    ("Retry-After: soon\r\nRetry-After: 4\r\n", Some(4)),
];

#[tokio::test]
async fn no_provider_is_tried_before_its_retry_after_and_after_a_long_one_the_next_provider_is_tried_at_once() {
    for status in [429, 503] {
        let (mut gateway, busy) = beside_a_busy_one(status).await;
        for (form, pause) in FORMS {
            busy.says(form);
            gateway.sms("primary").recovers();
            let (asked, told) = (busy.asked(), gateway.received());

            gateway.post(&otp()).await.expect_status(204);
            gateway.settle().await;
            match pause {
                Some(seconds @ 0..=PATIENCE) => {
                    if seconds > 0 {
                        gateway.wait(Duration::from_millis(seconds * 1000 - 100)).await;
                        assert_eq!((busy.asked() - asked, gateway.received() - told), (1, 0), "early: {status} {form}");
                    }
                    gateway.wait(Duration::from_millis(200)).await;
                    let counts = (busy.asked() - asked, gateway.received() - told);
                    assert_eq!(counts, (2, 1), "{status} {form} {:?}", gateway.last().await);
                }
                _ => assert_eq!((busy.asked() - asked, gateway.received() - told), (1, 1), "{status} {form}"),
            }
            assert_eq!(gateway.last().await.line.state, "sent", "{status} {form}");
            gateway.clock.move_on(Duration::from_secs(61));
            if status == 503 {
                // A provider that failed often would be outranked, which is not what this test is about.
                gateway = gateway.restart().await;
            }
        }
    }
}

#[tokio::test]
async fn the_only_provider_is_not_tried_before_its_retry_after_either() {
    for status in [429, 503] {
        let (mut gateway, busy) = beside_a_busy_one(status).await;
        for (form, pause) in FORMS {
            busy.says(form);
            gateway.sms("primary").answers(503);
            gateway.sms("backup").answers(503);
            let asked = busy.asked();

            gateway.post(&otp()).await.expect_status(204);
            gateway.settle().await;
            for _ in 1..pause.unwrap_or_default() {
                assert_eq!(busy.asked() - asked, 1, "early: {status} {form}");
                gateway.wait(Duration::from_secs(1)).await;
            }
            gateway.sms("primary").recovers();
            gateway.drain().await;

            let told = gateway.last().await;
            assert_eq!(told.line.state, "sent", "{status} {form}");
            let ours = told.attempts.iter().filter(|attempt| attempt.provider.0 == "busy");
            let starts: Vec<_> = ours.map(|attempt| attempt.started_at).collect();
            let earliest = Duration::from_secs(pause.unwrap_or_default());
            assert!(starts.windows(2).all(|two| two[1].since(two[0]) >= earliest), "early: {status} {form}");
            gateway = Box::pin(starts_anew(gateway)).await;
        }
    }
}

#[tokio::test]
async fn while_a_provider_is_throttled_other_codes_use_another_one_first_whatever_its_status() {
    for status in [429, 503] {
        let (gateway, busy) = beside_a_busy_one(status).await;
        busy.says("Retry-After: 30\r\n");

        for _ in 0..5 {
            gateway.post(&otp()).await.expect_status(204);
            gateway.settle().await;
        }
        assert_eq!((busy.asked(), gateway.received()), (1, 5), "{status}");
        gateway.clock.move_on(Duration::from_secs(30));
        gateway.post(&otp()).await.expect_status(204);
        gateway.settle().await;

        assert_eq!((busy.asked(), gateway.received()), (2, 6), "{status}");
    }
}

async fn beside_a_busy_one(status: u16) -> (Gateway, Busy) {
    let busy = Busy::open(status).await;
    let gateway = Setup::new().first(&sms("busy", busy.address, "")).start().await;
    gateway.knows([recipient("one").customer("1337").phone("+48600100200")]).await;
    (gateway, busy)
}

/// Restarts the gateway, so that the providers' health is unknown again.
async fn starts_anew(gateway: Gateway) -> Gateway {
    gateway.clock.move_on(Duration::from_secs(61));
    gateway.restart().await
}

/// A provider that never accepts a message.
struct Busy {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    says: tokio::sync::watch::Sender<&'static str>,
}

impl Busy {
    async fn open(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, (says, said)) = (Arc::<AtomicUsize>::default(), tokio::sync::watch::channel(""));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (count, said) = (Arc::clone(&count), said.clone());
                tokio::spawn(async move {
                    let mut heard = Vec::new();
                    while stream.read_buf(&mut heard).await.is_ok_and(|read| read > 0) {
                        // A small request arrives in one or two pieces and ends with its JSON.
                        if !heard.ends_with(b"}") {
                            continue;
                        }
                        heard.clear();
                        count.fetch_add(1, Ordering::SeqCst);
                        let headers = *said.borrow();
                        let answer = format!("HTTP/1.1 {status} Busy\r\n{headers}Content-Length: 0\r\n\r\n");
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, asked, says }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn says(&self, headers: &'static str) {
        self.says.send_replace(headers);
    }
}
