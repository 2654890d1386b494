//! One SMTP session: the commands of each mail, in order, on a connection that stays open.

use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};

use super::failure::{SessionError, SmtpStep};
use super::mail::OutgoingMail;

/// A connection that has been greeted and, if configured, authenticated.
pub(super) struct SmtpSession {
    smtp: AsyncSmtpConnection,
    /// A mail was started and not finished; it must be reset before the next one.
    unfinished: bool,
}

impl SmtpSession {
    pub(super) fn new(smtp: AsyncSmtpConnection) -> Self {
        Self { smtp, unfinished: false }
    }

    /// Starts a mail, up to the reply to `MAIL FROM`. On a kept connection this also shows whether it is still open.
    pub(super) async fn start(&mut self, mail: &OutgoingMail) -> Result<(), SessionError> {
        if self.unfinished {
            self.smtp.command(Rset).await?;
            self.unfinished = false;
        }
        let options = self.options(mail)?;
        self.smtp.command(Mail::new(Some(mail.from.clone()), options)).await?;
        self.unfinished = true;
        Ok(())
    }

    /// Sends the recipient and the content. Returns the relay's final reply.
    pub(super) async fn finish(&mut self, mail: &OutgoingMail, step: &mut SmtpStep) -> Result<String, SessionError> {
        *step = SmtpStep::Recipient;
        self.smtp.command(Rcpt::new(mail.to.clone(), Vec::new())).await?;
        *step = SmtpStep::Data;
        self.smtp.command(Data).await?;
        *step = SmtpStep::Content;
        let reply = self.smtp.message(&mail.bytes).await?;
        self.unfinished = false;
        Ok(reply.message().collect::<Vec<_>>().join(" "))
    }

    fn options(&self, mail: &OutgoingMail) -> Result<Vec<MailParameter>, SessionError> {
        if !mail.is_international() {
            return Ok(Vec::new());
        }
        let supports = |extension| self.smtp.server_info().supports_feature(extension);
        if !supports(Extension::SmtpUtfEight) || !supports(Extension::EightBitMime) {
            return Err(SessionError::AsciiOnly);
        }
        Ok(vec![MailParameter::SmtpUtfEight, MailParameter::Body(MailBodyParameter::EightBitMime)])
    }
}
