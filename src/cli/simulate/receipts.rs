//! Delivery receipts of the simulated SMS gateway: one signed receipt per accepted message.
//!
//! A receipt is never repeated, so that the gateway's handling of lost receipts can be tried.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use serde_json::json;
use tokio::sync::broadcast::{self, error::RecvError};
use zeroize::Zeroizing;

use crate::domain::clock::{Clock, SystemClock};
use crate::sim::http_client::{Connection, Target};
use crate::sim::providers::message_log::LoggedMessage;

const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct ReceiptSender {
    gateway: Connection,
    key: PKey<Private>,
}

impl ReceiptSender {
    /// Sends receipts to `url`, the receipts URL of one provider, signed with the secret in a file.
    pub(super) fn to(url: &str, secret: &Path) -> anyhow::Result<Self> {
        let gateway = Connection::new(Target::new(url, None)?, TIMEOUT);
        let secret_bytes = std::fs::read(secret).map(Zeroizing::new);
        let secret_bytes =
            secret_bytes.with_context(|| format!("--receipts-secret: cannot read {}", secret.display()))?;
        Ok(Self { gateway, key: PKey::hmac(secret_bytes.trim_ascii_end())? })
    }

    /// Sends a receipt for each message with a reference.
    pub(super) async fn run(mut self, mut messages: broadcast::Receiver<Arc<LoggedMessage>>) -> io::Result<()> {
        loop {
            let message = match messages.recv().await {
                Ok(message) => message,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return Ok(()),
            };
            let Some(reference) = &message.reference else { continue };
            if let Err(error) = self.send(reference).await {
                writeln!(io::stderr(), "receipt not accepted: {error:#}")?;
            }
        }
    }

    async fn send(&mut self, reference: &str) -> anyhow::Result<()> {
        let body = json!({ "reference": reference, "status": "delivered" }).to_string();
        let time = SystemClock.now().seconds().to_string();
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key)?;
        signer.update(format!("{time}.{body}").as_bytes())?;
        let signature = openssl::base64::encode_block(&signer.sign_to_vec()?);
        let headers = [("X-Timestamp", time.as_str()), ("X-Signature", signature.as_str())];
        let reply = self.gateway.post_with("", &headers, body.as_bytes()).await?;
        anyhow::ensure!(reply.status == 200, "status {}", reply.status);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::channel;
    use crate::channel::receipt_feed::ReceiptSource;
    use crate::domain::receipt::{Callback, ReceiptStatus};

    const SECRET: &str = "practice-secret-practice-secret";

    async fn posted(listener: TcpListener) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut inbox = Vec::new();
        while !inbox.ends_with(b"}") {
            assert!(stream.read_buf(&mut inbox).await.unwrap() > 0);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(inbox).unwrap()
    }

    #[tokio::test]
    async fn a_simulated_receipt_is_accepted_by_a_gateway() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/receipts/sms", listener.local_addr().unwrap());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, format!("{SECRET}\n")).unwrap();
        let sms = json!({
            "kind": "sms_gateway", "name": "sms", "url": "http://sms.example",
            "receipt": { "secret": SECRET, "timestamp_header": "X-Timestamp" },
        });
        let settings: channel::Settings = serde_json::from_value(sms).unwrap();
        let Some(ReceiptSource::Callbacks(provider)) = settings.connect().unwrap().receipts else { unreachable!() };

        let mut sender = ReceiptSender::to(&url, file.path()).unwrap();
        let (request, sent) = tokio::join!(posted(listener), sender.send("r-1"));
        sent.unwrap();

        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let header = |name: &str| {
            let held = head.lines().filter_map(|line| line.split_once(": "));
            held.into_iter().find(|(held, _)| *held == name).map(|(_, value)| value.as_bytes())
        };
        let callback = Callback { header: &header, query: "", body: body.as_bytes(), now: SystemClock.now() };
        let read = provider.receipts(&callback).unwrap();
        assert!(head.starts_with("POST /receipts/sms HTTP/1.1"), "{head}");
        assert_eq!((read.receipts[0].reference.as_str(), read.receipts[0].status), ("r-1", ReceiptStatus::Delivered));
    }
}
