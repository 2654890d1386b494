//! What travels around a page: headers and parts, as Python's `email` reads them from what a relay was given.

use std::time::Duration;

use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use otpost::channel;
use otpost::domain::contact::{Channel, Contact};
use otpost::domain::delivery::DeliveryId;
use otpost::domain::notification::{Kind, Priority};
use otpost::domain::outbound_message::{OutboundMessage, RenderedMessage};
use otpost::domain::outcome::Outcome;
use otpost::domain::recipient::Locale;
use otpost::domain::secret::RenderedText;
use otpost::render::MailSettings;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::{CODE, example, renderer, written};
use crate::support::python;

/// A mail as its reader's program has it.
#[derive(Deserialize)]
struct Letter {
    headers: Vec<(String, String)>,
    /// The whole head as it travelled.
    head: String,
    /// The kind of each part, and what it says.
    parts: Vec<(String, String)>,
    longest_line: usize,
    defects: Vec<String>,
}

impl Letter {
    fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} comes twice");
        first
    }
}

#[tokio::test]
async fn every_mail_is_one_that_another_parser_reads_whole() {
    let renderer = renderer("Bank Żółw", MailSettings::default());
    for (kind, tag, priority) in [
        (Kind::Otp, "en", Priority::Otp),
        (Kind::Otp, "ar", Priority::Otp),
        (Kind::Transaction, "uk", Priority::Standard),
        (Kind::CardLocked, "pl", Priority::Standard),
    ] {
        let content = example(kind);
        let delivery = DeliveryId(Uuid::now_v7());

        let sent = message(delivery, priority, written(&renderer, &content, tag));
        let letter = read(&sent).await;

        let RenderedMessage::Email { subject, text, html, .. } = &sent.rendered else { panic!("{kind}") };
        assert_eq!(letter.defects, [""; 0], "{kind} {tag}");
        assert!(letter.longest_line <= 998, "{kind} {tag}: a line of {}", letter.longest_line);
        assert_eq!(letter.header("Subject"), Some(subject.reveal()));
        assert_eq!(letter.header("From"), Some("Bank Żółw <no-reply@bank.example>"));
        assert_eq!(letter.header("Message-ID"), Some(format!("<{delivery}@bank.example>").as_str()));
        assert_eq!(letter.header("Auto-Submitted"), Some("auto-generated"));
        assert_eq!(letter.header("X-Auto-Response-Suppress"), Some("OOF, AutoReply"));
        assert_eq!(letter.header("Content-Language"), Some(tag));
        assert_eq!(letter.header("MIME-Version"), Some("1.0"));
        assert!(letter.header("Date").is_some_and(|date| date.ends_with("+0000")), "{:?}", letter.header("Date"));
        assert!(letter.header("Content-Type").unwrap().starts_with("multipart/alternative"));
        let unsubscribe = (priority == Priority::Standard).then_some("<mailto:stop@bank.example>");
        assert_eq!(letter.header("List-Unsubscribe"), unsubscribe, "{kind}");
        let parts: Vec<_> = letter.parts.iter().map(|(kind, said)| (kind.as_str(), said.trim_end())).collect();
        assert_eq!(parts, [("text/plain", text.reveal()), ("text/html", html.reveal())], "{kind} {tag}");
        assert!(!letter.head.contains(CODE), "{}", letter.head);
    }
}

#[tokio::test]
async fn a_subject_reads_as_it_was_written_whatever_looks_like_an_encoded_word_in_it() {
    for written in [
        "Shop =?utf-8?b?ZXZpbC5jb20=?=",
        "=?utf-8?q?evil=2Ecom?=",
        "a=?iso-8859-1?Q?evil?= =?utf-8?B?ZXZpbA==?=b",
        "Zażółć =?utf-8?b?ZXZpbC5jb20=?= gęślą jaźń, a subject that takes more than one line and another one",
        "=? ?= =?x? %=41",
        "Shop: code for 10.00 PLN",
        "Kod do płatności Żółw",
    ] {
        let rendered = RenderedMessage::Email {
            subject: RenderedText::new(written.to_owned()),
            text: RenderedText::new("text".to_owned()),
            html: RenderedText::new("<p>text</p>".to_owned()),
            locale: Locale::parse("en").unwrap(),
        };

        let letter = read(&message(DeliveryId(Uuid::now_v7()), Priority::Otp, rendered)).await;

        assert_eq!(letter.header("Subject"), Some(written));
        assert_eq!(letter.defects, [""; 0], "{written}");
        let raw = letter.head.split("\r\nSubject:").nth(1).unwrap();
        assert!(!raw.contains("evil") && !raw.contains("=?iso"), "{raw}");
    }
}

fn message(delivery: DeliveryId, priority: Priority, rendered: RenderedMessage) -> OutboundMessage {
    let to = Contact::parse(Channel::Email, "leon@mail.example").unwrap();
    OutboundMessage { delivery, priority, to, rendered, code: None, valid_for: Duration::from_mins(5) }
}

#[tokio::test]
async fn another_library_finds_the_signature_of_a_mail_valid_and_of_a_changed_one_not() {
    let ed25519 = PKey::generate_ed25519().unwrap();
    let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let (raw, der) = (ed25519.raw_public_key().unwrap(), rsa.public_key_to_der().unwrap());
    let renderer = renderer("Bank Żółw", MailSettings::default());
    for (key, kind, public) in [(ed25519, "ed25519", raw), (rsa, "rsa", der)] {
        let pem = String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        let dkim = json!({ "dkim": { "selector": "otp2026", "private_key": pem } });
        for (kind_of_notification, priority, tag) in
            [(Kind::Otp, Priority::Otp, "ar"), (Kind::CardLocked, Priority::Standard, "pl")]
        {
            let rendered = written(&renderer, &example(kind_of_notification), tag);
            let mail = relayed(&message(DeliveryId(Uuid::now_v7()), priority, rendered), &dkim).await;
            let record = format!("v=DKIM1; k={kind}; p={}", openssl::base64::encode_block(&public));
            let valid = |mail: &str| {
                let asked = json!({ "mail": mail, "name": "otp2026._domainkey.bank.example.", "record": record });
                python::run(include_str!("../support/dkim.py"), &asked)
            };
            assert_eq!(valid(&mail), "True", "{kind}\n{mail}");
            // A relay may change spaces, and nothing else.
            assert_eq!(valid(&mail.replace("Auto-Submitted: auto", "Auto-Submitted:  auto")), "True", "{kind}");
            for changed in [
                mail.replace("bank.example>", "evil.example>"),
                mail.replacen("\r\nSubject: ", "\r\nSubject: a\r\nSubject: ", 1),
                mail.replacen("\r\n--", "\r\nx\r\n--", 1),
            ] {
                assert_ne!(changed, mail);
                assert_eq!(valid(&changed), "False", "{kind}\n{changed}");
            }
            assert!(mail.lines().all(|line| line.len() <= 78 || !line.contains("DKIM")), "{mail}");
        }
    }
}

/// Hands the message to a relay that takes everything, and reads what it was given.
async fn read(message: &OutboundMessage) -> Letter {
    let taken = relayed(message, &json!({})).await;
    let script = include_str!("../support/mail.py");
    serde_json::from_str(&python::run(script, &json!({ "mail": taken }))).unwrap()
}

/// What a relay is given that takes everything; `more` are further keys of the provider.
async fn relayed(message: &OutboundMessage, more: &Value) -> String {
    let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = json!({
        "kind": "smtp", "name": "mail", "host": "127.0.0.1", "port": relay.local_addr().unwrap().port(), "tls": "none",
        "from": "Bank Żółw <no-reply@bank.example>", "list_unsubscribe": "mailto:stop@bank.example",
    });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let settings: channel::Settings = serde_json::from_value(settings).unwrap();
    let provider = settings.connect().unwrap().provider;

    let (result, taken) = tokio::join!(provider.send(message), take(relay));

    assert!(matches!(result.outcome, Outcome::Accepted { .. }), "{:?}", result.detail);
    taken
}

/// One mail, as it came; without the dots that SMTP puts before dots.
async fn take(relay: TcpListener) -> String {
    let (mut stream, _) = relay.accept().await.unwrap();
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).take(1 << 20).lines();
    write.write_all(b"220 here\r\n").await.unwrap();
    let (mut mail, mut inside) = (String::new(), false);
    while let Some(line) = lines.next_line().await.unwrap() {
        let reply = match (inside, line.as_str()) {
            (true, ".") => {
                write.write_all(b"250 taken\r\n").await.unwrap();
                return mail;
            }
            (true, line) => {
                mail.push_str(line.strip_prefix('.').unwrap_or(line));
                mail.push_str("\r\n");
                continue;
            }
            (false, "DATA") => {
                inside = true;
                "354 go on\r\n"
            }
            (false, _) => "250 fine\r\n",
        };
        write.write_all(reply.as_bytes()).await.unwrap();
    }
    mail
}

#[tokio::test]
async fn a_repeat_is_the_same_mail_and_another_delivery_another_one() {
    let renderer = renderer("Bank", MailSettings::default());
    let (one, other) = (DeliveryId(Uuid::now_v7()), DeliveryId(Uuid::now_v7()));

    let mut names = Vec::new();
    for delivery in [one, one, other] {
        let letter = read(&message(delivery, Priority::Otp, written(&renderer, &example(Kind::Otp), "en"))).await;
        names.push(letter.header("Message-ID").unwrap().to_owned());
    }

    assert_eq!(names[0], names[1]);
    assert_ne!(names[0], names[2]);
}
