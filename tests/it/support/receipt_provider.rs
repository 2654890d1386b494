//! An SMS gateway that sends receipts before its response, after it, or never; and signed receipts.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::sender::{self, Answer};

pub(crate) const SECRET: &str = "practice-secret-practice-secret!";

/// An SMS gateway that delays its response until the test asks for it, so that a receipt can come first.
pub(crate) struct ReceiptProvider {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    arrived: Arc<Notify>,
    answer: Arc<Notify>,
}

impl ReceiptProvider {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sms_provider = Self { address, asked: Arc::default(), arrived: Arc::default(), answer: Arc::default() };
        let (asked, arrived, answer) =
            (Arc::clone(&sms_provider.asked), Arc::clone(&sms_provider.arrived), Arc::clone(&sms_provider.answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&asked), Arc::clone(&arrived), Arc::clone(&answer)));
            }
        });
        sms_provider
    }

    /// Its `[[provider]]` table, with additional keys for the provider and for its `receipt`.
    pub(crate) fn settings(&self, name: &str, more: &str, receipt: &str) -> String {
        format!(
            "[[provider]]\nname = \"{name}\"\nkind = \"sms_gateway\"\nurl = \"http://{}/send\"\n{more}\n\
             [provider.receipt]\nsecret = \"{SECRET}\"\n{receipt}\n",
            self.address
        )
    }

    /// Waits for a message, and returns its reference.
    pub(crate) async fn message(&self) -> String {
        tokio::time::timeout(std::time::Duration::from_secs(20), self.arrived.notified()).await.unwrap();
        self.asked.lock().unwrap().last().unwrap().clone()
    }

    /// Answers the message. The id of the n-th message is `sms_provider-n`.
    pub(crate) fn answers(&self) {
        self.answer.notify_one();
    }
}

async fn serve(mut stream: TcpStream, asked: Arc<Mutex<Vec<String>>>, arrived: Arc<Notify>, answer: Arc<Notify>) {
    let mut inbox = Vec::new();
    while stream.read_buf(&mut inbox).await.is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&inbox);
        let Some((_, body)) = text.split_once("\r\n\r\n") else { continue };
        let Ok(message) = serde_json::from_str::<serde_json::Value>(body) else { continue };
        let number = {
            let mut asked = asked.lock().unwrap();
            asked.push(message["reference"].as_str().unwrap().to_owned());
            asked.len()
        };
        inbox.clear();
        arrived.notify_one();
        answer.notified().await;
        let body = format!("{{\"id\":\"sms_provider-{number}\"}}");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The signature of `text` in base64.
pub(crate) fn sign(text: &str) -> String {
    let key = PKey::hmac(SECRET.as_bytes()).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    signer.update(text.as_bytes()).unwrap();
    openssl::base64::encode_block(&signer.sign_to_vec().unwrap())
}

/// The HTTP request of a receipt.
pub(crate) struct SignedReceipt {
    pub(crate) path: String,
    pub(crate) method: &'static str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A signed receipt of the provider `name` in JSON.
pub(crate) fn signed_receipt(name: &str, reference: &str, status: &str) -> SignedReceipt {
    let body = serde_json::json!({ "reference": reference, "status": status }).to_string();
    SignedReceipt {
        path: format!("/receipts/{name}"),
        method: "POST",
        headers: vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("X-Signature".to_owned(), sign(&body)),
        ],
        body,
    }
}

impl SignedReceipt {
    /// Sets a header, and replaces one of the same name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(held, _)| held != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        let signature = sign(body);
        self.header("X-Signature", &signature)
    }

    pub(crate) fn unsigned(mut self) -> Self {
        self.headers.retain(|(held, _)| held != "X-Signature");
        self
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// Posts it on a new connection and returns the response.
    pub(crate) async fn post(&self, to: SocketAddr) -> Answer {
        let Self { path, method, headers, body } = self;
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        write!(request, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut stream = TcpStream::connect(to).await.unwrap();
        // The gateway closes the connection during a request that is too large.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut inbox = Vec::new();
        let _ = stream.read_to_end(&mut inbox).await;
        sender::read_answer(&inbox)
    }
}
