//! Repeats a call that another process's lock or a full disk prevented.
//!
//! A delivery that gave up at its first such error would wait until its lease expires, and a code has no such time.

use std::time::Duration;

use tokio::time::Instant;

use super::Error;

/// The pause before a call is repeated.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Calls until the result is no temporary error, for at most `limit`. Each call wrote all or nothing.
pub(super) async fn while_temporary<T, F: Future<Output = Result<T, Error>>>(
    limit: Duration,
    mut call: impl FnMut() -> F,
) -> Result<T, Error> {
    let began = Instant::now();
    loop {
        match call().await {
            Err(error) if error.is_temporary() && began.elapsed() < limit => tokio::time::sleep(RETRY_PAUSE).await,
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_is_repeated_until_its_error_is_not_temporary() {
        let calls = Cell::new(0);
        let call = |results: fn(u32) -> Result<u32, Error>| {
            calls.set(0);
            let calls = &calls;
            while_temporary(Duration::from_secs(15), move || {
                calls.set(calls.get() + 1);
                std::future::ready(results(calls.get()))
            })
        };

        let done = call(|calls| if calls < 4 { Err(Error::NotCommitted) } else { Ok(calls) }).await;
        assert_eq!((done.unwrap(), calls.get()), (4, 4));
        let failed = call(|_| Err(Error::Stopped)).await;
        assert!(matches!(failed, Err(Error::Stopped)) && calls.get() == 1);
        let late = call(|_| Err(Error::NotCommitted)).await;
        assert!(matches!(late, Err(Error::NotCommitted)) && calls.get() == 151, "{}", calls.get());
    }
}
