//! A bound session: submits messages, matches answers by their numbers, answers the centre, and notices when it is gone.
//!
//! One task owns the connection, so nothing is locked. How many messages are in flight is limited by the link that submits.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::connector::{BoundStream, Duplex, FIRST};
use super::delivery_report::{self, ReceiptId};
use super::pdu::{BodyReader, Pdu, SEQUENCE_MAX, command};
use super::status;
use crate::channel::io_problem;
use crate::channel::receipt_feed::ArrivedReceipts;

/// While so many octets wait to be written, no further message is taken.
const OUT_MAX: usize = 64 * 1024;

/// How long the centre may take to answer `unbind`.
const UNBIND_MAX: Duration = Duration::from_secs(1);

/// The answer to `unbind`.
const UNBOUND: u32 = command::UNBIND | command::ANSWER;

/// A `submit_sm` that waits to be written.
pub(super) struct SubmitRequest {
    pub(super) body: Vec<u8>,
    /// Dropped when nothing was written.
    pub(super) answer: oneshot::Sender<SubmitAnswer>,
}

/// What became of a message that was written.
pub(super) enum SubmitAnswer {
    /// The centre's status, and its id for the message.
    Answered { status: u32, id: String },
    /// The connection ended before the answer.
    Lost(&'static str),
}

/// Why a session has ended.
#[derive(Clone, Copy)]
pub(super) enum SessionEnd {
    /// It was to be closed.
    Closed,
    /// What happened to the connection.
    Lost(&'static str),
}

/// How a session behaves.
#[derive(Clone, Copy)]
pub(super) struct BindLimits {
    /// Without anything from the centre for this time, it is asked for a sign of life.
    pub(super) enquire_link: Duration,
    /// How long an answer may take.
    pub(super) answer: Duration,
    pub(super) receipt_id: ReceiptId,
}

/// A connection on which the bind was accepted.
pub(super) struct SmppSession {
    limits: BindLimits,
    reader: ReadHalf<Box<dyn Duplex>>,
    writer: WriteHalf<Box<dyn Duplex>>,
    inbox: BytesMut,
    out: BytesMut,
    /// The octets that were written since the bind.
    written: u64,
    sequence: u32,
    waiting: BTreeMap<u32, WaitingSubmit>,
    receipts: mpsc::Sender<ArrivedReceipts>,
    /// The numbers of receipts, and whether they were taken.
    taking: FuturesUnordered<BoxFuture<'static, (Pdu, bool)>>,
    heard_at: Instant,
    enquired_at: Option<Instant>,
    /// Set once one side has sent `unbind`: nothing more is submitted, and until when the other may take to end it.
    ending: Option<(SessionEnd, Instant)>,
}

struct WaitingSubmit {
    answer: oneshot::Sender<SubmitAnswer>,
    /// It has been written when so many octets have been.
    ends_at: u64,
    since: Instant,
}

impl SmppSession {
    pub(super) fn new(bound: BoundStream, limits: BindLimits, receipts: mpsc::Sender<ArrivedReceipts>) -> Self {
        let (reader, writer) = split(bound.stream);
        Self {
            limits,
            reader,
            writer,
            inbox: bound.inbox,
            out: BytesMut::new(),
            written: 0,
            sequence: FIRST,
            waiting: BTreeMap::new(),
            receipts,
            taking: FuturesUnordered::new(),
            heard_at: Instant::now(),
            enquired_at: None,
            ending: None,
        }
    }

    /// Submits what is in `requests` until the connection ends, or `closing` changes or is dropped.
    pub(super) async fn run(
        mut self,
        requests: &mut mpsc::UnboundedReceiver<SubmitRequest>,
        closing: &mut watch::Receiver<bool>,
    ) -> SessionEnd {
        let Err(end) = self.serve(requests, closing).await;
        let reason = match end {
            SessionEnd::Closed => "connection closed",
            SessionEnd::Lost(reason) => reason,
        };
        // A message of which the last octet was not written cannot have been read by the centre.
        for submit in self.waiting.into_values().filter(|submit| submit.ends_at <= self.written) {
            let _ = submit.answer.send(SubmitAnswer::Lost(reason));
        }
        end
    }

    async fn serve(
        &mut self,
        requests: &mut mpsc::UnboundedReceiver<SubmitRequest>,
        closing: &mut watch::Receiver<bool>,
    ) -> Result<Infallible, SessionEnd> {
        loop {
            self.receive()?;
            let (wake, is_ending) = (self.next_check(), self.ending.is_some());
            tokio::select! {
                read = self.reader.read_buf(&mut self.inbox) => match read {
                    Ok(0) => return Err(self.ended(&io::ErrorKind::UnexpectedEof.into())),
                    Ok(_) => self.heard(),
                    Err(error) => return Err(self.ended(&error)),
                },
                written = self.writer.write_buf(&mut self.out), if self.out.has_remaining() => match written {
                    Ok(count) => self.written += count as u64,
                    Err(error) => return Err(self.ended(&error)),
                },
                request = requests.recv(), if self.out.len() < OUT_MAX && !is_ending => match request {
                    Some(request) => self.submit_all(request, requests),
                    None => self.unbind(),
                },
                Some((receipt, is_taken)) = self.taking.next() => {
                    self.send(&receipt.answer(if is_taken { status::OK } else { status::TEMPORARY_ERROR }));
                }
                _ = closing.changed(), if !is_ending => self.unbind(),
                () = sleep_until(wake) => self.check()?,
            }
        }
    }

    // Together with those that wait behind it: one write for many.
    fn submit_all(&mut self, first: SubmitRequest, requests: &mut mpsc::UnboundedReceiver<SubmitRequest>) {
        self.submit(first);
        while self.out.len() < OUT_MAX
            && let Ok(request) = requests.try_recv()
        {
            self.submit(request);
        }
    }

    fn submit(&mut self, request: SubmitRequest) {
        let SubmitRequest { body, answer } = request;
        // Its time has ended while it waited: it must not be sent any more.
        if answer.is_closed() {
            return;
        }
        let sequence = self.next_sequence();
        self.send(&Pdu::command(command::SUBMIT_SM, sequence, body));
        let ends_at = self.written + self.out.len() as u64;
        self.waiting.insert(sequence, WaitingSubmit { answer, ends_at, since: Instant::now() });
    }

    /// Answers and commands that have arrived completely.
    fn receive(&mut self) -> Result<(), SessionEnd> {
        while let Some(pdu) = Pdu::take(&mut self.inbox).map_err(|_| SessionEnd::Lost("no SMPP was received"))? {
            if pdu.command & command::ANSWER == 0 {
                self.obey(pdu);
            } else if let (UNBOUND, Some((end, _))) = (pdu.command, self.ending) {
                return Err(end);
            } else if let Some(submit) = self.waiting.remove(&pdu.sequence) {
                let (status, id) = (pdu.status, message_id(&pdu));
                let _ = submit.answer.send(SubmitAnswer::Answered { status, id });
                if status == status::NOT_BOUND {
                    return Err(SessionEnd::Lost("the session is not bound any more"));
                }
            }
        }
        Ok(())
    }

    fn obey(&mut self, pdu: Pdu) {
        match pdu.command {
            command::DELIVER_SM => self.take_receipts(pdu),
            command::ENQUIRE_LINK => self.send(&pdu.answer(status::OK)),
            command::UNBIND => {
                self.send(&pdu.answer(status::OK));
                self.end(SessionEnd::Lost("the provider ended the session"));
            }
            // It has no answer.
            command::ALERT_NOTIFICATION => {}
            _ => {
                let (command, status) = (command::GENERIC_NACK, status::UNKNOWN_COMMAND);
                self.send(&Pdu { command, status, body: Vec::new(), ..pdu });
            }
        }
    }

    /// It is answered when it has been taken. What is no receipt is a message to us, which is of no use here.
    fn take_receipts(&mut self, pdu: Pdu) {
        let Some(batch) = delivery_report::read(&pdu.body, self.limits.receipt_id) else {
            return self.send(&pdu.answer(status::OK));
        };
        let (arrived, is_taken) = ArrivedReceipts::new(batch);
        if self.receipts.try_send(arrived).is_err() {
            return self.send(&pdu.answer(status::TEMPORARY_ERROR));
        }
        self.taking.push(Box::pin(async move { (pdu, is_taken.await.is_ok()) }));
    }

    fn unbind(&mut self) {
        let sequence = self.next_sequence();
        self.send(&Pdu::command(command::UNBIND, sequence, Vec::new()));
        self.end(SessionEnd::Closed);
    }

    fn end(&mut self, end: SessionEnd) {
        self.ending = self.ending.or(Some((end, Instant::now() + UNBIND_MAX)));
    }

    fn heard(&mut self) {
        self.heard_at = Instant::now();
        self.enquired_at = None;
    }

    fn next_check(&self) -> Instant {
        let oldest = self.waiting.values().next().map(|submit| submit.since + self.limits.answer);
        let alive = match self.enquired_at {
            Some(at) => at + self.limits.answer,
            None => oldest.into_iter().fold(self.heard_at + self.limits.enquire_link, Instant::min),
        };
        self.ending.map_or(alive, |(_, until)| alive.min(until))
    }

    /// Asks for a sign of life when the centre was silent, or did not answer a message in time. Without one it is gone: a
    /// connection that only this side holds open reports no error.
    fn check(&mut self) -> Result<(), SessionEnd> {
        let now = Instant::now();
        if let Some((end, _)) = self.ending.filter(|(_, until)| *until <= now) {
            return Err(end);
        }
        if self.enquired_at.is_some() {
            return Err(SessionEnd::Lost("no answer to enquire_link"));
        }
        self.waiting.retain(|_, submit| submit.since + self.limits.answer > now);
        let sequence = self.next_sequence();
        self.send(&Pdu::command(command::ENQUIRE_LINK, sequence, Vec::new()));
        self.enquired_at = Some(now);
        Ok(())
    }

    fn send(&mut self, pdu: &Pdu) {
        pdu.write(&mut self.out);
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = if self.sequence < SEQUENCE_MAX { self.sequence + 1 } else { FIRST };
        self.sequence
    }

    /// That the connection is closed after `unbind` is no failure of its own.
    fn ended(&self, error: &io::Error) -> SessionEnd {
        let lost = SessionEnd::Lost(io_problem::of(error).unwrap_or("connection lost"));
        self.ending.map_or(lost, |(end, _)| end)
    }
}

/// The id in a `submit_sm_resp`; empty when there is none.
fn message_id(pdu: &Pdu) -> String {
    String::from_utf8_lossy(BodyReader::new(&pdu.body).text()).into_owned()
}
