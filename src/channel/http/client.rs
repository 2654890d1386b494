//! The one place where HTTP clients are built. They follow no redirect, use no proxy and retry nothing.

use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Client, Identity};

use super::connect_phase::Resolver;
use crate::channel::{CONNECT_MAX, Error, read_ca};

/// Idle connections are closed before the 60 s after which many servers close theirs, so that no request is sent on a
/// connection that the server has just closed.
const IDLE_MAX: Duration = Duration::from_secs(50);

/// A connection of HTTP/2 is shared by all requests, and a request that times out does not end it. So one that was silent for a
/// fourth of the time limit of a request is asked whether it lives, and closed after another fourth. Without requests nothing is asked.
const PING_SHARE: u32 = 4;

/// A client with these limits. `ca` are certificates to trust in addition to the system's; `identity` is shown to servers that ask for
/// a client certificate.
#[expect(clippy::disallowed_methods, reason = "the one place where HTTP clients are built")]
pub(super) fn client(
    name: &str,
    ca: Option<&Path>,
    timeout: Duration,
    max_in_flight: usize,
    resolver: &Resolver,
    identity: Option<Identity>,
) -> Result<Client, Error> {
    let unusable = || Error::new(name, "the TLS library could not be set up");
    let mut builder = Client::builder()
        .dns_resolver(resolver.clone())
        .tls_backend_native()
        .user_agent(concat!("otpost/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_limit(timeout))
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .tcp_nodelay(true)
        .pool_max_idle_per_host(max_in_flight)
        .pool_idle_timeout(IDLE_MAX)
        .http2_keep_alive_interval(timeout / PING_SHARE)
        .http2_keep_alive_timeout(timeout / PING_SHARE);
    if let Some(identity) = identity {
        builder = builder.identity(identity);
    }
    if let Some(file) = ca {
        for certificate in read_ca(name, file)? {
            let der = certificate.to_der().map_err(|_| unusable())?;
            builder = builder.tls_certs_merge([Certificate::from_der(&der).map_err(|_| unusable())?]);
        }
    }
    builder.build().map_err(|_| unusable())
}

/// At most half of the time limit, so that a server that cannot be reached is not taken for one that does not answer.
pub(super) fn connect_limit(timeout: Duration) -> Duration {
    CONNECT_MAX.min(timeout / 2)
}
