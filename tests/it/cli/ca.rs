//! `otpost ca`: requests that the `openssl` command makes, certificates and lists that it verifies, and a gateway that
//! lets in whom the desk has signed.

mod bad_input;
mod letting_in;

use std::path::Path;
use std::process::Command;

use super::{Desk, Said, run};

/// Everything but the ends of lines: a key, and a request for it.
const SUBJECT: &str = "/C=PL/O=Processor/CN=otp";

impl Desk {
    fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A key of `kind`, as in `rsa:2048` or `ec:P-256`, and `NAME.csr`.
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

    fn sign(&self, csr: &str, more: &[&str]) -> Said {
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

fn refused(said: &Said, part: &str) {
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(said.err.contains(part), "{part}: {}", said.err);
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_the_processors_own_openssl_asked_for_is_signed_for_a_client_and_nothing_else() {
    let desk = Desk::new();
    let preferences =
        ["-addext", "basicConstraints=critical,CA:true", "-addext", "extendedKeyUsage=serverAuth,codeSigning"];
    let csr = desk.request("theirs", "rsa:4096", &preferences);

    let told = desk.signed(&csr, &[]);

    let certificate = desk.file("theirs.pem");
    assert_eq!(told["certificate"], certificate);
    assert!(desk.verify(&certificate, &["-purpose", "sslclient"]).is_ok());
    assert!(desk.verify(&certificate, &["-purpose", "sslserver"]).is_err());
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
fn a_request_is_shown_with_what_becomes_of_each_wish() {
    let desk = Desk::new();
    let csr = desk.request("theirs", "ec:P-256", &["-addext", "basicConstraints=CA:true", "-addext", "nsComment=hi"]);

    let said = desk.run(&["ca", "show", &csr]);
    let told = desk.run(&["ca", "show", &csr, "--json"]).json();
    let pin = desk.signed(&csr, &[])["spki"].clone();
    let again = desk.run(&["ca", "show", &csr, "--json"]).json();

    assert_eq!(said.code, 0, "{}", said.err);
    for line in
        ["CN=otp,O=Processor,C=PL", "P-256", "basicConstraints: ignored; we set CA:FALSE", "nsComment: ignored\n"]
    {
        said.place_of(line);
    }
    assert_eq!((&told["fit"], &told["signed_by_its_key"], &told["spki"]), (&true.into(), &true.into(), &pin));
    assert_eq!(told["earlier"].as_array().unwrap().len(), 0);
    assert_eq!(again["earlier"][0]["client"], "verestro");
}

#[test]
fn keys_that_are_common_and_strong_are_signed_and_others_are_not() {
    let desk = Desk::new();
    for (name, kind) in [("a", "rsa:2048"), ("b", "ec:P-256"), ("c", "ec:P-384")] {
        let csr = desk.request(name, kind, &[]);
        assert_eq!(desk.sign(&csr, &[]).code, 0, "{kind}");
        assert!(desk.verify(&desk.file(&format!("{name}.pem")), &["-purpose", "sslclient"]).is_ok(), "{kind}");
    }
    for (name, kind, called) in [("d", "rsa:1024", "RSA 1024"), ("e", "ec:P-521", "secp521r1")] {
        let csr = desk.request(name, kind, &[]);
        refused(&desk.sign(&csr, &[]), called);
        let shown = desk.run(&["ca", "show", &csr]);
        assert_eq!(shown.code, 2);
        shown.place_of(&format!("it will not be signed: the key is {called}"));
        assert!(!desk.path(&format!("{name}.pem")).exists());
    }
    assert_eq!(desk.issued().len(), 4, "the three, and the workspace's own");
}

#[test]
fn what_was_issued_is_listed_for_recipients_and_machines() {
    let desk = Desk::new();
    let told = desk.signed(&desk.request("theirs", "ec:P-256", &[]), &[]);
    desk.signed(&desk.request("short", "ec:P-256", &[]), &["--days", "20"]);

    let said = desk.run(&["ca", "list"]);

    assert!(said.out.starts_with("env  client         state         not after   days left  serial"), "{}", said.out);
    let lines = desk.issued();
    assert_eq!(lines[1]["serial"], told["serial"]);
    assert_eq!((&lines[1]["state"], &lines[1]["environment"]), (&"valid".into(), &"dev".into()));
    assert_eq!(lines[1]["days_left"], 89);
    assert_eq!(lines[2]["state"], "expires_soon");
    refused(&desk.run(&["ca", "list", "--env", "prod"]), "there is no prod CA");
}

#[test]
fn a_revoked_certificate_is_refused_by_whoever_reads_the_list() {
    let desk = Desk::new();
    let (kept, lost) = (desk.request("kept", "ec:P-256", &[]), desk.request("lost", "ec:P-256", &[]));
    let numbers = [&kept, &lost].map(|csr| desk.signed(csr, &[])["serial"].as_str().unwrap().to_owned());
    let lost_file = desk.file("lost.pem");
    assert!(desk.verify_with_list(&lost_file).is_ok(), "an empty list revokes nobody");

    let said = desk.run(&["ca", "revoke", &lost_file, "--reason", "keyCompromise"]);

    assert_eq!(said.code, 0, "{}", said.err);
    said.place_of("ingest.crl");
    assert!(desk.verify_with_list(&lost_file).unwrap_err().contains("certificate revoked"));
    assert!(desk.verify_with_list(&desk.file("kept.pem")).is_ok());
    let list = openssl(&["crl", "-in", &desk.file("pki/dev/crl.pem"), "-noout", "-text"]);
    assert!(list.contains(&numbers[1]) && list.contains("Key Compromise") && !list.contains(&numbers[0]), "{list}");
    assert_eq!(desk.issued()[2]["state"], "revoked");
    refused(&desk.run(&["ca", "revoke", &lost_file]), "already");
    refused(&desk.run(&["ca", "revoke", &numbers[1].to_lowercase()]), "already");
    refused(&desk.sign(&lost, &["--out", &desk.file("again.pem")]), "compromised");
    assert_eq!(desk.run(&["ca", "revoke", &numbers[0].to_lowercase()]).code, 0, "by its number, in small letters");
}

#[test]
fn a_list_is_renewed_with_a_higher_number_for_as_long_as_asked() {
    let desk = Desk::new();
    let (list, copy) = (desk.file("pki/dev/crl.pem"), desk.file("copy.pem"));
    let number = |file: &str| openssl(&["crl", "-in", file, "-noout", "-crlnumber"]);
    let before = number(&list);

    for _ in 0..2 {
        let said = desk.run(&["ca", "crl", "--days", "10", "--out", &copy]);
        assert_eq!(said.code, 0, "{}", said.err);
    }

    assert_eq!((before.trim(), number(&list).trim()), ("crlNumber=0x01", "crlNumber=0x03"));
    assert_eq!(std::fs::read(&list).unwrap(), std::fs::read(&copy).unwrap());
    let said =
        Command::new("openssl").args(["crl", "-noout", "-in", &list, "-CAfile", &desk.file("pki/dev/ca.pem")]).output();
    assert!(String::from_utf8_lossy(&said.unwrap().stderr).contains("verify OK"));
    let checked = desk.run(&["check"]);
    assert!(checked.out.contains("9 days from now: renew it; otpost ca crl"), "{}", checked.out);
    let key = desk.file("pki/dev/ca.key");
    refused(&desk.run(&["ca", "crl", "--out", &key]), "is there already");
}

#[test]
fn a_production_ca_is_made_once_with_an_encrypted_key_and_everything_in_its_place() {
    let desk = Desk::new();
    let words = desk.write("words", "correct horse\n");
    let init = ["ca", "init", "--env", "prod", "--name", "Bank CA", "--passphrase-file", &words];
    let csr = desk.request("theirs", "ec:P-256", &[]);
    let prod = ["--env", "prod", "--out", &desk.file("prod.pem")];

    let made = desk.run(&init);

    assert_eq!(made.code, 0, "{}", made.err);
    assert!(!made.err.contains("warning"), "{}", made.err);
    assert_eq!(mode(&desk.path("pki/prod/ca.key")), 0o600);
    assert_eq!(openssl(&["asn1parse", "-in", &desk.file("pki/prod/ca.key")]).matches("aes-256-cbc").count(), 1);
    assert!(openssl(&["x509", "-in", &desk.file("pki/prod/ca.pem"), "-noout", "-subject"]).contains("otpost prod CA"));
    refused(&desk.run(&init), "is there already");
    let sign = |more: &[&str]| {
        desk.run(&[&["ca", "sign", &csr, "--client", "verestro", "--days", "90"], &prod[..], more].concat())
    };
    refused(&sign(&[]), "is encrypted; give --passphrase-file");
    refused(&sign(&["--passphrase-file", &desk.write("wrong", "wrong horse")]), "does not open the private key");
    let signed = sign(&["--passphrase-file", &words]);
    assert_eq!(signed.code, 0, "{}", signed.err);
    signed.keeps("correct horse");
    assert!(signed.err.contains("ingest.client_ca must be"), "the configuration trusts the other CA: {}", signed.err);
    refused(&desk.run(&["ca", "crl"]), "--env");
}

#[test]
fn a_production_ca_without_a_passphrase_is_made_and_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("desk");
    let made = run(&["ca", "init", "--env", "prod", "--dir", dir.to_str().unwrap()]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.err.contains("warning: the key of a production CA lies here unencrypted"), "{}", made.err);
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
fn what_is_exported_is_the_ca_or_a_client_with_its_chain_and_never_a_key() {
    let desk = Desk::new();
    let (old, new) = (desk.request("old", "ec:P-256", &[]), desk.request("new", "ec:P-256", &[]));
    desk.signed(&old, &[]);
    desk.signed(&new, &["--days", "120"]);
    let (der, chain) = (desk.file("ca.der"), desk.file("chain.pem"));

    let ca = desk.run(&["ca", "export"]);
    assert_eq!(desk.run(&["ca", "export", "--der", "--out", &der]).code, 0);
    assert_eq!(desk.run(&["ca", "export", "--client", "verestro", "--out", &chain]).code, 0);

    assert_eq!(ca.out, std::fs::read_to_string(desk.path("pki/dev/ca.pem")).unwrap());
    assert!(openssl(&["x509", "-inform", "der", "-in", &der, "-noout", "-subject"]).contains("otpost dev CA"));
    let text = std::fs::read_to_string(&chain).unwrap();
    assert!(text.starts_with(&std::fs::read_to_string(desk.path("new.pem")).unwrap()), "the newest one");
    assert_eq!((text.matches("BEGIN CERTIFICATE").count(), text.matches("KEY").count()), (2, 0));
    refused(&desk.run(&["ca", "export", "--client", "nobody"]), "nobody: no valid certificate");
    refused(&desk.run(&["ca", "export", "--out", &chain]), "is there already");
}
