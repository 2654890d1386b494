//! Builds a mail: headers and two equivalent parts, plain text and HTML.
//!
//! Every header is written by a typed encoder; none is concatenated here.

use lettre::address::Envelope;
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message as Mail};

use crate::channel::mail_headers::{AutoSubmitted, ContentLanguage, NoAutoReply, Subject, Unsubscribe};
use crate::domain::mailbox;
use crate::domain::notification::Priority;
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::Cause;

/// A mail and its envelope. It contains the message, so it has no `Debug`.
pub(super) struct OutgoingMail {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) bytes: Vec<u8>,
}

impl OutgoingMail {
    /// Builds the mail for `message`. `unsubscribe` is written in standard notifications only: a code was requested by the
    /// recipient.
    pub(super) fn write(
        from: &Mailbox,
        unsubscribe: Option<&Unsubscribe>,
        message: &OutboundMessage,
    ) -> Result<Self, Cause> {
        let RenderedMessage::Email { subject, text, html, locale } = &message.rendered else {
            return Err(Cause::NotRendered);
        };
        let to = recipient(message.to.expose()).ok_or(Cause::InvalidContact)?;
        // Set explicitly, because the library would parse it from its own headers and cannot parse all that it writes.
        let envelope = Envelope::new(Some(from.email.clone()), vec![to.clone()]).map_err(|_| Cause::NotRendered)?;
        let mut mail = Mail::builder()
            .envelope(envelope)
            .from(from.clone())
            .to(Mailbox::new(None, to.clone()))
            .header(Subject::new(one_line(subject.reveal())))
            // The same on every attempt, so that a mailbox can drop a duplicate, and different for every delivery, so
            // that it does not drop another mail.
            .message_id(Some(format!("<{}@{}>", message.delivery, from.email.domain())))
            .header(AutoSubmitted)
            .header(NoAutoReply)
            .header(ContentLanguage(locale.clone()));
        if let Some(unsubscribe) = unsubscribe.filter(|_| message.priority == Priority::Standard) {
            mail = mail.header(unsubscribe.clone());
        }
        let mail = mail
            .multipart(MultiPart::alternative_plain_html(text.reveal().to_owned(), html.reveal().to_owned()))
            .map_err(|_| Cause::NotRendered)?;
        Ok(Self { from: from.email.clone(), to, bytes: mail.formatted() })
    }

    /// Whether one of its mail addresses has characters beyond ASCII.
    pub(super) fn is_international(&self) -> bool {
        [&self.from, &self.to].into_iter().any(|address| !AsRef::<str>::as_ref(address).is_ascii())
    }
}

fn recipient(text: &str) -> Option<Address> {
    let (local, domain) = mailbox::parse(text)?;
    Address::new(local, domain).ok()
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::test_servers;
    use crate::domain::contact::{Channel, Contact};

    fn written(subject: &str) -> String {
        let from = "Bank <otp@bank.example>".parse().unwrap();
        let message = test_servers::email(subject, "Kod 0042 dla płatności", "<p>Kod <b>0042</b></p>");
        String::from_utf8(OutgoingMail::write(&from, None, &message).unwrap().bytes).unwrap()
    }

    #[test]
    fn a_mail_has_a_plain_and_an_html_part_and_is_marked_as_automatic() {
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
    fn a_domain_beyond_ascii_is_written_in_its_ascii_form() {
        let written = |mailbox| recipient(mailbox).map(|address| address.to_string());
        assert_eq!(written("ala@żółw.example").as_deref(), Some("ala@xn--w-uga1v8h.example"));
        assert_eq!(written("\"a b\"@Mail.example").as_deref(), Some("\"a b\"@mail.example"));
        assert_eq!(written("źdźbło@mail.example").as_deref(), Some("źdźbło@mail.example"));
    }

    #[test]
    fn every_address_that_is_accepted_can_be_written() {
        let odd = |part: &str| part.chars().map(String::from).collect::<Vec<_>>();
        let mut locals = odd("aZ0!#$%&'*+-/=?^_`{|}~źß漢é. ()<>[]:;@\\,\"\t\u{7f}\u{202a}🔑");
        locals.extend(["a.b", "a..b", ".a", "a.", "\"a b\"", "\"a..b\"", "\"ź\"", "\"", "\"\""].map(String::from));
        let mut domains = odd("aZ0-_ź.!");
        domains
            .extend(["b.c", "-b.c", "b-.c", "b..c", "1.2", "b_c.d", "żółw.pl", "xn--a.de", "[::1]"].map(String::from));
        domains.extend(locals.iter().map(|inner| format!("b{inner}c.example")));
        let mut accepted = 0;
        for address in locals.iter().flat_map(|local| domains.iter().map(move |domain| format!("{local}@{domain}"))) {
            if Contact::parse(Channel::Email, &address).is_ok() {
                accepted += 1;
                assert!(recipient(&address).is_some(), "{address:?}");
            }
        }
        assert!(accepted > 200, "{accepted}");
    }

    #[test]
    fn the_message_id_is_the_same_on_every_attempt() {
        let id = format!("Message-ID: <{}@bank.example>\r\n", test_servers::delivery());
        assert!(written("a").contains(&id) && written("a").contains(&id));
    }

    #[test]
    fn standard_notifications_say_how_to_unsubscribe_and_codes_do_not() {
        let from = "Bank <otp@bank.example>".parse().unwrap();
        let address = Unsubscribe::parse("mailto:stop@bank.example, https://bank.example/stop").unwrap();
        let written = |priority| {
            let message = OutboundMessage { priority, ..test_servers::email("a", "b", "c") };
            String::from_utf8(OutgoingMail::write(&from, Some(&address), &message).unwrap().bytes).unwrap()
        };
        let line = "List-Unsubscribe: <mailto:stop@bank.example>, <https://bank.example/stop>\r\n";
        let standard = written(Priority::Standard).replace("\r\n ", " ");
        assert!(standard.contains(line), "{standard}");
        assert!(!written(Priority::Otp).contains("List-Unsubscribe"));
    }

    #[test]
    fn a_subject_with_an_encoded_word_is_encoded_as_a_whole() {
        for subject in ["Shop =?utf-8?b?ZXZpbC5jb20=?=", "=?", "a=?utf-8?q?b?=c", &format!("{} =?", "ż".repeat(90))] {
            let mail = written(subject);
            let (_, header) = mail.split_once("\r\nSubject: ").unwrap();
            let lines: Vec<_> = header.split("\r\n").take_while(|line| line.contains("=?utf-8?b?")).collect();
            let words =
                lines.iter().map(|line| line.trim().strip_prefix("=?utf-8?b?").unwrap().strip_suffix("?=").unwrap());
            let decoded: String =
                words.map(|word| String::from_utf8(openssl::base64::decode_block(word).unwrap()).unwrap()).collect();
            assert_eq!(decoded, subject);
            assert!(lines.iter().all(|line| line.len() <= 66), "{lines:?}");
        }
        assert!(written("50 % off = good? yes").contains("\r\nSubject: 50 % off = good? yes\r\n"));
    }

    #[test]
    fn a_subject_cannot_become_a_second_header() {
        let mail = written("Code\r\nBcc: eve@evil.example");
        assert!(mail.contains("Subject: Code  Bcc: eve@evil.example\r\n"), "{mail}");
    }
}
