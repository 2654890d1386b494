//! From a CSR to an accepted code: `ca sign --pin`, a running gateway, and curl with the certificate.

use std::process::Command;

use otpost::app::Gateway;
use otpost::config::Config;
use otpost::domain::clock::Clocks;

use super::{Workspace, mode, refused};
use crate::support::sample_notification::otp;

impl Workspace {
    async fn gateway(&self) -> Gateway {
        let text = std::fs::read_to_string(self.path("otpost.toml")).unwrap();
        if text.contains("127.0.0.1:8443") {
            self.configure("127.0.0.1:8443", "127.0.0.1:0");
        }
        let config = Config::load(&self.path("otpost.toml")).unwrap();
        Gateway::start(&config, Clocks::of_this_machine()).await.unwrap()
    }

    fn pins(&self) -> Vec<Vec<String>> {
        Config::load(&self.path("otpost.toml"))
            .unwrap()
            .ingest
            .client
            .into_iter()
            .map(|client| client.spki_pins)
            .collect()
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
async fn a_signed_client_is_authorized_only_with_its_pin() {
    let workspace = Workspace::new();
    workspace.signed(&workspace.request("pinned", "rsa:4096", &[]), &["--pin"]);
    workspace.signed(&workspace.request("signed", "ec:P-256", &[]), &[]);

    let gateway = workspace.gateway().await;

    assert_eq!(workspace.post(&gateway, "pinned").await, "204");
    assert_eq!(workspace.post(&gateway, "signed").await, "403");
    gateway.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_and_the_new_certificate_are_authorized_until_the_old_pin_is_removed() {
    let workspace = Workspace::new();
    for name in ["old", "new"] {
        workspace.signed(&workspace.request(name, "ec:P-256", &[]), &["--pin"]);
    }

    let gateway = workspace.gateway().await;
    let overlap = (workspace.post(&gateway, "old").await, workspace.post(&gateway, "new").await);
    gateway.stop().await.unwrap();
    let again =
        workspace.sign(&workspace.file("new.csr"), &["--pin", "--replace", "--out", &workspace.file("again.pem")]);
    let gateway = workspace.gateway().await;
    let after = (workspace.post(&gateway, "old").await, workspace.post(&gateway, "new").await);

    assert_eq!((overlap.0.as_str(), overlap.1.as_str()), ("204", "204"));
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!((after.0.as_str(), after.1.as_str()), ("403", "204"));
    gateway.stop().await.unwrap();
}

#[test]
fn a_pin_is_added_once_and_the_rest_of_the_file_is_unchanged() {
    let workspace = Workspace::new();
    let before = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    std::fs::set_permissions(workspace.path("otpost.toml"), std::os::unix::fs::PermissionsExt::from_mode(0o640))
        .unwrap();
    let csr = workspace.request("theirs", "ec:P-256", &[]);

    let first = workspace.sign(&csr, &["--pin"]);
    let once = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let second = workspace.sign(&csr, &["--pin", "--out", &workspace.file("second.pem")]);

    assert_eq!((first.code, second.code), (0, 0), "{}{}", first.err, second.err);
    assert!(once.starts_with(&before) && once.len() > before.len(), "{once}");
    assert_eq!(std::fs::read_to_string(workspace.path("otpost.toml")).unwrap(), once);
    assert_eq!(mode(&workspace.path("otpost.toml")), 0o640);
    first.place_of("added the pin to");
    second.place_of("already authorizes this key");
    assert_eq!(workspace.pins().len(), 2);
    assert!(first.out.ends_with(&once[before.len()..].trim_start().replace("\n\n", "\n")), "{}", first.out);
}

#[test]
fn the_printed_table_authorizes_the_client() {
    let workspace = Workspace::new();
    workspace.signed(&workspace.request("old", "ec:P-256", &[]), &["--pin"]);

    let said = workspace.sign(&workspace.request("new", "ec:P-256", &[]), &[]);

    let block = &said.out[said.place_of("[[ingest.client]]")..];
    let text = std::fs::read_to_string(workspace.path("otpost.toml")).unwrap();
    let at = text.rfind("[[ingest.client]]").unwrap();
    let pinned_before = workspace.pins()[1].clone();
    workspace.write("otpost.toml", &format!("{}{block}", &text[..at]));
    assert_eq!(workspace.pins()[1].len(), 2);
    assert_eq!(workspace.pins()[1][0], pinned_before[0], "the existing pin comes first");
}

#[test]
fn without_a_configuration_the_table_is_printed_and_pin_is_rejected() {
    let workspace = Workspace::new();
    let (csr, dir) = (workspace.request("theirs", "ec:P-256", &[]), workspace.file("pki"));
    let sign = |more: &[&str]| {
        let fixed = ["ca", "sign", &csr, "--client", "verestro", "--env", "dev", "--days", "90", "--dir", &dir];
        super::run(&[&fixed[..], &["--config", "/nowhere/otpost.toml"], more].concat())
    };

    refused(&sign(&["--pin"]), "/nowhere/otpost.toml");
    let said = sign(&[]);

    assert_eq!(said.code, 0, "{}", said.err);
    said.place_of("[[ingest.client]]\nname = \"verestro\"\nspki_pins = [\"");
    assert_eq!(workspace.issued().len(), 2, "the rejected CSR was not signed");
}

#[test]
fn a_production_environment_does_not_trust_a_development_ca() {
    let workspace = Workspace::new();
    workspace.configure("environment = \"dev\"", "environment = \"production\"");

    let checked = workspace.run(&["check"]);
    let served = workspace.run(&["serve"]);

    assert_eq!((checked.code, served.code), (2, 2));
    assert!(checked.out.contains("pki/dev/ca.pem: holds a development CA"), "{}", checked.out);
    assert!(served.err.contains("pki/dev/ca.pem: holds a development CA"), "{}", served.err);
    assert_eq!(workspace.run(&["ca", "init", "--env", "prod"]).code, 0);
    workspace.configure("client_ca = \"pki/dev/ca.pem\"", "client_ca = \"pki/prod/ca.pem\"");
    workspace.configure("crl = \"pki/dev/crl.pem\"", "crl = \"pki/prod/crl.pem\"");
    assert_eq!(workspace.run(&["check"]).code, 0, "{}", workspace.run(&["check"]).out);
}

#[test]
fn check_warns_about_expiry_and_missing_pins_but_not_about_replaced_certificates() {
    let workspace = Workspace::new();
    let csr = workspace.request("theirs", "ec:P-256", &[]);
    let short = workspace.sign(&csr, &["--days", "5"]);
    assert_eq!(short.code, 0, "{}", short.err);

    let alone = workspace.run(&["check"]);
    workspace.signed(&workspace.request("next", "ec:P-256", &[]), &["--pin"]);
    let succeeded = workspace.run(&["check"]);
    assert_eq!(workspace.run(&["ca", "revoke", &workspace.file("theirs.pem")]).code, 0);
    let revoked = workspace.run(&["check"]);

    let line = |said: &super::CommandOutput, part: &str| {
        said.out.lines().find(|line| line.contains(part)).unwrap_or("").to_owned()
    };
    assert!(line(&alone, ": renew it this week").starts_with("warning  client certificate"), "{}", alone.out);
    assert!(
        line(&alone, "no [[ingest.client]] has its pin").starts_with("warning  client certificate"),
        "{}",
        alone.out
    );
    assert!(line(&succeeded, "replaced by").starts_with("ok       client certificate"), "{}", succeeded.out);
    assert!(!revoked.out.contains("expires in 4 days"), "{}", revoked.out);
    assert_eq!((alone.code, revoked.code), (0, 0));
}
