//! The certificates of a CA, checked with the `openssl` command.

use std::fs;
use std::path::Path;
use std::process::Command;

use openssl::ec::{EcGroup, EcKey};
use openssl::rsa::Rsa;
use openssl::stack::Stack;
use openssl::x509::X509Req;

use super::*;
use crate::pki::request;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn authority() -> Authority {
    Authority::create("Practice CA", 3650, NOW).unwrap()
}

fn csr_with(key: &PKey<Private>, common_name: &str, extensions: Vec<X509Extension>) -> X509Req {
    let mut csr = X509Req::builder().unwrap();
    csr.set_version(0).unwrap();
    csr.set_subject_name(&common_name_only(common_name).unwrap()).unwrap();
    csr.set_pubkey(key).unwrap();
    let mut requested = Stack::new().unwrap();
    for extension in extensions {
        requested.push(extension).unwrap();
    }
    csr.add_extensions(&requested).unwrap();
    let digest = if key.id() == openssl::pkey::Id::ED25519 { MessageDigest::null() } else { MessageDigest::sha256() };
    csr.sign(key, digest).unwrap();
    csr.build()
}

fn ec_key(curve: Nid) -> PKey<Private> {
    PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()).unwrap()
}

fn rsa_key(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

/// Runs `openssl verify` for the time `at`. Returns its output on failure.
fn verified(authority: &Authority, certificate: &X509, at: Timestamp, extra: &[&str]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("ca.pem"), authority.certificate().to_pem().unwrap()).unwrap();
    fs::write(path("leaf.pem"), certificate.to_pem().unwrap()).unwrap();
    let time = (at.micros() / 1_000_000).to_string();
    let output = Command::new("openssl")
        .args(["verify", "-x509_strict", "-check_ss_sig", "-attime", &time])
        .args(extra)
        .args(["-CAfile".as_ref(), path("ca.pem").as_path(), path("leaf.pem").as_path()] as [&Path; 3])
        .output()
        .unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn text_of(certificate: &X509Ref) -> String {
    String::from_utf8(certificate.to_text().unwrap()).unwrap()
}

#[test]
fn openssl_accepts_a_signed_client_certificate_for_clients_only() {
    let authority = authority();
    let csr = request("otp-dev", "Processor").unwrap();

    let client = authority.sign_client(&csr.csr, 365, NOW).unwrap();

    assert_eq!(verified(&authority, &client, NOW, &["-purpose", "sslclient"]), Ok(()));
    assert!(verified(&authority, &client, NOW, &["-purpose", "sslserver"]).is_err());
    assert!(client.public_key().unwrap().public_eq(&csr.key));
    assert_eq!(crate::pki::distinguished_name(client.subject_name()), "CN=otp-dev,O=Processor");
}

#[test]
fn openssl_accepts_a_server_certificate_for_each_of_its_names() {
    let authority = authority();
    let server = authority.issue_server(&["otp.example.org".into(), "192.0.2.7".into()], 90, NOW).unwrap();
    let as_server = |extra: [&str; 2]| {
        verified(&authority, &server.certificate, NOW, &["-purpose", "sslserver", extra[0], extra[1]])
    };

    assert_eq!(as_server(["-verify_hostname", "otp.example.org"]), Ok(()));
    assert_eq!(as_server(["-verify_ip", "192.0.2.7"]), Ok(()));
    assert!(as_server(["-verify_hostname", "example.org"]).is_err());
    assert!(verified(&authority, &server.certificate, NOW, &["-purpose", "sslclient"]).is_err());
    assert!(server.certificate.public_key().unwrap().public_eq(&server.key));
}

#[test]
fn a_ca_may_not_sign_intermediate_cas() {
    let text = text_of(authority().certificate());
    assert!(text.contains("CA:TRUE, pathlen:0"), "{text}");
    assert!(text.contains("Certificate Sign, CRL Sign"), "{text}");
}

#[test]
fn a_certificate_is_backdated_by_five_minutes_and_expires_with_its_ca_at_the_latest() {
    let authority = Authority::create("Practice CA", 10, NOW).unwrap();
    let csr = request("otp", "Processor").unwrap().csr;

    let client = authority.sign_client(&csr, 365, NOW).unwrap();
    let late = after_days(NOW, 10);

    assert_eq!(timestamp(client.not_before()).unwrap(), NOW.before(Duration::from_mins(5)));
    assert_eq!(timestamp(client.not_after()).unwrap(), late);
    assert_eq!(verified(&authority, &client, NOW.before(Duration::from_mins(4)), &[]), Ok(()));
    assert!(verified(&authority, &client, late.after(Duration::from_secs(1)), &[]).is_err());
    assert!(matches!(authority.sign_client(&csr, 1, late), Err(Error::Expired(end)) if end == late));
}

#[test]
fn requested_extensions_are_ignored() {
    let extensions = vec![
        BasicConstraints::new().critical().ca().build().unwrap(),
        KeyUsage::new().critical().key_cert_sign().build().unwrap(),
        ExtendedKeyUsage::new().server_auth().code_signing().build().unwrap(),
        alternative_names(&["bank.example.org".into()]).unwrap(),
    ];
    let authority = authority();

    let client = authority.sign_client(&csr_with(&ec_key(Nid::SECP384R1), "greedy", extensions), 30, NOW).unwrap();

    assert_eq!(client.key_usage(), Some(X509KeyUsage::DIGITAL_SIGNATURE));
    assert!(client.subject_alt_names().is_none());
    assert_eq!(verified(&authority, &client, NOW, &["-purpose", "sslclient"]), Ok(()));
    let text = text_of(&client);
    assert!(text.contains("CA:FALSE") && text.contains("TLS Web Client Authentication"), "{text}");
    assert!(!text.contains("TLS Web Server") && !text.contains("Code Signing"), "{text}");
}

#[test]
fn a_csr_without_proof_of_possession_is_rejected() {
    let mut der = request("otp", "Processor").unwrap().csr.to_der().unwrap();
    *der.last_mut().unwrap() ^= 1;
    let forged = X509Req::from_der(&der).unwrap();
    assert!(matches!(authority().sign_client(&forged, 30, NOW), Err(Error::BrokenSignature)));
}

#[test]
fn weak_and_uncommon_keys_are_rejected() {
    let sign = |key: PKey<Private>| authority().sign_client(&csr_with(&key, "otp", vec![]), 30, NOW);
    for key in [rsa_key(1024), ec_key(Nid::SECP256K1), ec_key(Nid::SECP521R1), PKey::generate_ed25519().unwrap()] {
        let kind = KeyKind::of(&key);
        assert!(matches!(sign(key), Err(Error::UnsupportedKey(found)) if found == kind), "{kind}");
    }
    for key in [rsa_key(2048), ec_key(Nid::X9_62_PRIME256V1), ec_key(Nid::SECP384R1)] {
        let kind = KeyKind::of(&key);
        assert!(sign(key).is_ok(), "{kind}");
    }
}

#[test]
fn a_csr_without_a_subject_or_with_the_name_of_the_ca_is_rejected() {
    let key = ec_key(Nid::X9_62_PRIME256V1);
    let mut nameless = X509Req::builder().unwrap();
    nameless.set_version(0).unwrap();
    nameless.set_pubkey(&key).unwrap();
    nameless.sign(&key, MessageDigest::sha256()).unwrap();

    let error = authority().sign_client(&nameless.build(), 30, NOW).unwrap_err();
    assert!(matches!(error, Error::NoSubject), "{error:?}");
    let same = csr_with(&key, "Practice CA", vec![]);
    assert!(matches!(authority().sign_client(&same, 30, NOW), Err(Error::SubjectIsIssuer)));
}

#[test]
fn an_invalid_server_name_is_rejected() {
    for bad in ["", "otp example", "-a.example", "a..b", "*.*.example", "https://otp.example", "otp.example:443"] {
        let error = authority().issue_server(&[bad.into()], 30, NOW).unwrap_err();
        assert!(matches!(error, Error::InvalidServerName(name) if name == bad), "{bad:?}");
    }
    assert!(authority().issue_server(&[], 30, NOW).is_err());
    let long = format!("{}.example.org", "a".repeat(63));
    assert!(authority().issue_server(&[long], 30, NOW).is_ok());
}

#[test]
fn a_ca_is_loaded_only_from_a_matching_pair_that_may_sign() {
    let authority = authority();
    let server = authority.issue_server(&["otp.example.org".into()], 30, NOW).unwrap();
    let load = |certificate: &X509Ref, key: &PKeyRef<Private>| {
        Authority::load(&certificate.to_pem().unwrap(), &key.private_key_to_pem_pkcs8().unwrap(), None)
    };

    assert!(load(authority.certificate(), authority.key()).is_ok());
    assert!(matches!(load(authority.certificate(), &server.key), Err(Error::KeyMismatch)));
    assert!(matches!(load(&server.certificate, &server.key), Err(Error::NotACa)));
}

#[test]
fn an_encrypted_key_is_read_with_its_passphrase_only_and_without_a_prompt() {
    let authority = authority();
    let pem = authority.certificate().to_pem().unwrap();
    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let encrypted = authority.key().private_key_to_pem_pkcs8_passphrase(cipher, b"right passphrase").unwrap();
    let load = |passphrase: Option<&str>| {
        let passphrase = passphrase.map(|text| Credential::new(text.to_owned()));
        Authority::load(&pem, &encrypted, passphrase.as_ref())
    };

    assert!(load(Some("right passphrase")).is_ok());
    assert!(matches!(load(Some("wrong passphrase")), Err(Error::WrongPassphrase)));
    assert!(matches!(load(Some("")), Err(Error::WrongPassphrase)));
    assert!(matches!(load(None), Err(Error::EncryptedKey)));
}

#[test]
fn the_lifetime_of_a_client_certificate_is_limited() {
    let csr = request("otp", "Processor").unwrap().csr;
    let sign = |days| authority().sign_client(&csr, days, NOW);
    assert!(matches!(sign(0), Err(Error::Days(0))));
    assert!(sign(CLIENT_DAYS_MAX).is_ok());
    let error = sign(CLIENT_DAYS_MAX + 1).unwrap_err().to_string();
    assert!(error.contains("826") && error.contains("825"), "{error}");
}

#[test]
fn serial_numbers_are_random() {
    let numbers: std::collections::HashSet<_> = (0..64).map(|_| random_serial().unwrap().to_vec()).collect();
    assert_eq!(numbers.len(), 64);
    assert!(numbers.iter().any(|number| number.len() == 16), "128 bits are used");
}
