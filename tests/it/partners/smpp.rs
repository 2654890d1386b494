//! The SMPP adapter and short message centres that are not ours: what they read, answer and report.

use std::sync::Arc;
use std::time::Duration;

use otpost::channel::{self, Provider, SendResult};
use otpost::domain::clock::{Clock, SystemClock};
use otpost::domain::contact::{Channel, Contact};
use otpost::domain::delivery::DeliveryId;
use otpost::domain::notification::Priority;
use otpost::domain::outbound_message::{OutboundMessage, RenderedMessage};
use otpost::domain::outcome::{Cause, Outcome, Reference};
use otpost::domain::receipt::ReceiptStatus;
use otpost::domain::secret::RenderedText;
use otpost::pki::Authority;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::message_centre::MessageCentre;
use crate::support::{Gateway, Setup, otp, recipient};

/// A gateway that sends through the centre first, and is bound.
async fn gateway(centre: &mut MessageCentre, more: &str) -> Gateway {
    let gateway = Setup::new().first(&centre.section(more)).start().await;
    gateway.knows([recipient("phone").customer("1337").phone("+48600100200")]).await;
    // Before the first message: receipts may be waiting there.
    centre.event("bound").await;
    gateway
}

async fn posted(gateway: &Gateway) {
    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;
}

/// The adapter alone.
fn provider(centre: &MessageCentre, more: &Value) -> Arc<dyn Provider> {
    let mut settings = centre.settings();
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value::<channel::Settings>(settings).unwrap().connect().unwrap().provider
}

fn message(text: &str) -> OutboundMessage {
    OutboundMessage {
        delivery: DeliveryId(Uuid::now_v7()),
        priority: Priority::Otp,
        to: Contact::parse(Channel::Sms, "+48600100200").unwrap(),
        rendered: RenderedMessage::Sms { text: RenderedText::new(text.to_owned()) },
        code: None,
        valid_for: Duration::from_mins(5),
    }
}

async fn send(provider: &Arc<dyn Provider>, text: &str) -> SendResult {
    provider.send(&message(text)).await
}

fn accepted(id: &Value) -> Outcome {
    Outcome::accepted(Reference::new(id.as_str().unwrap()))
}

#[tokio::test]
async fn a_code_arrives_with_its_letters_and_its_validity_and_the_receipt_confirms_it() {
    let mut centre = MessageCentre::start(json!({})).await;
    let gateway = gateway(&mut centre, "transliterate = false").await;

    posted(&gateway).await;

    let mut parts = vec![centre.event("submitted").await];
    while parts.last().unwrap()["registered_delivery"] != 1 {
        parts.push(centre.event("submitted").await);
    }
    for part in &parts {
        assert_eq!((&part["source_addr"], &part["source_addr_ton"]), (&json!("BANK"), &json!(5)));
        assert_eq!((&part["destination_addr"], &part["dest_addr_ton"]), (&json!("48600100200"), &json!(1)));
        assert_eq!(part["data_coding"], 8);
        // The partner makes a time of the period.
        let until: jiff::Timestamp = part["validity_period"].as_str().unwrap().parse().unwrap();
        let left = until.as_microsecond() - SystemClock.now().micros();
        assert!((1..=300_000_000).contains(&left), "{left}");
    }
    let text: String = parts.iter().map(|part| part["text"].as_str().unwrap()).collect();
    assert!(text.contains("48151623") && text.contains("płatności"), "{text}");
    let (delivery, id) = (gateway.last().await, &parts.last().unwrap()["id"]);
    assert_eq!((delivery.line.state.as_str(), &delivery.attempts[0].outcome), ("sent", &accepted(id)));
    assert_eq!(delivery.attempts[0].segments.map(|count| count as usize), Some(parts.len()));

    let id = id.as_str().unwrap();
    let text =
        format!("id:{id} sub:001 dlvrd:001 submit date:2611281200 done date:2611281201 stat:DELIVRD err:000 text:Kod");
    assert_eq!(centre.receipt(json!({ "short_message": text })).await, 0);

    // The answer to the receipt proves that it was applied.
    assert_eq!(gateway.last().await.line.state, "confirmed");
    drop(gateway.restart().await);
    centre.all_of(&["unbound"]).await;
}

#[tokio::test]
async fn a_code_that_was_not_delivered_is_sent_by_the_next_provider() {
    let mut centre = MessageCentre::start(json!({})).await;
    let gateway = gateway(&mut centre, "").await;
    posted(&gateway).await;
    let id = centre.event("submitted").await["id"].take();

    let receipt = json!({ "receipted_message_id": id, "message_state": 5, "short_message": "" });
    assert_eq!(centre.receipt(receipt).await, 0);
    gateway.drain().await;

    let delivery = gateway.last().await;
    assert_eq!(delivery.attempts[0].failure, Some(ReceiptStatus::Undelivered));
    assert_eq!((delivery.attempts.len(), gateway.sms("primary").received().len()), (2, 1));
}

#[tokio::test]
async fn a_second_implementation_takes_a_code_and_its_padded_decimal_id_is_found() {
    let mut centre = MessageCentre::second().await;
    let gateway = gateway(&mut centre, "receipt_id = \"decimal\"").await;

    posted(&gateway).await;

    let submitted = centre.event("submitted").await;
    assert_eq!((&submitted["to"], &submitted["data_coding"]), (&json!("48600100200"), &json!(0)));
    assert!(submitted["text"].as_str().unwrap().contains(&hex::encode("48151623")));
    centre.command(&json!({})).await;
    assert_eq!(centre.event("answered").await, 0);
    assert_eq!(gateway.last().await.line.state, "confirmed");
}

#[tokio::test]
async fn a_throttled_code_and_one_of_a_refused_bind_are_sent_by_the_next_provider() {
    let mut centre = MessageCentre::start(json!({})).await;
    let throttled = gateway(&mut centre, "").await;
    centre.command(&json!({ "answer": "ESME_RTHROTTLED" })).await;
    posted(&throttled).await;
    let attempts = throttled.last().await.attempts;
    assert_eq!(attempts[0].outcome, Outcome::deferred(Cause::Throttled));
    assert_eq!(throttled.sms("primary").received().len(), 1);

    let mut centre = MessageCentre::start(json!({ "password": "another" })).await;
    let refused = gateway(&mut centre, "").await;
    posted(&refused).await;
    let attempts = refused.last().await.attempts;
    assert_eq!(attempts[0].outcome, Outcome::deferred(Cause::Unauthorized));
    let detail = attempts[0].detail.as_ref().unwrap().as_str();
    assert_eq!(detail, "SMPP 0x0000000e ESME_RINVPASWD after bind_transceiver");
    assert_eq!(refused.sms("primary").received().len(), 1);
}

#[tokio::test]
async fn a_changed_provider_is_bound_anew_and_the_old_bind_ends() {
    let mut centre = MessageCentre::start(json!({})).await;
    let gateway = gateway(&mut centre, "window = 2").await;

    gateway.files.reconfigure(|text| text.replace("window = 2", "window = 3"));
    gateway.reload().await.unwrap();

    centre.all_of(&["bound", "unbound"]).await;
}

#[tokio::test]
async fn a_long_text_is_put_together_again_however_its_parts_are_joined() {
    let long = format!("{} €", "Zapłać 0042 ".repeat(12));
    let short = "a{b}".repeat(50);
    for (joined, text) in [("udh", &long), ("sar", &long), ("payload", &long), ("udh", &short), ("sar", &short)] {
        let mut centre = MessageCentre::start(json!({})).await;
        let provider = provider(&centre, &json!({ "long": joined }));

        let (result, parts) = tokio::join!(send(&provider, text), async {
            let mut parts = vec![centre.event("submitted").await];
            while joined != "payload" && parts.len() < if *text == long { 3 } else { 2 } {
                parts.push(centre.event("submitted").await);
            }
            parts
        });

        assert_eq!(result.outcome, accepted(&parts.last().unwrap()["id"]));
        let key = if joined == "payload" { "payload" } else { "text" };
        let read: String = parts.iter().map(|part| part[key].as_str().unwrap()).collect();
        assert_eq!(read, *text, "{joined}");
        let count = parts.len();
        for (place, part) in (1..).zip(&parts) {
            match joined {
                "udh" => assert_eq!(part["udh"][0], json!([0, 3, 0, count, place]), "{part}"),
                "sar" => assert_eq!(
                    [&part["sar_total_segments"], &part["sar_segment_seqnum"]],
                    [&json!(count), &json!(place)],
                    "{part}"
                ),
                _ => assert_eq!(count, 1),
            }
        }
    }
}

#[tokio::test]
async fn answers_in_another_order_reach_their_messages() {
    let mut centre = MessageCentre::start(json!({})).await;
    let provider = provider(&centre, &json!({}));
    centre.command(&json!({ "answer": "hold" })).await;
    let texts = ["one", "two", "three"];

    let (one, two, three, ids) =
        tokio::join!(send(&provider, texts[0]), send(&provider, texts[1]), send(&provider, texts[2]), async {
            let mut ids = json!({});
            for _ in texts {
                let submitted = centre.event("submitted").await;
                ids[submitted["text"].as_str().unwrap()] = submitted["id"].clone();
            }
            centre.command(&json!({ "release": true })).await;
            ids
        });

    let found = [one, two, three].map(|result| result.outcome);
    assert_eq!(found, texts.map(|text| accepted(&ids[text])));
}

#[tokio::test]
async fn messages_of_a_connection_that_is_closed_may_have_arrived_and_the_next_are_sent_again() {
    let mut centre = MessageCentre::start(json!({})).await;
    let provider = provider(&centre, &json!({}));
    centre.command(&json!({ "answer": "hold" })).await;

    let (one, two, ()) = tokio::join!(send(&provider, "one"), send(&provider, "two"), async {
        for _ in 0..2 {
            centre.event("submitted").await;
        }
        centre.command(&json!({ "drop": true, "answer": "accept" })).await;
    });

    for result in [one, two] {
        assert_eq!(result.outcome, Outcome::unknown(Cause::Disconnected));
    }
    centre.event("bound").await;
    eventually_accepted(&provider).await;
}

/// The bind is up a moment after the centre has accepted it. Until then nothing is written.
async fn eventually_accepted(provider: &Arc<dyn Provider>) {
    loop {
        let result = send(provider, "next").await;
        if result.outcome.is_accepted() {
            return;
        }
        assert_eq!(result.outcome, Outcome::deferred(Cause::Unreachable));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_centre_that_never_answers_is_noticed_and_bound_anew() {
    let mut centre = MessageCentre::start(json!({})).await;
    let provider = provider(&centre, &json!({ "enquire_link": "1s", "timeout": "1s" }));
    centre.command(&json!({ "answer": "silent" })).await;

    let (result, _) = tokio::join!(send(&provider, "one"), centre.event("submitted"));

    assert_eq!(result.outcome, Outcome::unknown(Cause::TimedOut));
    centre.command(&json!({ "answer": "accept" })).await;
    centre.event("bound").await;
    eventually_accepted(&provider).await;
}

#[tokio::test]
async fn over_tls_a_code_is_sent_to_the_centre_that_the_certificate_names() {
    let authority = Authority::create("Practice CA", 2, SystemClock.now()).unwrap();
    let server = authority.issue_server(&["localhost".to_owned()], 1, SystemClock.now()).unwrap();
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&ca, authority.certificate().to_pem().unwrap()).unwrap();
    let key = String::from_utf8(server.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let certificate = String::from_utf8(server.certificate.to_pem().unwrap()).unwrap();
    let mut centre = MessageCentre::start(json!({ "key": key, "cert": certificate })).await;
    let provider = provider(&centre, &json!({ "tls": true, "host": "localhost", "ca": ca.path() }));

    let (result, submitted) = tokio::join!(send(&provider, "Kod 0042"), centre.event("submitted"));

    assert_eq!((result.outcome, &submitted["text"]), (accepted(&submitted["id"]), &json!("Kod 0042")));
}
