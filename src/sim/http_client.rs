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
    /// `https` without an identity.
    #[error("https needs a certificate, its key and a CA")]
    NoIdentity,
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
    SessionError(#[source] io::Error),
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
            ("https", None) => return Err(Error::NoIdentity),
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
        let headers = idempotency_key.map(|key| ("X-Idempotency-Key", key));
        self.post_with(path, headers.as_slice(), body).await
    }

    /// The same with headers of any name.
    pub async fn post_with(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Reply<'_>, Error> {
        self.write_request(path, headers, body);
        let patience = self.patience;
        let head = tokio::time::timeout(patience, self.exchange()).await.map_err(|_| Error::TimedOut)??;
        Ok(Reply { status: head.status, body: &self.inbox[head.body] })
    }

    fn write_request(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let Target { host, port, base, .. } = &self.target;
        let head =
            format_args!("POST {base}{path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n");
        self.outbox.clear();
        append(&mut self.outbox, head);
        for (name, value) in headers {
            append(&mut self.outbox, format_args!("{name}: {value}\r\n"));
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
        stream.write_all(&self.outbox).await.map_err(Error::SessionError)?;
        stream.flush().await.map_err(Error::SessionError)?;
        let head = loop {
            match Head::read(&self.inbox)? {
                Some(head) if head.body.end <= self.inbox.len() => break head,
                _ if self.inbox.len() > ANSWER_MAX => return Err(Error::Unreadable("longer than 1 MiB")),
                _ => {}
            }
            if stream.read_buf(&mut self.inbox).await.map_err(Error::SessionError)? == 0 {
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

#[cfg(test)]
mod tests {
    use openssl::asn1::Asn1Time;
    use openssl::bn::BigNum;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::pkey::Private;
    use openssl::ssl::{Ssl, SslAcceptor, SslVerifyMode};
    use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
    use openssl::x509::{X509Builder, X509Name};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);
    const TAKEN: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

    #[tokio::test]
    async fn a_request_goes_out_over_mutual_tls_and_the_answer_comes_back() {
        let ca = Authority::new();
        let (url, server) = tls_server(&ca).await;
        let target = Target::new(&format!("{url}/base/"), Some(&ca.identity("processor"))).unwrap();

        let mut connection = Connection::new(target, PATIENCE);
        let reply = connection.post("/otp", Some("key-1"), b"{}").await.unwrap();

        assert_eq!(reply, Reply { status: 422, body: b"no" });
        let (client, request) = server.await.unwrap();
        assert_eq!(client, "processor");
        assert!(request.starts_with("POST /base/otp HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
        assert!(request.contains("\r\nX-Idempotency-Key: key-1\r\n") && request.ends_with("\r\n\r\n{}"), "{request}");
    }

    #[tokio::test]
    async fn a_server_from_another_authority_is_not_spoken_to() {
        let (url, _server) = tls_server(&Authority::new()).await;
        let target = Target::new(&url, Some(&Authority::new().identity("processor"))).unwrap();

        let mut connection = Connection::new(target, PATIENCE);
        let outcome = connection.post("/otp", None, b"{}").await;

        assert!(matches!(outcome, Err(Error::Handshake(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_connection_closed_while_idle_is_opened_anew() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut connection = Connection::new(target_of(&listener), PATIENCE);

        for round in 1..=2 {
            let served = answer_one(&listener, TAKEN);
            let (reply, ()) = tokio::join!(connection.post("/otp", None, b"{}"), served);
            assert_eq!(reply.unwrap().status, 204);
            assert_eq!(connection.opened(), round);
            // Lets the runtime see that the server has hung up.
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_request_without_an_answer_is_not_sent_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut connection = Connection::new(target_of(&listener), PATIENCE);

        for half in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"] {
            let opened = connection.opened();
            let (reply, ()) =
                tokio::join!(connection.post("/otp", None, b"{}"), answer_one(&listener, half.as_bytes()));
            assert!(matches!(reply, Err(Error::Closed)), "{reply:?}");
            assert_eq!(connection.opened(), opened + 1);
        }
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_before_anything_is_sent() {
        assert!(matches!(Target::new("https://127.0.0.1:1", None), Err(Error::NoIdentity)));
        for bad in ["", "127.0.0.1:8443", "ftp://host/"] {
            assert!(matches!(Target::new(bad, None), Err(Error::Address(_))), "{bad:?}");
        }
    }

    fn target_of(listener: &TcpListener) -> Target {
        Target::new(&format!("http://{}", listener.local_addr().unwrap()), None).unwrap()
    }

    async fn answer_one(listener: &TcpListener, answer: &[u8]) {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(answer).await.unwrap();
    }

    async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
        let mut request = Vec::new();
        while !request.ends_with(b"{}") {
            assert!(stream.read_buf(&mut request).await.unwrap() > 0, "the request broke off");
        }
        String::from_utf8(request).unwrap()
    }

    // Answers one request with 422 and hands back who sent what.
    async fn tls_server(ca: &Authority) -> (String, JoinHandle<(String, String)>) {
        let (cert, key) = ca.issue("server");
        let mut tls = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        tls.set_certificate(&cert).unwrap();
        tls.set_private_key(&key).unwrap();
        tls.cert_store_mut().add_cert(ca.cert.clone()).unwrap();
        tls.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        let tls = tls.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = SslStream::new(Ssl::new(tls.context()).unwrap(), stream).unwrap();
            Pin::new(&mut stream).accept().await.unwrap();
            let request = read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 422 No\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
            let client = stream.ssl().peer_certificate().unwrap();
            let name = client.subject_name().entries().next().unwrap().data().to_string().unwrap();
            (name, request)
        });
        (url, serving)
    }

    struct Authority {
        cert: X509,
        key: PKey<Private>,
    }

    impl Authority {
        fn new() -> Self {
            let key = new_key();
            let cert = certificate("practice CA", &key, None);
            Self { cert, key }
        }

        fn issue(&self, name: &str) -> (X509, PKey<Private>) {
            let key = new_key();
            (certificate(name, &key, Some(self)), key)
        }

        fn identity(&self, name: &str) -> Identity {
            let (cert, key) = self.issue(name);
            let [cert, ca] = [&cert, &self.cert].map(|cert| cert.to_pem().unwrap());
            Identity::from_pem(&cert, &key.private_key_to_pem_pkcs8().unwrap(), &ca).unwrap()
        }
    }

    fn new_key() -> PKey<Private> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    }

    fn certificate(name: &str, key: &PKey<Private>, issuer: Option<&Authority>) -> X509 {
        let mut subject = X509Name::builder().unwrap();
        subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
        let subject = subject.build();
        let mut cert = X509Builder::new().unwrap();
        cert.set_version(2).unwrap();
        cert.set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
        cert.set_subject_name(&subject).unwrap();
        cert.set_issuer_name(issuer.map_or(&*subject, |issuer| issuer.cert.subject_name())).unwrap();
        cert.set_pubkey(key).unwrap();
        cert.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        cert.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
        if issuer.is_none() {
            cert.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        } else {
            let context = cert.x509v3_context(None, None);
            let names = SubjectAlternativeName::new().ip("127.0.0.1").build(&context).unwrap();
            cert.append_extension(names).unwrap();
        }
        cert.sign(issuer.map_or(key, |issuer| &issuer.key), MessageDigest::sha256()).unwrap();
        cert.build()
    }
}
