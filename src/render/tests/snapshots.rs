//! Every message of every kind, as it was reviewed: one file for each locale and kind.
//!
//! Plain text only: the HTML of a mail is tested elsewhere.

use std::fmt::Write as _;

use super::*;

const APPROVED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/render/tests/snapshots");
const FOUND: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/snapshots");

/// A name that ends with a dot, which a full stop may follow.
const SHOP: &str = "Allegro Sp. z o.o.";
const LONG_SHOP: &str = "The Old Bakery and Coffee House at the Market Square";

/// Everything that a message of `kind` depends on.
pub(super) fn cases(kind: Kind) -> Vec<(String, Content)> {
    match kind {
        Kind::Otp => codes(),
        Kind::CardLocked => LockReason::ALL.map(|reason| (reason.name().to_owned(), locked(reason))).into(),
        Kind::CardUnlocked => vec![("unlocked".into(), unlocked())],
        Kind::VerificationInProgress => named(VerificationStatus::InProgress, "").into(),
        Kind::VerificationAccepted => named(VerificationStatus::Accepted, "").into(),
        Kind::VerificationRejected => RejectionReason::ALL
            .into_iter()
            .flat_map(|reason| named(VerificationStatus::Rejected(reason), reason.name()))
            .collect(),
        Kind::TransactionalLockAdded => holders(LockChange::Added),
        Kind::TransactionalLockRemoved => holders(LockChange::Removed),
        Kind::Transaction => payments(),
    }
}

fn codes() -> Vec<(String, Content)> {
    let cases = [
        ("typical", otp(SHOP)),
        ("zero amount", for_nothing(otp(SHOP))),
        ("no merchant", otp("")),
        ("zero amount, no merchant", for_nothing(otp(""))),
        ("a long merchant", otp(LONG_SHOP)),
        ("zero amount, a long merchant", for_nothing(otp(LONG_SHOP))),
    ];
    cases.map(|(about, content)| (about.to_owned(), content)).into()
}

fn named(status: VerificationStatus, reason: &str) -> [(String, Content); 2] {
    [("with a name", "Łucja"), ("without a name", "")]
        .map(|(about, name)| (format!("{reason} {about}").trim().to_owned(), checked(status, name)))
}

fn holders(change: LockChange) -> Vec<(String, Content)> {
    let holders = [("a person's", LockHolder::User), ("a company's", LockHolder::Corporation)];
    let of = |(about, holder)| {
        TransactionalLockReason::ALL.map(|reason| (format!("{about}, {}", reason.name()), held(change, reason, holder)))
    };
    holders.into_iter().flat_map(of).collect()
}

fn payments() -> Vec<(String, Content)> {
    let mut payments = Vec::new();
    for result in TransactionResult::ALL {
        for (about, incoming) in [("outgoing", false), ("incoming", true)] {
            payments.push((format!("{}, {about}", result.name()), paid(result, incoming, SHOP, "1234")));
        }
        let check = for_nothing(paid(result, false, SHOP, "1234"));
        payments.push((format!("{}, zero amount", result.name()), check));
    }
    let authorized = |merchant, card| paid(TransactionResult::Authorized, false, merchant, card);
    payments.push(("authorized, without a description".into(), authorized("", "1234")));
    payments.push(("authorized, without a card".into(), authorized(SHOP, "")));
    payments.push(("authorized, without either".into(), authorized("", "")));
    payments.push(("authorized, a long description".into(), authorized(LONG_SHOP, "1234")));
    payments
}

// Invisible marks are written out, so that a difference between two files is visible.
fn visible(line: &str) -> String {
    let mut text = line.replace(['\u{a0}', '\u{202f}'], "_");
    for (mark, name) in [('\u{200f}', "[RLM]"), ('\u{2068}', "[FSI]"), ('\u{2069}', "[PDI]")] {
        text = text.replace(mark, name);
    }
    text
}

fn block(page: &mut String, renderer: &Renderer, about: &str, content: &Content, tag: &str) {
    writeln!(page, "=== {about}\n").unwrap();
    for (name, channel) in [("sms", Channel::Sms), ("push", Channel::Push), ("mail", Channel::Email)] {
        let parts = rendered(renderer, content, channel, tag);
        for line in parts.iter().take(2).flat_map(|part| part.lines()) {
            writeln!(page, "{}", format!("{name}  {}", visible(line)).trim_end()).unwrap();
        }
        page.push('\n');
    }
}

#[test]
fn every_message_is_one_that_was_reviewed() {
    let (revealing, hiding) = (revealing(), renderer());
    let mut changes = String::new();
    for tag in SHIPPED_LOCALES {
        for kind in Kind::ALL {
            let mut found = String::new();
            for (about, content) in cases(kind) {
                block(&mut found, &revealing, &about, &content, tag);
                if about.contains("fraud") {
                    block(&mut found, &hiding, &format!("{about}, which is not told"), &content, tag);
                }
            }
            let approved = format!("{APPROVED}/{tag}/{kind}.txt");
            if fs::read_to_string(&approved).unwrap_or_default() != found {
                fs::create_dir_all(format!("{FOUND}/{tag}")).unwrap();
                fs::write(format!("{FOUND}/{tag}/{kind}.txt"), &found).unwrap();
                writeln!(changes, "  cp {FOUND}/{tag}/{kind}.txt {approved}").unwrap();
            }
        }
    }
    assert!(changes.is_empty(), "messages have changed. Compare each pair of files; if the first is right:\n{changes}");
}
