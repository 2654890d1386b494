//! The files of a CA, with crashes simulated by undoing the last write.

use std::os::unix::fs::PermissionsExt as _;

use super::super::index::RevocationRecord;
use super::*;
use crate::pki::RevocationReason;
use crate::pki::request;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

const PLAIN: CaParams<'static> = CaParams { name: "Bank CA", days: 825, crl_days: 400, passphrase: None };

fn csr() -> openssl::x509::X509Req {
    request("otp", "Processor").unwrap().csr
}

#[test]
fn a_new_ca_has_all_its_files_and_only_the_key_is_secret() {
    let folder = tempfile::tempdir().unwrap();
    let ca = CaStore::at(folder.path(), CaEnvironment::Dev);

    ca.create(&PLAIN, NOW).unwrap();

    let mode = |name: &str| fs::metadata(ca.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("ca.key"), mode("ca.pem")), (0o600, 0o644));
    assert!(ca.index().unwrap().certificates.is_empty());
    assert_eq!(ca.crl_expires_at().unwrap(), NOW.after(Duration::from_hours(400 * 24)));
    assert_eq!(environment_of(&ca.certificate().unwrap()), Some(CaEnvironment::Dev));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary files are left");
}

#[test]
fn a_ca_does_not_replace_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let ca = CaStore::at(folder.path(), CaEnvironment::Prod);
    ca.create(&PLAIN, NOW).unwrap();
    let before = fs::read(ca.path("ca.key")).unwrap();

    assert!(matches!(ca.create(&PLAIN, NOW), Err(Error::Exists(path)) if path == folder.path().join("prod")));
    assert_eq!(fs::read(ca.path("ca.key")).unwrap(), before);
}

#[test]
fn an_encrypted_key_is_read_with_its_passphrase_only() {
    let folder = tempfile::tempdir().unwrap();
    let ca = CaStore::at(folder.path(), CaEnvironment::Prod);
    let passphrase = Credential::new("correct horse".to_owned());
    ca.create(&CaParams { passphrase: Some(&passphrase), ..PLAIN }, NOW).unwrap();

    let error = |passphrase: Option<&Credential>| crate::domain::chain(&ca.unlock(passphrase).unwrap_err());
    assert!(ca.is_encrypted().unwrap() && ca.unlock(Some(&passphrase)).is_ok());
    assert!(error(Some(&Credential::new("wrong".to_owned()))).contains("ca.key: the passphrase does not decrypt"));
    assert!(error(None).contains("no passphrase was given"));
    assert!(fs::read_to_string(ca.path("ca.key")).unwrap().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
}

#[test]
fn an_issued_certificate_is_recorded_and_stored() {
    let folder = tempfile::tempdir().unwrap();
    let ca = CaStore::at(folder.path(), CaEnvironment::Dev);
    let unlocked = ca.create(&PLAIN, NOW).unwrap();

    let (record, certificate) = unlocked.issue(&csr(), "verestro", 365, NOW).unwrap();

    let index = ca.index().unwrap();
    assert_eq!(index.certificates, std::slice::from_ref(&record));
    assert_eq!(record.serial, serial(&certificate).unwrap());
    assert_eq!(ca.issued_certificate(&record).unwrap().to_der().unwrap(), certificate.to_der().unwrap());
}

#[test]
fn nothing_is_issued_that_cannot_be_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let ca = CaStore::at(folder.path(), CaEnvironment::Dev);
    let unlocked = ca.create(&PLAIN, NOW).unwrap();
    fs::write(ca.path(INDEX), "{\"version\": 1").unwrap();

    let error = unlocked.issue(&csr(), "verestro", 365, NOW).unwrap_err();

    assert!(error.to_string().contains("issued/index.json: "), "{error}");
    assert_eq!(fs::read_dir(ca.path("issued")).unwrap().count(), 1);
}

#[test]
fn a_revoked_certificate_is_in_the_crl_and_the_crl_number_grows() {
    let folder = tempfile::tempdir().unwrap();
    let ca = CaStore::at(folder.path(), CaEnvironment::Dev);
    let unlocked = ca.create(&PLAIN, NOW).unwrap();
    let (kept, _) = unlocked.issue(&csr(), "verestro", 365, NOW).unwrap();
    let (revoked, _) = unlocked.issue(&csr(), "verestro", 365, NOW).unwrap();

    unlocked.revoke(&revoked.serial, RevocationReason::KeyCompromise, NOW).unwrap();
    unlocked.renew_crl(10, NOW).unwrap();

    let crl = ca.crl().unwrap();
    assert!(lists(&crl, &revoked.serial).unwrap() && !lists(&crl, &kept.serial).unwrap());
    assert_eq!(ca.index().unwrap().crl_number, 3);
    assert_eq!(ca.crl_expires_at().unwrap(), NOW.after(Duration::from_hours(240)));
    let again = unlocked.revoke(&revoked.serial, RevocationReason::Superseded, NOW);
    assert!(matches!(again, Err(Error::AlreadyRevoked { at, .. }) if at == NOW));
    assert!(matches!(unlocked.revoke("4F", RevocationReason::Superseded, NOW), Err(Error::Unknown { .. })));
}

#[test]
fn a_compromised_key_is_not_signed_again_and_a_superseded_one_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let ca = CaStore::at(folder.path(), CaEnvironment::Dev);
    let unlocked = ca.create(&PLAIN, NOW).unwrap();
    let (compromised, superseded) = (csr(), csr());
    for (request, reason) in
        [(&compromised, RevocationReason::KeyCompromise), (&superseded, RevocationReason::Superseded)]
    {
        let (record, _) = unlocked.issue(request, "verestro", 365, NOW).unwrap();
        unlocked.revoke(&record.serial, reason, NOW).unwrap();
    }

    assert!(matches!(unlocked.issue(&compromised, "verestro", 365, NOW), Err(Error::Compromised(_))));
    assert!(unlocked.issue(&superseded, "verestro", 365, NOW).is_ok());
    assert_eq!(ca.index().unwrap().certificates.len(), 3);
}

#[test]
fn a_crash_between_the_index_and_the_crl_is_detected_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let ca = CaStore::at(folder.path(), CaEnvironment::Dev);
    let unlocked = ca.create(&PLAIN, NOW).unwrap();
    let (revoked, _) = unlocked.issue(&csr(), "verestro", 365, NOW).unwrap();
    let before = fs::read(ca.path("crl.pem")).unwrap();
    unlocked.revoke(&revoked.serial, RevocationReason::KeyCompromise, NOW).unwrap();
    fs::write(ca.path("crl.pem"), before).unwrap();

    assert_eq!(ca.missing_from_crl().unwrap(), std::slice::from_ref(&revoked.serial));
    let again =
        unlocked.revoke(&revoked.serial, RevocationReason::Superseded, NOW.after(Duration::from_mins(1))).unwrap();

    assert!(ca.missing_from_crl().unwrap().is_empty());
    assert_eq!(
        again.revoked.unwrap(),
        RevocationRecord { at: NOW, reason: RevocationReason::KeyCompromise },
        "the first revocation is kept"
    );
}

#[test]
fn temporary_files_of_a_killed_process_are_removed_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let ca = CaStore::at(folder.path(), CaEnvironment::Dev);
    drop(ca.create(&PLAIN, NOW).unwrap());
    let drafts = [".0123456789abcdef.draft", "issued/.0123456789abcdef.draft"].map(|name| ca.path(name));
    for draft in &drafts {
        fs::write(draft, "half").unwrap();
    }

    drop(ca.unlock(None).unwrap());

    assert!(drafts.iter().all(|draft| !draft.exists()));
    assert!(ca.exists() && ca.index().is_ok() && ca.crl().is_ok());
}

#[test]
fn concurrent_processes_do_not_lose_each_others_records() {
    let folder = tempfile::tempdir().unwrap();
    let ca = CaStore::at(folder.path(), CaEnvironment::Dev);
    drop(ca.create(&PLAIN, NOW).unwrap());

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    ca.unlock(None).unwrap().issue(&csr(), "verestro", 365, NOW).unwrap();
                }
            });
        }
    });

    assert_eq!(ca.index().unwrap().certificates.len(), 20);
}

#[test]
fn the_ca_of_one_environment_is_not_accepted_for_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (dev, prod) = (CaStore::at(folder.path(), CaEnvironment::Dev), CaStore::at(folder.path(), CaEnvironment::Prod));
    drop(dev.create(&PLAIN, NOW).unwrap());
    assert!(matches!(prod.unlock(None), Err(Error::Missing { environment: CaEnvironment::Prod, .. })));

    fs::rename(folder.path().join("dev"), folder.path().join("prod")).unwrap();

    let error = prod.unlock(None).unwrap_err().to_string();
    assert!(error.contains("prod/ca.pem is the dev CA"), "{error}");
}

#[test]
fn a_certificate_is_found_by_its_signature_and_not_by_its_serial_number() {
    let folder = tempfile::tempdir().unwrap();
    let ca = CaStore::at(folder.path(), CaEnvironment::Dev);
    let unlocked = ca.create(&PLAIN, NOW).unwrap();
    let (record, certificate) = unlocked.issue(&csr(), "verestro", 365, NOW).unwrap();
    let foreign = Authority::create("Other CA", 10, NOW).unwrap().sign_client(&csr(), 5, NOW).unwrap();

    let cas = CaStore::all(folder.path());

    assert_eq!(find(&cas, &certificate).unwrap().unwrap().1, record);
    assert!(find(&cas, &foreign).unwrap().is_none());
}
