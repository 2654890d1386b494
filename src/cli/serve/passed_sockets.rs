//! Listening sockets that a service manager passes: `LISTEN_FDS` and `LISTEN_FDNAMES`, as in `sd_listen_fds(3)`.

use std::io;

use listenfd::ListenFd;

use crate::config;
use crate::server::PassedSocket;

/// What a socket is called if `LISTEN_FDNAMES` does not name it.
const UNNAMED: &str = "unknown";

/// The descriptors that were passed to this process.
pub(in crate::cli) struct PassedByManager {
    descriptors: ListenFd,
    names: Vec<String>,
}

impl PassedByManager {
    /// Takes them out of the environment, so that no child takes them for its own. To be called while the process has one
    /// thread: the environment is not for several.
    pub(in crate::cli) fn take() -> Self {
        let names = config::variable("LISTEN_FDNAMES").unwrap_or_default();
        Self { descriptors: ListenFd::from_env(), names: names.split(':').map(str::to_owned).collect() }
    }

    pub(super) fn sockets(mut self) -> io::Result<Vec<PassedSocket>> {
        let mut sockets = Vec::new();
        for index in 0..self.descriptors.len() {
            let name = self.names.get(index).filter(|name| !name.is_empty()).cloned();
            let name = name.unwrap_or_else(|| UNNAMED.to_owned());
            let socket = match self.descriptors.take_tcp_listener(index) {
                Ok(socket) => socket.map(Into::into),
                Err(_) => self.descriptors.take_unix_listener(index)?.map(Into::into),
            };
            sockets.extend(socket.map(|socket| PassedSocket { name, socket }));
        }
        Ok(sockets)
    }
}
