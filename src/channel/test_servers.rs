//! Messages, and servers to send them to, for the tests of this module: real sockets, scripted answers.

use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openssl::ssl::{Ssl, SslAcceptor, SslMethod};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_openssl::SslStream;
use uuid::Uuid;

use crate::domain::contact::{Channel, Contact};
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::Priority;
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::recipient::Locale;
use crate::domain::secret::RenderedText;
use crate::test_ca::TestCa;

use super::{Common, Provider, Settings};

/// The settings that every provider has, with their defaults.
pub(super) fn common(name: &str, channel: Channel) -> Common {
    let profile = serde_json::from_value(serde_json::json!({ "name": name, "channel": channel })).unwrap();
    Common { profile, timeout: super::ATTEMPT_MAX, ca: None, insecure: false }
}

/// The provider of a `[[provider]]` section.
pub(super) fn connect(section: serde_json::Value) -> Arc<dyn Provider> {
    serde_json::from_value::<Settings>(section).unwrap().connect().unwrap().provider
}

pub(super) fn delivery() -> DeliveryId {
    DeliveryId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0042))
}

fn message(channel: Channel, to: &str, rendered: RenderedMessage) -> OutboundMessage {
    let to = Contact::parse(channel, to).unwrap();
    let valid_for = Duration::from_millis(299_900);
    OutboundMessage { delivery: delivery(), priority: Priority::Otp, to, rendered, code: None, valid_for }
}

fn text(text: &str) -> RenderedText {
    RenderedText::new(text.to_owned())
}

pub(super) fn sms(code: &str) -> OutboundMessage {
    message(Channel::Sms, "+48600100200", RenderedMessage::Sms { text: text(code) })
}

pub(super) fn push(title: &str, body: &str) -> OutboundMessage {
    message(Channel::Push, "token-1", RenderedMessage::Push { title: text(title), body: text(body) })
}

pub(super) fn email(subject: &str, plain: &str, html: &str) -> OutboundMessage {
    let locale = Locale::parse("pl").unwrap();
    let rendered = RenderedMessage::Email { subject: text(subject), text: text(plain), html: text(html), locale };
    message(Channel::Email, "leon@mail.example", rendered)
}

/// The reaction of a server to a complete request or command.
#[derive(Clone)]
pub(super) enum Action {
    Reply(String),
    /// Repeats it until the client disconnects.
    ReplyForever(&'static str),
    NeverReply,
    Disconnect,
    /// Repeats the request, with this status.
    Echo(&'static str),
    /// Repeats the body of the request only.
    EchoBody(&'static str),
}

/// What a server received: one text for each request, or one line for each command.
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

/// A port that accepts connections and never replies, for as long as the listener lives.
pub(super) async fn silent_port() -> (TcpListener, SocketAddr) {
    listen().await
}

/// A port whose accept queue is full: a further connection is not even refused.
pub(super) struct FullPort {
    pub(super) address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl FullPort {
    pub(super) async fn open() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(connected) = timeout(Duration::from_millis(500), TcpStream::connect(address)).await {
            waiting.push(connected.unwrap());
            assert!(waiting.len() < 16, "the queue does not fill");
        }
        Self { address, _listener: listener, _waiting: waiting }
    }
}

/// A port without a listener.
pub(super) async fn closed_port() -> SocketAddr {
    listen().await.1
}

pub(super) fn http_answer(status: &str, headers: &[&str], body: &str) -> Action {
    let length = format!("content-length: {}\r\n\r\n{body}", body.len());
    let first = format!("HTTP/1.1 {status}");
    Action::Reply([&[first.as_str()], headers, &[length.as_str()]].concat().join("\r\n"))
}

/// An HTTP server that reacts to every request in the same way.
pub(super) async fn http(action: Action) -> (String, ReceivedRequests) {
    let (listener, address) = listen().await;
    let received = ReceivedRequests::default();
    let kept = received.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(http_connection(tcp, action.clone(), kept.clone()));
        }
    });
    (format!("http://{address}/send"), received)
}

/// The same over TLS.
pub(super) async fn https(action: Action, acceptor: SslAcceptor) -> (String, ReceivedRequests) {
    let (listener, address) = listen().await;
    let received = ReceivedRequests::default();
    let kept = received.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            if let Some(tls) = accept_tls(&acceptor, tcp).await {
                tokio::spawn(http_connection(tls, action.clone(), kept.clone()));
            }
        }
    });
    (format!("https://localhost:{}/send", address.port()), received)
}

pub(super) async fn accept_tls(acceptor: &SslAcceptor, tcp: TcpStream) -> Option<SslStream<TcpStream>> {
    let mut tls = SslStream::new(Ssl::new(acceptor.context()).unwrap(), tcp).unwrap();
    Pin::new(&mut tls).accept().await.ok()?;
    Some(tls)
}

async fn http_connection<S: AsyncRead + AsyncWrite + Unpin>(stream: S, action: Action, received: ReceivedRequests) {
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
        let body = String::from_utf8(body).unwrap();
        received.push(&(request.clone() + &body));
        match &action {
            Action::Echo(status) | Action::EchoBody(status) => {
                let head = if matches!(action, Action::Echo(_)) { &*request } else { "" };
                let Action::Reply(answer) = http_answer(status, &[], &format!("{head}{body}")) else { return };
                tcp.write_all(answer.as_bytes()).await.unwrap();
            }
            Action::Reply(answer) => tcp.write_all(answer.as_bytes()).await.unwrap(),
            Action::ReplyForever(text) => while tcp.write_all(text.as_bytes()).await.is_ok() {},
            Action::NeverReply => std::future::pending().await,
            Action::Disconnect => return,
        }
    }
}

/// A mail relay that accepts everything, except where it is configured otherwise.
#[derive(Clone, Default)]
pub(super) struct TestRelay {
    replies: Vec<(&'static str, Action)>,
    extensions: &'static str,
    mails_per_connection: Option<usize>,
    protected: Option<SslAcceptor>,
    implicit: bool,
    pub(super) received: ReceivedRequests,
}

impl TestRelay {
    pub(super) fn new() -> Self {
        Self { extensions: "250-AUTH PLAIN LOGIN\r\n", ..Self::default() }
    }

    /// Replies to commands that begin with `command`; the greeting is `(greeting)`, the final dot `.`.
    pub(super) fn on(mut self, command: &'static str, reply: &str) -> Self {
        self.replies.push((command, Action::Reply(format!("{reply}\r\n"))));
        self
    }

    pub(super) fn react(mut self, command: &'static str, action: Action) -> Self {
        self.replies.push((command, action));
        self
    }

    pub(super) fn offering(self, extensions: &'static str) -> Self {
        Self { extensions, ..self }
    }

    /// Closes every connection after `mails` mails.
    pub(super) fn closing_after(mut self, mails: usize) -> Self {
        self.mails_per_connection = Some(mails);
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
            self.speak(tls, true).await;
        } else if let Some(tcp) = self.speak(tcp, true).await
            && let Some(tls) = self.accept_tls(tcp).await
        {
            self.speak(tls, false).await;
        }
    }

    async fn accept_tls(&self, tcp: TcpStream) -> Option<SslStream<TcpStream>> {
        accept_tls(self.protected.as_ref()?, tcp).await
    }

    /// Speaks SMTP; returns the stream when the client starts TLS.
    async fn speak<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S, greets: bool) -> Option<S> {
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
                self.received.push(&mail);
                self.answer(&mut stream, ".").await?;
                mails += 1;
            }
            if self.mails_per_connection == Some(mails) {
                return None;
            }
        }
    }

    async fn answer<S: AsyncWrite + Unpin>(&self, stream: &mut S, command: &str) -> Option<()> {
        self.received.push(command);
        let configured =
            self.replies.iter().find(|(prefix, _)| command.starts_with(prefix)).map(|(_, action)| action.clone());
        let usual = match command.get(..4).unwrap_or(command) {
            "(gre" | "STAR" => "220 ready\r\n".to_owned(),
            "EHLO" => format!("250-fake.example\r\n{}250 8BITMIME\r\n", self.extensions),
            "AUTH" => "235 welcome\r\n".to_owned(),
            "DATA" => "354 go ahead\r\n".to_owned(),
            "." => "250 2.0.0 Ok: queued as 4ABCD\r\n".to_owned(),
            _ => "250 ok\r\n".to_owned(),
        };
        match configured.unwrap_or(Action::Reply(usual)) {
            Action::Reply(reply) => stream.write_all(reply.as_bytes()).await.ok(),
            Action::Disconnect => None,
            _ => std::future::pending().await,
        }
    }
}

/// A server certificate for `localhost` from a new CA: the server's acceptor, and the CA's file.
pub(super) fn localhost() -> (SslAcceptor, NamedTempFile) {
    let ca = TestCa::new();
    let (certificate, key) = ca.issue("localhost");
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&ca.cert.to_pem().unwrap()).unwrap();
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    acceptor.set_private_key(&key).unwrap();
    (acceptor.build(), file)
}
