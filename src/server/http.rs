//! HTTP/1.1 over accepted connections: time limits, and the start of a server. Its [`ServerControl`] ends it.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use actix_http::{HttpService, Request};
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service, map_config,
};
use actix_web::dev::AppConfig;
use actix_web::http::KeepAlive;
use actix_web::web::ServiceConfig;
use actix_web::{App, Error};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::control::{ConnectionCount, ServerControl};
use super::malformed::MalformedHead;
use super::sockets::ListenSockets;
use super::stream::{ClientStream, HEAD_TIMEOUT, RequestState};

/// Time for a client to read its last answer and close: with a body that was too slow, less than six seconds in all.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// A unix socket is for its owner and its group.
const SOCKET_MODE: u32 = 0o660;

/// Limits of one server.
#[derive(Debug, Clone, Copy)]
pub struct HttpOptions {
    pub workers: usize,
    /// Further connections wait in the backlog.
    pub max_connections: usize,
    /// How long an idle connection stays open.
    pub keep_alive: Duration,
    /// Time for requests in progress once the server is stopped.
    pub shutdown_seconds: u64,
}

/// A server that is being built: one set of routes on any number of sockets.
pub struct HttpServer<C> {
    builder: ServerBuilder,
    keep_alive: Duration,
    configure: C,
    addresses: Vec<SocketAddr>,
    open: ConnectionCount,
}

impl<C: Fn(&mut ServiceConfig) + Clone + Send + 'static> HttpServer<C> {
    /// A server without a socket. `configure` adds the routes.
    pub fn new(options: HttpOptions, configure: C) -> Self {
        let builder = ServerBuilder::new()
            .workers(options.workers)
            .max_concurrent_connections(options.max_connections)
            .shutdown_timeout(options.shutdown_seconds)
            .disable_signals();
        Self {
            builder,
            keep_alive: options.keep_alive,
            configure,
            addresses: Vec::new(),
            open: ConnectionCount::default(),
        }
    }

    /// Opens the sockets of the listener `name`. `accept` turns a socket into a connection, or closes it.
    pub fn listen<S, P, F>(
        mut self,
        name: &'static str,
        (sockets, listen): (&ListenSockets, &str),
        accept: impl Fn(TcpStream) -> F + Clone + Send + 'static,
    ) -> std::io::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
        P: Clone + Unpin + 'static,
        F: Future<Output = Option<ClientStream<S, P>>> + 'static,
    {
        let sockets = sockets.open(name, listen)?;
        if sockets.is_empty() {
            return Err(std::io::ErrorKind::AddrNotAvailable.into());
        }
        for socket in sockets {
            let address = socket.local_addr()?;
            self.addresses.push(address);
            let (accept, routes, open) = (accept.clone(), self.routes(), self.open.clone());
            self.builder = self.builder.listen(format!("{name} {address}"), socket, move || {
                let (accept, open) = (accept.clone(), open.clone());
                fn_service(move |tcp: TcpStream| {
                    let peer = tcp.peer_addr().ok();
                    // Answers are small and complete; waiting for more data would only delay them.
                    let _ = tcp.set_nodelay(true);
                    let (accepted, counted) = (accept(tcp), open.one_more());
                    async move { accepted.await.map(|stream| (stream.counted(counted), peer)).ok_or(()) }
                })
                .and_then(routes.service())
            })?;
        }
        Ok(self)
    }

    /// Opens the unix socket of the listener `name`: one that was passed, or one at `path` in place of one that a killed
    /// process left behind.
    pub fn listen_unix<P: Clone + Unpin + 'static>(
        mut self,
        name: &'static str,
        (sockets, path): (&ListenSockets, &Path),
        accept: impl Fn(UnixStream) -> Option<ClientStream<UnixStream, P>> + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        let socket = if let Some(socket) = sockets.open_unix(name, path)? {
            socket
        } else {
            let socket = bind_unix(path)?;
            sockets.keep(name, false, &socket)?;
            socket
        };
        let (routes, open) = (self.routes(), self.open.clone());
        self.builder = self.builder.listen_uds(name, socket, move || {
            let (accept, open) = (accept.clone(), open.clone());
            fn_service(move |stream: UnixStream| {
                let accepted = accept(stream).map(|stream| (stream.counted(open.one_more()), None)).ok_or(());
                async move { accepted }
            })
            .and_then(routes.service())
        })?;
        Ok(self)
    }

    /// The TCP addresses in the order of the calls, what stops the server, and the server, which runs once it is polled.
    pub fn run(self) -> (Vec<SocketAddr>, ServerControl, Server) {
        let server = self.builder.run();
        (self.addresses, ServerControl::new(server.handle(), self.open), server)
    }

    fn routes(&self) -> Routes<C> {
        let stop = self.builder.graceful_shutdown_signal();
        Routes { configure: self.configure.clone(), keep_alive: self.keep_alive, stop, open: self.open.clone() }
    }
}

/// What every socket of a server serves.
#[derive(Clone)]
struct Routes<C> {
    configure: C,
    keep_alive: Duration,
    stop: GracefulShutdownSignal,
    open: ConnectionCount,
}

impl<C: Fn(&mut ServiceConfig) + Clone + 'static> Routes<C> {
    fn service<S, P>(
        &self,
    ) -> impl ServiceFactory<
        (ClientStream<S, P>, Option<SocketAddr>),
        Config = (),
        Response = (),
        Error = (),
        InitError = (),
    > + use<C, S, P>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
        P: Clone + Unpin + 'static,
    {
        let app = App::new().configure(&self.configure).wrap_fn(|request, service| {
            let in_progress = request.conn_data::<Rc<RequestState>>().map(RequestState::begin);
            let answer = service.call(request);
            async move {
                let answer = answer.await;
                drop(in_progress);
                answer
            }
        });
        let app = IntoServiceFactory::<_, Request>::into_factory(app).map_err(|error: Error| error.error_response());
        let (stop, open) = (self.stop.clone(), self.open.clone());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let (stop, open) = (stop.clone(), open.clone());
                async move {
                    tokio::select! {
                        () = stop.notified() => {}
                        () = open.closing() => {}
                    }
                }
            })
            .keep_alive(KeepAlive::Timeout(self.keep_alive))
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .on_connect_ext(|stream: &ClientStream<S, P>, data| stream.fill_connection_data(data))
            .h1(map_config(app, |()| AppConfig::default()));
        let reporting = apply_fn_factory(http, |(mut stream, peer): (ClientStream<S, P>, Option<SocketAddr>), http| {
            let report = stream.malformed_head_report();
            let served = http.call((stream, peer));
            async move {
                let ended = served.await;
                if let (Some(head), Some(report)) = (ended.as_ref().err().and_then(MalformedHead::of), report) {
                    report(head);
                }
                ended
            }
        });
        reporting.map_err(drop)
    }
}

fn bind_unix(path: &Path) -> std::io::Result<UnixListener> {
    if std::fs::symlink_metadata(path).is_ok_and(|left| left.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let socket = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))?;
    Ok(socket)
}
