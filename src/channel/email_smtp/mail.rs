//! Writes a mail: headers and two equal parts, plain and HTML.
//!
//! Every header goes through a typed encoder; none is put together as text here.

use lettre::address::Envelope;
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message as Mail};

use super::headers::{AutoSubmitted, ContentLanguage, NoAutoReply, Unsubscribe};
use crate::domain::notification::Priority;
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::Cause;

/// A mail and its envelope. It holds the message, so it cannot be printed.
pub(super) struct OutgoingMail {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) bytes: Vec<u8>,
}

impl OutgoingMail {
    /// Writes what `outbound` says. `unsubscribe` is what readers of news are told to stop them by; a code has nothing to
    /// be stopped by, because it was asked for.
    pub(super) fn write(
        from: &Mailbox,
        unsubscribe: Option<&Unsubscribe>,
        outbound: &OutboundMessage,
    ) -> Result<Self, Cause> {
        let RenderedMessage::Email { subject, text, html, locale } = &outbound.message else {
            return Err(Cause::NotRendered);
        };
        let to = recipient(outbound.to.expose()).ok_or(Cause::InvalidContact)?;
        // Given rather than found out: the library would read it back from its own headers, and cannot read all it writes.
        let envelope = Envelope::new(Some(from.email.clone()), vec![to.clone()]).map_err(|_| Cause::NotRendered)?;
        let mut mail = Mail::builder()
            .envelope(envelope)
            .from(from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(one_line(subject.reveal()))
            // The same on every attempt, so that a mailbox which gets it twice can show it once, and never that of
            // another delivery: two mails of one name would be one to it.
            .message_id(Some(format!("<{}@{}>", outbound.delivery, from.email.domain())))
            .header(AutoSubmitted)
            .header(NoAutoReply)
            .header(ContentLanguage(locale.clone()));
        if let Some(unsubscribe) = unsubscribe.filter(|_| outbound.priority == Priority::Standard) {
            mail = mail.header(unsubscribe.clone());
        }
        let mail = mail
            .multipart(MultiPart::alternative_plain_html(text.reveal().to_owned(), html.reveal().to_owned()))
            .map_err(|_| Cause::NotRendered)?;
        Ok(Self { from: from.email.clone(), to, bytes: mail.formatted() })
    }

    /// Whether an address in it has letters beyond ASCII.
    pub(super) fn is_international(&self) -> bool {
        [&self.from, &self.to].into_iter().any(|address| !AsRef::<str>::as_ref(address).is_ascii())
    }
}

// Every relay takes a domain in its ASCII form (RFC 5890, 2.3.2.1); only a mailbox's own name beyond ASCII needs one that
// speaks SMTPUTF8.
fn recipient(mailbox: &str) -> Option<Address> {
    let (local, domain) = mailbox.rsplit_once('@')?;
    Address::new(local, idna::domain_to_ascii(domain).ok()?).ok()
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::test_servers;

    fn written(subject: &str) -> String {
        let from = "Bank <otp@bank.example>".parse().unwrap();
        let outbound = test_servers::email(subject, "Kod 0042 dla płatności", "<p>Kod <b>0042</b></p>");
        String::from_utf8(OutgoingMail::write(&from, None, &outbound).unwrap().bytes).unwrap()
    }

    #[test]
    fn a_mail_has_a_plain_and_an_html_part_and_says_that_a_machine_wrote_it() {
        let mail = written("Twój kod");
        for line in [
            "From: Bank <otp@bank.example>\r\n",
            "To: leon@mail.example\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "X-Auto-Response-Suppress: OOF, AutoReply\r\n",
            "Content-Language: pl\r\n",
            "Content-Type: multipart/alternative;",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\n",
            "Date: ",
        ] {
            assert!(mail.contains(line), "{line} in\n{mail}");
        }
        assert!(mail.is_ascii());
    }

    #[test]
    fn a_domain_beyond_ascii_is_written_so_that_every_relay_takes_it() {
        let written = |mailbox| recipient(mailbox).map(|address| address.to_string());
        assert_eq!(written("ala@żółw.example").as_deref(), Some("ala@xn--w-uga1v8h.example"));
        assert_eq!(written("\"a b\"@Mail.example").as_deref(), Some("\"a b\"@mail.example"));
        assert_eq!(written("źdźbło@mail.example").as_deref(), Some("źdźbło@mail.example"));
    }

    #[test]
    fn the_message_id_is_the_same_on_every_attempt() {
        let id = format!("Message-ID: <{}@bank.example>\r\n", test_servers::delivery());
        assert!(written("a").contains(&id) && written("a").contains(&id));
    }

    #[test]
    fn readers_are_told_how_to_stop_news_and_never_how_to_stop_codes() {
        let from = "Bank <otp@bank.example>".parse().unwrap();
        let address = Unsubscribe::parse("mailto:stop@bank.example, https://bank.example/stop").unwrap();
        let written = |priority| {
            let outbound = OutboundMessage { priority, ..test_servers::email("a", "b", "c") };
            String::from_utf8(OutgoingMail::write(&from, Some(&address), &outbound).unwrap().bytes).unwrap()
        };
        let line = "List-Unsubscribe: <mailto:stop@bank.example>, <https://bank.example/stop>\r\n";
        let news = written(Priority::Standard).replace("\r\n ", " ");
        assert!(news.contains(line), "{news}");
        assert!(!written(Priority::Otp).contains("List-Unsubscribe"));
    }

    #[test]
    fn a_subject_cannot_become_a_second_header() {
        let mail = written("Code\r\nBcc: eve@evil.example");
        assert!(mail.contains("Subject: Code  Bcc: eve@evil.example\r\n"), "{mail}");
    }
}
