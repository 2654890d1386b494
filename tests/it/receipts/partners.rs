//! Receipts as others make them: signed by `openssl`, posted by `curl`.

use std::process::{Command, Stdio};

use super::sent;
use crate::support::desk::SECRET;

#[tokio::test(flavor = "multi_thread")]
async fn curl_posts_what_openssl_signed() {
    let (gateway, _desk, reference) = sent("timestamp_header = \"X-Timestamp\"").await;
    let script = "
        time=$(date +%s)
        body='{\"reference\":\"'$REFERENCE'\",\"status\":\"delivered\"}'
        signature=$(printf '%s.%s' $time \"$body\" | openssl dgst -sha256 -hmac $SECRET | sed 's/.*= //')
        curl --silent --output /dev/null --write-out '%{http_code}' --header \"X-Timestamp: $time\" \\
          --header \"X-Signature: $signature\" --json \"$body\" http://$ADDRESS/receipts/desk";

    let said = Command::new("sh")
        .args(["-c", script])
        .env("REFERENCE", &reference)
        .env("SECRET", SECRET)
        .env("ADDRESS", gateway.receipts_address().to_string())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();

    assert_eq!(String::from_utf8_lossy(&said.stdout), "200");
    assert_eq!(gateway.last().await.line.state, "confirmed");
}
