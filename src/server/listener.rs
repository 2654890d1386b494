//! A listener that needs no client certificates: HTTPS with a certificate that can be replaced, or plain HTTP on loopback.
//!
//! `receipts` and the console are such listeners; each has its own routes and its own section of the configuration.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;

use actix_server::Server;
use actix_web::web::ServiceConfig;
use openssl::ssl::SslContext;
use tokio::net::TcpStream;

use super::tls::{ask_for_certificate, pin_of};
use super::{
    ClientPin, ClientStream, Error, HttpOptions, HttpServer, ListenSockets, ReloadableTls, ServerControl,
    ServerIdentity, acceptor, read_certificates,
};
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::pki;

/// `listen`, `certificate` and `key` of a section of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct ListenAddress<'a> {
    /// The section, which is also the name of the listener.
    pub section: &'static str,
    /// Address and port; empty for no listener.
    pub listen: &'a str,
    pub certificate: &'a Path,
    pub key: &'a Path,
    /// CA certificates, PEM: clients are asked for a certificate of one of them, and need none. `None` where none is asked for.
    pub client_ca: Option<&'a Path>,
}

impl<'a> ListenAddress<'a> {
    /// The keys that a reload applies while the listener uses TLS; all others need a restart.
    pub const RELOADED: [&'static str; 3] = ["certificate", "key", "client_ca"];

    /// Whether there is a listener.
    pub fn is_open(&self) -> bool {
        !self.listen.is_empty()
    }

    /// Whether the listener uses TLS.
    pub fn has_tls(&self) -> bool {
        self.is_open() && !self.certificate.as_os_str().is_empty() && !self.key.as_os_str().is_empty()
    }

    /// The files that a reload reads.
    pub fn files(self) -> impl Iterator<Item = &'a Path> {
        let has_tls = self.has_tls();
        [self.certificate, self.key].into_iter().chain(self.client_ca).filter(move |_| has_tls)
    }

    /// Checks the settings and files as [`ListenAddress::serve`] would use them, without listening.
    pub fn check(&self) -> Result<(), Error> {
        self.tls().map(drop)
    }

    /// Starts the listener. `watch` gets the end of each certificate that is put into effect. The returned future serves
    /// until [`HttpListener::stop`].
    pub fn serve(
        &self,
        (options, sockets): (HttpOptions, &ListenSockets),
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
        watch: impl Fn(Timestamp) + Send + Sync + 'static,
    ) -> Result<(HttpListener, Server), Error> {
        let server = HttpServer::new(options, routes);
        let (server, tls) = if let Some((context, end)) = self.tls()? {
            watch(end);
            let tls = Arc::new(ReloadableTls::new(context));
            let acceptor = Arc::clone(&tls);
            let accept = move |tcp: TcpStream| {
                let acceptor = Arc::clone(&acceptor);
                async move {
                    let stream = acceptor.accept(tcp).await?;
                    let pin = pin_of(stream.ssl());
                    Some(ClientStream::new(stream, pin, ()))
                }
            };
            (server.listen(self.section, (sockets, self.listen), accept), Some(tls))
        } else {
            let accept = |tcp: TcpStream| async { Some(ClientStream::new(tcp, ClientPin::default(), ())) };
            (server.listen(self.section, (sockets, self.listen), accept), None)
        };
        let (addresses, control, server) = server.map_err(|source| self.cannot_listen(source))?.run();
        // A socket that was passed may have another address than the configuration.
        if tls.is_none() && !addresses.iter().all(|address| address.ip().is_loopback()) {
            return Err(self.needs_certificate());
        }
        let address = addresses.first().copied();
        let address = address.ok_or_else(|| self.cannot_listen(std::io::ErrorKind::AddrNotAvailable.into()))?;
        let (section, watch) = (self.section, Box::new(watch));
        Ok((HttpListener { section, address, server: control, tls, watch }, server))
    }

    // What a listener with TLS presents, and until when; `None` for plain HTTP.
    fn tls(&self) -> Result<Option<(SslContext, Timestamp)>, Error> {
        let Some(identity) = self.identity()? else { return Ok(None) };
        let (_, end) = pki::validity(&identity.certificate).map_err(|error| identity.error(chain(&error)))?;
        let mut tls = acceptor(&identity)?;
        if let Some(file) = self.client_ca {
            ask_for_certificate(&mut tls, &read_certificates(&format!("{}.client_ca", self.section), file)?)?;
        }
        Ok(Some((tls.build().into_context(), end)))
    }

    fn identity(&self) -> Result<Option<ServerIdentity>, Error> {
        let setting = || format!("{}.certificate", self.section);
        match [self.certificate, self.key].map(|path| path.as_os_str().is_empty()) {
            [false, false] => ServerIdentity::read(self.section, self.certificate, self.key).map(Some),
            [true, true] if self.client_ca.is_some() => {
                let what = "needs certificate and key: a client certificate is presented over TLS";
                Err(Error::setting(format!("{}.client_ca", self.section), what))
            }
            [true, true] if self.is_loopback()? => Ok(None),
            [true, true] => Err(self.needs_certificate()),
            _ => Err(Error::setting(setting(), format!("must be set together with {}.key", self.section))),
        }
    }

    fn needs_certificate(&self) -> Error {
        let what = "must be set, because the address can be reached from other machines";
        Error::setting(format!("{}.certificate", self.section), what)
    }

    fn is_loopback(&self) -> Result<bool, Error> {
        let mut addresses = self.listen.to_socket_addrs().map_err(|source| self.cannot_listen(source))?;
        Ok(addresses.all(|address| address.ip().is_loopback()))
    }

    fn cannot_listen(&self, source: std::io::Error) -> Error {
        Error::Listen { key: format!("{}.listen", self.section), listen: self.listen.to_owned(), source }
    }
}

/// A running listener.
pub struct HttpListener {
    section: &'static str,
    pub address: SocketAddr,
    server: ServerControl,
    tls: Option<Arc<ReloadableTls>>,
    watch: Box<dyn Fn(Timestamp) + Send + Sync>,
}

impl HttpListener {
    /// Accepts nothing more, answers requests in progress, and closes. If its socket outlives this process, new connections
    /// wait for the next one.
    pub async fn stop(&self, sockets: &ListenSockets) {
        if sockets.outlive_this_process(self.section) {
            self.server.pause().await;
            self.server.leave().await;
        } else {
            self.server.stop().await;
        }
    }

    /// Whether a reload can apply the certificate of `settings`. Between TLS and plain HTTP only a restart can switch.
    pub fn can_reload(&self, settings: ListenAddress<'_>) -> bool {
        self.tls.is_some() && settings.has_tls()
    }

    /// Reads the certificate and key of `settings`. The returned function puts them into effect for new handshakes,
    /// and cannot fail.
    pub fn prepare_reload(&self, settings: ListenAddress<'_>) -> Result<impl FnOnce() + use<'_>, Error> {
        let new = match &self.tls {
            Some(tls) if settings.has_tls() => settings.tls()?.map(|new| (tls, new)),
            _ => None,
        };
        Ok(move || {
            if let Some((tls, (context, end))) = new {
                tls.replace(context);
                (self.watch)(end);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(listen: &'a str, certificate: &'a str, key: &'a str) -> ListenAddress<'a> {
        let (certificate, key) = (Path::new(certificate), Path::new(key));
        ListenAddress { section: "receipts", listen, certificate, key, client_ca: None }
    }

    fn error(settings: ListenAddress<'_>) -> String {
        settings.check().unwrap_err().to_string()
    }

    #[test]
    fn plain_http_is_allowed_on_loopback_only() {
        assert!(at("127.0.0.1:0", "", "").check().is_ok());
        assert!(at("[::1]:0", "", "").check().is_ok());
        assert!(error(at("0.0.0.0:0", "", "")).starts_with("receipts.certificate: must be set"));
        let half = at("127.0.0.1:0", "", "a.key");
        assert_eq!(error(half), "receipts.certificate: must be set together with receipts.key");
    }

    #[test]
    fn an_error_names_its_key() {
        let missing = at("127.0.0.1:0", "/no/a.pem", "/no/a.key");
        assert!(error(missing).starts_with("receipts.certificate /no/a.pem: "));
        assert!(error(at("nowhere", "", "")).starts_with("receipts.listen: "));
    }

    #[test]
    fn client_certificates_need_tls() {
        let plain = ListenAddress { client_ca: Some(Path::new("ca.pem")), ..at("127.0.0.1:0", "", "") };
        assert!(error(plain).starts_with("receipts.client_ca: needs certificate and key"));
    }

    #[test]
    fn only_the_files_of_a_listener_with_tls_are_watched() {
        assert_eq!(at("127.0.0.1:0", "a.pem", "a.key").files().count(), 2);
        assert_eq!(at("127.0.0.1:0", "", "").files().count(), 0);
        assert_eq!(at("", "a.pem", "a.key").files().count(), 0);
    }
}
