//! What a receipt changes: a pure table.

use crate::domain::delivery::DeliveryState;
use crate::domain::receipt::ReceiptStatus;

/// The effect of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The delivery changes to this state. When that is the state it has, only the failure of the attempt is recorded.
    To(DeliveryState),
    /// The delivery is being worked on: the receipt waits until its run has ended.
    Wait,
    /// Nothing: the receipt repeats what is known.
    Repeats,
    /// Nothing: what is known is final or contradicts the receipt.
    TooLate,
}

/// What is known of a delivery and of the attempt that a receipt is about.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub state: DeliveryState,
    /// Whether a worker holds the delivery.
    pub is_leased: bool,
    /// Whether its content is there and its deadline has not passed.
    pub can_go_on: bool,
    /// Whether it is the last attempt that was, or may have been, accepted, and of which no failure is known. A failure of an
    /// earlier one says nothing about a later one, while a confirmation of either confirms the delivery.
    pub is_latest: bool,
    /// What an earlier receipt reported of the attempt.
    pub failure: Option<ReceiptStatus>,
}

/// The effect of a receipt with this status.
pub fn next(known: Known, status: ReceiptStatus) -> Transition {
    match status {
        ReceiptStatus::Delivered => after_delivery(known.state),
        ReceiptStatus::Undelivered | ReceiptStatus::Expired => after_failure(known, status),
    }
}

fn after_delivery(state: DeliveryState) -> Transition {
    use DeliveryState::{
        Confirmed, Expired, ExpiredByProvider, NotSent, Open, Sent, Superseded, Unconfirmed, Undeliverable, Undelivered,
    };
    match state {
        // Its next run finds the receipt before it sends anything.
        Open => Transition::Wait,
        // Also after the delivery was given up: the provider accepted the message all the same, and the recipient has it.
        Sent | Unconfirmed | Undeliverable | Expired | Superseded => Transition::To(Confirmed),
        Confirmed => Transition::Repeats,
        NotSent | Undelivered | ExpiredByProvider => Transition::TooLate,
    }
}

fn after_failure(known: Known, status: ReceiptStatus) -> Transition {
    use DeliveryState::{
        Confirmed, Expired, ExpiredByProvider, NotSent, Open, Sent, Superseded, Unconfirmed, Undeliverable, Undelivered,
    };
    let Known { state, is_leased, can_go_on, is_latest, failure } = known;
    match state {
        Open if is_leased => Transition::Wait,
        _ if failure == Some(status) || state == status.end() => Transition::Repeats,
        _ if failure.is_some() => Transition::TooLate,
        Open => Transition::To(Open),
        Sent if is_latest && can_go_on => Transition::To(Open),
        Sent | Unconfirmed if is_latest => Transition::To(status.end()),
        Sent | Unconfirmed => Transition::To(state),
        Undeliverable | Expired | Superseded | NotSent | Confirmed | Undelivered | ExpiredByProvider => {
            Transition::TooLate
        }
    }
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;

    const FINAL: [DeliveryState; 3] =
        [DeliveryState::Confirmed, DeliveryState::Undelivered, DeliveryState::ExpiredByProvider];

    fn known(state: DeliveryState) -> Known {
        Known { state, is_leased: false, can_go_on: true, is_latest: true, failure: None }
    }

    fn row(known: Known) -> [Transition; 3] {
        ReceiptStatus::ALL.map(|status| next(known, status))
    }

    #[test]
    fn a_receipt_changes_every_state_as_the_table_says() {
        use Transition::{Repeats, To, TooLate, Wait};
        let (open, confirmed) = (To(DeliveryState::Open), To(DeliveryState::Confirmed));
        let ends = [confirmed, To(DeliveryState::Undelivered), To(DeliveryState::ExpiredByProvider)];
        let only_delivered = [confirmed, TooLate, TooLate];
        let noted = |state| [confirmed, To(state), To(state)];
        for (state, in_time, late, earlier) in [
            (DeliveryState::Open, [Wait, open, open], [Wait, open, open], [Wait, open, open]),
            (DeliveryState::Sent, [confirmed, open, open], ends, noted(DeliveryState::Sent)),
            (DeliveryState::Unconfirmed, ends, ends, noted(DeliveryState::Unconfirmed)),
            (DeliveryState::Undeliverable, only_delivered, only_delivered, only_delivered),
            (DeliveryState::Expired, only_delivered, only_delivered, only_delivered),
            (DeliveryState::Superseded, only_delivered, only_delivered, only_delivered),
            (DeliveryState::NotSent, [TooLate; 3], [TooLate; 3], [TooLate; 3]),
            (
                DeliveryState::Confirmed,
                [Repeats, TooLate, TooLate],
                [Repeats, TooLate, TooLate],
                [Repeats, TooLate, TooLate],
            ),
            (
                DeliveryState::Undelivered,
                [TooLate, Repeats, TooLate],
                [TooLate, Repeats, TooLate],
                [TooLate, Repeats, TooLate],
            ),
            (
                DeliveryState::ExpiredByProvider,
                [TooLate, TooLate, Repeats],
                [TooLate, TooLate, Repeats],
                [TooLate, TooLate, Repeats],
            ),
        ] {
            assert_eq!(row(known(state)), in_time, "{state}");
            assert_eq!(row(Known { can_go_on: false, ..known(state) }), late, "{state}");
            assert_eq!(row(Known { is_latest: false, ..known(state) }), earlier, "{state}");
        }
    }

    #[test]
    fn a_receipt_waits_while_a_worker_holds_the_delivery() {
        let leased = Known { is_leased: true, ..known(DeliveryState::Open) };
        assert_eq!(row(leased), [Transition::Wait; 3]);
    }

    #[test]
    fn a_failure_is_applied_once() {
        for state in [DeliveryState::Open, DeliveryState::Sent, DeliveryState::Unconfirmed] {
            let known = Known { failure: Some(ReceiptStatus::Undelivered), ..known(state) };
            assert_eq!(next(known, ReceiptStatus::Undelivered), Transition::Repeats, "{state}");
            assert_eq!(next(known, ReceiptStatus::Expired), Transition::TooLate, "{state}");
        }
    }

    #[test]
    fn no_receipt_changes_a_final_state_and_only_a_sent_delivery_with_time_left_is_opened_again() {
        for (state, status) in DeliveryState::iter().flat_map(|state| ReceiptStatus::ALL.map(|status| (state, status)))
        {
            for (is_latest, can_go_on) in [(true, true), (true, false), (false, true), (false, false)] {
                let known = Known { can_go_on, is_latest, ..known(state) };
                let Transition::To(to) = next(known, status) else { continue };
                assert!(!FINAL.contains(&state), "{state} to {to}");
                if to == DeliveryState::Open && state != DeliveryState::Open {
                    assert!(state == DeliveryState::Sent && is_latest && can_go_on, "{state} to {to}");
                }
            }
        }
    }
}
