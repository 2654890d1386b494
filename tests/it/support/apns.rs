//! A stand-in for APNs that speaks HTTP/2 by Node.js, and the key of a team.

use std::net::SocketAddr;
use std::path::PathBuf;

use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki::{self, Authority};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::node::NodeServer;

pub(crate) const TEAM: &str = "DEF123GHIJ";
pub(crate) const KEY_ID: &str = "ABC123DEFG";
pub(crate) const TOPIC: &str = "com.bank.app";

/// A new key on P-256: private and public, in PEM.
pub(crate) fn new_key() -> (String, String) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let text = |pem: Vec<u8>| String::from_utf8(pem).unwrap();
    (text(key.private_key_to_pem_pkcs8().unwrap()), text(key.public_key_to_pem().unwrap()))
}

pub(crate) struct Apns {
    server: NodeServer,
    folder: TempDir,
    key: String,
}

impl Apns {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create("Push CA", 30, SystemClock.now()).unwrap();
        let issued = authority.issue_server(&["localhost".to_owned()], 30, SystemClock.now()).unwrap();
        pki::write_certificate(&folder.path().join("ca.pem"), authority.certificate()).unwrap();
        let (key, public_key) = new_key();
        std::fs::write(folder.path().join("key.p8"), &key).unwrap();
        let text = |pem: Vec<u8>| String::from_utf8(pem).unwrap();
        let settings = json!({
            "certificate": text(issued.certificate.to_pem().unwrap()),
            "key": text(issued.key.private_key_to_pem_pkcs8().unwrap()),
            "team": TEAM, "keyId": KEY_ID, "topic": TOPIC, "publicKey": public_key,
        });
        let server = NodeServer::start(include_str!("apns.js"), &[&settings.to_string()]);
        Self { server, folder, key }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The team's private key, in PEM.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The file of the authority that has certified it as `localhost`.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The `[[provider]]` of an app, with further keys, that reaches APNs at this port.
    pub(crate) fn provider(&self, name: &str, port: u16, more: &str) -> String {
        let (ca, key) = (self.ca(), self.folder.path().join("key.p8"));
        format!(
            "[[provider]]\nname = \"{name}\"\nkind = \"apns\"\nurl = \"https://localhost:{port}\"\nca = \"{}\"\n\
             private_key = \"file:{}\"\nkey_id = \"{KEY_ID}\"\nteam = \"{TEAM}\"\ntopic = \"{TOPIC}\"\n{more}\n",
            ca.display(),
            key.display()
        )
    }

    /// The next request, which was answered already.
    pub(crate) fn request(&mut self) -> Value {
        serde_json::from_str(&self.server.line()).unwrap()
    }
}
