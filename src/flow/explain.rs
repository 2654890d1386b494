//! Explains how one kind of notification would reach a recipient, with the rules and the state that delivery uses. It sends
//! nothing.
//!
//! A running gateway explains what it would do now. Without one, the command line explains what the configuration file and
//! the stored states say. Contacts are masked in every answer.

use std::fmt;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::limits::SendLimits;
use super::recipients::OtpAmbiguous;
use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact, InvalidContact};
use crate::domain::country_prefix::CountryPrefix;
use crate::domain::notification::Kind;
use crate::domain::preferences::{Preferences, RecipientTimeZone};
use crate::domain::recipient::{Identifier, Locale, Recipient, RecipientStatus, RetiredContact};
use crate::route::ranking::{ProviderEntry, ProviderTable};
use crate::route::{
    self, Candidate, CandidateResult, Decision, Explanation, Plan, ProviderProfile, Reachability, RoutingState,
    SkipReason,
};

/// What is to be explained.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExplainRequest {
    pub kind: Kind,
    pub target: ExplainTarget,
    /// When the notification arrives; now if it is missing.
    pub at: Option<Timestamp>,
}

/// Whom it would be sent to.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplainTarget {
    /// One contact, as if it were the only one of a recipient.
    Contact { channel: Channel, contact: String, locale: Option<Locale> },
    /// All recipients that have this identifier.
    Identifier(Identifier),
}

impl ExplainTarget {
    /// A contact as operators write it; its form says of which channel it is.
    pub fn contact(text: &str, locale: Option<Locale>) -> Result<Self, InvalidContact> {
        let channel = match text {
            // No push token consists of digits only, so these are a phone number without its country code.
            _ if text.starts_with('+') || text.bytes().all(|b| b.is_ascii_digit() || b" -()".contains(&b)) => {
                Channel::Sms
            }
            _ if text.contains('@') => Channel::Email,
            _ => Channel::Push,
        };
        Contact::parse(channel, text)?;
        Ok(Self::Contact { channel, contact: text.to_owned(), locale })
    }
}

impl fmt::Debug for ExplainTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contact { .. } => "Contact(..)",
            Self::Identifier(_) => "Identifier(..)",
        })
    }
}

/// A recipient, as far as routing depends on it.
pub struct ExplainedRecipient {
    locale: Locale,
    status: RecipientStatus,
    preferences: Preferences,
    contacts: Vec<Contact>,
    retired: Vec<RetiredContact>,
}

impl ExplainedRecipient {
    /// A recipient with one contact and no preferences.
    pub fn with_contact(channel: Channel, contact: &str, locale: Locale) -> Result<Self, InvalidContact> {
        let contacts = vec![Contact::parse(channel, contact)?];
        let (preferences, retired) = (Preferences::default(), Vec::new());
        Ok(Self { locale, status: RecipientStatus::Active, preferences, contacts, retired })
    }
}

impl From<Recipient> for ExplainedRecipient {
    fn from(recipient: Recipient) -> Self {
        let Recipient { locale, status, preferences, contacts, retired, .. } = recipient;
        Self { locale, status, preferences, contacts, retired }
    }
}

/// How recipients would be notified: what `otpost route explain` prints, and what the API answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RouteExplanation {
    /// `gateway`: by the running gateway; `stored`: by the configuration file and what is stored.
    pub source: String,
    #[schema(value_type = String)]
    pub kind: Kind,
    /// Whether several recipients have the identifier of an OTP.
    pub ambiguous: bool,
    /// What that means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ambiguity: Option<String>,
    /// No recipient has the identifier if the list is empty.
    pub recipients: Vec<RecipientExplanation>,
}

impl RouteExplanation {
    pub fn new(source: &str, kind: Kind, recipients: Vec<RecipientExplanation>, setting: OtpAmbiguous) -> Self {
        let ambiguity = ambiguity(recipients.len(), kind, setting);
        Self { source: source.to_owned(), kind, ambiguous: ambiguity.is_some(), ambiguity, recipients }
    }
}

/// How one recipient would be notified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecipientExplanation {
    #[schema(value_type = String)]
    pub locale: Locale,
    #[schema(value_type = String)]
    pub status: RecipientStatus,
    pub candidates: Vec<CandidateExplanation>,
    /// The end of quiet hours, unless the notification is urgent.
    pub quiet_until: Option<String>,
    pub decision: String,
    pub deadline: String,
}

impl RecipientExplanation {
    /// What the status of the recipient means for a notification of this kind; `None` when it is sent.
    pub fn suppression(&self, kind: Kind) -> Option<String> {
        let may_be_urgent = matches!(kind, Kind::Otp | Kind::CardLocked | Kind::TransactionalLockAdded);
        match (self.status.suppresses(false), self.status.suppresses(may_be_urgent)) {
            (_, true) => Some(format!("nothing is sent: the status of the recipient is {}", self.status.name())),
            (true, false) if kind != Kind::Otp => Some(format!(
                "sent only for a lost or stolen card or suspected fraud: the status of the recipient is {}",
                self.status.name()
            )),
            _ => None,
        }
    }
}

/// What it means for an OTP that so many recipients have the identifier; `None` when it is only one.
pub fn ambiguity(count: usize, kind: Kind, setting: OtpAmbiguous) -> Option<String> {
    let consequence = match setting {
        OtpAmbiguous::Reject => "the OTP is not sent (ambiguous_recipient)",
        OtpAmbiguous::All => "the OTP is sent to each",
    };
    (kind == Kind::Otp && count > 1).then(|| {
        format!(
            "{count} recipients have this identifier; unless another identifier of the OTP names only one, {consequence}"
        )
    })
}

/// One entry of the plan, used or skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CandidateExplanation {
    /// 1 for the first.
    pub step: usize,
    #[schema(value_type = String)]
    pub channel: Channel,
    /// Empty if the whole channel is skipped.
    pub provider: String,
    /// The contact, masked.
    pub contact: String,
    pub used: bool,
    /// In which place it is tried, 1 for the first.
    pub order: Option<usize>,
    pub reason: String,
}

/// The rules and the state that delivery depends on.
pub struct Explainer<'a> {
    pub limits: &'a SendLimits,
    pub profiles: &'a [ProviderProfile],
    pub providers: &'a ProviderTable,
    /// For recipients whose own time zone is unknown.
    pub zone: &'a TimeZone,
    pub paused: bool,
    /// The time of the providers' state, by the steady clock.
    pub now: Timestamp,
}

impl Explainer<'_> {
    /// How each of `recipients` would be notified of a notification that arrives `at`.
    pub fn explain(&self, plan: &Plan, recipients: &[ExplainedRecipient], at: Timestamp) -> Vec<RecipientExplanation> {
        recipients.iter().map(|recipient| self.explain_one(plan, recipient, at)).collect()
    }

    fn explain_one(&self, plan: &Plan, recipient: &ExplainedRecipient, at: Timestamp) -> RecipientExplanation {
        let zone = recipient.preferences.time_zone.as_ref().map_or(self.zone, RecipientTimeZone::rules);
        let ExplainedRecipient { contacts, retired, preferences, .. } = recipient;
        let reach = Reachability { contacts, retired, preferences, only: &[] };
        let state = RoutingState {
            providers: self.providers,
            allows: &|contact: &Contact| self.limits.allows_country(contact),
            may_exceed: self.limits.may_exceed_cap(plan.kind.priority()),
            zone,
            now: self.now,
        };
        let explanation = route::explain(plan, &reach, self.profiles, &state, at);
        let lines = explanation.results.iter().map(|result| self.line(result, &explanation, recipient));
        RecipientExplanation {
            locale: recipient.locale.clone(),
            status: recipient.status,
            candidates: lines.collect(),
            quiet_until: explanation.quiet_until.map(|until| until.to_string()),
            decision: if self.paused { "wait: delivery is paused".to_owned() } else { decision(&explanation.first) },
            deadline: explanation.expires_at.to_string(),
        }
    }

    fn line(
        &self,
        result: &CandidateResult,
        explanation: &Explanation,
        recipient: &ExplainedRecipient,
    ) -> CandidateExplanation {
        match result {
            CandidateResult::Candidate(candidate) => CandidateExplanation {
                step: candidate.step + 1,
                channel: candidate.contact.channel(),
                provider: candidate.provider.to_string(),
                contact: candidate.contact.masked(),
                used: true,
                order: explanation.ranked.iter().position(|ranked| ranked == candidate).map(|place| place + 1),
                reason: self.why_used(candidate, explanation),
            },
            CandidateResult::Skipped { step, channel, reason } => {
                let (provider, contact) = match reason {
                    SkipReason::AtCap(provider, contact)
                    | SkipReason::Country(provider, contact)
                    | SkipReason::App(provider, contact)
                    | SkipReason::NotAllowed(provider, contact)
                    | SkipReason::Drained(provider, contact) => {
                        (provider.to_string(), masked_contact(recipient, *channel, *contact))
                    }
                    SkipReason::Retired(contact) => (String::new(), masked_contact(recipient, *channel, *contact)),
                    SkipReason::NotAgreed | SkipReason::NoAddress | SkipReason::NoProvider => Default::default(),
                };
                let reason = format!("skipped: {}", why_skipped(reason));
                let (step, channel) = (step + 1, *channel);
                CandidateExplanation { step, channel, provider, contact, used: false, order: None, reason }
            }
        }
    }

    fn why_used(&self, candidate: &Candidate, explanation: &Explanation) -> String {
        let profile = self.profiles.iter().find(|profile| profile.provider == candidate.provider);
        let mut reasons = Vec::new();
        if candidate.contact.channel() == Channel::Sms {
            let countries = profile
                .map(|profile| profile.countries.iter().map(CountryPrefix::as_str).collect::<Vec<_>>().join(" "))
                .filter(|countries| !countries.is_empty());
            reasons.push(format!("serves {}", countries.as_deref().unwrap_or("all countries")));
        }
        let weight = profile.and_then(|profile| profile.weight);
        reasons.push(weight.map_or_else(|| "configured order".to_owned(), |weight| format!("weight {weight}")));
        if let Some(hedge) = explanation.hedge.filter(|hedge| hedge.channel == candidate.contact.channel()) {
            reasons.push(format!("next step {}s later unless confirmed", hedge.after.as_secs()));
        }
        reasons.extend(self.why_later(candidate, explanation));
        reasons.join("; ")
    }

    fn why_later(&self, candidate: &Candidate, explanation: &Explanation) -> Option<String> {
        let entry = self.providers.entry(&candidate.provider);
        Some(match self.providers.demotion_reason(candidate, &explanation.request)? {
            "spend_cap" => "spend cap reached: tried last".to_owned(),
            "circuit_open" if explanation.ranked.contains(candidate) => "circuit open: tried last".to_owned(),
            "circuit_open" => "circuit open: waits for a probe".to_owned(),
            "min_validity" => "less time is left than its min_validity: tried later".to_owned(),
            "throttled" => "it asked for a pause: tried later".to_owned(),
            "outranked" => {
                let better = entry.and_then(ProviderEntry::outranked).map(ToString::to_string).unwrap_or_default();
                format!("tried later: {better}")
            }
            other => other.to_owned(),
        })
    }
}

fn masked_contact(recipient: &ExplainedRecipient, channel: Channel, position: u32) -> String {
    let mut contacts = recipient.contacts.iter().filter(|contact| contact.channel() == channel);
    usize::try_from(position).ok().and_then(|at| contacts.nth(at)).map(Contact::masked).unwrap_or_default()
}

const fn why_skipped(reason: &SkipReason) -> &'static str {
    match reason {
        SkipReason::NotAgreed => "the recipient has not agreed to this channel",
        SkipReason::NoAddress => "no contact on this channel",
        SkipReason::Retired(_) => "retired: a provider reported that it does not exist any more",
        SkipReason::NoProvider => "no provider for this channel",
        SkipReason::Country(..) => "does not serve this country",
        SkipReason::App(..) => "sends to another app",
        SkipReason::NotAllowed(..) => "limits.sms_countries does not allow this country",
        SkipReason::AtCap(..) => "spend cap reached",
        SkipReason::Drained(..) => "drained",
    }
}

fn decision(decision: &Decision) -> String {
    match decision {
        Decision::Send(candidate) => format!("send with {} to {}", candidate.provider, candidate.contact),
        Decision::RetryAt(until) => format!("wait until {until}"),
        Decision::Done => "nothing left to do".to_owned(),
        Decision::GiveUp(reason) => format!("give up ({})", reason.name()),
    }
}
