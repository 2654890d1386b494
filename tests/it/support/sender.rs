//! A client that sends any bytes over mutual TLS and reads whatever comes back.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVerifyMode};
use openssl::x509::X509;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

/// Longer than the gateway ever takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate to show, its key, and the chain above it.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: X509,
    pub(crate) key: PKey<Private>,
    pub(crate) chain: Vec<X509>,
}

impl Identity {
    pub(crate) fn new(certificate: X509, key: PKey<Private>) -> Self {
        Self { certificate, key, chain: Vec::new() }
    }
}

/// What the gateway answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    #[track_caller]
    pub(crate) fn expect_status_of(self, row: &str, status: u16) -> Self {
        assert_eq!(self.status, status, "{row}: {}", self.body);
        self
    }

    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// There was no HTTP answer: the handshake failed, or the connection ended.
#[derive(Debug)]
pub(crate) struct Gone;

/// One connection.
pub(crate) struct Line {
    stream: SslStream<TcpStream>,
    inbox: Vec<u8>,
}

/// What every sender begins with. The server's certificate is of no interest here.
pub(crate) fn tls(identity: Option<&Identity>) -> SslConnectorBuilder {
    let mut tls = SslConnector::builder(SslMethod::tls_client()).unwrap();
    tls.set_verify(SslVerifyMode::NONE);
    // What is too weak is for the gateway to refuse.
    tls.set_security_level(0);
    if let Some(Identity { certificate, key, chain }) = identity {
        tls.set_certificate(certificate).unwrap();
        tls.set_private_key(key).unwrap();
        for above in chain {
            tls.add_extra_chain_cert(above.clone()).unwrap();
        }
    }
    tls
}

impl Line {
    pub(crate) async fn open(address: SocketAddr, identity: &Identity) -> Self {
        Self::try_open(address, tls(Some(identity))).await.unwrap()
    }

    pub(crate) async fn try_open(address: SocketAddr, tls: SslConnectorBuilder) -> Result<Self, Gone> {
        Self::over(TcpStream::connect(address).await.map_err(|_| Gone)?, tls).await
    }

    /// Shakes hands over a connection that is there.
    pub(crate) async fn over(plain: TcpStream, tls: SslConnectorBuilder) -> Result<Self, Gone> {
        let ssl = tls.build().configure().unwrap().verify_hostname(false).into_ssl("localhost").unwrap();
        let mut stream = SslStream::new(ssl, plain).unwrap();
        Pin::new(&mut stream).connect().await.map_err(|_| Gone)?;
        Ok(Self { stream, inbox: Vec::new() })
    }

    /// The certificate that the gateway showed.
    pub(crate) fn server(&self) -> X509 {
        self.stream.ssl().peer_certificate().unwrap()
    }

    /// Sends bytes as they are. A gateway that has hung up is noticed when its answer is read.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Sends a byte at a time until the gateway hangs up.
    pub(crate) async fn drip(&mut self, bytes: &[u8], pause: Duration) {
        for byte in bytes {
            self.send(&[*byte]).await;
            if self.hung_up_within(pause).await {
                return;
            }
        }
        assert!(self.hung_up_within(PATIENCE).await, "the gateway never hung up");
    }

    async fn hung_up_within(&mut self, time: Duration) -> bool {
        let mut ignored = Vec::new();
        tokio::time::timeout(time, self.stream.read_to_end(&mut ignored)).await.is_ok()
    }

    /// The next answer; `100 Continue` is not one.
    pub(crate) async fn answer(&mut self) -> Result<Answer, Gone> {
        loop {
            let answer = tokio::time::timeout(PATIENCE, self.read()).await.map_err(|_| Gone)??;
            if answer.status != 100 {
                return Ok(answer);
            }
        }
    }

    /// All answers until the gateway hangs up, or says nothing more for so long; and whether it hung up.
    pub(crate) async fn answers(&mut self, quiet: Duration) -> (Vec<Answer>, bool) {
        let mut all = Vec::new();
        loop {
            match tokio::time::timeout(quiet, self.answer()).await {
                Ok(Ok(answer)) => all.push(answer),
                Ok(Err(Gone)) => return (all, true),
                Err(_) => return (all, false),
            }
        }
    }

    /// Waits for `100 Continue`.
    pub(crate) async fn asked_to_continue(&mut self) {
        let answer = tokio::time::timeout(PATIENCE, self.read()).await.unwrap().unwrap();
        assert_eq!(answer.status, 100);
    }

    /// The next answer, of a request that asks for no body.
    pub(crate) async fn head(&mut self) -> Result<Answer, Gone> {
        tokio::time::timeout(PATIENCE, self.read_as(false)).await.map_err(|_| Gone)?
    }

    async fn read(&mut self) -> Result<Answer, Gone> {
        self.read_as(true).await
    }

    async fn read_as(&mut self, with_body: bool) -> Result<Answer, Gone> {
        loop {
            if let Some((answer, end)) = parse(&self.inbox, with_body) {
                self.inbox.drain(..end);
                return Ok(answer);
            }
            if self.stream.read_buf(&mut self.inbox).await.map_err(|_| Gone)? == 0 {
                return Err(Gone);
            }
        }
    }
}

/// The answer in `bytes`, which end with it.
pub(crate) fn read_answer(bytes: &[u8]) -> Answer {
    let (answer, body) = read_file(bytes);
    Answer { body: String::from_utf8_lossy(&body).into_owned(), ..answer }
}

/// An answer whose connection has ended, and its body as bytes.
pub(crate) fn read_file(bytes: &[u8]) -> (Answer, Vec<u8>) {
    let (answer, start) = parse(bytes, false).unwrap();
    let is_chunked = answer.header("transfer-encoding").is_some_and(|it| it == "chunked");
    let length = answer.header("content-length").map_or(0, |value| value.parse().unwrap());
    let body = if is_chunked { joined(&bytes[start..]) } else { bytes[start..][..length].to_vec() };
    (answer, body)
}

// The chunks of a body that is sent piece by piece, until the connection ends.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = chunks.windows(2).position(|it| it == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        whole.extend(&chunks[end + 2..][..length]);
        chunks = &chunks[end + 2 + length + 2..];
    }
    whole
}

fn parse(bytes: &[u8], with_body: bool) -> Option<(Answer, usize)> {
    let mut room = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut room);
    let httparse::Status::Complete(start) = head.parse(bytes).unwrap() else { return None };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers: Vec<_> = head.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect();
    let mut answer = Answer { status: head.code.unwrap(), headers, body: String::new() };
    let declared = answer.header("content-length").filter(|_| with_body);
    let length: usize = declared.map_or(0, |value| value.parse().unwrap());
    answer.body = text(bytes.get(start..start + length)?);
    Some((answer, start + length))
}
