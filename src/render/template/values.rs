//! The variables of templates, and their values for one message.
//!
//! A variable that is not listed here does not exist: nothing else about a recipient, a card or this gateway can get into a
//! message. No variable is a count, so there are no plural forms. Names are in the nominative, so templates in languages
//! that greet in another case (Polish, Czech, Ukrainian) greet without a name.

use crate::domain::notification::{Kind, LockReason, RejectionReason, TransactionResult, TransactionalLockReason};

/// A variable that templates may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variable {
    Otp,
    Until,
    Amount,
    Merchant,
    Brand,
    Date,
    Reason,
    Temporary,
    Name,
    Company,
    Result,
    Incoming,
    Card,
    /// The amount is zero: the merchant only checks whether the card is valid.
    Zero,
    /// The processor sent no merchant name, or none that can be shown; `merchant` is that of the locale file.
    Unnamed,
}

impl Variable {
    /// The variables of a kind of message.
    pub(crate) const fn of(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Otp => {
                &[Self::Otp, Self::Amount, Self::Merchant, Self::Until, Self::Brand, Self::Zero, Self::Unnamed]
            }
            Kind::CardLocked => &[Self::Brand, Self::Date, Self::Reason, Self::Temporary],
            Kind::CardUnlocked => &[Self::Brand, Self::Date],
            Kind::VerificationInProgress | Kind::VerificationAccepted => &[Self::Brand, Self::Name],
            Kind::VerificationRejected => &[Self::Brand, Self::Name, Self::Reason],
            Kind::TransactionalLockAdded | Kind::TransactionalLockRemoved => {
                &[Self::Brand, Self::Date, Self::Reason, Self::Company]
            }
            Kind::Transaction => {
                &[Self::Brand, Self::Amount, Self::Merchant, Self::Result, Self::Incoming, Self::Card, Self::Zero]
            }
        }
    }

    /// The name in templates.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Until => "until",
            Self::Amount => "amount",
            Self::Merchant => "merchant",
            Self::Brand => "brand",
            Self::Date => "date",
            Self::Reason => "reason",
            Self::Temporary => "temporary",
            Self::Name => "name",
            Self::Company => "company",
            Self::Result => "result",
            Self::Incoming => "incoming",
            Self::Card => "card",
            Self::Zero => "zero",
            Self::Unnamed => "unnamed",
        }
    }

    /// Whether it is true or false: used in conditions, and never written.
    pub(crate) const fn is_boolean(self) -> bool {
        matches!(self, Self::Temporary | Self::Company | Self::Incoming | Self::Zero | Self::Unnamed)
    }

    /// The variable of that name, if messages of `kind` have it.
    pub(crate) fn named(kind: Kind, name: &str) -> Option<Self> {
        Self::of(kind).iter().copied().find(|variable| variable.name() == name)
    }

    /// The boolean variables of messages of `kind`.
    pub(crate) fn booleans(kind: Kind) -> impl Iterator<Item = Self> {
        Self::of(kind).iter().copied().filter(|variable| variable.is_boolean())
    }

    /// Whether `text` is a possible value in messages of `kind`.
    pub(crate) fn can_be(self, kind: Kind, text: &str) -> bool {
        match self {
            Self::Reason => reasons(kind).contains(&text),
            Self::Result => results(kind).contains(&text),
            _ => true,
        }
    }
}

/// The values of `reason` in messages of `kind`.
pub(crate) fn reasons(kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::CardLocked => LockReason::ALL.map(LockReason::name).to_vec(),
        Kind::VerificationRejected => RejectionReason::ALL.map(RejectionReason::name).to_vec(),
        Kind::TransactionalLockAdded | Kind::TransactionalLockRemoved => {
            TransactionalLockReason::ALL.map(TransactionalLockReason::name).to_vec()
        }
        Kind::Otp
        | Kind::CardUnlocked
        | Kind::VerificationInProgress
        | Kind::VerificationAccepted
        | Kind::Transaction => Vec::new(),
    }
}

/// The values of `result` in messages of `kind`.
pub(crate) fn results(kind: Kind) -> Vec<&'static str> {
    if kind == Kind::Transaction { TransactionResult::ALL.map(TransactionResult::name).to_vec() } else { Vec::new() }
}

/// The values of one message. The code is borrowed and never copied into here.
#[derive(Clone, Default)]
pub(crate) struct Values<'a> {
    pub(crate) otp: &'a str,
    pub(crate) until: String,
    pub(crate) amount: String,
    pub(crate) merchant: String,
    pub(crate) brand: &'a str,
    pub(crate) date: String,
    pub(crate) reason: &'static str,
    pub(crate) name: String,
    pub(crate) result: &'static str,
    pub(crate) card: &'a str,
    /// The boolean variables that are true.
    pub(crate) yes: Vec<Variable>,
}

impl Values<'_> {
    /// These values with every combination of reason, result and boolean variables of `kind`.
    pub(crate) fn variations(&self, kind: Kind) -> Vec<Self> {
        let any = |names: Vec<&'static str>| if names.is_empty() { vec![""] } else { names };
        let results = any(results(kind));
        let mut variations = Vec::new();
        for reason in any(reasons(kind)) {
            variations.extend(results.iter().map(|result| Self { reason, result, ..self.clone() }));
        }
        for variable in Variable::booleans(kind) {
            let yes = |values: &Self| Self { yes: [values.yes.as_slice(), &[variable]].concat(), ..values.clone() };
            let other: Vec<_> = variations.iter().map(yes).collect();
            variations.extend(other);
        }
        variations
    }

    /// The value as text. A boolean variable is `yes` or empty.
    pub(crate) fn text(&self, variable: Variable) -> &str {
        match variable {
            Variable::Otp => self.otp,
            Variable::Until => &self.until,
            Variable::Amount => &self.amount,
            Variable::Merchant => &self.merchant,
            Variable::Brand => self.brand,
            Variable::Date => &self.date,
            Variable::Reason => self.reason,
            Variable::Name => &self.name,
            Variable::Result => self.result,
            Variable::Card => self.card,
            Variable::Temporary | Variable::Company | Variable::Incoming | Variable::Zero | Variable::Unnamed => {
                if self.yes.contains(&variable) { "yes" } else { "" }
            }
        }
    }

    /// The length of the longest value, in bytes.
    pub(crate) fn longest(&self) -> usize {
        let texts = [
            self.otp,
            &self.until,
            &self.amount,
            &self.merchant,
            self.brand,
            &self.date,
            self.reason,
            &self.name,
            self.result,
            self.card,
        ];
        texts.iter().map(|text| text.len()).max().unwrap_or(0)
    }
}
