//! Sealed content opens as it was sealed, for every kind of notification.

use otpost::domain::delivery::DeliveryId;
use otpost::ingest::fuzz_api;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use uuid::Uuid;

use super::bodies::{noted, sealer};
use super::notices::notice;
use super::{NOW, cases};

#[test]
fn sealed_content_opens_as_the_same_notification_and_not_at_all_when_a_bit_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let sealer = sealer(folder.path());
    let place = any::<prop::sample::Index>();
    let tried = TestRunner::new(cases(300)).run(&(notice(), place, 0..8_u8), |((endpoint, body), place, bit)| {
        let notification = noted(fuzz_api::parse(endpoint, body.to_string().as_bytes(), NOW).unwrap());
        let print = sealer.fingerprint(&notification, NOW).unwrap();
        let id = DeliveryId(Uuid::now_v7());

        let mut sealed = sealer.seal_content(&notification.content, &notification.identifiers, id, NOW).unwrap();
        let (content, identifiers) = sealer.open_content(&sealed, id).unwrap();

        prop_assert_eq!(&identifiers, &notification.identifiers);
        prop_assert_eq!(content.kind(), notification.content.kind());
        prop_assert_eq!(format!("{content:?}"), format!("{:?}", notification.content));
        let opened = otpost::domain::notification::Notification { content, identifiers, ..notification };
        prop_assert!(sealer.matches(&print, &opened, NOW).unwrap());
        let at = place.index(sealed.len());
        sealed[at] ^= 1_u8 << bit;
        prop_assert!(sealer.open_content(&sealed, id).is_err(), "byte {} was changed unnoticed", at);
        Ok(())
    });
    tried.unwrap();
}
