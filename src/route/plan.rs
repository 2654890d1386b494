//! Plans: for each kind of news, the channels in order and how long telling it is of use.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::address::Channel;
use crate::domain::notification::{Kind, UnknownKind};

/// The longest life of a code. NIST SP 800-63B and OWASP ASVS 6.5.5 both end it at ten minutes.
const OTP_TTL_MAX: Duration = Duration::from_mins(10);

/// `[plan.<kind>]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanSettings {
    /// Channels in the order in which they are tried.
    pub steps: Vec<Channel>,
    /// How long after its arrival telling it is of use.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub ttl: Duration,
    /// For codes: every mailbox can only be read on a device bound to the person, so `email` may be a step.
    #[serde(default)]
    pub email_is_device_bound: bool,
}

/// All `[plan.<kind>]` sections, by the name of the kind.
pub type Settings = BTreeMap<String, PlanSettings>;

/// The plan of every kind.
#[derive(Debug, Clone)]
pub struct Plans(BTreeMap<Kind, PlanSettings>);

/// What a configured plan must not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such kind.
    #[error("plan.{0}")]
    UnknownKind(String, #[source] UnknownKind),
    /// A plan without a step tells nobody.
    #[error("plan.{0}.steps: expected at least one of sms, push and email")]
    NoSteps(Kind),
    /// A channel twice is a mistake: retries happen by themselves.
    #[error("plan.{0}.steps: {1} stands there twice")]
    Twice(Kind, Channel),
    /// Zero, or a code that lives too long.
    #[error("plan.{0}.ttl: expected more than 0 s{1}")]
    Ttl(Kind, &'static str),
    /// A code by mail is read by whoever reads the mailbox.
    #[error(
        "plan.otp.steps: email delivers a code to whoever reads the mailbox (EBA Q&A 2018_4315, NIST SP 800-63B-4); \
         if each mailbox is bound to a device, set plan.otp.email_is_device_bound = true"
    )]
    OtpByEmail,
}

impl Plans {
    /// The configured plans over the defaults.
    pub fn new(configured: Settings) -> Result<Self, Error> {
        let mut plans = defaults();
        for (name, plan) in configured {
            let kind: Kind = name.parse().map_err(|error| Error::UnknownKind(name, error))?;
            check(kind, &plan)?;
            plans.insert(kind, plan);
        }
        Ok(Self(plans))
    }

    /// The channels to try for a kind of news, in order.
    pub fn steps(&self, kind: Kind) -> &[Channel] {
        self.0.get(&kind).map_or(&[], |plan| plan.steps.as_slice())
    }

    /// How long after its arrival telling it is of use.
    pub fn ttl(&self, kind: Kind) -> Duration {
        self.0.get(&kind).map_or(Duration::ZERO, |plan| plan.ttl)
    }

    /// Every channel that some plan uses.
    pub fn channels(&self) -> impl Iterator<Item = (Kind, Channel)> {
        self.0.iter().flat_map(|(kind, plan)| plan.steps.iter().map(|channel| (*kind, *channel)))
    }
}

fn defaults() -> BTreeMap<Kind, PlanSettings> {
    let plan = |steps: &[Channel], ttl| PlanSettings { steps: steps.to_vec(), ttl, email_is_device_bound: false };
    let day = Duration::from_hours(24);
    let all = [Channel::Push, Channel::Sms, Channel::Email];
    // Nobody pays for a text message about each purchase without having decided so.
    let free = [Channel::Push, Channel::Email];
    BTreeMap::from([
        (Kind::Otp, plan(&[Channel::Push, Channel::Sms], Duration::from_mins(5))),
        (Kind::CardLocked, plan(&all, day)),
        (Kind::CardUnlocked, plan(&all, day)),
        (Kind::VerificationInProgress, plan(&free, day)),
        (Kind::VerificationAccepted, plan(&free, day * 3)),
        (Kind::VerificationRejected, plan(&free, day * 3)),
        (Kind::TransactionalLockAdded, plan(&all, day)),
        (Kind::TransactionalLockRemoved, plan(&all, day)),
        (Kind::Transaction, plan(&free, Duration::from_hours(1))),
    ])
}

fn check(kind: Kind, plan: &PlanSettings) -> Result<(), Error> {
    if plan.steps.is_empty() {
        return Err(Error::NoSteps(kind));
    }
    for (at, channel) in plan.steps.iter().enumerate() {
        if plan.steps[..at].contains(channel) {
            return Err(Error::Twice(kind, *channel));
        }
    }
    if kind == Kind::Otp && plan.steps.contains(&Channel::Email) && !plan.email_is_device_bound {
        return Err(Error::OtpByEmail);
    }
    match kind {
        Kind::Otp if plan.ttl.is_zero() || plan.ttl > OTP_TTL_MAX => Err(Error::Ttl(kind, " and at most 600 s")),
        _ if plan.ttl.is_zero() => Err(Error::Ttl(kind, "")),
        _ => Ok(()),
    }
}
