//! The local socket: operators of this machine ask the running gateway, one question for each connection.
//!
//! A question is one line of JSON, and so is its answer. The socket lies beside the database and is for its owner only. It
//! changes nothing, except that the gateway ends after its listeners were handed over. The gateway works without it.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::hand_over::{HandOver, REQUEST};
use crate::flow::inspector::{Answer, Inspector, Question};

/// The largest question in bytes; a push token may have 4096.
const QUESTION_MAX: u64 = 16 * 1024;

/// The largest answer in bytes: some hundred providers.
const ANSWER_MAX: u64 = 4 * 1024 * 1024;

/// Time for one question and its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Questions at a time.
const CONNECTIONS_MAX: usize = 8;

/// Only the user that the gateway runs as may ask.
const MODE: u32 = 0o600;

/// A bound socket, which is removed when the gateway stops.
pub struct LocalSocket {
    listener: UnixListener,
    path: PathBuf,
}

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nothing listens.
    #[error("no gateway runs on this database")]
    NotRunning,
    /// The gateway runs as another user.
    #[error("{} belongs to another user; ask as the user that the gateway runs as", .0.display())]
    Denied(PathBuf),
    /// It did not answer, or not in a way that this version understands.
    #[error("the gateway did not answer")]
    NoAnswer(#[source] std::io::Error),
}

/// Where the gateway on the database `file` listens.
pub fn path_of(file: &Path) -> PathBuf {
    file.with_extension("sock")
}

impl LocalSocket {
    /// Binds `path` in place of a socket that a killed process left behind. The caller holds the lock of the database, so no
    /// other gateway listens there.
    pub fn bind(path: PathBuf) -> std::io::Result<Self> {
        let draft = path.with_extension("sock-new");
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // The name appears when the mode is right.
        let listener = UnixListener::bind(&draft)?;
        std::fs::set_permissions(&draft, Permissions::from_mode(MODE))?;
        std::fs::rename(&draft, &path)?;
        Ok(Self { listener, path })
    }

    /// Answers until the task is aborted.
    pub async fn serve(self, inspector: Arc<Inspector>, hand_over: Arc<HandOver>) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let Ok((stream, _)) = self.listener.accept().await else {
                // Out of file descriptors, for example: the next try is not at once.
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            let (inspector, hand_over) = (Arc::clone(&inspector), Arc::clone(&hand_over));
            tokio::spawn(async move {
                let _permit = permit;
                // Whoever asked has gone if this fails.
                let _ = timeout(TIMEOUT, answer(stream, &inspector, &hand_over)).await;
            });
        }
    }
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn answer(mut stream: UnixStream, inspector: &Inspector, hand_over: &HandOver) -> std::io::Result<()> {
    let mut line = String::new();
    let (reading, mut writing) = stream.split();
    BufReader::new(reading.take(QUESTION_MAX)).read_line(&mut line).await?;
    if line.trim_end() == REQUEST {
        return hand_over.answer(stream.into_std()?);
    }
    let answer = match serde_json::from_str::<Question>(&line) {
        Ok(question) => inspector.answer(question).await,
        Err(_) => Answer::Refused { reason: "this version of the gateway does not know the question".to_owned() },
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    writing.write_all(&text).await?;
    writing.shutdown().await
}

/// Asks the gateway that listens at `path`.
pub async fn ask(path: &Path, question: &Question) -> Result<Answer, AskError> {
    match timeout(TIMEOUT, exchange(path, question)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => AskError::NotRunning,
            ErrorKind::PermissionDenied => AskError::Denied(path.to_owned()),
            _ => AskError::NoAnswer(error),
        }),
        Err(_) => Err(AskError::NoAnswer(ErrorKind::TimedOut.into())),
    }
}

async fn exchange(path: &Path, question: &Question) -> std::io::Result<Answer> {
    let mut stream = UnixStream::connect(path).await?;
    let mut text = serde_json::to_vec(question)?;
    text.push(b'\n');
    stream.write_all(&text).await?;
    let mut line = String::new();
    BufReader::new(stream.take(ANSWER_MAX)).read_line(&mut line).await?;
    Ok(serde_json::from_str(&line)?)
}
