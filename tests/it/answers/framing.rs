//! Requests whose end is ambiguous (request smuggling): none may let a second request through.
//!
//! Each is followed by a canary, a valid request of its own. It must never run, whatever the answer to the first one is.

use std::time::Duration;

use otpost::store::reports::EventLine;
use serde_json::Value;

use crate::support::{Gateway, otp};

/// After this time no further answer is expected.
const QUIET: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_request_without_an_unambiguous_end_is_rejected_and_no_request_after_it_runs() {
    let gateway = Gateway::start().await;
    let body = otp().json();
    let length = body.len();
    let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    let post = |headers: &str, body: &str| format!("POST /notifications/otp HTTP/1.1\r\n{headers}\r\n{body}");
    let host = |headers: &str| format!("Host: gateway.test\r\n{headers}");
    let cl = format!("Content-Length: {length}\r\n");

    let rows: Vec<(&str, String)> = vec![
        ("CL and TE", post(&host(&format!("{cl}Transfer-Encoding: chunked\r\n")), &chunked)),
        ("TE and CL", post(&host(&format!("Transfer-Encoding: chunked\r\n{cl}")), &chunked)),
        ("two CL", post(&host(&format!("{cl}Content-Length: 5\r\n")), &body)),
        ("two equal CL", post(&host(&format!("{cl}{cl}")), &body)),
        ("CL with a plus", post(&host(&format!("Content-Length: +{length}\r\n")), &body)),
        ("CL with a minus", post(&host("Content-Length: -1\r\n"), &body)),
        ("CL as a list", post(&host(&format!("Content-Length: {length}, {length}\r\n")), &body)),
        ("CL in hexadecimal", post(&host(&format!("Content-Length: 0x{length:x}\r\n")), &body)),
        ("CL empty", post(&host("Content-Length:\r\n"), &body)),
        ("CL beyond 64 bits", post(&host("Content-Length: 99999999999999999999\r\n"), &body)),
        ("TE chunked, identity", post(&host("Transfer-Encoding: chunked, identity\r\n"), &chunked)),
        ("TE identity, chunked", post(&host("Transfer-Encoding: identity, chunked\r\n"), &chunked)),
        ("TE xchunked", post(&host("Transfer-Encoding: xchunked\r\n"), &chunked)),
        ("TE gzip, chunked", post(&host("Transfer-Encoding: gzip, chunked\r\n"), &chunked)),
        ("TE chunked twice", post(&host("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), &chunked)),
        ("TE quoted", post(&host("Transfer-Encoding: \"chunked\"\r\n"), &chunked)),
        ("TE with a tab and vertical tab", post(&host("Transfer-Encoding: \u{b}chunked\r\n"), &chunked)),
        ("blank before the colon", post(&host("Transfer-Encoding : chunked\r\n"), &chunked)),
        ("HTTP/1.0 chunked", post(&host("Transfer-Encoding: chunked\r\n"), &chunked).replace("HTTP/1.1", "HTTP/1.0")),
        ("obs-fold", post(&host(&format!("X-Folded: a\r\n b\r\n{cl}")), &body)),
        ("obs-fold of TE", post(&host("Transfer-Encoding:\r\n chunked\r\n"), &chunked)),
        ("NUL in a header", post(&host(&format!("X-Nul: a\0b\r\n{cl}")), &body)),
        ("bare CR in a header", post(&host(&format!("X-Cr: a\rb\r\n{cl}")), &body)),
        ("empty chunk size", post(&host("Transfer-Encoding: chunked\r\n"), &format!("\r\n{body}\r\n0\r\n\r\n"))),
        ("huge chunk size", post(&host("Transfer-Encoding: chunked\r\n"), &format!("fffffffffffffffff\r\n{body}"))),
        ("negative chunk size", post(&host("Transfer-Encoding: chunked\r\n"), &format!("-1\r\n{body}\r\n0\r\n\r\n"))),
        ("chunk size with 0x", post(&host("Transfer-Encoding: chunked\r\n"), &format!("0x{chunked}"))),
        ("chunk longer than said", post(&host("Transfer-Encoding: chunked\r\n"), &format!("5\r\n{body}\r\n0\r\n\r\n"))),
        ("chunk size ended by LF", post(&host("Transfer-Encoding: chunked\r\n"), &chunked.replace("\r\n", "\n"))),
        (
            "CL and TE, with an upgrade",
            post(&host(&format!("{cl}Upgrade: websocket\r\nTransfer-Encoding: chunked\r\n")), &chunked),
        ),
        ("two CL, with an upgrade", post(&host(&format!("{cl}Connection: Upgrade\r\nContent-Length: 5\r\n")), &body)),
        ("obs-fold of an upgrade", post(&host(&format!("Connection:\r\n Upgrade\r\n{cl}")), &body)),
        ("no Host", post(&cl, &body)),
        ("two Hosts", post(&format!("Host: a\r\nHost: b\r\n{cl}"), &body)),
    ];

    let mut differing = Vec::new();
    for (row, request) in &rows {
        let found = attack(&gateway, row, request).await;
        if found != REJECTED {
            differing.push((*row, found));
        }
    }
    assert!(differing.is_empty(), "{differing:#?}");

    // Each is counted once, by the parser or by the handler.
    let gateway = gateway.restart().await;
    let rejections = gateway.store().reports().rejections(1_000).await.unwrap();
    let counted: u64 = rejections.iter().map(|event| field(event, "count").as_u64().unwrap()).sum();
    assert_eq!(counted, rows.len() as u64, "{rejections:#?}");
    let malformed: Vec<_> = rejections.iter().filter(|event| field(event, "reason") == "malformed").collect();
    assert!(!malformed.is_empty() && malformed.iter().all(|event| event.actor == "client:processor"), "{malformed:#?}");
}

fn field(event: &EventLine, name: &str) -> Value {
    serde_json::from_str::<Value>(&event.detail).unwrap()[name].clone()
}

#[tokio::test]
async fn a_head_that_the_parser_rejects_is_recorded_with_client_reason_and_status() {
    let gateway = Gateway::start().await;
    for (head, status) in [
        ("POST /notifications/otp HTTP/1.1\r\nHost: x\r\nContent Length: 5\r\n\r\n".to_owned(), 400),
        ("POST /notifications/otp HTTP/7.7\r\nHost: x\r\n\r\n".to_owned(), 400),
        ("this is no HTTP at all\r\n\r\n".to_owned(), 400),
        (format!("POST /notifications/otp HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: C4n4ry\r\n".repeat(200)), 431),
    ] {
        let mut line = gateway.line().await;
        line.send(head.as_bytes()).await;
        assert_eq!(line.answers(QUIET).await.0.first().map(|answer| answer.status), Some(status), "{head:.60}");
    }
    gateway.post(&otp()).await.expect_status(204);

    let gateway = gateway.restart().await;
    let rejections = gateway.store().reports().rejections(1_000).await.unwrap();
    let mut found: Vec<_> = rejections
        .iter()
        .map(|event| (field(event, "status"), field(event, "reason"), field(event, "kind"), field(event, "count")))
        .collect();
    found.sort_by_key(|it| it.0.as_u64());
    assert!(rejections.iter().all(|event| !event.detail.contains("C4n4ry")), "{rejections:#?}");
    let total = |reason: &str| found.iter().filter(|it| it.1 == reason).map(|it| it.3.as_u64().unwrap()).sum::<u64>();
    assert_eq!((total("malformed"), total("head_too_large")), (3, 1), "{found:?}");
    assert!(found.iter().all(|it| it.2 == "none"), "{found:?}");
}

// RFC 9112, 2.2 allows a reader to accept a bare LF as the end of a line, and the parser does. The end of the request is
// unambiguous, and no proxy in front of the gateway could see another one.
#[tokio::test]
async fn a_request_with_bare_line_feeds_is_read_like_one_with_crlf() {
    let gateway = Gateway::start().await;
    let request = String::from_utf8(otp().key("first").request()).unwrap().replace("\r\n", "\n");

    let found = attack(&gateway, "bare LF", &request).await;

    assert_eq!(found, Found { status: Some(204), closed: false, ran: true });
    assert_eq!(gateway.deliveries().await.len(), 2);
}

#[derive(Debug, PartialEq)]
struct Found {
    /// The status of the first answer.
    status: Option<u16>,
    /// Whether the gateway closed the connection.
    closed: bool,
    /// Whether the second request was accepted.
    ran: bool,
}

const REJECTED: Found = Found { status: Some(400), closed: true, ran: false };

async fn attack(gateway: &Gateway, row: &str, request: &str) -> Found {
    let key = format!("after {row}");
    let mut line = gateway.line().await;
    line.send(&[request.as_bytes(), &otp().key(&key).request()].concat()).await;
    let (answers, closed) = line.answers(QUIET).await;
    let ran = gateway.deliveries().await.iter().any(|line| line.idempotency_key.as_ref() == Some(&key));
    Found { status: answers.first().map(|answer| answer.status), closed, ran }
}
