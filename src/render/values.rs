//! What a template may name, and the values behind the names.
//!
//! A variable that is not listed here does not exist: nothing else about a person, a card or this gateway can
//! get into a text.

use crate::domain::notification::{Kind, LockReason};

/// A name that templates may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Variable {
    Otp,
    Amount,
    Merchant,
    Brand,
    Date,
    Reason,
    Temporary,
}

impl Variable {
    /// The variables of a kind of message.
    pub(super) const fn of(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Otp => &[Self::Otp, Self::Amount, Self::Merchant, Self::Brand],
            Kind::CardLocked => &[Self::Brand, Self::Date, Self::Reason, Self::Temporary],
            Kind::CardUnlocked => &[Self::Brand, Self::Date],
        }
    }

    /// The name in templates.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Amount => "amount",
            Self::Merchant => "merchant",
            Self::Brand => "brand",
            Self::Date => "date",
            Self::Reason => "reason",
            Self::Temporary => "temporary",
        }
    }

    /// The variable of that name, if messages of `kind` have it.
    pub(super) fn named(kind: Kind, name: &str) -> Option<Self> {
        Self::of(kind).iter().copied().find(|variable| variable.name() == name)
    }

    /// Whether `text` could ever be this variable's value.
    pub(super) fn could_be(self, text: &str) -> bool {
        self != Self::Reason || LockReason::ALL.iter().any(|reason| reason.name() == text)
    }
}

/// The values of one message. The code is borrowed and never copied into here.
#[derive(Default)]
pub(super) struct Values<'a> {
    pub(super) otp: &'a str,
    pub(super) amount: String,
    pub(super) merchant: String,
    pub(super) brand: &'a str,
    pub(super) date: String,
    pub(super) reason: &'static str,
    pub(super) temporary: bool,
}

impl Values<'_> {
    /// The value as text; what is either true or false is `yes` or nothing.
    pub(super) fn text(&self, variable: Variable) -> &str {
        match variable {
            Variable::Otp => self.otp,
            Variable::Amount => &self.amount,
            Variable::Merchant => &self.merchant,
            Variable::Brand => self.brand,
            Variable::Date => &self.date,
            Variable::Reason => self.reason,
            Variable::Temporary if self.temporary => "yes",
            Variable::Temporary => "",
        }
    }

    /// The bytes of the longest value.
    pub(super) fn longest(&self) -> usize {
        let texts = [self.otp, &self.amount, &self.merchant, self.brand, &self.date, self.reason];
        texts.iter().map(|text| text.len()).max().unwrap_or(0)
    }
}
