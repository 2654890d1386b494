//! Computes the values of a template's variables for one message: amounts, names and dates in the format of the channel
//! and the locale.
//!
//! In right-to-left text a value is isolated (U+2068 .. U+2069, Unicode annex 9). Without that, the ends of the value move:
//! browsers show `7-Eleven` as `Eleven-7`, and the last dot of `Sp. z o. o.` in front. The code and the time have no such
//! ends and are copied by recipients, so they are not isolated. Neither is any value of an SMS, where the marks take up
//! room and old phones show boxes.

use super::values::{Values, Variable};
use crate::domain::contact::Channel;
use crate::domain::notification::{Content, LockHolder, LockReason, TransactionalLockReason, VerificationStatus};
use crate::render::format::{date, merchant_name};
use crate::render::registry::LocaleTemplates;
use crate::render::{RenderContext, Renderer};

/// The values of `content`.
pub(crate) fn values<'a>(
    renderer: &'a Renderer,
    content: &'a Content,
    channel: Channel,
    templates: &LocaleTemplates,
    context: &RenderContext<'_>,
) -> Values<'a> {
    let values = Values { brand: &renderer.brand, ..Values::default() };
    let zone = context.zone.unwrap_or(&renderer.zone);
    let date = |at| isolated(templates.date(at, zone, channel), channel, templates);
    let amount = |money| isolated(templates.amount(money, channel), channel, templates);
    match content {
        Content::Otp(otp) => {
            let merchant = merchant_name::clean(&otp.merchant);
            Values {
                otp: otp.code.reveal(),
                until: date::time(context.until, zone, context.zone.is_some()),
                amount: amount(otp.money),
                yes: set([(Variable::Zero, otp.money.minor == 0), (Variable::Unnamed, merchant.is_none())]),
                merchant: merchant.map_or_else(
                    || templates.unnamed_merchant().to_owned(),
                    |name| for_channel(name, channel, templates),
                ),
                ..values
            }
        }
        Content::CardLocked(lock) => {
            let reason = revealed(lock.reason, renderer);
            Values {
                date: date(lock.at),
                reason: reason.name(),
                yes: set([(Variable::Temporary, reason.is_temporary())]),
                ..values
            }
        }
        Content::CardUnlocked(unlock) => Values { date: date(unlock.at), ..values },
        Content::Verification(verification) => Values {
            name: for_channel(merchant_name::clean(&verification.first_name).unwrap_or_default(), channel, templates),
            reason: match verification.status {
                VerificationStatus::InProgress | VerificationStatus::Accepted => "",
                VerificationStatus::Rejected(reason) => reason.name(),
            },
            ..values
        },
        Content::TransactionalLock(lock) => Values {
            date: date(lock.at),
            reason: revealed_of_payments(lock.reason, renderer).name(),
            yes: set([(Variable::Company, lock.holder == LockHolder::Corporation)]),
            ..values
        },
        Content::Transaction(payment) => Values {
            amount: amount(payment.money),
            merchant: for_channel(merchant_name::clean(&payment.merchant).unwrap_or_default(), channel, templates),
            result: payment.result.name(),
            yes: set([(Variable::Incoming, payment.incoming), (Variable::Zero, payment.money.minor == 0)]),
            card: &payment.last_four,
            ..values
        },
    }
}

// A suspect must not learn of the suspicion, unless the issuer has decided otherwise.
fn revealed(reason: LockReason, renderer: &Renderer) -> LockReason {
    match reason {
        LockReason::SuspectedFraud if !renderer.reveal_fraud_reason => LockReason::Other,
        reason => reason,
    }
}

fn revealed_of_payments(reason: TransactionalLockReason, renderer: &Renderer) -> TransactionalLockReason {
    match reason {
        TransactionalLockReason::FraudSuspected if !renderer.reveal_fraud_reason => TransactionalLockReason::Other,
        reason => reason,
    }
}

fn set<const N: usize>(variables: [(Variable, bool); N]) -> Vec<Variable> {
    variables.into_iter().filter_map(|(variable, is_set)| is_set.then_some(variable)).collect()
}

// An ellipsis is outside GSM 03.38 and would more than halve the capacity of an SMS.
fn for_channel(name: String, channel: Channel, templates: &LocaleTemplates) -> String {
    let name = if channel == Channel::Sms { name.replace('…', "...") } else { name };
    isolated(name, channel, templates)
}

// An empty value stays empty: templates test whether it is there.
fn isolated(value: String, channel: Channel, templates: &LocaleTemplates) -> String {
    let is_isolated = templates.right_to_left && channel != Channel::Sms && !value.is_empty();
    if is_isolated { format!("\u{2068}{value}\u{2069}") } else { value }
}
