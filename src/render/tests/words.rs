//! Every word of the kinds whose texts have branches, as somebody read and approved it: one file a locale and kind.

use std::fmt::Write as _;

use super::*;

const APPROVED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/render/tests/words");
const FOUND: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/words");

/// Everything that chooses the words of a message of `kind`; nothing for those that are compared in `shipped`.
pub(super) fn branches(kind: Kind) -> Vec<(String, Content)> {
    match kind {
        Kind::Otp | Kind::CardLocked | Kind::CardUnlocked => Vec::new(),
        Kind::VerificationInProgress => named(VerificationStatus::InProgress, "").into(),
        Kind::VerificationAccepted => named(VerificationStatus::Accepted, "").into(),
        Kind::VerificationRejected => RejectionReason::ALL
            .into_iter()
            .flat_map(|reason| named(VerificationStatus::Rejected(reason), reason.name()))
            .collect(),
        Kind::TransactionalLockAdded => holders(Change::Added),
        Kind::TransactionalLockRemoved => holders(Change::Removed),
        Kind::Transaction => payments(),
    }
}

fn named(status: VerificationStatus, reason: &str) -> [(String, Content); 2] {
    [("with a name", "Łucja"), ("without a name", "")]
        .map(|(about, name)| (format!("{reason} {about}").trim().to_owned(), checked(status, name)))
}

fn holders(change: Change) -> Vec<(String, Content)> {
    let holders = [("a person's", Holder::User), ("a company's", Holder::Corporation)];
    let of = |(about, holder)| {
        TransactionalLockReason::ALL.map(|reason| (format!("{about}, {}", reason.name()), held(change, reason, holder)))
    };
    holders.into_iter().flat_map(of).collect()
}

fn payments() -> Vec<(String, Content)> {
    let mut payments = Vec::new();
    for result in TransactionResult::ALL {
        for (about, incoming) in [("outgoing", false), ("incoming", true)] {
            let payment = paid(result, incoming, "Allegro Sp. z o.o.", "1234");
            payments.push((format!("{}, {about}", result.name()), payment));
        }
    }
    let authorized = |merchant, card| paid(TransactionResult::Authorized, false, merchant, card);
    payments.push(("authorized, without a description".into(), authorized("", "1234")));
    payments.push(("authorized, without a card".into(), authorized("Allegro Sp. z o.o.", "")));
    payments.push(("authorized, without either".into(), authorized("", "")));
    payments
}

fn page(renderer: &Renderer, kind: Kind, tag: &str) -> String {
    let mut page = String::new();
    for (about, content) in branches(kind) {
        writeln!(page, "=== {about}\n").unwrap();
        for (name, channel) in [("sms", Channel::Sms), ("push", Channel::Push), ("mail", Channel::Email)] {
            let parts = written(renderer, &content, channel, tag);
            // The HTML says the same: another test compares it with the plain text.
            for line in parts.iter().take(2).flat_map(|part| part.lines()) {
                writeln!(page, "{}", format!("{name}  {line}").trim_end()).unwrap();
            }
            page.push('\n');
        }
    }
    page
}

#[test]
fn every_word_is_one_that_somebody_has_read() {
    let renderer = revealing();
    let mut news = String::new();
    for tag in SHIPPED_LOCALES {
        for kind in Kind::ALL.into_iter().filter(|kind| !branches(*kind).is_empty()) {
            let found = page(&renderer, kind, tag);
            let approved = format!("{APPROVED}/{tag}/{kind}.txt");
            if fs::read_to_string(&approved).unwrap_or_default() != found {
                fs::create_dir_all(format!("{FOUND}/{tag}")).unwrap();
                fs::write(format!("{FOUND}/{tag}/{kind}.txt"), &found).unwrap();
                writeln!(news, "  cp {FOUND}/{tag}/{kind}.txt {approved}").unwrap();
            }
        }
    }
    assert!(news.is_empty(), "words have changed. Compare each pair of files; if the first is right:\n{news}");
}
