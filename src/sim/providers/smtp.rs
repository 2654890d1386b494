//! The SMTP interface of the simulated mail relay (RFC 5321 without TLS). It accepts any sender, recipient and
//! password.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::faults::Reaction;
use super::mail::{ReceivedMail, find};
use super::message_log::{LoggedMessage, MessageLog};
use crate::domain::contact::Channel;

/// Size limits of a command line and of an e-mail, in bytes.
const LINE_MAX: usize = 4 * 1024;
const MAIL_MAX: usize = 2 * 1024 * 1024;

const GREETING: &str = "220 simulator ESMTP\r\n";
const EXTENSIONS: &str =
    "250-simulator\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 2097152\r\n";

/// Serves one connection until either side closes it.
pub(super) async fn serve(mut stream: TcpStream, log: &MessageLog) -> io::Result<()> {
    let mut session = ServerSession::default();
    let mut inbox = Vec::with_capacity(8 * 1024);
    stream.write_all(GREETING.as_bytes()).await?;
    loop {
        let mut outbox = String::new();
        let mut open = true;
        while let Some((unit, used)) = session.next_unit(&inbox) {
            let answer = session.handle(unit);
            inbox.drain(..used);
            match answer {
                SmtpAnswer::Reply(reply) => outbox.push_str(reply),
                SmtpAnswer::Mail(mail) => match receive(&mail, &mut session, log).await {
                    Some(reply) => outbox.push_str(reply),
                    None => return ignore(stream).await,
                },
                SmtpAnswer::Quit(reply) => {
                    outbox.push_str(reply);
                    open = false;
                }
            }
        }
        stream.write_all(outbox.as_bytes()).await?;
        let limit = if session.state == SmtpState::Data { MAIL_MAX } else { LINE_MAX };
        if !open || inbox.len() > limit || stream.read_buf(&mut inbox).await? == 0 {
            return stream.shutdown().await;
        }
    }
}

async fn receive(raw: &[u8], session: &mut ServerSession, log: &MessageLog) -> Option<&'static str> {
    let recipients = std::mem::take(&mut session.recipients);
    let reaction = log.next_reaction();
    let latency = log.faults().latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    match reaction {
        Reaction::Accept => Some(accept(raw, &recipients, log)),
        Reaction::Reject { status: 429 | 500..=599, .. } => Some("451 4.3.0 rejected by the simulator\r\n"),
        Reaction::Reject { .. } => Some("554 5.6.0 rejected by the simulator\r\n"),
        Reaction::Ignore => None,
    }
}

fn accept(raw: &[u8], recipients: &[String], log: &MessageLog) -> &'static str {
    let mail = ReceivedMail::read(raw);
    let text = mail.text.clone();
    let message = LoggedMessage {
        channel: Channel::Email,
        to: recipients.join(","),
        title: mail.subject,
        text: mail.text,
        reference: mail.message_id,
        at_us: 0,
    };
    log.receive(text.as_bytes(), || Some(message));
    "250 2.0.0 accepted\r\n"
}

// Reads until the client gives up, and never answers.
async fn ignore(mut stream: TcpStream) -> io::Result<()> {
    let mut discarded = [0; 1024];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}

#[derive(Default, PartialEq, Eq)]
enum SmtpState {
    #[default]
    Command,
    /// This many further lines belong to the authentication.
    Secret(u8),
    Data,
}

#[derive(Default)]
struct ServerSession {
    state: SmtpState,
    recipients: Vec<String>,
}

enum SmtpAnswer {
    Reply(&'static str),
    Mail(Vec<u8>),
    Quit(&'static str),
}

impl ServerSession {
    /// The next complete line, or the complete e-mail after `DATA`, and its length in bytes.
    fn next_unit<'a>(&self, inbox: &'a [u8]) -> Option<(&'a [u8], usize)> {
        if self.state != SmtpState::Data {
            return find(inbox, b"\r\n").map(|end| (&inbox[..end], end + 2));
        }
        if inbox.starts_with(b".\r\n") {
            return Some((&[], 3));
        }
        find(inbox, b"\r\n.\r\n").map(|end| (&inbox[..end + 2], end + 5))
    }

    fn handle(&mut self, unit: &[u8]) -> SmtpAnswer {
        match std::mem::take(&mut self.state) {
            SmtpState::Data => SmtpAnswer::Mail(without_stuffing(unit)),
            SmtpState::Secret(1) => SmtpAnswer::Reply("235 2.7.0 welcome\r\n"),
            SmtpState::Secret(more) => self.ask_for_secret(more - 1),
            SmtpState::Command => self.command(&String::from_utf8_lossy(unit)),
        }
    }

    fn command(&mut self, line: &str) -> SmtpAnswer {
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => SmtpAnswer::Reply(EXTENSIONS),
            "AUTH" => self.authenticate(argument),
            "RCPT" => self.add_recipient(argument),
            "DATA" if self.recipients.is_empty() => SmtpAnswer::Reply("503 5.5.1 no recipients\r\n"),
            "DATA" => {
                self.state = SmtpState::Data;
                SmtpAnswer::Reply("354 go on\r\n")
            }
            "MAIL" | "RSET" => {
                self.recipients.clear();
                SmtpAnswer::Reply("250 2.0.0 ok\r\n")
            }
            "HELO" | "NOOP" => SmtpAnswer::Reply("250 2.0.0 ok\r\n"),
            "QUIT" => SmtpAnswer::Quit("221 2.0.0 bye\r\n"),
            _ => SmtpAnswer::Reply("502 5.5.1 not implemented\r\n"),
        }
    }

    fn authenticate(&mut self, argument: &str) -> SmtpAnswer {
        let mut words = argument.split_ascii_whitespace();
        let method = words.next().unwrap_or_default().to_ascii_uppercase();
        match (method.as_str(), words.next().is_some()) {
            ("PLAIN", true) => SmtpAnswer::Reply("235 2.7.0 welcome\r\n"),
            ("PLAIN", false) | ("LOGIN", true) => self.ask_for_secret(1),
            ("LOGIN", false) => self.ask_for_secret(2),
            _ => SmtpAnswer::Reply("504 5.5.4 PLAIN or LOGIN\r\n"),
        }
    }

    // The prompts are base64 for `Username:` and `Password:`; with PLAIN the client expects any.
    fn ask_for_secret(&mut self, lines: u8) -> SmtpAnswer {
        self.state = SmtpState::Secret(lines);
        SmtpAnswer::Reply(if lines == 2 { "334 VXNlcm5hbWU6\r\n" } else { "334 UGFzc3dvcmQ6\r\n" })
    }

    fn add_recipient(&mut self, argument: &str) -> SmtpAnswer {
        let mailbox = argument.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
        match mailbox {
            Some((mailbox, _)) if self.recipients.len() < 100 => {
                self.recipients.push(mailbox.to_owned());
                SmtpAnswer::Reply("250 2.1.5 ok\r\n")
            }
            Some(_) => SmtpAnswer::Reply("452 4.5.3 too many recipients\r\n"),
            None => SmtpAnswer::Reply("501 5.5.4 RCPT TO:<name@example.org>\r\n"),
        }
    }
}

// Lines that begin with a dot are sent with an additional dot (RFC 5321, section 4.5.2).
fn without_stuffing(mail: &[u8]) -> Vec<u8> {
    let lines = mail.split_inclusive(|byte| *byte == b'\n');
    lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line)).copied().collect()
}

#[cfg(test)]
mod tests {
    use lettre::message::MultiPart;
    use lettre::transport::smtp::authentication::{Credentials, Mechanism};
    use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

    use super::super::faults::Faults;
    use super::super::message_log::Keeping;
    use super::*;
    use crate::sim::providers::PracticeProvider;

    type Mailer = AsyncSmtpTransport<Tokio1Executor>;

    const TEXT: &str = "Zażółć gęślą jaźń.\n.kropka na początku\nKod: 1111, kwota 10,00 zł; długi wiersz, który musi zostać złamany po drodze, bo ma więcej niż 76 znaków.";

    async fn relay() -> PracticeProvider {
        PracticeProvider::open(Channel::Email, "127.0.0.1:0".parse().unwrap(), Keeping::Arrivals).await.unwrap()
    }

    fn mailer(relay: &PracticeProvider, mechanism: Mechanism) -> Mailer {
        Mailer::builder_dangerous("127.0.0.1")
            .port(relay.address().port())
            .credentials(Credentials::new("any".into(), "thing".into()))
            .authentication(vec![mechanism])
            .build()
    }

    fn mail() -> Message {
        Message::builder()
            .from("Bank <bank@example.org>".parse().unwrap())
            .to("Zażółć <leon@example.org>".parse().unwrap())
            .message_id(Some("<r-1@example.org>".into()))
            .subject("Płatność w sklepie „Żółw” – kod do zatwierdzenia transakcji kartą kredytową")
            .multipart(MultiPart::alternative_plain_html(TEXT.to_owned(), "<p>Zażółć</p>".to_owned()))
            .unwrap()
    }

    #[tokio::test]
    async fn an_e_mail_with_polish_text_is_decoded() {
        let relay = relay().await;

        for mechanism in [Mechanism::Plain, Mechanism::Login] {
            mailer(&relay, mechanism).send(mail()).await.unwrap();
        }

        let arrivals = relay.station().arrivals();
        assert_eq!(arrivals.len(), 2);
        assert_eq!(arrivals[0].text, TEXT);
        assert_eq!(
            arrivals[0].title.as_deref(),
            Some("Płatność w sklepie „Żółw” – kod do zatwierdzenia transakcji kartą kredytową")
        );
        assert_eq!(arrivals[0].to, "leon@example.org");
        assert_eq!(arrivals[0].reference.as_deref(), Some("r-1@example.org"));
    }

    #[tokio::test]
    async fn faults_are_transient_or_permanent_smtp_errors() {
        let relay = relay().await;

        for (status, transient) in [(503, true), (429, true), (400, false)] {
            relay.station().behave(Faults::down(status));
            let error = mailer(&relay, Mechanism::Plain).send(mail()).await.unwrap_err();
            assert_eq!((error.is_transient(), error.is_permanent()), (transient, !transient), "{status}");
        }
        assert_eq!(relay.station().report().rejected, 3);
        assert!(relay.station().arrivals().is_empty());
    }

    #[tokio::test]
    async fn commands_can_be_pipelined_and_invalid() {
        let relay = relay().await;
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        let commands = "HELO me\r\nTURN\r\nDATA\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:nobody\r\nRCPT TO:<d@e.f>\r\n\
            RCPT TO:<g@h.i>\r\nDATA\r\nSubject: x\r\n\r\n..\r\n.\r\nNOOP\r\nRSET\r\nQUIT\r\n";

        stream.write_all(commands.as_bytes()).await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();

        let codes: Vec<_> = answers.lines().map(|line| &line[..3]).collect();
        let expected = ["220", "250", "502", "503", "250", "501", "250", "250", "354", "250", "250", "250", "221"];
        assert_eq!(codes, expected);
        let arrivals = relay.station().arrivals();
        assert_eq!((arrivals[0].to.as_str(), arrivals[0].text.as_str()), ("d@e.f,g@h.i", "."));
    }
}
