//! How the recipients of a notification are resolved.

use std::time::Duration;

use otpost::domain::recipient::{Identifier, IdentifierKind, RecipientStatus};

use crate::support::sample_notification::SampleNotification;
use crate::support::{Gateway, Setup, locked, otp, recipient, transaction, transactional_lock, unlocked, verification};

const COMPANY: &str = "a3f33118-946d-4b9c-b27f-e009d28355fa";

#[tokio::test]
async fn imported_recipients_take_precedence_over_the_email_of_an_identity_check() {
    let gateway = Gateway::start().await;
    gateway
        .knows([
            recipient("app").user("1").app("token"),
            recipient("own mailbox").user("2").mailbox("own@example.org"),
            recipient("phone only").user("3").reads("en").phone("+48600100200"),
            recipient("nothing").user("4"),
        ])
        .await;

    for user in ["1", "2", "3", "4", "5"] {
        let mailbox = format!("sent-{user}@example.org");
        let notice = verification("Rejected").with("userId", user).with("email", mailbox);
        gateway.post(&notice).await.expect_status(204);
        gateway.drain().await;
    }

    assert_eq!(gateway.push().received().len(), 1);
    let mails = gateway.email().received();
    let received: Vec<_> = mails.iter().map(|mail| (mail.to.as_str(), mail.text.contains("Dzień dobry"))).collect();
    // A recipient that was not imported gets the default locale.
    let expected = [("own", true), ("sent-3", false), ("sent-4", true), ("sent-5", true)];
    assert_eq!(
        received,
        expected.map(|(to, polish)| (format!("{to}@example.org"), polish)).each_ref().map(|(a, b)| (a.as_str(), *b))
    );
    assert!(gateway.sms("primary").received().is_empty());
}

#[tokio::test]
async fn a_suppressed_recipient_is_not_notified_at_the_email_of_the_notification() {
    let gateway = Gateway::start().await;
    gateway
        .knows([
            recipient("opted out").user("1").status(RecipientStatus::OptedOut),
            recipient("dead").user("2").mailbox("own@example.org").status(RecipientStatus::Deceased),
        ])
        .await;

    for user in ["1", "2"] {
        gateway.post(&verification("Accepted").with("userId", user)).await.expect_status(204);
        gateway.drain().await;
        assert_eq!(gateway.last().await.line.end_reason.as_deref(), Some("suppressed"), "{user}");
    }

    assert_eq!(gateway.received(), 0);
}

#[tokio::test]
async fn a_recipient_erased_meanwhile_is_not_notified_at_the_email_of_the_notification() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("holder").user("1337").app("token")]).await;
    gateway.push().answers(503);
    gateway.email().answers(503);
    gateway.post(&verification("Accepted")).await.expect_status(204);
    gateway.settle().await;

    let directory = gateway.store().recipients();
    let user = Identifier { kind: IdentifierKind::User, value: "1337".to_owned() };
    let id = directory.find(&user).await.unwrap()[0].id;
    assert!(directory.erase(id, gateway.now()).await.unwrap());
    gateway.push().recovers();
    gateway.email().recovers();
    gateway.drain().await;

    assert_eq!(gateway.received(), 0);
    assert_eq!(gateway.last().await.line.end_reason.as_deref(), Some("unknown_recipient"));
}

#[tokio::test]
async fn every_contact_of_a_corporation_is_notified_once_and_unreachable_ones_end_alone() {
    let gateway = Gateway::start().await;
    let phones = ["+48600100200", "+48600100300", "+48600100400"];
    gateway.knows(phones.map(|phone| recipient(phone).corporation(COMPANY).phone(phone))).await;
    gateway
        .knows([
            recipient("without an address").corporation(COMPANY),
            recipient("opted out").corporation(COMPANY).phone("+48600100500").status(RecipientStatus::OptedOut),
            recipient("of another company").corporation("7").phone("+48600100600"),
            recipient("with the number of a user").user(COMPANY).phone("+48600100700"),
        ])
        .await;

    for change in ["Added", "Removed"] {
        gateway.post(&transactional_lock(change, gateway.now())).await.expect_status(204);
    }
    gateway.drain().await;

    let received = gateway.sms("primary").received();
    for phone in phones {
        let received: Vec<_> =
            received.iter().filter(|sms| sms.to == phone).map(|sms| sms.text.contains("zdjeto")).collect();
        assert_eq!(received, [false, true], "{phone}");
    }
    assert_eq!(gateway.received(), 6);
    let mut ends: Vec<_> = gateway.deliveries().await.into_iter().map(|line| line.end_reason).collect();
    ends.retain(Option::is_some);
    ends.sort();
    let ends: Vec<_> = ends.iter().flatten().map(String::as_str).collect();
    assert_eq!(ends, ["no_contact", "no_contact", "suppressed", "suppressed"]);
}

#[tokio::test]
async fn users_and_corporations_are_identified_by_uuid_or_number() {
    let gateway = Gateway::start().await;
    gateway
        .knows([
            recipient("user by UUID").user(COMPANY).phone("+48600100200"),
            recipient("user by number").user("1337").phone("+48600100300"),
            recipient("company by number").corporation("1337").phone("+48600100400"),
        ])
        .await;
    let now = gateway.now();

    for (holder, id) in
        [("user", COMPANY.to_uppercase()), ("user", "1337".to_owned()), ("corporation", "1337".to_owned())]
    {
        let notice = transactional_lock("Added", now).with("resourceType", holder).with("resourceId", id);
        gateway.post(&notice).await.expect_status(204);
        gateway.drain().await;
    }

    let received: Vec<_> = gateway.sms("primary").received().iter().map(|sms| sms.to.clone()).collect();
    assert_eq!(received, ["+48600100200", "+48600100300", "+48600100400"]);
    assert!(gateway.sms("primary").received()[2].text.contains("firmy"));
}

#[tokio::test]
async fn a_user_is_looked_up_as_a_customer_where_both_use_the_same_ids() {
    let gateway = Setup::new().more("[recipients]\nuser = [\"user\", \"storage_customer\"]").start().await;
    gateway.knows([recipient("customer").customer("1337").app("token")]).await;

    gateway.post(&verification("Accepted").without("email")).await.expect_status(204);
    let notice = transactional_lock("Added", gateway.now()).with("resourceType", "user").with("resourceId", "1337");
    gateway.post(&notice).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(gateway.push().received().len(), 2);
}

#[tokio::test]
async fn a_payment_notifies_the_card_holder_or_else_the_owner_of_the_balance() {
    let gateway = Gateway::start().await;
    gateway
        .knows([
            recipient("holder").storage_card("1").app("holder"),
            recipient("same number elsewhere").card("1").user("1").customer("1").app("stranger"),
            recipient("owner").balance("b334b384-328c-11ed-a261-0242ac120002").app("owner"),
        ])
        .await;

    for card in ["1", "2"] {
        let notice = transaction(gateway.now()).with_inner("transaction.cardId", card);
        gateway.post(&notice).await.expect_status(204);
        gateway.drain().await;
    }

    let received: Vec<_> = gateway.push().received().iter().map(|push| push.to.clone()).collect();
    assert_eq!(received, ["holder", "owner"]);
}

#[tokio::test]
async fn a_payment_notifies_the_holder_of_the_dc_card_where_that_is_configured() {
    let gateway = Setup::new().more("[recipients]\ntransaction = [\"dc_card\"]").start().await;
    gateway
        .knows([recipient("storage").storage_card("1337").app("storage"), recipient("dc").card("1337").app("dc")])
        .await;

    gateway.post(&transaction(gateway.now())).await.expect_status(204);
    gateway.drain().await;

    let received: Vec<_> = gateway.push().received().iter().map(|push| push.to.clone()).collect();
    assert_eq!(received, ["dc"]);
}

#[tokio::test]
async fn deliveries_with_the_same_ordering_key_are_sent_in_the_order_of_acceptance() {
    let gateway = Gateway::start().await;
    gateway
        .knows([
            recipient("user").user("1337").app("user"),
            recipient("company").corporation(COMPANY).app("company"),
            recipient("holder").storage_card("1337").app("holder"),
            recipient("bystander").user("7").app("bystander"),
        ])
        .await;
    let now = gateway.now();
    let at = |seconds| now.after(Duration::from_secs(seconds));
    let stage = |stage: &str| transaction(now).with_inner("transaction.status", stage);
    let lanes = [
        (
            "user",
            [
                verification("InProgress"),
                verification("Rejected"),
                verification("InProgress"),
                verification("Accepted"),
            ],
        ),
        (
            "company",
            [
                transactional_lock("Removed", now),
                transactional_lock("Added", at(1)),
                transactional_lock("Removed", at(2)),
                transactional_lock("Added", at(3)),
            ],
        ),
        (
            "holder",
            [stage("CLEARED"), stage("AUTHORIZED"), stage("REVERSED"), stage("CLEARED").with("status", "DECLINED")],
        ),
    ];

    for (token, [first, rest @ ..]) in lanes {
        let before = gateway.push().received().len();
        gateway.push().answers(503);
        gateway.email().answers(503);
        let without_mailbox = |notice: SampleNotification| {
            if notice.path.contains("verification") { notice.without("email") } else { notice }
        };
        gateway.post(&without_mailbox(first)).await.expect_status(204);
        gateway.settle().await;
        gateway.push().recovers();
        gateway.email().recovers();
        for notice in rest {
            gateway.post(&without_mailbox(notice)).await.expect_status(204);
        }
        gateway.post(&verification("Accepted").with("userId", "7").without("email")).await.expect_status(204);
        gateway.settle().await;
        let at_once: Vec<_> = gateway.push().received().split_off(before).iter().map(|push| push.to.clone()).collect();
        assert_eq!(at_once, ["bystander"], "one else's news wait for nobody");

        gateway.drain().await;
        let received = gateway.push().received().split_off(before);
        let titles: Vec<_> =
            received.iter().filter(|push| push.to == token).map(|push| push.title.clone().unwrap()).collect();
        let expected = match token {
            "user" => [
                "Sprawdzamy Twoje dane",
                "Nie udało się potwierdzić tożsamości",
                "Sprawdzamy Twoje dane",
                "Tożsamość potwierdzona",
            ],
            "company" => [
                "Zdjęto blokadę płatności",
                "Płatności zablokowane",
                "Zdjęto blokadę płatności",
                "Płatności zablokowane",
            ],
            _ => ["Zaksięgowano płatność", "Zatwierdzono płatność", "Cofnięto płatność", "Odrzucono płatność"],
        };
        assert_eq!(titles, expected);
    }
}

#[tokio::test]
async fn locks_older_than_the_configured_age_are_stored_and_not_sent() {
    let gateway = Setup::new().more("[delivery]\nmax_age = \"1h\"").start().await;
    gateway.knows([recipient("holder").card("11").corporation(COMPANY).phone("+48600100200")]).await;
    let (old, young) = (gateway.now().before(Duration::from_hours(2)), gateway.now().before(Duration::from_mins(30)));

    for (at, state) in [(old, "not_sent"), (young, "sent")] {
        for notice in [locked(at), unlocked(at), transactional_lock("Added", at), transactional_lock("Removed", at)] {
            gateway.post(&notice).await.expect_status(204);
            gateway.drain().await;
            assert_eq!(gateway.last().await.line.state, state, "{}", notice.path);
        }
    }

    assert_eq!(gateway.received(), 4);
}

#[tokio::test]
async fn a_code_goes_to_the_one_recipient_that_all_of_its_identifiers_name() {
    let gateway = Gateway::start().await;
    gateway
        .knows([
            recipient("one").customer("8").storage_card("1").phone("+48600100201"),
            recipient("two").customer("8").storage_card("2").phone("+48600100202"),
            recipient("three").customer("9").storage_card("3").storage_card("4").phone("+48600100203"),
            recipient("four").customer("9").storage_card("4").phone("+48600100204"),
            recipient("five").customer("9").phone("+48600100205"),
        ])
        .await;

    let expected = [
        (("8", "1"), Some("+48600100201")),
        (("8", "2"), Some("+48600100202")),
        // The card names none of those that the customer number names.
        (("8", "3"), None),
        (("8", "404"), None),
        (("9", "3"), Some("+48600100203")),
        // The card leaves two of three.
        (("9", "4"), None),
        (("404", "1"), Some("+48600100201")),
        (("404", "4"), None),
    ];
    for ((customer, card), reached) in expected {
        let before = gateway.received();
        gateway.post(&otp().customer(customer).with("storageCardId", card)).await.expect_status(204);
        gateway.drain().await;

        let received: Vec<_> =
            gateway.sms("primary").received().split_off(before).into_iter().map(|sms| sms.to.clone()).collect();
        assert_eq!(received, reached.into_iter().collect::<Vec<_>>(), "{customer} {card}");
        let line = gateway.last().await.line;
        let reason = if reached.is_some() { None } else { Some("ambiguous_recipient") };
        assert_eq!(line.end_reason.as_deref(), reason, "{customer} {card}");
        assert_eq!(line.state, if reached.is_some() { "sent" } else { "undeliverable" });
    }
}

#[tokio::test]
async fn a_code_goes_to_several_recipients_only_if_the_operator_configured_so() {
    let gateway = Setup::new().more("[recipients]\notp_ambiguous = \"all\"").start().await;
    gateway
        .knows([
            recipient("one").customer("8").storage_card("1").phone("+48600100201"),
            recipient("two").customer("8").storage_card("2").phone("+48600100202"),
            recipient("three").customer("8").storage_card("2").phone("+48600100203"),
        ])
        .await;

    gateway.post(&otp().customer("8").with("storageCardId", "2")).await.expect_status(204);
    gateway.drain().await;

    let mut received: Vec<_> = gateway.sms("primary").received().iter().map(|sms| sms.to.clone()).collect();
    received.sort();
    assert_eq!(received, ["+48600100202", "+48600100203"]);
}

#[tokio::test]
async fn a_shared_card_does_not_hold_back_its_locks() {
    let gateway = Gateway::start().await;
    gateway
        .knows([recipient("one").card("11").phone("+48600100201"), recipient("two").card("11").phone("+48600100202")])
        .await;

    gateway.post(&locked(gateway.now()).card("11")).await.expect_status(204);
    gateway.drain().await;

    assert_eq!(gateway.received(), 2);
}

#[tokio::test]
async fn opting_out_stops_everything_but_codes_and_locks_that_cannot_wait() {
    let gateway = Gateway::start().await;
    for (status, number) in
        [(RecipientStatus::OptedOut, "1"), (RecipientStatus::Blocked, "2"), (RecipientStatus::Deceased, "3")]
    {
        let phone = format!("+4860010020{number}");
        gateway
            .knows([recipient(number)
                .customer(number)
                .card(number)
                .user(number)
                .phone(&phone)
                .app("token")
                .status(status)])
            .await;
        let now = gateway.now();
        let lock = |reason: &str| locked(now).card(number).with("reason", reason);
        let payments = |reason: &str| {
            let added = transactional_lock("Added", now).with("resourceType", "user");
            added.with("resourceId", number).with("lockReason", reason)
        };
        for (notice, is_urgent) in [
            (otp().customer(number), true),
            (lock("CARD_LOST"), true),
            (lock("CARD_STOLEN"), true),
            (lock("SUSPECTED_FRAUD"), true),
            (lock("CARD_INACTIVE"), false),
            (payments("FRAUD_SUSPECTED"), true),
            (payments("DOCUMENT_EXPIRED"), false),
            (unlocked(now).card(number), false),
            (verification("Accepted").with("userId", number), false),
        ] {
            let path = format!("{} {status:?}", notice.path);
            gateway.post(&notice).await.expect_status(204);
            gateway.drain().await;

            let line = gateway.last().await.line;
            let is_sent = is_urgent && status == RecipientStatus::OptedOut;
            assert_eq!(line.end_reason.as_deref(), if is_sent { None } else { Some("suppressed") }, "{path}");
        }
    }

    assert_eq!(gateway.received(), 5);
}
