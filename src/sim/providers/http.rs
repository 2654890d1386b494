//! The HTTP interface of the simulated SMS gateway and push service, with control endpoints for other processes.
//!
//! Control endpoints: `GET` or `POST /__report` and `/__reset`, `GET`, `PUT` or `POST /__faults`. With `/sms`, `/push`
//! or `/email` appended, they control another provider of the same process. Every other path receives messages.

use std::io;
use std::sync::Arc;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::faults::Reaction;
use super::fields;
use super::message_log::{LogResult, MessageLog};
use crate::sim::http_client::append;

/// Size limits of the request head and the body, in bytes.
const HEAD_MAX: usize = 16 * 1024;
const BODY_MAX: usize = 1024 * 1024;

/// Serves one connection until either side closes it.
pub(super) async fn serve(mut stream: TcpStream, log: &MessageLog, logs: &[Arc<MessageLog>]) -> io::Result<()> {
    let mut inbox = Vec::with_capacity(8 * 1024);
    let mut outbox = Vec::with_capacity(1024);
    loop {
        let request = match HttpInput::read(&inbox) {
            Ok(Some(request)) => request,
            Ok(None) => {
                if stream.read_buf(&mut inbox).await? == 0 {
                    return Ok(());
                }
                continue;
            }
            Err(status) => {
                HttpReply::new(status, r#"{"error":"unreadable request"}"#).write(&mut outbox);
                return stream.write_all(&outbox).await;
            }
        };
        let Some(reply) = answer(&request, log, logs).await else {
            return ignore(stream).await;
        };
        outbox.clear();
        reply.write(&mut outbox);
        stream.write_all(&outbox).await?;
        if request.closes {
            return stream.shutdown().await;
        }
        let end = request.end;
        inbox.drain(..end);
    }
}

async fn answer(request: &HttpInput<'_>, log: &MessageLog, logs: &[Arc<MessageLog>]) -> Option<HttpReply> {
    if let Some(command) = request.path.strip_prefix("/__") {
        return Some(control(command, request, log, logs));
    }
    let reaction = log.next_reaction();
    let latency = log.faults().latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    match reaction {
        Reaction::Accept => Some(receive(request, log)),
        Reaction::Reject { status, retry_after_s } => {
            let body = rejection(request, log.faults().echo);
            Some(HttpReply { retry_after_s, ..HttpReply::new(status, body) })
        }
        Reaction::Ignore => None,
    }
}

fn rejection(request: &HttpInput<'_>, echo: bool) -> String {
    let error = "rejected by the simulator";
    if echo {
        return serde_json::json!({ "error": error, "request": String::from_utf8_lossy(request.body) }).to_string();
    }
    serde_json::json!({ "error": error }).to_string()
}

fn receive(request: &HttpInput<'_>, log: &MessageLog) -> HttpReply {
    let channel = log.channel();
    match log.receive(request.body, || fields::read(channel, request.body)) {
        LogResult::Accepted(number) => HttpReply::new(200, format!(r#"{{"id":"{channel}-{number}"}}"#)),
        LogResult::Unreadable => HttpReply::new(400, r#"{"error":"no message found"}"#),
        LogResult::Gone => HttpReply::new(410, r#"{"error":"the app was uninstalled"}"#),
    }
}

fn control(command: &str, request: &HttpInput<'_>, own: &MessageLog, logs: &[Arc<MessageLog>]) -> HttpReply {
    let (command, channel) = command.split_once('/').unwrap_or((command, own.channel().name()));
    let Some(log) = logs.iter().find(|log| log.channel().name() == channel) else {
        return HttpReply::new(404, r#"{"error":"no such provider"}"#);
    };
    match (command, request.method) {
        ("report", "GET" | "POST") => HttpReply::json(&log.report()),
        ("reset", "GET" | "POST") => {
            log.reset();
            HttpReply::json(&log.report())
        }
        ("faults", "GET") => HttpReply::json(&log.faults()),
        ("faults", "PUT" | "POST") => match serde_json::from_slice(request.body) {
            Ok(faults) => {
                log.behave(faults);
                HttpReply::json(&faults)
            }
            Err(error) => HttpReply::new(422, serde_json::json!({ "error": error.to_string() }).to_string()),
        },
        _ => HttpReply::new(404, r#"{"error":"expected report, reset or faults"}"#),
    }
}

// Reads until the client gives up, and never answers.
async fn ignore(mut stream: TcpStream) -> io::Result<()> {
    let mut discarded = [0; 1024];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}

struct HttpInput<'a> {
    method: &'a str,
    path: &'a str,
    body: &'a [u8],
    closes: bool,
    end: usize,
}

impl<'a> HttpInput<'a> {
    // The next complete request, `None` while it is incomplete, or the status of a rejection.
    fn read(bytes: &'a [u8]) -> Result<Option<Self>, u16> {
        let mut headers = [httparse::EMPTY_HEADER; 48];
        let mut request = httparse::Request::new(&mut headers);
        let start = match request.parse(bytes) {
            Ok(httparse::Status::Complete(start)) => start,
            Ok(httparse::Status::Partial) if bytes.len() <= HEAD_MAX => return Ok(None),
            Ok(httparse::Status::Partial) => return Err(431),
            Err(_) => return Err(400),
        };
        let mut length = 0;
        let mut closes = request.version == Some(0);
        for header in request.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                length =
                    std::str::from_utf8(header.value).ok().and_then(|text| text.trim().parse().ok()).ok_or(400u16)?;
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(411);
            } else if header.name.eq_ignore_ascii_case("connection") {
                closes |= header.value.eq_ignore_ascii_case(b"close");
            }
        }
        if length > BODY_MAX {
            return Err(413);
        }
        let end = start + length;
        let Some(body) = bytes.get(start..end) else { return Ok(None) };
        let [method, path] = [request.method, request.path].map(Option::unwrap_or_default);
        Ok(Some(Self { method, path, body, closes, end }))
    }
}

struct HttpReply {
    status: u16,
    retry_after_s: Option<u32>,
    body: String,
}

impl HttpReply {
    fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, retry_after_s: None, body: body.into() }
    }

    fn json(body: &impl Serialize) -> Self {
        match serde_json::to_string(body) {
            Ok(body) => Self::new(200, body),
            Err(_) => Self::new(500, "{}"),
        }
    }

    fn write(&self, outbox: &mut Vec<u8>) {
        let Self { status, body, .. } = self;
        let reason = if *status < 400 { "OK" } else { "Rejected" };
        append(outbox, format_args!("HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\n"));
        if let Some(seconds) = self.retry_after_s {
            append(outbox, format_args!("Retry-After: {seconds}\r\n"));
        }
        append(outbox, format_args!("Content-Length: {}\r\n\r\n{body}", body.len()));
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::super::faults::Faults;
    use super::super::message_log::Keeping;
    use super::*;
    use crate::domain::contact::Channel;
    use crate::sim::http_client::{Connection, Error, Target};
    use crate::sim::providers::PracticeProvider;
    use crate::sim::token::Token;

    const SMS: &[u8] = br#"{"to":"+48600100200","text":"Kod 1111","from":"Bank","reference":"r-1"}"#;

    async fn open(channel: Channel, keeping: Keeping) -> (PracticeProvider, Connection) {
        let provider = PracticeProvider::open(channel, "127.0.0.1:0".parse().unwrap(), keeping).await.unwrap();
        let target = Target::new(&format!("http://{}", provider.address()), None).unwrap();
        (provider, Connection::new(target, Duration::from_secs(5)))
    }

    async fn exchange(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn messages_are_decoded_numbered_and_sent_to_subscribers() {
        let (provider, mut gateway) = open(Channel::Sms, Keeping::Arrivals).await;
        let mut messages = provider.station().subscribe();

        for number in 1..=2 {
            let reply = gateway.post("/sms", None, SMS).await.unwrap();
            assert_eq!((reply.status, reply.body), (200, format!(r#"{{"id":"sms-{number}"}}"#).as_bytes()));
        }

        let first = messages.recv().await.unwrap();
        assert_eq!((first.to.as_str(), first.text.as_str()), ("+48600100200", "Kod 1111"));
        assert_eq!((first.reference.as_deref(), first.title.as_deref()), (Some("r-1"), None));
        assert_eq!(provider.station().arrivals().len(), 2);
        assert_eq!(gateway.opened(), 1);
    }

    #[tokio::test]
    async fn two_requests_in_one_packet_are_two_messages() {
        let (provider, _) = open(Channel::Push, Keeping::Arrivals).await;
        let body = "token=abc&title=Kod&body=1111";
        let one = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());

        exchange(
            provider.address(),
            &format!("{one}{}", one.replace(" /", " /last").replace("Co", "Connection: close\r\nCo")),
        )
        .await;

        let titles: Vec<_> = provider.station().arrivals().iter().map(|message| message.title.clone()).collect();
        assert_eq!(titles, [Some("Kod".to_owned()), Some("Kod".to_owned())]);
    }

    #[tokio::test]
    async fn a_request_without_a_message_is_rejected_and_counted() {
        let (provider, mut gateway) = open(Channel::Sms, Keeping::Arrivals).await;
        assert_eq!(gateway.post("/sms", None, b"{}").await.unwrap().status, 400);
        assert_eq!((provider.station().report().unreadable, provider.station().report().total), (1, 0));
    }

    #[tokio::test]
    async fn a_push_to_an_uninstalled_app_is_rejected() {
        let (provider, mut gateway) = open(Channel::Push, Keeping::Arrivals).await;
        assert_eq!(gateway.post("/push", None, br#"{"token":"gone-1","body":"Kod 1111"}"#).await.unwrap().status, 410);
        assert_eq!((provider.station().report().rejected, provider.station().report().total), (1, 0));
    }

    #[tokio::test]
    async fn another_process_can_inject_faults_and_read_the_report() {
        let (provider, mut gateway) = open(Channel::Sms, Keeping::Tokens).await;
        let token = Token { run: 1, warm_up: false, sequence: 0, due_us: 0 }.to_string();
        gateway.post("/sms", None, token.as_bytes()).await.unwrap();

        let down = br#"{"error_rate":1,"status":429,"retry_after_s":7}"#;
        assert_eq!(gateway.post("/__faults", None, down).await.unwrap().status, 200);
        let answer = exchange(provider.address(), "POST /sms HTTP/1.0\r\n\r\n").await;
        let report = exchange(provider.address(), "GET /__report HTTP/1.0\r\n\r\n").await;

        assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("\r\nRetry-After: 7\r\n"), "{answer}");
        assert!(report.contains(r#""distinct":1"#) && report.contains(r#""rejected":1"#), "{report}");
        assert_eq!(gateway.post("/__reset/email", None, b"").await.unwrap().status, 404);
        assert_eq!(gateway.post("/__reset", None, b"").await.unwrap().status, 200);
        assert_eq!(provider.station().report().total, 0);
        assert!(provider.station().arrivals().is_empty());
    }

    #[tokio::test]
    async fn a_black_hole_reads_the_request_and_never_answers() {
        let (provider, _) = open(Channel::Sms, Keeping::Arrivals).await;
        provider.station().behave(Faults::silent());
        let target = Target::new(&format!("http://{}", provider.address()), None).unwrap();

        let outcome = Connection::new(target, Duration::from_millis(50)).post("/sms", None, SMS).await.map(|_| ());

        assert!(matches!(outcome, Err(Error::TimedOut)), "{outcome:?}");
        assert_eq!((provider.station().report().unanswered, provider.station().report().total), (1, 0));
    }

    #[tokio::test]
    async fn a_closed_provider_closes_its_connections_and_frees_its_address() {
        let (provider, mut gateway) = open(Channel::Sms, Keeping::Arrivals).await;
        gateway.post("/sms", None, SMS).await.unwrap();

        let address = provider.address();
        provider.close().await;

        assert!(TcpStream::connect(address).await.is_err());
        let outcome = gateway.post("/sms", None, SMS).await;
        assert!(matches!(outcome, Err(Error::Connect(_) | Error::Closed | Error::SessionError(_))), "{outcome:?}");
    }

    #[test]
    fn a_malformed_request_is_rejected() {
        let status = |request: &str| HttpInput::read(request.as_bytes()).map(|request| request.is_some());
        assert_eq!(status("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{"), Ok(false));
        assert_eq!(status("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(411));
        assert_eq!(status("POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"), Err(413));
        assert_eq!(status("POST / HTTP/1.1\r\nContent-Length: two\r\n\r\n"), Err(400));
        assert_eq!(status(&format!("GET /{}", "a".repeat(HEAD_MAX))), Err(431));
    }
}
