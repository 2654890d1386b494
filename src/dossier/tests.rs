//! The document in every language: complete, accessible, and without anything that was not put in.

use serde_json::json;

use super::*;

pub(crate) const LANGUAGES: [(&str, &str); 1] = [("en", include_str!("../../templates/en/dossier.toml"))];

/// A delivery with everything that can be said about one.
pub(crate) fn sample(deliveries: usize) -> Dossier {
    let event = |index: u64, actor: &str, kind: &str, detail: serde_json::Value| EventRecord {
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
