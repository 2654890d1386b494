//! Plans: for each kind of news, the channels in order, how long telling it is of use, and when it is not told.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::quiet_hours::QuietHours;
use super::step::Step;
use crate::domain::contact::Channel;
use crate::domain::notification::{Kind, UnknownKind};

/// The longest life of a code. NIST SP 800-63B and OWASP ASVS 6.5.5 both end it at ten minutes.
const OTP_TTL_MAX: Duration = Duration::from_mins(10);

/// `[plan.<kind>]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanSettings {
    /// In the order in which they are tried; the next one is taken when all ways of one failed.
    pub steps: Vec<Step>,
    /// How long after its arrival telling it is of use.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub ttl: Duration,
    /// For codes: every mailbox can only be read on a device bound to the person, so `email` may be a step.
    #[serde(default)]
    pub email_is_device_bound: bool,
    /// Hours in which nobody is told, unless it is urgent.
    #[serde(default)]
    pub quiet: Option<QuietHours>,
    /// How long after an app's provider took the message the next step is taken too, unless the app has confirmed it by
    /// then: that a push was taken says nothing about whether it arrived.
    #[serde(default, with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub hedge_after: Option<Duration>,
}

/// All `[plan.<kind>]` sections, by the name of the kind.
pub type Settings = BTreeMap<String, PlanSettings>;

/// How one kind of news is told.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What sort of news.
    pub kind: Kind,
    /// In the order in which they are tried.
    pub steps: Vec<Step>,
    /// How long after its arrival telling it is of use.
    pub ttl: Duration,
    /// Hours in which nobody is told, unless it is urgent.
    pub quiet: Option<QuietHours>,
    /// How long after a push was taken the next step is taken too.
    pub hedge_after: Option<Duration>,
}

impl Plan {
    /// Every channel of every step.
    pub fn channels(&self) -> impl Iterator<Item = Channel> {
        self.steps.iter().flat_map(Step::channels).copied()
    }
}

/// The plan of every kind.
#[derive(Debug, Clone)]
pub struct Plans(BTreeMap<Kind, Plan>);

/// What a configured plan must not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such kind.
    #[error("plan.{0}")]
    UnknownKind(String, #[source] UnknownKind),
    /// A plan without a step tells nobody.
    #[error("plan.{0}.steps: expected at least one of sms, push and email")]
    NoSteps(Kind),
    /// A step without a channel is none.
    #[error("plan.{0}.steps: a step is an empty list; remove it, or name sms, push or email in it")]
    EmptyStep(Kind),
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
    /// Somebody waits for a code at a checkout.
    #[error("plan.otp.quiet: a code is of no use in the morning; remove the key")]
    OtpQuiet,
    /// Only a push that is followed by another step can be hedged.
    #[error(
        "plan.{0}.hedge_after: expected push, alone or first in its list, with another step behind it; \
         change plan.{0}.steps, or remove the key"
    )]
    NothingToHedge(Kind),
    /// The next step would be taken at once, or never.
    #[error("plan.{0}.hedge_after: expected more than 0 s and less than plan.{0}.ttl")]
    HedgeAfter(Kind),
}

impl Plans {
    /// The configured plans over the defaults.
    pub fn new(configured: Settings) -> Result<Self, Error> {
        let mut plans = defaults();
        for (name, settings) in configured {
            let kind: Kind = name.parse().map_err(|error| Error::UnknownKind(name, error))?;
            check(kind, &settings)?;
            let PlanSettings { steps, ttl, quiet, hedge_after, email_is_device_bound: _ } = settings;
            plans.insert(kind, Plan { kind, steps, ttl, quiet, hedge_after });
        }
        Ok(Self(plans))
    }

    /// How a kind of news is told.
    pub fn of(&self, kind: Kind) -> Option<&Plan> {
        self.0.get(&kind)
    }

    /// How long after its arrival telling it is of use.
    pub fn ttl(&self, kind: Kind) -> Duration {
        self.of(kind).map_or(Duration::ZERO, |plan| plan.ttl)
    }
}

fn defaults() -> BTreeMap<Kind, Plan> {
    let plan = |kind: Kind, channels: &[Channel], ttl| {
        let steps = channels.iter().copied().map(Step::from).collect();
        (kind, Plan { kind, steps, ttl, quiet: None, hedge_after: None })
    };
    let day = Duration::from_hours(24);
    let all = [Channel::Push, Channel::Sms, Channel::Email];
    // Nobody pays for a text message about each purchase without having decided so.
    let free = [Channel::Push, Channel::Email];
    BTreeMap::from([
        plan(Kind::Otp, &[Channel::Push, Channel::Sms], Duration::from_mins(5)),
        plan(Kind::CardLocked, &all, day),
        plan(Kind::CardUnlocked, &all, day),
        plan(Kind::VerificationInProgress, &free, day),
        plan(Kind::VerificationAccepted, &free, day * 3),
        plan(Kind::VerificationRejected, &free, day * 3),
        plan(Kind::TransactionalLockAdded, &all, day),
        plan(Kind::TransactionalLockRemoved, &all, day),
        plan(Kind::Transaction, &free, Duration::from_hours(1)),
    ])
}

fn check(kind: Kind, plan: &PlanSettings) -> Result<(), Error> {
    if plan.steps.is_empty() {
        return Err(Error::NoSteps(kind));
    }
    if plan.steps.iter().any(|step| step.channels().is_empty()) {
        return Err(Error::EmptyStep(kind));
    }
    let channels: Vec<_> = plan.steps.iter().flat_map(Step::channels).copied().collect();
    for (at, channel) in channels.iter().enumerate() {
        if channels[..at].contains(channel) {
            return Err(Error::Twice(kind, *channel));
        }
    }
    if kind == Kind::Otp && channels.contains(&Channel::Email) && !plan.email_is_device_bound {
        return Err(Error::OtpByEmail);
    }
    if kind == Kind::Otp && plan.quiet.is_some() {
        return Err(Error::OtpQuiet);
    }
    match kind {
        Kind::Otp if plan.ttl.is_zero() || plan.ttl > OTP_TTL_MAX => {
            return Err(Error::Ttl(kind, " and at most 600 s"));
        }
        _ if plan.ttl.is_zero() => return Err(Error::Ttl(kind, "")),
        _ => {}
    }
    check_hedge(kind, plan)
}

fn check_hedge(kind: Kind, plan: &PlanSettings) -> Result<(), Error> {
    let Some(wait) = plan.hedge_after else { return Ok(()) };
    let followed = plan.steps.split_last().map_or(&[][..], |(_, before)| before);
    if !followed.iter().any(|step| step.channels().first() == Some(&Channel::Push)) {
        return Err(Error::NothingToHedge(kind));
    }
    if wait.is_zero() || wait >= plan.ttl { Err(Error::HedgeAfter(kind)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(section: &str) -> String {
        let settings: Settings = serde_json::from_str(section).unwrap();
        Plans::new(settings).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_with_a_plan_says_what_to_do() {
        for (section, said) in [
            (r#"{"otp":{"steps":["push","sms"],"ttl":"5m","quiet":"22:00-07:00"}}"#, "plan.otp.quiet: a code is of no"),
            (r#"{"transaction":{"steps":["push",["sms","push"]],"ttl":"5m"}}"#, "push stands there twice"),
            (r#"{"transaction":{"steps":["push",[]],"ttl":"5m"}}"#, "a step is an empty list; remove it"),
            (r#"{"otp":{"steps":[["sms","email"]],"ttl":"5m"}}"#, "plan.otp.email_is_device_bound = true"),
            (r#"{"otp":{"steps":["sms","push"],"ttl":"5m","hedge_after":"30s"}}"#, "remove the key"),
            (r#"{"otp":{"steps":["push","sms"],"ttl":"5m","hedge_after":"5m"}}"#, "less than plan.otp.ttl"),
        ] {
            assert!(refused(section).contains(said), "{}", refused(section));
        }
    }

    #[test]
    fn a_step_is_a_channel_or_a_list_of_them() {
        let settings = r#"{"transaction":{"steps":["push",["sms","email"]],"ttl":"5m","hedge_after":"30s"}}"#;
        let plans = Plans::new(serde_json::from_str(settings).unwrap()).unwrap();
        let steps: Vec<_> = plans.of(Kind::Transaction).unwrap().steps.iter().map(ToString::to_string).collect();
        assert_eq!(steps, ["push", "sms and email"]);

        for bad in [r#"{"transaction":{"steps":["pigeon"],"ttl":"5m"}}"#, r#"{"transaction":{"steps":[7],"ttl":"5m"}}"#]
        {
            let said = serde_json::from_str::<Settings>(bad).unwrap_err().to_string();
            assert!(said.contains("sms, push or email"), "{said}");
        }
    }
}
