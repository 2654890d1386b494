//! Delivery receipts: what the receipts listener answers, and what a receipt changes.

mod answers;
mod certificate;
mod effects;
mod partners;
mod races;

use std::time::{Duration, Instant};

use crate::support::receipt_provider::{ReceiptProvider, SignedReceipt};
use crate::support::{Gateway, Setup, otp, recipient};

/// Longer than anything takes: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway whose first SMS provider, `sms_provider`, sends receipts; `more` and `receipt` are further settings of the provider
/// and of its receipts.
async fn listening(more: &str, receipt: &str) -> (Gateway, ReceiptProvider) {
    let sms_provider = ReceiptProvider::open().await;
    let settings = sms_provider.settings("sms_provider", more, receipt) + "[receipts]\nlisten = \"127.0.0.1:0\"\n";
    let gateway = Setup::new().first(&settings).start().await;
    gateway.knows([recipient("phone").customer("1337").phone("+48600100200")]).await;
    (gateway, sms_provider)
}

/// The same, after `sms_provider` has accepted one code; returns our reference.
async fn sent(receipt: &str) -> (Gateway, ReceiptProvider, String) {
    let (gateway, sms_provider) = listening("", receipt).await;
    gateway.post(&otp().code("73915046")).await.expect_status(204);
    let reference = sms_provider.message().await;
    sms_provider.answers();
    gateway.settle().await;
    assert_eq!(gateway.last().await.line.state, "sent");
    (gateway, sms_provider, reference)
}

/// Posts a receipt and expects that it is accepted.
async fn report(gateway: &Gateway, receipt: &SignedReceipt) {
    let answer = receipt.post(gateway.receipts_address()).await.expect_status(200);
    assert_eq!(answer.body, "OK");
}

/// The kinds of the newest delivery's events, in order.
async fn events(gateway: &Gateway) -> Vec<String> {
    gateway.last().await.events.into_iter().map(|event| event.kind).collect()
}

/// Waits until the newest delivery is in `state`.
async fn becomes(gateway: &Gateway, state: &str) {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = gateway.last().await.line.state;
        if found == state {
            return;
        }
        assert!(Instant::now() < end, "it is {found} and not {state}");
        tokio::task::yield_now().await;
    }
}
