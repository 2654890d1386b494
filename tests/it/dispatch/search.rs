//! What a delivery is found by once a message was sent, and a delivery that is sent again.

use otpost::domain::contact::{Channel, Contact};
use otpost::domain::delivery::DeliveryId;
use otpost::store::reports::DeliveryFilter;
use otpost::store::search::EVENTS_PER_STEP;

use crate::support::{Gateway, locked, otp, recipient};

#[tokio::test]
async fn an_attempt_records_the_country_of_a_phone_and_the_hash_that_it_is_found_by() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("holder").customer("1337").phone("+48600100200")]).await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;

    let sent = gateway.last().await;
    let phone = Contact::parse(Channel::Sms, "+48600100200").unwrap();
    let contact = gateway.store().contact_hash(&phone).ok();
    assert_eq!((sent.attempts[0].country, sent.attempts[0].contact_hash), ("PL".parse().ok(), contact));
    while gateway.store().search_index().extend_index(EVENTS_PER_STEP).await.unwrap() > 0 {}
    let filter = DeliveryFilter { contact, country: "PL".parse().ok(), ..DeliveryFilter::newest(10) };
    let found = gateway.store().reports().deliveries(&filter).await.unwrap();
    assert_eq!(found.lines.iter().map(|line| line.id).collect::<Vec<_>>(), [sent.line.id]);
}

#[tokio::test]
async fn a_lock_whose_recipient_was_imported_too_late_is_sent_again() {
    let gateway = Gateway::start().await;
    gateway.post(&locked(gateway.now())).await.expect_status(204);
    gateway.drain().await;
    let failed = gateway.last().await.line;
    assert_eq!(failed.end_reason.as_deref(), Some("unknown_recipient"));

    gateway.knows([recipient("holder").card("11").phone("+48600100200")]).await;
    let again = gateway
        .store()
        .resend(DeliveryId(failed.id), "imported since", &otpost::store::operator())
        .await
        .unwrap()
        .unwrap();
    gateway.drain().await;

    let sent = gateway.last().await;
    assert_eq!((sent.line.id, sent.line.state.as_str()), (again.0, "sent"));
    assert_eq!((sent.others, gateway.received()), (vec![failed.id], 1));
}
