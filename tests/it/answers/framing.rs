//! Requests whose end is ambiguous (request smuggling): none may let a second request through.
//!
//! Each is followed by a canary, a valid request of its own. It must never run, whatever the answer to the first one is.

use std::time::Duration;

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
