//! Promises about the process: `otpost serve` when it is killed, stopped, suspended, or searched for secrets.
//!
//! The real binary, its own workspace, practice providers on loopback sockets in this process.

mod archive;
mod audit;
mod backup;
mod canary;
mod clock;
mod crash;
mod degraded;
mod disk_full;
mod dossier;
mod drain;
mod hangups;
mod io_errors;
mod key_rotation;
mod metrics;
mod operators;
mod overload;
mod paused;
mod postgres;
mod probe;
mod providers;
mod readers;
mod reload;
mod settings;
mod standstill;
mod status_events;
mod stops;
mod strace;
mod syscalls;
mod takeover;
mod tally;
mod template_publishing;
mod texts;
mod timestamps;
mod trouble;
mod upgrades;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use otpost::domain::clock::{Clock, SystemClock};
use otpost::domain::contact::{Channel, Contact};
use otpost::domain::recipient::{Identifier, IdentifierKind, Locale, RecipientRecord, RecipientStatus};
use otpost::sim::http_client::Identity;
use otpost::sim::processor::Processor;
use otpost::sim::providers::PracticeProvider;
use otpost::sim::providers::message_log::Keeping;
use otpost::store::{OpenMode, Store, seal};
use tempfile::TempDir;

use crate::support::gateway_files::keep_two_locales;

const OTPOST: &str = env!("CARGO_BIN_EXE_otpost");

/// A workspace made by `otpost init`, with one recipient (customer 1337) and an SMS provider.
struct Workspace {
    folder: TempDir,
    sms: PracticeProvider,
}

impl Workspace {
    async fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workspace = folder.path().join("ws");
        run(Command::new(OTPOST).arg("init").arg(&workspace));
        keep_two_locales(&workspace.join("templates"));
        let sms = PracticeProvider::open(Channel::Sms, loopback(), Keeping::Arrivals).await.unwrap();
        let config = workspace.join("otpost.toml");
        let mut text = fs::read_to_string(&config).unwrap();
        text = text.replace("steps = [\"push\", \"sms\"]", "steps = [\"sms\"]");
        // The default ports may be taken on this machine.
        text = text.replace("127.0.0.1:8443", "127.0.0.1:0").replace("127.0.0.1:9464", "127.0.0.1:0");
        let url = format!("http://{}/sms", sms.address());
        let text = format!("{text}\n[[provider]]\nname = \"sms\"\nkind = \"sms_gateway\"\nurl = \"{url}\"\n{more}\n");
        fs::write(config, text).unwrap();
        let made = Self { folder, sms };
        made.import().await;
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("ws").join(name)
    }

    async fn store(&self) -> Store {
        let settings = otpost::store::Settings {
            url: format!("sqlite:{}", self.path("otpost.db").display()),
            ..otpost::store::Settings::default()
        };
        let sealing = seal::Settings { key_file: self.path("keys/seal.key") };
        Store::open(&settings, &sealing, OpenMode::Cli, Arc::new(SystemClock)).await.unwrap()
    }

    async fn import(&self) {
        let recipient = RecipientRecord {
            reference: "leon".into(),
            locale: Locale::parse("pl-PL").unwrap(),
            status: RecipientStatus::Active,
            preferences: otpost::domain::preferences::Preferences::default(),
            identifiers: vec![Identifier { kind: IdentifierKind::StorageCustomer, value: "1337".into() }],
            contacts: vec![Contact::parse(Channel::Sms, "+48600100200").unwrap()],
        };
        let store = self.store().await;
        store.recipients().import(&[recipient], SystemClock.now()).await.unwrap();
        store.close().await.unwrap();
    }

    fn identity(&self) -> Identity {
        let pki = |name: &str| self.path("pki").join(name);
        Identity::from_files(&pki("processor.pem"), &pki("processor.key"), &pki("dev/ca.pem")).unwrap()
    }

    fn serve(&self) -> Served {
        Served::start(&self.path("otpost.toml"), "info")
    }
}

/// A gateway in a process of its own.
struct Served {
    child: Child,
    address: SocketAddr,
    ops: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Served {
    fn start(config: &Path, level: &str) -> Self {
        Self::try_start(Command::new(OTPOST), config, level).unwrap_or_else(|log| panic!("{log}"))
    }

    /// Starts what `command` says, which ends with the binary: under another program, or in another environment.
    /// When it ends before it is ready: its log.
    fn try_start(command: Command, config: &Path, level: &str) -> Result<Self, String> {
        Self::try_start_with(command, config, level, &[])
    }

    /// The same, with more arguments.
    fn try_start_with(mut command: Command, config: &Path, level: &str, more: &[&str]) -> Result<Self, String> {
        let mut child = command
            .args(["serve", "--config"])
            .arg(config)
            .args(more)
            .env("OTPOST__INGEST__LISTEN", "127.0.0.1:0")
            .env("OTPOST__OPS__LISTEN", "127.0.0.1:0")
            .env("OTPOST__LOG__LEVEL", level)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (told, hear) = std::sync::mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                for name in ["listen", "ops"] {
                    let said: Option<serde_json::Value> = serde_json::from_str(&line).ok();
                    if let Some(address) = said.and_then(|v| v.get(name)?.as_str()?.parse::<SocketAddr>().ok()) {
                        let _ = told.send((name, address));
                    }
                }
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        let mut hear_of = |wanted: &str| {
            let Ok((name, address)) = hear.recv_timeout(Duration::from_secs(20)) else {
                let _ = child.kill();
                let status = child.wait().unwrap();
                return Err(format!("{status}, no {wanted} in: {}", log.lock().unwrap()));
            };
            assert_eq!(name, wanted);
            Ok(address)
        };
        let address = hear_of("listen")?;
        let ops = hear_of("ops")?;
        Ok(Self { child, address, ops, log })
    }

    fn processor(&self, identity: &Identity) -> Processor {
        Processor::new(&format!("https://{}", self.address), Some(identity)).unwrap()
    }

    fn signal(&self, name: &str) {
        run(Command::new("kill").args([name, &self.child.id().to_string()]));
    }

    fn ended_within(&mut self, limit: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < limit, "still running after {limit:?}");
            std::thread::yield_now();
        }
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn run(command: &mut Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr)
}
