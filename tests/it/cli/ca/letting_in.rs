//! From a request to a code that is taken: `ca sign --pin`, a running gateway, and curl with the certificate.

use std::process::Command;

use otpost::app::Gateway;
use otpost::config::Config;
use otpost::domain::clock::Clocks;

use super::{Desk, mode, refused};
use crate::support::notice::otp;

impl Desk {
    async fn gateway(&self) -> Gateway {
        let text = std::fs::read_to_string(self.path("otpost.toml")).unwrap();
        if text.contains("127.0.0.1:8443") {
            self.configure("127.0.0.1:8443", "127.0.0.1:0");
        }
        let config = Config::load(&self.path("otpost.toml")).unwrap();
        Gateway::start(&config, Clocks::of_this_machine()).await.unwrap()
    }

    fn pins(&self) -> Vec<Vec<String>> {
        Config::load(&self.path("otpost.toml")).unwrap().ingest.client.into_iter().map(|client| client.spki).collect()
    }

    /// Posts the published sample with curl, and returns the status.
    async fn post(&self, gateway: &Gateway, name: &str) -> String {
        let file = |ending: &str| self.file(&format!("{name}.{ending}"));
        let url = format!("https://127.0.0.1:{}/notifications/otp", gateway.address().port());
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "10", "--cacert", &self.file("pki/dev/ca.pem")]);
        curl.args(["--cert", &file("pem"), "--key", &file("key"), "-H", "Content-Type: application/json"]);
        curl.args(["-o", "/dev/null", "-w", "%{http_code}", "-d", &otp().json(), &url]);
        let said = tokio::task::spawn_blocking(move || curl.output().unwrap()).await.unwrap();
        String::from_utf8(said.stdout).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_signed_and_pinned_is_let_in_and_whoever_was_only_signed_is_not() {
    let desk = Desk::new();
    desk.signed(&desk.request("pinned", "rsa:4096", &[]), &["--pin"]);
    desk.signed(&desk.request("signed", "ec:P-256", &[]), &[]);

    let gateway = desk.gateway().await;

    assert_eq!(desk.post(&gateway, "pinned").await, "204");
    assert_eq!(desk.post(&gateway, "signed").await, "403");
    gateway.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_and_the_new_certificate_of_a_client_are_let_in_until_the_old_one_is_taken_out() {
    let desk = Desk::new();
    for name in ["old", "new"] {
        desk.signed(&desk.request(name, "ec:P-256", &[]), &["--pin"]);
    }

    let gateway = desk.gateway().await;
    let overlap = (desk.post(&gateway, "old").await, desk.post(&gateway, "new").await);
    gateway.stop().await.unwrap();
    let again = desk.sign(&desk.file("new.csr"), &["--pin", "--replace", "--out", &desk.file("again.pem")]);
    let gateway = desk.gateway().await;
    let after = (desk.post(&gateway, "old").await, desk.post(&gateway, "new").await);

    assert_eq!((overlap.0.as_str(), overlap.1.as_str()), ("204", "204"));
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!((after.0.as_str(), after.1.as_str()), ("403", "204"));
    gateway.stop().await.unwrap();
}

#[test]
fn a_pin_is_written_once_and_the_rest_of_the_file_stays_as_it_was() {
    let desk = Desk::new();
    let before = std::fs::read_to_string(desk.path("otpost.toml")).unwrap();
    std::fs::set_permissions(desk.path("otpost.toml"), std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let csr = desk.request("theirs", "ec:P-256", &[]);

    let first = desk.sign(&csr, &["--pin"]);
    let once = std::fs::read_to_string(desk.path("otpost.toml")).unwrap();
    let second = desk.sign(&csr, &["--pin", "--out", &desk.file("second.pem")]);

    assert_eq!((first.code, second.code), (0, 0), "{}{}", first.err, second.err);
    assert!(once.starts_with(&before) && once.len() > before.len(), "{once}");
    assert_eq!(std::fs::read_to_string(desk.path("otpost.toml")).unwrap(), once);
    assert_eq!(mode(&desk.path("otpost.toml")), 0o640);
    first.place_of("lets it in now");
    second.place_of("lets this key in already");
    assert_eq!(desk.pins().len(), 2);
    assert!(first.out.ends_with(&once[before.len()..].trim_start().replace("\n\n", "\n")), "{}", first.out);
}

#[test]
fn the_block_that_is_printed_is_the_one_that_lets_the_client_in() {
    let desk = Desk::new();
    desk.signed(&desk.request("old", "ec:P-256", &[]), &["--pin"]);

    let said = desk.sign(&desk.request("new", "ec:P-256", &[]), &[]);

    let block = &said.out[said.place_of("[[ingest.client]]")..];
    let text = std::fs::read_to_string(desk.path("otpost.toml")).unwrap();
    let at = text.rfind("[[ingest.client]]").unwrap();
    let pinned_before = desk.pins()[1].clone();
    desk.write("otpost.toml", &format!("{}{block}", &text[..at]));
    assert_eq!(desk.pins()[1].len(), 2);
    assert_eq!(desk.pins()[1][0], pinned_before[0], "the one that was there stands first");
}

#[test]
fn without_a_configuration_the_block_is_printed_and_pinning_is_refused() {
    let desk = Desk::new();
    let (csr, dir) = (desk.request("theirs", "ec:P-256", &[]), desk.file("pki"));
    let sign = |more: &[&str]| {
        let fixed = ["ca", "sign", &csr, "--client", "verestro", "--env", "dev", "--days", "90", "--dir", &dir];
        super::run(&[&fixed[..], &["--config", "/nowhere/otpost.toml"], more].concat())
    };

    refused(&sign(&["--pin"]), "/nowhere/otpost.toml");
    let said = sign(&[]);

    assert_eq!(said.code, 0, "{}", said.err);
    said.place_of("[[ingest.client]]\nname = \"verestro\"\nspki = [\"");
    assert_eq!(desk.issued().len(), 2, "the refused one was not signed");
}

#[test]
fn a_production_profile_does_not_trust_a_development_ca() {
    let desk = Desk::new();
    desk.configure("environment = \"dev\"", "environment = \"production\"");

    let checked = desk.run(&["check"]);
    let served = desk.run(&["serve"]);

    assert_eq!((checked.code, served.code), (2, 2));
    assert!(checked.out.contains("pki/dev/ca.pem: holds a development CA"), "{}", checked.out);
    assert!(served.err.contains("pki/dev/ca.pem: holds a development CA"), "{}", served.err);
    assert_eq!(desk.run(&["ca", "init", "--env", "prod"]).code, 0);
    desk.configure("client_ca = \"pki/dev/ca.pem\"", "client_ca = \"pki/prod/ca.pem\"");
    desk.configure("crl = \"pki/dev/crl.pem\"", "crl = \"pki/prod/crl.pem\"");
    assert_eq!(desk.run(&["check"]).code, 0, "{}", desk.run(&["check"]).out);
}

#[test]
fn check_warns_of_what_ends_and_of_what_nobody_lists_but_not_of_what_has_a_successor() {
    let desk = Desk::new();
    let csr = desk.request("theirs", "ec:P-256", &[]);
    let short = desk.sign(&csr, &["--days", "5"]);
    assert_eq!(short.code, 0, "{}", short.err);

    let alone = desk.run(&["check"]);
    desk.signed(&desk.request("next", "ec:P-256", &[]), &["--pin"]);
    let succeeded = desk.run(&["check"]);
    assert_eq!(desk.run(&["ca", "revoke", &desk.file("theirs.pem")]).code, 0);
    let revoked = desk.run(&["check"]);

    let line =
        |said: &super::Said, part: &str| said.out.lines().find(|line| line.contains(part)).unwrap_or("").to_owned();
    assert!(line(&alone, ", 4 days from now: renew it this week").starts_with("warning  issued"), "{}", alone.out);
    assert!(line(&alone, "no [[ingest.client]] lists it").starts_with("warning  issued"), "{}", alone.out);
    assert!(line(&succeeded, "takes over").starts_with("ok       issued"), "{}", succeeded.out);
    assert!(!revoked.out.contains(", 4 days from now"), "{}", revoked.out);
    assert_eq!((alone.code, revoked.code), (0, 0));
}
