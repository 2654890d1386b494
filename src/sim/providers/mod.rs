//! Simulated providers on real sockets: an SMS gateway, a push service and a mail relay. They accept and log all
//! messages, and can inject faults.

pub mod faults;
mod fields;
mod http;
mod mail;
pub mod message_log;
mod smtp;
pub mod tally;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::domain::contact::Channel;
use message_log::{Keeping, MessageLog};

/// Delay before the next `accept` after a failure.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(20);

/// A provider that listens until it is closed or dropped. Its connections are closed with it.
#[derive(Debug)]
pub struct PracticeProvider {
    address: SocketAddr,
    log: Arc<MessageLog>,
    listening: JoinHandle<()>,
}

impl PracticeProvider {
    /// Opens a provider for `channel` at `address`. Port 0 selects a free port.
    pub async fn open(channel: Channel, address: SocketAddr, keeping: Keeping) -> io::Result<Self> {
        let log = Arc::new(MessageLog::new(channel, keeping));
        Self::serve(Arc::clone(&log), address, Arc::new([log])).await
    }

    /// Opens a provider for an existing log. The control endpoints at its address serve all of `logs`.
    pub async fn serve(log: Arc<MessageLog>, address: SocketAddr, logs: Arc<[Arc<MessageLog>]>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let listening = tokio::spawn(listen(listener, Arc::clone(&log), logs));
        Ok(Self { address, log, listening })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and closes all connections. When it returns, the address is free.
    pub async fn close(mut self) {
        self.listening.abort();
        // The task was cancelled, so the result is always an error.
        drop((&mut self.listening).await);
    }

    /// The received messages and the injected faults.
    pub fn station(&self) -> &Arc<MessageLog> {
        &self.log
    }
}

impl Drop for PracticeProvider {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, log: Arc<MessageLog>, logs: Arc<[Arc<MessageLog>]>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(serve(stream, Arc::clone(&log), Arc::clone(&logs))); }
                // No file descriptor is free. One becomes free when a connection is closed.
                Err(_) => tokio::time::sleep(ACCEPT_RETRY_DELAY).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

// Errors are ignored: clients may break their connections at any time.
async fn serve(stream: TcpStream, log: Arc<MessageLog>, logs: Arc<[Arc<MessageLog>]>) {
    drop(stream.set_nodelay(true));
    drop(match log.channel() {
        Channel::Sms | Channel::Push => http::serve(stream, &log, &logs).await,
        Channel::Email => smtp::serve(stream, &log).await,
    });
}
