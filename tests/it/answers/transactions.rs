//! Card payments: every field that can refuse one, and who hears of it.

use crate::support::{Gateway, person, transaction};

#[tokio::test]
async fn the_holder_of_the_card_is_told() {
    let gateway = Gateway::start().await;
    gateway.knows([person("holder").storage_card("1337").app("token-1")]).await;

    gateway.post(&transaction(gateway.now())).await.expect_status(204);
    gateway.post(&transaction(gateway.now())).await.expect_status(204);
    gateway.post(&transaction(gateway.now()).with_inner("transaction.status", "CLEARED")).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(gateway.push().received().len(), 2);
}
