//! Answers in pieces, late, truncated, corrupt or endless, on each channel: every attempt gets one of the four outcomes,
//! within its time limit and in bounded memory, and the outcome is unknown exactly when the message may have arrived.

use std::process::Command;
use std::time::Duration;

use otpost::domain::contact::Channel;
use otpost::domain::delivery::Attempt;
use otpost::domain::outcome::{Cause, Outcome};

use super::{mail, push, sms};
use crate::support::fake::Fake;
use crate::support::sample_notification::SampleNotification;
use crate::support::starttls::Front;
use crate::support::toxic::{End, Proxy, Toxic};
use crate::support::{Gateway, Setup, otp, recipient, verification};

/// The time limit of an attempt, and the delay that a busy machine may add.
const TIMEOUT: Duration = Duration::from_secs(1);
const TOLERANCE: Duration = Duration::from_millis(500);

/// The size of two socket buffers. A reader that kept what it reads would take a hundred times as much in one attempt.
const TAKEN_MAX: usize = 24 * 1024 * 1024;

const SETTINGS: &str = "timeout = \"1s\"";

/// One way to reach a channel in these tests.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Sms,
    Push,
    Mail,
    MailOverTls,
}

/// A healthy provider, without a proxy.
struct Provider {
    by: By,
    fake: Fake,
    front: Option<Front>,
}

impl Provider {
    async fn open(by: By) -> Self {
        let channel = match by {
            By::Sms => Channel::Sms,
            By::Push => Channel::Push,
            By::Mail | By::MailOverTls => Channel::Email,
        };
        let fake = Fake::open(channel).await;
        let front = if by == By::MailOverTls { Some(Front::before(fake.address()).await) } else { None };
        Self { by, fake, front }
    }

    async fn behind(&self, toxic: Toxic) -> Proxy {
        Proxy::before(self.front.as_ref().map_or(self.fake.address(), |front| front.address), toxic).await
    }

    /// Its `[[provider]]` section when it is reached through `proxy`.
    fn settings(&self, name: &str, proxy: &Proxy) -> String {
        match (self.by, &self.front) {
            (By::Sms, _) => sms(name, proxy.address(), SETTINGS),
            (By::Push, _) => push(name, proxy.address(), SETTINGS),
            (_, None) => mail(name, proxy.address(), &format!("tls = \"none\"\n{SETTINGS}")),
            (_, Some(front)) => mail(name, proxy.address(), &format!("ca = \"{}\"\n{SETTINGS}", front.ca().display())),
        }
    }

    fn took(&self) -> usize {
        self.fake.received().len()
    }

    /// A notification for a recipient of this channel; those with different numbers are independent.
    fn notice(&self, number: usize) -> SampleNotification {
        match self.by {
            By::Sms => otp().with("merchantName", number.to_string()),
            By::Push => otp().customer("1338").with("merchantName", number.to_string()),
            By::Mail | By::MailOverTls => verification("Accepted"),
        }
    }
}

async fn gateway(providers: &str) -> Gateway {
    let gateway = Setup::new().first(providers).start().await;
    gateway
        .knows([
            recipient("phone").customer("1337").phone("+48600100200"),
            recipient("app").customer("1338").app("token"),
            recipient("reader").user("1337").mailbox("reader@example.org"),
        ])
        .await;
    gateway
}

type Row = (&'static str, Toxic, Outcome);

/// Every way in which an HTTP answer can be unusable.
fn http_rows() -> Vec<Row> {
    let lost = || Outcome::unknown(Cause::Disconnected);
    let late = || Outcome::unknown(Cause::TimedOut);
    let after = |bytes, end| Toxic::After(bytes, end);
    let cut = b"HTTP/1.1 503 Busy\r\nContent-Length: 99\r\n\r\n{";
    vec![
        ("reset", after(0, End::Reset), lost()),
        ("hung up", after(0, End::HangUp), lost()),
        ("black hole", after(0, End::Silence), late()),
        ("silent in the head", after(20, End::Silence), late()),
        ("reset in the body", after(80, End::Reset), lost()),
        ("a byte now and then", Toxic::Sliced(Duration::from_millis(50)), late()),
        ("another protocol", after(0, End::say("SSH-2.0-OpenSSH_9.2\r\n\0\u{1}")), lost()),
        ("a header without end", after(0, End::Babble("HTTP/1.1 200 OK\r\nX: ", "x")), lost()),
        ("headers without end", after(0, End::Babble("HTTP/1.1 200 OK\r\n", "X: x\r\n")), lost()),
        ("a connection that is not closed", after(0, End::say("HTTP/1.1 200 OK\r\n\r\n{}")), late()),
        ("a refusal cut short", after(0, End::say(cut)), Outcome::deferred(Cause::ProviderDown)),
    ]
}

/// Every way in which a relay can fail before and after it accepts the mail. It accepts the mail with the last of the
/// `all` bytes that it sends.
fn smtp_rows(all: usize) -> Vec<Row> {
    let nothing_sent = || Outcome::deferred(Cause::Unreachable);
    let after = |bytes, end| Toxic::After(bytes, end);
    vec![
        ("reset", after(0, End::Reset), nothing_sent()),
        ("hung up", after(0, End::HangUp), nothing_sent()),
        ("black hole", after(0, End::Silence), nothing_sent()),
        ("silent in the middle", after(all / 2, End::Silence), nothing_sent()),
        ("a byte now and then", Toxic::Sliced(Duration::from_millis(50)), nothing_sent()),
        ("another protocol", after(0, End::say("SSH-2.0-OpenSSH_9.2\r\n\0\u{1}")), nothing_sent()),
        ("a line without end", after(0, End::Babble("220 ", "x")), nothing_sent()),
        ("lines without end", after(0, End::Babble("", "220-x\r\n")), nothing_sent()),
        ("reset instead of taken", after(all - 8, End::Reset), Outcome::unknown(Cause::Disconnected)),
        ("silent instead of taken", after(all - 8, End::Silence), Outcome::unknown(Cause::TimedOut)),
        ("babble instead of taken", after(all - 8, End::Babble("", "x")), Outcome::unknown(Cause::Disconnected)),
    ]
}

/// One message fails at each of them and is accepted by a slow one; the timeline shows every attempt.
async fn passes(by: By, rows: Vec<Row>) {
    let provider = Provider::open(by).await;
    let mut settings = String::new();
    let mut proxies = Vec::new();
    for (number, (_, toxic, _)) in rows.iter().enumerate() {
        let proxy = provider.behind(toxic.clone()).await;
        settings += &provider.settings(&format!("toxic-{number}"), &proxy);
        proxies.push(proxy);
    }
    let slow = provider.behind(Toxic::Late(Duration::from_millis(50))).await;
    settings += &provider.settings("slow", &slow);
    let gateway = gateway(&settings).await;

    gateway.post(&provider.notice(0)).await.expect_status(204);
    gateway.settle().await;

    let told = gateway.last().await;
    assert_eq!((told.line.state.as_str(), told.attempts.len()), ("sent", rows.len() + 1), "{:?}", told.attempts);
    for ((row, _, outcome), attempt) in rows.iter().zip(&told.attempts) {
        assert_eq!(attempt.outcome, *outcome, "{row}");
        is_in_time(row, attempt);
    }
    assert_eq!(told.attempts.last().unwrap().provider.0, "slow");
    for ((row, _, _), proxy) in rows.iter().zip(&proxies) {
        assert!(proxy.babbled() <= TAKEN_MAX, "{row}: {} bytes were read", proxy.babbled());
    }
}

#[track_caller]
fn is_in_time(row: &str, attempt: &Attempt) {
    assert!(attempt.took <= TIMEOUT + TOLERANCE, "{row}: {:?}", attempt.took);
}

/// The number of bytes that a relay sends for the first mail on a connection.
async fn said_about_a_mail(by: By) -> usize {
    let provider = Provider::open(by).await;
    let proxy = provider.behind(Toxic::Clean).await;
    let gateway = gateway(&provider.settings("clean", &proxy)).await;
    gateway.post(&provider.notice(0)).await.expect_status(204);
    gateway.settle().await;
    assert_eq!(provider.took(), 1);
    proxy.said()
}

#[tokio::test]
async fn after_a_corrupt_answer_of_an_sms_gateway_the_next_is_tried_and_each_attempt_is_recorded() {
    passes(By::Sms, http_rows()).await;
}

#[tokio::test]
async fn after_a_corrupt_answer_of_a_push_service_the_next_is_tried_and_each_attempt_is_recorded() {
    passes(By::Push, http_rows()).await;
}

#[tokio::test]
async fn after_a_corrupt_answer_of_a_relay_the_next_is_tried_and_each_attempt_is_recorded() {
    passes(By::Mail, smtp_rows(said_about_a_mail(By::Mail).await)).await;
}

#[tokio::test]
async fn after_a_corrupt_answer_of_a_relay_over_tls_the_next_is_tried_and_each_attempt_is_recorded() {
    passes(By::MailOverTls, smtp_rows(said_about_a_mail(By::MailOverTls).await)).await;
}

#[tokio::test]
async fn a_slow_huge_or_compressed_answer_is_accepted_as_long_as_it_says_that_the_message_was() {
    for by in [By::Sms, By::Push] {
        let provider = Provider::open(by).await;
        let proxy = provider.behind(Toxic::Clean).await;
        let gateway = gateway(&provider.settings("odd", &proxy)).await;
        let bomb = bomb();
        let blanks = " ".repeat(200_000);
        let huge = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1_u64 << 40);
        let bodies = [
            ("late", Toxic::Late(Duration::from_millis(300))),
            ("a byte at a time", Toxic::Sliced(Duration::from_millis(1))),
            ("a body without end", Toxic::After(0, End::Babble("HTTP/1.1 200 OK\r\n\r\n", " "))),
            ("a body of a terabyte", Toxic::After(0, End::say(huge + &blanks))),
            ("a bomb", Toxic::After(0, End::say(bomb))),
        ];
        for (number, (row, toxic)) in bodies.into_iter().enumerate() {
            proxy.turns(toxic);

            gateway.post(&provider.notice(number)).await.expect_status(204);
            gateway.settle().await;

            let [attempt] = &gateway.last().await.attempts[..] else { unreachable!("{row}: one attempt") };
            assert!(matches!(attempt.outcome, Outcome::Accepted { .. }), "{row}: {:?}", attempt.outcome);
            is_in_time(row, attempt);
            assert!(proxy.babbled() <= TAKEN_MAX, "{row}: {} bytes were read", proxy.babbled());
            assert_eq!(provider.took(), number + 1, "{row}");
        }
        assert!(peak_megabytes() < 256, "{} MB", peak_megabytes());
    }
}

/// An answer whose gzip body decompresses to a quarter of a gigabyte of zeros.
fn bomb() -> Vec<u8> {
    let zeros = Command::new("sh").args(["-c", "head -c 256M /dev/zero | gzip -1"]).output().unwrap().stdout;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", zeros.len());
    [head.into_bytes(), zeros].concat()
}

/// The peak memory of this process.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Truncates what a provider sends after every `step`th byte, in each of three ways: the outcome is unknown if the message
/// was accepted, and known otherwise.
async fn is_cut_everywhere(by: By, step: usize) {
    let provider = Provider::open(by).await;
    let proxy = provider.behind(Toxic::Clean).await;
    let gateway = gateway(&provider.settings("cut", &proxy)).await;
    gateway.post(&provider.notice(0)).await.expect_status(204);
    gateway.settle().await;
    // An ECDSA signature in the handshake is some bytes longer or shorter from one connection to the next.
    let all = proxy.said() - if matches!(by, By::MailOverTls) { 8 } else { 0 };
    let cuts = (0..all).step_by(step).flat_map(|at| [(at, End::Reset), (at, End::HangUp)]);
    let silences = (0..all).step_by(all / 4).map(|at| (at, End::Silence));
    let cuts: Vec<_> = cuts.chain(silences).collect();

    let mut number = 0;
    // Five failures open the circuit; one success closes it again and clears the recent answers.
    for five in cuts.chunks(5) {
        for (at, end) in five {
            number += 1;
            let took = provider.took();
            if matches!(by, By::Mail | By::MailOverTls) {
                // On a kept connection a relay sends fewer bytes.
                proxy.hangs_up();
            }
            proxy.turns(Toxic::After(*at, end.clone()));

            gateway.post(&provider.notice(number)).await.expect_status(204);
            gateway.settle().await;

            let told = gateway.last().await;
            let (first, row) = (&told.attempts[0], format!("{end:?} after {at} of {all}"));
            assert_eq!((told.line.state.as_str(), first.provider.0.as_str()), ("sent", "cut"), "{row}");
            assert_eq!(first.outcome.may_have_arrived(), provider.took() > took, "{row}: {:?}", first.outcome);
            assert!(!matches!(first.outcome, Outcome::Accepted { .. }), "{row}");
            is_in_time(&row, first);
            gateway.clock.move_on(Duration::from_millis(1));
        }
        number += 1;
        proxy.turns(Toxic::Clean);
        gateway.clock.move_on(Duration::from_secs(6));
        gateway.post(&provider.notice(number)).await.expect_status(204);
        gateway.settle().await;
        assert_eq!(gateway.last().await.attempts[0].provider.0, "cut", "the probe");
        gateway.clock.move_on(Duration::from_secs(11));
    }
}

#[tokio::test]
async fn an_sms_whose_answer_is_truncated_anywhere_has_an_unknown_outcome() {
    is_cut_everywhere(By::Sms, 1).await;
}

#[tokio::test]
async fn a_push_whose_answer_is_truncated_anywhere_has_an_unknown_outcome() {
    is_cut_everywhere(By::Push, 1).await;
}

#[tokio::test]
async fn a_mail_has_an_unknown_outcome_exactly_when_the_relay_accepted_it_wherever_its_replies_are_truncated() {
    is_cut_everywhere(By::Mail, 3).await;
}

#[tokio::test]
async fn a_mail_over_tls_has_an_unknown_outcome_exactly_when_the_relay_accepted_it_wherever_its_replies_are_truncated()
{
    is_cut_everywhere(By::MailOverTls, 41).await;
}
