//! SMTP connections: a TCP connection with `TCP_NODELAY`, and TLS on top of it.
//!
//! The mail library does not set `TCP_NODELAY`, and writes a mail and its final dot separately. On its own connections
//! every mail therefore waits 40 ms for the relay's delayed acknowledgement.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::extension::ClientId;
use openssl::ssl::SslConnector;
use openssl::x509::X509;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_openssl::SslStream;

use super::failure::{SessionError, SmtpStep};
use super::read_limit::ReadLimit;
use super::{Settings, Tls, xoauth2};
use crate::channel::access_token::AccessTokens;
use crate::channel::{CONNECT_MAX, Common, Error, read_ca, tls_client};
use crate::domain::secret::Credential;

/// Makes connections: greeted and authenticated, ready for a mail.
pub(super) struct Connector {
    host: String,
    port: u16,
    tls: TlsMode,
    hello: ClientId,
    login: Option<Login>,
}

enum Login {
    Password(Credentials),
    /// The user, and where tokens for it come from.
    Token(Credential, Arc<AccessTokens>),
}

enum TlsMode {
    None,
    StartTls(TlsParameters),
    Tls(SslConnector),
}

impl Connector {
    pub(super) fn new(settings: &Settings, common: &Common, tokens: Option<&Arc<AccessTokens>>) -> Result<Self, Error> {
        let (name, Settings { host, port, .. }) = (common.name(), settings);
        let login = match (&settings.user, &settings.password, tokens) {
            (Some(user), None, Some(tokens)) => Some(Login::Token(user.clone(), Arc::clone(tokens))),
            (_, _, Some(_)) => return Err(Error::new(name, "oauth2: expected user, and no password")),
            (Some(user), Some(password), None) => {
                Some(Login::Password(Credentials::new(user.expose().to_owned(), password.expose().to_owned())))
            }
            (None, None, None) => None,
            _ => return Err(Error::new(name, "user and password: expected both or neither")),
        };
        if login.is_some() && settings.tls == Tls::None && !is_this_machine(host) {
            return Err(Error::new(
                name,
                "tls: expected starttls or tls, because a password must not be sent unencrypted",
            ));
        }
        let extra = common.ca.as_ref().map_or(Ok(Vec::new()), |file| read_ca(name, file))?;
        let unusable = || Error::new(name, "the TLS library could not be set up");
        let tls = match settings.tls {
            Tls::None => TlsMode::None,
            Tls::StartTls => TlsMode::StartTls(start_tls(host, &extra).map_err(|_| unusable())?),
            Tls::Tls => TlsMode::Tls(tls_client::connector(extra).map_err(|_| unusable())?),
        };
        let hello = settings.hello.clone().map_or_else(ClientId::default, ClientId::Domain);
        Ok(Self { host: host.clone(), port: *port, tls, hello, login })
    }

    /// Connects, starts TLS, greets and logs in.
    pub(super) async fn connect(&self, step: &mut SmtpStep) -> Result<AsyncSmtpConnection, SessionError> {
        *step = SmtpStep::Connect;
        let address = (self.host.as_str(), self.port);
        let tcp =
            timeout(CONNECT_MAX, TcpStream::connect(address)).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))?;
        tcp.set_nodelay(true)?;
        let mut smtp = match &self.tls {
            TlsMode::None => {
                *step = SmtpStep::Greeting;
                self.greet(PlainStream { tcp, before_tls: false }).await?
            }
            TlsMode::StartTls(parameters) => {
                *step = SmtpStep::Greeting;
                let mut smtp = self.greet(PlainStream { tcp, before_tls: true }).await?;
                *step = SmtpStep::Tls;
                if !smtp.can_starttls() {
                    return Err(SessionError::Tls("the relay does not support STARTTLS".to_owned()));
                }
                smtp.starttls(parameters.clone(), &self.hello).await?;
                smtp
            }
            TlsMode::Tls(connector) => {
                *step = SmtpStep::Tls;
                let stream = tls_client::handshake(connector, &self.host, tcp).await?;
                *step = SmtpStep::Greeting;
                self.greet(TlsStream(stream)).await?
            }
        };
        if self.login.is_some() {
            *step = SmtpStep::Login;
        }
        match &self.login {
            None => {}
            Some(Login::Password(login)) => drop(smtp.auth(DEFAULT_MECHANISMS, login).await?),
            Some(Login::Token(user, tokens)) => xoauth2::log_in(&mut smtp, user, tokens).await?,
        }
        Ok(smtp)
    }

    async fn greet(&self, stream: impl AsyncTokioStream + 'static) -> Result<AsyncSmtpConnection, SessionError> {
        Ok(AsyncSmtpConnection::connect_with_transport(Box::new(ReadLimit::new(stream)), &self.hello).await?)
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

fn start_tls(host: &str, extra: &[X509]) -> Result<TlsParameters, SessionError> {
    let mut builder = TlsParametersBuilder::new(host.to_owned());
    for certificate in extra {
        builder = builder.add_root_certificate(Certificate::from_der(certificate.to_der()?)?);
    }
    Ok(builder.build()?)
}

/// A connection without TLS, or before `STARTTLS`.
///
/// Before TLS it returns one byte for each read. With read-ahead, bytes that an attacker injects after the reply to
/// `STARTTLS` would be read as replies that came over TLS.
#[derive(Debug)]
struct PlainStream {
    tcp: TcpStream,
    before_tls: bool,
}

/// The first byte of a TLS handshake. No SMTP command begins with it.
const TLS_HANDSHAKE: u8 = 0x16;

impl AsyncRead for PlainStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.before_tls {
            return Pin::new(&mut self.tcp).poll_read(cx, buf);
        }
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut one))?;
        buf.put_slice(one.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PlainStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.first() == Some(&TLS_HANDSHAKE) {
            self.before_tls = false;
        }
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for PlainStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }
}

/// A connection with TLS from the first byte.
#[derive(Debug)]
struct TlsStream(SslStream<TcpStream>);

impl AsyncRead for TlsStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for TlsStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().peer_addr()
    }
}
