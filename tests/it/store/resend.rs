//! Sending a notification again.

use std::time::Duration;

use otpost::domain::delivery::EndReason;
use otpost::domain::notification::{CardUnlocked, Content, Priority};
use otpost::domain::receipt::ReceiptStatus;
use otpost::domain::recipient::RecipientId;
use otpost::store::audit_events::{EventFilter, EventScope};
use otpost::store::{Acceptance, Accepted, Claimed, NotResent, Share, operator};
use uuid::Uuid;

use super::{Fixture, Promise};

pub(super) const PROMISES: &[Promise] = &[
    ("what failed is sent again, to the same recipient and before the same deadline", |it| Box::pin(sent_again(it))),
    ("a code is never sent again", |it| Box::pin(no_code(it))),
    ("what arrived, is open or is too late is not sent again", |it| Box::pin(refused(it))),
    ("what an erased or suppressed recipient did not get is not kept", |it| Box::pin(not_kept(it))),
];

impl Fixture {
    async fn held_standard(&self) -> Claimed {
        let acceptance = self.code("48151623");
        let content = Content::CardUnlocked(CardUnlocked { at: self.now() });
        let notification = otpost::domain::notification::Notification { content, ..acceptance.notification };
        match self.store.accept(Acceptance { notification, ..acceptance }).await.unwrap() {
            Accepted::New(Some(claimed)) => *claimed,
            other => unreachable!("{other:?}"),
        }
    }

    async fn held_for(&self, recipient: RecipientId) -> Claimed {
        let share = [Share { recipient, channels: Vec::new() }];
        self.store.split(self.held_standard().await, &share).await.unwrap().remove(0)
    }
}

async fn sent_again(it: Fixture) {
    let recipient = RecipientId(Uuid::from_u128(7));
    let held = it.held_for(recipient).await;
    let (first, notification, expires_at) = (held.id, held.notification, held.expires_at);
    it.store.give_up(held, None, EndReason::AllRejected).await.unwrap();
    it.clock.move_on(Duration::from_mins(1));

    let again = it.store.resend(first, " new number,\nticket 7 ", &operator()).await.unwrap().unwrap();
    let claimed = it.store.claim(Priority::Standard, 10).await.unwrap().remove(0);

    assert_eq!((claimed.id, claimed.notification, claimed.recipient), (again, notification, Some(recipient)));
    assert_eq!((claimed.expires_at, claimed.attempts.len()), (expires_at, 0));
    assert!(matches!(claimed.content, Some(Content::CardUnlocked(_))));
    assert_eq!(claimed.identifiers[0].value, "1337");
    let detail = it.store.reports().delivery(again.0).await.unwrap().unwrap();
    let event = detail.events.iter().find(|event| event.kind == "delivery_resent").unwrap();
    assert!(event.actor.starts_with("operator:"), "{}", event.actor);
    assert!(event.detail.contains(&first.to_string()) && event.detail.contains("new number,ticket 7"), "{event:?}");
    assert_eq!(it.state(first.0).await, "undeliverable");
    let listed = it.store.audit_events().find(&EventFilter::newest(EventScope::Operations, 10)).await.unwrap().events;
    assert!(
        listed[0].line.kind == "delivery_resent" && listed[0].line.detail.contains(&again.to_string()),
        "{listed:?}"
    );
}

async fn no_code(it: Fixture) {
    let held = it.held().await;
    let id = held.id;
    assert_eq!(it.store.resend(id, "please", &operator()).await.unwrap(), Err(NotResent::Code));

    it.store.give_up(held, None, EndReason::AllRejected).await.unwrap();

    assert_eq!(it.store.resend(id, "please", &operator()).await.unwrap(), Err(NotResent::Code));
    assert_eq!(it.count().await, 1);
}

async fn refused(it: Fixture) {
    let held = it.held_standard().await;
    let (id, expires_at) = (held.id, held.expires_at);
    assert_eq!(it.store.resend(id, "again", &operator()).await.unwrap(), Err(NotResent::Open(expires_at)));
    it.store.settle(held, it.taken(1)).await.unwrap();
    let sent = it.store.resend(id, "again", &operator()).await.unwrap();
    assert!(matches!(sent, Err(NotResent::ContentRemoved(_))), "{sent:?}");
    let failed = it.held_standard().await;
    let failed_id = failed.id;
    it.store.leave_undelivered(failed, Some(it.taken(1)), ReceiptStatus::Undelivered).await.unwrap();

    let no_reason = it.store.resend(failed_id, " \n ", &operator()).await.unwrap();
    let unknown =
        it.store.resend(otpost::domain::delivery::DeliveryId(Uuid::nil()), "again", &operator()).await.unwrap();
    it.clock.move_on(Duration::from_mins(6));
    let late = it.store.resend(failed_id, "again", &operator()).await.unwrap();

    assert_eq!((no_reason, unknown), (Err(NotResent::NoReason), Err(NotResent::Unknown)));
    assert!(matches!(late, Err(NotResent::DeadlinePassed(_))), "{late:?}");
    assert_eq!(it.store.retention().drop_contents(it.now()).await.unwrap(), 1);
    assert_eq!(it.count().await, 2);
}

async fn not_kept(it: Fixture) {
    for (reason, recipient) in [(EndReason::Suppressed, None), (EndReason::UnknownRecipient, Some(7))] {
        let held = match recipient {
            Some(id) => it.held_for(RecipientId(Uuid::from_u128(id))).await,
            None => it.held_standard().await,
        };
        let id = held.id;
        it.store.give_up(held, None, reason).await.unwrap();
        let resent = it.store.resend(id, "again", &operator()).await.unwrap();
        assert!(matches!(resent, Err(NotResent::ContentRemoved(_))), "{reason:?}: {resent:?}");
    }
    // Nobody was known yet: once the recipient is imported, the notification can be sent again.
    let held = it.held_standard().await;
    let id = held.id;
    it.store.give_up(held, None, EndReason::UnknownRecipient).await.unwrap();
    assert!(it.store.resend(id, "imported since", &operator()).await.unwrap().is_ok());
}
