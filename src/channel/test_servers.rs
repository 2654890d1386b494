//! Parcels to send and servers to send them to, for the tests of this module: real sockets, scripted answers.

use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{Ssl, SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_openssl::SslStream;
use uuid::Uuid;

use crate::domain::contact::{Channel, Contact};
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::Priority;
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::recipient::Locale;
use crate::domain::secret::RenderedText;

pub(super) fn delivery() -> DeliveryId {
    DeliveryId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0042))
}

fn outbound(channel: Channel, to: &str, message: RenderedMessage) -> OutboundMessage {
    let to = Contact::parse(channel, to).unwrap();
    let valid_for = Duration::from_millis(299_900);
    OutboundMessage { delivery: delivery(), priority: Priority::Otp, to, message, valid_for }
}

fn rendered(text: &str) -> RenderedText {
    RenderedText::new(text.to_owned())
}

pub(super) fn sms(text: &str) -> OutboundMessage {
    outbound(Channel::Sms, "+48600100200", RenderedMessage::Sms { text: rendered(text) })
}

pub(super) fn push(title: &str, body: &str) -> OutboundMessage {
    outbound(Channel::Push, "token-1", RenderedMessage::Push { title: rendered(title), body: rendered(body) })
}

pub(super) fn email(subject: &str, text: &str, html: &str) -> OutboundMessage {
    let locale = Locale::parse("pl").unwrap();
    let message =
        RenderedMessage::Email { subject: rendered(subject), text: rendered(text), html: rendered(html), locale };
    outbound(Channel::Email, "leon@mail.example", message)
}

/// What a server does when a request or a command is complete.
#[derive(Clone)]
pub(super) enum Action {
    Say(String),
    /// Says it over and over.
    Babble(&'static str),
    Hang,
    HangUp,
}

/// What a server saw: one text a request, or a line a command.
#[derive(Clone, Default)]
pub(super) struct ReceivedRequests(Arc<Mutex<Vec<String>>>);

impl ReceivedRequests {
    fn push(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn count(&self, prefix: &str) -> usize {
        self.all().iter().filter(|text| text.starts_with(prefix)).count()
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A port where connections are made and nobody says anything, for as long as the listener lives.
pub(super) async fn silence() -> (TcpListener, SocketAddr) {
    listen().await
}

/// A port where nobody listens.
pub(super) async fn nobody() -> SocketAddr {
    listen().await.1
}

pub(super) fn http_answer(status: &str, headers: &[&str], body: &str) -> Action {
    let length = format!("content-length: {}\r\n\r\n{body}", body.len());
    let first = format!("HTTP/1.1 {status}");
    Action::Say([&[first.as_str()], headers, &[length.as_str()]].concat().join("\r\n"))
}

/// An HTTP server that meets every request with the same answer.
pub(super) async fn http(then: Action) -> (String, ReceivedRequests) {
    let (listener, address) = listen().await;
    let seen = ReceivedRequests::default();
    let kept = seen.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(http_connection(tcp, then.clone(), kept.clone()));
        }
    });
    (format!("http://{address}/send"), seen)
}

/// The same under TLS.
pub(super) async fn https(then: Action, acceptor: SslAcceptor) -> (String, ReceivedRequests) {
    let (listener, address) = listen().await;
    let seen = ReceivedRequests::default();
    let kept = seen.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            if let Some(tls) = accept_tls(&acceptor, tcp).await {
                tokio::spawn(http_connection(tls, then.clone(), kept.clone()));
            }
        }
    });
    (format!("https://localhost:{}/send", address.port()), seen)
}

async fn accept_tls(acceptor: &SslAcceptor, tcp: TcpStream) -> Option<SslStream<TcpStream>> {
    let mut tls = SslStream::new(Ssl::new(acceptor.context()).unwrap(), tcp).unwrap();
    Pin::new(&mut tls).accept().await.ok()?;
    Some(tls)
}

async fn http_connection<S: AsyncRead + AsyncWrite + Unpin>(stream: S, then: Action, seen: ReceivedRequests) {
    let mut tcp = BufReader::new(stream);
    loop {
        let mut request = String::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            if tcp.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            request.push_str(&line);
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        tcp.read_exact(&mut body).await.unwrap();
        seen.push(&(request + std::str::from_utf8(&body).unwrap()));
        match &then {
            Action::Say(answer) => tcp.write_all(answer.as_bytes()).await.unwrap(),
            Action::Babble(text) => while tcp.write_all(text.as_bytes()).await.is_ok() {},
            Action::Hang => std::future::pending().await,
            Action::HangUp => return,
        }
    }
}

/// A mail relay that takes everything, but for what it is told.
#[derive(Clone, Default)]
pub(super) struct TestRelay {
    replies: Vec<(&'static str, Action)>,
    extensions: &'static str,
    mails_a_connection: Option<usize>,
    protected: Option<SslAcceptor>,
    implicit: bool,
    pub(super) seen: ReceivedRequests,
}

impl TestRelay {
    pub(super) fn new() -> Self {
        Self { extensions: "250-AUTH PLAIN LOGIN\r\n", ..Self::default() }
    }

    /// Answers commands that begin with `command` with `reply`; the greeting is `(greeting)`, the final dot `.`.
    pub(super) fn on(mut self, command: &'static str, reply: &str) -> Self {
        self.replies.push((command, Action::Say(format!("{reply}\r\n"))));
        self
    }

    pub(super) fn then(mut self, command: &'static str, then: Action) -> Self {
        self.replies.push((command, then));
        self
    }

    /// Closes every connection after so many mails.
    pub(super) fn closing_after(mut self, mails: usize) -> Self {
        self.mails_a_connection = Some(mails);
        self
    }

    pub(super) fn start_tls(mut self, acceptor: SslAcceptor) -> Self {
        self.protected = Some(acceptor);
        self.extensions = "250-STARTTLS\r\n";
        self
    }

    pub(super) fn implicit_tls(mut self, acceptor: SslAcceptor) -> Self {
        self.protected = Some(acceptor);
        self.implicit = true;
        self
    }

    pub(super) async fn start(&self) -> SocketAddr {
        let (listener, address) = listen().await;
        let relay = self.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tcp.set_nodelay(true).unwrap();
                tokio::spawn(relay.clone().connection(tcp));
            }
        });
        address
    }

    async fn connection(self, tcp: TcpStream) {
        if self.implicit {
            let Some(tls) = self.accept_tls(tcp).await else { return };
            self.talk(tls, true).await;
        } else if let Some(tcp) = self.talk(tcp, true).await
            && let Some(tls) = self.accept_tls(tcp).await
        {
            self.talk(tls, false).await;
        }
    }

    async fn accept_tls(&self, tcp: TcpStream) -> Option<SslStream<TcpStream>> {
        accept_tls(self.protected.as_ref()?, tcp).await
    }

    /// Talks SMTP; gives the stream back when the client wants TLS on it.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S, greets: bool) -> Option<S> {
        let mut stream = BufReader::new(stream);
        if greets {
            self.answer(&mut stream, "(greeting)").await?;
        }
        let mut mails = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return None;
            }
            self.answer(&mut stream, line.trim_end()).await?;
            if line.starts_with("STARTTLS") {
                return Some(stream.into_inner());
            }
            if line.starts_with("DATA") && !self.replies.iter().any(|(command, _)| *command == "DATA") {
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut mail).await.unwrap_or(0) == 0 {
                        return None;
                    }
                }
                self.seen.push(&mail);
                self.answer(&mut stream, ".").await?;
                mails += 1;
            }
            if self.mails_a_connection == Some(mails) {
                return None;
            }
        }
    }

    async fn answer<S: AsyncWrite + Unpin>(&self, stream: &mut S, command: &str) -> Option<()> {
        self.seen.push(command);
        let told = self.replies.iter().find(|(prefix, _)| command.starts_with(prefix)).map(|(_, then)| then.clone());
        let usual = match command.get(..4).unwrap_or(command) {
            "(gre" | "STAR" => "220 ready\r\n".to_owned(),
            "EHLO" => format!("250-fake.example\r\n{}250 8BITMIME\r\n", self.extensions),
            "AUTH" => "235 welcome\r\n".to_owned(),
            "DATA" => "354 go ahead\r\n".to_owned(),
            "." => "250 2.0.0 Ok: queued as 4ABCD\r\n".to_owned(),
            _ => "250 ok\r\n".to_owned(),
        };
        match told.unwrap_or(Action::Say(usual)) {
            Action::Say(reply) => stream.write_all(reply.as_bytes()).await.ok(),
            Action::Hang | Action::Babble(_) => std::future::pending().await,
            Action::HangUp => None,
        }
    }
}

/// A certificate for `localhost` that signs itself: the server's end, and the file a client has to trust.
pub(super) fn localhost() -> (SslAcceptor, NamedTempFile) {
    let key: PKey<Private> = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "localhost").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    let named = SubjectAlternativeName::new().dns("localhost").build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(named).unwrap();
    builder.append_extension(BasicConstraints::new().ca().build().unwrap()).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    let certificate = builder.build();

    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&certificate.to_pem().unwrap()).unwrap();
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    acceptor.set_private_key(&key).unwrap();
    (acceptor.build(), file)
}
