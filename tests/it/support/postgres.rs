//! A PostgreSQL server of its own for a test: Debian's, in a temporary folder, as a user without rights, on a free port.
//!
//! The folder is copied from one that was made once for this machine. The server ends with the test, also when the test is killed.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tempfile::TempDir;

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// Of Debian's base system. PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;
const NOGROUP: u32 = 65534;

const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// A running server. It is ended when this is dropped.
pub(crate) struct Cluster {
    folder: TempDir,
    server: Child,
    port: u16,
}

impl Cluster {
    /// Without syncs: nothing here outlives the machine.
    pub(crate) fn start() -> Self {
        Self::with("fsync = off\n")
    }

    /// With more lines of `postgresql.conf`.
    pub(crate) fn with(settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("otpost-postgres-").tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let files = folder.path().join("files");
        run(Command::new("cp").args(["-a", "--"]).arg(template()).arg(&files));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let own = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nmax_connections = 60\n\
             shared_buffers = 32MB\nlogging_collector = off\n{settings}"
        );
        let conf = files.join("postgresql.conf");
        fs::write(&conf, format!("{}\n{own}", fs::read_to_string(&conf).unwrap())).unwrap();
        let server = Self::serve(&files);
        let mut cluster = Self { folder, server, port };
        cluster.wait();
        cluster
    }

    fn serve(files: &Path) -> Child {
        let log = File::options().append(true).create(true).open(files.with_extension("log")).unwrap();
        let mut command = unprivileged("postgres");
        command.arg("-D").arg(files).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.spawn().unwrap()
    }

    fn wait(&mut self) {
        let began = Instant::now();
        loop {
            let log = fs::read_to_string(self.folder.path().join("files.log")).unwrap_or_default();
            assert!(self.server.try_wait().unwrap().is_none(), "{log}");
            assert!(began.elapsed() < STARTS_WITHIN, "{log}");
            let mut ask = Command::new(format!("{BIN}/pg_isready"));
            let asked = ask.args(["-q", "-t", "1", "-h", "127.0.0.1", "-p"]).arg(self.port.to_string()).status();
            if asked.unwrap().success() {
                return;
            }
        }
    }

    /// Ends it as a crash does, and starts it again.
    pub(crate) fn crash_and_restart(&mut self) {
        self.kill();
        self.server = Self::serve(&self.folder.path().join("files"));
        self.wait();
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        let _ = self.server.kill();
        self.server.wait().unwrap();
    }

    /// The address of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        Self::url_at(self.port, database)
    }

    /// The address of a database through something that listens on another port.
    pub(crate) fn url_at(port: u16, database: &str) -> String {
        format!("postgres://otpost@127.0.0.1:{port}/{database}?sslmode=disable")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A connection beside the store.
    pub(crate) async fn connect(&self, database: &str) -> PgConnection {
        self.url(database).parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
    }

    /// Makes a database like `template`; nothing is done when there is one.
    pub(crate) async fn create_database(&self, name: &str, template: &str) {
        let mut connection = self.connect("postgres").await;
        let text = format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\"");
        let made = sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut connection).await;
        if let Err(error) = made {
            assert!(error.to_string().contains("already exists"), "{error}");
        }
        connection.close().await.unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGINT ends the connections and removes the shared memory.
        let _ = Command::new("kill").args(["-INT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }
}

// Made once for each version of this file's settings; a second process waits for the first.
fn template() -> PathBuf {
    let folder = std::env::temp_dir().join("otpost-postgres-15-template");
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let made = folder.join("files");
    if made.join("made").exists() {
        return made;
    }
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        chown(&folder, Some(NOBODY), Some(NOGROUP)).unwrap();
    }
    let mut command = unprivileged("initdb");
    command.args(["--username=otpost", "--auth=trust", "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8", "-D"]);
    run(command.arg(&made));
    fs::write(made.join("made"), "").unwrap();
    made
}

// As nobody, ended with this thread.
fn unprivileged(program: &str) -> Command {
    let program = format!("{BIN}/{program}");
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOGROUP}"), "--clear-groups"]);
    }
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command.current_dir("/").env("LC_ALL", "C.UTF-8");
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}
