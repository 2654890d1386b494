//! A queue with two lanes, each with room of its own: what fills one does not keep anything out of the other.
//!
//! It counts and never waits by the clock. Codes are taken first, and a part of every batch is left to the others, so
//! that neither lane stands still for the other; a larger part they never get, because a code that comes next waits for
//! the whole batch.

use tokio::sync::mpsc;

use crate::domain::notification::Priority;

/// The part of a batch that codes leave to the others: one in so many.
const LEFT_TO_NEWS: usize = 8;

/// The part of a batch that the others take at most: one in so many.
const NEWS_AT_MOST: usize = 4;

/// The way in.
pub(super) struct PrioritySender<T> {
    codes: mpsc::Sender<T>,
    news: mpsc::Sender<T>,
}

/// The way out.
pub(super) struct PriorityReceiver<T> {
    codes: mpsc::Receiver<T>,
    news: mpsc::Receiver<T>,
}

/// Two lanes with `room` each.
pub(super) fn open<T>(room: usize) -> (PrioritySender<T>, PriorityReceiver<T>) {
    let (codes_in, codes) = mpsc::channel(room);
    let (news_in, news) = mpsc::channel(room);
    (PrioritySender { codes: codes_in, news: news_in }, PriorityReceiver { codes, news })
}

impl<T> Clone for PrioritySender<T> {
    fn clone(&self) -> Self {
        Self { codes: self.codes.clone(), news: self.news.clone() }
    }
}

impl<T> PrioritySender<T> {
    /// The end of a lane that things are put into.
    pub(super) fn lane(&self, priority: Priority) -> &mpsc::Sender<T> {
        match priority {
            Priority::Otp => &self.codes,
            Priority::Standard => &self.news,
        }
    }
}

impl<T> PriorityReceiver<T> {
    /// Waits until there is anything and takes up to `most` of it. `false` when nothing will come any more.
    pub(super) async fn take(&mut self, taken: &mut Vec<T>, most: usize) -> bool {
        let news = most / NEWS_AT_MOST;
        let (first, news) = tokio::select! {
            biased;
            Some(first) = self.codes.recv() => (first, news),
            Some(first) = self.news.recv() => (first, news.saturating_sub(1)),
            else => return false,
        };
        taken.push(first);
        fill(&mut self.codes, taken, most - most / LEFT_TO_NEWS);
        let all = most.min(taken.len() + news);
        fill(&mut self.news, taken, all);
        true
    }
}

fn fill<T>(lane: &mut mpsc::Receiver<T>, taken: &mut Vec<T>, most: usize) {
    while taken.len() < most
        && let Ok(next) = lane.try_recv()
    {
        taken.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_lane_keeps_nothing_out_of_the_other() {
        let (entry, _lanes) = open(2);
        for _ in 0..2 {
            entry.lane(Priority::Standard).try_send("news").unwrap();
        }

        assert!(entry.lane(Priority::Standard).try_send("one more").is_err());
        assert!(entry.lane(Priority::Otp).try_send("code").is_ok());
    }

    #[tokio::test]
    async fn codes_are_taken_first_and_leave_an_eighth_to_the_others() {
        let (entry, mut lanes) = open(100);
        for _ in 0..100 {
            entry.lane(Priority::Standard).try_send("news").unwrap();
        }
        for _ in 0..20 {
            entry.lane(Priority::Otp).try_send("code").unwrap();
        }

        let (mut first, mut second) = (Vec::new(), Vec::new());
        assert!(lanes.take(&mut first, 16).await && lanes.take(&mut second, 16).await);

        assert_eq!(first, [["code"; 14].as_slice(), &["news"; 2]].concat());
        assert_eq!(second, [["code"; 6].as_slice(), &["news"; 4]].concat());
    }

    #[tokio::test]
    async fn however_many_others_wait_they_are_a_quarter_of_a_batch() {
        let (entry, mut lanes) = open(100);
        for _ in 0..100 {
            entry.lane(Priority::Standard).try_send("news").unwrap();
        }

        let mut taken = Vec::new();
        assert!(lanes.take(&mut taken, 16).await);

        assert_eq!(taken, ["news"; 4]);
    }

    #[tokio::test]
    async fn what_was_put_in_comes_out_after_the_candidate_in_is_closed() {
        let (entry, mut lanes) = open(2);
        entry.lane(Priority::Standard).try_send("news").unwrap();
        drop(entry);

        let mut taken = Vec::new();
        assert!(lanes.take(&mut taken, 8).await);
        assert!(!lanes.take(&mut taken, 8).await);
        assert_eq!(taken, ["news"]);
    }
}
