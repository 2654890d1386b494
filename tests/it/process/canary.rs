//! Known codes are posted; afterwards everything that the process wrote is searched for them, in clear and encoded.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use otpost::domain::clock::{Clock, SystemClock};
use otpost::domain::contact::Channel;
use otpost::sim::processor::{OtpSample, VerificationSample};
use otpost::sim::providers::PracticeProvider;
use otpost::sim::providers::faults::Faults;
use otpost::sim::providers::message_log::Keeping;
use serde_json::json;

use super::clock::{DAY, HOUR, Wall, count};
use super::{OTPOST, Served, Workspace, loopback, run};
use crate::support::python;

const UNPACKED: &str = include_str!("../support/unpacked.py");

/// Not to be found by chance in any hash, time or id.
const CODES: [&str; 3] = ["Kq7Zp2Vx9Tn4Wm1B", "Ry8Lc3Hd6Jf5Gs0Q", "Uo4Xe7Ib1Na9Mk2P"];
const PHONE: &str = "+48600100200";
const MAILBOX: &str = "qwenethvarnhold@example.org";
const NAME: &str = "Qwenethia";
const SECRETS: [&str; 6] = [CODES[0], CODES[1], PHONE, "600100200", MAILBOX, NAME];

fn disguises(text: &str) -> Vec<Vec<u8>> {
    let hex = |upper: bool| -> String {
        text.bytes().map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") }).collect()
    };
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut all = vec![text.into(), text.to_lowercase().into(), hex(false).into(), hex(true).into(), utf16];
    // Base64 looks different for each of the three places the text can begin at within its groups.
    for before in 0..3 {
        let shifted = [vec![b' '; before], text.into()].concat();
        let encoded = openssl::base64::encode_block(&shifted);
        let inner = encoded.trim_end_matches('=');
        all.push(inner.as_bytes()[if before == 0 { 0 } else { 4 }..inner.len() - 2].to_vec());
    }
    all
}

fn search(place: &str, bytes: &[u8], secrets: &[&str]) {
    for secret in secrets {
        for disguise in disguises(secret) {
            let found = bytes.windows(disguise.len()).position(|window| window == disguise);
            assert!(found.is_none(), "{place} holds a secret at byte {found:?}");
        }
    }
}

pub(super) fn get(served: &Served, path: &str) -> String {
    get_from(served.ops, path)
}

pub(super) fn get_from(ops: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(ops).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_found_only_at_the_provider() {
    let workspace = Workspace::new("").await;
    let mut gateway = Served::start(&workspace.path("otpost.toml"), "trace");
    let mut processor = gateway.processor(&workspace.identity());
    let mut arrivals = workspace.sms.station().subscribe();
    let otp = |code: &str| OtpSample { otp: code.into(), ..OtpSample::default() }.sample();

    // One is delivered, one fails and waits (so that its row is still sealed), one is rejected by ingest.
    let sent = otp(CODES[0]);
    assert_eq!(processor.post(sent.path, &sent.body, Some("a")).await.unwrap().status, 204);
    let arrived = tokio::time::timeout(Duration::from_secs(10), arrivals.recv()).await.unwrap().unwrap();
    assert!(arrived.text.contains(CODES[0]), "the search would find it");
    workspace.sms.station().behave(Faults { echo: true, ..Faults::down(503) });
    let waits = otp(CODES[1]);
    assert_eq!(processor.post(waits.path, &waits.body, Some("b")).await.unwrap().status, 204);
    let refused = otp(CODES[2]);
    let mut answers = Vec::new();
    for body in [
        refused.body.replace("PLN", "12"),
        refused.body.replace(CODES[2], &format!("{}{}", CODES[2], CODES[2])),
        refused.body.replace("\"1000\"", &format!("\"{}\"", CODES[2])),
        refused.body.trim_end_matches('}').to_owned(),
        format!("{{\"otp\":{{\"x\":\"{}\"}}}}", CODES[2]),
    ] {
        let answer = processor.post(refused.path, &body, Some("c")).await.unwrap();
        assert_eq!(answer.status, 422, "the body was meant to be refused");
        answers.extend_from_slice(answer.body.as_ref());
    }
    let reused = otp(CODES[1]);
    let answer = processor.post(reused.path, &reused.body, Some("a")).await.unwrap();
    assert_eq!(answer.status, 422);
    answers.extend_from_slice(answer.body.as_ref());
    let metrics = get(&gateway, "/metrics");
    assert!(metrics.contains("otpost_attempts_total"), "{metrics}");

    let all = [CODES[0], CODES[1], CODES[2], PHONE];
    search("an error answer", &answers, &all);
    search("the metrics", metrics.as_bytes(), &all);
    let config = workspace.path("otpost.toml");
    let config = config.to_str().unwrap();
    for command in [vec!["delivery", "list"], vec!["recipient", "show", "storage_customer", "1337"], vec!["check"]] {
        let said = run(Command::new(OTPOST).args(&command).args(["--config", config]));
        search(&command.join(" "), said.as_bytes(), &all);
    }
    let list = run(Command::new(OTPOST).args(["delivery", "list", "--json", "--config", config]));
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    for delivery in list["deliveries"].as_array().unwrap() {
        let id = delivery["id"].as_str().unwrap().to_owned();
        let said = run(Command::new(OTPOST).args(["delivery", "show", &id, "--text", "--config", config]));
        search("delivery show", said.as_bytes(), &all);
    }
    let said = run(Command::new(OTPOST).args(["template", "history", "--config", config]));
    search("template history", said.as_bytes(), &all);
    gateway.signal("-TERM");
    gateway.ended_within(Duration::from_secs(15));
    let log = gateway.log();
    assert!(log.contains("TRACE"), "everything is logged");
    assert!(log.contains("rejected by the simulator"), "what the provider answered is kept");
    search("the log", log.as_bytes(), &all);
    for entry in fs::read_dir(workspace.path("")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            search(&entry.display().to_string(), &fs::read(&entry).unwrap(), &all);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_report_dossier_bundle_or_backup_holds_a_code_a_phone_number_a_mailbox_or_a_name() {
    let workspace = Workspace::new("").await;
    let mut gateway = workspace.serve();
    let mut processor = gateway.processor(&workspace.identity());
    let mut arrivals = workspace.sms.station().subscribe();
    let code = OtpSample { otp: CODES[0].into(), ..OtpSample::default() }.sample();
    let verification = VerificationSample { email: MAILBOX.into(), ..VerificationSample::default() };
    let mut rejected = verification.rejected("BLURRED_SELFIE");
    rejected.body = rejected.body.replace("Alex", NAME);
    for (sample, key) in [(code, "a"), (rejected, "b")] {
        assert_eq!(processor.post(sample.path, &sample.body, Some(key)).await.unwrap().status, 204);
    }
    tokio::time::timeout(Duration::from_mins(1), arrivals.recv()).await.unwrap().unwrap();
    // One more waits while the files are made, so that there is something to leak.
    workspace.sms.station().behave(Faults { echo: true, ..Faults::down(503) });
    let waits = OtpSample { otp: CODES[1].into(), ..OtpSample::default() }.sample();
    assert_eq!(processor.post(waits.path, &waits.body, Some("c")).await.unwrap().status, 204);

    let config = workspace.path("otpost.toml");
    let out = workspace.path("made");
    fs::create_dir(&out).unwrap();
    let made = |args: &[&str], name: &str| {
        let said = run(Command::new(OTPOST).args(args).arg("--out").arg(out.join(name)).arg("--config").arg(&config));
        search(&args.join(" "), said.as_bytes(), &SECRETS);
    };
    for format in ["csv", "csv-raw", "json", "xlsx"] {
        made(&["report", "deliveries", "--from", "1h", "--format", format], &format!("deliveries.{format}"));
        made(&["report", "summary", "--from", "1h", "--format", format], &format!("summary.{format}"));
    }
    let dispute = ["report", "dispute", "--recipient", "storage_customer:1337", "--from", "1h", "--to", "now"];
    for format in ["pdf", "html", "json"] {
        made(&[&dispute[..], &["--format", format]].concat(), &format!("dossier.{format}"));
    }
    run(Command::new(OTPOST).arg("backup").arg(out.join("backup")).arg("--config").arg(&config));
    // The last events are signed at the stop.
    gateway.signal("-TERM");
    gateway.ended_within(Duration::from_secs(15));
    let export = ["audit", "export", "--from", "1h"];
    run(Command::new(OTPOST).args(export).arg(out.join("bundle")).arg("--config").arg(&config));

    let files = search_all(&out);
    assert!(files > 15, "only {files} files were made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mail_of_a_report_or_a_checkpoint_holds_a_code_or_a_contact() {
    let relay = PracticeProvider::open(Channel::Email, loopback(), Keeping::Arrivals).await.unwrap();
    let workspace = Workspace::new(&format!(
        "[[provider]]\nname = \"relay\"\nkind = \"smtp\"\nhost = \"{}\"\nport = {}\ntls = \"none\"\nfrom = \"Bank <otp@bank.example>\"",
        relay.address().ip(),
        relay.address().port()
    ))
    .await;
    let config = workspace.path("otpost.toml");
    let text = fs::read_to_string(&config).unwrap();
    let (mail, report) = (text.find("[audit.mail]").unwrap(), text.find("[report.daily]").unwrap());
    let of_mail = text[mail..report].replace("to = \"\"", "to = \"auditor@bank.example\"");
    let of_mail = of_mail.replace("provider = \"\"", "provider = \"relay\"").replace("\"24h\"", "\"1s\"");
    let of_report = text[report..]
        .replace("time = \"\"", "time = \"00:00\"")
        .replace("mail_to = []", "mail_to = [\"ops@bank.example\"]");
    let of_report = of_report.replace("mail_provider = \"\"", "mail_provider = \"relay\"");
    fs::write(&config, format!("{}{of_mail}{of_report}", &text[..mail])).unwrap();
    // At noon, so that what follows is on one day.
    let mut wall = Wall::new(&workspace);
    wall.set_by(12 * HOUR - SystemClock.now().micros() / 1_000_000 % DAY);

    let mut gateway = wall.serve(&workspace);
    let mut processor = gateway.processor(&workspace.identity());
    let mut arrivals = workspace.sms.station().subscribe();
    for (code, key) in [(CODES[0], "a"), (CODES[1], "b")] {
        let sample = OtpSample { otp: code.into(), ..OtpSample::default() }.sample();
        assert_eq!(processor.post(sample.path, &sample.body, Some(key)).await.unwrap().status, 204);
        tokio::time::timeout(Duration::from_mins(1), arrivals.recv()).await.unwrap().unwrap();
    }
    while count("SELECT count(*) FROM delivery WHERE state = 'sent'", &workspace.path("otpost.db")).await < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gateway.signal("-TERM");
    gateway.ended_within(Duration::from_secs(15));
    wall.set_by(DAY);
    let gateway = wall.serve(&workspace);

    let began = Instant::now();
    let mails = loop {
        let mails = relay.station().arrivals();
        let has_row = |text: &str| text.lines().any(|line| line.starts_with("otp "));
        if mails.iter().any(|mail| mail.to.contains("auditor@")) && mails.iter().any(|mail| has_row(&mail.text)) {
            break mails;
        }
        assert!(began.elapsed() < Duration::from_mins(2), "{mails:?} {}", gateway.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    for mail in mails {
        let title = mail.title.clone().unwrap_or_default();
        search(&format!("the mail {title}"), format!("{title}\n{}", mail.text).as_bytes(), &SECRETS);
    }
}

/// Searches every file below the folder; returns how many there are.
fn search_all(folder: &Path) -> usize {
    let mut files = 0;
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files += search_all(&path);
            continue;
        }
        files += 1;
        search(&path.display().to_string(), &fs::read(&path).unwrap(), &SECRETS);
        if path.extension().is_some_and(|it| it == "xlsx" || it == "pdf") {
            let unpacked = python::run(UNPACKED, &json!({ "file": path }));
            assert!(unpacked.len() > 1_000, "{}", path.display());
            search(&format!("{} unpacked", path.display()), unpacked.as_bytes(), &SECRETS);
        }
    }
    files
}
