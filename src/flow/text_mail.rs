//! Mails of the gateway itself, in plain English text: no delivery, no template, one attempt.

use std::time::Duration;

use openssl::sha::sha256;

use crate::channel::Provider;
use crate::domain::contact::Contact;
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::Priority;
use crate::domain::outbound_message::{OutboundMessage, RenderedMessage};
use crate::domain::outcome::Cause;
use crate::domain::recipient::{InvalidLocale, Locale};
use crate::domain::secret::RenderedText;

/// What is mailed. Adapters of mail relays want the text as HTML, too.
pub(super) struct TextMail {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("the provider did not accept the mail: {0}")]
    NotAccepted(String),
    #[error(transparent)]
    Locale(#[from] InvalidLocale),
}

impl TextMail {
    /// Sends the mail through a provider, which may keep it for as long as it is valid.
    pub(super) async fn send(
        self,
        provider: &dyn Provider,
        to: &Contact,
        valid_for: Duration,
    ) -> Result<(), MailError> {
        let reference = self.reference(to);
        self.hand_over(provider, to, valid_for, (reference, Locale::parse("en")?)).await
    }

    /// Sends a mail in another language. The same text again is another mail, which relays and mail programs do not
    /// take for the first one.
    pub(super) async fn send_once(
        self,
        provider: &dyn Provider,
        to: &Contact,
        valid_for: Duration,
        locale: Locale,
    ) -> Result<(), MailError> {
        self.hand_over(provider, to, valid_for, (DeliveryId(uuid::Uuid::new_v4()), locale)).await
    }

    async fn hand_over(
        self,
        provider: &dyn Provider,
        to: &Contact,
        valid_for: Duration,
        (delivery, locale): (DeliveryId, Locale),
    ) -> Result<(), MailError> {
        let Self { subject, text, html } = self;
        let [subject, text, html] = [subject, text, html].map(RenderedText::new);
        let message = OutboundMessage {
            delivery,
            priority: Priority::Standard,
            to: to.clone(),
            rendered: RenderedMessage::Email { subject, text, html, locale },
            code: None,
            valid_for,
        };
        let result = provider.send(&message).await;
        if result.outcome.is_accepted() {
            return Ok(());
        }
        let cause = result.outcome.cause().map_or(result.outcome.name(), Cause::name);
        let detail = result.detail.map(|detail| format!(": {}", detail.as_str())).unwrap_or_default();
        Err(MailError::NotAccepted(format!("{cause}{detail}")))
    }

    // The same text to the same address is the same mail. When it is sent again after an unknown outcome, relays and mail
    // programs can recognise it.
    fn reference(&self, to: &Contact) -> DeliveryId {
        let hash = sha256(format!("{}\n{}\n{}", to.expose(), self.subject, self.text).as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        DeliveryId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// The text for use between HTML tags.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
