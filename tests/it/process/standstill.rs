//! A gateway that is suspended while it sends, for a minute, four times its lease, and then continues.
//!
//! The minute is real, because leases expire in real time. It costs no CPU, so all cases share it.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use otpost::domain::clock::{Clock, SystemClock};
use otpost::sim::processor::CardLock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::probe::{Ledger, until};
use super::takeover::post;
use super::{OTPOST, Workspace, loopback, run};

const STOPPED_FOR: Duration = Duration::from_mins(1);
const PATIENCE: Duration = Duration::from_secs(20);

/// What a second node would do after the lease has expired: claim one of two deliveries for an hour ...
const TAKE_OVER: &str = "UPDATE delivery SET lease_token = 4242, due_at = due_at + 3600000000
    WHERE state = 'open' AND lease_token <> 4242 AND due_at <= unixepoch('subsec') * 1000000";

/// ... and end the other.
const END: [&str; 3] = [
    "INSERT INTO attempt (delivery_id, number, channel, provider, contact_position, masked_contact, started_at, took_us,
          outcome, reference)
        SELECT id, 1, 'sms', 'other', 0, '+48*****0200', received_at, 1, 'accepted', 'other-1' FROM delivery
        WHERE id = (SELECT min(id) FROM delivery)",
    "INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail)
        SELECT received_at, 'gateway', 'sent', notification_id, id, '{}' FROM delivery
        WHERE id = (SELECT min(id) FROM delivery)",
    "UPDATE delivery SET state = 'sent', ended_at = received_at, lease_token = NULL, sealed = NULL
        WHERE id = (SELECT min(id) FROM delivery)",
];

/// Everything that is stored about deliveries.
const PICTURE: &str = "
    SELECT json_array(hex(id), state, end_reason, ended_at, due_at, lease_token, hex(sealed)) FROM delivery
    UNION ALL SELECT json_array(hex(delivery_id), number, provider, outcome, cause) FROM attempt
    UNION ALL SELECT json_array(seq, kind, hex(delivery_id), detail) FROM audit_event WHERE delivery_id IS NOT NULL";

const STATES: &str = "SELECT kind || ' ' || state FROM delivery ORDER BY id";
const POSTPONED: &str = "SELECT count(*) FROM audit_event WHERE kind = 'postponed'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_gateway_overwrites_nothing_loses_nothing_and_sends_nothing_late() {
    tokio::join!(what_another_took_over_stays_as_it_is(), what_nobody_took_over_goes_on_in_time_or_not_at_all());
}

async fn what_another_took_over_stays_as_it_is() {
    let provider = Provider::open().await;
    let workspace = behind(&provider, "5m").await;
    let gateway = workspace.serve();
    let mut processor = gateway.processor(&workspace.identity());
    assert_eq!([post(&mut processor, "SHOPONE").await, post(&mut processor, "SHOPTWO").await], [204; 2]);
    until("both are being sent", PATIENCE, || provider.heard("SHOP") == 2).await;
    let mut ledger = Ledger::of(&workspace).await;

    let stopped = Instant::now();
    gateway.signal("-STOP");
    while !ledger.can_write().await {
        // It was stopped inside a transaction. A node on another machine would wait for its end too.
        gateway.signal("-CONT");
        tokio::time::sleep(Duration::from_millis(5)).await;
        gateway.signal("-STOP");
    }
    provider.answers.send_replace(true);
    let mut taken = 0;
    while taken < 2 {
        assert!(stopped.elapsed() < STOPPED_FOR, "the leases never end");
        taken += ledger.change(TAKE_OVER).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for statement in END {
        assert_eq!(ledger.change(statement).await, 1);
    }
    let before = ledger.texts(PICTURE).await;
    tokio::time::sleep(STOPPED_FOR.saturating_sub(stopped.elapsed())).await;
    gateway.signal("-CONT");
    let gave_way = || gateway.log().matches("another worker has claimed the delivery").count();
    until("it gives way twice", PATIENCE, || gave_way() == 2).await;

    assert_eq!(ledger.texts(PICTURE).await, before);
    assert_eq!(provider.heard("SHOP"), 2);
    assert_eq!(post(&mut gateway.processor(&workspace.identity()), "SHOPNEW").await, 204);
    until("it works as before", PATIENCE, || provider.heard("SHOPNEW") == 1).await;
}

async fn what_nobody_took_over_goes_on_in_time_or_not_at_all() {
    let provider = Provider::open().await;
    let workspace = behind(&provider, "30s").await;
    let recipients = workspace.path("recipients.csv");
    fs::write(&recipients, "recipient,locale,dc_card,sms\ncardholder,en,11,+48600100201\n").unwrap();
    run(Command::new(OTPOST)
        .args(["recipient", "import", "--config"])
        .arg(workspace.path("otpost.toml"))
        .arg(recipients));
    let gateway = workspace.serve();
    let mut processor = gateway.processor(&workspace.identity());
    let lock = CardLock::default().locked(SystemClock.now());
    assert_eq!([post(&mut processor, "SHOPHELD").await, post(&mut processor, REFUSED).await], [204; 2]);
    assert_eq!(processor.send(&lock).await.unwrap().status, 204);
    let mut ledger = Ledger::of(&workspace).await;
    until("all three are being sent", PATIENCE, || {
        [provider.heard("SHOPHELD"), provider.heard(REFUSED).min(1), provider.heard(LOCKED)] == [1; 3]
    })
    .await;
    while ledger.count(POSTPONED).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    gateway.signal("-STOP");
    provider.answers.send_replace(true);
    let refused = provider.heard(REFUSED);
    tokio::time::sleep(STOPPED_FOR).await;
    gateway.signal("-CONT");
    ledger.all_ended().await;

    assert!(!gateway.log().contains("another worker"), "it took over from itself: {}", gateway.log());
    // Their deadline had passed.
    assert_eq!((provider.heard("SHOPHELD"), provider.heard(REFUSED)), (1, refused));
    // It may be sent once more: the outcome of the first attempt is unknown.
    assert!((1..=2).contains(&provider.heard(LOCKED)), "{}", provider.heard(LOCKED));
    let [held, waited, locked] = &ledger.texts(STATES).await[..] else { unreachable!("three deliveries") };
    assert!(["otp sent", "otp unconfirmed"].contains(&held.as_str()), "{held}");
    assert_eq!((waited.as_str(), locked.as_str()), ("otp expired", "card_locked sent"));
    assert_eq!(ledger.ended_twice().await, 0);
}

// A workspace whose only provider is `provider`, with so long a life for codes.
async fn behind(provider: &Provider, ttl: &str) -> Workspace {
    let workspace = Workspace::new("").await;
    let config = workspace.path("otpost.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace(&workspace.sms.address().to_string(), &provider.address.to_string());
    let (before, plan) = text.split_once("[plan.otp]").unwrap();
    fs::write(config, format!("{before}[plan.otp]{}", plan.replacen("\"5m\"", &format!("\"{ttl}\""), 1))).unwrap();
    workspace
}

/// A merchant whose messages the provider rejects.
const REFUSED: &str = "SHOPREFUSED";

/// In the English text about a locked card.
const LOCKED: &str = "locked";

/// An SMS provider that reads every message at once and answers none before it is released.
struct Provider {
    address: SocketAddr,
    messages: Arc<Mutex<Vec<String>>>,
    answers: watch::Sender<bool>,
}

impl Provider {
    async fn open() -> Self {
        let listener = TcpListener::bind(loopback()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (messages, answers) = (Arc::<Mutex<Vec<String>>>::default(), watch::Sender::new(false));
        let (kept, told) = (Arc::clone(&messages), answers.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&kept), told.subscribe()));
            }
        });
        Self { address, messages, answers }
    }

    /// The number of messages with this text that it has read.
    fn heard(&self, word: &str) -> usize {
        self.messages.lock().unwrap().iter().filter(|message| message.contains(word)).count()
    }
}

async fn converse(mut stream: TcpStream, messages: Arc<Mutex<Vec<String>>>, mut answers: watch::Receiver<bool>) {
    let mut bytes = Vec::new();
    loop {
        while !is_whole(&bytes) {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let message = String::from_utf8(std::mem::take(&mut bytes)).unwrap();
        let refused = message.contains(REFUSED);
        messages.lock().unwrap().push(message);
        if !refused {
            answers.wait_for(|now| *now).await.unwrap();
        }
        let status = if refused { "503 Busy" } else { "200 OK" };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 15\r\n\r\n{{\"id\":\"slow-1\"}}");
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap();
    body.len() >= length.trim().parse::<usize>().unwrap()
}
