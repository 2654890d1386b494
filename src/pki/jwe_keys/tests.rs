//! A key rotation from start to end, rejected changes, and the state after a crash.

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
fn the_old_key_is_published_until_the_new_one_is_active_and_decrypts_until_it_is_retired() {
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
fn the_previous_key_can_be_activated_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut change = KeyringEditor::begin(folder.path()).unwrap();
    let old = change.add_first(2048, NOW).unwrap();
    let new = change.add(2048, NOW).unwrap();
    change.activate(&new, later(1), later(1)).unwrap();

    change.activate(&old, later(2), later(2)).unwrap();

    assert_eq!(published(folder.path(), later(2)), Some(old));
}

#[test]
fn a_change_that_would_leave_processors_without_a_key_is_rejected() {
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
    assert!(matches!((change.add(1024, NOW), change.add(8192, NOW)), (Err(Error::KeySize), Err(Error::KeySize))));
    assert_eq!(published(folder.path(), later(1)), Some(first));
}

#[test]
fn keys_and_index_are_readable_by_their_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("made/on/the/way");
    let id = KeyringEditor::begin(&folder).unwrap().add(2048, NOW).unwrap();

    let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("index.json"), mode(&format!("{id}.pem"))), (0o700, 0o600, 0o600));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3, "key, index and lock");
    assert!(JweKeyring::read(&folder).unwrap().key(&id).is_ok());
}

#[test]
fn a_key_whose_creation_was_interrupted_is_not_used_and_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let mut change = KeyringEditor::begin(folder.path()).unwrap();
    let first = change.add_first(2048, NOW).unwrap();
    let before = fs::read(folder.path().join("index.json")).unwrap();
    let second = change.add(2048, NOW).unwrap();
    // Simulates a power failure between the two writes.
    fs::write(folder.path().join("index.json"), before).unwrap();

    let keyring = JweKeyring::read(folder.path()).unwrap();

    assert_eq!(keyring.entries().iter().map(|entry| &entry.id).collect::<Vec<_>>(), [&first]);
    assert_eq!(keyring.unindexed_files(), [keyring.path(&second)]);
}

#[test]
fn a_file_that_does_not_match_its_id_is_named_in_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut change = KeyringEditor::begin(folder.path()).unwrap();
    let (one, other) = (change.add(2048, NOW).unwrap(), change.add(2048, NOW).unwrap());
    let keyring = change.keyring();
    let error = || keyring.key(&one).unwrap_err().to_string();

    fs::copy(keyring.path(&other), keyring.path(&one)).unwrap();
    assert!(error().contains(&one) && error().contains("a different key"), "{}", error());
    let curve = crate::pki::key::generate().unwrap();
    fs::write(keyring.path(&one), curve.private_key_to_pem_pkcs8().unwrap()).unwrap();
    assert!(error().contains("is P-256"), "{}", error());
    let encrypted = curve.private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_256_cbc(), b"secret").unwrap();
    fs::write(keyring.path(&one), encrypted).unwrap();
    assert!(error().contains("not an unencrypted"), "{}", error());
    fs::remove_file(keyring.path(&one)).unwrap();
    assert!(error().contains("is missing, but the index lists it"), "{}", error());
}

#[test]
fn an_invalid_index_is_named_in_the_error_and_its_ids_cannot_leave_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.json");
    let entry = |id: &str| format!("{{\"id\":\"{id}\",\"created_at\":0,\"bits\":2048}}");
    let duplicate = [entry("00112233445566aa"), entry("00112233445566aa")].join(",");

    for keys in [entry("../../etc/passwd"), entry("00112233445566AA"), duplicate, "1".to_owned()] {
        fs::write(&path, format!("{{\"keys\":[{keys}]}}")).unwrap();
        let error = JweKeyring::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("index.json"), "{error}");
    }
    fs::write(&path, format!("{{\"keys\":[{}]}}", entry("00112233445566aa"))).unwrap();
    assert!(JweKeyring::read(folder.path()).is_ok());
}

#[test]
fn the_three_formats_encode_the_same_public_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut change = KeyringEditor::begin(folder.path()).unwrap();
    let id = change.add(2048, NOW).unwrap();
    let key = change.keyring().key(&id).unwrap();

    let encode = |format: PublicKeyFormat| format.encode(&key).unwrap();
    let der = encode(PublicKeyFormat::SpkiDer);
    let base64 = encode(PublicKeyFormat::PemBase64);
    let pem = encode(PublicKeyFormat::Pem);

    assert_eq!(openssl::base64::decode_block(&der).unwrap(), key.public_key_to_der().unwrap());
    assert_eq!(openssl::base64::decode_block(&base64).unwrap(), pem.as_bytes());
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && !der.contains('\n') && !base64.contains('\n'));
}
