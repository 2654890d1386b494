//! One conversation with a relay: the commands of a mail, in order, on a connection that stays open.

use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};

use super::mail::OutgoingMail;
use super::{SessionError, SmtpStep};

/// A connection that has greeted and, where asked to, logged in.
pub(super) struct SmtpSession {
    smtp: AsyncSmtpConnection,
    /// A mail was begun and not finished; the relay must forget it before the next.
    unfinished: bool,
}

impl SmtpSession {
    pub(super) fn new(smtp: AsyncSmtpConnection) -> Self {
        Self { smtp, unfinished: false }
    }

    /// Up to the relay's word on the sender. It is also the first word on a kept connection, and so tells whether it still stands.
    pub(super) async fn begin(&mut self, letter: &OutgoingMail) -> Result<(), SessionError> {
        if self.unfinished {
            self.smtp.command(Rset).await?;
            self.unfinished = false;
        }
        let options = self.options(letter)?;
        self.smtp.command(Mail::new(Some(letter.from.clone()), options)).await?;
        self.unfinished = true;
        Ok(())
    }

    /// From the recipient to the relay's word on the whole mail, which is returned.
    pub(super) async fn finish(&mut self, letter: &OutgoingMail, step: &mut SmtpStep) -> Result<String, SessionError> {
        *step = SmtpStep::Recipient;
        self.smtp.command(Rcpt::new(letter.to.clone(), Vec::new())).await?;
        *step = SmtpStep::Data;
        self.smtp.command(Data).await?;
        *step = SmtpStep::Content;
        let reply = self.smtp.message(&letter.bytes).await?;
        self.unfinished = false;
        Ok(reply.message().collect::<Vec<_>>().join(" "))
    }

    fn options(&self, letter: &OutgoingMail) -> Result<Vec<MailParameter>, SessionError> {
        if !letter.is_international() {
            return Ok(Vec::new());
        }
        let offered = |extension| self.smtp.server_info().supports_feature(extension);
        if !offered(Extension::SmtpUtfEight) || !offered(Extension::EightBitMime) {
            return Err(SessionError::AsciiOnly);
        }
        Ok(vec![MailParameter::SmtpUtfEight, MailParameter::Body(MailBodyParameter::EightBitMime)])
    }
}
