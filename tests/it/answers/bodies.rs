//! The syntax of a body, before its fields are read.

use super::{Accepted, CANARY, Rejected, Warned, check};
use crate::support::sample_notification::every;
use crate::support::{Gateway, otp};

#[tokio::test]
async fn only_one_strict_json_object_is_a_notification() {
    let gateway = Gateway::start().await;
    let good = otp().json();
    let cut = &good[..good.len() - 1];
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("blank", b"  \r\n".into()),
        ("null", b"null".into()),
        ("list", b"[]".into()),
        ("list of one", format!("[{good}]").into()),
        ("text", format!("\"{CANARY}\"").into()),
        ("number", b"1".into()),
        ("no field", b"{}".into()),
        ("truncated", cut.into()),
        ("truncated in a text", good[..good.len() - 4].into()),
        ("trailing garbage", format!("{good}{CANARY}").into()),
        ("trailing comma", format!("{cut},}}").into()),
        ("two documents", format!("{good}{good}").into()),
        ("two documents on two lines", format!("{good}\n{good}").into()),
        ("comment", format!("{cut}/*{CANARY}*/}}").into()),
        ("line comment", format!("{good}//{CANARY}").into()),
        ("single quotes", good.replace('"', "'").into()),
        ("arrows", good.replace(':', "=>").into()),
        ("unquoted names", good.replace("\"otp\"", "otp").into()),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16 with its mark", format!("\u{feff}{good}").encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("invalid UTF-8", [cut.as_bytes(), b",\"x\":\"\xff\xfe\"}"].concat()),
        ("overlong UTF-8", [cut.as_bytes(), b",\"x\":\"\xc0\xaf\"}"].concat()),
        ("lone surrogate", good.replace("merchant test", &format!("{CANARY}\\ud800")).into()),
        ("lone surrogate in an unknown field", format!("{cut},\"x\":\"\\udc00\"}}").into()),
        ("NUL", good.replace("merchant test", &format!("{CANARY}\\u0000")).into()),
        ("NUL in an unknown field", format!("{cut},\"x\":\"a\\u0000b\"}}").into()),
        ("raw control character", good.replace("merchant test", "a\u{1}b").into()),
        ("duplicate field", format!("{cut},\"otp\":\"{CANARY}\"}}").into()),
        ("duplicate field, equal", format!("{cut},\"otp\":\"48151623\"}}").into()),
        ("duplicate field, null", format!("{cut},\"otp\":null}}").into()),
        ("duplicate field, escaped", format!("{cut},\"\\u006ftp\":\"{CANARY}\"}}").into()),
        ("number out of range", format!("{cut},\"x\":1e400}}").into()),
        ("NaN", format!("{cut},\"x\":NaN}}").into()),
        ("infinity", format!("{cut},\"x\":Infinity}}").into()),
        ("leading zero", format!("{cut},\"x\":0042}}").into()),
        ("plus sign", format!("{cut},\"x\":+1}}").into()),
        ("nested 200 deep", format!("{cut},\"x\":{}{}}}", "[".repeat(200), "]".repeat(200)).into()),
        ("nested 200 deep in a wanted field", nested(&good, 200).into()),
        ("objects nested 200 deep", format!("{cut},\"x\":{}1{}}}", "{\"y\":".repeat(200), "}".repeat(200)).into()),
    ];

    for (row, body) in rows {
        check(&gateway, row, &otp().body(body), Rejected("")).await;
    }
}

#[tokio::test]
async fn unknown_fields_and_a_byte_order_mark_are_accepted() {
    let gateway = Gateway::start().await;
    let good = otp().json();
    let cut = &good[..good.len() - 1];
    // As many as fit into 16 KiB.
    let many = (0..1500).map(|number| format!(",\"{number}\":0")).collect::<Vec<_>>().concat();

    let rows = [
        ("unknown field", format!("{cut},\"x\":\"{CANARY}\"}}"), Accepted),
        ("unknown fields of every sort", format!("{cut},\"a\":[1,{{}}],\"b\":{{\"c\":null}},\"d\":-1.5e3}}"), Accepted),
        ("nested 20 deep", format!("{cut},\"x\":{}{}}}", "[".repeat(20), "]".repeat(20)), Accepted),
        ("blank around everything", format!(" \t\r\n{} \n", good.replace(',', " ,\n ")), Accepted),
        ("escaped name", good.replace("\"otp\"", "\"\\u006ftp\""), Accepted),
        ("byte order mark", format!("\u{feff}{good}"), Warned("byte order mark")),
        ("very many unknown fields", format!("{cut}{many}}}"), Warned("very many unknown fields")),
    ];

    for (row, body, expected) in rows {
        check(&gateway, row, &otp().body(body), expected).await;
    }
}

#[tokio::test]
async fn every_endpoint_is_equally_strict_about_json() {
    let gateway = Gateway::start().await;

    for notice in every(gateway.now()) {
        let good = notice.json();
        let cut = &good[..good.len() - 1];
        let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&good).unwrap();
        // The last field in alphabetical order is one that every endpoint reads.
        let name = fields.keys().next_back().unwrap();
        let rows: Vec<(&str, Vec<u8>)> = vec![
            ("empty", Vec::new()),
            ("null", b"null".into()),
            ("list of one", format!("[{good}]").into()),
            ("no field", b"{}".into()),
            ("truncated", cut.into()),
            ("trailing garbage", format!("{good}{CANARY}").into()),
            ("two documents", format!("{good}{good}").into()),
            ("comment", format!("{cut}/*{CANARY}*/}}").into()),
            ("trailing comma", format!("{cut},}}").into()),
            ("single quotes", good.replace('"', "'").into()),
            ("arrows", good.replace(':', "=>").into()),
            ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            ("invalid UTF-8", [cut.as_bytes(), b",\"x\":\"\xff\xfe\"}"].concat()),
            ("lone surrogate", format!("{cut},\"x\":\"\\udc00\"}}").into()),
            ("NUL", format!("{cut},\"x\":\"a\\u0000b\"}}").into()),
            ("nested 200 deep", format!("{cut},\"x\":{}{}}}", "[".repeat(200), "]".repeat(200)).into()),
            ("duplicate field", format!("{cut},\"{name}\":\"{CANARY}\"}}").into()),
            ("number out of range", format!("{cut},\"x\":1e400}}").into()),
            ("NaN", format!("{cut},\"x\":NaN}}").into()),
        ];
        for (row, body) in rows {
            check(&gateway, &format!("{}: {row}", notice.path), &notice.clone().body(body), Rejected("")).await;
        }
        let many = (0..1000).map(|number| format!(",\"{number}\":0")).collect::<Vec<_>>().concat();
        // With a key each, so that none is a duplicate of the sample.
        for (row, body, expected) in [
            ("byte order mark", format!("\u{feff}{good}"), Warned("byte order mark")),
            ("very many unknown fields", format!("{cut}{many}}}"), Warned("very many unknown fields")),
            ("unknown field", format!("{cut},\"x\":1}}"), Accepted),
        ] {
            let notice = notice.clone().key(row).body(body);
            check(&gateway, &format!("{}: {row}", notice.path), &notice, expected).await;
        }
    }
}

#[tokio::test]
async fn field_names_are_case_sensitive() {
    let gateway = Gateway::start().await;
    let notice = otp().without("otp").with("OTP", CANARY);
    check(&gateway, "OTP", &notice, Rejected("otp: ")).await;
}

fn nested(good: &str, depth: usize) -> String {
    good.replace("\"merchant test\"", &format!("{}{}", "[".repeat(depth), "]".repeat(depth)))
}
