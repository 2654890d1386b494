//! HTTP/1.1 over the connections that the reception lets in, and what has to be done now and then meanwhile.
//!
//! It decides nothing: numbers, and what is called.

use std::fs::Permissions;
use std::future::ready;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, Request};
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::http::KeepAlive;
use actix_web::web::{self, Data};
use actix_web::{App, Error};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::Instant;

use super::acceptor::{Acceptor, ClientStream, HEAD_TIMEOUT};
use crate::flow::audit::AuditLog;
use crate::ingest::AppState;
use crate::ingest::settings::{ProxySettings, Settings};

/// A sender that does not keep its connection pays a whole handshake for each code.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Time for a sender to take its last answer and hang up: with a body that took too long, less than six seconds in all.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(500);

/// Connections that the system holds until we look; it may be set to fewer.
const BACKLOG: u32 = 1024;

/// Never reached: the reception has limits of its own and sends somebody away instead of letting all wait.
const NO_LIMIT: usize = 1 << 20;

/// Time for accepted requests to be answered once nobody new is let in. With all that comes before and after it the
/// process ends within fifteen seconds.
const SHUTDOWN_SECONDS: u64 = 4;

/// The proxy's socket is for its owner and its group.
const SOCKET_MODE: u32 = 0o660;

/// How often refusals are told of, if there are any.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How often the calendar is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Listens at the address of `settings`, and where a proxy may come. The server runs once it is polled.
pub(crate) fn open(
    settings: &Settings,
    reception: &Acceptor,
    for_proxy: Option<&Acceptor>,
    door: &Data<AppState>,
) -> std::io::Result<(Vec<SocketAddr>, Server)> {
    let server = ServerBuilder::new()
        .workers(settings.threads.max(1))
        .max_concurrent_connections(NO_LIMIT)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals();
    let (mut addresses, mut server) = listen(server, &settings.listen, reception, door)?;
    if let Some(reception) = for_proxy {
        let proxy = &settings.trusted_proxy;
        if proxy.has_socket() {
            server = listen_locally(server, proxy, reception, door)?;
        } else {
            let (more, with_proxy) = listen(server, &proxy.listen, reception, door)?;
            addresses.extend(more);
            server = with_proxy;
        }
    }
    Ok((addresses, server.run()))
}

fn listen(
    mut server: ServerBuilder,
    at: &str,
    reception: &Acceptor,
    door: &Data<AppState>,
) -> std::io::Result<(Vec<SocketAddr>, ServerBuilder)> {
    let mut addresses = Vec::new();
    for address in at.to_socket_addrs()? {
        let (address, socket) = bind(address)?;
        addresses.push(address);
        let (reception, door, stop) = (reception.clone(), door.clone(), server.graceful_shutdown_signal());
        server = server.listen(format!("ingest {address}"), socket, move || {
            let reception = reception.clone();
            fn_service(move |tcp: TcpStream| {
                let (reception, source) = (reception.clone(), tcp.peer_addr().ok());
                async move { reception.receive(tcp).await.map(|line| (line, source)) }
            })
            .and_then(http(&door, &stop))
        })?;
    }
    if addresses.is_empty() {
        return Err(std::io::ErrorKind::AddrNotAvailable.into());
    }
    Ok((addresses, server))
}

fn listen_locally(
    server: ServerBuilder,
    proxy: &ProxySettings,
    reception: &Acceptor,
    door: &Data<AppState>,
) -> std::io::Result<ServerBuilder> {
    // What a process that was killed has left would be in the way.
    if std::fs::symlink_metadata(&proxy.socket).is_ok_and(|left| left.file_type().is_socket()) {
        std::fs::remove_file(&proxy.socket)?;
    }
    let socket = UnixListener::bind(&proxy.socket)?;
    std::fs::set_permissions(&proxy.socket, Permissions::from_mode(SOCKET_MODE))?;
    let (reception, door, stop) = (reception.clone(), door.clone(), server.graceful_shutdown_signal());
    let uids: Arc<[u32]> = proxy.uids.as_slice().into();
    server.listen_uds("ingest proxy", socket, move || {
        let (reception, uids) = (reception.clone(), Arc::clone(&uids));
        fn_service(move |stream: UnixStream| ready(reception.receive_local(stream, &uids).map(|line| (line, None))))
            .and_then(http(&door, &stop))
    })
}

fn http<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    door: &Data<AppState>,
    stop: &GracefulShutdownSignal,
) -> impl ServiceFactory<(ClientStream<S>, Option<SocketAddr>), Config = (), Response = (), Error = (), InitError = ()>
+ use<S> {
    let app = App::new().app_data(door.clone()).default_service(web::to(crate::ingest::serve));
    let app = IntoServiceFactory::<_, Request>::into_factory(app).map_err(|error: Error| error.error_response());
    let stop = stop.clone();
    HttpService::build()
        .graceful_shutdown_signal(move || {
            let stop = stop.clone();
            async move { stop.notified().await }
        })
        .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(FAREWELL_TIMEOUT)
        .on_connect_ext(|line: &ClientStream<S>, data| line.introduce(data))
        .h1(map_config(app, |()| AppConfig::default()))
        .map_err(drop)
}

fn bind(address: SocketAddr) -> std::io::Result<(SocketAddr, TcpListener)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let socket = socket.listen(BACKLOG)?.into_std()?;
    Ok((socket.local_addr()?, socket))
}

/// Serves until the server ends; tells meanwhile of refusals, and of what is about to end.
pub(crate) async fn until_it_ends(server: Server, reception: Acceptor, audit_log: AuditLog) -> std::io::Result<()> {
    let Acceptor { terms, refusals, calendar, clock, .. } = reception;
    let mut tell = tokio::time::interval(TELL_EVERY);
    let mut look = tokio::time::interval(LOOK_EVERY);
    tokio::pin!(server);
    let ended = loop {
        tokio::select! {
            ended = &mut server => break ended,
            _ = tell.tick() => audit_log.refused(&refusals.tell(Instant::now())).await,
            _ = look.tick() => calendar.look(&terms.load().ends, clock.now()),
        }
    };
    audit_log.refused(&refusals.tell_all()).await;
    ended
}
