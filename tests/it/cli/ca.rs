//! `otpost ca` with CSRs that the `openssl` command creates, certificates and CRLs that it verifies, and a gateway that
//! authorizes the signed clients.

mod authorization;
mod bad_input;
mod operator_log;

use std::path::Path;
use std::process::Command;

use super::{CommandOutput, Workspace, run};

const SUBJECT: &str = "/C=PL/O=Processor/CN=otp";

impl Workspace {
    fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Creates a key of `kind`, such as `rsa:2048` or `ec:P-256`, and its CSR `NAME.csr`.
    fn request(&self, name: &str, kind: &str, more: &[&str]) -> String {
        let (algorithm, option) = match kind.split_once(':').unwrap() {
            ("ec", curve) => ("ec", format!("ec_paramgen_curve:{curve}")),
            (algorithm, bits) => (algorithm, format!("rsa_keygen_bits:{bits}")),
        };
        let (key, csr) = (self.file(&format!("{name}.key")), self.file(&format!("{name}.csr")));
        let fixed = ["req", "-new", "-nodes", "-subj", SUBJECT, "-newkey", algorithm, "-pkeyopt", &option];
        openssl(&[&fixed[..], &["-keyout", &key, "-out", &csr], more].concat());
        csr
    }

    fn sign(&self, csr: &str, more: &[&str]) -> CommandOutput {
        let days = if more.contains(&"--days") { &[][..] } else { &["--days", "90"][..] };
        let fixed = ["ca", "sign", csr, "--client", "verestro", "--env", "dev"];
        self.run(&[&fixed[..], days, more].concat())
    }

    fn signed(&self, csr: &str, more: &[&str]) -> serde_json::Value {
        let said = self.sign(csr, &[&["--json"], more].concat());
        assert_eq!(said.code, 0, "{}", said.err);
        said.json()
    }

    fn verify(&self, certificate: &str, more: &[&str]) -> Result<String, String> {
        let ca = self.file("pki/dev/ca.pem");
        let said = Command::new("openssl")
            .args(["verify", "-x509_strict", "-CAfile", &ca])
            .args(more)
            .arg(certificate)
            .output();
        let said = said.unwrap();
        let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
        if said.status.success() { Ok(text) } else { Err(text) }
    }

    fn verify_with_list(&self, certificate: &str) -> Result<String, String> {
        self.verify(certificate, &["-crl_check", "-CRLfile", &self.file("pki/dev/crl.pem")])
    }

    fn issued(&self) -> Vec<serde_json::Value> {
        self.run(&["ca", "list", "--json"]).json().as_array().unwrap().clone()
    }
}

fn openssl(args: &[&str]) -> String {
    let said = Command::new("openssl").args(args).output().unwrap();
    assert!(said.status.success(), "{args:?}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

fn refused(said: &CommandOutput, part: &str) {
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(said.err.contains(part), "{part}: {}", said.err);
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_certificate_is_for_a_client_only_whatever_the_csr_requests() {
    let workspace = Workspace::new();
    let extensions =
        ["-addext", "basicConstraints=critical,CA:true", "-addext", "extendedKeyUsage=serverAuth,codeSigning"];
    let csr = workspace.request("theirs", "rsa:4096", &extensions);

    let told = workspace.signed(&csr, &[]);

    let certificate = workspace.file("theirs.pem");
    assert_eq!(told["certificate"], certificate);
    assert!(workspace.verify(&certificate, &["-purpose", "sslclient"]).is_ok());
    assert!(workspace.verify(&certificate, &["-purpose", "sslserver"]).is_err());
    let text = openssl(&["x509", "-in", &certificate, "-noout", "-text", "-serial", "-nameopt", "RFC2253"]);
    assert!(text.contains("CA:FALSE") && text.contains("TLS Web Client Authentication"), "{text}");
    assert!(!text.contains("TLS Web Server") && !text.contains("Code Signing"), "{text}");
    assert!(text.contains(&format!("serial={}", told["serial"].as_str().unwrap())), "{text}");
    assert!(
        text.contains("Subject: CN=otp,O=Processor,C=PL") && told["subject"] == "CN=otp,O=Processor,C=PL",
        "{text}"
    );
}

#[test]
fn a_csr_is_shown_with_the_result_of_each_requested_extension() {
    let workspace = Workspace::new();
    let csr =
        workspace.request("theirs", "ec:P-256", &["-addext", "basicConstraints=CA:true", "-addext", "nsComment=hi"]);

    let said = workspace.run(&["ca", "show", &csr]);
    let told = workspace.run(&["ca", "show", &csr, "--json"]).json();
    let pin = workspace.signed(&csr, &[])["spki_pin"].clone();
    let again = workspace.run(&["ca", "show", &csr, "--json"]).json();

    assert_eq!(said.code, 0, "{}", said.err);
    for line in
        ["CN=otp,O=Processor,C=PL", "P-256", "basicConstraints: ignored; set to CA:FALSE", "nsComment: ignored\n"]
    {
        said.place_of(line);
    }
    assert_eq!((&told["fit"], &told["signed_by_its_key"], &told["spki_pin"]), (&true.into(), &true.into(), &pin));
    assert_eq!(told["earlier"].as_array().unwrap().len(), 0);
    assert_eq!(again["earlier"][0]["client"], "verestro");
}

#[test]
fn only_common_and_strong_keys_are_signed() {
    let workspace = Workspace::new();
    for (name, kind) in [("a", "rsa:2048"), ("b", "ec:P-256"), ("c", "ec:P-384")] {
        let csr = workspace.request(name, kind, &[]);
        assert_eq!(workspace.sign(&csr, &[]).code, 0, "{kind}");
        assert!(
            workspace.verify(&workspace.file(&format!("{name}.pem")), &["-purpose", "sslclient"]).is_ok(),
            "{kind}"
        );
    }
    for (name, kind, called) in [("d", "rsa:1024", "RSA 1024"), ("e", "ec:P-521", "secp521r1")] {
        let csr = workspace.request(name, kind, &[]);
        refused(&workspace.sign(&csr, &[]), called);
        let shown = workspace.run(&["ca", "show", &csr]);
        assert_eq!(shown.code, 2);
        shown.place_of(&format!("it cannot be signed: the key is {called}"));
        assert!(!workspace.path(&format!("{name}.pem")).exists());
    }
    assert_eq!(workspace.issued().len(), 4, "the three, and the workspace's own");
}

#[test]
fn issued_certificates_are_listed_as_a_table_and_as_json() {
    let workspace = Workspace::new();
    let told = workspace.signed(&workspace.request("theirs", "ec:P-256", &[]), &[]);
    workspace.signed(&workspace.request("short", "ec:P-256", &[]), &["--days", "20"]);

    let said = workspace.run(&["ca", "list"]);

    assert!(said.out.starts_with("ENV  CLIENT         STATE         NOT AFTER   DAYS LEFT  SERIAL"), "{}", said.out);
    let lines = workspace.issued();
    assert_eq!(lines[1]["serial"], told["serial"]);
    assert_eq!((&lines[1]["state"], &lines[1]["environment"]), (&"valid".into(), &"dev".into()));
    assert_eq!(lines[1]["days_left"], 89);
    assert_eq!(lines[2]["state"], "expires_soon");
    refused(&workspace.run(&["ca", "list", "--env", "prod"]), "there is no prod CA");
}

#[test]
fn a_revoked_certificate_is_rejected_by_readers_of_the_crl() {
    let workspace = Workspace::new();
    let (kept, lost) = (workspace.request("kept", "ec:P-256", &[]), workspace.request("lost", "ec:P-256", &[]));
    let numbers = [&kept, &lost].map(|csr| workspace.signed(csr, &[])["serial"].as_str().unwrap().to_owned());
    let lost_file = workspace.file("lost.pem");
    assert!(workspace.verify_with_list(&lost_file).is_ok(), "an empty CRL revokes nothing");

    let said = workspace.run(&["ca", "revoke", &lost_file, "--reason", "keyCompromise"]);

    assert_eq!(said.code, 0, "{}", said.err);
    said.place_of("ingest.crl");
    assert!(workspace.verify_with_list(&lost_file).unwrap_err().contains("certificate revoked"));
    assert!(workspace.verify_with_list(&workspace.file("kept.pem")).is_ok());
    let list = openssl(&["crl", "-in", &workspace.file("pki/dev/crl.pem"), "-noout", "-text"]);
    assert!(list.contains(&numbers[1]) && list.contains("Key Compromise") && !list.contains(&numbers[0]), "{list}");
    assert_eq!(workspace.issued()[2]["state"], "revoked");
    refused(&workspace.run(&["ca", "revoke", &lost_file]), "already revoked");
    refused(&workspace.run(&["ca", "revoke", &numbers[1].to_lowercase()]), "already revoked");
    refused(&workspace.sign(&lost, &["--out", &workspace.file("again.pem")]), "compromised");
    assert_eq!(
        workspace.run(&["ca", "revoke", &numbers[0].to_lowercase()]).code,
        0,
        "by its serial number in lower case"
    );
}

#[test]
fn a_crl_is_renewed_with_a_higher_number_for_the_requested_time() {
    let workspace = Workspace::new();
    let (list, copy) = (workspace.file("pki/dev/crl.pem"), workspace.file("copy.pem"));
    let number = |file: &str| openssl(&["crl", "-in", file, "-noout", "-crlnumber"]);
    let before = number(&list);

    for _ in 0..2 {
        let said = workspace.run(&["ca", "crl", "--days", "10", "--out", &copy]);
        assert_eq!(said.code, 0, "{}", said.err);
    }

    assert_eq!((before.trim(), number(&list).trim()), ("crlNumber=0x01", "crlNumber=0x03"));
    assert_eq!(std::fs::read(&list).unwrap(), std::fs::read(&copy).unwrap());
    let said = Command::new("openssl")
        .args(["crl", "-noout", "-in", &list, "-CAfile", &workspace.file("pki/dev/ca.pem")])
        .output();
    assert!(String::from_utf8_lossy(&said.unwrap().stderr).contains("verify OK"));
    let checked = workspace.run(&["check"]);
    assert!(checked.out.contains(": renew it; run `otpost ca crl`"), "{}", checked.out);
    let key = workspace.file("pki/dev/ca.key");
    refused(&workspace.run(&["ca", "crl", "--out", &key]), "already exists");
}

#[test]
fn a_production_ca_is_created_once_with_an_encrypted_key() {
    let workspace = Workspace::new();
    let words = workspace.write("words", "correct horse\n");
    let init = ["ca", "init", "--env", "prod", "--name", "Bank CA", "--passphrase-file", &words];
    let csr = workspace.request("theirs", "ec:P-256", &[]);
    let prod = ["--env", "prod", "--out", &workspace.file("prod.pem")];

    let made = workspace.run(&init);

    assert_eq!(made.code, 0, "{}", made.err);
    assert!(!made.err.contains("warning"), "{}", made.err);
    assert_eq!(mode(&workspace.path("pki/prod/ca.key")), 0o600);
    assert_eq!(openssl(&["asn1parse", "-in", &workspace.file("pki/prod/ca.key")]).matches("aes-256-cbc").count(), 1);
    assert!(
        openssl(&["x509", "-in", &workspace.file("pki/prod/ca.pem"), "-noout", "-subject"]).contains("otpost prod CA")
    );
    refused(&workspace.run(&init), "already exists");
    let sign = |more: &[&str]| {
        workspace.run(&[&["ca", "sign", &csr, "--client", "verestro", "--days", "90"], &prod[..], more].concat())
    };
    refused(&sign(&[]), "is encrypted; use --passphrase-file");
    refused(
        &sign(&["--passphrase-file", &workspace.write("wrong", "wrong horse")]),
        "does not decrypt the private key",
    );
    let signed = sign(&["--passphrase-file", &words]);
    assert_eq!(signed.code, 0, "{}", signed.err);
    signed.keeps("correct horse");
    assert!(signed.err.contains("set ingest.client_ca to"), "the configuration trusts the other CA: {}", signed.err);
    refused(&workspace.run(&["ca", "crl"]), "--env");
}

#[test]
fn a_production_ca_without_a_passphrase_gives_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ca");
    let made = run(&["ca", "init", "--env", "prod", "--dir", dir.to_str().unwrap()]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.err.contains("warning: the key of this production CA is not encrypted"), "{}", made.err);
    assert_eq!(mode(&dir.join("prod/ca.key")), 0o600);
}

#[test]
fn the_passphrase_can_come_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let with = |words: &str, command: &str| {
        let mut otpost = Command::new(env!("CARGO_BIN_EXE_otpost"));
        let args = ["ca", command, "--env", "prod", "--dir", folder.path().to_str().unwrap()];
        otpost.args(args).env("OTPOST_CA_PASSPHRASE", words).stdin(std::process::Stdio::null()).output().unwrap()
    };
    assert_eq!(with("short", "init").status.code(), Some(2));
    assert!(with("correct horse", "init").status.success());
    assert!(with("correct horse", "crl").status.success());
    assert_eq!(with("wrong horse", "crl").status.code(), Some(2));
}

#[test]
fn the_ca_or_a_client_with_its_chain_is_exported_but_never_a_key() {
    let workspace = Workspace::new();
    let (old, new) = (workspace.request("old", "ec:P-256", &[]), workspace.request("new", "ec:P-256", &[]));
    workspace.signed(&old, &[]);
    workspace.signed(&new, &["--days", "120"]);
    let (der, chain) = (workspace.file("ca.der"), workspace.file("chain.pem"));

    let ca = workspace.run(&["ca", "export"]);
    assert_eq!(workspace.run(&["ca", "export", "--der", "--out", &der]).code, 0);
    assert_eq!(workspace.run(&["ca", "export", "--client", "verestro", "--out", &chain]).code, 0);

    assert_eq!(ca.out, std::fs::read_to_string(workspace.path("pki/dev/ca.pem")).unwrap());
    assert!(openssl(&["x509", "-inform", "der", "-in", &der, "-noout", "-subject"]).contains("otpost dev CA"));
    let text = std::fs::read_to_string(&chain).unwrap();
    assert!(text.starts_with(&std::fs::read_to_string(workspace.path("new.pem")).unwrap()), "the newest one");
    assert_eq!((text.matches("BEGIN CERTIFICATE").count(), text.matches("KEY").count()), (2, 0));
    refused(&workspace.run(&["ca", "export", "--client", "unknown"]), "unknown: no valid certificate");
    refused(&workspace.run(&["ca", "export", "--out", &chain]), "already exists");
}

#[test]
fn a_relative_name_of_two_attributes_is_shown_as_one_and_is_another_name_than_two() {
    let workspace = Workspace::new();
    let key = workspace.file("one.key");
    let csr = |name: &str, subject: &str| {
        let file = workspace.file(&format!("{name}.csr"));
        let options = ["req", "-new", "-nodes", "-newkey", "rsa:2048", "-keyout", &key, "-out", &file];
        openssl(&[&options[..], &["-multivalue-rdn", "-subj", subject]].concat());
        file
    };
    let shown = |file: &str| workspace.run(&["ca", "show", file, "--json"]).json()["subject"].clone();

    let (one, two) = (csr("one", "/CN=otp+O=P"), csr("two", "/O=P/CN=otp"));

    // The order inside is that of the encoding.
    assert!(["CN=otp+O=P", "O=P+CN=otp"].iter().any(|name| shown(&one) == *name), "{}", shown(&one));
    assert_eq!(shown(&two), "CN=otp,O=P");
}

#[test]
fn the_key_of_a_ca_is_encrypted_later_and_its_passphrase_changed() {
    let workspace = Workspace::new();
    let (first, second) = (workspace.write("first", "correct horse\n"), workspace.write("second", "battery staple\n"));
    let csr = workspace.request("theirs", "ec:P-256", &[]);
    let unused = workspace.sign(&csr, &["--passphrase-file", &first]);
    assert!(unused.err.contains("is not encrypted, and the passphrase is not used"), "{}", unused.err);

    let encrypted = workspace.run(&["ca", "encrypt", "--new-passphrase-file", &first]);
    let without = workspace.run(&["ca", "crl"]);
    let changed = workspace.run(&["ca", "encrypt", "--new-passphrase-file", &second, "--passphrase-file", &first]);
    let old = workspace.run(&["ca", "crl", "--passphrase-file", &first]);
    let new = workspace.run(&["ca", "crl", "--passphrase-file", &second]);

    assert_eq!((encrypted.code, changed.code, new.code), (0, 0, 0), "{}{}", encrypted.err, changed.err);
    refused(&without, "is encrypted; use --passphrase-file");
    refused(&old, "does not decrypt the private key");
    assert_eq!(mode(&workspace.path("pki/dev/ca.key")), 0o600);
    assert!(workspace.run(&["check"]).out.contains("its key is encrypted or elsewhere"));
    refused(&workspace.run(&["ca", "encrypt", "--new-passphrase-file", &workspace.write("x", "short")]), "too short");
}
