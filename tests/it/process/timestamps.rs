//! Checkpoints that others vouch for: a time-stamping authority, which is `openssl ts` behind a small HTTP server, and a
//! mailbox.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use otpost::domain::contact::Channel;
use otpost::sim::processor::OtpSample;
use otpost::sim::providers::PracticeProvider;
use otpost::sim::providers::message_log::Keeping;
use tempfile::TempDir;

use super::canary::get;
use super::{OTPOST, Served, Workspace, loopback, run};

const TSA: &str = "
[tsa]
default_tsa = it
[it]
serial = serial
signer_cert = tsa.pem
certs = ca.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_alg = sha256
";

/// An authority, which answers 503 to its first requests.
struct Tsa {
    folder: TempDir,
    address: SocketAddr,
    requests: Arc<AtomicU32>,
}

impl Tsa {
    fn start(down_for: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tsa.cnf"), TSA).unwrap();
        fs::write(folder.path().join("serial"), "01\n").unwrap();
        let usage = "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n";
        fs::write(folder.path().join("usage.cnf"), usage).unwrap();
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let ca = ["req", "-x509", "-days", "2", "-subj", "/CN=CA", "-keyout", "ca.key", "-out", "ca.pem"];
        openssl(folder.path(), &[&ca[..], &key].concat());
        let asked = ["req", "-subj", "/CN=TSA", "-keyout", "tsa.key", "-out", "tsa.csr"];
        openssl(folder.path(), &[&asked[..], &key].concat());
        let signed = ["x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        openssl(folder.path(), &[&signed[..], &["-days", "2", "-extfile", "usage.cnf", "-out", "tsa.pem"]].concat());
        let listener = TcpListener::bind(loopback()).unwrap();
        let (address, requests) = (listener.local_addr().unwrap(), Arc::<AtomicU32>::default());
        let (answers, counted) = (folder.path().to_owned(), Arc::clone(&requests));
        std::thread::spawn(move || serve(&listener, &answers, &counted, down_for));
        Self { folder, address, requests }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn gateway(&self, workspace: &Workspace) -> Served {
        let mut command = Command::new(OTPOST);
        command.env("OTPOST__AUDIT__TIMESTAMP__URL", format!("http://{}/", self.address));
        command.env("OTPOST__AUDIT__TIMESTAMP__CA", self.ca()).env("OTPOST__AUDIT__TIMESTAMP__EVERY", "1s");
        Served::try_start(command, &workspace.path("otpost.toml"), "info").unwrap()
    }
}

fn openssl(folder: &Path, args: &[&str]) -> String {
    run(Command::new("openssl").current_dir(folder).args(args))
}

fn serve(listener: &TcpListener, folder: &Path, requests: &AtomicU32, down_for: u32) {
    for connection in listener.incoming() {
        let mut connection = BufReader::new(connection.unwrap());
        let (mut length, mut line) = (0, String::new());
        while connection.read_line(&mut line).is_ok_and(|read| read > 2) {
            let header = line.to_ascii_lowercase();
            length = header.strip_prefix("content-length:").map_or(length, |length| length.trim().parse().unwrap());
            line.clear();
        }
        let mut query = vec![0; length];
        if connection.read_exact(&mut query).is_err() {
            continue;
        }
        let answer = if requests.fetch_add(1, Ordering::SeqCst) < down_for {
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec()
        } else {
            fs::write(folder.join("query"), query).unwrap();
            openssl(folder, &["ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-out", "reply"]);
            let reply = fs::read(folder.join("reply")).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", reply.len());
            [head.as_bytes(), &reply].concat()
        };
        let _ = connection.get_mut().write_all(&answer);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timestamp_is_valid_to_two_verifiers_and_to_neither_for_another_checkpoint_or_authority() {
    let workspace = Workspace::new("").await;
    let tsa = Tsa::start(0);
    let mut gateway = tsa.gateway(&workspace);
    let mut processor = gateway.processor(&workspace.identity());
    assert_eq!(processor.send(&OtpSample::default().sample()).await.unwrap().status, 204);
    while !gateway.log().contains("audit checkpoint has a timestamp") {
        assert!(gateway.child.try_wait().unwrap().is_none(), "{}", gateway.log());
        tokio::task::yield_now().await;
    }
    drop(gateway);

    let bundle = workspace.export("bundle");
    let (at, key, ca) = (bundle.to_str().unwrap(), workspace.verifier_key(), tsa.ca());
    let ca = ca.to_str().unwrap();
    let verified = workspace.audit_json(&["verify", at, "--key", &key, "--tsa-ca", ca, "--json"]);
    let size = verified["newest_timestamp"]["size"].as_u64().unwrap();
    assert!(verified["timestamps"].as_u64() >= Some(1), "{verified}");
    let token = bundle.join(format!("timestamps/{size}.tst"));
    let note = if verified["size"] == size { "checkpoint".to_owned() } else { format!("checkpoints/{size}") };
    let second = ["ts", "-verify", "-token_in", "-in", token.to_str().unwrap(), "-data", &note, "-CAfile", ca];
    assert!(openssl(&bundle, &second).contains("Verification: OK"));
    let shown = workspace.audit(&["verify", at, "--key", &key]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("not verified: name the CA with --tsa-ca"));

    let refused = |ca: &Path, expected: &str| {
        let done = workspace.audit(&["verify", at, "--key", &key, "--tsa-ca", ca.to_str().unwrap()]);
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.code() == Some(1) && text.contains(expected), "{text}");
    };
    refused(&Tsa::start(0).ca(), "not signed by an authority of the given CA");
    let whole = fs::read(&token).unwrap();
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&token, other).unwrap();
    refused(&tsa.ca(), "not signed by an authority of the given CA");
    fs::write(tsa.folder.path().join("note"), "another note\n").unwrap();
    openssl(tsa.folder.path(), &["ts", "-query", "-data", "note", "-sha256", "-cert", "-out", "query"]);
    let reply = ["ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-token_out", "-out"];
    openssl(tsa.folder.path(), &[&reply[..], &[token.to_str().unwrap()]].concat());
    refused(&tsa.ca(), "the timestamp is of something else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_is_down_holds_nothing_up_and_is_asked_again() {
    let workspace = Workspace::new("").await;
    let tsa = Tsa::start(3);
    let gateway = tsa.gateway(&workspace);
    let mut processor = gateway.processor(&workspace.identity());
    while tsa.requests.load(Ordering::SeqCst) < 2 {
        assert_eq!(processor.send(&OtpSample::default().sample()).await.unwrap().status, 204);
    }
    let metrics = get(&gateway, "/metrics");
    assert!(
        metrics.contains("otpost_audit_timestamp_failed 1") && metrics.contains("otpost_audit_log_ok 1"),
        "{metrics}"
    );
    while !gateway.log().contains("audit checkpoint has a timestamp") {
        tokio::task::yield_now().await;
    }
    let log = gateway.log();
    assert_eq!(log.matches("audit checkpoints cannot be published there").count(), 1, "{log}");
    while !get(&gateway, "/metrics").contains("otpost_audit_timestamp_failed 0") {
        tokio::task::yield_now().await;
    }
    assert!(gateway.log().contains("audit checkpoints are published there again"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_is_mailed_once_a_day_also_across_a_restart() {
    let relay = PracticeProvider::open(Channel::Email, loopback(), Keeping::Arrivals).await.unwrap();
    let address = relay.address();
    let provider = format!(
        "[[provider]]\nname = \"relay\"\nkind = \"smtp\"\nhost = \"{}\"\nport = {}\ntls = \"none\"\nfrom = \"Bank <otp@bank.example>\"",
        address.ip(),
        address.port()
    );
    let workspace = Workspace::new(&provider).await;
    for _ in 0..2 {
        let mut command = Command::new(OTPOST);
        command.env("OTPOST__AUDIT__MAIL__TO", "auditor@firm.example").env("OTPOST__AUDIT__MAIL__PROVIDER", "relay");
        let mut gateway = Served::try_start(command, &workspace.path("otpost.toml"), "info").unwrap();
        let mut processor = gateway.processor(&workspace.identity());
        assert_eq!(processor.send(&OtpSample::default().sample()).await.unwrap().status, 204);
        while !gateway.log().contains("audit checkpoint published") && relay.station().arrivals().is_empty() {
            assert!(gateway.child.try_wait().unwrap().is_none(), "{}", gateway.log());
            tokio::task::yield_now().await;
        }
        gateway.signal("-TERM");
        assert!(gateway.ended_within(std::time::Duration::from_secs(30)).success(), "{}", gateway.log());
        assert!(!gateway.log().contains("auditor@firm.example"), "the address is not logged");
    }

    let mails = relay.station().arrivals();
    assert_eq!(mails.len(), 1, "one a day");
    assert_eq!(mails[0].to, "auditor@firm.example");
    let note = mails[0].text.split_once("\n\n").unwrap().1.replace("\r\n", "\n");
    let file = workspace.path("mailed");
    fs::write(&file, format!("{}\n", note.trim_end())).unwrap();
    let bundle = workspace.export("bundle");
    let (at, key) = (bundle.to_str().unwrap(), workspace.verifier_key());
    workspace.audit_json(&["verify", at, "--key", &key, "--checkpoint", file.to_str().unwrap(), "--json"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_cannot_be_used_is_named_at_the_start() {
    let workspace = Workspace::new("").await;
    for (variables, expected) in [
        (vec![("TIMESTAMP__URL", "http://127.0.0.1:1/")], "audit.timestamp.ca"),
        (vec![("TIMESTAMP__URL", "tsa.example"), ("TIMESTAMP__CA", "pki/dev/ca.pem")], "expected http:// or https://"),
        (vec![("MAIL__TO", "auditor@firm.example")], "expected the name of an e-mail provider, found ``"),
        (vec![("MAIL__TO", "auditor"), ("MAIL__PROVIDER", "sms")], "audit.mail.to"),
    ] {
        let mut command = Command::new(OTPOST);
        command.args(["check", "--config"]).arg(workspace.path("otpost.toml"));
        command.envs(variables.iter().map(|(name, value)| (format!("OTPOST__AUDIT__{name}"), value)));
        let done = command.output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(!done.status.success() && text.contains(expected), "{expected}: {text}");
    }
}
