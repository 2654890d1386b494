//! A lean HTTP/1.1 client: one connection, mutual TLS, one request at a time.
//!
//! The sender's requests cannot be repeated, so neither does this client: it opens a new connection only while nothing
//! of a request has been written. No redirects, no chunked answers, no pool.

use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{SslConnector, SslMethod};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

/// The longest answer read, head and body together.
const ANSWER_MAX: usize = 1024 * 1024;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be used.
    #[error("{0:?} is not an address such as https://gateway.example:8443")]
    Address(String),
    /// A file of the identity cannot be read.
    #[error("{0} cannot be read")]
    File(String, #[source] io::Error),
    /// Certificate, key or CA is not what it should be.
    #[error("certificate, key and CA do not make an identity")]
    Identity(#[from] ErrorStack),
    /// Nothing was sent.
    #[error("could not connect")]
    Connect(#[source] io::Error),
    /// Nothing was sent: the server's certificate was refused here, or ours there.
    #[error("the TLS handshake failed")]
    Handshake(#[source] openssl::ssl::Error),
    /// The request may have arrived.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    /// The request may have arrived.
    #[error("the connection was closed without an answer")]
    Closed,
    /// The request may have arrived.
    #[error("no answer in time")]
    TimedOut,
    /// The answer is not HTTP/1.1 with a `Content-Length`.
    #[error("the answer cannot be read: {0}")]
    Unreadable(&'static str),
}

/// Who the client is and whom it trusts. With TLS 1.3 a server refuses a client's certificate only with its first
/// answer, so a refusal may show as a broken connection.
#[derive(Clone)]
pub struct Identity(SslConnector);

impl Identity {
    /// From PEM: the certificate and its chain, its key, and the CAs that the server's certificate may come from.
    pub fn from_pem(cert: &[u8], key: &[u8], ca: &[u8]) -> Result<Self, Error> {
        let mut trusted = X509StoreBuilder::new()?;
        for ca in X509::stack_from_pem(ca)? {
            trusted.add_cert(ca)?;
        }
        let mut tls = SslConnector::builder(SslMethod::tls_client())?;
        tls.set_cert_store(trusted.build());
        let mut chain = X509::stack_from_pem(cert)?.into_iter();
        if let Some(own) = chain.next() {
            tls.set_certificate(&own)?;
        }
        chain.try_for_each(|above| tls.add_extra_chain_cert(above))?;
        tls.set_private_key(&*PKey::private_key_from_pem(key)?)?;
        tls.check_private_key()?;
        // One system call for a record instead of two.
        tls.set_read_ahead(true);
        Ok(Self(tls.build()))
    }

    /// The same from three PEM files.
    pub fn from_files(cert: &Path, key: &Path, ca: &Path) -> Result<Self, Error> {
        let read = |path: &Path| std::fs::read(path).map_err(|e| Error::File(path.display().to_string(), e));
        Self::from_pem(&read(cert)?, &read(key)?, &read(ca)?)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// Where requests go: a server, a path in front of all paths, and who is asking.
#[derive(Debug, Clone)]
pub struct Target {
    host: String,
    port: u16,
    base: String,
    identity: Option<Identity>,
}

impl Target {
    /// From an address such as `https://gateway.example:8443/base`; `http://` leaves the identity unused.
    pub fn new(url: &str, identity: Option<&Identity>) -> Result<Self, Error> {
        let unusable = || Error::Address(url.to_owned());
        let parsed = reqwest::Url::parse(url).map_err(|_| unusable())?;
        let identity = match (parsed.scheme(), identity) {
            ("https", Some(identity)) => Some(identity.clone()),
            ("http", _) => None,
            _ => return Err(unusable()),
        };
        Ok(Self {
            host: parsed.host_str().ok_or_else(unusable)?.to_owned(),
            port: parsed.port_or_known_default().ok_or_else(unusable)?,
            base: parsed.path().trim_end_matches('/').to_owned(),
            identity,
        })
    }

    async fn open(&self) -> Result<Box<dyn Stream>, Error> {
        let host = self.host.trim_matches(['[', ']']);
        let plain = TcpStream::connect((host, self.port)).await.map_err(Error::Connect)?;
        plain.set_nodelay(true).map_err(Error::Connect)?;
        let Some(Identity(tls)) = &self.identity else { return Ok(Box::new(plain)) };
        let mut stream = SslStream::new(tls.configure()?.into_ssl(host)?, plain)?;
        Pin::new(&mut stream).connect().await.map_err(Error::Handshake)?;
        Ok(Box::new(stream))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One connection to a target, opened when it is needed.
pub struct Connection {
    target: Target,
    patience: Duration,
    stream: Option<Box<dyn Stream>>,
    outbox: Vec<u8>,
    inbox: Vec<u8>,
    opened: u64,
}

/// What the server said; lives until the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
}

impl Connection {
    /// A connection that waits `patience` for each answer.
    pub fn new(target: Target, patience: Duration) -> Self {
        let [outbox, inbox] = [Vec::with_capacity(2048), Vec::with_capacity(4096)];
        Self { target, patience, stream: None, outbox, inbox, opened: 0 }
    }

    /// Opens the connection ahead of the first request.
    pub async fn open(&mut self) -> Result<(), Error> {
        let stream = tokio::time::timeout(self.patience, self.target.open()).await.map_err(|_| Error::TimedOut)??;
        self.stream = Some(stream);
        self.opened += 1;
        Ok(())
    }

    /// How often a connection was opened; 1 when the server never closed one.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Posts JSON and reads the answer. After an error the next request starts on a new connection.
    pub async fn post(&mut self, path: &str, idempotency_key: Option<&str>, body: &[u8]) -> Result<Reply<'_>, Error> {
        self.write_request(path, idempotency_key, body);
        let patience = self.patience;
        let head = tokio::time::timeout(patience, self.exchange()).await.map_err(|_| Error::TimedOut)??;
        Ok(Reply { status: head.status, body: &self.inbox[head.body] })
    }

    fn write_request(&mut self, path: &str, idempotency_key: Option<&str>, body: &[u8]) {
        let Target { host, port, base, .. } = &self.target;
        let head =
            format_args!("POST {base}{path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n");
        self.outbox.clear();
        append(&mut self.outbox, head);
        if let Some(key) = idempotency_key {
            append(&mut self.outbox, format_args!("X-Idempotency-Key: {key}\r\n"));
        }
        append(&mut self.outbox, format_args!("Content-Length: {}\r\n\r\n", body.len()));
        self.outbox.extend_from_slice(body);
    }

    // The stream is out of its place meanwhile: whatever goes wrong, a half-used connection is never used again.
    async fn exchange(&mut self) -> Result<Head, Error> {
        self.inbox.clear();
        let usable = match &mut self.stream {
            Some(stream) => is_quiet(stream).await,
            None => false,
        };
        let mut stream = match self.stream.take() {
            Some(stream) if usable => stream,
            _ => {
                let stream = self.target.open().await?;
                self.opened += 1;
                stream
            }
        };
        stream.write_all(&self.outbox).await.map_err(Error::Broken)?;
        stream.flush().await.map_err(Error::Broken)?;
        let head = loop {
            match Head::read(&self.inbox)? {
                Some(head) if head.body.end <= self.inbox.len() => break head,
                _ if self.inbox.len() > ANSWER_MAX => return Err(Error::Unreadable("longer than 1 MiB")),
                _ => {}
            }
            if stream.read_buf(&mut self.inbox).await.map_err(Error::Broken)? == 0 {
                return Err(Error::Closed);
            }
        };
        if !head.closes {
            self.stream = Some(stream);
        }
        Ok(head)
    }
}

// An idle connection on which anything but nothing can be read was closed, or is about to be.
async fn is_quiet(stream: &mut Box<dyn Stream>) -> bool {
    poll_fn(|context| {
        let mut byte = [0];
        Poll::Ready(Pin::new(&mut *stream).poll_read(context, &mut ReadBuf::new(&mut byte)).is_pending())
    })
    .await
}

struct Head {
    status: u16,
    body: Range<usize>,
    closes: bool,
}

impl Head {
    fn read(bytes: &[u8]) -> Result<Option<Self>, Error> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut answer = httparse::Response::new(&mut headers);
        let start = match answer.parse(bytes) {
            Ok(httparse::Status::Complete(start)) => start,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Error::Unreadable("not HTTP/1.1")),
        };
        let status = answer.code.unwrap_or_default();
        let mut length = matches!(status, 204 | 304).then_some(0);
        let mut closes = false;
        for header in answer.headers.iter() {
            if length.is_none() && header.name.eq_ignore_ascii_case("content-length") {
                length = std::str::from_utf8(header.value).ok().and_then(|text| text.trim().parse().ok());
            } else if header.name.eq_ignore_ascii_case("connection") {
                closes |= header.value.eq_ignore_ascii_case(b"close");
            }
        }
        let length: usize = length.ok_or(Error::Unreadable("without Content-Length"))?;
        Ok(Some(Self { status, body: start..start.saturating_add(length), closes }))
    }
}

/// Appends text to a buffer of bytes, which cannot fail.
pub(super) fn append(buffer: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    drop(io::Write::write_fmt(buffer, text));
}
