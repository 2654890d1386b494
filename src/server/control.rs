//! Ends a server: at once for everybody, or so that another process can serve its sockets without a break.

use std::sync::Arc;
use std::time::Duration;

use actix_server::ServerHandle;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Connections that were accepted before a pause have reached their worker by then.
const PAUSED_AFTER: Duration = Duration::from_millis(100);

/// Time for requests in progress when connections are closed for the next process.
const CLOSED_AFTER: Duration = Duration::from_secs(4);

/// The open connections of a server, and the order to close those that are idle.
#[derive(Clone, Default)]
pub(super) struct ConnectionCount(Arc<Shared>);

#[derive(Default)]
struct Shared {
    open: watch::Sender<usize>,
    closing: watch::Sender<bool>,
}

/// A connection that is open until this is dropped.
pub(super) struct OpenConnection(ConnectionCount);

impl ConnectionCount {
    pub(super) fn one_more(&self) -> OpenConnection {
        self.0.open.send_modify(|open| *open += 1);
        OpenConnection(self.clone())
    }

    /// Resolves when idle connections are to be closed.
    pub(super) async fn closing(&self) {
        // The sender is part of self, so this cannot fail.
        let _ = self.0.closing.subscribe().wait_for(|closing| *closing).await;
    }

    async fn none(&self) {
        let _ = self.0.open.subscribe().wait_for(|open| *open == 0).await;
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.0.open.send_modify(|open| *open -= 1);
    }
}

/// What stops a running server.
pub struct ServerControl {
    server: ServerHandle,
    connections: ConnectionCount,
}

impl ServerControl {
    pub(super) fn new(server: ServerHandle, connections: ConnectionCount) -> Self {
        Self { server, connections }
    }

    /// Accepts nothing more, answers requests in progress, and closes.
    pub async fn stop(&self) {
        self.server.stop(true).await;
    }

    /// Accepts nothing more. New connections wait in the backlog of the socket for the process that serves it next.
    pub async fn pause(&self) {
        self.server.pause().await;
        sleep(PAUSED_AFTER).await;
    }

    /// Waits until no connection is open, at most for this time.
    pub async fn wait_for_connections(&self, at_most: Duration) {
        let _ = timeout(at_most, self.connections.none()).await;
    }

    /// Closes idle connections, answers requests in progress, and ends. Without open connections that takes no time.
    pub async fn leave(&self) {
        self.connections.0.closing.send_replace(true);
        self.wait_for_connections(CLOSED_AFTER).await;
        self.server.stop(true).await;
    }
}
