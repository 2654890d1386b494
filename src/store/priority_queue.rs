//! Two bounded queues, one for each priority, with one receiver: a full one does not block the other.
//!
//! It counts and knows no time. Codes are received first. A part of every batch is left to standard notifications, so
//! that neither priority starves; it stays small, because the next code waits for the whole batch.

use tokio::sync::mpsc;

use crate::domain::notification::Priority;

/// Codes leave one place in so many of a batch to standard notifications.
const STANDARD_AT_LEAST: usize = 8;

/// Standard notifications take at most one place in so many of a batch.
const STANDARD_AT_MOST: usize = 4;

/// The senders of both queues.
pub(super) struct PrioritySender<T> {
    otp: mpsc::Sender<T>,
    standard: mpsc::Sender<T>,
}

/// The receiver of both queues.
pub(super) struct PriorityReceiver<T> {
    otp: mpsc::Receiver<T>,
    standard: mpsc::Receiver<T>,
}

/// Two queues that hold `capacity` items each.
pub(super) fn open<T>(capacity: usize) -> (PrioritySender<T>, PriorityReceiver<T>) {
    let (otp_sender, otp) = mpsc::channel(capacity);
    let (standard_sender, standard) = mpsc::channel(capacity);
    (PrioritySender { otp: otp_sender, standard: standard_sender }, PriorityReceiver { otp, standard })
}

impl<T> Clone for PrioritySender<T> {
    fn clone(&self) -> Self {
        Self { otp: self.otp.clone(), standard: self.standard.clone() }
    }
}

impl<T> PrioritySender<T> {
    /// The sender of one priority.
    pub(super) fn of(&self, priority: Priority) -> &mpsc::Sender<T> {
        match priority {
            Priority::Otp => &self.otp,
            Priority::Standard => &self.standard,
        }
    }
}

impl<T> PriorityReceiver<T> {
    /// Waits for an item and adds up to `limit` items to `batch`. `false` when all senders are dropped and both queues
    /// are empty.
    pub(super) async fn receive(&mut self, batch: &mut Vec<T>, limit: usize) -> bool {
        let standard = limit / STANDARD_AT_MOST;
        let (first, standard) = tokio::select! {
            biased;
            Some(first) = self.otp.recv() => (first, standard),
            Some(first) = self.standard.recv() => (first, standard.saturating_sub(1)),
            else => return false,
        };
        batch.push(first);
        fill(&mut self.otp, batch, limit - limit / STANDARD_AT_LEAST);
        let all = limit.min(batch.len() + standard);
        fill(&mut self.standard, batch, all);
        true
    }
}

fn fill<T>(queue: &mut mpsc::Receiver<T>, batch: &mut Vec<T>, limit: usize) {
    while batch.len() < limit
        && let Ok(next) = queue.try_recv()
    {
        batch.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_does_not_block_the_other() {
        let (sender, _receiver) = open(2);
        for _ in 0..2 {
            sender.of(Priority::Standard).try_send("standard").unwrap();
        }

        assert!(sender.of(Priority::Standard).try_send("one more").is_err());
        assert!(sender.of(Priority::Otp).try_send("otp").is_ok());
    }

    #[tokio::test]
    async fn codes_are_received_first_and_leave_an_eighth_to_standard_notifications() {
        let (sender, mut receiver) = open(100);
        for _ in 0..100 {
            sender.of(Priority::Standard).try_send("standard").unwrap();
        }
        for _ in 0..20 {
            sender.of(Priority::Otp).try_send("otp").unwrap();
        }

        let (mut first, mut second) = (Vec::new(), Vec::new());
        assert!(receiver.receive(&mut first, 16).await && receiver.receive(&mut second, 16).await);

        assert_eq!(first, [["otp"; 14].as_slice(), &["standard"; 2]].concat());
        assert_eq!(second, [["otp"; 6].as_slice(), &["standard"; 4]].concat());
    }

    #[tokio::test]
    async fn standard_notifications_are_at_most_a_quarter_of_a_batch() {
        let (sender, mut receiver) = open(100);
        for _ in 0..100 {
            sender.of(Priority::Standard).try_send("standard").unwrap();
        }

        let mut batch = Vec::new();
        assert!(receiver.receive(&mut batch, 16).await);

        assert_eq!(batch, ["standard"; 4]);
    }

    #[tokio::test]
    async fn items_are_received_after_the_senders_are_dropped() {
        let (sender, mut receiver) = open(2);
        sender.of(Priority::Standard).try_send("standard").unwrap();
        drop(sender);

        let mut batch = Vec::new();
        assert!(receiver.receive(&mut batch, 8).await);
        assert!(!receiver.receive(&mut batch, 8).await);
        assert_eq!(batch, ["standard"]);
    }
}
