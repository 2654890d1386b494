//! Encrypted bodies: as a compact text, as its five parts before they are encoded, as a whole body, and as a valid text
//! that was changed in one place.
#![no_main]

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use openssl::encrypt::Encrypter;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Padding;
use openssl::symm::{Cipher, encrypt_aead};
use otpost::ingest::fuzz_api;
use otpost::ingest::jwe::{self, DecryptionKey};

/// Decrypts only what is encrypted here.
static PAIR: LazyLock<PKey<Private>> =
    LazyLock::new(|| PKey::private_key_from_pem(include_bytes!("../key.pem")).expect("the key of this folder"));
static KEYS: LazyLock<[DecryptionKey; 1]> = LazyLock::new(|| [DecryptionKey::new(&PAIR).ok().expect("an RSA key of 2048 bits")]);

const HEADER: &str = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#;

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    match choice % 4 {
        0 => open_text(rest),
        1 => open_parts(rest),
        2 => drop(fuzz_api::unannounced(rest).map(|payload| jwe::open(&*KEYS, &payload))),
        _ => open_changed(rest),
    }
});

fn open_text(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    assert!(jwe::open(&*KEYS, text).is_err(), "decrypted a text that was never encrypted");
}

// Five parts with a line end between them; an empty first one stands for the right header.
fn open_parts(parts: &[u8]) {
    let mut parts: Vec<&[u8]> = parts.splitn(5, |byte| *byte == b'\n').collect();
    if parts.first().is_some_and(|header| header.is_empty()) {
        parts[0] = HEADER.as_bytes();
    }
    let text = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect::<Vec<_>>().join(".");
    assert!(jwe::open(&*KEYS, &text).is_err(), "decrypted a text that was never encrypted");
}

// Three bytes say where one character is put in place of another; the rest is the plaintext.
fn open_changed(input: &[u8]) {
    let Some(([high, low, put], plaintext)) = input.split_first_chunk() else { return };
    let plaintext = &plaintext[..plaintext.len().min(jwe::PLAINTEXT_MAX)];
    let mut sealed = seal(plaintext).into_bytes();
    let at = usize::from(u16::from_be_bytes([*high, *low])) % sealed.len();
    let same = sealed[at] == *put || !put.is_ascii();
    if !same {
        sealed[at] = *put;
    }
    let text = String::from_utf8(sealed).expect("ASCII for ASCII");

    let opened = jwe::open(&*KEYS, &text);

    match opened {
        Ok(opened) => assert!(same && opened.as_slice() == plaintext, "decrypted a text that was changed"),
        Err(_) => assert!(!same, "did not decrypt a valid text"),
    }
}

fn seal(plaintext: &[u8]) -> String {
    let (key, iv) = ([7; 32], [9; 12]);
    let mut rsa = Encrypter::new(&PAIR).expect("a key that encrypts");
    rsa.set_rsa_padding(Padding::PKCS1_OAEP).expect("OAEP");
    rsa.set_rsa_oaep_md(MessageDigest::sha256()).expect("SHA-256");
    rsa.set_rsa_mgf1_md(MessageDigest::sha256()).expect("SHA-256");
    let mut wrapped = vec![0; rsa.encrypt_len(&key).expect("its length")];
    let length = rsa.encrypt(&key, &mut wrapped).expect("32 bytes fit");
    let header = URL_SAFE_NO_PAD.encode(HEADER);
    let mut tag = [0; 16];
    let text = encrypt_aead(Cipher::aes_256_gcm(), &key, Some(&iv), header.as_bytes(), plaintext, &mut tag)
        .expect("AES");
    let parts = [&wrapped[..length], &iv, &text, &tag].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{}", parts.join("."))
}
