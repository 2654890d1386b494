//! One bind of a provider: it is kept up while the provider is in use, and made again when it is lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::connector::SmppConnector;
use super::delivery_report;
use super::session::{BindLimits, SessionEnd, SmppSession, SubmitAnswer, SubmitRequest};
use super::status;
use crate::channel::SendResult;
use crate::channel::priority_semaphore::{PriorityPermit, PrioritySemaphore};
use crate::channel::receipt_feed::ArrivedReceipts;
use crate::domain::notification::Priority;
use crate::domain::outcome::{Cause, Outcome};

/// The pause before the first attempt to bind again. It doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The state of a bind.
#[derive(Clone)]
pub(super) enum LinkState {
    Connecting,
    Bound,
    /// The result of a message meanwhile.
    Down(SendResult),
}

/// The handle of a bind.
pub(super) struct SmppLink {
    requests: mpsc::UnboundedSender<SubmitRequest>,
    state: watch::Receiver<LinkState>,
    permits: PrioritySemaphore,
}

/// What the task of a bind works with.
pub(super) struct LinkTask {
    pub(super) connector: Arc<SmppConnector>,
    pub(super) limits: BindLimits,
    pub(super) receipts: mpsc::Sender<ArrivedReceipts>,
    /// Changes, or is dropped, when the bind is to be ended.
    pub(super) closing: watch::Receiver<bool>,
}

impl LinkTask {
    /// Begins to bind. `window` is how many messages may be in flight.
    pub(super) fn start(self, window: usize) -> (SmppLink, JoinHandle<()>) {
        let (requests, submitted) = mpsc::unbounded_channel();
        let (changes, state) = watch::channel(LinkState::Connecting);
        let running = tokio::spawn(self.run(submitted, changes));
        (SmppLink { requests, state, permits: PrioritySemaphore::new(window) }, running)
    }

    async fn run(mut self, mut requests: mpsc::UnboundedReceiver<SubmitRequest>, state: watch::Sender<LinkState>) {
        let mut pause = PAUSE_MIN;
        while !self.is_closing() {
            let connected = tokio::select! {
                connected = self.connector.connect() => connected,
                _ = self.closing.changed() => return,
            };
            match connected {
                Ok(bound) => {
                    let since = Instant::now();
                    state.send_replace(LinkState::Bound);
                    let session = SmppSession::new(bound, self.limits, self.receipts.clone());
                    let SessionEnd::Lost(reason) = session.run(&mut requests, &mut self.closing).await else { return };
                    state.send_replace(LinkState::Down(SendResult::new(Outcome::failed(Cause::Unreachable), reason)));
                    // A centre that accepts binds and ends them at once is not asked more and more often.
                    pause = if since.elapsed() > PAUSE_MAX { PAUSE_MIN } else { pause };
                }
                Err(failure) => drop(state.send_replace(LinkState::Down(failure))),
            }
            if !self.pause(&mut requests, pause).await {
                return;
            }
            pause = PAUSE_MAX.min(pause * 2);
        }
    }

    // Messages that were submitted to the session that has ended were not written. Their answers are dropped, which says so.
    async fn pause(&mut self, requests: &mut mpsc::UnboundedReceiver<SubmitRequest>, span: Duration) -> bool {
        let end = Instant::now() + span;
        loop {
            tokio::select! {
                () = sleep_until(end) => return true,
                request = requests.recv() => if request.is_none() { return false },
                _ = self.closing.changed() => return false,
            }
        }
    }

    fn is_closing(&self) -> bool {
        *self.closing.borrow() || self.closing.has_changed().is_err()
    }
}

impl SmppLink {
    pub(super) fn state(&self) -> LinkState {
        self.state.borrow().clone()
    }

    /// A place in the window, if one is free now.
    pub(super) fn try_acquire(&self, priority: Priority) -> Option<PriorityPermit> {
        self.permits.try_acquire(priority)
    }

    /// A place in the window of a bind that is up; waits until `end`.
    pub(super) async fn acquire(&self, priority: Priority, end: Instant) -> Result<PriorityPermit, SendResult> {
        let mut state = self.state.clone();
        let settled = timeout_at(end, state.wait_for(|state| !matches!(state, LinkState::Connecting))).await;
        match settled.map(|settled| settled.map(|state| state.clone())) {
            Ok(Ok(LinkState::Bound)) => {}
            Ok(Ok(LinkState::Down(failure))) => return Err(failure),
            Ok(Ok(LinkState::Connecting) | Err(_)) | Err(_) => {
                return Err(SendResult::new(Outcome::failed(Cause::Unreachable), "timed out while binding"));
            }
        }
        timeout_at(end, self.permits.acquire(priority)).await.ok().and_then(Result::ok).ok_or_else(|| {
            let detail = "timed out while all places in the window were in use";
            SendResult::new(Outcome::failed(Cause::LocalQueue), detail)
        })
    }

    /// Submits one message, and waits for the answer until `end`.
    pub(super) async fn submit(&self, body: Vec<u8>, end: Instant) -> SendResult {
        let (answer, answered) = oneshot::channel();
        let _ = self.requests.send(SubmitRequest { body, answer });
        match timeout_at(end, answered).await {
            Ok(Ok(SubmitAnswer::Answered { status, id })) => status::result(status, delivery_report::reference(&id)),
            Ok(Ok(SubmitAnswer::Lost(reason))) => {
                let detail = format!("{reason} before the answer");
                SendResult::new(Outcome::unknown(Cause::Disconnected), &detail)
            }
            Ok(Err(_)) => {
                let detail = "the session ended before the message was written";
                SendResult::new(Outcome::failed(Cause::Unreachable), detail)
            }
            Err(_) => SendResult::new(Outcome::unknown(Cause::TimedOut), "timed out before the answer"),
        }
    }
}

/// Waits until these have ended, for `span` at most.
pub(super) async fn ended(tasks: Vec<JoinHandle<()>>, span: Duration) {
    let all = async {
        for task in tasks {
            let _ = task.await;
        }
    };
    let _ = timeout(span, all).await;
}
