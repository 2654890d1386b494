//! Connections of processors, from the socket to HTTP: listening, limits, handshakes, time-outs.

pub(crate) mod acceptor;
pub(crate) mod limiter;
pub(crate) mod server;
pub(crate) mod stream;
