//! Connections of clients from the socket to HTTP: listening, limits, handshakes.

pub(super) mod acceptor;
pub(super) mod limiter;
pub(super) mod listeners;
