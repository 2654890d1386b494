//! A stand-in for APNs that speaks HTTP/2 by Node.js, and the key of a team.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use otpost::domain::clock::{Clock, SystemClock};
use otpost::pki::{self, Authority};
use serde_json::{Value, json};
use tempfile::TempDir;

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
    process: Child,
    said: BufReader<ChildStdout>,
    address: SocketAddr,
    folder: TempDir,
    key: String,
}

impl Drop for Apns {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Apns {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create("Push CA", 30, SystemClock.now()).unwrap();
        let server = authority.issue_server(&["localhost".to_owned()], 30, SystemClock.now()).unwrap();
        pki::write_certificate(&folder.path().join("ca.pem"), authority.certificate()).unwrap();
        let (key, public_key) = new_key();
        std::fs::write(folder.path().join("key.p8"), &key).unwrap();
        let text = |pem: Vec<u8>| String::from_utf8(pem).unwrap();
        let settings = json!({
            "certificate": text(server.certificate.to_pem().unwrap()),
            "key": text(server.key.private_key_to_pem_pkcs8().unwrap()),
            "team": TEAM, "keyId": KEY_ID, "topic": TOPIC, "publicKey": public_key,
        });
        let mut node = Command::new("node");
        node.args(["-e", include_str!("apns.js"), &settings.to_string()]);
        let mut process = node.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], line.trim().parse().unwrap()));
        Self { process, said, address, folder, key }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The team's private key, in PEM.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The file of the authority that vouches for it as `localhost`.
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
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}
