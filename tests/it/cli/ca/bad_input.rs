//! What a stranger may send, and what an operator may mistype: refused in a sentence, and nothing is left behind.

use std::fs;

use super::{Desk, openssl, refused};

#[test]
fn a_file_that_is_not_a_request_is_called_what_it_is() {
    let desk = Desk::new();
    let csr = desk.request("theirs", "ec:P-256", &[]);
    let both = [fs::read(&csr).unwrap(), fs::read(desk.path("theirs.key")).unwrap()].concat();
    fs::write(desk.path("both"), both).unwrap();
    fs::write(desk.path("twice"), fs::read(&csr).unwrap().repeat(2)).unwrap();
    for (file, said) in [
        ("nowhere.csr", "No such file"),
        ("pki", "Is a directory"),
        ("otpost.toml", "is not a signing request"),
        ("pki/processor.pem", "is a certificate"),
        ("theirs.key", "is a private key"),
        ("both", "is a private key"),
        ("twice", "several signing requests"),
    ] {
        let path = desk.file(file);
        let out = desk.file("out.pem");
        for answer in [desk.run(&["ca", "show", &path]), desk.sign(&path, &["--out", &out])] {
            refused(&answer, said);
            assert!(answer.err.contains(&path), "{}", answer.err);
        }
    }
    assert_eq!(desk.issued().len(), 1);
}

#[test]
fn a_request_that_was_tampered_with_is_not_signed() {
    let desk = Desk::new();
    let csr = desk.request("theirs", "rsa:2048", &[]);
    let der = desk.file("theirs.der");
    openssl(&["req", "-in", &csr, "-outform", "der", "-out", &der]);
    let mut bytes = fs::read(&der).unwrap();
    let at = bytes.windows(3).position(|window| window == b"otp").unwrap();
    bytes[at] = b'x';
    fs::write(&der, bytes).unwrap();

    refused(&desk.sign(&der, &[]), "the request's own signature does not match its key");
    let shown = desk.run(&["ca", "show", &der]);

    assert_eq!(shown.code, 2);
    shown.place_of("NOT made with this key");
    assert!(!desk.path("theirs.pem").exists());
    assert_eq!(desk.issued().len(), 1);
}

#[test]
fn a_file_without_an_end_is_not_read_to_its_end() {
    let desk = Desk::new();
    let csr = fs::read_to_string(desk.request("theirs", "ec:P-256", &[])).unwrap();
    let huge = desk.write("huge.csr", &(csr + &"A".repeat(70_000)));
    for file in ["/dev/zero", &huge] {
        refused(&desk.run(&["ca", "show", file]), "more than 64 KiB");
        refused(&desk.sign(file, &["--out", &desk.file("out.pem")]), "more than 64 KiB");
        refused(&desk.run(&["ca", "revoke", file]), "more than 64 KiB");
    }
}

#[test]
fn days_that_nobody_should_sign_for_are_refused_with_the_reason() {
    let desk = Desk::new();
    let csr = desk.request("theirs", "ec:P-256", &[]);
    for days in ["0", "826", "4000000000"] {
        refused(&desk.sign(&csr, &["--days", days]), "expected 1 to 825; a key that is stolen");
    }
    assert_eq!(desk.issued().len(), 1, "nothing is on record that was refused");
}

#[test]
fn a_file_that_is_in_the_candidate_stays_and_nothing_is_signed() {
    let desk = Desk::new();
    let csr = desk.request("theirs", "ec:P-256", &[]);
    let out = desk.write("theirs.pem", "mine");

    refused(&desk.sign(&csr, &[]), "is there already");
    refused(&desk.sign(&csr, &["--out", &desk.file("nowhere/out.pem")]), "there is no such folder");

    assert_eq!(fs::read_to_string(&out).unwrap(), "mine");
    assert_eq!(desk.issued().len(), 1);
}

#[test]
fn a_certificate_that_cannot_be_written_out_is_on_record_and_can_be_exported() {
    let desk = Desk::new();
    let csr = desk.request("theirs", "ec:P-256", &[]);

    let said = desk.sign(&csr, &["--out", "/proc/out.pem"]);

    assert_eq!(said.code, 1, "{}", said.err);
    assert!(said.err.contains("is on record; otpost ca export --client verestro writes it"), "{}", said.err);
    assert_eq!(desk.issued().len(), 2);
    assert_eq!(desk.run(&["ca", "export", "--client", "verestro"]).code, 0);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let made = super::run(&["ca", "init", "--env", "dev", "--dir", "/proc/desk"]);
    assert_eq!(made.code, 1, "{}", made.err);
    assert!(made.err.contains("/proc/desk"), "{}", made.err);
}

#[test]
fn numbers_and_certificates_that_are_not_ours_are_not_revoked() {
    let desk = Desk::new();
    let key = desk.file("other.key");
    let other = desk.file("other.pem");
    openssl(&["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", &key, "-out", &other]);
    for (which, said) in [
        ("4f4f", "no certificate of that number"),
        (other.as_str(), "was not issued here"),
        (key.as_str(), "neither a certificate's number nor a certificate"),
        ("nowhere.pem", "No such file"),
    ] {
        refused(&desk.run(&["ca", "revoke", which]), said);
    }
    let held = desk.run(&["ca", "revoke", "4f4f", "--reason", "certificateHold"]);
    refused(&held, "does not come back");
}

#[test]
fn a_register_that_cannot_be_read_stops_everything_and_is_named() {
    let desk = Desk::new();
    desk.write("pki/dev/issued/index.json", "{\"version\": 1, \"certi");
    let csr = desk.request("theirs", "ec:P-256", &[]);

    for said in [desk.sign(&csr, &[]), desk.run(&["ca", "list"]), desk.run(&["ca", "crl"])] {
        refused(&said, "issued/index.json");
    }

    assert!(!desk.path("theirs.pem").exists());
    assert_eq!(desk.run(&["check"]).code, 2);
}

#[test]
fn a_certificate_that_a_crash_kept_from_everybody_is_told_and_takes_nobodys_place() {
    let desk = Desk::new();
    desk.signed(&desk.request("theirs", "ec:P-256", &[]), &["--pin", "--days", "5"]);
    let lost = desk.signed(&desk.request("lost", "ec:P-256", &[]), &["--pin"])["serial"].clone();
    let lost = lost.as_str().unwrap();
    fs::remove_file(desk.path(&format!("pki/dev/issued/{lost}.pem"))).unwrap();

    let told = desk.run(&["check"]);
    let exported = desk.run(&["ca", "export", "--client", "verestro"]);
    assert_eq!(desk.run(&["ca", "revoke", lost]).code, 0);

    assert!(told.out.contains("a crash came before anybody got it"), "{}", told.out);
    assert!(told.out.contains(", 4 days from now: renew it this week"), "{}", told.out);
    assert!(exported.out.starts_with(&fs::read_to_string(desk.path("theirs.pem")).unwrap()), "{}", exported.err);
    assert!(!desk.run(&["check"]).out.contains("a crash came"));
}
