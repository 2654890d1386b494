//! Receipts made by other programs: signed by `openssl`, posted by `curl`.

use std::process::{Command, Stdio};

use super::sent;
use crate::support::receipt_provider::SECRET;

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_signed_by_openssl_and_posted_by_curl_is_accepted() {
    let (gateway, _desk, reference) = sent("timestamp_header = \"X-Timestamp\"").await;
    let script = "
        time=$(date +%s)
        body='{\"reference\":\"'$REFERENCE'\",\"status\":\"delivered\"}'
        signature=$(printf '%s.%s' $time \"$body\" | openssl dgst -sha256 -hmac $SECRET | sed 's/.*= //')
        curl --silent --output /dev/null --write-out '%{http_code}' --header \"X-Timestamp: $time\" \\
          --header \"X-Signature: $signature\" --json \"$body\" http://$ADDRESS/receipts/sms_provider";

    let output = Command::new("sh")
        .args(["-c", script])
        .env("REFERENCE", &reference)
        .env("SECRET", SECRET)
        .env("ADDRESS", gateway.receipts_address().to_string())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();

    assert_eq!(String::from_utf8_lossy(&output.stdout), "200");
    assert_eq!(gateway.last().await.line.state, "confirmed");
}
