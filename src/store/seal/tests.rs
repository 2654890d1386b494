//! A ciphertext opens only in its own row, and only while its key exists.

use uuid::Uuid;

use super::*;
use crate::domain::money::{Currency, Money};
use crate::domain::notification::{ClientName, Notification, NotificationId, Otp};
use crate::domain::recipient::IdentifierKind;
use crate::domain::secret::Code;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const TEN_MINUTES: Duration = Duration::from_mins(10);

fn sealer(folder: &Path) -> Sealer {
    let key_file = folder.join("seal.key");
    if !key_file.exists() {
        Sealer::create_key(&key_file).unwrap();
    }
    Sealer::open(&Settings { key_file }).unwrap()
}

fn otp(code: &str, merchant: &str) -> Notification {
    Notification {
        id: NotificationId(Uuid::now_v7()),
        client: ClientName("verestro".into()),
        received_at: NOW,
        identifiers: vec![Identifier { kind: IdentifierKind::StorageCustomer, value: "1337".into() }],
        content: Content::Otp(Otp {
            code: Code::parse(code.into()).unwrap(),
            money: Money { minor: 1000, currency: Currency::parse("PLN").unwrap() },
            merchant: merchant.into(),
        }),
        warnings: Vec::new(),
    }
}

fn seal_of(sealer: &Sealer, notification: &Notification, id: DeliveryId) -> Vec<u8> {
    sealer.seal_content(&notification.content, &notification.identifiers, id, NOW).unwrap()
}

#[test]
fn sealed_content_opens_for_its_own_delivery_only() {
    let folder = tempfile::tempdir().unwrap();
    let sealer = sealer(folder.path());
    let (id, other) = (DeliveryId(Uuid::now_v7()), DeliveryId(Uuid::now_v7()));
    let sealed = seal_of(&sealer, &otp("0042", "shop"), id);

    let (content, identifiers) = sealer.open_content(&sealed, id).unwrap();

    let Content::Otp(opened) = content else { unreachable!("an otp was sealed") };
    assert_eq!(
        (opened.code.under_seal(str::to_owned), opened.merchant.as_str(), identifiers.len()),
        ("0042".to_owned(), "shop", 1)
    );
    assert!(matches!(sealer.open_content(&sealed, other), Err(Error::Damaged)));
}

#[test]
fn a_code_cannot_be_opened_after_its_epoch_not_even_with_the_master_key() {
    let folder = tempfile::tempdir().unwrap();
    let sealer = sealer(folder.path());
    let id = DeliveryId(Uuid::now_v7());
    let sealed = seal_of(&sealer, &otp("123456", "shop"), id);
    let within = NOW.after(TEN_MINUTES);
    let over = NOW.after(Duration::from_mins(16) + TEN_MINUTES);

    assert_eq!(sealer.shred(within, TEN_MINUTES).unwrap(), 0);
    assert!(sealer.open_content(&sealed, id).is_ok());
    assert_eq!(sealer.shred(over, TEN_MINUTES).unwrap(), 1);
    assert!(matches!(sealer.open_content(&sealed, id), Err(Error::KeyDestroyed)));
    assert!(matches!(self::sealer(folder.path()).open_content(&sealed, id), Err(Error::KeyDestroyed)));
}

#[test]
fn sealed_content_opens_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let id = DeliveryId(Uuid::now_v7());
    let sealed = seal_of(&sealer(folder.path()), &otp("123456", "shop"), id);

    assert!(sealer(folder.path()).open_content(&sealed, id).is_ok());
}

#[test]
fn a_repeated_request_matches_and_a_change_of_any_field_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let sealer = sealer(folder.path());
    let first = sealer.fingerprint(&otp("1111", "shop"), NOW).unwrap();
    let stored = Fingerprint::from_bytes(&first.to_bytes()).unwrap();

    assert!(sealer.matches(&stored, &otp("1111", "shop"), NOW).unwrap());
    assert!(!sealer.matches(&stored, &otp("1112", "shop"), NOW).unwrap());
    assert!(!sealer.matches(&stored, &otp("1111", "stop"), NOW).unwrap());
}

#[test]
fn after_the_epoch_the_fingerprint_no_longer_compares_the_code() {
    let folder = tempfile::tempdir().unwrap();
    let sealer = sealer(folder.path());
    let first = sealer.fingerprint(&otp("1111", "shop"), NOW).unwrap();
    let later = NOW.after(Duration::from_hours(1));
    sealer.shred(later, TEN_MINUTES).unwrap();

    assert!(sealer.matches(&first, &otp("2222", "shop"), later).unwrap());
    assert!(!sealer.matches(&first, &otp("1111", "stop"), later).unwrap());
}

#[test]
fn a_key_file_is_created_once_and_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seal.key");
    Sealer::create_key(&path).unwrap();

    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(Sealer::create_key(&path).is_err());
}

#[test]
fn a_contact_opens_for_its_own_recipient_and_channel_only() {
    let folder = tempfile::tempdir().unwrap();
    let sealer = sealer(folder.path());
    let contact = Contact::parse(Channel::Sms, "+48600100200").unwrap();
    let (leon, other) = (RecipientId(Uuid::now_v7()), RecipientId(Uuid::now_v7()));
    let sealed = sealer.seal_contact(leon, &contact).unwrap();

    assert_eq!(sealer.open_contact(leon, Channel::Sms, &sealed).unwrap(), contact);
    assert!(sealer.open_contact(other, Channel::Sms, &sealed).is_err());
    assert!(sealer.open_contact(leon, Channel::Email, &sealed).is_err());
}

#[test]
fn the_name_of_a_recipient_in_logs_leads_back_to_it_with_the_same_keys_only() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (sealer, other_sealer) = (sealer(folder.path()), sealer(other.path()));
    let recipients = [Uuid::from_u128(1), Uuid::from_u128(2)].map(RecipientId);

    let names = recipients.map(|recipient| sealer.recipient_hash(recipient).unwrap());

    assert!(names[0] != names[1] && names.iter().all(|name| name.len() == 32));
    assert_eq!(sealer.recipient_hash(recipients[0]).unwrap(), names[0]);
    assert_eq!(
        recipients.map(|it| sealer.recipient_of(&sealer.recipient_hash(it).unwrap()).unwrap()),
        recipients.map(Some)
    );
    assert_ne!(other_sealer.recipient_of(&names[0]).unwrap(), Some(recipients[0]));
    for text in ["", "12", "zz", &"0".repeat(33)] {
        assert_eq!(sealer.recipient_of(text).unwrap(), None);
    }
}
