//! Mails of the gateway itself, in plain English text: no delivery, no template, one attempt.

use std::time::Duration;

use crate::channel::{Provider, SendResult};
use crate::domain::contact::Contact;
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::Priority;
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::recipient::{InvalidLocale, Locale};
use crate::domain::secret::RenderedText;

/// What is mailed. Adapters of mail relays want the text as HTML, too.
pub(super) struct TextMail {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

impl TextMail {
    /// Hands the mail to the provider, which may keep it for as long as it is valid.
    pub(super) async fn send(
        self,
        provider: &dyn Provider,
        to: &Contact,
        reference: DeliveryId,
        valid_for: Duration,
    ) -> Result<SendResult, InvalidLocale> {
        let Self { subject, text, html } = self;
        let [subject, text, html] = [subject, text, html].map(RenderedText::new);
        let message = OutboundMessage {
            delivery: reference,
            priority: Priority::Standard,
            to: to.clone(),
            rendered: RenderedMessage::Email { subject, text, html, locale: Locale::parse("en")? },
            code: None,
            valid_for,
        };
        Ok(provider.send(&message).await)
    }
}

/// The text for use between HTML tags.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
