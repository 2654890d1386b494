//! The parts a message is made of, one template file each, and what each of them may hold.
//!
//! Knows no text and reads no file.

use crate::domain::contact::Channel;

/// One part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TemplatePart {
    Sms,
    PushTitle,
    PushBody,
    EmailSubject,
    EmailText,
    EmailHtml,
}

impl TemplatePart {
    /// Every part that there may be a file for.
    pub(crate) const ALL: [Self; 6] =
        [Self::Sms, Self::PushTitle, Self::PushBody, Self::EmailSubject, Self::EmailText, Self::EmailHtml];

    /// The parts that a message on `channel` needs, all of them. The HTML of a mail is made from its text unless there
    /// is a file for it.
    pub(crate) const fn of(channel: Channel) -> &'static [Self] {
        match channel {
            Channel::Sms => &[Self::Sms],
            Channel::Push => &[Self::PushTitle, Self::PushBody],
            Channel::Email => &[Self::EmailSubject, Self::EmailText],
        }
    }

    /// The file's name inside the folder of its kind.
    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::Sms => "sms.hbs",
            Self::PushTitle => "push.title.hbs",
            Self::PushBody => "push.body.hbs",
            Self::EmailSubject => "email.subject.hbs",
            Self::EmailText => "email.text.hbs",
            Self::EmailHtml => "email.html.hbs",
        }
    }

    /// One line that shows on a locked screen or in a list of mails, so it never holds a code.
    pub(crate) const fn is_headline(self) -> bool {
        matches!(self, Self::PushTitle | Self::EmailSubject)
    }

    /// Whether values are escaped when they are put in.
    pub(crate) const fn is_html(self) -> bool {
        matches!(self, Self::EmailHtml)
    }

    /// The largest template file taken, in bytes.
    pub(crate) const fn source_limit(self) -> usize {
        match self {
            Self::EmailHtml => 16 * 1024,
            _ => 4 * 1024,
        }
    }

    /// The longest finished text handed to a provider, in characters. Seven SMS segments are more than anybody
    /// reads, and push services refuse payloads over 4 KiB.
    pub(crate) const fn output_limit(self) -> usize {
        match self {
            Self::PushTitle | Self::EmailSubject => 200,
            Self::Sms | Self::PushBody => 1000,
            Self::EmailText | Self::EmailHtml => 64 * 1024,
        }
    }

    /// Whether a finished text is short enough to be handed to a provider.
    pub(crate) fn takes(self, text: &str) -> bool {
        // Counting bytes is quicker, and nearly always enough.
        text.len() <= self.output_limit() || text.chars().count() <= self.output_limit()
    }
}
