//! What the desk promises, with crashes played by undoing its last step.

use std::os::unix::fs::PermissionsExt as _;

use super::super::index::RevocationRecord;
use super::*;
use crate::pki::RevocationReason;
use crate::pki::request;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

const PLAIN: CaParams<'static> = CaParams { name: "Bank CA", days: 825, list_days: 400, passphrase: None };

fn csr() -> openssl::x509::X509Req {
    request("otp", "Processor").unwrap().csr
}

#[test]
fn a_new_desk_has_all_its_files_and_only_the_key_is_secret() {
    let folder = tempfile::tempdir().unwrap();
    let desk = CaStore::at(folder.path(), CaEnvironment::Dev);

    desk.create(&PLAIN, NOW).unwrap();

    let mode = |name: &str| fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("ca.key"), mode("ca.pem")), (0o600, 0o644));
    assert!(desk.register().unwrap().certificates.is_empty());
    assert_eq!(desk.list_until().unwrap(), NOW.after(Duration::from_hours(400 * 24)));
    assert_eq!(environment(&desk.certificate().unwrap()), Some(CaEnvironment::Dev));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_desk_is_not_made_over_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let desk = CaStore::at(folder.path(), CaEnvironment::Prod);
    desk.create(&PLAIN, NOW).unwrap();
    let before = fs::read(desk.path("ca.key")).unwrap();

    assert!(matches!(desk.create(&PLAIN, NOW), Err(Error::Exists(path)) if path == folder.path().join("prod")));
    assert_eq!(fs::read(desk.path("ca.key")).unwrap(), before);
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_only() {
    let folder = tempfile::tempdir().unwrap();
    let desk = CaStore::at(folder.path(), CaEnvironment::Prod);
    let words = Credential::new("correct horse".to_owned());
    desk.create(&CaParams { passphrase: Some(&words), ..PLAIN }, NOW).unwrap();

    let refusal = |words: Option<&Credential>| crate::domain::chain(&desk.open(words).unwrap_err());
    assert!(desk.is_locked().unwrap() && desk.open(Some(&words)).is_ok());
    assert!(refusal(Some(&Credential::new("wrong".to_owned()))).contains("ca.key: the passphrase does not open"));
    assert!(refusal(None).contains("there is no passphrase"));
    assert!(fs::read_to_string(desk.path("ca.key")).unwrap().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
}

#[test]
fn what_was_issued_is_on_record_before_it_is_handed_over() {
    let folder = tempfile::tempdir().unwrap();
    let desk = CaStore::at(folder.path(), CaEnvironment::Dev);
    let open = desk.create(&PLAIN, NOW).unwrap();

    let (record, certificate) = open.issue(&csr(), "verestro", 365, NOW).unwrap();

    let register = desk.register().unwrap();
    assert_eq!(register.certificates, std::slice::from_ref(&record));
    assert_eq!(record.serial, serial(&certificate).unwrap());
    assert_eq!(desk.issued(&record).unwrap().to_der().unwrap(), certificate.to_der().unwrap());
}

#[test]
fn nothing_is_issued_that_cannot_be_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let desk = CaStore::at(folder.path(), CaEnvironment::Dev);
    let open = desk.create(&PLAIN, NOW).unwrap();
    fs::write(desk.path(INDEX), "{\"version\": 1").unwrap();

    let refused = open.issue(&csr(), "verestro", 365, NOW).unwrap_err();

    assert!(refused.to_string().contains("issued/index.json: "), "{refused}");
    assert_eq!(fs::read_dir(desk.path("issued")).unwrap().count(), 1);
}

#[test]
fn a_revoked_certificate_is_in_the_list_and_the_lists_number_grows() {
    let folder = tempfile::tempdir().unwrap();
    let desk = CaStore::at(folder.path(), CaEnvironment::Dev);
    let open = desk.create(&PLAIN, NOW).unwrap();
    let (kept, _) = open.issue(&csr(), "verestro", 365, NOW).unwrap();
    let (lost, _) = open.issue(&csr(), "verestro", 365, NOW).unwrap();

    open.revoke(&lost.serial, RevocationReason::KeyCompromise, NOW).unwrap();
    open.renew_list(10, NOW).unwrap();

    let list = desk.list().unwrap();
    assert!(names(&list, &lost.serial).unwrap() && !names(&list, &kept.serial).unwrap());
    assert_eq!(desk.register().unwrap().list_number, 3);
    assert_eq!(desk.list_until().unwrap(), NOW.after(Duration::from_hours(240)));
    let again = open.revoke(&lost.serial, RevocationReason::Superseded, NOW);
    assert!(matches!(again, Err(Error::AlreadyRevoked { at, .. }) if at == NOW));
    assert!(matches!(open.revoke("4F", RevocationReason::Superseded, NOW), Err(Error::Unknown { .. })));
}

#[test]
fn a_key_that_was_lost_is_not_signed_again_and_one_that_was_replaced_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let desk = CaStore::at(folder.path(), CaEnvironment::Dev);
    let open = desk.create(&PLAIN, NOW).unwrap();
    let (lost, replaced) = (csr(), csr());
    for (request, reason) in [(&lost, RevocationReason::KeyCompromise), (&replaced, RevocationReason::Superseded)] {
        let (record, _) = open.issue(request, "verestro", 365, NOW).unwrap();
        open.revoke(&record.serial, reason, NOW).unwrap();
    }

    assert!(matches!(open.issue(&lost, "verestro", 365, NOW), Err(Error::Compromised(_))));
    assert!(open.issue(&replaced, "verestro", 365, NOW).is_ok());
    assert_eq!(desk.register().unwrap().certificates.len(), 3);
}

#[test]
fn a_crash_between_the_record_and_the_list_is_seen_and_made_good() {
    let folder = tempfile::tempdir().unwrap();
    let desk = CaStore::at(folder.path(), CaEnvironment::Dev);
    let open = desk.create(&PLAIN, NOW).unwrap();
    let (lost, _) = open.issue(&csr(), "verestro", 365, NOW).unwrap();
    let before = fs::read(desk.path("crl.pem")).unwrap();
    open.revoke(&lost.serial, RevocationReason::KeyCompromise, NOW).unwrap();
    fs::write(desk.path("crl.pem"), before).unwrap();

    assert_eq!(desk.missing_in_list().unwrap(), std::slice::from_ref(&lost.serial));
    let again = open.revoke(&lost.serial, RevocationReason::Superseded, NOW.after(Duration::from_mins(1))).unwrap();

    assert!(desk.missing_in_list().unwrap().is_empty());
    assert_eq!(
        again.revoked.unwrap(),
        RevocationRecord { at: NOW, reason: RevocationReason::KeyCompromise },
        "the first word stands"
    );
}

#[test]
fn what_a_killed_desk_left_behind_is_swept_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let desk = CaStore::at(folder.path(), CaEnvironment::Dev);
    drop(desk.create(&PLAIN, NOW).unwrap());
    let drafts = [".0123456789abcdef.draft", "issued/.0123456789abcdef.draft"].map(|name| desk.path(name));
    for draft in &drafts {
        fs::write(draft, "half").unwrap();
    }

    drop(desk.open(None).unwrap());

    assert!(drafts.iter().all(|draft| !draft.exists()));
    assert!(desk.exists() && desk.register().is_ok() && desk.list().is_ok());
}

#[test]
fn two_desks_do_not_lose_each_others_records() {
    let folder = tempfile::tempdir().unwrap();
    let desk = CaStore::at(folder.path(), CaEnvironment::Dev);
    drop(desk.create(&PLAIN, NOW).unwrap());

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    desk.open(None).unwrap().issue(&csr(), "verestro", 365, NOW).unwrap();
                }
            });
        }
    });

    assert_eq!(desk.register().unwrap().certificates.len(), 20);
}

#[test]
fn the_authority_of_one_environment_is_not_taken_for_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (dev, prod) = (CaStore::at(folder.path(), CaEnvironment::Dev), CaStore::at(folder.path(), CaEnvironment::Prod));
    drop(dev.create(&PLAIN, NOW).unwrap());
    assert!(matches!(prod.open(None), Err(Error::Missing { environment: CaEnvironment::Prod, .. })));

    fs::rename(folder.path().join("dev"), folder.path().join("prod")).unwrap();

    let refused = prod.open(None).unwrap_err().to_string();
    assert!(refused.contains("prod/ca.pem: is the dev CA"), "{refused}");
}

#[test]
fn a_certificate_is_found_by_our_signature_and_not_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let desk = CaStore::at(folder.path(), CaEnvironment::Dev);
    let open = desk.create(&PLAIN, NOW).unwrap();
    let (record, certificate) = open.issue(&csr(), "verestro", 365, NOW).unwrap();
    let stranger = Authority::create("Other CA", 10, NOW).unwrap().sign_client(&csr(), 5, NOW).unwrap();

    let desks = CaStore::all(folder.path());

    assert_eq!(find(&desks, &certificate).unwrap().unwrap().1, record);
    assert!(find(&desks, &stranger).unwrap().is_none());
}
