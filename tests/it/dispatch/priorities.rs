//! The capacity that is reserved for OTPs during a flood of standard notifications.

use std::iter;
use std::time::Duration;

use futures_util::future::join_all;
use otpost::domain::money::{Currency, Money};
use otpost::domain::notification::{CardUnlocked, ClientName, Content, Notification, NotificationId, Otp, Priority};
use otpost::domain::recipient::{Identifier, IdentifierKind};
use otpost::domain::secret::Code;
use otpost::store::{Acceptance, Accepted, Dedupe, Error};
use uuid::Uuid;

use crate::support::{Gateway, locked, otp, recipient};

/// Ten times the changes that may wait in one queue.
const FLOOD: usize = 40_960;

#[tokio::test]
async fn an_otp_is_sent_at_once_while_standard_deliveries_use_all_their_slots() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("holder").customer("1337").card("11").phone("+48600100200")]).await;
    let taken: Vec<_> = iter::from_fn(|| gateway.worker().reserve(Priority::Standard)).collect();

    gateway.post(&locked(gateway.now())).await.expect_status(204);
    gateway.post(&otp()).await.expect_status(204);
    arrived(&gateway, 1).await;

    let states: Vec<_> = gateway.deliveries().await.into_iter().map(|line| line.kind).collect();
    assert_eq!(states, ["card_locked", "otp"]);
    assert!(gateway.sms("primary").received()[0].text.contains("48151623"));
    drop(taken);
    gateway.drain().await;
    assert_eq!(gateway.received(), 2);
}

#[tokio::test]
async fn a_due_otp_is_claimed_before_a_backlog_of_standard_deliveries() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("holder").customer("1337").phone("+48600100200")]).await;
    let taken: Vec<_> = iter::from_fn(|| gateway.worker().reserve(Priority::Otp)).collect();
    join_all((0..1000).map(|_| gateway.store().accept(card_event(&gateway))))
        .await
        .into_iter()
        .for_each(|it| drop(it.unwrap()));
    gateway.clock.move_on(Duration::from_secs(1));
    gateway.post(&otp()).await.expect_status(204);

    let first = gateway.store().claim(Priority::Otp, 1).await.unwrap();

    assert_eq!(first.iter().map(otpost::store::Claimed::priority).collect::<Vec<_>>(), [Priority::Otp]);
    drop(taken);
}

#[tokio::test]
async fn a_flood_is_accepted_or_rejected_at_once_and_an_otp_is_still_accepted() {
    let gateway = Gateway::start().await;
    let store = gateway.store();

    let flood = join_all((0..FLOOD).map(|_| store.accept(card_event(&gateway))));
    let (answers, code) = tokio::join!(flood, store.accept(otp_acceptance(&gateway)));

    let taken = answers.iter().filter(|it| matches!(it, Ok(Accepted::New(_)))).count();
    let refused = answers.iter().filter(|it| matches!(it, Err(Error::Busy))).count();
    assert_eq!((taken, refused), (FLOOD / 10, FLOOD - FLOOD / 10));
    assert!(code.is_ok());
    gateway.post(&locked(gateway.now())).await.expect_status(204);
}

/// A notification for a card without a holder, as the ingest listener passes it on.
fn card_event(gateway: &Gateway) -> Acceptance {
    let received_at = gateway.now();
    accepted(gateway, IdentifierKind::DcCard, Content::CardUnlocked(CardUnlocked { at: received_at }))
}

/// An OTP without a recipient.
fn otp_acceptance(gateway: &Gateway) -> Acceptance {
    let code = Code::parse("48151623".to_owned()).unwrap();
    let money = Money { minor: 1000, currency: Currency::parse("PLN").unwrap() };
    accepted(gateway, IdentifierKind::StorageCard, Content::Otp(Otp { code, money, merchant: String::new() }))
}

fn accepted(gateway: &Gateway, kind: IdentifierKind, content: Content) -> Acceptance {
    let received_at = gateway.now();
    let id = NotificationId(Uuid::now_v7());
    let identifiers = vec![Identifier { kind, value: id.to_string() }];
    let client = ClientName("processor".to_owned());
    Acceptance {
        notification: Notification { id, client, received_at, identifiers, content, warnings: Vec::new() },
        certificate: None,
        expires_at: received_at.after(Duration::from_mins(5)),
        replaces_until: received_at.after(Duration::from_mins(5)),
        dedupe: Dedupe::Never,
        endpoint: "/notifications/cardUnlocked",
        leased: false,
    }
}

async fn arrived(gateway: &Gateway, count: usize) {
    let all = async {
        while gateway.received() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("it did not arrive");
}
