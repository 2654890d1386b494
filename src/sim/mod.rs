//! A processor and providers to practise against, on real sockets: for trying otpost out, for tests and for measuring it.
//!
//! Nothing here is part of the gateway; it knows the words of the domain and the published contracts, no more.

pub mod http_client;
pub mod jwe;
pub mod latency;
pub mod load;
pub mod processor;
pub mod providers;
pub mod schedule;
pub mod stopwatch;
pub mod token;

use std::future::Future;
use std::io;

use tokio::sync::oneshot;

/// Runs `work` on a thread and a runtime of its own, so that nobody else's tasks delay it; dropping the future ends it.
pub async fn alone<Work, Running>(work: Work) -> io::Result<Running::Output>
where
    Work: FnOnce() -> Running + Send + 'static,
    Running: Future,
    Running::Output: Send + 'static,
{
    let (mut done, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("otpost-sim".into()).spawn(move || {
        let output = runtime.block_on(async {
            tokio::select! {
                output = work() => Some(output),
                () = done.closed() => None,
            }
        });
        if let Some(output) = output {
            // Nobody waits any longer; then nobody misses it either.
            drop(done.send(output));
        }
    })?;
    ended.await.map_err(|_| io::Error::other("the practice thread ended early"))
}
