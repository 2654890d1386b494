//! The parts of a message, one template file each, and their limits.

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
    pub(crate) const ALL: [Self; 6] =
        [Self::Sms, Self::PushTitle, Self::PushBody, Self::EmailSubject, Self::EmailText, Self::EmailHtml];

    /// The parts that a message on `channel` must have. The HTML of a mail is made from its text unless it has a file.
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

    /// Whether the part is one line that is shown on a locked screen or in a list of mails. It never holds a code.
    pub(crate) const fn is_headline(self) -> bool {
        matches!(self, Self::PushTitle | Self::EmailSubject)
    }

    /// Whether values are escaped.
    pub(crate) const fn is_html(self) -> bool {
        matches!(self, Self::EmailHtml)
    }

    /// The largest template file, in bytes.
    pub(crate) const fn source_limit(self) -> usize {
        match self {
            Self::EmailHtml => 16 * 1024,
            _ => 4 * 1024,
        }
    }

    /// The longest rendered text, in characters. Seven SMS segments are more than recipients read, and push services
    /// reject payloads over 4 KiB.
    pub(crate) const fn output_limit(self) -> usize {
        match self {
            Self::PushTitle | Self::EmailSubject => 200,
            Self::Sms | Self::PushBody => 1000,
            Self::EmailText | Self::EmailHtml => 64 * 1024,
        }
    }

    /// Whether a rendered text is within the limit.
    pub(crate) fn fits(self, text: &str) -> bool {
        // Counting bytes is faster, and nearly always enough.
        text.len() <= self.output_limit() || text.chars().count() <= self.output_limit()
    }
}
