//! Plans: for each notification kind, the channels in order, the time to live and the quiet hours.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::quiet_hours::QuietHours;
use super::step::Step;
use crate::domain::contact::Channel;
use crate::domain::notification::{Kind, UnknownKind};

/// The longest TTL of a code. NIST SP 800-63B and OWASP ASVS 6.5.5 both allow ten minutes.
const OTP_TTL_MAX: Duration = Duration::from_mins(10);

/// `[plan.<kind>]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanSettings {
    /// In the order in which they are tried: the next one when all candidates of one have failed.
    pub steps: Vec<Step>,
    /// The time from acceptance after which nothing is sent.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub ttl: Duration,
    /// For codes: each mailbox can be read only on a device that is bound to the recipient, so `email` may be a step.
    #[serde(default)]
    pub email_is_device_bound: bool,
    /// Hours in which notifications are delayed, unless they are urgent.
    #[serde(default)]
    pub quiet_hours: Option<QuietHours>,
    /// After this time from the acceptance of a push, the next step is taken, too, unless the app has confirmed the push:
    /// an accepted push may never arrive.
    #[serde(default, with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub hedge_after: Option<Duration>,
}

/// All `[plan.<kind>]` sections, by kind.
pub type Settings = BTreeMap<String, PlanSettings>;

/// The plan of one notification kind.
#[derive(Debug, Clone)]
pub struct Plan {
    pub kind: Kind,
    pub steps: Vec<Step>,
    pub ttl: Duration,
    pub quiet_hours: Option<QuietHours>,
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

/// A configured plan cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("plan.{0}")]
    UnknownKind(String, #[source] UnknownKind),
    #[error("plan.{0}.steps: expected at least one of sms, push and email")]
    NoSteps(Kind),
    #[error("plan.{0}.steps: a step is an empty list; remove it, or name sms, push or email in it")]
    EmptyStep(Kind),
    /// A repeated channel is a mistake: retries need no step of their own.
    #[error("plan.{0}.steps: duplicate channel {1}")]
    DuplicateChannel(Kind, Channel),
    #[error("plan.{0}.ttl: must be greater than 0s{1}")]
    Ttl(Kind, &'static str),
    #[error(
        "plan.otp.steps: email delivers a code to anyone who can read the mailbox (EBA Q&A 2018_4315, NIST SP 800-63B-4); \
         if each mailbox is bound to a device, set plan.otp.email_is_device_bound = true"
    )]
    OtpByEmail,
    #[error("plan.otp.quiet_hours: codes cannot be delayed; remove the key")]
    OtpQuietHours,
    #[error(
        "plan.{0}.hedge_after: expected push, alone or first in its list, with another step behind it; \
         change plan.{0}.steps, or remove the key"
    )]
    NothingToHedge(Kind),
    #[error("plan.{0}.hedge_after: must be greater than 0s and less than plan.{0}.ttl")]
    HedgeAfter(Kind),
}

impl Plans {
    /// The default plans, replaced by the configured ones.
    pub fn new(configured: Settings) -> Result<Self, Error> {
        let mut plans = defaults();
        for (name, settings) in configured {
            let kind: Kind = name.parse().map_err(|error| Error::UnknownKind(name, error))?;
            check(kind, &settings)?;
            let PlanSettings { steps, ttl, quiet_hours, hedge_after, email_is_device_bound: _ } = settings;
            plans.insert(kind, Plan { kind, steps, ttl, quiet_hours, hedge_after });
        }
        Ok(Self(plans))
    }

    pub fn of(&self, kind: Kind) -> Option<&Plan> {
        self.0.get(&kind)
    }

    /// All plans, by kind.
    pub fn all(&self) -> impl Iterator<Item = &Plan> {
        self.0.values()
    }

    /// The time to live; zero without a plan.
    pub fn ttl(&self, kind: Kind) -> Duration {
        self.of(kind).map_or(Duration::ZERO, |plan| plan.ttl)
    }
}

fn defaults() -> BTreeMap<Kind, Plan> {
    let plan = |kind: Kind, channels: &[Channel], ttl| {
        let steps = channels.iter().copied().map(Step::from).collect();
        (kind, Plan { kind, steps, ttl, quiet_hours: None, hedge_after: None })
    };
    let day = Duration::from_hours(24);
    let all = [Channel::Push, Channel::Sms, Channel::Email];
    // Operators do not pay for an SMS about each purchase unless they choose to.
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
            return Err(Error::DuplicateChannel(kind, *channel));
        }
    }
    if kind == Kind::Otp && channels.contains(&Channel::Email) && !plan.email_is_device_bound {
        return Err(Error::OtpByEmail);
    }
    if kind == Kind::Otp && plan.quiet_hours.is_some() {
        return Err(Error::OtpQuietHours);
    }
    match kind {
        Kind::Otp if plan.ttl.is_zero() || plan.ttl > OTP_TTL_MAX => {
            return Err(Error::Ttl(kind, " and at most 600s"));
        }
        _ if plan.ttl.is_zero() => return Err(Error::Ttl(kind, "")),
        _ => {}
    }
    check_hedge(kind, plan)
}

fn check_hedge(kind: Kind, plan: &PlanSettings) -> Result<(), Error> {
    let Some(wait) = plan.hedge_after else { return Ok(()) };
    let followed = plan.steps.split_last().map_or(&[][..], |(_last, followed)| followed);
    if !followed.iter().any(|step| step.channels().first() == Some(&Channel::Push)) {
        return Err(Error::NothingToHedge(kind));
    }
    if wait.is_zero() || wait >= plan.ttl { Err(Error::HedgeAfter(kind)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(section: &str) -> String {
        let settings: Settings = serde_json::from_str(section).unwrap();
        Plans::new(settings).unwrap_err().to_string()
    }

    #[test]
    fn an_error_in_a_plan_says_what_to_do() {
        for (section, said) in [
            (
                r#"{"otp":{"steps":["push","sms"],"ttl":"5m","quiet_hours":"22:00-07:00"}}"#,
                "plan.otp.quiet_hours: codes cannot",
            ),
            (r#"{"transaction":{"steps":["push",["sms","push"]],"ttl":"5m"}}"#, "duplicate channel push"),
            (r#"{"transaction":{"steps":["push",[]],"ttl":"5m"}}"#, "a step is an empty list; remove it"),
            (r#"{"otp":{"steps":[["sms","email"]],"ttl":"5m"}}"#, "plan.otp.email_is_device_bound = true"),
            (r#"{"otp":{"steps":["sms","push"],"ttl":"5m","hedge_after":"30s"}}"#, "remove the key"),
            (r#"{"otp":{"steps":["push","sms"],"ttl":"5m","hedge_after":"5m"}}"#, "less than plan.otp.ttl"),
        ] {
            assert!(error(section).contains(said), "{}", error(section));
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
