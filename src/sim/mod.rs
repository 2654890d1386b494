//! The simulator: a processor and providers on real sockets, for demos, tests and benchmarks.
//!
//! Nothing here is part of the gateway. It knows only the types of `domain` and the published interfaces.

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

/// Runs `work` on its own thread and runtime, so that other tasks do not delay it. Dropping the future ends it.
pub async fn on_own_thread<Work, Running>(work: Work) -> io::Result<Running::Output>
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
            // Fails only if the receiver was dropped.
            drop(done.send(output));
        }
    })?;
    ended.await.map_err(|_| io::Error::other("the simulator thread ended early"))
}
