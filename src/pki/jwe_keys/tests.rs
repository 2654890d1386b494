//! A rotation from end to end, what is refused on the way, and what a crash leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn later(minutes: u64) -> Timestamp {
    NOW.after(Duration::from_mins(minutes))
}

fn published(folder: &Path, at: Timestamp) -> Option<String> {
    JweKeyring::read(folder).unwrap().published(at).map(|entry| entry.id.clone())
}

#[test]
fn the_old_key_is_published_until_the_new_ones_time_and_opens_until_it_is_retired() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut change = KeyringEditor::begin(folder).unwrap();
    let old = change.add_first(2048, NOW).unwrap();
    let new = change.add(2048, later(1)).unwrap();

    assert_eq!(published(folder, later(100)), Some(old.clone()), "a staged key is not published");
    change.activate(&new, later(10), later(2)).unwrap();
    assert_eq!(published(folder, later(9)), Some(old.clone()));
    assert_eq!(JweKeyring::read(folder).unwrap().next(later(9)).unwrap().id, new);
    assert_eq!(published(folder, later(10)), Some(new.clone()));

    let states = |at| change.keyring().entries().iter().map(|entry| entry.state(at)).collect::<Vec<_>>();
    assert_eq!(states(later(9)), [KeyState::Active, KeyState::Staged]);
    assert_eq!(states(later(10)), [KeyState::Active, KeyState::Active]);
    assert!(matches!(change.retire(&new, false, later(11)), Err(Error::Published(_))));
    change.retire(&old, false, later(11)).unwrap();
    assert_eq!(change.keyring().entry(&old).unwrap().state(later(11)), KeyState::Retired);
    assert!(matches!(change.activate(&old, later(12), later(12)), Err(Error::Retired(_))));
    change.retire(&new, true, later(12)).unwrap();
    assert_eq!(published(folder, later(13)), None);
}

#[test]
fn going_back_to_the_key_before_is_one_more_activation() {
    let folder = tempfile::tempdir().unwrap();
    let mut change = KeyringEditor::begin(folder.path()).unwrap();
    let old = change.add_first(2048, NOW).unwrap();
    let new = change.add(2048, NOW).unwrap();
    change.activate(&new, later(1), later(1)).unwrap();

    change.activate(&old, later(2), later(2)).unwrap();

    assert_eq!(published(folder.path(), later(2)), Some(old));
}

#[test]
fn what_would_leave_senders_without_a_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut change = KeyringEditor::begin(folder.path()).unwrap();
    let first = change.add_first(2048, NOW).unwrap();
    let second = change.add(2048, NOW).unwrap();
    fs::write(change.keyring().path(&second), "not a key").unwrap();

    assert!(matches!(change.add_first(2048, NOW), Err(Error::NotTheFirst(id)) if id == first));
    assert!(matches!(change.activate(&second, NOW, NOW), Err(Error::File { .. })));
    assert!(matches!(change.activate(&first, NOW, later(1)), Err(Error::Past(_))));
    assert!(matches!(change.activate(&first, later(1), NOW), Err(Error::AlreadyPublished(_))));
    assert!(matches!(change.activate("0000000000000000", NOW, NOW), Err(Error::Unknown(_))));
    assert!(matches!((change.add(1024, NOW), change.add(8192, NOW)), (Err(Error::SmsSize), Err(Error::SmsSize))));
    assert_eq!(published(folder.path(), later(1)), Some(first));
}

#[test]
fn keys_and_index_are_for_their_owner_only_and_nothing_is_left_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("made/on/the/way");
    let id = KeyringEditor::begin(&folder).unwrap().add(2048, NOW).unwrap();

    let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("index.json"), mode(&format!("{id}.pem"))), (0o700, 0o600, 0o600));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3, "key, index and lock");
    assert!(JweKeyring::read(&folder).unwrap().key(&id).is_ok());
}

#[test]
fn a_key_whose_making_was_cut_short_is_used_for_nothing_and_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut change = KeyringEditor::begin(folder.path()).unwrap();
    let first = change.add_first(2048, NOW).unwrap();
    let before = fs::read(folder.path().join("index.json")).unwrap();
    let second = change.add(2048, NOW).unwrap();
    // As if the power had gone between the two files.
    fs::write(folder.path().join("index.json"), before).unwrap();

    let keyring = JweKeyring::read(folder.path()).unwrap();

    assert_eq!(keyring.entries().iter().map(|entry| &entry.id).collect::<Vec<_>>(), [&first]);
    assert_eq!(keyring.strays(), [keyring.path(&second)]);
}

#[test]
fn a_file_that_is_not_the_key_its_name_stands_for_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut change = KeyringEditor::begin(folder.path()).unwrap();
    let (one, other) = (change.add(2048, NOW).unwrap(), change.add(2048, NOW).unwrap());
    let keyring = change.keyring();
    let said = || keyring.key(&one).unwrap_err().to_string();

    fs::copy(keyring.path(&other), keyring.path(&one)).unwrap();
    assert!(said().contains(&one) && said().contains("another key"), "{}", said());
    let curve = crate::pki::key::generate().unwrap();
    fs::write(keyring.path(&one), curve.private_key_to_pem_pkcs8().unwrap()).unwrap();
    assert!(said().contains("is P-256"), "{}", said());
    let locked = curve.private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_256_cbc(), b"secret").unwrap();
    fs::write(keyring.path(&one), locked).unwrap();
    assert!(said().contains("without a password"), "{}", said());
    fs::remove_file(keyring.path(&one)).unwrap();
    assert!(said().contains("No such file"), "{}", said());
}

#[test]
fn an_index_that_cannot_be_read_is_named_and_its_names_cannot_lead_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.json");
    let entry = |id: &str| format!("{{\"id\":\"{id}\",\"created_at\":0,\"bits\":2048}}");
    let twice = [entry("00112233445566aa"), entry("00112233445566aa")].join(",");

    for keys in [entry("../../etc/passwd"), entry("00112233445566AA"), twice, "1".to_owned()] {
        fs::write(&path, format!("{{\"keys\":[{keys}]}}")).unwrap();
        let said = JweKeyring::read(folder.path()).unwrap_err().to_string();
        assert!(said.contains("index.json"), "{said}");
    }
    fs::write(&path, format!("{{\"keys\":[{}]}}", entry("00112233445566aa"))).unwrap();
    assert!(JweKeyring::read(folder.path()).is_ok());
}

#[test]
fn a_public_key_is_written_in_three_candidates_that_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut change = KeyringEditor::begin(folder.path()).unwrap();
    let id = change.add(2048, NOW).unwrap();
    let key = change.keyring().key(&id).unwrap();

    let [der, base64, pem] = PublicKeyFormat::ALL.map(|format| format.write(&key).unwrap());

    assert_eq!(openssl::base64::decode_block(&der).unwrap(), key.public_key_to_der().unwrap());
    assert_eq!(openssl::base64::decode_block(&base64).unwrap(), pem.as_bytes());
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && !der.contains('\n') && !base64.contains('\n'));
}
