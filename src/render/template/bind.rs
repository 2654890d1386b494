//! What stands behind the names of a template for one message: amounts, names and dates as this channel and this reader
//! take them.
//!
//! In lines that begin on the right, a value is isolated (U+2068 .. U+2069, Unicode annex 9), or its ends would jump:
//! browsers show `7-Eleven` as `Eleven-7`, and the last dot of `Sp. z o. o.` in front. Not the code and the hour, which
//! have no such ends and are copied; and nothing in an SMS, where the two marks take up room and old phones draw boxes.

use super::values::{Values, Variable};
use crate::domain::contact::Channel;
use crate::domain::notification::{Content, LockHolder, LockReason, TransactionalLockReason, VerificationStatus};
use crate::render::format::{date, merchant_name};
use crate::render::registry::LocaleTemplates;
use crate::render::{RenderContext, Renderer};

impl Renderer {
    /// The values of `content`.
    pub(crate) fn values<'a>(
        &'a self,
        content: &'a Content,
        channel: Channel,
        voice: &LocaleTemplates,
        context: &RenderContext<'_>,
    ) -> Values<'a> {
        let values = Values { brand: &self.brand, ..Values::default() };
        let zone = context.zone.unwrap_or(&self.zone);
        let date = |at| isolated(voice.day(at, zone, channel), channel, voice);
        let amount = |money| isolated(voice.amount(money, channel), channel, voice);
        match content {
            Content::Otp(otp) => {
                let merchant = merchant_name::clean(&otp.merchant);
                Values {
                    otp: otp.code.reveal(),
                    until: date::hour(context.until, zone, context.zone.is_some()),
                    amount: amount(otp.money),
                    yes: answers([(Variable::Zero, otp.money.minor == 0), (Variable::Unnamed, merchant.is_none())]),
                    merchant: merchant.map_or_else(
                        || merchant_name::stand_in(voice.language()).to_owned(),
                        |name| for_channel(name, channel, voice),
                    ),
                    ..values
                }
            }
            Content::CardLocked(lock) => {
                let reason = self.told(lock.reason);
                Values {
                    date: date(lock.at),
                    reason: reason.name(),
                    yes: answers([(Variable::Temporary, reason.is_temporary())]),
                    ..values
                }
            }
            Content::CardUnlocked(unlock) => Values { date: date(unlock.at), ..values },
            Content::Verification(verification) => Values {
                name: for_channel(merchant_name::clean(&verification.first_name).unwrap_or_default(), channel, voice),
                reason: match verification.status {
                    VerificationStatus::InProgress | VerificationStatus::Accepted => "",
                    VerificationStatus::Rejected(reason) => reason.name(),
                },
                ..values
            },
            Content::TransactionalLock(lock) => Values {
                date: date(lock.at),
                reason: self.told_of_payments(lock.reason).name(),
                yes: answers([(Variable::Company, lock.holder == LockHolder::Corporation)]),
                ..values
            },
            Content::Transaction(payment) => Values {
                amount: amount(payment.money),
                merchant: for_channel(merchant_name::clean(&payment.merchant).unwrap_or_default(), channel, voice),
                result: payment.result.name(),
                yes: answers([(Variable::Incoming, payment.incoming), (Variable::Zero, payment.money.minor == 0)]),
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

fn answers<const N: usize>(questions: [(Variable, bool); N]) -> Vec<Variable> {
    questions.into_iter().filter_map(|(question, yes)| yes.then_some(question)).collect()
}

// An ellipsis is outside GSM 03.38 and would more than halve the room in an SMS.
fn for_channel(name: String, channel: Channel, voice: &LocaleTemplates) -> String {
    let name = if channel == Channel::Sms { name.replace('…', "...") } else { name };
    isolated(name, channel, voice)
}

// What is empty stays empty: templates ask whether it is there.
fn isolated(value: String, channel: Channel, voice: &LocaleTemplates) -> String {
    let apart = voice.right_to_left && channel != Channel::Sms && !value.is_empty();
    if apart { format!("\u{2068}{value}\u{2069}") } else { value }
}
