//! `otpost check`: a new workspace is sound, and each thing that can be wrong with one is said in its own line.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki;

use super::{Desk, Said};

fn complaint(said: &Said, part: &str) {
    assert_eq!(said.code, 2, "{}", said.out);
    assert!(said.out.lines().any(|line| line.starts_with("error") && line.contains(part)), "{part}:\n{}", said.out);
}

fn warning(said: &Said, part: &str) {
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.lines().any(|line| line.starts_with("warning") && line.contains(part)), "{part}:\n{}", said.out);
}

#[test]
fn a_new_workspace_is_sound_and_lacks_providers_and_recipients() {
    let desk = Desk::new();

    let said = desk.run(&["check"]);
    let told = desk.run(&["check", "--json"]);

    warning(&said, "add a [[provider]]");
    warning(&said, "the directory is empty");
    assert!(said.out.contains("known as client processor-dev"), "{}", said.out);
    assert!(said.out.contains("OpenSSL ") && said.out.contains("SQLite "), "{}", said.out);
    assert!(!said.out.contains('\u{1b}'), "no colours into a pipe");
    let told = told.json();
    assert_eq!((&told["ok"], &told["errors"]), (&true.into(), &0.into()));
    assert_eq!(told["findings"][0]["subject"], "configuration");
}

#[test]
fn what_is_wrong_with_the_configuration_is_named() {
    let desk = Desk::new();
    desk.configure("threads = 1", "thread = 1");
    complaint(&desk.run(&["check"]), "thread");
    desk.configure("thread = 1", "threads = 1");
    desk.configure("level = \"info\"", "level = \"loud=loud\"");
    desk.configure("ttl = \"5m\"", "ttl = \"50m\"");
    desk.configure("\nspki = [\"", "\nspki = [\"short");

    let said = desk.run(&["check"]);

    complaint(&said, "log.level");
    complaint(&said, "plan.otp.ttl");
    assert!(said.out.contains("add a [[provider]]"), "{}", said.out);
    complaint(&said, "ingest.client processor-dev");
    complaint(&super::run(&["check", "--config", "/nowhere/otpost.toml"]), "/nowhere/otpost.toml");
}

#[test]
fn every_provider_that_cannot_be_set_up_is_named() {
    let desk = Desk::new();
    let provider =
        |name: &str, url: &str| format!("\n[[provider]]\nname = \"{name}\"\nkind = \"push_http\"\nurl = \"{url}\"\n");
    let text = std::fs::read_to_string(desk.path("otpost.toml")).unwrap();
    let both = provider("app", "ftp://push.example/") + &provider("app2", "not a url");
    desk.write("otpost.toml", &format!("{text}{both}"));
    let broken = desk.run(&["check"]);
    let twins = provider("app", "https://push.example/").repeat(2);
    desk.write("otpost.toml", &format!("{text}{twins}"));

    complaint(&broken, "provider app:");
    complaint(&broken, "provider app2:");
    complaint(&desk.run(&["check"]), "stands there twice");
}

#[test]
fn a_missing_file_is_named_once_and_the_rest_is_looked_at_all_the_same() {
    let desk = Desk::new();
    std::fs::remove_file(desk.path("pki/server.pem")).unwrap();
    std::fs::remove_file(desk.path("keys/seal.key")).unwrap();

    let said = desk.run(&["check"]);

    complaint(&said, "server.pem");
    complaint(&said, "seal.key");
    assert_eq!(said.out.matches("server.pem").count(), 1, "{}", said.out);
    assert!(said.out.contains("client CA"), "{}", said.out);
}

#[test]
fn a_key_of_another_certificate_is_found() {
    let desk = Desk::new();
    std::fs::copy(desk.path("pki/processor.key"), desk.path("pki/server.key")).unwrap();
    complaint(&desk.run(&["check"]), "pki/server.key: ");
}

#[test]
fn a_key_that_others_can_read_is_a_warning() {
    let desk = Desk::new();
    std::fs::set_permissions(desk.path("keys/seal.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    warning(&desk.run(&["check"]), "chmod 600");
}

#[test]
fn a_certificate_that_has_ended_is_an_error_and_one_that_soon_will_a_warning() {
    let desk = Desk::new();
    let now = SystemClock.now();
    let days = |days: u64| Duration::from_hours(24 * days);
    let authority = pki::Authority::create("otpost test CA", 400, now.before(days(390))).unwrap();
    let server = authority.issue_server(&["localhost".to_owned()], 30, now.before(days(31))).unwrap();
    for name in ["pki/server.pem", "pki/server.key", "pki/dev/ca.pem"] {
        std::fs::remove_file(desk.path(name)).unwrap();
    }
    pki::write_certificate(&desk.path("pki/server.pem"), &server.certificate).unwrap();
    pki::write_key(&desk.path("pki/server.key"), &server.key).unwrap();
    pki::write_certificate(&desk.path("pki/dev/ca.pem"), authority.certificate()).unwrap();

    let said = desk.run(&["check"]);

    complaint(&said, "ended on");
    assert!(said.out.contains("9 days from now: renew it"), "{}", said.out);
}

#[test]
fn a_database_that_is_not_there_is_not_made() {
    let desk = Desk::new();
    std::fs::remove_file(desk.path("otpost.db")).unwrap();

    warning(&desk.run(&["check"]), "is not there yet");

    assert!(!desk.path("otpost.db").exists());
}

#[test]
fn a_disk_that_is_nearly_full_is_an_error() {
    let desk = Desk::new();
    desk.configure("min_free = 268435456", "min_free = 9000000000000000000");
    complaint(&desk.run(&["check"]), "nothing would be accepted");
}

#[test]
fn receipts_need_a_door_and_a_provider_that_sends_them() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(desk.path("otpost.toml")).unwrap();
    let provider = "\n[[provider]]\nname = \"sms\"\nkind = \"sms_gateway\"\nurl = \"https://sms.example/\"\n";
    // The first door that is shut is this one.
    let open = |listen: &str| text.replacen("\nlisten = \"\" ", &format!("\nlisten = \"{listen}\" "), 1);
    let reporting = |secret: &str| format!("{provider}[provider.receipt]\nsecret = \"{secret}\"\n");

    desk.write("otpost.toml", &(text.clone() + &reporting("practice-secret-practice-secret")));
    warning(&desk.run(&["check"]), "set receipts.listen");
    desk.write("otpost.toml", &(open("127.0.0.1:0") + provider));
    warning(&desk.run(&["check"]), "no provider sends any");

    desk.write("otpost.toml", &(open("0.0.0.0:8444") + &reporting("short")));
    let said = desk.run(&["check"]);
    complaint(&said, "receipts.certificate: ");
    complaint(&said, "provider sms: receipt.secret: ");
}
