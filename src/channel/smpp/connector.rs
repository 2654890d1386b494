//! Makes a connection to the centre and binds: TCP, TLS if configured, and `bind_transceiver`.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use openssl::ssl::SslConnector;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Settings;
use super::pdu::{BodyWriter, Pdu, command};
use super::status;
use crate::channel::tls_client::HandshakeError;
use crate::channel::{CONNECT_MAX, Common, Error, SendResult, io_problem, read_ca, tls_client};
use crate::domain::outcome::{Cause, Outcome};

/// `interface_version` (5.2.4).
const VERSION: u8 = 0x34;

/// The number of the first command on a connection (3.2).
pub(super) const FIRST: u32 = 1;

/// A connection in both directions, with TLS or without.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection on which the centre has accepted the bind, and what it has sent since.
pub(super) struct BoundStream {
    pub(super) stream: Box<dyn Duplex>,
    pub(super) inbox: BytesMut,
}

/// Makes connections that are bound.
pub(super) struct SmppConnector {
    host: String,
    port: u16,
    tls: Option<SslConnector>,
    bind: Vec<u8>,
    timeout: Duration,
}

impl SmppConnector {
    pub(super) fn new(settings: &Settings, common: &Common) -> Result<Self, Error> {
        let name = common.name();
        let Settings { system_id, password, system_type, .. } = settings;
        for (key, value) in
            [("system_id", system_id.expose()), ("password", password.expose()), ("system_type", system_type)]
        {
            if !value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
                return Err(Error::new(name, format!("{key}: expected printable ASCII characters")));
            }
        }
        if system_id.expose().is_empty() {
            return Err(Error::new(name, "system_id: expected the name of the account"));
        }
        let extra = common.ca.as_ref().map_or(Ok(Vec::new()), |file| read_ca(name, file))?;
        let unusable = |_| Error::new(name, "the TLS library could not be set up");
        let tls = settings.tls.then(|| tls_client::connector(extra)).transpose().map_err(unusable)?;
        let bind = BodyWriter::default().text(system_id.expose()).text(password.expose()).text(system_type);
        // No addresses of phones: this is no receiver of messages.
        let bind = bind.octets(&[VERSION, 0, 0]).text("").finish();
        Ok(Self { host: settings.host.clone(), port: settings.port(), tls, bind, timeout: common.timeout })
    }

    /// Connects and binds. A failure is that of every message meanwhile.
    pub(super) async fn connect(&self) -> Result<BoundStream, SendResult> {
        let unreachable = |what: &str| SendResult::new(Outcome::failed(Cause::Unreachable), what);
        let tcp = timeout(CONNECT_MAX, self.tcp()).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let tcp = tcp.map_err(|error| unreachable(&io_problem::of_connecting(&error)))?;
        let binding = async { self.bind(self.protect(tcp).await?).await };
        timeout(self.timeout, binding).await.unwrap_or_else(|_| Err(unreachable("timed out while binding")))
    }

    async fn tcp(&self) -> io::Result<TcpStream> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }

    async fn protect(&self, tcp: TcpStream) -> Result<Box<dyn Duplex>, SendResult> {
        let Some(tls) = &self.tls else { return Ok(Box::new(tcp)) };
        match tls_client::handshake(tls, &self.host, tcp).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(HandshakeError::Tls(problem)) => {
                Err(SendResult::new(Outcome::failed(Cause::TlsFailed), &format!("TLS: {problem}")))
            }
            Err(HandshakeError::Io(error)) => Err(lost(&error, "in the TLS handshake")),
        }
    }

    async fn bind(&self, mut stream: Box<dyn Duplex>) -> Result<BoundStream, SendResult> {
        let lost = |error: io::Error| lost(&error, "before the bind was answered");
        let (mut out, mut inbox) = (BytesMut::new(), BytesMut::new());
        Pdu::command(command::BIND_TRANSCEIVER, FIRST, self.bind.clone()).write(&mut out);
        stream.write_all(&out).await.map_err(lost)?;
        loop {
            let other = |_| SendResult::new(Outcome::failed(Cause::WrongUrl), "the answer to the bind is no SMPP");
            match Pdu::take(&mut inbox).map_err(other)? {
                Some(pdu) if pdu.sequence == FIRST && pdu.command & command::ANSWER != 0 => {
                    return match pdu.status {
                        status::OK => Ok(BoundStream { stream, inbox }),
                        refused => Err(status::failure(refused, " after bind_transceiver")),
                    };
                }
                // A request before the bind is not answered.
                Some(_) => {}
                None => {
                    let read = stream.read_buf(&mut inbox).await.map_err(lost)?;
                    if read == 0 {
                        return Err(lost(io::ErrorKind::UnexpectedEof.into()));
                    }
                }
            }
        }
    }
}

/// A connection that ended before a message was written on it.
fn lost(error: &io::Error, when: &str) -> SendResult {
    let reason = io_problem::of(error).unwrap_or("no connection");
    SendResult::new(Outcome::failed(Cause::Unreachable), &format!("{reason} {when}"))
}
