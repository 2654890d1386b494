//! Content types, idempotency keys, and other headers.

use super::{Accepted, CANARY, Expect, Rejected, check, is_a_detail};
use crate::support::{Gateway, otp, recipient};

#[tokio::test]
async fn only_json_media_types_are_accepted() {
    let gateway = Gateway::start().await;
    let of = |media: &str| otp().without_headers().header("Content-Type", media);

    gateway.post(&otp().without_headers()).await.expect_status(204);
    for media in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/problem+json",
        "application/vnd.processor.v1+json",
    ] {
        gateway.post(&of(media)).await.expect_status(204);
    }
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "text/json",
        "application/jsonx",
        "json",
        "*/*",
        CANARY,
        "",
    ] {
        let answer = gateway.post(&of(media)).await;
        assert_eq!(answer.status, 415, "{media}");
        assert!(is_a_detail(&answer.body) && !answer.body.contains(CANARY), "{media}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_content_type_may_come_twice_and_have_parameters_in_any_spelling() {
    let gateway = Gateway::start().await;
    let of =
        |types: &[&str]| types.iter().fold(otp().without_headers(), |notice, it| notice.header("Content-Type", it));
    for types in [
        &["application/json", "application/json"][..],
        &["application/json", "application/json; charset=utf-8"],
        &["application/json, application/json"],
        &["application/json ;charset=UTF-8"],
        &["application/json; CharSet=\"utf-8\""],
        &["application/json;charset=iso-8859-1"],
        &["application/json; profile=\"a, b; c\\\", d\""],
        &["application/json;"],
        &["APPLICATION/JSON;charset=", "application/json"],
    ] {
        gateway.post(&of(types)).await.expect_status_of(&format!("{types:?}"), 204);
    }
    for types in [&["application/json", "text/plain"][..], &["text/plain, application/json"], &["application/json", ""]]
    {
        gateway.post(&of(types)).await.expect_status_of(&format!("{types:?}"), 415);
    }
}

#[tokio::test]
async fn headers_of_clients_and_proxies_change_no_answer_and_keep_the_connection() {
    let gateway = Gateway::start().await;
    let rows: Vec<Vec<(&str, &str)>> = vec![
        vec![("Connection", "Upgrade")],
        vec![("connection", "upgrade"), ("upgrade", "websocket")],
        vec![("Upgrade", "websocket")],
        vec![("Upgrade", "WebSocket"), ("Connection", "keep-alive, Upgrade")],
        vec![("Connection", "Upgrade"), ("Connection", "keep-alive"), ("Upgrade", "h2c, websocket")],
        vec![
            ("Connection", "Upgrade, HTTP2-Settings"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
        ],
        vec![("Connection", "Upgrade"), ("Upgrade", "TLS/1.3")],
        vec![("Connection", "keep-alive"), ("Keep-Alive", "timeout=5, max=100"), ("Proxy-Connection", "keep-alive")],
        vec![("Connection", "TE"), ("TE", "trailers, deflate;q=0.5")],
        vec![("Expect", "100-continue"), ("Upgrade", "websocket"), ("Connection", "Upgrade")],
        vec![("Accept", "text/html;q=0.9, image/*"), ("Accept-Encoding", "br, gzip"), ("Accept-Charset", "utf-16")],
        vec![("Accept", "application/xml"), ("Accept-Language", "pl")],
        vec![("Via", "1.1 proxy"), ("Forwarded", "for=192.0.2.7;proto=http"), ("X-Forwarded-Proto", "http")],
        vec![("X-Forwarded-For", "evil, \"x\""), ("X-HTTP-Method-Override", "DELETE"), ("X-Original-URL", "/admin")],
        vec![
            ("Cookie", "a=b"),
            ("Origin", "null"),
            ("Referer", "x"),
            ("Authorization", "Basic eA=="),
            ("Range", "bytes=0-1"),
        ],
        vec![("If-None-Match", "*"), ("If-Match", "\"x\""), ("Max-Forwards", "0"), ("Cache-Control", "no-store")],
        vec![("Upgrade-Insecure-Requests", "1"), ("Priority", "u=1"), ("traceparent", "00-0-0-01"), ("DNT", "1")],
        vec![("Content-Encoding", "Identity"), ("Content-Language", "pl"), ("Content-Disposition", "attachment")],
        vec![("Expect", "something-else")],
        vec![("Encrypted-Request", "")],
    ];

    // All on one connection: each answer shows that it was kept, and that nothing of the request was left unread.
    let mut line = gateway.line().await;
    for row in &rows {
        let notice = row.iter().fold(otp(), |notice, (name, value)| notice.header(name, value));
        line.send(&notice.request()).await;
        let answer = line.answer().await.unwrap().expect_status_of(&format!("{row:?}"), 204);
        assert_eq!((answer.header("connection"), answer.header("upgrade")), (None, None), "{row:?}");
    }

    assert_eq!(gateway.deliveries().await.len(), rows.len());
}

#[tokio::test]
async fn a_request_to_upgrade_is_ignored_in_pieces_and_a_body_that_looks_like_one_is_not_changed() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("one").customer("1337").phone("+48600100200")]).await;
    let notice =
        otp().header("Connection", "Upgrade").header("Upgrade", "websocket").with("merchantName", "Upgrade: Wool");
    let whole = notice.request();
    let mut line = gateway.line().await;

    for (at, byte) in whole.iter().enumerate() {
        // Two pieces are enough inside the body.
        if at % 7 == 0 || at < whole.len() - notice.bytes().len() {
            line.send(&[*byte]).await;
        } else {
            line.send(&whole[at..]).await;
            break;
        }
    }
    line.answer().await.unwrap().expect_status(204);
    let body = notice.json().replace(", ", ",");
    let start = body.find("Upgrade").unwrap();
    let chunks = [&body[..start], &body[start..]].map(|part| format!("{:x}\r\n{part}\r\n", part.len())).concat();
    let head = "POST /notifications/otp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    line.send(format!("{head}{chunks}0\r\n\r\n").as_bytes()).await;
    line.answer().await.unwrap().expect_status(204);
    gateway.drain().await;

    let texts: Vec<_> = gateway.sms("primary").received().iter().map(|message| message.text.clone()).collect();
    assert!(texts.len() == 2 && texts.iter().all(|text| text.contains("Upgrade: Wool")), "{texts:?}");
}

#[tokio::test]
async fn a_proxy_may_send_the_whole_address_and_trailers() {
    let gateway = Gateway::start().await;
    let body = otp().json();
    let mut line = gateway.line().await;

    let whole = format!(
        "POST https://gateway.test/notifications/otp HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    line.send(whole.as_bytes()).await;
    line.answer().await.unwrap().expect_status(204);
    let chunked = format!(
        "POST /notifications/otp HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nTrailer: X-Sum\r\nTransfer-Encoding: Chunked\r\n\r\n\
         {:x};ext=1\r\n{body}\r\n0\r\nX-Sum: 1\r\n\r\n",
        body.len()
    );
    line.send(chunked.as_bytes()).await;
    line.answer().await.unwrap().expect_status(204);

    assert_eq!(gateway.deliveries().await.len(), 2);
}

#[tokio::test]
async fn a_compressed_body_is_rejected() {
    let gateway = Gateway::start().await;

    for coding in ["gzip", "deflate", "br", "gzip, gzip", "identity, gzip"] {
        let answer = gateway.post(&otp().header("Content-Encoding", coding)).await;
        assert_eq!(answer.status, 415, "{coding}");
    }
    let twice = otp().header("Content-Encoding", "identity").header("Content-Encoding", "gzip");
    gateway.post(&twice).await.expect_status(415);

    gateway.post(&otp().header("Content-Encoding", "identity")).await.expect_status(204);
}

#[tokio::test]
async fn a_client_that_expects_100_continue_gets_it() {
    let gateway = Gateway::start().await;
    let mut line = gateway.line().await;
    let notice = otp().header("Expect", "100-continue");
    let (whole, body) = (notice.request(), notice.bytes());

    line.send(&whole[..whole.len() - body.len()]).await;
    line.asked_to_continue().await;
    line.send(&body).await;

    line.answer().await.unwrap().expect_status(204);
}

#[tokio::test]
async fn an_idempotency_key_is_printable_ascii_of_1_to_255_characters_or_absent() {
    let gateway = Gateway::start().await;
    let key = |key: &str| otp().key(key);
    let rows: Vec<(&str, _, Expect)> = vec![
        ("absent", otp(), Accepted),
        ("a UUID", key("0b0ce8f4-8a3c-4b0e-9a80-0d9b2f3c1f11"), Accepted),
        ("one character", key("1"), Accepted),
        ("255 characters", key(&"k".repeat(255)), Accepted),
        ("blank inside", key("a b"), Accepted),
        ("two equal headers", key("equal").key("equal"), Accepted),
        ("empty", key(""), Rejected("X-Idempotency-Key")),
        ("256 characters", key(&format!("{CANARY}{}", "k".repeat(250))), Rejected("X-Idempotency-Key")),
        ("tab inside", key(&format!("{CANARY}\tx")), Rejected("X-Idempotency-Key")),
        ("non-ASCII", key(&format!("{CANARY}ż")), Rejected("X-Idempotency-Key")),
        ("two different headers", key(CANARY).key("other"), Rejected("X-Idempotency-Key")),
    ];

    for (row, notice, expected) in rows {
        check(&gateway, row, &notice, expected).await;
    }
}
