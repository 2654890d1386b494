//! What draining a provider means: which providers are left for its channel, and which plans have none.
//!
//! Pure. Whether a provider that is left serves the country of a phone number is known per message only.

use std::collections::BTreeSet;

use crate::domain::contact::Channel;
use crate::domain::notification::Kind;
use crate::domain::provider_profile::ProviderProfile;
use crate::route::{Plan, Plans};
use crate::store::providers::Drain;

/// What happens when a provider is drained.
#[derive(Debug, Clone)]
pub struct DrainEffect<'a> {
    /// The enabled providers that are left for its channel, in the order of the configuration.
    pub others: Vec<&'a ProviderProfile>,
    /// The plans that use the channel, when no provider is left for it.
    pub plans: Vec<AffectedPlan>,
}

/// A plan with a channel that has no enabled provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AffectedPlan {
    pub kind: Kind,
    /// Its channels that still have an enabled provider; with none of them nothing of this kind is sent.
    pub left: Vec<Channel>,
}

/// The enabled providers of the same channel besides `drained`.
pub fn others<'a>(
    drained: &ProviderProfile,
    profiles: impl Iterator<Item = &'a ProviderProfile>,
    drains: &[Drain],
) -> Vec<&'a ProviderProfile> {
    let is_enabled = |it: &ProviderProfile| !drains.iter().any(|drain| drain.provider == it.provider);
    let of_channel = profiles.filter(|it| it.channel == drained.channel && it.provider != drained.provider);
    of_channel.filter(|it| is_enabled(it)).collect()
}

impl<'a> DrainEffect<'a> {
    /// What happens when `drained` is taken out of rotation as well.
    pub fn of(drained: &ProviderProfile, profiles: &'a [ProviderProfile], drains: &[Drain], plans: &Plans) -> Self {
        let others = others(drained, profiles.iter(), drains);
        let is_left = |it: &&ProviderProfile| {
            it.provider != drained.provider && !drains.iter().any(|drain| drain.provider == it.provider)
        };
        let left: BTreeSet<_> = profiles.iter().filter(is_left).map(|it| it.channel).collect();
        let affected = |plan: &Plan| {
            let is_affected = others.is_empty() && plan.channels().any(|channel| channel == drained.channel);
            is_affected.then(|| AffectedPlan {
                kind: plan.kind,
                left: plan.channels().filter(|channel| left.contains(channel)).collect(),
            })
        };
        let plans = plans.all().filter_map(affected).collect();
        Self { others, plans }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;

    fn profile(name: &str, channel: &str) -> ProviderProfile {
        serde_json::from_value(serde_json::json!({ "name": name, "channel": channel })).unwrap()
    }

    fn drain(of: &ProviderProfile) -> Drain {
        Drain { provider: of.provider.clone(), since: Timestamp::from_micros(0), reason: None, by: None }
    }

    #[test]
    fn a_plan_is_affected_when_no_provider_of_the_channel_is_left() {
        let profiles = [profile("one", "sms"), profile("two", "sms"), profile("app", "push")];
        let plans = Plans::new(crate::route::Settings::new()).unwrap();

        let effect = DrainEffect::of(&profiles[0], &profiles, &[], &plans);
        assert_eq!(effect.others.iter().map(|it| it.provider.0.as_str()).collect::<Vec<_>>(), ["two"]);
        assert_eq!(effect.plans, []);

        let last = DrainEffect::of(&profiles[0], &profiles, &[drain(&profiles[1])], &plans);
        let otp = AffectedPlan { kind: Kind::Otp, left: vec![Channel::Push] };
        assert!(last.others.is_empty() && last.plans.contains(&otp), "{last:?}");
        assert!(!last.plans.iter().any(|plan| plan.kind == Kind::Transaction), "it is not sent by SMS");

        let all = [drain(&profiles[1]), drain(&profiles[2])];
        let nothing = DrainEffect::of(&profiles[0], &profiles, &all, &plans);
        assert!(nothing.plans.iter().all(|plan| plan.left.is_empty()), "{nothing:?}");
    }
}
