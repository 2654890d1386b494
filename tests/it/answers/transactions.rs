//! Card payments: every field that can refuse one, and who hears of it.

use serde_json::json;

use super::{Refused, Warned, check};
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

#[tokio::test]
async fn an_object_that_is_not_needed_may_be_null_or_anything_else() {
    let gateway = Gateway::start().await;

    for (id, odd) in [(1, json!(null)), (2, json!("CHIP")), (3, json!(7)), (4, json!([{"mcc": "5411"}]))] {
        let notice = transaction(gateway.now()).with_inner("transaction.id", id);
        let notice = notice.with_inner("transaction.transactionData", odd);
        check(&gateway, "transactionData", &notice, Warned("lastFourDigits")).await;
    }

    let nothing = transaction(gateway.now()).with("transaction", json!(null));
    check(&gateway, "transaction", &nothing, Refused("transaction.")).await;
}
