//! The adapter against a centre that answers as it is scripted; npm's `smpp` is the partner of the integration tests.

mod binds;

use std::net::SocketAddr;

use bytes::BytesMut;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::test_servers;
use super::pdu::{BodyReader, Pdu, command};
use super::*;
use crate::domain::clock::Timestamp;
use crate::domain::failure_detail::FailureDetail;
use crate::domain::outcome::Reference;

/// The centre's side of one connection.
struct TestCentre {
    stream: TcpStream,
    inbox: BytesMut,
}

impl TestCentre {
    /// Takes the next connection and accepts its bind.
    async fn bound(listener: &TcpListener) -> Self {
        let mut centre = Self::accept(listener).await;
        let bind = centre.next().await.unwrap();
        assert_eq!(bind.command, command::BIND_TRANSCEIVER);
        centre.send(&Pdu { body: b"SMSC\0".to_vec(), ..bind.answer(status::OK) }).await;
        centre
    }

    async fn accept(listener: &TcpListener) -> Self {
        Self { stream: listener.accept().await.unwrap().0, inbox: BytesMut::new() }
    }

    /// The next PDU; `None` when the connection ends.
    async fn next(&mut self) -> Option<Pdu> {
        loop {
            if let Ok(Some(pdu)) = Pdu::take(&mut self.inbox) {
                return Some(pdu);
            }
            if self.stream.read_buf(&mut self.inbox).await.is_ok_and(|read| read == 0) {
                return None;
            }
        }
    }

    async fn send(&mut self, pdu: &Pdu) {
        let mut out = BytesMut::new();
        pdu.write(&mut out);
        self.stream.write_all(&out).await.unwrap();
    }

    /// The bind is up when its answer has been read, which an answer to a receipt proves.
    async fn is_up(&mut self, feed: &dyn ReceiptFeed) {
        self.send(&deliver("id:1 stat:DELIVRD")).await;
        feed.next().await.at(Timestamp::default()).1.send(()).unwrap();
        assert_eq!(self.next().await.unwrap().status, status::OK);
    }

    /// Accepts a message under this id.
    async fn accepts(&mut self, submit: &Pdu, id: &str) {
        let body = [id.as_bytes(), &[0]].concat();
        self.send(&Pdu { body, ..submit.answer(status::OK) }).await;
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn section(address: SocketAddr, more: &Value) -> Value {
    let mut section = json!({
        "kind": "smpp", "name": "smsc", "host": "127.0.0.1", "port": address.port(), "tls": false,
        "system_id": "bank", "password": "hush-hush", "sender": "BANK",
    });
    section.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    section
}

fn adapter(address: SocketAddr, more: &Value) -> Adapter {
    serde_json::from_value::<crate::channel::Settings>(section(address, more)).unwrap().connect().unwrap()
}

fn feed(adapter: &Adapter) -> Arc<dyn ReceiptFeed> {
    match &adapter.receipts {
        Some(ReceiptSource::Connection(feed)) => Arc::clone(feed),
        _ => unreachable!("no receipts"),
    }
}

fn detail(result: &SendResult) -> &str {
    result.detail.as_ref().map_or("", FailureDetail::as_str)
}

/// The fields of a `submit_sm` from the source on, without its text and what follows it.
fn fields(submit: &Pdu) -> (Vec<u8>, String, String, String, Vec<u8>) {
    let mut fields = BodyReader::new(&submit.body);
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    fields.text();
    let mut numbers = fields.octets(2).to_vec();
    let source = text(fields.text());
    numbers.extend(fields.octets(2));
    let to = text(fields.text());
    numbers.extend(fields.octets(3));
    fields.text();
    let validity = text(fields.text());
    numbers.extend(fields.octets(4));
    let length = fields.number();
    (numbers, source, to, validity, fields.octets(length.into()).to_vec())
}

#[tokio::test]
async fn a_message_is_submitted_with_its_validity_and_keeps_the_centres_id() {
    let (listener, address) = listen().await;
    let adapter = adapter(address, &json!({}));
    let message = test_servers::sms("Kod 0042");
    let centre = async {
        let mut centre = TestCentre::bound(&listener).await;
        let submit = centre.next().await.unwrap();
        centre.accepts(&submit, "00AB").await;
        (centre, submit)
    };

    let (result, (_centre, submit)) = tokio::join!(adapter.provider.send(&message), centre);

    assert_eq!(result.outcome, Outcome::accepted(Reference::new("ab")));
    assert_eq!((submit.command, submit.sequence), (command::SUBMIT_SM, 2));
    let (numbers, source, to, validity, text) = fields(&submit);
    assert_eq!(numbers, [5, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!((source.as_str(), to.as_str(), text.as_slice()), ("BANK", "48600100200", &b"Kod 0042"[..]));
    assert_eq!(validity, "000000000459000R");
}

#[test]
fn a_validity_is_a_period_in_the_form_of_the_standard() {
    for (seconds, text) in [
        (0, "000000000001000R"),
        (120, "000000000200000R"),
        (3 * 86_400 + 4 * 3600 + 5 * 60 + 6, "000003040506000R"),
        (90 * 86_400, "000030000000000R"),
    ] {
        assert_eq!(validity(Duration::from_secs(seconds)), text);
    }
}

#[test]
fn the_type_of_the_sender_follows_from_its_form_unless_it_is_set() {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    for (sender, more, source) in [
        ("Your Bank", json!({}), (5, 0, "Your Bank")),
        ("+48600100200", json!({}), (1, 1, "48600100200")),
        ("48600100200", json!({}), (1, 1, "48600100200")),
        ("80123", json!({}), (3, 0, "80123")),
        ("80123", json!({ "sender_ton": 0, "sender_npi": 1 }), (0, 1, "80123")),
    ] {
        let mut section = section(address, &more);
        section["sender"] = sender.into();
        section.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "name");
        assert_eq!(serde_json::from_value::<Settings>(section).unwrap().source(), source);
    }
}

#[tokio::test]
async fn answers_in_another_order_reach_their_messages() {
    let (listener, address) = listen().await;
    let adapter = adapter(address, &json!({}));
    let messages = ["one", "two"].map(test_servers::sms);
    let centre = async {
        let mut centre = TestCentre::bound(&listener).await;
        let submits = [centre.next().await.unwrap(), centre.next().await.unwrap()];
        for submit in submits.iter().rev() {
            let id = String::from_utf8(fields(submit).4).unwrap();
            centre.accepts(submit, &format!("id-{id}")).await;
        }
        centre
    };

    let [one, two] = messages.each_ref().map(|message| adapter.provider.send(message));
    let (one, two, _centre) = tokio::join!(one, two, centre);

    assert_eq!(one.outcome, Outcome::accepted(Reference::new("id-one")));
    assert_eq!(two.outcome, Outcome::accepted(Reference::new("id-two")));
}

#[tokio::test]
async fn no_more_messages_are_in_flight_than_the_window_holds() {
    let (listener, address) = listen().await;
    let adapter = adapter(address, &json!({ "window": 1, "timeout": "1s" }));
    let messages = ["one", "two"].map(test_servers::sms);
    let centre = async {
        let mut centre = TestCentre::bound(&listener).await;
        let first = centre.next().await.unwrap();
        // Silent for more than half of the time limit; the second message has to wait for longer than it may.
        while let Some(pdu) = centre.next().await {
            assert_ne!(pdu.command, command::SUBMIT_SM);
            if pdu.command == command::ENQUIRE_LINK {
                break;
            }
        }
        (centre, first)
    };

    let [one, two] = messages.each_ref().map(|message| adapter.provider.send(message));
    let (one, two, _centre) = tokio::join!(one, two, centre);

    assert_eq!(one.outcome, Outcome::unknown(Cause::TimedOut));
    assert_eq!(two.outcome, Outcome::deferred(Cause::LocalQueue));
}

#[tokio::test]
async fn a_message_on_a_connection_that_ends_may_have_arrived_and_the_bind_is_made_again() {
    let (listener, address) = listen().await;
    let adapter = adapter(address, &json!({}));
    let (lost, next) = (test_servers::sms("one"), test_servers::sms("two"));
    let centre = async {
        let mut centre = TestCentre::bound(&listener).await;
        centre.next().await.unwrap();
    };

    let (result, ()) = tokio::join!(adapter.provider.send(&lost), centre);
    assert_eq!(result.outcome, Outcome::unknown(Cause::Disconnected));
    assert!(detail(&result).ends_with("before the answer"), "{}", detail(&result));
    let meanwhile = adapter.provider.send(&next).await;
    assert_eq!(meanwhile.outcome, Outcome::deferred(Cause::Unreachable));

    let mut centre = TestCentre::bound(&listener).await;
    centre.is_up(&*feed(&adapter)).await;
    let answering = async {
        let submit = centre.next().await.unwrap();
        centre.accepts(&submit, "m-2").await;
    };
    let (result, ()) = tokio::join!(adapter.provider.send(&next), answering);
    assert_eq!(result.outcome, Outcome::accepted(Reference::new("m-2")));
}

fn deliver(text: &str) -> Pdu {
    let body = BodyWriter::default().text("").octets(&[1, 1]).text("48600100200").octets(&[5, 0]).text("BANK");
    let body = body.octets(&[4, 0, 0]).text("").text("").octets(&[0; 4]);
    let body = body.octets(&[u8::try_from(text.len()).unwrap()]).octets(text.as_bytes());
    Pdu::command(command::DELIVER_SM, 77, body.finish())
}

#[tokio::test]
async fn a_receipt_is_answered_when_it_was_taken_and_comes_again_when_it_was_not() {
    let (listener, address) = listen().await;
    let adapter = adapter(address, &json!({}));
    let feed = feed(&adapter);
    let now = Timestamp::from_micros(7);
    let centre = async {
        let mut centre = TestCentre::bound(&listener).await;
        centre.send(&deliver("id:1 stat:UNDELIV err:027")).await;
        centre
    };

    let (arrived, mut centre) = tokio::join!(feed.next(), centre);
    let (batch, taken) = arrived.at(now);
    assert_eq!((batch.receipts.len(), batch.receipts[0].at), (1, now));
    drop(taken);
    let answer = centre.next().await.unwrap();
    assert_eq!((answer.command, answer.status, answer.sequence), (0x8000_0005, status::TEMPORARY_ERROR, 77));
    centre.send(&deliver("id:1 stat:UNDELIV err:027")).await;
    feed.next().await.at(now).1.send(()).unwrap();
    assert_eq!(centre.next().await.unwrap().status, status::OK);

    // A message from a phone, a command that we do not know, and the question whether we are there.
    let mut message = deliver("STOP");
    message.body[22] = 0;
    centre.send(&message).await;
    centre.send(&Pdu::command(0x103, 78, Vec::new())).await;
    centre.send(&Pdu::command(command::ENQUIRE_LINK, 79, Vec::new())).await;
    let mut answers = Vec::new();
    while answers.len() < 3 {
        let answer = centre.next().await.unwrap();
        answers.push((answer.command, answer.status, answer.sequence));
    }
    assert_eq!(answers, [(0x8000_0005, 0, 77), (0x8000_0000, 3, 78), (0x8000_0015, 0, 79)]);
}

#[tokio::test]
async fn a_long_message_ends_with_the_part_that_is_refused_and_only_its_last_part_is_reported() {
    let (listener, address) = listen().await;
    let adapter = adapter(address, &json!({}));
    let message = test_servers::sms(&"a".repeat(400));
    let centre = async {
        let mut centre = TestCentre::bound(&listener).await;
        let mut wants_receipt = Vec::new();
        for id in ["m-1", "m-2", "m-3"] {
            let submit = centre.next().await.unwrap();
            wants_receipt.push(fields(&submit).0[7]);
            centre.accepts(&submit, id).await;
        }
        let again = centre.next().await.unwrap();
        centre.accepts(&again, "m-4").await;
        let refused = centre.next().await.unwrap();
        centre.send(&refused.answer(0x58)).await;
        (centre, wants_receipt)
    };

    let sends = async {
        let first = adapter.provider.send(&message).await;
        (first, adapter.provider.send(&message).await)
    };
    let ((first, second), (_centre, wants_receipt)) = tokio::join!(sends, centre);

    assert_eq!(first.outcome, Outcome::accepted(Reference::new("m-3")));
    assert_eq!(wants_receipt, [0, 0, 1]);
    assert_eq!(second.outcome, Outcome::deferred(Cause::Throttled));
}

#[test]
fn mistakes_in_settings_are_named_by_their_key() {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    for (more, expected) in [
        (json!({ "window": 0 }), "window: must be 1 to 1024"),
        (json!({ "binds": 17 }), "binds: must be 1 to 16"),
        (json!({ "enquire_link": "0s" }), "enquire_link: must be 1s to 10m"),
        (json!({ "deduplicates": true }), "deduplicates: must be false, because kind smpp sends a second message"),
        (json!({ "sender": "A name too long" }), "sender: expected a name of up to 11 ASCII characters, or a number"),
        (json!({ "sender": "Żółw" }), "sender: expected a name of up to 11 ASCII characters, or a number"),
        (json!({ "service_type": "TOOLONG" }), "service_type: expected up to 5 ASCII characters"),
        (json!({ "system_id": "" }), "system_id: expected the name of the account"),
        (json!({ "password": "zażółć" }), "password: expected printable ASCII characters"),
    ] {
        let settings: crate::channel::Settings = serde_json::from_value(section(address, &more)).unwrap();
        assert!(!format!("{settings:?}").contains("hush"));
        assert_eq!(settings.connect().err().unwrap().to_string(), format!("provider smsc: {expected}"));
    }
}
