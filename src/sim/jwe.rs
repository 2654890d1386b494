//! Encrypts a body as the processor does: RSA-OAEP-256, A256GCM, a header without a key id.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::encrypt::Encrypter;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Public};
use openssl::rand::rand_bytes;
use openssl::rsa::Padding;
use openssl::symm::{Cipher, encrypt_aead};

const HEADER: &str = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#;

/// Encrypts `plaintext` for the key `to`, in the compact serialization of RFC 7516.
pub fn seal(to: &PKey<Public>, plaintext: &[u8]) -> Result<String, ErrorStack> {
    let (mut key, mut iv, mut tag) = ([0; 32], [0; 12], [0; 16]);
    rand_bytes(&mut key)?;
    rand_bytes(&mut iv)?;
    let protected = URL_SAFE_NO_PAD.encode(HEADER);
    let ciphertext = encrypt_aead(Cipher::aes_256_gcm(), &key, Some(&iv), protected.as_bytes(), plaintext, &mut tag)?;
    let parts = [wrap(to, &key)?, iv.to_vec(), ciphertext, tag.to_vec()].map(|part| URL_SAFE_NO_PAD.encode(part));
    Ok(format!("{protected}.{}", parts.join(".")))
}

/// The request body that contains an encrypted message.
pub fn body(compact: &str) -> String {
    serde_json::json!({ "payload": compact }).to_string()
}

fn wrap(to: &PKey<Public>, key: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let mut rsa = Encrypter::new(to)?;
    rsa.set_rsa_padding(Padding::PKCS1_OAEP)?;
    rsa.set_rsa_oaep_md(MessageDigest::sha256())?;
    rsa.set_rsa_mgf1_md(MessageDigest::sha256())?;
    let mut wrapped = vec![0; rsa.encrypt_len(key)?];
    let length = rsa.encrypt(key, &mut wrapped)?;
    wrapped.truncate(length);
    Ok(wrapped)
}
