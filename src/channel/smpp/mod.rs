//! SMS through a short message service centre, over SMPP 3.4: connections that stay bound, and receipts that arrive on them.
//!
//! It submits and takes receipts. Messages from phones are acknowledged and dropped.

mod connector;
mod delivery_report;
mod link;
mod pdu;
mod session;
mod status;
mod text;

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::http::sms_text;
use super::priority_semaphore::PriorityPermit;
use super::receipt_feed::{ArrivedReceipts, ReceiptFeed, ReceiptSource};
use super::{
    Adapter, Capabilities, Common, Error, KindSettings, Provider, ProviderEndpoint, Repeat, SendResult, check_in_flight,
};
use crate::domain::notification::Priority;
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::secret::Credential;
use connector::SmppConnector;
use delivery_report::ReceiptId;
use link::{LinkState, LinkTask, SmppLink};
use pdu::BodyWriter;
use session::BindLimits;
use text::{Alphabet, LongText, MessagePart};

/// The usual ports.
const PORT: u16 = 2775;
const TLS_PORT: u16 = 3550;

/// The most binds of one provider.
const BINDS_MAX: usize = 16;

/// How often a silent connection may be checked.
const ENQUIRE_LINK: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(10);

/// Receipts that wait to be taken. Further ones are refused for now, and the centre sends them again.
const RECEIPTS_MAX: usize = 64;

/// How long the end of all binds may take.
const CLOSE_MAX: Duration = Duration::from_millis(1_200);

/// Type of number and numbering plan (5.2.5, 5.2.6).
const INTERNATIONAL: (u8, u8) = (1, 1);
const NETWORK_SPECIFIC: (u8, u8) = (3, 0);
const ALPHANUMERIC: (u8, u8) = (5, 0);

/// Digits from which on a sender is a number of a country, and no short code.
const NUMBER_MIN: usize = 7;

/// The longest `source_addr` (5.2.8), and the longest name that phones show (3GPP TS 23.040, 9.1.2.5).
const SENDER_MAX: usize = 20;
const SENDER_NAME_MAX: usize = 11;

/// The longest validity, in seconds: 30 days, because the standard has no longer period without months.
const VALIDITY_MAX: u64 = 30 * 24 * 3600;

/// The keys of kind `smpp`. SMPP 3.4 has no reference of ours by which a centre could recognize a repeated message, so
/// `deduplicates` stays false.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The host name, as in the centre's certificate.
    pub host: String,
    /// 3550 with TLS and 2775 without when absent.
    #[serde(default)]
    port: Option<u16>,
    /// Whether TLS protects the connection, from the first octet on.
    #[serde(default = "yes")]
    pub tls: bool,
    pub system_id: Credential,
    pub password: Credential,
    /// What the centre calls this kind of system; most want it empty.
    #[serde(default)]
    pub system_type: String,
    /// The sender: up to 11 characters, a number with country code, or a short code.
    pub sender: String,
    /// Type of number and numbering plan of the sender, where they do not follow from its form.
    #[serde(default)]
    pub sender_ton: Option<u8>,
    #[serde(default)]
    pub sender_npi: Option<u8>,
    /// The same of recipients: numbers with country code.
    #[serde(default = "one")]
    pub to_ton: u8,
    #[serde(default = "one")]
    pub to_npi: u8,
    /// `service_type`, such as `CMT`; empty for the centre's default.
    #[serde(default)]
    pub service_type: String,
    #[serde(default)]
    pub alphabet: Alphabet,
    #[serde(default)]
    pub long: LongText,
    /// Whether receipts are requested. Of a long message, the receipt of its last part counts.
    #[serde(default = "yes")]
    pub receipts: bool,
    #[serde(default)]
    pub receipt_id: ReceiptId,
    /// Connections, each with a bind of its own.
    #[serde(default = "binds")]
    pub binds: usize,
    /// The most messages in flight on one bind.
    #[serde(default = "window")]
    pub window: usize,
    /// After so long without anything from the centre, it is asked whether it is there.
    #[serde(default = "enquire_link", with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub enquire_link: Duration,
}

const fn yes() -> bool {
    true
}

const fn one() -> u8 {
    1
}

const fn binds() -> usize {
    1
}

/// What most centres allow without an agreement.
const fn window() -> usize {
    10
}

const fn enquire_link() -> Duration {
    Duration::from_secs(30)
}

impl Settings {
    fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { TLS_PORT } else { PORT })
    }

    fn check(&self, common: &Common) -> Result<(), Error> {
        let wrong = |what: &str| Err(Error::new(common.name(), what));
        check_in_flight(common.name(), "window", self.window)?;
        if !(1..=BINDS_MAX).contains(&self.binds) {
            return wrong("binds: must be 1 to 16");
        }
        if !ENQUIRE_LINK.contains(&self.enquire_link) {
            return wrong("enquire_link: must be 1s to 10m");
        }
        let is_ascii = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let sender_max = if is_number(&self.sender) { SENDER_MAX } else { SENDER_NAME_MAX };
        if self.sender.is_empty() || self.sender.len() > sender_max || !is_ascii(&self.sender) {
            return wrong("sender: expected a name of up to 11 ASCII characters, or a number");
        }
        if self.service_type.len() > 5 || !is_ascii(&self.service_type) {
            return wrong("service_type: expected up to 5 ASCII characters");
        }
        Ok(())
    }

    /// Type of number, numbering plan and address of the sender.
    fn source(&self) -> (u8, u8, &str) {
        let digits = self.sender.trim_start_matches('+');
        let (ton, npi) = match () {
            () if !is_number(&self.sender) => ALPHANUMERIC,
            () if digits.len() < NUMBER_MIN && digits == self.sender => NETWORK_SPECIFIC,
            () => INTERNATIONAL,
        };
        let address = if is_number(&self.sender) { digits } else { &self.sender };
        (self.sender_ton.unwrap_or(ton), self.sender_npi.unwrap_or(npi), address)
    }

    /// The body of a `submit_sm` (4.4.1).
    fn submit(&self, message: &OutboundMessage, part: &MessagePart, left: Duration, wants_receipt: bool) -> Vec<u8> {
        let (ton, npi, source) = self.source();
        let body = BodyWriter::default().text(&self.service_type).octets(&[ton, npi]).text(source);
        let body = body.octets(&[self.to_ton, self.to_npi]).text(message.to.expose().trim_start_matches('+'));
        // No protocol and no priority of its own; delivered at once.
        let body = body.octets(&[part.esm_class, 0, 0]).text("").text(&validity(left));
        // It replaces no other message, and is no stored one of the centre.
        let body = body.octets(&[u8::from(wants_receipt), 0, part.data_coding, 0]);
        let length = u8::try_from(part.octets.len()).unwrap_or(u8::MAX);
        let body = body.octets(&[length]).octets(&part.octets);
        part.parameters.iter().fold(body, |body, (tag, value)| body.optional(*tag, value)).finish()
    }
}

fn is_number(sender: &str) -> bool {
    let digits = sender.strip_prefix('+').unwrap_or(sender);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A period from now on: `YYMMDDhhmmsstnn`, and `R` for relative (7.1.1.1).
fn validity(left: Duration) -> String {
    let seconds = left.as_secs().clamp(1, VALIDITY_MAX);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    format!("0000{:02}{:02}{:02}{:02}000R", hours / 24, hours % 24, minutes % 60, seconds % 60)
}

impl KindSettings for Settings {
    fn connect(&self, common: &Common) -> Result<Adapter, Error> {
        self.check(common)?;
        let (receipts, arrived) = mpsc::channel(RECEIPTS_MAX);
        let smsc = Arc::new(MessageCentre {
            settings: self.clone(),
            connector: Arc::new(SmppConnector::new(self, common)?),
            timeout: common.timeout,
            links: OnceLock::new(),
            running: Mutex::default(),
            turn: AtomicUsize::new(0),
            number: AtomicU8::new(0),
            closing: watch::channel(false).0,
            receipts,
            arrived: tokio::sync::Mutex::new(arrived),
        });
        let feed: Arc<dyn ReceiptFeed> = Arc::<MessageCentre>::clone(&smsc);
        let receipts = self.receipts.then_some(ReceiptSource::Connection(feed));
        Ok(Adapter { provider: smsc, receipts, requests: None })
    }

    fn endpoint(&self) -> Option<ProviderEndpoint> {
        Some(ProviderEndpoint { host: self.host.clone(), port: self.port(), is_encrypted: self.tls })
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            validity: "`validity_period`, relative, to 30 days",
            repeat: Repeat::Never("a second message"),
            receipts: "on the same connection: the bind proves them",
            tested_against: "npm's `smpp`, PyPI's `smpp34`",
        }
    }
}

/// The centre with the binds to it. They begin with the first message, or when receipts are waited for.
struct MessageCentre {
    settings: Settings,
    connector: Arc<SmppConnector>,
    timeout: Duration,
    links: OnceLock<Vec<SmppLink>>,
    running: Mutex<Vec<JoinHandle<()>>>,
    /// The bind that the next message tries first.
    turn: AtomicUsize,
    /// The number of the next message, by which a phone does not mix up the parts of two long ones.
    number: AtomicU8,
    /// The binds end when this changes, or is dropped with the last user of the provider.
    closing: watch::Sender<bool>,
    receipts: mpsc::Sender<ArrivedReceipts>,
    arrived: tokio::sync::Mutex<mpsc::Receiver<ArrivedReceipts>>,
}

impl MessageCentre {
    fn links(&self) -> &[SmppLink] {
        self.links.get_or_init(|| {
            let Settings { binds, window, enquire_link, receipt_id, .. } = self.settings;
            let limits = BindLimits { enquire_link, answer: self.timeout, receipt_id };
            let start = |_| {
                let (connector, receipts) = (Arc::clone(&self.connector), self.receipts.clone());
                LinkTask { connector, limits, receipts, closing: self.closing.subscribe() }.start(window)
            };
            let (links, tasks) = (0..binds).map(start).unzip();
            *self.running.lock().unwrap_or_else(PoisonError::into_inner) = tasks;
            links
        })
    }

    /// A bind that is up with a place in its window, in turn; waits until `end` while there is none.
    async fn place(&self, priority: Priority, end: Instant) -> Result<(&SmppLink, PriorityPermit), SendResult> {
        let links = self.links();
        let (before, from) = links.split_at(self.turn.fetch_add(1, Ordering::Relaxed) % links.len());
        let in_turn: Vec<_> = from.iter().chain(before).map(|link| (link, link.state())).collect();
        let bound = in_turn.iter().filter(|(_, state)| matches!(state, LinkState::Bound)).map(|(link, _)| *link);
        if let Some(found) = bound.clone().find_map(|link| Some((link, link.try_acquire(priority)?))) {
            return Ok(found);
        }
        // What is down is tried again by itself, and after a longer pause than a message has time for.
        let connecting = in_turn.iter().filter(|(_, state)| matches!(state, LinkState::Connecting));
        let mut rest = bound.chain(connecting.map(|(link, _)| *link)).chain(in_turn.iter().map(|(link, _)| *link));
        let Some(link) = rest.next() else { return Err(Outcome::failed(Cause::LocalQueue).into()) };
        Ok((link, link.acquire(priority, end).await?))
    }
}

#[async_trait]
impl Provider for MessageCentre {
    // The parts of a long message go out one after the other, over one bind: when one is refused, those after it are not sent.
    // The first that is not accepted decides. A phone shows nothing of an incomplete message.
    async fn send(&self, message: &OutboundMessage) -> SendResult {
        let (began, limit) = (Instant::now(), self.timeout.min(message.valid_for));
        // Half of the time is left for the answer.
        let (link, _permit) = match self.place(message.priority, began + limit / 2).await {
            Ok(place) => place,
            Err(failure) => return failure,
        };
        let Settings { alphabet, long, receipts, .. } = self.settings;
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let parts = text::parts(sms_text(message), number, alphabet, long);
        let mut result = SendResult::from(Outcome::failed(Cause::BadMessage));
        for (place, part) in (1..).zip(&parts) {
            let left = message.valid_for.saturating_sub(began.elapsed());
            let body = self.settings.submit(message, part, left, receipts && place == parts.len());
            result = link.submit(body, began + limit).await;
            if !result.outcome.is_accepted() {
                break;
            }
        }
        result
    }
}

#[async_trait]
impl ReceiptFeed for MessageCentre {
    async fn next(&self) -> ArrivedReceipts {
        self.links();
        match self.arrived.lock().await.recv().await {
            Some(arrived) => arrived,
            // The sender is kept here, too.
            None => std::future::pending().await,
        }
    }

    async fn close(&self) {
        self.closing.send_replace(true);
        let tasks = std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        link::ended(tasks, CLOSE_MAX).await;
    }
}

#[cfg(test)]
mod tests;
