//! `command_status` of SMPP 3.4 (5.1.3): what an answer means.
//!
//! Pure. Only a message that is too long and a number that is none are about the message; everything else is about the account,
//! its settings or the centre.

use crate::channel::SendResult;
use crate::domain::outcome::{Cause, Outcome, Reference};

/// No error.
pub(super) const OK: u32 = 0x00;

/// An answer of ours: a command that we do not know.
pub(super) const UNKNOWN_COMMAND: u32 = 0x03;

/// The centre does not see the session as bound.
pub(super) const NOT_BOUND: u32 = 0x04;

/// An answer of ours: a receipt could not be stored now, and is to be sent again.
pub(super) const TEMPORARY_ERROR: u32 = 0x64;

/// Every error that the standard defines. Those of other commands than `submit_sm` and `bind_transceiver` are unclassified.
const ERRORS: [(u32, &str, Cause); 46] = [
    (0x01, "ESME_RINVMSGLEN", Cause::BadMessage),
    (0x02, "ESME_RINVCMDLEN", Cause::Unclassified),
    (0x03, "ESME_RINVCMDID", Cause::Account),
    (NOT_BOUND, "ESME_RINVBNDSTS", Cause::ProviderDown),
    // Another program is bound, or an earlier session of ours that the centre has not given up yet.
    (0x05, "ESME_RALYBND", Cause::Account),
    (0x06, "ESME_RINVPRTFLG", Cause::Account),
    (0x07, "ESME_RINVREGDLVFLG", Cause::Account),
    (0x08, "ESME_RSYSERR", Cause::ProviderDown),
    (0x0a, "ESME_RINVSRCADR", Cause::Account),
    (0x0b, "ESME_RINVDSTADR", Cause::InvalidContact),
    (0x0c, "ESME_RINVMSGID", Cause::Unclassified),
    (0x0d, "ESME_RBINDFAIL", Cause::Unauthorized),
    (0x0e, "ESME_RINVPASWD", Cause::Unauthorized),
    (0x0f, "ESME_RINVSYSID", Cause::Unauthorized),
    (0x11, "ESME_RCANCELFAIL", Cause::Unclassified),
    (0x13, "ESME_RREPLACEFAIL", Cause::Unclassified),
    (0x14, "ESME_RMSGQFUL", Cause::Throttled),
    (0x15, "ESME_RINVSERTYP", Cause::Account),
    (0x33, "ESME_RINVNUMDESTS", Cause::Unclassified),
    (0x34, "ESME_RINVDLNAME", Cause::Unclassified),
    (0x40, "ESME_RINVDESTFLAG", Cause::Unclassified),
    (0x42, "ESME_RINVSUBREP", Cause::Unclassified),
    (0x43, "ESME_RINVESMCLASS", Cause::Account),
    (0x44, "ESME_RCNTSUBDL", Cause::Unclassified),
    (0x45, "ESME_RSUBMITFAIL", Cause::Unclassified),
    (0x48, "ESME_RINVSRCTON", Cause::Account),
    (0x49, "ESME_RINVSRCNPI", Cause::Account),
    (0x50, "ESME_RINVDSTTON", Cause::Account),
    (0x51, "ESME_RINVDSTNPI", Cause::Account),
    (0x53, "ESME_RINVSYSTYP", Cause::Account),
    (0x54, "ESME_RINVREPFLAG", Cause::Account),
    (0x55, "ESME_RINVNUMMSGS", Cause::Unclassified),
    (0x58, "ESME_RTHROTTLED", Cause::Throttled),
    (0x61, "ESME_RINVSCHED", Cause::Account),
    (0x62, "ESME_RINVEXPIRY", Cause::Account),
    (0x63, "ESME_RINVDFTMSGID", Cause::Account),
    (TEMPORARY_ERROR, "ESME_RX_T_APPN", Cause::ProviderDown),
    (0x65, "ESME_RX_P_APPN", Cause::Unclassified),
    (0x66, "ESME_RX_R_APPN", Cause::Unclassified),
    (0x67, "ESME_RQUERYFAIL", Cause::Unclassified),
    (0xc0, "ESME_RINVOPTPARSTREAM", Cause::Account),
    (0xc1, "ESME_ROPTPARNOTALLWD", Cause::Account),
    (0xc2, "ESME_RINVPARLEN", Cause::Account),
    (0xc3, "ESME_RMISSINGOPTPARAM", Cause::Account),
    (0xc4, "ESME_RINVOPTPARAMVAL", Cause::Account),
    (0xfe, "ESME_RDELIVERYFAILURE", Cause::Unclassified),
];

/// The result of a message that the centre answered with `status`.
pub(super) fn result(status: u32, reference: Option<Reference>) -> SendResult {
    if status == OK { Outcome::accepted(reference).into() } else { failure(status, "") }
}

/// The result of a message or a bind that was answered with an error. `after` is the end of a sentence.
pub(super) fn failure(status: u32, after: &str) -> SendResult {
    // 0xff is "unknown error"; what centres define themselves begins at 0x400.
    let found = ERRORS.iter().find(|(known, ..)| *known == status);
    let (name, cause) = found.map_or(("", Cause::Unclassified), |(_, name, cause)| (*name, *cause));
    let space = if name.is_empty() { "" } else { " " };
    SendResult::new(Outcome::failed(cause), &format!("SMPP {status:#010x}{space}{name}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u32) -> Outcome {
        result(status, Reference::new("m-1")).outcome
    }

    #[test]
    fn every_status_of_the_standard_has_an_outcome() {
        for (status, expected) in [
            (OK, Outcome::accepted(Reference::new("m-1"))),
            (0x01, Outcome::rejected(Cause::BadMessage)),
            (0x0b, Outcome::rejected(Cause::InvalidContact)),
            (0x08, Outcome::deferred(Cause::ProviderDown)),
            (0x0a, Outcome::deferred(Cause::Account)),
            (0x0d, Outcome::deferred(Cause::Unauthorized)),
            (0x14, Outcome::deferred(Cause::Throttled)),
            (0x45, Outcome::deferred(Cause::Unclassified)),
            (0x58, Outcome::deferred(Cause::Throttled)),
            (0xff, Outcome::deferred(Cause::Unclassified)),
            (0x400, Outcome::deferred(Cause::Unclassified)),
        ] {
            assert_eq!(outcome(status), expected, "{status:#x}");
        }
        assert!(ERRORS.is_sorted_by(|one, next| one.0 < next.0));
        let rejected = ERRORS.iter().filter(|(status, ..)| matches!(outcome(*status), Outcome::Rejected { .. }));
        assert_eq!(rejected.map(|(status, ..)| *status).collect::<Vec<_>>(), [0x01, 0x0b]);
    }

    #[test]
    fn operators_see_the_number_and_the_name() {
        let detail = |status| result(status, None).detail.unwrap().as_str().to_owned();
        assert_eq!(detail(0x58), "SMPP 0x00000058 ESME_RTHROTTLED");
        assert_eq!(detail(0x400), "SMPP 0x00000400");
    }
}
