//! Limits of size and time.

use std::time::Duration;

use tokio::time::Instant;

use super::{CANARY, is_a_detail};
use crate::support::{Gateway, otp};

const BODY_MAX: usize = 16 * 1024;

#[tokio::test]
async fn a_body_of_16_kib_is_accepted_and_one_byte_more_is_not() {
    let gateway = Gateway::start().await;
    let padded = |length: usize| {
        let json = otp().json();
        format!("{json}{}", " ".repeat(length - json.len()))
    };

    for chunked in [false, true] {
        for (length, status) in [(BODY_MAX, 204), (BODY_MAX + 1, 413), (10 * BODY_MAX, 413)] {
            let body = padded(length);
            let request = if chunked { in_chunks(&body) } else { otp().body(body).request() };
            let answer = gateway.exchange(&gateway.files.processor, &request).await;
            assert_eq!(answer.status, status, "{length} bytes, chunked: {chunked}");
            assert_eq!(answer.closes(), status == 413, "{length} bytes, chunked: {chunked}");
            assert!(status == 204 || is_a_detail(&answer.body), "{}", answer.body);
        }
    }

    assert_eq!(gateway.deliveries().await.len(), 2);
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_large_is_rejected_at_once() {
    let gateway = Gateway::start().await;
    let mut line = gateway.line().await;

    line.send(b"POST /notifications/otp HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n").await;

    line.answer().await.unwrap().expect_status(413);
}

// Takes five real seconds, all three clients at once.
#[tokio::test]
async fn a_body_that_does_not_arrive_times_out_after_five_seconds() {
    let gateway = Gateway::start().await;
    let request = otp().request();
    let (head, body) = request.split_at(request.len() - otp().bytes().len());
    let (mut stalled, mut dripping, mut chunked) = (gateway.line().await, gateway.line().await, gateway.line().await);
    let began = Instant::now();

    stalled.send(&request[..request.len() - 1]).await;
    dripping.send(head).await;
    chunked.send(b"POST /notifications/otp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{").await;
    let drip = async {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        for byte in body.iter().take(7) {
            seconds.tick().await;
            dripping.send(&[*byte]).await;
        }
        dripping.answer().await
    };
    let (stalled, dripping, chunked) = tokio::join!(stalled.answer(), drip, chunked.answer());

    for answer in [stalled, dripping, chunked] {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 408);
        assert!(answer.closes() && is_a_detail(&answer.body), "{answer:?}");
    }
    assert!(began.elapsed() > Duration::from_millis(4500), "{:?}", began.elapsed());
    assert!(gateway.deliveries().await.is_empty());
}

#[tokio::test]
async fn too_many_headers_are_rejected() {
    let gateway = Gateway::start().await;
    let with = |count: usize| {
        let headers = (0..count).map(|number| (format!("X-{number}"), CANARY.to_owned()));
        headers.fold(otp(), |notice, (name, value)| notice.header(&name, &value))
    };

    // Host, Content-Type and Content-Length are counted, too.
    gateway.post(&with(93)).await.expect_status(204);
    let many = gateway.post(&with(94)).await;
    let large = gateway.post(&otp().header("X-Large", &CANARY.repeat(128 * 1024 / CANARY.len()))).await;

    for answer in [many, large] {
        assert!(matches!(answer.status, 400 | 431), "{}", answer.status);
        assert!(answer.closes() && !answer.body.contains(CANARY), "{answer:?}");
    }
    assert_eq!(gateway.deliveries().await.len(), 1);
}

fn in_chunks(body: &str) -> Vec<u8> {
    let mut request = b"POST /notifications/otp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.as_bytes().chunks(1000) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}
