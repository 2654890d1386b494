//! Outages of all providers at once: nothing is lost whose deadline lies behind their end, and the waiting costs little.

use std::time::Duration;

use otpost::domain::clock::Timestamp;
use otpost::domain::notification::Kind;
use otpost::store::reports::DeliveryDetail;
use tokio::time::{Instant, sleep, sleep_until};

use super::alone::{Alone, otp, payment};
use super::providers::{MessageLog, Mood};
use super::simulate;
use super::world::Nature;

/// A delivery whose deadline is this long behind the end of the outage is sent: the last tries are a second apart.
const NOTICED: Duration = Duration::from_secs(3);

/// The longest backoff of codes and of other notifications.
const OTP_BACKOFF: Duration = Duration::from_secs(10);
const STANDARD_BACKOFF: Duration = Duration::from_mins(5);

/// How long after the outage everything has been sent.
const AFTER: Duration = Duration::from_mins(6);

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn nothing_whose_deadline_lies_behind_a_minute_without_providers_is_lost_with_any_number_of_candidates() {
    for candidates in [1, 2, 3, 5, 8] {
        loses_nothing(MINUTE, candidates);
    }
}

#[test]
fn nothing_whose_deadline_lies_behind_ten_minutes_without_providers_is_lost() {
    for candidates in [1, 8] {
        loses_nothing(10 * MINUTE, candidates);
    }
}

#[test]
fn nothing_whose_deadline_lies_behind_two_hours_without_providers_is_lost() {
    for candidates in [1, 8] {
        loses_nothing(120 * MINUTE, candidates);
    }
}

fn loses_nothing(outage: Duration, candidates: usize) {
    let told = Outage { length: outage, candidates, backlog: 0 }.run();

    let due: Vec<_> = told.details.iter().filter(|detail| detail.line.expires_at >= told.end.after(NOTICED)).collect();
    let sent = due.iter().filter(|detail| detail.line.state == "sent").count();
    assert_eq!(sent, due.len(), "{outage:?} with {candidates} candidates: {:#?}", told.unsent());
    assert!(sent > 4, "{outage:?} with {candidates} candidates: {sent} are too few to tell");
    told.is_prompt();
}

#[test]
fn a_backlog_that_waits_for_the_end_of_an_outage_costs_few_rows_and_delays_no_code() {
    let told = Outage { length: 10 * MINUTE, candidates: 4, backlog: 60 }.run();

    told.is_prompt();
    let waiting: Vec<_> = told.details.iter().filter(|detail| detail.line.kind == Kind::Transaction.name()).collect();
    assert!(waiting.len() >= 60 && waiting.iter().all(|detail| detail.line.state == "sent"), "{:#?}", told.unsent());
    let attempts: usize = waiting.iter().map(|detail| detail.attempts.len()).sum();
    // One probe for each provider every five seconds, and those that opened the circuits and were in flight then.
    let probes = usize::try_from(told.outage.as_secs() / 5).unwrap() * 4;
    assert!(attempts <= probes + 5 * waiting.len(), "{attempts} attempts");
    let looks = waiting.iter().map(|detail| detail.events.iter().filter(|event| event.kind == "postponed").count());
    assert!(looks.clone().max() <= Some(60), "{:?} looks", looks.max());
}

struct Outage {
    length: Duration,
    candidates: usize,
    /// Notifications that wait from the beginning, beside a few of each kind.
    backlog: u64,
}

struct Told {
    outage: Duration,
    end: Timestamp,
    details: Vec<DeliveryDetail>,
}

impl Outage {
    fn run(&self) -> Told {
        simulate(self.tell())
    }

    async fn tell(&self) -> Told {
        let alone = Alone::start(Nature::CALM, |chance| MessageLog::down(self.candidates, chance)).await;
        let (begin, end) = (Instant::now(), Instant::now() + self.length);
        for number in 0..self.backlog {
            alone.post(payment(number)).await;
        }
        // Codes of all ages at the end of the outage, and some notifications that may wait for a day.
        for number in 0..20 {
            sleep_until(begin + self.length * number / 20).await;
            alone.post(otp(u64::from(number))).await;
            if number % 4 == 0 {
                alone.post(payment(10_000 + u64::from(number))).await;
            }
        }
        for number in 0..10 {
            sleep_until(end.checked_sub(Duration::from_secs(5) * (10 - number)).unwrap()).await;
            alone.post(otp(100 + u64::from(number))).await;
        }
        sleep_until(end).await;
        let ended_at = alone.world.now();
        alone.all_are(Mood::Good);
        for number in 0..40 {
            sleep(Duration::from_millis(500)).await;
            alone.post(otp(1000 + number)).await;
        }
        sleep(AFTER).await;
        Told { outage: self.length, end: ended_at, details: alone.stop().await }
    }
}

impl Told {
    fn unsent(&self) -> Vec<String> {
        let unsent = self.details.iter().filter(|detail| detail.line.state != "sent");
        unsent.map(|detail| format!("{:?} after {} attempts", detail.line, detail.attempts.len())).collect()
    }

    // What is sent is sent within a backoff of the end of the outage, and a code of after it at once.
    fn is_prompt(&self) {
        for detail in self.details.iter().filter(|detail| detail.line.state == "sent") {
            let (line, is_code) = (&detail.line, detail.line.kind == Kind::Otp.name());
            let since = line.received_at.max(self.end);
            let took = line.ended_at.unwrap().since(since);
            let backoff = if is_code { OTP_BACKOFF } else { STANDARD_BACKOFF };
            // Not before a probe has found that it is over.
            let most = if line.received_at > self.end.after(OTP_BACKOFF) { Duration::ZERO } else { backoff };
            assert!(took <= most + NOTICED, "{:?} with {}: {took:?}", self.outage, line.kind);
        }
    }
}
