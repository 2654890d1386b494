//! HTTP/1.1 over the connections that the reception lets in, and what has to be done now and then meanwhile.
//!
//! It decides nothing: numbers, and what is called.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use actix_http::{HttpService, Request};
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::http::KeepAlive;
use actix_web::web::{self, Data};
use actix_web::{App, Error};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::line::{HEAD_TIMEOUT, Line};
use super::reception::Reception;
use super::{Door, Settings};
use crate::flow::journal::Journal;

/// A sender that does not keep its connection pays a whole handshake for each code.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Time for a sender to take its last answer and hang up: with a body that took too long, less than six seconds in all.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(500);

/// Connections that the system holds until we look; it may be set to fewer.
const BACKLOG: u32 = 1024;

/// Never reached: the reception has limits of its own and sends somebody away instead of letting all wait.
const NO_LIMIT: usize = 1 << 20;

/// Time for accepted requests to be answered once we were told to stop.
const SHUTDOWN_SECONDS: u64 = 5;

/// How often refusals are told of, if there are any.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How often the calendar is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Listens. The server runs once it is polled.
pub(super) fn open(
    settings: &Settings,
    reception: &Reception,
    door: &Data<Door>,
) -> std::io::Result<(SocketAddr, Server)> {
    let mut first = None;
    let mut server = ServerBuilder::new()
        .workers(settings.threads.max(1))
        .max_concurrent_connections(NO_LIMIT)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals();
    for address in settings.listen.to_socket_addrs()? {
        let (address, socket) = bind(address)?;
        let _ = first.get_or_insert(address);
        let (reception, door, stop) = (reception.clone(), door.clone(), server.graceful_shutdown_signal());
        server = server.listen(format!("ingest {address}"), socket, move || {
            let (reception, door, stop) = (reception.clone(), door.clone(), stop.clone());
            let app = App::new().app_data(door).default_service(web::to(super::serve));
            let app =
                IntoServiceFactory::<_, Request>::into_factory(app).map_err(|error: Error| error.error_response());
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stop = stop.clone();
                    async move { stop.notified().await }
                })
                .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
                .client_request_timeout(HEAD_TIMEOUT)
                .client_disconnect_timeout(FAREWELL_TIMEOUT)
                .secure()
                .local_addr(address)
                .on_connect_ext(|line: &Line, data| line.introduce(data))
                .h1(map_config(app, |()| AppConfig::default()));
            fn_service(move |tcp: TcpStream| {
                let (reception, source) = (reception.clone(), tcp.peer_addr().ok());
                async move { reception.receive(tcp).await.map(|line| (line, source)) }
            })
            .and_then(http.map_err(drop))
        })?;
    }
    let address = first.ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    Ok((address, server.run()))
}

fn bind(address: SocketAddr) -> std::io::Result<(SocketAddr, TcpListener)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let socket = socket.listen(BACKLOG)?.into_std()?;
    Ok((socket.local_addr()?, socket))
}

/// Serves until the server ends; tells meanwhile of refusals, and of what is about to end.
pub(super) async fn until_it_ends(server: Server, reception: Reception, journal: Journal) -> std::io::Result<()> {
    let Reception { terms, refusals, calendar, clock, .. } = reception;
    let mut tell = tokio::time::interval(TELL_EVERY);
    let mut look = tokio::time::interval(LOOK_EVERY);
    tokio::pin!(server);
    let ended = loop {
        tokio::select! {
            ended = &mut server => break ended,
            _ = tell.tick() => journal.refused(&refusals.tell(Instant::now())).await,
            _ = look.tick() => calendar.look(&terms.load().ends, clock.now()),
        }
    };
    journal.refused(&refusals.tell(Instant::now())).await;
    ended
}
