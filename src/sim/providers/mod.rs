//! Practice providers on real sockets: an SMS gateway, a push service and a mail relay that take everything, remember
//! what came, and misbehave when told to.

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

/// The pause before connections are accepted again after that failed.
const BREATH: Duration = Duration::from_millis(20);

/// A provider that listens until it is closed or dropped; its connections end with it.
#[derive(Debug)]
pub struct PracticeProvider {
    address: SocketAddr,
    station: Arc<MessageLog>,
    listening: JoinHandle<()>,
}

impl PracticeProvider {
    /// Opens a provider for `channel` at `address`; port 0 takes any free one.
    pub async fn open(channel: Channel, address: SocketAddr, keeping: Keeping) -> io::Result<Self> {
        let station = Arc::new(MessageLog::new(channel, keeping));
        Self::serve(Arc::clone(&station), address, Arc::new([station])).await
    }

    /// Opens a provider for a station made before. Over HTTP all of `stations` can be asked and told at its address.
    pub async fn serve(
        station: Arc<MessageLog>,
        address: SocketAddr,
        stations: Arc<[Arc<MessageLog>]>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let listening = tokio::spawn(listen(listener, Arc::clone(&station), stations));
        Ok(Self { address, station, listening })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and hangs up; when it returns, the address is free.
    pub async fn close(mut self) {
        self.listening.abort();
        // It ends by being cancelled, as it was just told to.
        drop((&mut self.listening).await);
    }

    /// What came, and how it behaves.
    pub fn station(&self) -> &Arc<MessageLog> {
        &self.station
    }
}

impl Drop for PracticeProvider {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, station: Arc<MessageLog>, stations: Arc<[Arc<MessageLog>]>) {
    let mut visits = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { visits.spawn(visit(stream, Arc::clone(&station), Arc::clone(&stations))); }
                // No descriptor left: one may come free when a visit ends, and asking at once would only burn time.
                Err(_) => tokio::time::sleep(BREATH).await,
            },
            Some(_) = visits.join_next() => {}
        }
    }
}

// How a visit ends is the visitor's business: a broken connection is an everyday thing here.
async fn visit(stream: TcpStream, station: Arc<MessageLog>, stations: Arc<[Arc<MessageLog>]>) {
    drop(stream.set_nodelay(true));
    drop(match station.channel() {
        Channel::Sms | Channel::Push => http::serve(stream, &station, &stations).await,
        Channel::Email => smtp::serve(stream, &station).await,
    });
}
