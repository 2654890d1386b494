//! A minimal HTTP/1.1 client: one connection, mutual TLS, one request at a time.
//!
//! It never sends a request twice, as a processor does not: it opens a new connection only before it has written
//! anything of a request. It has no redirects, no chunked responses and no pool.

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

/// The size limit of a response, head and body together.
const RESPONSE_MAX: usize = 1024 * 1024;

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0:?} is not a URL such as https://gateway.example:8443")]
    Address(String),
    #[error("https needs a client certificate, its key and a CA")]
    NoIdentity,
    #[error("cannot read {0}")]
    File(String, #[source] io::Error),
    #[error("the certificate, key or CA cannot be used")]
    Identity(#[from] ErrorStack),
    /// Nothing was sent.
    #[error("could not connect")]
    Connect(#[source] io::Error),
    /// Nothing was sent: one of the two certificates was rejected.
    #[error("the TLS handshake failed")]
    Handshake(#[source] openssl::ssl::Error),
    /// The request may have arrived.
    #[error("the connection broke")]
    SessionError(#[source] io::Error),
    /// The request may have arrived.
    #[error("the connection was closed without a response")]
    Closed,
    /// The request may have arrived.
    #[error("timed out")]
    TimedOut,
    #[error("invalid response: {0}")]
    Unreadable(&'static str),
}

/// The client certificate and the trusted CAs. With TLS 1.3 a server may reject the client certificate only after the
/// handshake, so that a rejection can appear as a broken connection.
#[derive(Clone)]
pub struct Identity(SslConnector);

impl Identity {
    /// From PEM: the client certificate with its chain, its key, and the CAs that may issue the server certificate.
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
        // One system call per record instead of two.
        tls.set_read_ahead(true);
        Ok(Self(tls.build()))
    }

    /// From three PEM files.
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

/// The server, the base path, and the identity of the client.
#[derive(Debug, Clone)]
pub struct Target {
    host: String,
    port: u16,
    base: String,
    identity: Option<Identity>,
}

impl Target {
    /// From a URL such as `https://gateway.example:8443/base`. With `http://` the identity is not used.
    pub fn new(url: &str, identity: Option<&Identity>) -> Result<Self, Error> {
        let invalid = || Error::Address(url.to_owned());
        let parsed = reqwest::Url::parse(url).map_err(|_| invalid())?;
        let identity = match (parsed.scheme(), identity) {
            ("https", Some(identity)) => Some(identity.clone()),
            ("https", None) => return Err(Error::NoIdentity),
            ("http", _) => None,
            _ => return Err(invalid()),
        };
        Ok(Self {
            host: parsed.host_str().ok_or_else(invalid)?.to_owned(),
            port: parsed.port_or_known_default().ok_or_else(invalid)?,
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

/// A connection to a target, opened on demand.
pub struct Connection {
    target: Target,
    timeout: Duration,
    stream: Option<Box<dyn Stream>>,
    outbox: Vec<u8>,
    inbox: Vec<u8>,
    opened: u64,
}

/// The response. It is valid until the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

impl Connection {
    /// A connection that waits at most `timeout` for each response.
    pub fn new(target: Target, timeout: Duration) -> Self {
        let [outbox, inbox] = [Vec::with_capacity(2048), Vec::with_capacity(4096)];
        Self { target, timeout, stream: None, outbox, inbox, opened: 0 }
    }

    /// Opens the connection before the first request.
    pub async fn open(&mut self) -> Result<(), Error> {
        let stream = tokio::time::timeout(self.timeout, self.target.open()).await.map_err(|_| Error::TimedOut)??;
        self.stream = Some(stream);
        self.opened += 1;
        Ok(())
    }

    /// How often the connection was opened: 1 if the server never closed it.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Posts JSON and reads the response. After an error, the next request uses a new connection.
    pub async fn post(&mut self, path: &str, idempotency_key: Option<&str>, body: &[u8]) -> Result<Reply<'_>, Error> {
        let headers = idempotency_key.map(|key| ("X-Idempotency-Key", key));
        self.post_with(path, headers.as_slice(), body).await
    }

    /// Like [`post`](Self::post), with arbitrary headers.
    pub async fn post_with(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Reply<'_>, Error> {
        self.write_request(path, headers, body);
        let timeout = self.timeout;
        let head = tokio::time::timeout(timeout, self.exchange()).await.map_err(|_| Error::TimedOut)??;
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

    // The stream is taken out for the exchange, so that after an error or a cancellation it is never used again.
    async fn exchange(&mut self) -> Result<Head, Error> {
        self.inbox.clear();
        let usable = match &mut self.stream {
            Some(stream) => is_idle(stream).await,
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
                _ if self.inbox.len() > RESPONSE_MAX => return Err(Error::Unreadable("larger than 1 MiB")),
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

// If an idle connection is readable, the server has closed it or is about to.
async fn is_idle(stream: &mut Box<dyn Stream>) -> bool {
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
        let mut response = httparse::Response::new(&mut headers);
        let start = match response.parse(bytes) {
            Ok(httparse::Status::Complete(start)) => start,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Error::Unreadable("not HTTP/1.1")),
        };
        let status = response.code.unwrap_or_default();
        let mut length = matches!(status, 204 | 304).then_some(0);
        let mut closes = false;
        for header in response.headers.iter() {
            if length.is_none() && header.name.eq_ignore_ascii_case("content-length") {
                length = std::str::from_utf8(header.value).ok().and_then(|text| text.trim().parse().ok());
            } else if header.name.eq_ignore_ascii_case("connection") {
                closes |= header.value.eq_ignore_ascii_case(b"close");
            }
        }
        let length: usize = length.ok_or(Error::Unreadable("no Content-Length"))?;
        Ok(Some(Self { status, body: start..start.saturating_add(length), closes }))
    }
}

/// Appends formatted text. Writing to a vector cannot fail.
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

    const TIMEOUT: Duration = Duration::from_secs(5);
    const NO_CONTENT: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

    #[tokio::test]
    async fn a_request_and_its_response_go_over_mutual_tls() {
        let ca = TestCa::new();
        let (url, server) = tls_server(&ca).await;
        let target = Target::new(&format!("{url}/base/"), Some(&ca.identity("processor"))).unwrap();

        let mut connection = Connection::new(target, TIMEOUT);
        let reply = connection.post("/otp", Some("key-1"), b"{}").await.unwrap();

        assert_eq!(reply, Reply { status: 422, body: b"no" });
        let (client, request) = server.await.unwrap();
        assert_eq!(client, "processor");
        assert!(request.starts_with("POST /base/otp HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
        assert!(request.contains("\r\nX-Idempotency-Key: key-1\r\n") && request.ends_with("\r\n\r\n{}"), "{request}");
    }

    #[tokio::test]
    async fn a_server_of_an_untrusted_ca_is_rejected() {
        let (url, _server) = tls_server(&TestCa::new()).await;
        let target = Target::new(&url, Some(&TestCa::new().identity("processor"))).unwrap();

        let mut connection = Connection::new(target, TIMEOUT);
        let outcome = connection.post("/otp", None, b"{}").await;

        assert!(matches!(outcome, Err(Error::Handshake(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_connection_closed_while_idle_is_reopened() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut connection = Connection::new(target_of(&listener), TIMEOUT);

        for round in 1..=2 {
            let served = answer_one(&listener, NO_CONTENT);
            let (reply, ()) = tokio::join!(connection.post("/otp", None, b"{}"), served);
            assert_eq!(reply.unwrap().status, 204);
            assert_eq!(connection.opened(), round);
            // Lets the runtime notice that the server has closed the connection.
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_request_without_a_response_is_not_sent_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut connection = Connection::new(target_of(&listener), TIMEOUT);

        for half in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"] {
            let opened = connection.opened();
            let (reply, ()) =
                tokio::join!(connection.post("/otp", None, b"{}"), answer_one(&listener, half.as_bytes()));
            assert!(matches!(reply, Err(Error::Closed)), "{reply:?}");
            assert_eq!(connection.opened(), opened + 1);
        }
    }

    #[test]
    fn an_invalid_url_is_rejected_before_anything_is_sent() {
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
            assert!(stream.read_buf(&mut request).await.unwrap() > 0, "the request is incomplete");
        }
        String::from_utf8(request).unwrap()
    }

    // Answers one request with 422, and returns the name of the client and the request.
    async fn tls_server(ca: &TestCa) -> (String, JoinHandle<(String, String)>) {
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

    struct TestCa {
        cert: X509,
        key: PKey<Private>,
    }

    impl TestCa {
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

    fn certificate(name: &str, key: &PKey<Private>, issuer: Option<&TestCa>) -> X509 {
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
