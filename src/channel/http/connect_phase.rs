//! How far a connection had come when its time was over. The HTTP library says only that there was none, but an operator
//! looks for the cause elsewhere when a name is not resolved, a port does not answer, or a TLS handshake hangs.
//!
//! The resolver sees the lookup. What TCP does is read from the kernel's tables of sockets, and only when time runs out.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address_guard::{AddressGuard, NOT_PUBLIC};

/// The tables of this process's network, for IPv4 and IPv6.
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/// The state of a socket whose SYN was not answered.
const SYN_SENT: &str = "02";

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectPhase {
    Lookup,
    Tcp,
    Tls,
}

impl ConnectPhase {
    /// When something happened, as the end of a sentence.
    pub(super) const fn when(self) -> &'static str {
        match self {
            Self::Lookup => "in the DNS lookup",
            Self::Tcp => "while connecting",
            Self::Tls => "in the TLS handshake",
        }
    }
}

/// Resolves the host name of one provider, and remembers what came of it. Connections are made to the addresses that it returns, and
/// to no others.
#[derive(Debug, Clone, Default)]
pub(super) struct Resolver(Arc<Lookups>);

#[derive(Debug, Default)]
struct Lookups {
    guard: AddressGuard,
    pending: AtomicUsize,
    addresses: Mutex<Vec<IpAddr>>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let lookups = Arc::clone(&self.0);
        Box::pin(async move {
            let pending = PendingLookup::of(&lookups);
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            *lookups.addresses.lock().unwrap_or_else(PoisonError::into_inner) =
                found.iter().map(SocketAddr::ip).collect();
            drop(pending);
            let allowed: Vec<_> = found.into_iter().filter(|address| lookups.guard.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(NOT_PUBLIC.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// A lookup, until it ends or its caller has gone.
struct PendingLookup<'a>(&'a Lookups);

impl<'a> PendingLookup<'a> {
    fn of(lookups: &'a Lookups) -> Self {
        lookups.pending.fetch_add(1, Ordering::Relaxed);
        Self(lookups)
    }
}

impl Drop for PendingLookup<'_> {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Resolver {
    pub(super) fn new(guard: AddressGuard) -> Self {
        Self(Arc::new(Lookups { guard, ..Lookups::default() }))
    }

    /// What a connection to `url` waits for that is not there yet.
    pub(super) async fn phase(&self, url: &Url) -> ConnectPhase {
        let literal = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        let known = || self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let addresses = literal.map_or_else(known, |address| vec![address]);
        let port = url.port_or_known_default().unwrap_or_default();
        let mut tables = String::new();
        for table in TABLES {
            tables.push_str(&tokio::fs::read_to_string(table).await.unwrap_or_default());
        }
        if addresses.iter().any(|address| waits_for(&tables, SocketAddr::new(*address, port))) {
            return ConnectPhase::Tcp;
        }
        if self.0.pending.load(Ordering::Relaxed) > 0 { ConnectPhase::Lookup } else { ConnectPhase::Tls }
    }
}

/// Whether a socket waits for this peer to answer its SYN.
fn waits_for(tables: &str, peer: SocketAddr) -> bool {
    let written = [written(peer), written(SocketAddr::new(mapped(peer.ip()), peer.port()))];
    tables.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace().skip(2);
        let (remote, state) = (fields.next().unwrap_or_default(), fields.next());
        state == Some(SYN_SENT) && written.iter().any(|peer| peer == remote)
    })
}

fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// An address as the tables have it: words of four bytes as numbers of this machine.
fn written(address: SocketAddr) -> String {
    let octets = match address.ip() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mut text = String::new();
    for word in octets.chunks_exact(4) {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(word);
        let _ = write!(text, "{:08X}", u32::from_ne_bytes(bytes));
    }
    let _ = write!(text, ":{:04X}", address.port());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_socket_that_waits_for_an_answer_is_found_by_its_peer() {
        let tables = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n\
            \x20  0: 0100007F:C350 0100007F:01BB 02 00000000:00000001 01:00000064 00000001     0        0 1 2\n\
            \x20  1: 0100007F:C351 0200007F:01BB 01 00000000:00000000 00:00000000 00000000     0        0 2 1\n\
            \x20  0: 00000000000000000000000001000000:C352 00000000000000000000000001000000:01BB 02 0:0 0:0 0 0 0 3 2\n";
        for (peer, waits) in [
            ("127.0.0.1:443", true),
            ("127.0.0.1:444", false),
            ("127.0.0.2:443", false),
            ("[::1]:443", true),
            ("[::2]:443", false),
        ] {
            assert_eq!(waits_for(tables, peer.parse().unwrap()), waits, "{peer}");
        }
    }
}
