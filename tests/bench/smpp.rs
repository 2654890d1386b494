//! Submits short messages over one SMPP bind with a window of 64: through the adapter, and by a loop that does nothing else.
//!
//! Both speak to the same centre, a task of this process that accepts everything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use uuid::Uuid;

use otpost::channel::{self, Provider};
use otpost::domain::contact::{Channel, Contact};
use otpost::domain::delivery::DeliveryId;
use otpost::domain::notification::Priority;
use otpost::domain::outbound_message::{OutboundMessage, RenderedMessage};
use otpost::domain::secret::RenderedText;
use otpost::sim::latency::per_second;
use otpost::sim::stopwatch::monotonic_ns;

const WINDOW: usize = 64;

const TEXT: &str = "123456 is your Bank code to pay PLN 10.00 to merchant test. Do not share it with anyone.";

/// `command_id` of `submit_sm`, `bind_transceiver` and answers (SMPP 3.4, 5.1.2.1).
const SUBMIT: u32 = 4;
const BIND: u32 = 9;
const ANSWER: u32 = 0x8000_0000;

/// Messages per second: through the adapter, and by the bare loop.
pub(super) async fn measure(span: Duration) -> anyhow::Result<(f64, f64)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let centre = tokio::spawn(serve(listener));
    let measured = (through_adapter(address, span).await?, bare(address, span).await?);
    centre.abort();
    Ok(measured)
}

async fn through_adapter(address: SocketAddr, span: Duration) -> anyhow::Result<f64> {
    let settings: channel::Settings = serde_json::from_value(json!({
        "kind": "smpp", "name": "smsc", "host": address.ip().to_string(), "port": address.port(), "tls": false,
        "system_id": "bench", "password": "bench", "sender": "BANK", "window": WINDOW,
    }))?;
    let provider = settings.connect()?.provider;
    let start = monotonic_ns();
    let end = start + u64::try_from(span.as_nanos())?;
    let mut senders = JoinSet::new();
    for _ in 0..WINDOW {
        senders.spawn(send(Arc::clone(&provider), end));
    }
    let mut count = 0;
    while let Some(sent) = senders.join_next().await {
        count += sent??;
    }
    Ok(per_second(count, Duration::from_nanos(monotonic_ns() - start)))
}

async fn send(provider: Arc<dyn Provider>, end: u64) -> anyhow::Result<u64> {
    let mut count = 0;
    while monotonic_ns() < end {
        let message = OutboundMessage {
            delivery: DeliveryId(Uuid::now_v7()),
            priority: Priority::Otp,
            to: Contact::parse(Channel::Sms, "+48600100200")?,
            rendered: RenderedMessage::Sms { text: RenderedText::new(TEXT.to_owned()) },
            code: None,
            valid_for: Duration::from_mins(5),
        };
        let outcome = provider.send(&message).await.outcome;
        if !outcome.is_accepted() {
            bail!("the centre did not accept a message: {}", outcome.name());
        }
        count += 1;
    }
    Ok(count)
}

/// Keeps the window full with copies of one message.
async fn bare(address: SocketAddr, span: Duration) -> anyhow::Result<f64> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    stream.get_mut().set_nodelay(true)?;
    stream.get_mut().write_all(&pdu(BIND, 1, b"bench\0bench\0\0\x34\0\0\0")).await?;
    read(&mut stream).await?;
    let addresses = b"\0\x05\0BANK\0\x01\x0148600100200\0";
    let validity = b"\0\0\0\x00000000000459000R\0";
    let coding = [1, 0, 0, 0, u8::try_from(TEXT.len())?];
    let submit = pdu(SUBMIT, 2, &[&addresses[..], validity, &coding, TEXT.as_bytes()].concat());
    stream.get_mut().write_all(&submit.repeat(WINDOW)).await?;
    let start = monotonic_ns();
    let end = start + u64::try_from(span.as_nanos())?;
    let mut count = 0;
    while monotonic_ns() < end {
        read(&mut stream).await?;
        stream.get_mut().write_all(&submit).await?;
        count += 1;
    }
    Ok(per_second(count, Duration::from_nanos(monotonic_ns() - start)))
}

async fn serve(listener: TcpListener) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(answer(stream));
    }
}

/// Answers what has arrived together by one write.
async fn answer(stream: TcpStream) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut out = Vec::new();
    loop {
        let (command, sequence) = read(&mut stream).await?;
        out.extend(pdu(command | ANSWER, sequence, b"id-1\0"));
        if stream.buffer().is_empty() {
            stream.get_mut().write_all(&out).await?;
            out.clear();
        }
    }
}

fn pdu(command: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    [&[length, command, 0, sequence].map(u32::to_be_bytes).concat(), body].concat()
}

/// The command and the number of the next PDU.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<(u32, u32)> {
    let length = stream.read_u32().await?;
    let command = stream.read_u32().await?;
    stream.read_u32().await?;
    let sequence = stream.read_u32().await?;
    let mut body = vec![0; usize::try_from(length)?.checked_sub(16).context("no PDU")?];
    stream.read_exact(&mut body).await?;
    Ok((command, sequence))
}
