//! A new process takes over the listening sockets of the running gateway, through its local socket.
//!
//! The running gateway sends the descriptors of its sockets and ends as after a signal. The new one waits for that, because a
//! database has one gateway at a time, and then serves the same sockets. Connections that arrive meanwhile wait.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::server::{ListenSockets, PassedSocket};

/// The line that asks for the sockets.
pub(super) const REQUEST: &str = "\"hand_over\"";

/// The most sockets of one gateway: some for each listener, if a name stands for several addresses.
const SOCKETS_MAX: usize = 32;

/// The longest answer in bytes.
const ANSWER_MAX: usize = 4096;

/// Time for the answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// The running gateway has ended by then: it waits nine seconds for deliveries in flight, and four for requests.
const ENDED_WITHIN: Duration = Duration::from_secs(20);

/// Before the descriptors, or in place of them.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HandOverAnswer {
    /// The listeners of the sockets that come with this answer, in their order.
    Sockets(Vec<String>),
    Refused(String),
}

/// Why no sockets were taken over.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing listens on the local socket.
    #[error("no gateway runs on this database")]
    NotRunning,
    #[error("the running gateway keeps its listeners: {0}")]
    Refused(String),
    #[error("the listeners of the running gateway could not be taken over")]
    Failed(#[source] io::Error),
    #[error("the running gateway handed over its listeners, but did not end within {} seconds", ENDED_WITHIN.as_secs())]
    DidNotEnd(#[source] io::Error),
}

/// The side of the gateway that runs.
pub struct HandOver {
    sockets: Arc<ListenSockets>,
    requested: Notify,
    /// Closed when this process ends, by which the next one knows that it may open the database.
    successor: Mutex<Option<UnixStream>>,
}

impl HandOver {
    /// Hands over `sockets` when it is asked to.
    pub fn new(sockets: Arc<ListenSockets>) -> Arc<Self> {
        Arc::new(Self { sockets, requested: Notify::new(), successor: Mutex::default() })
    }

    /// Resolves when the sockets have been handed over and this process must end.
    pub async fn requested(&self) {
        self.requested.notified().await;
    }

    /// Sends the sockets to the process at the other end, or the reason why it does not get them.
    pub(super) fn answer(&self, stream: UnixStream) -> io::Result<()> {
        let mut successor = self.successor.lock().unwrap_or_else(PoisonError::into_inner);
        stream.set_nonblocking(false)?;
        if successor.is_some() {
            return send(&stream, &HandOverAnswer::Refused("another process is taking them over".to_owned()), &[]);
        }
        let Some(sockets) = self.sockets.hand_over()? else {
            let reason = "a service manager passed them; let it restart the service".to_owned();
            return send(&stream, &HandOverAnswer::Refused(reason), &[]);
        };
        let names = sockets.iter().map(|passed| passed.name.clone()).collect();
        let descriptors: Vec<_> = sockets.iter().map(|passed| passed.socket.as_fd()).collect();
        send(&stream, &HandOverAnswer::Sockets(names), &descriptors)?;
        *successor = Some(stream);
        self.requested.notify_one();
        Ok(())
    }
}

/// Takes over the sockets of the gateway that listens at `path`, and waits until it has ended. Blocks.
pub fn take_over(path: &Path) -> Result<Vec<PassedSocket>, Error> {
    let mut stream = UnixStream::connect(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Error::NotRunning,
        _ => Error::Failed(error),
    })?;
    let (answer, descriptors) = ask(&mut stream).map_err(Error::Failed)?;
    let names = match answer {
        HandOverAnswer::Sockets(names) if names.len() == descriptors.len() => names,
        HandOverAnswer::Sockets(_) => {
            return Err(Error::Failed(io::Error::other("not every socket has arrived")));
        }
        HandOverAnswer::Refused(reason) => return Err(Error::Refused(reason)),
    };
    stream.set_read_timeout(Some(ENDED_WITHIN)).map_err(Error::DidNotEnd)?;
    stream.read_to_end(&mut Vec::new()).map_err(Error::DidNotEnd)?;
    Ok(names.into_iter().zip(descriptors).map(|(name, socket)| PassedSocket { name, socket }).collect())
}

fn ask(stream: &mut UnixStream) -> io::Result<(HandOverAnswer, Vec<OwnedFd>)> {
    stream.set_read_timeout(Some(ANSWERED_WITHIN))?;
    writeln!(stream, "{REQUEST}")?;
    let (mut text, mut descriptors) = (Vec::new(), Vec::new());
    while text.last() != Some(&b'\n') && text.len() < ANSWER_MAX {
        if receive(stream, &mut text, &mut descriptors)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((serde_json::from_slice(&text)?, descriptors))
}

fn receive(stream: &UnixStream, text: &mut Vec<u8>, descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut buffer = [0; ANSWER_MAX];
    let mut slices = [IoSliceMut::new(&mut buffer)];
    let received = recvmsg(stream, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(sockets) = message {
            descriptors.extend(sockets);
        }
    }
    text.extend_from_slice(&buffer[..received.bytes]);
    Ok(received.bytes)
}

fn send(stream: &UnixStream, answer: &HandOverAnswer, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many sockets"));
    }
    let mut text = serde_json::to_vec(answer)?;
    text.push(b'\n');
    let sent = sendmsg(stream, &[IoSlice::new(&text)], &mut ancillary, SendFlags::empty())?;
    let mut stream = stream;
    stream.write_all(&text[sent..])
}
