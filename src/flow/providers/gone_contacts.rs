//! Whether a provider is believed that says that a contact is gone.
//!
//! A retired contact gets nothing any more, so a provider that is wrong about all contacts, after a change of its API or of our
//! account there, must not retire them one after the other.

use std::collections::BTreeMap;

use crate::domain::delivery::{Attempt, ProviderName};
use crate::domain::outcome::{Cause, Outcome};

/// Contacts in a row that a provider may report as gone without accepting a message in between. People replace their phones one by
/// one: a longer row is the fault of the provider.
const IN_A_ROW: u32 = 5;

/// How many contacts each provider has reported as gone since it last accepted a message.
#[derive(Debug, Default)]
pub(super) struct GoneContacts(BTreeMap<ProviderName, u32>);

impl GoneContacts {
    /// The attempt as it counts: beyond [`IN_A_ROW`] the contact is only invalid, for this message.
    pub(super) fn doubt(&mut self, attempt: Attempt) -> Attempt {
        match &attempt.outcome {
            Outcome::Accepted { .. } => {
                self.0.remove(&attempt.provider);
                attempt
            }
            Outcome::Rejected { cause: Cause::ContactGone } => self.count(attempt),
            _ => attempt,
        }
    }

    fn count(&mut self, attempt: Attempt) -> Attempt {
        let row = self.0.entry(attempt.provider.clone()).or_default();
        *row = row.saturating_add(1);
        if *row <= IN_A_ROW {
            return attempt;
        }
        if *row == IN_A_ROW + 1 {
            tracing::error!(provider = %attempt.provider, contacts = IN_A_ROW,
                "provider reports one contact after the other as gone; no more of them are retired until it accepts a \
                 message. Check its URL and our account there");
        }
        Attempt { outcome: Outcome::rejected(Cause::InvalidContact), ..attempt }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use strum::IntoEnumIterator;

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::contact::Channel;

    fn after(gone: &mut GoneContacts, outcome: Outcome) -> Outcome {
        let attempt = Attempt {
            number: 1,
            channel: Channel::Push,
            provider: ProviderName("app".to_owned()),
            contact: 0,
            masked_contact: String::new(),
            contact_hash: None,
            country: None,
            started_at: Timestamp::from_micros(0),
            took: Duration::ZERO,
            outcome,
            detail: None,
            segments: None,
            template_version: None,
            cost: None,
            failure: None,
        };
        gone.doubt(attempt).outcome
    }

    #[test]
    fn a_provider_that_reports_every_contact_as_gone_is_believed_five_times() {
        let (mut gone, is_gone) = (GoneContacts::default(), Outcome::rejected(Cause::ContactGone));

        for _ in 0..IN_A_ROW {
            assert_eq!(after(&mut gone, is_gone.clone()), is_gone);
        }
        assert_eq!(after(&mut gone, is_gone.clone()), Outcome::rejected(Cause::InvalidContact));
        assert_eq!(after(&mut gone, Outcome::accepted(None)), Outcome::accepted(None));
        assert_eq!(after(&mut gone, is_gone.clone()), is_gone);
    }

    #[test]
    fn no_other_failure_becomes_a_contact_that_is_gone() {
        let mut gone = GoneContacts::default();
        for cause in Cause::iter().filter(|cause| *cause != Cause::ContactGone) {
            assert_eq!(after(&mut gone, Outcome::failed(cause)), Outcome::failed(cause));
        }
    }
}
