//! The document in every language: complete, accessible, and with nothing that was not put in.

use serde_json::json;

use super::*;

const LANGUAGES: [(&str, &str); 10] = [
    ("en", include_str!("../../templates/en/dossier.toml")),
    ("pl", include_str!("../../templates/pl/dossier.toml")),
    ("de", include_str!("../../templates/de/dossier.toml")),
    ("uk", include_str!("../../templates/uk/dossier.toml")),
    ("fr", include_str!("../../templates/fr/dossier.toml")),
    ("es", include_str!("../../templates/es/dossier.toml")),
    ("it", include_str!("../../templates/it/dossier.toml")),
    ("cs", include_str!("../../templates/cs/dossier.toml")),
    ("ro", include_str!("../../templates/ro/dossier.toml")),
    ("ar", include_str!("../../templates/ar/dossier.toml")),
];

fn words(tag: &str) -> DossierWords {
    let (tag, source) = LANGUAGES.into_iter().find(|(it, _)| *it == tag).unwrap();
    DossierWords::parse(tag, source).unwrap()
}

#[test]
fn every_shipped_language_has_all_words_with_their_values() {
    let folders = std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")).unwrap();
    let locales = folders.filter(|folder| folder.as_ref().unwrap().file_name() != "console");
    assert_eq!(locales.count(), LANGUAGES.len(), "each language is in this test");
    let english = words("en");
    for (tag, _) in LANGUAGES {
        let words = words(tag);
        for (key, text) in english.own() {
            assert!(words.own().contains_key(key), "{tag} lacks {key}");
            let own = &words.own()[key];
            let values = |text: &str| {
                let mut found: Vec<_> =
                    text.split('{').skip(1).filter_map(|it| it.split_once('}')).map(|it| it.0.to_owned()).collect();
                found.sort();
                found
            };
            assert_eq!(values(own), values(text), "{tag} {key}");
        }
    }
}

#[test]
fn a_language_of_an_operator_may_be_incomplete_and_a_mistake_in_it_is_named() {
    let own = DossierWords::parse("lv", "title = \"Lieta\"\n[label]\nkind = \"Veids\"").unwrap();
    assert_eq!((own.get("title"), own.get("label.kind"), own.get("contents")), ("Lieta", "Veids", "Contents"));
    assert_eq!(own.get("state.of_a_later_version"), "of_a_later_version");
    for (source, expected) in [
        ("titles = \"x\"", "unknown key titles"),
        ("title = 7", "title: expected a text in quotes"),
        ("title = ", "not valid TOML"),
    ] {
        let error = DossierWords::parse("lv", source).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_document_is_accessible_in_every_language() {
    for (tag, _) in LANGUAGES {
        let pdf = render_pdf(&sample(1), &words(tag)).unwrap();
        assert!(pdf.starts_with(b"%PDF-1.7"), "{tag}");
    }
}

#[test]
fn what_no_font_has_and_what_is_not_seen_does_not_spoil_the_document() {
    let mut dossier = sample(1);
    let odd = "商店 \u{1f680}\u{0}\u{7}\u{feff} a\u{301}\u{202e}b\n\n\tc\u{2066} مرحبا 12 \u{e000}";
    odd.clone_into(&mut dossier.deliveries[0].client);
    dossier.deliveries[0].messages[0].parts.push(("body".to_owned(), odd.repeat(50)));
    dossier.deliveries[0].attempts[1].reference = Some("\u{202e}".to_owned());
    render_pdf(&dossier, &words("en")).unwrap();
    render_pdf(&dossier, &words("ar")).unwrap();
}

#[test]
fn long_values_go_on_to_the_next_page_and_none_is_lost() {
    let mut dossier = sample(1);
    dossier.deliveries[0].messages[0].parts = vec![("email.text.hbs".to_owned(), "word ".repeat(4_000))];
    dossier.deliveries[0].attempts[0].detail = Some("detail ".repeat(2_000));
    assert!(render_pdf(&dossier, &words("en")).unwrap().len() > render_pdf(&sample(1), &words("en")).unwrap().len());
}

#[test]
fn the_page_escapes_what_it_shows_fetches_nothing_and_offers_the_proofs() {
    let page = render_html(&sample(2), &words("ar"));
    assert!(
        page.contains("<html lang=\"ar\" dir=\"rtl\">") && page.contains("HTTP 503: busy &lt;b&gt;&amp;"),
        "{page}"
    );
    assert!(!page.contains("<b>") && !page.contains("<script"), "{page}");
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("url("), "{page}");
    assert!(page.contains("<a download=\"event-10.tlog-proof\" href=\"data:text/plain;base64,"), "{page}");
    assert!(page.contains("href=\"#s2\"") && page.contains("id=\"s2\""), "{page}");
}

#[test]
fn the_document_says_by_which_certificate_and_who_looked_at_it_or_that_nobody_did() {
    let mut dossier = sample(1);
    let page = render_html(&dossier, &words("en"));
    assert!(page.contains("CN=notifications,O=Processor") && page.contains("01AB"), "{page}");
    let looks = |page: &str| page.split_once("Who looked at it").unwrap().1.to_owned();
    dossier.deliveries[0].events.retain(|event| !event.actor.starts_with("operator:"));
    assert!(looks(&render_html(&dossier, &words("en"))).contains("No dossier, export or resend"));
    let mut export = dossier.deliveries[0].events[0].clone();
    (export.actor, export.kind) = ("operator:anna".to_owned(), "recipient_exported".to_owned());
    dossier.deliveries[0].events.push(export);
    let page = looks(&render_html(&dossier, &words("en")));
    assert!(page.contains("operator: anna") && page.contains("recipient exported"), "{page}");
    assert!(!page.contains("No dossier, export or resend"), "{page}");
}

#[test]
fn the_document_says_who_wrote_approved_and_published_a_template_in_every_language() {
    for (tag, _) in LANGUAGES {
        let (mut dossier, words) = (sample(2), words(tag));
        let page = render_html(&dossier, &words);
        for shown in ["author, second", "approver (2026-10-01 07:00:00.000)", "publisher (2026-10-01 08:00:00.000)"] {
            assert!(page.contains(shown), "{tag}: {shown}: {page}");
        }
        assert_eq!(page.matches("download=\"event-7.tlog-proof\"").count(), 1, "{tag}: one file for two deliveries");
        dossier.deliveries[0].messages[0].approval.as_mut().unwrap().approved_by = None;
        dossier.deliveries[1].messages[0].approval = None;
        let page = render_html(&dossier, &words);
        for note in ["note.not_approved", "note.from_files"] {
            assert!(page.contains(words.own()[note].as_str()), "{tag}: {note}: {page}");
        }
    }
}

#[test]
fn an_empty_answer_is_a_document_too() {
    let dossier = Dossier { deliveries: Vec::new(), log: None, ..sample(0) };
    let page = render_html(&dossier, &words("en"));
    assert!(page.contains("No delivery to this recipient is recorded") && page.contains("not signed yet"), "{page}");
    render_pdf(&dossier, &words("en")).unwrap();
}

/// A delivery with everything that can be said about one.
fn sample(deliveries: usize) -> Dossier {
    let event = |index: u64, actor: &str, kind: &str, detail: Value| EventRecord {
        index,
        at: format!("2026-11-27T13:22:{:02}.123Z", index % 60),
        actor: actor.to_owned(),
        kind: kind.to_owned(),
        detail: detail.as_object().cloned().unwrap_or_default(),
        proof: Some(format!("c2sp.org/tlog-proof@v1\nindex {index}\n\ncheckpoint {index}\n")),
    };
    let record = |number: u64| DeliveryRecord {
        delivery: "01a219da-f7fd-714e-9a0b-2f6f2b7e9d11".to_owned(),
        notification: "01a219da-f7fd-714e-9a0b-2f6f2b7e9d10".to_owned(),
        kind: "otp".to_owned(),
        client: "verestro".to_owned(),
        certificate: Some(CertificateRecord {
            subject: "CN=notifications,O=Processor".to_owned(),
            serial: "01AB".to_owned(),
            spki_pin: "vWB5+/KdNv4mmBqCJk0ZcxB0oE1GfxxVPhkLZ4FP9Kw=".to_owned(),
        }),
        accepted_at: "2026-11-27T13:22:06.123Z".to_owned(),
        deadline: "2026-11-27T13:27:06.123Z".to_owned(),
        state: "confirmed".to_owned(),
        end_reason: None,
        ended_at: Some("2026-11-27T13:22:09.001Z".to_owned()),
        recipient: Some("5f3a0c8e9b7d41d2a6c4e1f09b8d7a36".to_owned()),
        clock: Some(ClockRecord { source: "chrony, ntp.bank.example".to_owned(), offset_us: -412 }),
        retained_until: "2027-12-28T13:22:06.123Z".to_owned(),
        messages: vec![MessageRecord {
            template: "pl/otp/sms".to_owned(),
            version: "a5".repeat(32),
            in_use_since: Some("2026-10-01T08:00:00.000Z".to_owned()),
            approval: Some(ApprovalRecord {
                change: 12,
                authors: vec!["author".to_owned(), "second".to_owned()],
                approved_by: Some("approver".to_owned()),
                approved_at: Some("2026-10-01T07:00:00.000Z".to_owned()),
                published_by: Some("publisher".to_owned()),
                published_at: Some("2026-10-01T08:00:00.000Z".to_owned()),
                event: Some(event(7, "user:publisher", "template_change_published", json!({ "change": 12 }))),
            }),
            attempts: vec![1, 2],
            parts: vec![(
                "sms.hbs".to_owned(),
                "Kod ••••••: {{amount}}, {{merchant}}. Nie podawaj go nikomu.".to_owned(),
            )],
            rendered: None,
        }],
        attempts: (1..=2)
            .map(|number| AttemptRecord {
                number,
                channel: "sms".to_owned(),
                provider: ["primary", "backup"][usize::from(number > 1)].to_owned(),
                contact: (number > 1).then(|| "+48*****0200".to_owned()),
                started_at: "2026-11-27T13:22:06.180Z".to_owned(),
                latency_ms: 212,
                outcome: ["deferred", "accepted"][usize::from(number > 1)].to_owned(),
                cause: (number == 1).then(|| "provider_down".to_owned()),
                detail: (number == 1).then(|| "HTTP 503: busy <b>&".to_owned()),
                reference: (number > 1).then(|| "f".repeat(128)),
                segments: Some(1),
                receipts: (number > 1)
                    .then(|| ReceiptRecord {
                        status: "delivered".to_owned(),
                        code: Some("DELIVRD".to_owned()),
                        reported_at: Some("2026-11-27T13:22:08.000Z".to_owned()),
                        arrived_at: "2026-11-27T13:22:09.001Z".to_owned(),
                    })
                    .into_iter()
                    .collect(),
            })
            .collect(),
        events: vec![
            event(number * 10, "client:verestro", "accepted", json!({ "kind": "otp" })),
            event(number * 10 + 1, "gateway", "attempted", json!({ "attempt": 1, "cause": "provider_down" })),
            event(number * 10 + 2, "gateway", "sent", json!({ "attempt": 2, "provider": "backup" })),
            event(number * 10 + 3, "provider:backup", "confirmed", json!({ "attempt": 2, "receipt_code": "DELIVRD" })),
            event(number * 10 + 4, "operator:anna", "dossier_made", json!({ "format": "pdf" })),
        ],
    };
    Dossier {
        format: FORMAT,
        made_at: "2026-11-27T14:00:00.000Z".to_owned(),
        made_by: "anna".to_owned(),
        asked: DossierQuestion::Recipient {
            from: "2026-11-01T00:00:00.000Z".to_owned(),
            to: "2026-12-01T00:00:00.000Z".to_owned(),
        },
        log: Some(SignedLog {
            name: "otp.bank.example/audit".to_owned(),
            key: format!("otp.bank.example/audit+c74f20a3+{}", "A".repeat(44)),
            size: 4_711,
            root: "b1".repeat(32),
            signed_at: "2026-11-27T13:59:58.000Z".to_owned(),
            checkpoint: format!(
                "otp.bank.example/audit\n4711\n{}=\n\n— otp.bank.example/audit {}\n",
                "B".repeat(43),
                "C".repeat(92)
            ),
        }),
        deliveries: (1..=deliveries as u64).map(record).collect(),
    }
}
