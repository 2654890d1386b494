//! What stands behind the names of a template for one message: amounts, names and dates as this channel and this reader
//! take them.

use super::catalog::Voice;
use super::values::Values;
use super::{Occasion, Renderer, date, hygiene};
use crate::domain::address::Channel;
use crate::domain::money::Money;
use crate::domain::notification::{Content, Holder, LockReason, TransactionalLockReason, VerificationStatus};

impl Renderer {
    /// The values of `content`.
    pub(super) fn values<'a>(
        &'a self,
        content: &'a Content,
        channel: Channel,
        voice: &Voice,
        occasion: &Occasion<'_>,
    ) -> Values<'a> {
        let values = Values { brand: &self.brand, ..Values::default() };
        let zone = occasion.zone.unwrap_or(&self.zone);
        let date = |at| date::write(at, zone, voice.language());
        match content {
            Content::Otp(otp) => Values {
                otp: otp.code.reveal(),
                until: date::hour(occasion.until, zone, occasion.zone.is_some()),
                amount: amount(otp.money, channel, voice),
                merchant: merchant(&otp.merchant, channel, voice),
                ..values
            },
            Content::CardLocked(lock) => {
                let reason = self.told(lock.reason);
                Values { date: date(lock.at), reason: reason.name(), temporary: reason.is_temporary(), ..values }
            }
            Content::CardUnlocked(unlock) => Values { date: date(unlock.at), ..values },
            Content::Verification(verification) => Values {
                name: for_channel(hygiene::clean(&verification.first_name).unwrap_or_default(), channel),
                reason: match verification.status {
                    VerificationStatus::InProgress | VerificationStatus::Accepted => "",
                    VerificationStatus::Rejected(reason) => reason.name(),
                },
                ..values
            },
            Content::TransactionalLock(lock) => Values {
                date: date(lock.at),
                reason: self.told_of_payments(lock.reason).name(),
                company: lock.holder == Holder::Corporation,
                ..values
            },
            Content::Transaction(payment) => Values {
                amount: amount(payment.money, channel, voice),
                merchant: for_channel(hygiene::clean(&payment.merchant).unwrap_or_default(), channel),
                result: payment.result.name(),
                incoming: payment.incoming,
                card: &payment.last_four,
                ..values
            },
        }
    }

    // Whoever is suspected must not learn it from us, unless the issuer has decided otherwise.
    fn told(&self, reason: LockReason) -> LockReason {
        match reason {
            LockReason::SuspectedFraud if !self.reveal_fraud_reason => LockReason::Other,
            reason => reason,
        }
    }

    fn told_of_payments(&self, reason: TransactionalLockReason) -> TransactionalLockReason {
        match reason {
            TransactionalLockReason::FraudSuspected if !self.reveal_fraud_reason => TransactionalLockReason::Other,
            reason => reason,
        }
    }
}

fn amount(money: Money, channel: Channel, voice: &Voice) -> String {
    match channel {
        Channel::Sms => voice.purse.write_for_sms(money),
        Channel::Push | Channel::Email => voice.purse.write(money),
    }
}

fn merchant(name: &str, channel: Channel, voice: &Voice) -> String {
    for_channel(hygiene::clean(name).unwrap_or_else(|| hygiene::stand_in(voice.language()).to_owned()), channel)
}

// An ellipsis is outside GSM 03.38 and would more than halve the room in an SMS.
fn for_channel(name: String, channel: Channel) -> String {
    if channel == Channel::Sms { name.replace('…', "...") } else { name }
}
