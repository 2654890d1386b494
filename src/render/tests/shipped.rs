//! The shipped templates, word by word.

use super::*;

fn headed(title: &str, body: &str) -> Vec<String> {
    vec![title.replace('_', "\u{a0}"), body.replace('_', "\u{a0}")]
}

#[test]
fn a_code_is_written_as_an_sms_in_english_and_polish() {
    let renderer = renderer();
    assert_eq!(
        sms(&renderer, &otp("Allegro"), "en"),
        "048291 is your Bank Testowy code to pay PLN 1,234.50 to Allegro. \
         Valid until 11:35 UTC. Do not share it with anyone, not even bank staff."
    );
    assert_eq!(
        sms(&renderer, &otp("Allegro"), "pl"),
        "048291 to kod Bank Testowy do platnosci 1234,50 PLN, odbiorca: Allegro. \
         Wazny do godz. 11:35 UTC. Nie podawaj go nikomu, nawet pracownikom banku."
    );
}

#[test]
fn a_code_is_written_as_a_push_message_in_english_and_polish() {
    let renderer = renderer();
    assert_eq!(
        written(&renderer, &otp("Allegro"), Channel::Push, "en"),
        headed(
            "Confirm your payment",
            "Code 048291: pay PLN_1,234.50 to Allegro. Valid until 11:35 UTC. Do not share it with anyone."
        )
    );
    assert_eq!(
        written(&renderer, &otp("Allegro"), Channel::Push, "pl"),
        headed(
            "Potwierdź płatność",
            "Kod 048291: płatność 1234,50_zł, odbiorca: Allegro. Ważny do godz. 11:35 UTC. Nie podawaj go nikomu."
        )
    );
}

#[test]
fn a_code_is_written_as_a_mail_in_english_and_polish() {
    let renderer = renderer();
    let mail = written(&renderer, &otp("<b>M&S</b>"), Channel::Email, "en");
    assert_eq!(mail[0], "Bank Testowy: the code for your payment");
    assert_eq!(
        mail[1],
        "Your code: 048291\n\nIt is valid until 11:35 UTC and confirms this payment and nothing else:\n\nAmount: PLN\u{a0}1,234.50\nTo: <b>M&S</b>\n\n\
         Do not share the code with anyone, not even bank staff: we never ask for it.\n\
         If you are not making this payment, do not use the code and contact us.\n\nBank Testowy"
    );
    assert!(mail[2].starts_with("<!doctype html>\n<html lang=\"en\" dir=\"ltr\">"));
    assert!(mail[2].contains(">048291</p>"));
    assert!(mail[2].contains(
        "Amount: <strong><bdi>PLN\u{a0}1,234.50</bdi></strong><br>\nTo: <strong><bdi>&lt;b&gt;M&amp;S&lt;/b&gt;</bdi></strong></p>"
    ));

    let mail = written(&renderer, &otp("Żabka"), Channel::Email, "pl");
    assert_eq!(mail[0], "Bank Testowy: kod do potwierdzenia płatności");
    assert_eq!(
        mail[1],
        "Kod: 048291\n\nKod jest ważny do godz. 11:35 UTC i potwierdza wyłącznie tę płatność:\n\nKwota: 1234,50\u{a0}zł\nOdbiorca: Żabka\n\n\
         Nie podawaj kodu nikomu, nawet pracownikom banku: nigdy o niego nie prosimy.\n\
         Jeśli nie wykonujesz tej płatności, nie używaj kodu i skontaktuj się z nami.\n\nBank Testowy"
    );
    assert!(mail[2].contains("<html lang=\"pl\" dir=\"ltr\">"));
}

#[test]
fn a_lock_that_can_be_lifted_reads_differently_from_a_final_one() {
    let renderer = renderer();
    let both = [LockReason::PinTriesExceeded, LockReason::CardStolen].map(locked);
    assert_eq!(
        both.each_ref().map(|content| sms(&renderer, content, "en")),
        [
            "Bank Testowy: your card was locked on 31 January 2026, 11:30 UTC because the PIN was wrong too often. \
             Contact us if you need it.",
            "Bank Testowy: your card was locked on 31 January 2026, 11:30 UTC because it was reported stolen. \
             It cannot be used again.",
        ]
    );
    assert_eq!(
        both.each_ref().map(|content| sms(&renderer, content, "pl")),
        [
            "Bank Testowy: karta zablokowana 31.01.2026 11:30 UTC po zbyt wielu blednych probach PIN. \
             Skontaktuj sie z nami, jesli jej potrzebujesz.",
            "Bank Testowy: karta zablokowana 31.01.2026 11:30 UTC po zgloszeniu kradziezy. \
             Nie mozna jej juz uzywac.",
        ]
    );
    assert_eq!(
        both.each_ref().map(|content| written(&renderer, content, Channel::Push, "en")),
        [
            headed(
                "Your card is locked",
                "Locked on 31 January 2026, 11:30 UTC because the PIN was wrong too often. Contact us if you need it."
            ),
            headed(
                "Your card is locked for good",
                "Locked on 31 January 2026, 11:30 UTC because it was reported stolen. It cannot be used again."
            ),
        ]
    );
    assert_eq!(
        both.each_ref().map(|content| written(&renderer, content, Channel::Push, "pl")),
        [
            headed(
                "Karta zablokowana",
                "Karta zablokowana 31.01.2026 11:30 UTC po zbyt wielu błędnych próbach PIN. \
                 Skontaktuj się z nami, jeśli jej potrzebujesz."
            ),
            headed(
                "Karta trwale zablokowana",
                "Karta zablokowana 31.01.2026 11:30 UTC po zgłoszeniu kradzieży. Nie można jej już używać."
            ),
        ]
    );
}

#[test]
fn a_lock_is_written_as_a_mail_in_english_and_polish() {
    let renderer = renderer();
    let mail = written(&renderer, &locked(LockReason::CardReplaced), Channel::Email, "en");
    assert_eq!(mail[0], "Bank Testowy: your card was locked");
    assert_eq!(
        mail[1],
        "Your card was locked on 31 January 2026, 11:30 UTC because a new card takes its place.\n\n\
         The lock is final: the card cannot be used again.\n\n\
         If you did not expect this, contact us on a number you know.\n\nBank Testowy"
    );

    let mail = written(&renderer, &locked(LockReason::PendingQuery), Channel::Email, "pl");
    assert_eq!(mail[0], "Bank Testowy: karta została zablokowana");
    assert_eq!(
        mail[1],
        "Karta została zablokowana 31.01.2026 11:30 UTC do czasu wyjaśnienia sprawy.\n\n\
         Blokadę można zdjąć: skontaktuj się z nami, jeśli potrzebujesz karty.\n\n\
         Jeśli to dla Ciebie niespodzianka, skontaktuj się z nami pod znanym Ci numerem.\n\nBank Testowy"
    );
}

#[test]
fn an_unlock_is_written_for_every_channel_in_english_and_polish() {
    let renderer = renderer();
    assert_eq!(
        sms(&renderer, &unlocked(), "en"),
        "Bank Testowy: your card was unlocked on 31 January 2026, 11:30 UTC and can be used again. \
         If you did not expect this, call the number on your card."
    );
    assert_eq!(
        sms(&renderer, &unlocked(), "pl"),
        "Bank Testowy: karta odblokowana 31.01.2026 11:30 UTC, mozna jej znowu uzywac. \
         Jesli to niespodzianka, zadzwon pod numer podany na karcie."
    );
    assert_eq!(
        written(&renderer, &unlocked(), Channel::Push, "en"),
        headed(
            "Your card is unlocked",
            "Unlocked on 31 January 2026, 11:30 UTC. The card can be used again. If you did not expect this, contact us."
        )
    );
    assert_eq!(
        written(&renderer, &unlocked(), Channel::Push, "pl"),
        headed(
            "Karta odblokowana",
            "Karta odblokowana 31.01.2026 11:30 UTC. Można jej znowu używać. \
             Jeśli to dla Ciebie niespodzianka, skontaktuj się z nami."
        )
    );
    let mail = written(&renderer, &unlocked(), Channel::Email, "en");
    assert_eq!(mail[0], "Bank Testowy: your card was unlocked");
    assert!(mail[1].starts_with("Your card was unlocked on 31 January 2026, 11:30 UTC and can be used again.\n\n"));
    let mail = written(&renderer, &unlocked(), Channel::Email, "pl");
    assert_eq!(mail[0], "Bank Testowy: karta została odblokowana");
    assert!(mail[1].starts_with("Karta została odblokowana 31.01.2026 11:30 UTC. Można jej znowu używać.\n\n"));
}

#[test]
fn every_reason_has_its_own_words_and_an_unknown_one_has_none() {
    let (_dir, mut settings) = shipped();
    settings.reveal_fraud_reason = true;
    let renderer = Renderer::load(&settings).unwrap();
    for tag in ["en", "pl"] {
        let texts: std::collections::BTreeSet<_> =
            LockReason::ALL.iter().map(|reason| sms(&renderer, &locked(*reason), tag)).collect();
        assert_eq!(texts.len(), LockReason::ALL.len(), "{texts:#?}");
    }
    assert!(sms(&renderer, &locked(LockReason::Other), "en").contains("11:30 UTC. Contact us"));
    assert!(sms(&renderer, &locked(LockReason::SuspectedFraud), "en").contains("because we suspect fraud"));
}
