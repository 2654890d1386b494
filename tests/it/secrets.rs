//! A code is found only at the provider: not in logs, files, answers or lists, in any common encoding.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openssl::hash::{MessageDigest, hash};

use crate::support::{Gateway, Setup, jose, locked, otp, recipient};

const CODE: &str = "C0D3C4N4RY";
const REFUSED_CODE: &str = "C0D3C4N4RY-TOO-LONG-FOR-A-CODE";
const PHONE: &str = "+48600123987";
const MERCHANT: &str = "Canary Merchant";

#[tokio::test]
async fn a_code_is_found_only_at_the_provider() {
    let logs = Logs::default();
    let listen = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer({
        let logs = logs.clone();
        move || logs.clone()
    });
    tracing::subscriber::set_global_default(listen.finish()).unwrap();
    let gateway = Setup::new().timeout("300ms").start().await;
    gateway.knows([recipient("one").customer("1337").card("11").phone(PHONE).app("token-of-one")]).await;

    let mut said = all_sorts_of_trouble(&gateway).await;
    for line in gateway.deliveries().await {
        said.push(format!("{:?}", gateway.store().reports().delivery(line.id).await.unwrap()));
    }
    let mut places = vec![("logs".to_owned(), logs.taken())];
    places.extend(said.into_iter().map(|text| ("answers and lists".to_owned(), text.into_bytes())));
    files(gateway.files.path("").as_path(), &mut places);

    assert!(gateway.push().received().iter().any(|message| message.text.contains(CODE)));
    let logs = String::from_utf8(logs.taken()).unwrap();
    assert!(logs.contains("attempt failed") && logs.contains("TRACE"), "no logs were captured");
    assert!(logs.contains("rejected by the simulator"), "no answer of a provider was kept");
    for (place, bytes) in &places {
        for secret in disguises(CODE).iter().chain([&PHONE.into(), &MERCHANT.into(), &"token-of-one".into()]) {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_slice());
            assert!(!found, "{} lies in {place}", String::from_utf8_lossy(secret));
        }
    }
}

// Every failure whose report might contain the code.
async fn all_sorts_of_trouble(gateway: &Gateway) -> Vec<String> {
    let code = || otp().code(CODE).with("merchantName", MERCHANT);
    let mut said = Vec::new();
    let key = jose::published(gateway).await;
    for notice in [
        code().sealed(&key),
        code().with("otp", REFUSED_CODE).sealed(&key),
        code().body(format!("{{\"otp\":\"{CODE}\"")).sealed(&key),
        code().encrypted(CODE),
        code().header("Encrypted-Request", "true"),
        code(),
        code().key("key"),
        code().key("key").with("amount", "7"),
        code().with("otp", REFUSED_CODE),
        code().with("otp", serde_json::json!([CODE])),
        code().with(CODE, CODE).without("otp"),
        code().body(format!("{{\"otp\":\"{CODE}\"")),
        code().header("Content-Type", CODE),
        code().path(&format!("/notifications/{CODE}")),
        code().customer("404").without("storageCardId"),
        locked(gateway.now()).with("reason", CODE),
    ] {
        said.push(format!("{:?}", gateway.post(&notice).await));
    }
    gateway.drain().await;
    for status in [200, 400, 401, 410, 429, 503] {
        gateway.push().echoes(status);
        gateway.sms("primary").echoes(status);
        gateway.sms("backup").swallows();
        said.push(format!("{:?}", gateway.post(&code()).await));
        gateway.settle().await;
    }
    gateway.wait(Duration::from_mins(5)).await;
    gateway.drain().await;
    said
}

fn disguises(secret: &str) -> Vec<Vec<u8>> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let mut all = vec![secret.to_owned(), openssl::base64::encode_block(secret.as_bytes()), hex(secret.as_bytes())];
    let mut raw = Vec::new();
    for digest in [MessageDigest::md5(), MessageDigest::sha1(), MessageDigest::sha256()] {
        let digest = hash(digest, secret.as_bytes()).unwrap();
        all.extend([hex(&digest), openssl::base64::encode_block(&digest)]);
        raw.push(digest.to_vec());
    }
    all.into_iter().map(String::into_bytes).chain(raw).collect()
}

fn files(folder: &Path, places: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, places);
        } else if path.is_file() {
            places.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl Logs {
    fn taken(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
