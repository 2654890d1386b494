//! Mails as people get them: the pages in a real browser, and the letters around them in a real parser.
//!
//! Pictures of every page are left below `target/mails` for people to look at.

mod letters;
mod pages;

use std::time::Duration;

use otpost::domain::clock::Timestamp;
use otpost::domain::contact::Channel;
use otpost::domain::money::{Currency, Money};
use otpost::domain::notification::{
    CardLocked, CardUnlocked, Content, Kind, LockChange, LockHolder, LockReason, Otp, RejectionReason, Transaction,
    TransactionResult, TransactionalLock, TransactionalLockReason, Verification, VerificationStatus,
};
use otpost::domain::outbound_message::RenderedMessage;
use otpost::domain::recipient::Locale;
use otpost::domain::secret::Code;
use otpost::render::{MailSettings, RenderContext, Renderer, Settings};

const CODE: &str = "048291";

/// 31 January 2026, 11:30 UTC.
const MORNING: Timestamp = Timestamp::from_micros(1_769_859_000_000_000);

fn renderer(brand: &str, mail: MailSettings) -> Renderer {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/templates").into();
    Renderer::load(&Settings { dir, brand: brand.into(), mail, ..Settings::default() }).unwrap()
}

fn written(renderer: &Renderer, content: &Content, tag: &str) -> RenderedMessage {
    let locale = Locale::parse(tag).unwrap();
    let context = RenderContext {
        locale: &locale,
        zone: None,
        until: MORNING.after(Duration::from_mins(5)),
        transliterate: None,
    };
    renderer.render(content, Channel::Email, &context).unwrap().message
}

fn code(code: &str, merchant: &str) -> Content {
    let money = Money { minor: 123_450, currency: Currency::parse("PLN").unwrap() };
    Content::Otp(Otp { code: Code::parse(code.into()).unwrap(), money, merchant: merchant.into() })
}

fn example(kind: Kind) -> Content {
    let checked = |status| {
        let (reference, first_name) = (String::new(), "Łucja".into());
        Content::Verification(Verification { reference, status, first_name, email: None })
    };
    let held = |change| {
        let (reason, holder) = (TransactionalLockReason::DocumentExpired, LockHolder::Corporation);
        Content::TransactionalLock(TransactionalLock { change, at: MORNING, reason, holder })
    };
    match kind {
        Kind::Otp => code(CODE, "Allegro Sp. z o.o."),
        Kind::CardLocked => Content::CardLocked(CardLocked { at: MORNING, reason: LockReason::CardStolen }),
        Kind::CardUnlocked => Content::CardUnlocked(CardUnlocked { at: MORNING }),
        Kind::VerificationInProgress => checked(VerificationStatus::InProgress),
        Kind::VerificationAccepted => checked(VerificationStatus::Accepted),
        Kind::VerificationRejected => checked(VerificationStatus::Rejected(RejectionReason::BlurredSelfie)),
        Kind::TransactionalLockAdded => held(LockChange::Added),
        Kind::TransactionalLockRemoved => held(LockChange::Removed),
        Kind::Transaction => Content::Transaction(Transaction {
            reference: "1".into(),
            money: Money { minor: 123_450, currency: Currency::parse("EUR").unwrap() },
            result: TransactionResult::Cleared,
            incoming: false,
            merchant: "Allegro Sp. z o.o.".into(),
            last_four: "1234".into(),
        }),
    }
}
