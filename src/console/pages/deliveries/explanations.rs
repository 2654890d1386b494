//! What states and reasons of deliveries mean, in sentences for people who answer customers.

use crate::domain::delivery::{DeliveryState, EndReason};

/// What a state says about the message.
pub(super) const fn of_state(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Open => "otpost is still trying, until the deadline.",
        DeliveryState::Sent => "A provider accepted the message. No receipt says whether it arrived.",
        DeliveryState::Unconfirmed => "The message was sent and the provider did not answer. It may have arrived.",
        DeliveryState::Undeliverable => "No message was sent.",
        DeliveryState::Expired => "The deadline passed before a provider accepted the message.",
        DeliveryState::NotSent => "The notification was stored and not sent, by policy.",
        DeliveryState::Confirmed => "The provider reported that the message was delivered.",
        DeliveryState::Undelivered => "The provider reported that the message was not delivered.",
        DeliveryState::ExpiredByProvider => "The message expired at the provider before it could be delivered.",
        DeliveryState::Superseded => "A newer notification replaced this one before it was sent.",
    }
}

/// Why a delivery ended without being accepted by a provider.
pub(super) const fn of_reason(reason: EndReason) -> &'static str {
    match reason {
        EndReason::UnknownRecipient => "No identifier of the notification names a recipient. Import the recipient.",
        EndReason::AmbiguousRecipient => {
            "The identifiers name several recipients, and a code must not reach the wrong one."
        }
        EndReason::Suppressed => "The recipient opted out, is blocked or has died.",
        EndReason::NoContact => "The recipient has no contact on a channel of the plan, or no provider serves it.",
        EndReason::NotAgreed => "The recipient did not agree to any of the channels on which there is a contact.",
        EndReason::AllRejected => "Every provider rejected the message for good.",
        EndReason::DeadlinePassed => "The deadline passed.",
        EndReason::Stale => "The notification was too old when it arrived.",
        EndReason::Unreadable => "The key that sealed the content is destroyed, long after the deadline.",
        EndReason::Superseded => "A newer code for the same purchase, or the opposite event of the same card, arrived.",
        EndReason::RateLimited => "Too many codes were asked for in a short time.",
        EndReason::CountryNotAllowed => "Every phone number of the recipient is in a country that is not allowed.",
    }
}
