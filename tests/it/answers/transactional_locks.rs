//! Payments that are held back: every field, and who hears of it.

use crate::support::{Gateway, person, transactional_lock};

#[tokio::test]
async fn everybody_of_a_company_is_told_once() {
    let gateway = Gateway::start().await;
    let company = "a3f33118-946d-4b9c-b27f-e009d28355fa";
    let people = ["+48600100200", "+48600100300", "+48600100400"];
    gateway.knows(people.map(|phone| person(phone).corporation(company).phone(phone))).await;

    gateway.post(&transactional_lock("Added", gateway.now())).await.expect_status(204);
    gateway.post(&transactional_lock("Removed", gateway.now())).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(gateway.sms("primary").received().len(), 6);
}
