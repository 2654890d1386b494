//! The HTTP face of the practice SMS gateway and push service, and the desk where separate processes ask and tell.
//!
//! `GET /__report`, `GET` or `POST /__reset`, `GET`, `PUT` or `POST /__behaviour`; each takes `/sms`, `/push` or `/email`
//! behind it to speak to another provider of the same process. Every other path takes messages.

use std::io;
use std::sync::Arc;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::behaviour::Fate;
use super::fields;
use super::station::Station;
use crate::sim::wire::append;

/// The longest request head and the longest body read, in bytes.
const HEAD_MAX: usize = 16 * 1024;
const BODY_MAX: usize = 1024 * 1024;

/// Answers one connection until either side closes it.
pub(super) async fn serve(mut stream: TcpStream, station: &Station, stations: &[Arc<Station>]) -> io::Result<()> {
    let mut inbox = Vec::with_capacity(8 * 1024);
    let mut outbox = Vec::with_capacity(1024);
    loop {
        let request = match Request::read(&inbox) {
            Ok(Some(request)) => request,
            Ok(None) => {
                if stream.read_buf(&mut inbox).await? == 0 {
                    return Ok(());
                }
                continue;
            }
            Err(status) => {
                Reply::new(status, r#"{"error":"unreadable request"}"#).write(&mut outbox);
                return stream.write_all(&outbox).await;
            }
        };
        let Some(reply) = answer(&request, station, stations).await else {
            return swallow(stream).await;
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

async fn answer(request: &Request<'_>, station: &Station, stations: &[Arc<Station>]) -> Option<Reply> {
    if let Some(command) = request.path.strip_prefix("/__") {
        return Some(control(command, request, station, stations));
    }
    let fate = station.fate();
    let latency = station.behaviour().latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    match fate {
        Fate::Take => Some(take(request, station)),
        Fate::Refuse { status, retry_after_s } => {
            Some(Reply { retry_after_s, ..Reply::new(status, r#"{"error":"refused for practice"}"#) })
        }
        Fate::Swallow => None,
    }
}

fn take(request: &Request<'_>, station: &Station) -> Reply {
    let channel = station.channel();
    match station.take(request.body, || fields::read(channel, request.body)) {
        Some(number) => Reply::new(200, format!(r#"{{"id":"{channel}-{number}"}}"#)),
        None => Reply::new(400, r#"{"error":"no message found"}"#),
    }
}

fn control(command: &str, request: &Request<'_>, own: &Station, stations: &[Arc<Station>]) -> Reply {
    let (command, channel) = command.split_once('/').unwrap_or((command, own.channel().name()));
    let Some(station) = stations.iter().find(|station| station.channel().name() == channel) else {
        return Reply::new(404, r#"{"error":"no such provider here"}"#);
    };
    match (command, request.method) {
        ("report", "GET") => Reply::json(&station.report()),
        ("reset", "GET" | "POST") => {
            station.reset();
            Reply::json(&station.report())
        }
        ("behaviour", "GET") => Reply::json(&station.behaviour()),
        ("behaviour", "PUT" | "POST") => match serde_json::from_slice(request.body) {
            Ok(behaviour) => {
                station.behave(behaviour);
                Reply::json(&behaviour)
            }
            Err(error) => Reply::new(422, serde_json::json!({ "error": error.to_string() }).to_string()),
        },
        _ => Reply::new(404, r#"{"error":"report, reset or behaviour"}"#),
    }
}

// Reads until the client gives up, and says nothing.
async fn swallow(mut stream: TcpStream) -> io::Result<()> {
    let mut scrap = [0; 1024];
    while stream.read(&mut scrap).await? > 0 {}
    Ok(())
}

struct Request<'a> {
    method: &'a str,
    path: &'a str,
    body: &'a [u8],
    closes: bool,
    end: usize,
}

impl<'a> Request<'a> {
    // The next whole request, nothing while it is incomplete, or the status that refuses it.
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

struct Reply {
    status: u16,
    retry_after_s: Option<u32>,
    body: String,
}

impl Reply {
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
        let reason = if *status < 400 { "OK" } else { "Refused" };
        append(outbox, format_args!("HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\n"));
        if let Some(seconds) = self.retry_after_s {
            append(outbox, format_args!("Retry-After: {seconds}\r\n"));
        }
        append(outbox, format_args!("Content-Length: {}\r\n\r\n{body}", body.len()));
    }
}
