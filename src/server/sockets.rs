//! Listening sockets: those that another process has opened and passed, and those that this process binds.
//!
//! Connections to a socket that outlives its process wait in its backlog for the next process; none is refused. It reads no
//! environment and knows no route.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::net::sockopt::socket_acceptconn;
use tokio::net::TcpSocket;

/// The listeners of a gateway. A socket with such a name belongs to that listener, whatever its address is.
pub const LISTENERS: [&str; 5] = ["ingest", "ingest-proxy", "receipts", "console", "ops"];

/// Connections that the kernel queues until they are accepted; the system may allow fewer.
const BACKLOG: u32 = 1024;

/// A listening socket of another process.
#[derive(Debug)]
pub struct PassedSocket {
    /// One of [`LISTENERS`], or anything else: then its address decides.
    pub name: String,
    pub socket: OwnedFd,
}

/// Who passed sockets to this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassedBy {
    /// A service manager, which keeps them open when this process ends.
    ServiceManager,
    /// The gateway that this process replaces, which ends.
    Predecessor,
}

/// The listening sockets of a gateway.
#[derive(Debug, Default)]
pub struct ListenSockets {
    passed_by: Option<PassedBy>,
    passed: Mutex<Vec<PassedSocket>>,
    open: Mutex<Vec<OpenSocket>>,
    handed_over: AtomicBool,
}

#[derive(Debug)]
struct OpenSocket {
    name: &'static str,
    was_passed: bool,
    socket: OwnedFd,
}

impl ListenSockets {
    /// The sockets that another process has passed. Addresses that none of them has are bound.
    pub fn passed(passed: Vec<PassedSocket>, passed_by: PassedBy) -> io::Result<Self> {
        for PassedSocket { name, socket } in &passed {
            if !socket_acceptconn(socket)? {
                return Err(io::Error::other(format!("the passed socket {name} does not listen")));
            }
        }
        Ok(Self { passed_by: Some(passed_by), passed: Mutex::new(passed), ..Self::default() })
    }

    /// Every socket of the listener `name`: those passed for it, or else one for each address that `listen` stands for.
    pub(crate) fn open(&self, name: &'static str, listen: &str) -> io::Result<Vec<TcpListener>> {
        let addresses: Vec<SocketAddr> = listen.to_socket_addrs()?.collect();
        let passed = self.take(name, |socket| {
            let address = TcpListener::from(socket).local_addr();
            address.is_ok_and(|address| addresses.iter().any(|it| self.stands_for(*it, address)))
        });
        let was_passed = !passed.is_empty();
        let sockets: Vec<TcpListener> = if was_passed {
            passed.into_iter().map(TcpListener::from).collect()
        } else {
            addresses.iter().map(|address| bind(*address)).collect::<io::Result<_>>()?
        };
        for socket in &sockets {
            // A unix socket fails here.
            socket.local_addr()?;
            self.keep(name, was_passed, socket)?;
        }
        Ok(sockets)
    }

    /// The unix socket that was passed for the listener `name` or has this path.
    pub(crate) fn open_unix(&self, name: &'static str, path: &Path) -> io::Result<Option<UnixListener>> {
        let has_path = |socket: OwnedFd| {
            let address = UnixListener::from(socket).local_addr();
            address.is_ok_and(|address| address.as_pathname() == Some(path))
        };
        let Some(socket) = self.take(name, has_path).pop().map(UnixListener::from) else { return Ok(None) };
        self.keep(name, true, &socket)?;
        Ok(Some(socket))
    }

    /// Keeps another descriptor of a socket that was bound elsewhere, so that it can be handed over.
    pub(crate) fn keep(&self, name: &'static str, was_passed: bool, socket: &impl AsFd) -> io::Result<()> {
        let socket = socket.as_fd().try_clone_to_owned()?;
        locked(&self.open).push(OpenSocket { name, was_passed, socket });
        Ok(())
    }

    /// The names of a service manager's sockets that no listener has opened: connections to them would wait forever. Those of a
    /// predecessor are closed, because its configuration may have had another listener.
    pub fn unused(&self) -> Vec<String> {
        let unused = std::mem::take(&mut *locked(&self.passed));
        let is_kept = self.passed_by == Some(PassedBy::ServiceManager);
        unused.iter().filter(|_| is_kept).map(described).collect()
    }

    /// Another descriptor of each open socket, for the process that replaces this one. From now on the sockets outlive this
    /// process. `None` if a service manager has them: it passes them to the next process itself.
    pub fn hand_over(&self) -> io::Result<Option<Vec<PassedSocket>>> {
        if self.passed_by == Some(PassedBy::ServiceManager) {
            return Ok(None);
        }
        let copy =
            |open: &OpenSocket| Ok(PassedSocket { name: open.name.to_owned(), socket: open.socket.try_clone()? });
        let sockets = locked(&self.open).iter().map(copy).collect::<io::Result<_>>()?;
        self.handed_over.store(true, Ordering::Relaxed);
        Ok(Some(sockets))
    }

    /// Whether another process has the sockets of the listener `name`, so that no connection is refused when this one ends.
    pub fn outlive_this_process(&self, name: &str) -> bool {
        let by_manager = self.passed_by == Some(PassedBy::ServiceManager);
        let open = locked(&self.open);
        let mut sockets = open.iter().filter(|open| open.name == name).peekable();
        sockets.peek().is_some()
            && (self.handed_over.load(Ordering::Relaxed) || sockets.all(|open| by_manager && open.was_passed))
    }

    /// Closes the descriptors kept here: sockets that nothing else has are closed with their listeners.
    pub fn close(&self) {
        locked(&self.open).clear();
    }

    // A service manager's: those with the name of this listener, or with no listener's name and such an address. A predecessor's:
    // those with its name, if the address is still the same.
    fn take(&self, name: &str, has_address: impl Fn(OwnedFd) -> bool) -> Vec<OwnedFd> {
        let has_address = |passed: &PassedSocket| passed.socket.try_clone().is_ok_and(&has_address);
        let is_it = |passed: &mut PassedSocket| match self.passed_by {
            Some(PassedBy::Predecessor) => passed.name == name && has_address(passed),
            _ if LISTENERS.contains(&passed.name.as_str()) => passed.name == name,
            _ => has_address(passed),
        };
        locked(&self.passed).extract_if(.., is_it).map(|passed| passed.socket).collect()
    }

    // A predecessor bound port 0 to one that was free.
    fn stands_for(&self, configured: SocketAddr, bound: SocketAddr) -> bool {
        let any_port = configured.port() == 0 && self.passed_by == Some(PassedBy::Predecessor);
        configured == bound || (any_port && configured.ip() == bound.ip())
    }
}

fn described(passed: &PassedSocket) -> String {
    let address = passed.socket.try_clone().and_then(|socket| TcpListener::from(socket).local_addr());
    address.map_or_else(|_| passed.name.clone(), |address| format!("{} ({address})", passed.name))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening() -> (SocketAddr, OwnedFd) {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        (socket.local_addr().unwrap(), socket.into())
    }

    fn passed(name: &str, socket: OwnedFd, by: PassedBy) -> ListenSockets {
        ListenSockets::passed(vec![PassedSocket { name: name.to_owned(), socket }], by).unwrap()
    }

    fn addresses(sockets: &[TcpListener]) -> Vec<SocketAddr> {
        sockets.iter().map(|socket| socket.local_addr().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_socket_belongs_to_the_listener_of_its_name_and_another_to_the_one_with_its_address() {
        let (address, socket) = listening();
        let by_name = passed("receipts", socket, PassedBy::ServiceManager);
        assert_eq!(addresses(&by_name.open("receipts", "127.0.0.1:0").unwrap()), [address]);
        assert!(by_name.unused().is_empty() && by_name.outlive_this_process("receipts"));

        let (address, socket) = listening();
        let by_address = passed("otpost.socket", socket, PassedBy::ServiceManager);
        assert_ne!(addresses(&by_address.open("ops", "127.0.0.1:0").unwrap()), [address]);
        assert_eq!(addresses(&by_address.open("ingest", &address.to_string()).unwrap()), [address]);
        assert!(by_address.outlive_this_process("ingest") && !by_address.outlive_this_process("ops"));
    }

    #[tokio::test]
    async fn sockets_of_a_predecessor_outlive_this_process_once_they_are_handed_over() {
        let (address, socket) = listening();
        let sockets = passed("ingest", socket, PassedBy::Predecessor);
        sockets.open("ingest", "127.0.0.1:0").unwrap();
        assert!(!sockets.outlive_this_process("ingest"));

        let next = ListenSockets::passed(sockets.hand_over().unwrap().unwrap(), PassedBy::Predecessor).unwrap();
        assert!(sockets.outlive_this_process("ingest"));
        assert_eq!(addresses(&next.open("ingest", "127.0.0.1:0").unwrap()), [address]);
    }

    #[tokio::test]
    async fn a_socket_of_a_predecessor_is_not_used_for_another_address_and_is_closed() {
        let (address, socket) = listening();
        let sockets = passed("ingest", socket, PassedBy::Predecessor);
        let (other, bound) = listening();
        drop(bound);
        assert_eq!(addresses(&sockets.open("ingest", &other.to_string()).unwrap()), [other]);
        assert!(sockets.unused().is_empty() && std::net::TcpStream::connect(address).is_err());
    }

    #[test]
    fn a_socket_of_a_service_manager_that_no_listener_uses_is_named() {
        let (address, socket) = listening();
        let sockets = passed("otpost.socket", socket, PassedBy::ServiceManager);
        assert_eq!(sockets.unused(), [format!("otpost.socket ({address})")]);
    }

    #[tokio::test]
    async fn sockets_of_a_service_manager_are_not_handed_over() {
        let sockets = passed("ingest", listening().1, PassedBy::ServiceManager);
        sockets.open("ingest", "127.0.0.1:0").unwrap();
        assert!(sockets.hand_over().unwrap().is_none());
    }

    #[test]
    fn a_socket_that_does_not_listen_is_refused() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into();
        let passed = vec![PassedSocket { name: "ingest".to_owned(), socket }];
        let error = ListenSockets::passed(passed, PassedBy::ServiceManager).unwrap_err().to_string();
        assert!(error.contains("ingest does not listen"), "{error}");
    }

    #[tokio::test]
    async fn a_unix_socket_belongs_to_the_listener_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy.sock");
        let sockets = passed("otpost.socket", UnixListener::bind(&path).unwrap().into(), PassedBy::ServiceManager);
        assert!(sockets.open_unix("ingest-proxy", &folder.path().join("other.sock")).unwrap().is_none());
        assert!(sockets.open_unix("ingest-proxy", &path).unwrap().is_some());
        assert!(sockets.outlive_this_process("ingest-proxy"));
    }
}
