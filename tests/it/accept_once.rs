//! One notification for each key, however often it is posted.

use std::time::Duration;

use otpost::flow::tasks::cleanup;

use crate::support::{Gateway, locked, otp, recipient};

const TTL: Duration = Duration::from_mins(5);

#[tokio::test]
async fn sixty_four_equal_requests_at_once_are_one_notification_and_sixty_four_successes() {
    let gateway = sms_gateway().await;
    let twin = otp().key("twin");
    let mut lines = Vec::new();
    for _ in 0..64 {
        lines.push(gateway.line().await);
    }

    for line in &mut lines {
        line.send(&twin.request()).await;
    }
    let mut statuses = Vec::new();
    for line in &mut lines {
        statuses.push(line.answer().await.unwrap().status);
    }
    gateway.drain().await;

    assert_eq!(statuses, [204; 64]);
    assert_eq!(gateway.deliveries().await.len(), 1);
    assert_eq!(gateway.sms("primary").received().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_keys_each_sent_by_sixty_four_at_once_are_two_hundred_notifications() {
    let gateway = Gateway::start().await;
    let mut lines = Vec::new();
    for _ in 0..64 {
        lines.push(gateway.line().await);
    }

    for number in 0..200 {
        let twin = otp().key(&format!("key-{number}")).request();
        for line in &mut lines {
            line.send(&twin).await;
        }
        for line in &mut lines {
            line.answer().await.unwrap().expect_status_of(&format!("key-{number}"), 204);
        }
    }

    assert_eq!(gateway.deliveries().await.len(), 200);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_rejected_and_the_first_is_unchanged() {
    let gateway = sms_gateway().await;
    gateway.post(&otp().key("once").code("11111111")).await.expect_status(204);

    for (field, value) in [
        ("otp", "22222222"),
        ("amount", "2000"),
        ("currency", "EUR"),
        ("merchantName", "other"),
        ("storageCustomerId", "7"),
    ] {
        let answer = gateway.post(&otp().key("once").code("11111111").with(field, value)).await;
        assert_eq!(answer.status, 422, "{field}: {}", answer.body);
    }
    gateway.drain().await;

    assert_eq!(gateway.deliveries().await.len(), 1);
    let [message] = &gateway.sms("primary").received()[..] else { unreachable!("one message") };
    assert!(message.text.contains("11111111"), "{}", message.text);
}

#[tokio::test]
async fn a_key_is_scoped_to_its_endpoint_and_client() {
    let gateway = Gateway::start().await;
    let now = gateway.now();

    gateway.post(&otp().key("shared")).await.expect_status(204);
    gateway.post(&locked(now).key("shared")).await.expect_status(204);
    gateway.post_as(&gateway.files.second, &otp().key("shared").code("22222222")).await.expect_status(204);

    let clients: Vec<_> = gateway.deliveries().await.into_iter().map(|line| (line.client, line.kind)).collect();
    let pair = |client: &str, kind: &str| (client.to_owned(), kind.to_owned());
    assert_eq!(clients, [pair("processor", "otp"), pair("processor", "card_locked"), pair("second", "otp")]);
}

#[tokio::test]
async fn a_body_that_differs_only_in_spacing_and_order_is_the_same() {
    let gateway = Gateway::start().await;
    let first = otp().key("written twice");
    let spaced = r#" { "otp" : "48151623", "merchantName":"merchant test",
        "currency":"PLN", "amount": 1000, "balanceId":"B334B384-328C-11ED-A261-0242AC120002",
        "storageCardId": 1337, "unknown": null, "storageCustomerId":"1337" } "#;

    gateway.post(&first).await.expect_status(204);
    gateway.post(&first.clone().body(spaced)).await.expect_status(204);

    assert_eq!(gateway.deliveries().await.len(), 1);
}

#[tokio::test]
async fn the_same_code_without_a_key_is_two_messages_because_a_resend_may_be_wanted() {
    let gateway = sms_gateway().await;

    gateway.post(&otp()).await.expect_status(204);
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(gateway.sms("primary").received().len(), 2);
}

#[tokio::test]
async fn a_key_is_remembered_for_72_hours_and_then_free() {
    let gateway = Gateway::start().await;
    gateway.post(&otp().key("old")).await.expect_status(204);

    gateway.clock.move_on(Duration::from_hours(71));
    cleanup::sweep_once(gateway.store(), gateway.clock.as_ref(), TTL).await.unwrap();
    gateway.post(&otp().key("old")).await.expect_status(204);
    assert_eq!(gateway.deliveries().await.len(), 1);

    gateway.clock.move_on(Duration::from_hours(1) + Duration::from_secs(1));
    gateway.post(&otp().key("old").with("amount", "7")).await.expect_status(204);
    assert_eq!(gateway.deliveries().await.len(), 2);
}

#[tokio::test]
async fn a_key_removed_by_cleanup_is_free() {
    let gateway = Gateway::start().await;
    gateway.post(&otp().key("old")).await.expect_status(204);

    gateway.clock.move_on(Duration::from_hours(72));
    cleanup::sweep_once(gateway.store(), gateway.clock.as_ref(), TTL).await.unwrap();
    gateway.post(&otp().key("old").with("amount", "7")).await.expect_status(204);

    assert_eq!(gateway.deliveries().await.len(), 2);
}

#[tokio::test]
async fn a_lock_without_a_key_is_sent_once_in_24_hours_and_again_after_that() {
    let gateway = sms_gateway().await;
    // Dated slightly in the future, so that it is not stale after a day.
    let lock = locked(gateway.now().after(Duration::from_mins(4)));

    gateway.post(&lock).await.expect_status(204);
    gateway.clock.move_on(Duration::from_hours(23));
    gateway.post(&lock).await.expect_status(204);
    gateway.drain().await;
    assert_eq!(gateway.sms("primary").received().len(), 1);

    gateway.clock.move_on(Duration::from_hours(1) + Duration::from_secs(1));
    gateway.post(&lock).await.expect_status(204);
    gateway.drain().await;
    assert_eq!(gateway.sms("primary").received().len(), 2);
}

#[tokio::test]
async fn locks_without_a_key_that_differ_in_any_field_are_sent_each() {
    let gateway = sms_gateway().await;
    let now = gateway.now();

    gateway.post(&locked(now)).await.expect_status(204);
    gateway.post(&locked(now).with("reason", "CARD_LOST")).await.expect_status(204);
    gateway.post(&locked(now.before(Duration::from_secs(1)))).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(gateway.sms("primary").received().len(), 3);
}

#[tokio::test]
async fn a_key_survives_a_restart() {
    let gateway = sms_gateway().await;
    gateway.post(&otp().key("kept")).await.expect_status(204);
    gateway.drain().await;

    let gateway = gateway.restart().await;
    gateway.post(&otp().key("kept")).await.expect_status(204);
    gateway.post(&otp().key("kept").code("22222222")).await.expect_status(422);
    gateway.drain().await;

    assert_eq!(gateway.deliveries().await.len(), 1);
    assert_eq!(gateway.sms("primary").received().len(), 1);
}

#[tokio::test]
async fn a_key_whose_first_use_was_rejected_is_free() {
    let gateway = Gateway::start().await;

    gateway.post(&otp().key("spoilt").code("")).await.expect_status(422);
    gateway.post(&otp().key("spoilt")).await.expect_status(204);

    assert_eq!(gateway.deliveries().await.len(), 1);
}

async fn sms_gateway() -> Gateway {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("holder").customer("1337").card("11").phone("+48600100200")]).await;
    gateway
}
