//! Keys that senders encrypt to, and a second implementation of JWE: joserfc, in the Python that `tests/run` sets up.

use openssl::pkey::{PKey, Private, Public};
use otpost::domain::clock::Timestamp;
use otpost::pki::jwe_keys::KeyringEditor;
use serde_json::{Value, json};

use super::{Gateway, python};

/// The encryption keys of one gateway, to be changed as `otpost key` changes them.
pub(crate) struct DecryptionKeys(KeyringEditor);

impl DecryptionKeys {
    pub(crate) fn of(gateway: &Gateway) -> Self {
        Self(KeyringEditor::begin(&gateway.files.path("pki/encryption")).unwrap())
    }

    /// A new one, staged. The gateway does not know it yet.
    pub(crate) fn stage(&mut self, gateway: &Gateway) -> String {
        self.0.add(2048, gateway.now()).unwrap()
    }

    pub(crate) fn activate(&mut self, id: &str, at: Timestamp, gateway: &Gateway) {
        self.0.activate(id, at, gateway.now()).unwrap();
    }

    pub(crate) fn retire(&mut self, id: &str, gateway: &Gateway) {
        self.0.retire(id, false, gateway.now()).unwrap();
    }

    pub(crate) fn private(&self, id: &str) -> PKey<Private> {
        self.0.keyring().key(id).unwrap()
    }

    pub(crate) fn public(&self, id: &str) -> PKey<Public> {
        public(&self.private(id))
    }
}

pub(crate) fn public(key: &PKey<Private>) -> PKey<Public> {
    PKey::public_key_from_der(&key.public_key_to_der().unwrap()).unwrap()
}

/// One key, published, and known to the gateway.
pub(crate) async fn published(gateway: &Gateway) -> PKey<Public> {
    let mut keys = DecryptionKeys::of(gateway);
    let id = keys.stage(gateway);
    keys.activate(&id, gateway.now(), gateway);
    gateway.reload().await.unwrap();
    keys.public(&id)
}

/// `plaintext`, encrypted by joserfc under `header` to the key that an answer of the gateway holds.
pub(crate) fn seal(header: &Value, plaintext: &str, public_key: &str, format: &str) -> String {
    run(&json!({ "seal": plaintext, "header": header, "publicKey": public_key, "format": format }))
}

/// What joserfc reads in `compact`, of which it checks the header too.
pub(crate) fn open(compact: &str, key: &PKey<Private>) -> String {
    let pem = String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    run(&json!({ "open": compact, "privateKey": pem }))
}

fn run(asked: &Value) -> String {
    python::run(include_str!("jose.py"), asked)
}
