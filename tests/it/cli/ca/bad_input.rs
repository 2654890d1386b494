//! Invalid files and mistyped arguments: each is rejected with a clear message, and nothing is left behind.

use std::fs;

use super::{Workspace, openssl, refused};

#[test]
fn a_file_that_is_not_a_csr_is_called_what_it_is() {
    let workspace = Workspace::new();
    let csr = workspace.request("theirs", "ec:P-256", &[]);
    let both = [fs::read(&csr).unwrap(), fs::read(workspace.path("theirs.key")).unwrap()].concat();
    fs::write(workspace.path("both"), both).unwrap();
    fs::write(workspace.path("twice"), fs::read(&csr).unwrap().repeat(2)).unwrap();
    for (file, said) in [
        ("nowhere.csr", "No such file"),
        ("pki", "Is a directory"),
        ("otpost.toml", "is not a CSR"),
        ("pki/processor.pem", "is a certificate"),
        ("theirs.key", "contains a private key"),
        ("both", "contains a private key"),
        ("twice", "several CSRs"),
    ] {
        let path = workspace.file(file);
        let out = workspace.file("out.pem");
        for answer in [workspace.run(&["ca", "show", &path]), workspace.sign(&path, &["--out", &out])] {
            refused(&answer, said);
            assert!(answer.err.contains(&path), "{}", answer.err);
        }
    }
    assert_eq!(workspace.issued().len(), 1);
}

#[test]
fn a_modified_csr_is_not_signed() {
    let workspace = Workspace::new();
    let csr = workspace.request("theirs", "rsa:2048", &[]);
    let der = workspace.file("theirs.der");
    openssl(&["req", "-in", &csr, "-outform", "der", "-out", &der]);
    let mut bytes = fs::read(&der).unwrap();
    let at = bytes.windows(3).position(|window| window == b"otp").unwrap();
    bytes[at] = b'x';
    fs::write(&der, bytes).unwrap();

    refused(&workspace.sign(&der, &[]), "the signature of the CSR does not match its key");
    let shown = workspace.run(&["ca", "show", &der]);

    assert_eq!(shown.code, 2);
    shown.place_of("NOT valid for this key");
    assert!(!workspace.path("theirs.pem").exists());
    assert_eq!(workspace.issued().len(), 1);
}

#[test]
fn an_endless_file_is_not_read_beyond_the_limit() {
    let workspace = Workspace::new();
    let csr = fs::read_to_string(workspace.request("theirs", "ec:P-256", &[])).unwrap();
    let huge = workspace.write("huge.csr", &(csr + &"A".repeat(70_000)));
    for file in ["/dev/zero", &huge] {
        refused(&workspace.run(&["ca", "show", file]), "larger than 64 KiB");
        refused(&workspace.sign(file, &["--out", &workspace.file("out.pem")]), "larger than 64 KiB");
        refused(&workspace.run(&["ca", "revoke", file]), "larger than 64 KiB");
    }
}

#[test]
fn an_excessive_lifetime_is_rejected_with_the_reason() {
    let workspace = Workspace::new();
    let csr = workspace.request("theirs", "ec:P-256", &[]);
    for days in ["0", "826", "4000000000"] {
        refused(&workspace.sign(&csr, &["--days", days]), "must be 1 to 825; short lifetimes");
    }
    assert_eq!(workspace.issued().len(), 1, "a rejected certificate is not recorded");
}

#[test]
fn an_existing_file_is_left_unchanged_and_nothing_is_signed() {
    let workspace = Workspace::new();
    let csr = workspace.request("theirs", "ec:P-256", &[]);
    let out = workspace.write("theirs.pem", "mine");

    refused(&workspace.sign(&csr, &[]), "already exists");
    refused(&workspace.sign(&csr, &["--out", &workspace.file("nowhere/out.pem")]), "no such folder");

    assert_eq!(fs::read_to_string(&out).unwrap(), "mine");
    assert_eq!(workspace.issued().len(), 1);
}

#[test]
fn a_certificate_that_cannot_be_written_is_recorded_and_can_be_exported() {
    let workspace = Workspace::new();
    let csr = workspace.request("theirs", "ec:P-256", &[]);

    let said = workspace.sign(&csr, &["--out", "/proc/out.pem"]);

    assert_eq!(said.code, 1, "{}", said.err);
    assert!(
        said.err.contains("was signed and recorded; write it with `otpost ca export --client verestro`"),
        "{}",
        said.err
    );
    assert_eq!(workspace.issued().len(), 2);
    assert_eq!(workspace.run(&["ca", "export", "--client", "verestro"]).code, 0);
}

#[test]
fn an_unwritable_folder_is_named_in_the_error() {
    let made = super::run(&["ca", "init", "--env", "dev", "--dir", "/proc/ca"]);
    assert_eq!(made.code, 1, "{}", made.err);
    assert!(made.err.contains("/proc/ca"), "{}", made.err);
}

#[test]
fn certificates_of_another_ca_are_not_revoked() {
    let workspace = Workspace::new();
    let key = workspace.file("other.key");
    let other = workspace.file("other.pem");
    openssl(&["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", &key, "-out", &other]);
    for (which, said) in [
        ("4f4f", "no such certificate was issued"),
        (other.as_str(), "was not issued by this CA"),
        (key.as_str(), "neither a serial number nor a certificate"),
        ("nowhere.pem", "No such file"),
    ] {
        refused(&workspace.run(&["ca", "revoke", which]), said);
    }
    let held = workspace.run(&["ca", "revoke", "4f4f", "--reason", "certificateHold"]);
    refused(&held, "cannot be undone");
}

#[test]
fn an_unreadable_index_stops_every_command_and_is_named() {
    let workspace = Workspace::new();
    workspace.write("pki/dev/issued/index.json", "{\"version\": 1, \"certi");
    let csr = workspace.request("theirs", "ec:P-256", &[]);

    for said in [workspace.sign(&csr, &[]), workspace.run(&["ca", "list"]), workspace.run(&["ca", "crl"])] {
        refused(&said, "issued/index.json");
    }

    assert!(!workspace.path("theirs.pem").exists());
    assert_eq!(workspace.run(&["check"]).code, 2);
}

#[test]
fn a_recorded_certificate_without_a_file_is_reported_and_replaces_no_other() {
    let workspace = Workspace::new();
    workspace.signed(&workspace.request("theirs", "ec:P-256", &[]), &["--pin", "--days", "5"]);
    let lost = workspace.signed(&workspace.request("lost", "ec:P-256", &[]), &["--pin"])["serial"].clone();
    let lost = lost.as_str().unwrap();
    fs::remove_file(workspace.path(&format!("pki/dev/issued/{lost}.pem"))).unwrap();

    let told = workspace.run(&["check"]);
    let exported = workspace.run(&["ca", "export", "--client", "verestro"]);
    assert_eq!(workspace.run(&["ca", "revoke", lost]).code, 0);

    assert!(told.out.contains("not handed out because of a crash"), "{}", told.out);
    assert!(told.out.contains("expires in 4 days, on ") && told.out.contains(": renew it this week"), "{}", told.out);
    assert!(exported.out.starts_with(&fs::read_to_string(workspace.path("theirs.pem")).unwrap()), "{}", exported.err);
    assert!(!workspace.run(&["check"]).out.contains("because of a crash"));
}

#[test]
fn a_csr_with_a_weak_hash_is_refused_by_name() {
    let workspace = Workspace::new();
    for (name, digest) in [("sha1", "-sha1"), ("md5", "-md5")] {
        let csr = workspace.request(name, "rsa:2048", &[digest]);
        refused(&workspace.sign(&csr, &[]), "expected a signature with SHA-256, SHA-384 or SHA-512");
        let shown = workspace.run(&["ca", "show", &csr]);
        assert_eq!(shown.code, 2);
        shown.place_of(&format!("it cannot be signed: the CSR is signed with RSA-{}", name.to_uppercase()));
    }
    assert_eq!(workspace.issued().len(), 1);
}

#[test]
fn a_csr_in_utf_16_is_read() {
    let workspace = Workspace::new();
    let pem = fs::read_to_string(workspace.request("theirs", "ec:P-256", &[])).unwrap();
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(pem.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    fs::write(workspace.path("wide.csr"), &wide).unwrap();
    fs::write(workspace.path("cut.csr"), &wide[..wide.len() - 1]).unwrap();

    assert_eq!(workspace.sign(&workspace.file("wide.csr"), &[]).code, 0);
    refused(&workspace.run(&["ca", "show", &workspace.file("cut.csr")]), "is a text in UTF-16 that is cut short");
}

#[test]
fn name_days_and_ca_are_looked_at_before_the_file_that_is_written() {
    let workspace = Workspace::new();
    let csr = workspace.request("theirs", "ec:P-256", &[]);
    workspace.write("theirs.pem", "mine");

    refused(&workspace.sign(&csr, &["--days", "900"]), "must be 1 to 825");
    let other = workspace.run(&["ca", "sign", &csr, "--client", "verestro", "--env", "prod", "--days", "90"]);
    refused(&other, "there is no prod CA");
    refused(&workspace.run(&["ca", "sign", &csr, "--client", "", "--env", "dev", "--days", "90"]), "--client: ");
}
